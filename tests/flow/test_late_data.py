"""Rows that come late, and rows that are corrected: each state stays what it was, and the newest row is online."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path

import pytest

from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.feature_view import FeatureView
from hopyard.project import Project
from hopyard.testing.store import ManualClock, open_store
from parity import assert_online_equals_offline

START = datetime(2024, 1, 1, tzinfo=UTC)


def at(hour: float) -> datetime:
    return START + timedelta(hours=hour)


def weather(fs: FeatureStore) -> FeatureGroup:
    return fs.create_feature_group("weather", primary_key="city", event_time="at", online_enabled=True)


def view_of(fs: FeatureStore, group: FeatureGroup) -> FeatureView:
    trips = fs.create_feature_group("trips", primary_key="trip", event_time="left_at", foreign_key="city")
    trips.insert(
        [{"trip": n, "left_at": at(n + 0.5), "city": "oslo", "is_late": n % 2 == 0} for n in range(6)]
    )
    query = trips.select(["is_late"]).join(group.select(["temp"]))
    return fs.create_feature_view("trips", query, labels=["is_late"])


def online_temp(fs: FeatureStore, group: FeatureGroup) -> object:
    view = fs.get_or_create_feature_view("now", group.select(["temp"]))
    view.init_serving()
    return view.get_feature_vector({"city": "oslo"})[0]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_newest_row_is_online_whatever_order_rows_come_in(
    store: Project, fs: FeatureStore, order: tuple[int, ...]
) -> None:
    group = weather(fs)
    for hour in order:
        group.insert([{"city": "oslo", "at": at(hour), "temp": float(hour)}])
        assert_online_equals_offline(store, group)
    assert online_temp(fs, group) == 2.0


def test_a_late_row_changes_what_is_computed_now_and_nothing_that_was(tmp_path: Path) -> None:
    clock = ManualClock(at(24))
    fs = open_store(tmp_path / "store", clock=clock).get_feature_store()
    group = weather(fs)
    group.insert([{"city": "oslo", "at": at(hour), "temp": float(hour)} for hour in (0, 4)])
    view = view_of(fs, group)
    td = view.create_train_test_split(0.5)
    hashes = [(split.before, split.after) for split in td.manifest.splits]
    known = group.commit_details(1)[0].committed_at
    X, _ = view.training_data(dataframe_type="python")  # noqa: N806
    assert [row["temp"] for row in X] == [0.0, 0.0, 0.0, 0.0, 4.0, 4.0]

    clock.advance(timedelta(hours=1))
    group.insert([{"city": "oslo", "at": at(2), "temp": 2.0}])  # late
    clock.advance(timedelta(hours=1))
    group.insert([{"city": "oslo", "at": at(0), "temp": -1.0}])  # corrected
    clock.advance(timedelta(hours=1))
    group.remove_rows([{"city": "oslo", "at": at(4)}])  # withdrawn

    X, _ = view.training_data(dataframe_type="python")  # noqa: N806
    assert [row["temp"] for row in X] == [-1.0, -1.0, 2.0, 2.0, 2.0, 2.0]
    then = view.query.as_of(known).read(dataframe_type="python")
    assert sorted(row["temp"] for row in then) == [0.0, 0.0, 0.0, 0.0, 4.0, 4.0]
    assert td.verify().status == "same"
    td.delete()
    assert [(split.before, split.after) for split in td.rebuild().manifest.splits] == hashes
    assert td.verify().status == "same"
    assert view.create_train_test_split(0.5).manifest.splits != td.manifest.splits
    assert online_temp(fs, group) == 2.0


def test_each_commit_can_be_read_as_it_was(tmp_path: Path) -> None:
    clock = ManualClock(at(100))
    group = weather(open_store(tmp_path / "store", clock=clock).get_feature_store())
    states = {}
    for hour, temp in [(3, 3.0), (1, 1.0), (3, 3.5), (2, 2.0)]:
        clock.advance(timedelta(minutes=1))
        commit = group.insert([{"city": "oslo", "at": at(hour), "temp": temp}])
        states[commit.number] = (commit.committed_at, group.read(dataframe_type="python", order_by=["at"]))
    group.remove_rows([{"city": "oslo"}])
    assert group.read(dataframe_type="python") == []
    for number, (when, rows) in states.items():
        assert group.as_of(number).read(dataframe_type="python", order_by=["at"]) == rows
        assert group.as_of(when).read(dataframe_type="python", order_by=["at"]) == rows


def test_the_same_rows_again_change_nothing(store: Project, fs: FeatureStore) -> None:
    group = weather(fs)
    rows = [{"city": "oslo", "at": at(hour), "temp": float(hour)} for hour in range(3)]
    group.insert(rows)
    td = view_of(fs, group).create_training_data()
    commit = group.insert(rows)
    assert (commit.n_inserted, commit.n_updated, commit.n_unchanged) == (0, 0, 3)
    again = fs.get_feature_view("trips").create_training_data()
    assert again.manifest.splits == td.manifest.splits
    assert_online_equals_offline(store, group)
