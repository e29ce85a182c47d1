"""A group that was offline only comes online, and goes again; views that were made before are served."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from groups import make_group
from hopyard.errors import ConfigError, NotFoundError, SchemaMismatchError, ServingError
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.project import Project
from hopyard.testing.store import InjectedError, ManualClock, fail_at, open_store
from parity import assert_online_equals_offline

START = datetime(2025, 1, 1, tzinfo=UTC)


def row(key: str, hour: int, value: float) -> dict[str, object]:
    return {"key": key, "at": START + timedelta(hours=hour), "value": value}


def group_of(project: Project) -> FeatureGroup:
    return project.get_feature_store().get_feature_group("readings")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = open_store(tmp_path / "store")
    group = project.get_feature_store().create_feature_group("readings", primary_key="key", event_time="at")
    group.insert([row("a", 1, 10.0), row("b", 1, 20.0)])
    group.insert([row("a", 2, 11.0), row("b", 0, 19.0)])
    return project


def test_the_newest_rows_are_online_when_it_returns(project: Project) -> None:
    group = group_of(project)
    assert not group.commit_details(1)[0].is_online
    assert group.enable_online() is group
    assert group.online_enabled and group_of(project).online_enabled
    assert_online_equals_offline(project, group)
    assert group.insert([row("c", 1, 30.0)]).is_online
    assert_online_equals_offline(project, group)
    assert project.verify().is_fine
    assert group.enable_online().catch_up_online() == 0


def test_it_is_a_matter_of_the_group_and_not_of_its_rows(project: Project) -> None:
    group = group_of(project)
    numbers = [commit.number for commit in group.commit_details()]
    group.enable_online()
    assert [commit.number for commit in group.commit_details()] == numbers
    assert group.read_changes(numbers[0], include_change_type=True, dataframe_type="arrow").num_rows == 0


@pytest.mark.parametrize("point", ["online_built", "online_in_table"])
def test_a_crash_leaves_it_offline_and_the_next_attempt_succeeds(project: Project, point: str) -> None:
    failing = open_store(project.location, failpoint=fail_at(point))
    with pytest.raises(InjectedError):
        group_of(failing).enable_online()
    group = group_of(project)
    assert not group.online_enabled
    findings = project.verify().findings
    assert ["was interrupted" in found.message for found in findings] == [True] * (point == "online_in_table")
    assert not group.insert([row("a", 9, 90.0)]).is_online
    group.enable_online()
    assert_online_equals_offline(project, group)
    assert project.verify().is_fine


def test_a_crash_that_left_old_rows_online(project: Project) -> None:
    """Nothing of an earlier time online shows up again."""
    group = group_of(project).enable_online()
    failing = open_store(project.location, failpoint=fail_at("online_disabled"))
    with pytest.raises(InjectedError):
        group_of(failing).disable_online()
    group = group_of(project)
    assert not group.online_enabled
    (found,) = project.verify().findings
    assert "disable_online() was interrupted" in found.message and "disable_online()" in found.advice
    group.insert([row("c", 3, 1.0)], overwrite=True)
    group.enable_online()
    assert_online_equals_offline(project, group)
    assert project.verify().is_fine


def test_going_offline_can_be_repeated_after_a_crash(project: Project) -> None:
    group = group_of(project).enable_online()
    failing = open_store(project.location, failpoint=fail_at("online_disabled"))
    with pytest.raises(InjectedError):
        group_of(failing).disable_online()
    group_of(project).disable_online()
    assert project.session.online.position(group.spec.id) is None
    assert project.verify().is_fine


def test_what_cannot_be_online_is_refused_before_anything_changes(project: Project, tmp_path: Path) -> None:
    fs = project.get_feature_store()
    keyless = make_group(fs, "keyless", {"x": "bigint"}, [(1,)])
    with pytest.raises(ConfigError, match="'keyless_1' has no primary key"):
        keyless.enable_online()
    assert not fs.get_feature_group("keyless").online_enabled
    drafted = fs.create_feature_group("drafted", primary_key="x")
    with pytest.raises(ConfigError, match="not stored yet"):
        drafted.enable_online()


def test_rows_of_the_future_are_refused_unless_allowed(tmp_path: Path) -> None:
    project = open_store(tmp_path / "store", clock=ManualClock("2025-01-01 02:00"))
    group = project.get_feature_store().create_feature_group("readings", primary_key="key", event_time="at")
    group.insert([row("a", 1, 10.0), row("a", 3, 30.0), row("b", 30, 40.0)])
    with pytest.raises(
        SchemaMismatchError, match=r"2 row\(s\) of 'readings_1'.*the last one 2025-01-02T06.*allow_future"
    ):
        group.enable_online()
    assert not group_of(project).online_enabled
    assert project.session.online.position(group.spec.id) is None
    group.enable_online(allow_future=True)
    assert_online_equals_offline(project, group)


@pytest.mark.parametrize(
    ("type_", "unit", "value"), [("date", None, "2025-01-03"), ("bigint", "s", 2_000_000_000)]
)
def test_every_kind_of_event_time_is_looked_at(
    tmp_path: Path, type_: str, unit: str | None, value: object
) -> None:
    fs = open_store(tmp_path / "store", clock=ManualClock("2025-01-02")).get_feature_store()
    group = make_group(
        fs, "g", {"k": "int", "t": type_}, [(1, value)], primary_key="k", event_time="t", event_time_unit=unit
    )
    with pytest.raises(SchemaMismatchError, match="later than now"):
        group.enable_online()


def test_an_empty_group(tmp_path: Path) -> None:
    fs = open_store(tmp_path / "store").get_feature_store()
    group = make_group(fs, "g", {"k": "int", "t": "timestamp"}, primary_key="k", event_time="t")
    group.enable_online().insert([{"k": 1, "t": START}])
    assert_online_equals_offline(open_store(tmp_path / "store"), group)


def test_a_view_that_was_made_before_is_served(project: Project) -> None:
    fs, group = project.get_feature_store(), group_of(project)
    labels = make_group(
        fs,
        "labels",
        {"id": "int", "key": "string", "t": "timestamp", "y": "int"},
        [(1, "a", START, 1)],
        primary_key="id",
        event_time="t",
        foreign_key="key",
    )
    fs.create_feature_view("v", labels.select(["id", "y"]).join(group.select(["value"])), labels="y")
    view = fs.get_feature_view("v")
    with pytest.raises(ServingError, match=r"'readings_1' is offline only: call its enable_online\(\)"):
        view.init_serving()
    group.enable_online()
    view.init_serving()
    entry = {"key": "a"}
    assert view.get_feature_vector(entry, passed_features={"id": 7}) == [7, 11.0]
    assert view.check_parity().is_equal

    # Its left-most group, too: entries as before are answered as before, and its own key is enough now.
    labels.enable_online()
    view.init_serving()
    assert view.get_feature_vector(entry, passed_features={"id": 7}) == [7, 11.0]
    assert view.get_feature_vector({"id": 1}) == [1, 11.0]
    assert view.get_feature_vectors([{"id": 1}, entry], passed_features=[{}, {"id": 7}]) == [
        [1, 11.0],
        [7, 11.0],
    ]
    assert view.check_parity().is_equal

    group.disable_online()
    with pytest.raises(ServingError, match="offline only"):
        view.init_serving()


def test_a_view_of_one_group(project: Project) -> None:
    view = project.get_feature_store().create_feature_view("v", group_of(project).select(["value"]))
    group_of(project).enable_online()
    view.init_serving()
    assert view.get_feature_vector({"key": "a"}) == [11.0]


def test_other_processes_see_it_come_and_go(project: Project) -> None:
    group = group_of(project).enable_online()
    view = project.get_feature_store().create_feature_view("v", group.select(["value"]))
    view.init_serving()
    program = """
import sys
from hopyard.testing.store import open_store
group = open_store(sys.argv[1]).get_feature_store().get_feature_group("readings")
getattr(group, sys.argv[2])()
"""

    def elsewhere(method: str) -> None:
        subprocess.run([sys.executable, "-c", program, project.location, method], check=True)

    assert view.get_feature_vector({"key": "a"}) == [11.0]
    elsewhere("disable_online")
    with pytest.raises(NotFoundError, match="online table"):
        view.get_feature_vector({"key": "a"})
    group.insert([row("a", 9, 90.0)])
    elsewhere("enable_online")
    assert view.get_feature_vector({"key": "a"}) == [90.0]
    elsewhere("rebuild_online")
    assert view.get_feature_vector({"key": "a"}) == [90.0]
    assert_online_equals_offline(project, group)


def test_an_offline_group_says_so(project: Project) -> None:
    group = group_of(project)
    for method in (group.catch_up_online, group.rebuild_online, group.freshness):
        with pytest.raises(ConfigError, match=r"'readings_1' is offline only. Call enable_online\(\) first"):
            method()
    assert group.disable_online() is group


def test_a_deleted_group(fs: FeatureStore) -> None:
    group = make_group(fs, "g", {"k": "int"}, [(1,)], primary_key="k")
    other = fs.get_feature_group("g")
    group.delete()
    with pytest.raises(NotFoundError):
        other.enable_online()
