"""insert(committed_at=): data that comes from another system keeps the time at which it became known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from groups import column, make_group
from hopyard.errors import ConfigError, TimeTravelError
from hopyard.feature_store import FeatureStore
from hopyard.testing.frames import frame
from hopyard.testing.store import ManualClock, fail_at, open_store

FEATURES = {"id": "bigint", "at": "timestamp", "x": "double"}
PAST = datetime(2020, 5, 1, tzinfo=UTC)
ROWS = frame(FEATURES, [(1, PAST, 1.0), (2, PAST, 2.0)])


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock("2026-01-01")


@pytest.fixture
def fs(tmp_path: Path, clock: ManualClock) -> FeatureStore:
    return open_store(tmp_path / "store", clock=clock).get_feature_store()


def test_the_first_insert_into_a_new_group_may_be_of_the_past(fs: FeatureStore, clock: ManualClock) -> None:
    group = fs.create_feature_group("g", primary_key="id", event_time="at", online_enabled=True)
    commit = group.insert(ROWS, committed_at=PAST)
    assert (commit.number, commit.committed_at, commit.n_inserted) == (1, PAST, 2)
    assert column(group.as_of("2020-05-01"), "x") == [1.0, 2.0]
    assert column(group.as_of(PAST - timedelta(microseconds=1)), "x") == []
    with pytest.raises(TimeTravelError, match="did not exist"):
        group.as_of(PAST - timedelta(microseconds=2)).read()
    later = group.insert(frame(FEATURES, [(3, PAST, 3.0)]))
    assert later.committed_at == clock.now
    assert [c.committed_at for c in group.commit_details()] == [
        clock.now, PAST, PAST - timedelta(microseconds=1)
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["2020-05-01", "20200501", "2020-05-01T00:00:00Z"])
def test_it_is_written_as_any_instant(fs: FeatureStore, text: str) -> None:
    group = fs.create_feature_group("g", primary_key="id")
    assert group.insert(ROWS, committed_at=text).committed_at == PAST


def test_a_stored_group_must_be_empty_and_older(fs: FeatureStore, clock: ManualClock) -> None:
    empty = make_group(fs, "g", FEATURES, primary_key="id", event_time="at")
    with pytest.raises(TimeTravelError, match="was stored at 2026-01-01T00:00:00Z.* not stored yet"):
        empty.insert(ROWS, committed_at=PAST)
    clock.advance(timedelta(days=2))
    assert empty.insert(ROWS, committed_at="2026-01-02").committed_at == datetime(2026, 1, 2, tzinfo=UTC)
    with pytest.raises(TimeTravelError, match="1 commit"):
        empty.insert(frame(FEATURES, [(9, PAST, 1.0)]), committed_at="2026-01-02 12:00")
    assert len(empty.commit_details()) == 2
    emptied = make_group(fs, "h", FEATURES, [(1, PAST, 1.0)], primary_key="id", event_time="at")
    emptied.remove_rows([{"id": 1}])
    with pytest.raises(TimeTravelError, match="2 commit"):
        emptied.insert(ROWS, committed_at=clock.now)


def test_the_future_is_refused_and_leaves_nothing(fs: FeatureStore) -> None:
    group = fs.create_feature_group("g", primary_key="id")
    with pytest.raises(ConfigError, match="later than now"):
        group.insert(ROWS, committed_at="2026-01-01T00:00:00.000001Z")
    with pytest.raises(TimeTravelError, match="no instant"):
        group.insert(ROWS, committed_at="soon")
    assert fs.list_feature_groups() == []


def test_a_known_commit_id_gives_its_commit(fs: FeatureStore) -> None:
    group = fs.create_feature_group("g", primary_key="id")
    commit = group.insert(ROWS, committed_at=PAST, commit_id="one")
    assert group.insert(ROWS, committed_at=PAST, commit_id="one") == commit


def test_what_was_interrupted_can_be_repeated(tmp_path: Path, clock: ManualClock) -> None:
    fs = open_store(
        tmp_path / "store", clock=clock, failpoint=fail_at("before_offline_commit")
    ).get_feature_store()
    group = fs.create_feature_group("g", primary_key="id")
    with pytest.raises(Exception, match="before_offline_commit"):
        group.insert(ROWS, committed_at=PAST)
    again = open_store(tmp_path / "store", clock=clock).get_feature_store().get_feature_group("g")
    assert again.insert(ROWS, committed_at=PAST).committed_at == PAST


def test_as_known_goes_by_it(fs: FeatureStore) -> None:
    spine = make_group(
        fs, "spine", {"id": "bigint", "when": "timestamp"}, primary_key="id", event_time="when"
    )
    times = [PAST + timedelta(days=9), PAST + timedelta(days=11)]
    spine.insert(frame({"id": "bigint", "when": "timestamp"}, list(enumerate(times, 1))))
    features = {"id": "bigint", "at": "timestamp", "x": "double"}
    late = fs.create_feature_group("late", primary_key="id", event_time="at")
    late.insert(frame(features, [(1, PAST, 1.0), (2, PAST, 2.0)]), committed_at=PAST + timedelta(days=10))
    query = spine.select_all().join(late.select(["x"])).as_known()
    assert column(query, "x") == [None, 2.0]
