"""A feature view read as its groups were committed at an instant, and as each row could have known them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from groups import make_group
from hopyard.errors import HopyardWarning, QueryError, TimeTravelError
from hopyard.feature_store import FeatureStore
from hopyard.feature_view import FeatureView
from hopyard.testing.frames import frame, hours
from hopyard.testing.store import ManualClock, open_store

RATES = {"item": "string", "since": "timestamp", "rate": "double"}
SALES = {"sale": "bigint", "at": "timestamp", "item": "string", "is_late": "boolean"}
MORNING, NOON = hours(9, "2025-05-01"), hours(12, "2025-05-01")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(MORNING)


@pytest.fixture
def corrected(tmp_path: Path, clock: ManualClock) -> FeatureStore:
    """A rate of 8:00 that was corrected at noon, and sales at 10:00 and 13:00."""
    fs = open_store(tmp_path / "store", clock=clock).get_feature_store()
    rates = make_group(
        fs, "rates", RATES, [("pen", "2025-05-01 08", 1.0)], primary_key="item", event_time="since"
    )
    rows = [(1, "2025-05-01 10", "pen", False), (2, "2025-05-01 13", "pen", True)]
    make_group(fs, "sales", SALES, rows, primary_key="sale", event_time="at", foreign_key="item")
    clock.set(NOON)
    rates.insert(frame(RATES, [("pen", "2025-05-01 08", 1.5)]))
    return fs


def view_of(fs: FeatureStore, *, delay: timedelta | None = None) -> FeatureView:
    query = fs.get_feature_group("sales").select(["is_late"]).join(fs.get_feature_group("rates").select_all())
    return fs.create_feature_view(
        "late", query if delay is None else query.as_known(delay=delay), labels="is_late"
    )


def rates_in(frames: tuple[list[dict[str, float]], object]) -> list[float]:
    return [row["rate"] for row in frames[0]]


def test_training_data_is_read_as_committed_at_an_instant(corrected: FeatureStore) -> None:
    view = view_of(corrected)
    assert rates_in(view.training_data(dataframe_type="python")) == [1.5, 1.5]
    assert rates_in(view.training_data(as_of=MORNING + timedelta(hours=1), dataframe_type="python")) == [
        1.0,
        1.0,
    ]
    batch = view.get_batch_data(as_of=MORNING + timedelta(hours=1), dataframe_type="python")
    assert [row["rate"] for row in batch] == [1.0, 1.0]
    with pytest.raises(TimeTravelError, match="rates_1|sales_1"):
        view.training_data(as_of="2020-01-01")


def test_a_dataset_of_an_old_state_can_be_proven_and_made_again(corrected: FeatureStore) -> None:
    dataset = view_of(corrected).create_training_data(as_of=MORNING + timedelta(hours=1))
    assert [row["rate"] for row in dataset.read(dataframe_type="python")] == [1.0, 1.0]
    assert dataset.verify().is_same
    dataset.delete()
    assert [row["rate"] for row in dataset.rebuild().read(dataframe_type="python")] == [1.0, 1.0]


def test_a_view_may_see_each_row_as_it_was_known(corrected: FeatureStore) -> None:
    view = view_of(corrected, delay=timedelta(0))
    assert rates_in(view.training_data(dataframe_type="python")) == [1.0, 1.5]
    dataset = view.create_training_data()
    assert dataset.verify().is_same
    again = corrected.get_feature_view("late")
    assert again.query.plan.known_delay_us == 0
    assert rates_in(again.training_data(dataframe_type="python")) == [1.0, 1.5]


def test_a_delay_counts_what_came_so_much_later(corrected: FeatureStore) -> None:
    assert rates_in(view_of(corrected, delay=timedelta(hours=2)).training_data(dataframe_type="python")) == [
        1.5,
        1.5,
    ]


def test_a_removed_row_is_known_until_its_removal(corrected: FeatureStore, clock: ManualClock) -> None:
    clock.set(hours(14, "2025-05-01"))
    corrected.get_feature_group("rates").remove_rows([{"item": "pen"}])
    sales = corrected.get_feature_group("sales")
    sales.insert(frame(SALES, [(3, "2025-05-01 15", "pen", False)]))
    query = sales.select(["sale"]).join(corrected.get_feature_group("rates").select_all())
    known = query.as_known().read(dataframe_type="python", order_by=["sale"])
    assert [row["rate"] for row in known] == [1.0, 1.5, None]


def test_it_warns_where_most_matches_are_lost_to_commit_times(tmp_path: Path) -> None:
    fs = open_store(tmp_path / "store", clock=ManualClock("2026-01-01")).get_feature_store()
    make_group(fs, "rates", RATES, [("pen", "2025-05-01 08", 1.0)], primary_key="item", event_time="since")
    rows = [(1, "2025-05-01 10", "pen", False)]
    make_group(fs, "sales", SALES, rows, primary_key="sale", event_time="at", foreign_key="item")
    query = fs.get_feature_group("sales").select(["sale"]).join(fs.get_feature_group("rates").select_all())
    with pytest.warns(HopyardWarning, match=r"'rates_1' for 0 rows, and 1 would.*delay=.*committed_at="):
        query.as_known().read()


def test_as_known_needs_an_event_time_and_the_whole_query(corrected: FeatureStore) -> None:
    users = make_group(
        corrected, "users", {"item": "string", "x": "double"}, [("pen", 1.0)], primary_key="item"
    )
    rates = corrected.get_feature_group("rates")
    with pytest.raises(QueryError, match="'users_1' has none"):
        users.select_all().join(rates.select_all()).as_known().read()
    with pytest.raises(QueryError, match="after the last join"):
        users.select_all().join(rates.select_all().as_known())
    with pytest.raises(QueryError, match="timedelta"):
        users.select_all().as_known(delay=5)  # type: ignore[arg-type]


def test_a_view_has_no_state_of_its_own(corrected: FeatureStore) -> None:
    query = corrected.get_feature_group("rates").as_of(None, exclude_until=MORNING)
    with pytest.raises(QueryError, match="as_of"):
        corrected.create_feature_view("rates", query)
