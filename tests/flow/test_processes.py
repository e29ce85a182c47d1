"""Several processes work on one store at once."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Event
from pathlib import Path

import hopyard
from hopyard.feature_group import FeatureGroup
from hopyard.project import Project
from parity import assert_online_equals_offline

SPAWN = multiprocessing.get_context("spawn")
START = datetime(2024, 1, 1, tzinfo=UTC)
N_UPSERTS = 200
N_KEYS = 25
N_VERSIONS = 8
N_MOVES = 40


def readings(project: Project) -> FeatureGroup:
    return project.get_feature_store().get_feature_group("readings")


def rows_of(writer: int, upsert: int) -> list[dict[str, object]]:
    """Return two rows: one identity that all writers write, and one that only this writer writes, once."""
    shared = {"key": upsert % N_KEYS, "at": START, "writer": writer, "upsert": upsert}
    own = {
        "key": (upsert + 1) % N_KEYS,
        "at": START + timedelta(hours=1 + upsert, minutes=writer),
        "writer": writer,
        "upsert": upsert,
    }
    return [shared, own]


def upsert_many(folder: Path, writer: int) -> list[int]:
    """Return the numbers of the commits that this writer got."""
    group = readings(hopyard.login(folder))
    return [group.insert(rows_of(writer, upsert)).number for upsert in range(N_UPSERTS)]


def move_rows(folder: Path, writer: int) -> None:
    """Upsert keys that the other writer upserts too, each time into another partition."""
    group = readings(hopyard.login(folder))
    for upsert in range(N_MOVES):
        moved = [
            {"key": key, "place": f"p{(writer + upsert + key) % 3}", "upsert": upsert} for key in range(4)
        ]
        group.insert([*moved, {"key": 100 * (writer + 1) + upsert, "place": "own", "upsert": upsert}])


def create_version(folder: Path, number: int) -> int | None:
    group = hopyard.login(folder).get_feature_store().create_feature_group("prices", primary_key="key")
    group.insert([{"key": number}])
    return group.version


def insert_pairs(folder: Path, n_commits: int, is_done: Event) -> None:
    """Give every key the number of the commit as its value, commit after commit."""
    group = readings(hopyard.login(folder))
    for number in range(1, n_commits + 1):
        group.insert([{"key": key, "at": START + timedelta(seconds=number), "value": number} for key in "ab"])
    is_done.set()


def test_two_writers_of_overlapping_keys_lose_and_duplicate_nothing(tmp_path: Path) -> None:
    project = hopyard.login(tmp_path / "store")
    project.get_feature_store().create_feature_group(
        "readings",
        primary_key="key",
        event_time="at",
        online_enabled=True,
        features={"key": "bigint", "at": "timestamp", "writer": "bigint", "upsert": "bigint"},
    ).save()

    with ProcessPoolExecutor(2, mp_context=SPAWN) as pool:
        commits = list(pool.map(upsert_many, [tmp_path / "store"] * 2, range(2)))

    group = readings(project)
    rows = group.read(dataframe_type="python")
    found = Counter((row["key"], row["at"]) for row in rows)
    wanted = {
        (row["key"], row["at"])
        for writer in range(2)
        for upsert in range(N_UPSERTS)
        for row in rows_of(writer, upsert)
    }
    assert set(found) == wanted
    assert set(found.values()) == {1}
    numbers = [number for of_writer in commits for number in of_writer]
    assert len(set(numbers)) == 2 * N_UPSERTS
    assert set(numbers) <= {commit.number for commit in group.commit_details()}
    for of_writer in commits:
        assert of_writer == sorted(of_writer)
    # Of a shared identity the last write stands: the last round of either writer.
    shared = [row for row in rows if row["at"] == START]
    assert all(row["upsert"] >= N_UPSERTS - N_KEYS for row in shared)
    assert_online_equals_offline(project, group)


def test_two_writers_that_move_rows_between_partitions_lose_and_duplicate_nothing(tmp_path: Path) -> None:
    project = hopyard.login(tmp_path / "store")
    project.get_feature_store().create_feature_group(
        "readings",
        primary_key="key",
        partition_key="place",
        online_enabled=True,
        features={"key": "bigint", "place": "string", "upsert": "bigint"},
    ).save()

    with ProcessPoolExecutor(2, mp_context=SPAWN) as pool:
        list(pool.map(move_rows, [tmp_path / "store"] * 2, range(2)))

    group = readings(project)
    found = group.read(dataframe_type="python", order_by=["key"])
    own = [100 * (writer + 1) + upsert for writer in range(2) for upsert in range(N_MOVES)]
    assert [row["key"] for row in found] == [0, 1, 2, 3, *own]
    last = max(row["upsert"] for row in found[:4])
    assert last == N_MOVES - 1
    assert len({row["upsert"] for row in found[:4]}) == 1, "all rows of the last commit, or none"
    assert_online_equals_offline(project, group)


def test_versions_made_by_eight_processes_at_once_are_eight(tmp_path: Path) -> None:
    with ProcessPoolExecutor(N_VERSIONS, mp_context=SPAWN) as pool:
        made = dict(enumerate(pool.map(create_version, [tmp_path / "store"] * N_VERSIONS, range(N_VERSIONS))))

    assert sorted(version or 0 for version in made.values()) == list(range(1, N_VERSIONS + 1))
    fs = hopyard.login(tmp_path / "store").get_feature_store()
    for number, version in made.items():
        assert fs.get_feature_group("prices", version).read(dataframe_type="python") == [{"key": number}]
    assert fs.get_feature_group("prices").version == N_VERSIONS


def test_a_reader_sees_whole_commits_only_and_never_goes_back(tmp_path: Path) -> None:
    project = hopyard.login(tmp_path / "store")
    fs = project.get_feature_store()
    group = fs.create_feature_group("readings", primary_key="key", event_time="at", online_enabled=True)
    group.insert([{"key": key, "at": START, "value": 0} for key in "ab"])
    view = fs.create_feature_view("latest", group.select(["value"]))
    view.init_serving()
    is_done = SPAWN.Event()
    writer = SPAWN.Process(target=insert_pairs, args=(tmp_path / "store", 60, is_done))
    writer.start()
    offline, online, is_last = 0, 0, False
    while not is_last:
        is_last = is_done.is_set() or not writer.is_alive()
        vectors = view.get_feature_vectors([{"key": "a"}, {"key": "b"}])
        assert vectors[0] == vectors[1], "both rows of a commit, or none"
        assert vectors[0][0] >= online
        online = vectors[0][0]
        values = Counter(row["value"] for row in group.read(dataframe_type="python"))
        assert set(values.values()) == {2}
        assert max(values) >= max(offline, online), "what is online was committed offline before"
        assert sorted(values) == list(range(max(values) + 1))
        offline = max(values)
    writer.join(60)
    assert writer.exitcode == 0
    assert (offline, online) == (60, 60)
    assert_online_equals_offline(project, group)
