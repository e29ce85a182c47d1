"""A writer is killed with SIGKILL around its commit: who reads, writes and catches up next does what the docs say.

Every point is killed at in test_failpoints.py, and random times are in test_random_kills.py.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from children import assert_killed
from hopyard.connect import open_session
from hopyard.errors import NotFoundError, OnlineBehindError
from hopyard.failpoint import Failpoint
from hopyard.feature_group import FeatureGroup
from hopyard.model.position import CommitPosition
from hopyard.project import Project
from hopyard.testing.store import open_store
from parity import assert_online_equals_offline, online_lock, online_rows

START = datetime(2024, 1, 1, tzinfo=UTC)


def row(key: str, hour: int, value: float) -> dict[str, object]:
    return {"key": key, "at": START + timedelta(hours=hour), "value": value}


def group_of(project: Project) -> FeatureGroup:
    return project.get_feature_store().get_feature_group("readings")


def new_group(project: Project) -> FeatureGroup:
    return project.get_feature_store().create_feature_group(
        "readings", primary_key="key", event_time="at", online_enabled=True
    )


def content(group: FeatureGroup) -> list[tuple[object, ...]]:
    return sorted(tuple(found.values()) for found in group.read(dataframe_type="python"))


def insert(group: FeatureGroup) -> None:
    group.insert([row("a", 5, 50.0), row("new", 1, 1.0)])


def insert_older(group: FeatureGroup) -> None:
    group.insert([row("a", 0, -1.0)])


def update(group: FeatureGroup) -> None:
    group.insert([row("a", 1, 10.5), row("b", 1, 20.5)])


def overwrite(group: FeatureGroup) -> None:
    group.insert([row("z", 1, 26.0)], overwrite=True)


def remove_keys(group: FeatureGroup) -> None:
    group.remove_rows([{"key": "a"}])


def remove_newest(group: FeatureGroup) -> None:
    group.remove_rows([{"key": "a", "at": START + timedelta(hours=2)}])


def append(group: FeatureGroup) -> None:
    group.append_features({"extra": "double"})


def append_with_default(group: FeatureGroup) -> None:
    group.append_features({"extra": "double"}, defaults={"extra": 7.0})


OPERATIONS: dict[str, Callable[[FeatureGroup], None]] = {
    operation.__name__: operation
    for operation in (
        insert,
        insert_older,
        update,
        overwrite,
        remove_keys,
        remove_newest,
        append,
        append_with_default,
    )
}


def last_point(operation: str) -> str:
    """Return the point after which an operation has only the online store left to do."""
    return "group_widened" if operation.startswith("append") else "after_offline_commit"


def die_at(point: str) -> Failpoint:
    def failpoint(reached: str) -> None:
        if reached == point:
            os.kill(os.getpid(), signal.SIGKILL)

    return failpoint


def run_and_die(folder: Path, operation: str, point: str) -> None:
    OPERATIONS[operation](group_of(open_store(folder, failpoint=die_at(point))))


def create_and_die(folder: Path) -> None:
    new_group(open_store(folder, failpoint=die_at("group_before_register"))).insert([row("a", 1, 1.0)])


def filled(folder: Path) -> Project:
    project = open_store(folder)
    group = new_group(project)
    group.insert([row("a", 1, 10.0), row("b", 1, 20.0), row("c", 1, 30.0)])
    group.insert([row("a", 2, 11.0)])
    return project


def after(tmp_path: Path, operation: str) -> list[tuple[object, ...]]:
    """Return what the operation leaves where nobody is killed."""
    group = group_of(filled(tmp_path / "undisturbed"))
    OPERATIONS[operation](group)
    return content(group_of(open_store(tmp_path / "undisturbed")))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_killed_before_the_commit_nothing_happened(tmp_path: Path, operation: str) -> None:
    project = filled(tmp_path / "store")
    before, rows = content(group_of(project)), online_rows(project, group_of(project))
    commits = group_of(project).commit_details()

    assert_killed(run_and_die, tmp_path / "store", operation, "before_offline_commit")

    project = open_store(tmp_path / "store")
    assert content(group_of(project)) == before
    assert online_rows(project, group_of(project)) == rows
    assert group_of(project).commit_details() == commits
    OPERATIONS[operation](group_of(project))
    project = open_store(tmp_path / "store")
    assert content(group_of(project)) == after(tmp_path, operation)
    assert_online_equals_offline(project, group_of(project))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_killed_after_the_commit_it_stands_and_the_next_writer_applies_it(
    tmp_path: Path, operation: str
) -> None:
    project = filled(tmp_path / "store")
    behind, rows = group_of(project).commit_details(1)[0].number, online_rows(project, group_of(project))

    assert_killed(run_and_die, tmp_path / "store", operation, last_point(operation))

    project = open_store(tmp_path / "store")
    group = group_of(project)
    assert [commit.number > behind for commit in group.commit_details(2)] == [True, False]
    assert content(group) == after(tmp_path, operation)
    assert online_rows(project, group) == rows, "readers never finish what a crash left"
    assert project.session.online.position(group.spec.id) == CommitPosition(number=behind)
    extra = {feature.name: None for feature in group.features if feature.name == "extra"}
    group.insert([row("b", 9, 99.0) | extra])
    assert_online_equals_offline(project, group)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_killed_after_the_commit_catch_up_applies_it(tmp_path: Path, operation: str) -> None:
    filled(tmp_path / "store")
    assert_killed(run_and_die, tmp_path / "store", operation, last_point(operation))
    project = open_store(tmp_path / "store")
    assert group_of(project).catch_up_online() == 1
    assert_online_equals_offline(project, group_of(project))
    assert group_of(project).catch_up_online() == 0


@pytest.mark.parametrize(
    ("operation", "point"),
    [
        ("append", "after_offline_commit"),
        ("append_with_default", "columns_added"),
        ("append_with_default", "after_offline_commit"),
    ],
)
def test_append_features_can_be_repeated_wherever_it_was_killed(
    tmp_path: Path, operation: str, point: str
) -> None:
    filled(tmp_path / "store")
    assert_killed(run_and_die, tmp_path / "store", operation, point)
    project = open_store(tmp_path / "store")
    group = group_of(project)
    if "extra" not in [feature.name for feature in group.features]:
        group.insert([row("d", 1, 40.0)])  # the old schema goes on working
        OPERATIONS[operation](group)
    project = open_store(tmp_path / "store")
    group = group_of(project)
    assert {found["extra"] for found in group.read(dataframe_type="python")} == {
        7.0 if operation == "append_with_default" else None
    }
    assert_online_equals_offline(project, group)
    numbers = [commit.number for commit in group.commit_details()]
    assert all(group.as_of(number).read(dataframe_type="arrow").num_rows >= 0 for number in numbers)


def test_killed_before_a_group_is_registered_it_does_not_exist_and_can_be_made(tmp_path: Path) -> None:
    assert_killed(create_and_die, tmp_path / "store")
    project = open_store(tmp_path / "store")
    with pytest.raises(NotFoundError):
        group_of(project)
    group = new_group(project)
    group.insert([row("a", 1, 1.0)])
    assert group.version == 1
    assert len(content(group)) == 1
    assert_online_equals_offline(project, group)


def test_a_retry_with_the_same_commit_id_after_a_crash_writes_once_and_is_online(tmp_path: Path) -> None:
    project = filled(tmp_path / "store")
    assert_killed(insert_with_id_and_die, tmp_path / "store")
    project = open_store(tmp_path / "store")
    group = group_of(project)
    commit = group.insert([row("a", 7, 70.0)], commit_id="load-7")
    assert commit == group.commit_details(1)[0]
    assert commit.n_inserted == 1
    assert_online_equals_offline(project, group)


def insert_with_id_and_die(folder: Path) -> None:
    group = group_of(open_store(folder, failpoint=die_at("after_offline_commit")))
    group.insert([row("a", 7, 70.0)], commit_id="load-7")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_online_store_that_refuses_does_not_undo_the_commit(tmp_path: Path, operation: str) -> None:
    project = filled(tmp_path / "store")
    session = project.session
    config = replace(session.config, online_timeout_seconds=0.05)
    group = group_of(Project(open_session(config)))
    before = group.commit_details(1)[0].number

    with (
        online_lock(session, timeout_seconds=10),
        pytest.raises(OnlineBehindError, match="safe offline") as raised,
    ):
        OPERATIONS[operation](group)

    group = group_of(project)
    assert raised.value.commit == group.commit_details(1)[0].number > before
    assert raised.value.behind == 1
    assert content(group) == after(tmp_path, operation)
    extra = {feature.name: None for feature in group.features if feature.name == "extra"}
    group.insert([row("b", 9, 99.0) | extra])
    assert_online_equals_offline(project, group)


def test_what_is_inserted_while_the_online_store_is_behind_is_committed_each_time(tmp_path: Path) -> None:
    """An insert that raises OnlineBehindError says that its own commit stands: it must be there."""
    project = filled(tmp_path / "store")
    session = project.session
    group = group_of(Project(open_session(replace(session.config, online_timeout_seconds=0.05))))
    before = group.commit_details(1)[0].number
    with online_lock(session, timeout_seconds=10):
        for behind in (1, 2, 3):
            with pytest.raises(OnlineBehindError) as raised:
                group.insert([row("d", behind, float(behind))])
            assert (raised.value.commit, raised.value.behind) == (before + behind, behind)
    group = group_of(project)
    assert {("d", START + timedelta(hours=hour), float(hour)) for hour in (1, 2, 3)} <= set(content(group))
    assert group.catch_up_online() == 3
    assert_online_equals_offline(project, group)
