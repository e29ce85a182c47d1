"""Reading a group, a query, or one commit as it was."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from groups import column, make_group
from hopyard.errors import TimeTravelError
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.testing.frames import assert_same_rows, frame
from hopyard.testing.store import ManualClock, open_store

FEATURES = {"id": "bigint", "x": "double"}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock("2026-01-01")


@pytest.fixture
def fs(tmp_path: Path, clock: ManualClock) -> FeatureStore:
    return open_store(tmp_path / "store", clock=clock).get_feature_store()


@pytest.fixture
def group(fs: FeatureStore, clock: ManualClock) -> FeatureGroup:
    """Commits 0 (create), 1 and 2, at 00:00 on the 1st, 2nd and 3rd of January; the clock is at the 4th."""
    group = make_group(fs, "g", FEATURES, primary_key=["id"])
    for number in (1, 2):
        clock.advance(timedelta(days=1))
        group.insert(frame(FEATURES, [(1, float(number)), (number + 1, 0.0)]))
    clock.advance(timedelta(days=1))
    return group


def test_as_of_reads_the_last_commit_at_or_before_the_instant(group: FeatureGroup) -> None:
    assert column(group.as_of("2026-01-02"), "x") == [1.0, 0.0]  # exactly at the commit
    assert column(group.as_of("2026-01-02T23:59:59.999999"), "x") == [1.0, 0.0]
    assert column(group.as_of("2026-01-03"), "x") == [2.0, 0.0, 0.0]
    assert column(group.as_of("2026-01-01T23:59:59.999999"), "x") == []
    assert column(group.as_of(None), "x") == [2.0, 0.0, 0.0]
    assert len(group.read(as_of="2026-01-02", dataframe_type="python")) == 2


@pytest.mark.parametrize(
    "instant",
    [
        datetime(2026, 1, 2),
        datetime(2026, 1, 2, 12, tzinfo=UTC),
        date(2026, 1, 2),
        "20260102",
        "2026-01-02",
        "2026/01/02",
        "2026010212",
        "2026-01-02 12:30",
        "20260102123000",
        "20260102123000999",
        "2026-01-02T12:30:00.999999Z",
        "2026-01-03T00:59:00+01:00",
    ],
)
def test_every_form_of_an_instant_is_read_as_utc(group: FeatureGroup, instant: date | str) -> None:
    assert column(group.as_of(instant), "x") == [1.0, 0.0]


def test_a_commit_number_reads_one_group_at_that_commit(group: FeatureGroup) -> None:
    assert [len(column(group.as_of(number), "x")) for number in (0, 1, 2)] == [0, 2, 3]


def test_before_the_first_commit_is_an_error_that_names_it(group: FeatureGroup) -> None:
    with pytest.raises(TimeTravelError, match="first commit is number 0, at 2026-01-01T00:00:00Z"):
        group.as_of("2025-12-31T23:59:59.999999").read()


def test_a_query_of_several_groups_reads_each_at_the_instant(
    fs: FeatureStore, clock: ManualClock, group: FeatureGroup
) -> None:
    clock.set("2026-01-02T12:00")
    other = make_group(fs, "other", {"id": "bigint", "y": "int"}, [(1, 1)], primary_key=["id"])
    clock.set("2026-01-03T12:00")
    other.insert([{"id": 1, "y": 2}])
    query = group.select_all().join(other.select_all(), on=["id"])
    at = [
        query.as_of(when).read(dataframe_type="python", order_by=["id"])[0]
        for when in ("2026-01-03", "2026-01-04")
    ]
    assert [(row["x"], row["y"]) for row in at] == [(2.0, 1), (2.0, 2)]
    with pytest.raises(TimeTravelError, match="'other_1' did not exist"):
        query.as_of("2026-01-02").read()


def test_a_group_in_two_places_of_a_query_is_read_in_one_state(fs: FeatureStore, group: FeatureGroup) -> None:
    query = group.select_all().join(group.select_all(), on=["id"], prefix="r_").as_of("2026-01-02")
    rows = query.read(dataframe_type="python")
    assert all(row["x"] == row["r_x"] for row in rows) and len(rows) == 2


def test_commit_times_increase_strictly_even_when_the_clock_goes_back(
    fs: FeatureStore, clock: ManualClock, group: FeatureGroup
) -> None:
    clock.set("2020-01-01")
    late = group.insert(frame(FEATURES, [(9, 9.0)]))
    assert late.committed_at == datetime(2026, 1, 3, 0, 0, 0, 1, tzinfo=UTC)
    assert column(group.as_of("2026-01-03"), "id") == [1, 2, 3]
    assert column(group.as_of(late.committed_at), "id") == [1, 2, 3, 9]


def test_a_copied_store_gives_the_same_answers(tmp_path: Path, group: FeatureGroup) -> None:
    """Neither file times nor the folder count: only what was written into the commits."""
    shutil.copytree(tmp_path / "store", tmp_path / "elsewhere", copy_function=shutil.copyfile)
    copied = open_store(tmp_path / "elsewhere").get_feature_store().get_feature_group("g")
    assert copied.commit_details() == group.commit_details()
    for when in ("2026-01-01", "2026-01-02", "2026-01-03"):
        here, there = (g.as_of(when).read(dataframe_type="python", order_by=["id"]) for g in (group, copied))
        assert_same_rows(there, here)


def test_removed_and_overwritten_rows_are_still_there_in_the_past(
    clock: ManualClock, group: FeatureGroup
) -> None:
    clock.set("2026-01-05")
    assert group.remove_rows([{"id": 1}]).n_deleted == 1
    clock.set("2026-01-06")
    commit = group.insert(frame(FEATURES, [(7, 7.0)]), overwrite=True)
    assert (commit.n_inserted, commit.n_deleted) == (1, 2)
    assert column(group, "id") == [7]
    assert column(group.as_of("2026-01-05"), "id") == [2, 3]
    assert column(group.as_of("2026-01-04"), "id") == [1, 2, 3]


def test_a_feature_appended_later_is_left_out_and_null_through_a_view(
    fs: FeatureStore, clock: ManualClock, group: FeatureGroup
) -> None:
    view = fs.create_feature_view("before", group.select_all())
    old = view.create_training_data()
    group.append_features({"y": "int"}, defaults={"y": 5})
    assert group.as_of("2026-01-03").read(dataframe_type="arrow").column_names == ["id", "x"]
    assert column(group, "y") == [5, 5, 5]
    with pytest.raises(TimeTravelError, match="g_1.y did not exist at commit 2"):
        group.select(["id", "y"]).as_of("2026-01-03").read()
    assert old.verify().status == "same"


def test_a_filter_on_a_feature_that_did_not_exist_yet_sees_null(
    clock: ManualClock, group: FeatureGroup
) -> None:
    group.append_features({"y": "int"})
    assert column(group.filter(group["y"].is_null()).as_of("2026-01-03"), "id") == [1, 2, 3]
    assert column(group.filter(group["y"] > 0).as_of("2026-01-03"), "id") == []


def test_commit_details_are_newest_first_with_counts(clock: ManualClock, group: FeatureGroup) -> None:
    group.insert(frame(FEATURES, [(1, 2.0), (2, 5.0), (4, 4.0)]), commit_id="load-7")
    newest, upsert, _, create = group.commit_details()
    assert (newest.number, newest.n_unchanged, newest.n_updated, newest.n_inserted) == (3, 1, 1, 1)
    assert (newest.operation, newest.commit_id, newest.n_rows_in) == ("upsert", "load-7", 3)
    assert newest.committed_at == datetime(2026, 1, 4, tzinfo=UTC)
    assert upsert.number == 2 and upsert.size_bytes > 0
    assert (create.number, create.operation) == (0, "create")
    assert group.commit_details(limit=1) == [newest]
