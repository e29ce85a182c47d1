"""What every registry must do: the rules of `ports.Registry`, each as a test."""

from __future__ import annotations

import multiprocessing
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from hopyard.errors import (
    ConfigError,
    ConflictError,
    CorruptStoreError,
    FormatVersionError,
    NotFoundError,
    StoreError,
)
from hopyard.ports import Record, Registry
from hopyard.registry.migrations import upgrade
from hopyard.registry.store import SqlRegistry, sqlite_url
from hopyard.registry.tables import HEAD, METADATA
from hopyard.time import system_clock

SPAWN = multiprocessing.get_context("spawn")
N_PROCESSES = 8


class Ticks:
    """A clock that moves by one microsecond each time it is asked."""

    def __init__(self) -> None:
        self.now = 1_000

    def __call__(self) -> int:
        self.now += 1
        return self.now


def sqlite_at(folder: Path) -> str:
    return sqlite_url(folder / "new" / "registry.db").render_as_string()


@pytest.fixture(params=[pytest.param(sqlite_at, id="sqlite")])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty registry. Another database is one more line above."""
    place: Callable[[Path], str] = request.param
    return place(tmp_path)


@pytest.fixture
def clock() -> Ticks:
    return Ticks()


@pytest.fixture
def registry(url: str, clock: Ticks) -> Iterator[Registry]:
    opened = SqlRegistry(url, clock=clock)
    yield opened
    opened.close()


def group(name: str = "weather", version: int = 1, *, project: str = "demo", body: bytes = b"{}") -> Record:
    """Return a record of a feature group that is not stored yet."""
    return Record(
        project=project,
        kind="feature_group",
        name=name,
        version=version,
        id=f"{project}-{name}-{version}",
        body=body,
        actor="ann",
    )


def create(registry: Registry, record: Record) -> Record:
    return registry.put(record, expected_revision=0)


def change(record: Record, **changes: object) -> Record:
    return msgspec.structs.replace(record, **changes)


# put


def test_put_returns_the_record_with_revision_and_instants_and_get_returns_the_same(
    registry: Registry, clock: Ticks
) -> None:
    stored = create(registry, group(body=b'{"a":1}'))
    assert stored == change(
        group(body=b'{"a":1}'), revision=1, created_at_us=clock.now, updated_at_us=clock.now
    )
    assert registry.get("demo", "feature_group", "weather", 1) == stored


def test_put_counts_revisions_and_keeps_the_creation_time(registry: Registry) -> None:
    first = create(registry, group())
    second = registry.put(change(first, body=b"2", actor="bob"), expected_revision=1)
    third = registry.put(change(second, body=b"3"), expected_revision=2)
    assert [second.revision, third.revision] == [2, 3]
    assert first.created_at_us == second.created_at_us == third.created_at_us
    assert first.updated_at_us < second.updated_at_us < third.updated_at_us
    assert registry.get("demo", "feature_group", "weather", 1) == third


@pytest.mark.parametrize("body", [b"", b"\x00\xff\x00", "\u00fc\U0001f33f".encode(), b"x" * 100_000])
def test_a_body_comes_back_byte_for_byte(registry: Registry, body: bytes) -> None:
    create(registry, group(body=body))
    assert registry.get("demo", "feature_group", "weather", 1).body == body


def test_creating_what_exists_is_a_conflict_that_names_it_and_both_revisions(registry: Registry) -> None:
    first = create(registry, group())
    with pytest.raises(ConflictError) as error:
        create(registry, change(group(), id="other", body=b"other"))
    assert "feature group 'weather' version 1 of project 'demo' exists already" in str(error.value)
    assert "expected revision 0, found 1" in str(error.value)
    assert registry.get("demo", "feature_group", "weather", 1) == first
    assert registry.history("other") == []


def test_a_stale_put_is_a_conflict_that_names_it_and_both_revisions(registry: Registry) -> None:
    first = create(registry, group())
    second = registry.put(change(first, actor="bob"), expected_revision=1)
    for expected in (1, 3):
        with pytest.raises(ConflictError) as error:
            registry.put(change(first, body=b"lost"), expected_revision=expected)
        assert "feature group 'weather' version 1 of project 'demo'" in str(error.value)
        assert f"expected revision {expected}, found 2" in str(error.value)
        assert "'bob'" in str(error.value)
    assert registry.get("demo", "feature_group", "weather", 1) == second
    assert registry.history(first.id) == [first, second]


def test_a_put_of_what_is_gone_is_a_conflict(registry: Registry) -> None:
    with pytest.raises(
        ConflictError, match=r"'weather' version 1 of project 'demo'.*expected revision 1, found none"
    ):
        registry.put(group(), expected_revision=1)
    stored = create(registry, group())
    registry.delete(stored)
    with pytest.raises(ConflictError, match="expected revision 1, found none"):
        registry.put(stored, expected_revision=1)
    assert registry.find("demo", "feature_group", "weather") is None


def test_a_put_under_another_id_is_a_conflict(registry: Registry) -> None:
    registry.delete(create(registry, group()))
    recreated = create(registry, change(group(), id="second"))
    with pytest.raises(ConflictError, match="id 'second' instead of 'demo-weather-1'"):
        registry.put(group(body=b"lost"), expected_revision=1)
    assert registry.get("demo", "feature_group", "weather", 1) == recreated


def test_an_id_is_never_used_again(registry: Registry) -> None:
    stored = create(registry, group())
    with pytest.raises(ConflictError, match="'demo-weather-1' belongs to another record"):
        create(registry, change(stored, name="planes"))
    registry.delete(stored)
    with pytest.raises(
        ConflictError, match="'demo-weather-1' belongs to another record, or to one that was del"
    ):
        create(registry, stored)
    assert registry.list("demo", "feature_group") == []


# get, find, list


def test_get_of_an_unknown_name_proposes_the_closest_of_the_same_project_and_kind(registry: Registry) -> None:
    create(registry, group("weather"))
    create(registry, group("weathr", project="other"))
    create(registry, change(group("wether"), kind="feature_view", id="view"))
    with pytest.raises(NotFoundError, match=r"No feature group named 'weathe'. Did you mean 'weather'\?"):
        registry.get("demo", "feature_group", "weathe", 1)
    with pytest.raises(NotFoundError, match=r"No training dataset named 'weather'. There are none yet"):
        registry.get("demo", "training_dataset", "weather", 1)


def test_get_of_an_unknown_version_lists_the_versions(registry: Registry) -> None:
    create(registry, group(version=1))
    create(registry, group(version=2))
    with pytest.raises(
        NotFoundError, match=r"No version of feature group 'weather' named '7'. There are: 1, 2"
    ):
        registry.get("demo", "feature_group", "weather", 7)


def test_find_gives_the_latest_version_by_number_or_the_one_asked_for_or_none(registry: Registry) -> None:
    for version in (2, 10, 9):
        create(registry, group(version=version))
    latest = registry.find("demo", "feature_group", "weather")
    assert latest is not None
    assert latest.version == 10
    second = registry.find("demo", "feature_group", "weather", 2)
    assert second is not None
    assert second.version == 2
    assert registry.find("demo", "feature_group", "weather", 3) is None
    assert registry.find("demo", "feature_group", "planes") is None
    assert registry.find("demo", "feature_view", "weather") is None
    assert registry.find("other", "feature_group", "weather") is None


def test_list_is_ordered_by_name_and_version_whatever_the_order_of_creation(registry: Registry) -> None:
    for name, version in [("b", 2), ("a_b", 1), ("ab", 1), ("b", 10), ("a", 3), ("b", 1), ("a1", 1)]:
        create(registry, group(name, version))
    create(registry, group("a", 1, project="other"))
    create(registry, change(group("a", 7), kind="feature_view", id="view"))
    found = [(record.name, record.version) for record in registry.list("demo", "feature_group")]
    assert found == [("a", 3), ("a1", 1), ("a_b", 1), ("ab", 1), ("b", 1), ("b", 2), ("b", 10)]
    assert [record.version for record in registry.list("demo", "feature_group", "b")] == [1, 2, 10]
    assert registry.list("demo", "feature_group", "c") == []


def test_projects_and_kinds_keep_apart(registry: Registry) -> None:
    ours, theirs = create(registry, group()), create(registry, group(project="other"))
    view = create(registry, change(group(), kind="feature_view", id="view"))
    registry.delete(ours)
    assert registry.get("other", "feature_group", "weather", 1) == theirs
    assert registry.get("demo", "feature_view", "weather", 1) == view


# delete, history


def test_delete_removes_the_record(registry: Registry) -> None:
    registry.delete(create(registry, group()))
    assert registry.find("demo", "feature_group", "weather") is None
    with pytest.raises(NotFoundError):
        registry.get("demo", "feature_group", "weather", 1)


def test_delete_of_a_stale_record_is_a_conflict_and_removes_nothing(registry: Registry) -> None:
    first = create(registry, group())
    second = registry.put(first, expected_revision=1)
    with pytest.raises(
        ConflictError, match=r"'weather' version 1 of project 'demo'.*expected revision 1, found 2"
    ):
        registry.delete(first)
    assert registry.get("demo", "feature_group", "weather", 1) == second


def test_delete_of_what_is_gone_is_a_conflict(registry: Registry) -> None:
    stored = create(registry, group())
    registry.delete(stored)
    with pytest.raises(ConflictError, match="expected revision 1, found none"):
        registry.delete(stored)


def test_history_gives_every_revision_oldest_first_and_survives_a_delete(registry: Registry) -> None:
    assert registry.history("demo-weather-1") == []
    first = create(registry, group(body=b"1"))
    second = registry.put(change(first, body=b"2"), expected_revision=1)
    third = registry.put(change(second, body=b"3"), expected_revision=2)
    assert registry.history(first.id) == [first, second, third]
    registry.delete(third)
    create(registry, change(group(), id="second"))
    assert registry.history(first.id) == [first, second, third]


# opening, closing, sharing


def test_a_closed_registry_can_be_used_again(registry: Registry) -> None:
    registry.close()
    stored = create(registry, group())
    registry.close()
    registry.close()
    assert registry.get("demo", "feature_group", "weather", 1) == stored


def test_what_one_registry_stores_another_one_reads(registry: Registry, url: str) -> None:
    stored = create(registry, group())
    other = SqlRegistry(url, clock=Ticks())
    assert other.get("demo", "feature_group", "weather", 1) == stored
    other.close()


def test_threads_share_one_registry_and_lose_no_update(registry: Registry) -> None:
    start = threading.Barrier(4)

    def count(_: int) -> None:
        start.wait()
        for _ in range(10):
            _increment(registry)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(4)))
    assert registry.get("demo", "feature_group", "counter", 1).body == b"40"


def test_processes_that_open_a_fresh_place_at_once_all_succeed(url: str) -> None:
    with SPAWN.Manager() as manager, ProcessPoolExecutor(N_PROCESSES, mp_context=SPAWN) as pool:
        start = manager.Barrier(N_PROCESSES)
        names = [f"p{number}" for number in range(N_PROCESSES)]
        found = [job.result() for job in [pool.submit(_create_one, url, name, start) for name in names]]
    assert sorted(found) == names
    registry = SqlRegistry(url, clock=Ticks())
    assert [record.name for record in registry.list("demo", "feature_group")] == names


def test_processes_that_put_the_next_version_get_distinct_versions(url: str) -> None:
    with SPAWN.Manager() as manager, ProcessPoolExecutor(N_PROCESSES, mp_context=SPAWN) as pool:
        start = manager.Barrier(N_PROCESSES)
        jobs = [pool.submit(_put_next_version, url, f"id{n}", start) for n in range(N_PROCESSES)]
        versions = sorted(job.result() for job in jobs)
    assert versions == list(range(1, N_PROCESSES + 1))


def test_processes_that_change_one_record_lose_no_update(url: str) -> None:
    with SPAWN.Manager() as manager, ProcessPoolExecutor(3, mp_context=SPAWN) as pool:
        start = manager.Barrier(3)
        for job in [pool.submit(_increment_many, url, 20, start) for _ in range(3)]:
            job.result()
    registry = SqlRegistry(url, clock=Ticks())
    counter = registry.get("demo", "feature_group", "counter", 1)
    assert (counter.body, counter.revision) == (b"60", 60)
    assert [int(record.body) for record in registry.history("counter")] == list(range(1, 61))


def test_a_forked_child_opens_its_own_connections(registry: Registry, url: str) -> None:
    first = create(registry, group())
    child = multiprocessing.get_context("fork").Process(target=_put_as_child, args=(registry, first))
    child.start()
    child.join()
    assert child.exitcode == 0
    registry.close()
    again = SqlRegistry(url, clock=Ticks())
    assert [record.body for record in again.history(first.id)] == [b"{}", b"from the child"]


def _create_one(url: str, name: str, start: threading.Barrier) -> str:
    start.wait()
    registry = SqlRegistry(url, clock=system_clock)
    return create(registry, group(name)).name


def _put_next_version(url: str, id: str, start: threading.Barrier) -> int:
    registry = SqlRegistry(url, clock=system_clock)
    start.wait()
    while True:
        latest = registry.find("demo", "feature_group", "weather")
        version = latest.version + 1 if latest else 1
        try:
            return create(registry, change(group(version=version), id=id)).version
        except ConflictError:
            continue


def _increment_many(url: str, n_times: int, start: threading.Barrier) -> None:
    registry = SqlRegistry(url, clock=system_clock)
    start.wait()
    for _ in range(n_times):
        _increment(registry)


def _increment(registry: Registry) -> None:
    """Add 1 to the number in the body of one record, read again after each conflict."""
    while True:
        seen = registry.find("demo", "feature_group", "counter")
        counter = seen or change(group("counter", body=b"0"), id="counter")
        try:
            registry.put(
                change(counter, body=str(int(counter.body) + 1).encode()), expected_revision=counter.revision
            )
            return
        except ConflictError:
            continue


def _put_as_child(registry: Registry, first: Record) -> None:
    registry.put(change(first, body=b"from the child"), expected_revision=1)


# SqlRegistry alone


def test_the_constructor_touches_nothing(tmp_path: Path) -> None:
    SqlRegistry(sqlite_url(tmp_path / "sub" / "registry.db"), clock=Ticks()).close()
    assert list(tmp_path.iterdir()) == []


def test_a_path_may_have_any_characters(tmp_path: Path) -> None:
    file = tmp_path / "a b?c%20d#e@f:g" / "registry.db"
    for url in (sqlite_url(file), sqlite_url(file).render_as_string()):
        SqlRegistry(url, clock=Ticks()).list("demo", "project")
        assert file.is_file()
        file.unlink()


def test_a_registry_of_a_newer_hopyard_is_refused_and_not_changed(tmp_path: Path) -> None:
    file = tmp_path / "registry.db"
    create(SqlRegistry(sqlite_url(file), clock=Ticks()), group())
    _sql(file, "UPDATE alembic_version SET version_num = '0099'")
    registry = SqlRegistry(sqlite_url(file), clock=Ticks())
    with pytest.raises(FormatVersionError, match=f"format version 99; this Hopyard reads up to {int(HEAD)}"):
        registry.list("demo", "feature_group")
    with pytest.raises(FormatVersionError):
        create(registry, group("planes"))


def test_a_version_table_of_another_program_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "registry.db"
    _sql(file, "CREATE TABLE alembic_version (version_num VARCHAR(32))")
    _sql(file, "INSERT INTO alembic_version VALUES ('a1b2c3')")
    with pytest.raises(CorruptStoreError, match=r"'a1b2c3'.*another program"):
        SqlRegistry(sqlite_url(file), clock=Ticks()).list("demo", "project")


def test_a_creation_that_was_cut_short_is_finished(tmp_path: Path) -> None:
    """As a database leaves it that runs schema changes outside of transactions."""
    file = tmp_path / "registry.db"
    create(SqlRegistry(sqlite_url(file), clock=Ticks()), group())
    _sql(file, "DELETE FROM alembic_version")
    _sql(file, "DROP TABLE record_history")
    registry = SqlRegistry(sqlite_url(file), clock=Ticks())
    create(registry, group("planes"))
    assert [record.name for record in registry.list("demo", "feature_group")] == ["planes", "weather"]


def test_a_file_that_is_no_database_is_corrupt(tmp_path: Path) -> None:
    file = tmp_path / "registry.db"
    file.write_bytes(b"no database at all " * 100)
    with pytest.raises(CorruptStoreError, match=r"registry\.db.*not a database"):
        SqlRegistry(sqlite_url(file), clock=Ticks()).list("demo", "project")


def test_a_folder_in_the_place_of_the_file_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        SqlRegistry(sqlite_url(tmp_path), clock=Ticks()).list("demo", "project")


@pytest.mark.parametrize("url", ["no url", "sqlite://", "sqlite:///:memory:"])
def test_a_url_that_cannot_be_used_is_refused_by_the_constructor(url: str) -> None:
    with pytest.raises(ConfigError, match=url):
        SqlRegistry(url, clock=Ticks())


def test_an_unknown_kind_of_database_is_refused_at_the_first_call() -> None:
    with pytest.raises(ConfigError, match="nosuchdb"):
        SqlRegistry("nosuchdb://host/name", clock=Ticks()).list("demo", "project")


def test_a_delete_leaves_a_last_row_in_the_history_that_says_who_and_when(tmp_path: Path) -> None:
    clock, file = Ticks(), tmp_path / "registry.db"
    registry = SqlRegistry(sqlite_url(file), clock=clock)
    stored = create(registry, group())
    registry.delete(change(stored, actor="bob"))
    rows = _sql(
        file, "SELECT revision, is_deleted, actor, updated_at_us FROM record_history ORDER BY revision"
    )
    assert rows == [(1, 0, "ann", stored.updated_at_us), (2, 1, "bob", clock.now)]


def test_a_failed_change_leaves_no_history(tmp_path: Path) -> None:
    """Record and history are one transaction: when the second statement fails, the first is undone."""
    file = tmp_path / "registry.db"
    registry = SqlRegistry(sqlite_url(file), clock=Ticks())
    first = create(registry, group())
    refuse = "BEGIN SELECT RAISE(FAIL, 'no history today'); END"
    _sql(file, f"CREATE TRIGGER refuse BEFORE INSERT ON record_history {refuse}")
    for attempt in (
        lambda: registry.put(change(first, body=b"2"), expected_revision=1),
        lambda: registry.delete(first),
        lambda: create(registry, group("planes")),
    ):
        with pytest.raises(StoreError):
            attempt()
    assert registry.list("demo", "feature_group") == [first]
    assert registry.history(first.id) == [first]


def test_sqlite_writes_ahead_and_nothing_stays_open(tmp_path: Path) -> None:
    file = tmp_path / "registry.db"
    create(SqlRegistry(sqlite_url(file), clock=Ticks()), group())
    assert _sql(file, "PRAGMA journal_mode") == [("wal",)]
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("needs /proc to see open files")
    open_files = [entry.readlink() for entry in descriptors.iterdir() if entry.is_symlink()]
    assert not [file for file in open_files if file.is_relative_to(tmp_path)]


def _sql(file: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(file)) as connection, connection:
        return connection.execute(statement).fetchall()


def test_head_is_the_newest_migration_and_the_tables_are_what_the_migrations_make(tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.config import Config
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from sqlalchemy import create_engine

    config = Config()
    config.set_main_option("script_location", "hopyard.registry:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD
    engine = create_engine(sqlite_url(tmp_path / "registry.db"))
    with engine.begin() as connection:
        upgrade(connection)
        upgrade(connection)
        # SQLAlchemy cannot describe the full-text index, nor the tables that SQLite keeps behind it.
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, *_: not str(name).startswith("search_text")}
        )
        assert compare_metadata(context, METADATA) == []
    engine.dispose()
