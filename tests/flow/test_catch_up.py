"""An online table that is behind follows the keys that changed, or is written anew: both ways give equal bytes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest

from hopyard.errors import CorruptStoreError, OnlineBehindError
from hopyard.feature_group import FeatureGroup
from hopyard.ingest.write import When
from hopyard.model.position import CommitPosition
from hopyard.ports import EncodedRows, OnlineStore, OnlineTable
from hopyard.project import Project
from hopyard.testing.store import InjectedError, fail_at, open_store
from parity import assert_online_equals_offline, online_rows

START = datetime(2024, 1, 1, tzinfo=UTC)


class CountedOnlineStore:
    """An online store that counts how often a table was written anew, and how often in part."""

    def __init__(self, store: OnlineStore) -> None:
        self._store = store
        self.n_replaced = 0
        self.n_written = 0

    def replace(self, *arguments: Any) -> None:
        self.n_replaced += 1
        self._store.replace(*arguments)

    def write(self, *arguments: Any) -> None:
        self.n_written += 1
        self._store.write(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def counted(project: Project) -> tuple[Project, CountedOnlineStore]:
    """Return the project over an online store that counts."""
    store = CountedOnlineStore(project.session.online)
    return Project(replace(project.session, online=cast(OnlineStore, store))), store


def group_of(project: Project) -> FeatureGroup:
    return project.get_feature_store().get_feature_group("readings")


def row(key: str, hour: int, value: float) -> dict[str, object]:
    return {"key": key, "at": START + timedelta(hours=hour), "value": value}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = open_store(tmp_path / "store")
    group = project.get_feature_store().create_feature_group(
        "readings", primary_key="key", event_time="at", online_enabled=True
    )
    group.insert([row("a", 1, 10.0), row("b", 1, 20.0), row("c", 1, 30.0)])
    group.insert([row("a", 2, 11.0)])
    return project


def newer(group: FeatureGroup, online: When = "later") -> None:
    group.insert([row("a", 5, 50.0), row("new", 1, 1.0)], online=online)


def older(group: FeatureGroup, online: When = "later") -> None:
    group.insert([row("a", 0, -1.0)], online=online)


def update(group: FeatureGroup, online: When = "later") -> None:
    group.insert([row("a", 2, 11.5), row("b", 1, 20.5)], online=online)


def overwrite(group: FeatureGroup, online: When = "later") -> None:
    group.insert([row("a", 1, 26.0), row("z", 1, 26.0)], overwrite=True, online=online)


def overwrite_with_nothing(group: FeatureGroup, online: When = "later") -> None:
    group.insert(group.read(dataframe_type="arrow").slice(0, 0), overwrite=True, online=online)


def remove_keys(group: FeatureGroup, online: When = "later") -> None:
    group.remove_rows([{"key": "a"}, {"key": "never there"}], online=online)


def remove_newest(group: FeatureGroup, online: When = "later") -> None:
    group.remove_rows([{"key": "a", "at": START + timedelta(hours=2)}], online=online)


def nothing(group: FeatureGroup, online: When = "later") -> None:
    group.insert([], online=online)


def unchanged(group: FeatureGroup, online: When = "later") -> None:
    group.insert([row("c", 1, 30.0)], online=online)


CHANGES: list[Callable[..., None]] = [
    newer, older, update, overwrite, overwrite_with_nothing, remove_keys, remove_newest, nothing, unchanged,
]  # fmt: skip


def histories() -> list[Any]:
    alone = [[change] for change in CHANGES]
    pairs = [[first, second] for first in CHANGES for second in CHANGES]
    most = [change for change in CHANGES if change is not overwrite_with_nothing]
    return [
        pytest.param(changes, id="-".join(change.__name__ for change in changes))
        for changes in (*alone, *pairs, most)
    ]


@pytest.mark.parametrize("changes", histories())
def test_keys_that_changed_are_set_to_what_a_rebuild_gives(
    project: Project, changes: list[Callable[..., None]]
) -> None:
    project, store = counted(project)
    group = group_of(project)
    for change in changes:
        change(group)

    assert group.catch_up_online() == len(changes)
    assert store.n_replaced == 0
    assert_online_equals_offline(project, group)
    rows = online_rows(project, group)
    group.rebuild_online()
    assert online_rows(project, group) == rows
    assert store.n_replaced == 1
    assert group.catch_up_online() == 0


@pytest.mark.parametrize("change", CHANGES)
def test_the_next_write_follows_what_came_before_it(project: Project, change: Callable[..., None]) -> None:
    project, store = counted(project)
    group = group_of(project)
    change(group)
    assert not group.commit_details(1)[0].is_online
    commit = group.insert([row("b", 9, 99.0)])
    assert commit.is_online
    assert_online_equals_offline(project, group)
    change(group)
    assert group.remove_rows([{"key": "b"}]).is_online
    assert_online_equals_offline(project, group)
    assert store.n_replaced == 0


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_is_applied_at_once_without_writing_all_rows(
    project: Project, change: Callable[..., None]
) -> None:
    project, store = counted(project)
    group = group_of(project)
    for _ in range(2):
        change(group, "now")
        assert group.commit_details(1)[0].is_online
        assert_online_equals_offline(project, group)
    assert store.n_replaced == 0


def test_two_writers_of_which_one_leaves_its_commits_to_the_other(project: Project) -> None:
    failures: list[BaseException] = []

    def write(key: str, online: When) -> None:
        try:
            group = group_of(open_store(project.location))
            for number in range(20):
                group.insert([row(key, number, 1.0), row("shared", number, 2.0)], online=online)
                if number % 5 == 4:
                    group.remove_rows([{"key": key}], online=online)
        except BaseException as error:
            failures.append(error)

    writers = [
        threading.Thread(target=write, args=(key, when)) for key, when in (("x", "now"), ("y", "later"))
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert not failures
    group = group_of(project)
    group.catch_up_online()
    assert len(group.commit_details()) == 3 + 2 * 24
    assert_online_equals_offline(project, group)


def test_a_compaction_in_between_changes_nothing(project: Project) -> None:
    project, store = counted(project)
    group = group_of(project)
    for number in range(4):
        group.insert([row("a", 10 + number, float(number))], online="later")
        group.maintain()
    assert group.catch_up_online() == 4
    assert store.n_replaced == 0
    assert_online_equals_offline(project, group)


def test_keys_of_every_kind_in_partitions(tmp_path: Path) -> None:
    project = open_store(tmp_path / "store")
    project.get_feature_store().create_feature_group(
        "readings",
        features={
            "day": "date",
            "name": "string",
            "code": "binary",
            "n": "decimal(9,2)",
            "v": "array<float>",
        },
        primary_key=["day", "name", "code", "n"],
        partition_key=["day", "name"],
        online_enabled=True,
    ).save()
    project, store = counted(project)
    group = group_of(project)

    def rows(value: float) -> pa.Table:
        return pa.table(
            {
                "day": pa.array([date(2024, 1, 1), date(2024, 1, 2)]),
                "name": ["a b/c", "é'\"%"],
                "code": pa.array([b"\x00", b""], pa.binary()),
                "n": pa.array([Decimal("1.50"), Decimal("-0.01")], pa.decimal128(9, 2)),
                "v": pa.array([[value], []], pa.list_(pa.float32())),
            }
        )

    group.insert(rows(1.0))
    group.insert(rows(2.0), online="later")
    group.remove_rows(rows(2.0).drop_columns(["v"]).slice(1), online="later")
    assert group.catch_up_online() == 2
    assert_online_equals_offline(project, group)
    assert store.n_replaced == 0


def test_features_that_were_appended_meanwhile_make_every_row_longer(project: Project) -> None:
    project, store = counted(project)
    group = group_of(project)
    failing = open_store(project.location, failpoint=fail_at("group_widened"))
    with pytest.raises(InjectedError):
        group_of(failing).append_features({"extra": "double"})
    group = group_of(project)
    group.insert([row("b", 9, 99.0) | {"extra": 1.0}])
    assert store.n_replaced == 1
    assert_online_equals_offline(project, group)


def test_without_the_history_the_table_is_written_anew(project: Project) -> None:
    project, store = counted(project)
    group = group_of(project)
    newer(group)
    group.vacuum(keep=1)
    assert group.catch_up_online() == 1
    assert store.n_replaced == 1
    assert_online_equals_offline(project, group)


def test_a_file_of_changes_that_cannot_be_read_is_no_obstacle(project: Project) -> None:
    project, store = counted(project)
    group = group_of(project)
    update(group)
    for file in (Path(group.location) / "_change_data").glob("*.parquet"):
        file.write_bytes(b"no parquet")
    assert group.catch_up_online() == 1
    assert store.n_replaced == 1
    assert_online_equals_offline(project, group)


def test_an_online_table_that_is_gone_is_written_anew(project: Project) -> None:
    project, store = counted(project)
    group = group_of(project)
    store.drop(group.spec.id)
    assert group.catch_up_online() == 3  # with the creation
    assert store.n_replaced == 1
    assert_online_equals_offline(project, group)


def test_an_online_table_ahead_of_a_table_that_was_set_back_is_written_anew(project: Project) -> None:
    project, store = counted(project)
    group = group_of(project)
    table = OnlineTable(id=group.spec.id, name="readings_1", key=(), values=())
    nothing = EncodedRows(keys=pa.array([], pa.binary()), rows=pa.array([], pa.binary()))
    store.write(table, nothing, CommitPosition(number=99))
    assert group.catch_up_online() == 0
    assert store.n_replaced == 1
    assert_online_equals_offline(project, group)


def test_a_mark_that_cannot_be_read_is_repaired_by_a_rebuild(project: Project) -> None:
    group = group_of(project)
    with project.session.online._transaction() as (txn, environment):  # type: ignore[attr-defined]
        txn.put(group.spec.id.encode(), b"{", db=environment.marks)
    with pytest.raises(OnlineBehindError, match=f"`hopyard online catchup {group.spec.label}`"):
        group.insert([row("b", 9, 99.0)])
    with pytest.raises(CorruptStoreError, match="hopyard online rebuild"):
        project.session.online.position(group.spec.id)
    group.rebuild_online()
    assert_online_equals_offline(project, group)


N_ROWS = 400_000


def numbers(keys: np.ndarray[Any, Any], value: float) -> pa.Table:
    return pa.table({"key": pa.array(keys), "value": pa.array(np.full(len(keys), value))})


@pytest.fixture
def many(tmp_path: Path) -> Project:
    project = open_store(tmp_path / "store")
    group = project.get_feature_store().create_feature_group(
        "readings", primary_key="key", online_enabled=True
    )
    group.insert(numbers(np.arange(N_ROWS), 0.0))
    return project


def test_when_most_rows_changed_all_are_written(many: Project) -> None:
    project, store = counted(many)
    group = group_of(project)
    group.insert(numbers(np.arange(0, N_ROWS, 3), 1.0), online="later")
    group.catch_up_online()
    assert store.n_replaced == 0
    group.insert(numbers(np.arange(0, N_ROWS, 3), 2.0), online="later")
    group.insert(numbers(np.arange(0, N_ROWS, 3), 3.0), online="later")
    group.catch_up_online()
    assert store.n_replaced == 1
    assert_same_as_a_rebuild(project, group)


def test_many_keys_are_set_in_steps_and_a_crash_between_them_is_repaired(many: Project) -> None:
    project, store = counted(many)
    group = group_of(project)
    before = project.session.online.position(group.spec.id)
    group.insert(numbers(np.arange(120_000, 250_000), 1.0), online="later")
    failing, _ = counted(open_store(project.location, failpoint=fail_at("online_rows_partly_set")))
    with pytest.raises(OnlineBehindError):
        group_of(failing).catch_up_online()
    assert project.session.online.position(group.spec.id) == before

    assert group.catch_up_online() == 1
    assert (store.n_written, store.n_replaced) == (2, 0)
    assert_same_as_a_rebuild(project, group)


def test_a_removal_of_many_keys_is_repaired_after_a_crash_in_it(many: Project) -> None:
    project, store = counted(many)
    failing = open_store(project.location, failpoint=fail_at("online_rows_partly_set"))
    keys = numbers(np.arange(125_000), 0.0).select(["key"])
    with pytest.raises(OnlineBehindError):
        group_of(failing).remove_rows(keys)
    group = group_of(project)
    group.insert(numbers(np.arange(3), 7.0))
    assert store.n_replaced == 0
    assert_same_as_a_rebuild(project, group)


def assert_same_as_a_rebuild(project: Project, group: FeatureGroup) -> None:
    rows = online_rows(project, group)
    position = project.session.online.position(group.spec.id)
    assert position == CommitPosition(number=group.commit_details(1)[0].number)
    group.rebuild_online()
    assert online_rows(project, group) == rows
