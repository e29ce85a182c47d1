"""`check_parity`: vectors equal the point-in-time rows of now, and each cause of a difference is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import hopyard
from groups import make_group
from hopyard.compute.layout import online_table
from hopyard.errors import ConfigError, TimeTravelError
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.feature_view import FeatureView
from hopyard.ingest.apply import encode
from hopyard.observe.vector_report import Cause, VectorDifference, VectorParity
from hopyard.testing import ManualClock, frame, open_store

LABELS = {"id": "bigint", "t": "timestamp", "city": "string", "y": "int"}
WEATHER = {"city": "string", "t": "timestamp", "temp": "double"}
TOWNS = {"city": "string", "people": "bigint"}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock("2025-01-01")


@pytest.fixture
def fs(tmp_path: Path, clock: ManualClock) -> FeatureStore:
    return open_store(tmp_path / "store", clock=clock).get_feature_store()


@pytest.fixture
def view(fs: FeatureStore, clock: ManualClock) -> FeatureView:
    """Return a view of weather, which lives for 10 days, and of towns, which have no time; as of 10 January."""
    labels = make_group(
        fs,
        "labels",
        LABELS,
        [(1, "2024-12-30", "oslo", 0), (2, "2024-12-30", "rome", 1)],
        primary_key="id",
        event_time="t",
        foreign_key="city",
    )
    weather = make_group(
        fs,
        "weather",
        WEATHER,
        [("oslo", "2024-12-31", 1.0), ("rome", "2024-12-31", 2.0)],
        primary_key="city",
        event_time="t",
        ttl=timedelta(days=10),
        online_enabled=True,
    )
    towns = make_group(
        fs, "towns", TOWNS, [("oslo", 7), ("rome", 28)], primary_key="city", online_enabled=True
    )
    clock.set("2025-01-10")
    query = labels.select(["y"]).join(weather.select(["temp"])).join(towns.select(["people"]))
    return fs.create_feature_view("v", query, labels="y")


def weather_row(fs: FeatureStore, t: str, temp: float, *, allow_future: bool = False) -> None:
    group = fs.get_feature_group("weather")
    group.insert(frame(WEATHER, [("oslo", t, temp)]), allow_future=allow_future)


def differences(parity: VectorParity) -> list[tuple[str, str, object, object, Cause]]:
    return [(d.entry["city"], d.feature, d.online, d.offline, d.cause) for d in parity.differences]  # type: ignore[misc]


def tamper(group: FeatureGroup, rows: Sequence[Sequence[object]]) -> None:
    """Write rows into the online table of a group, past everything that guards it."""
    session, spec = group._session, group.spec
    encoded = encode(spec, frame({field.name: field.type for field in spec.schema}, rows))
    position = session.online.position(spec.id)
    assert position is not None
    session.online.write(online_table(spec), replace(encoded, is_final=True), position)


def test_now_both_are_equal(view: FeatureView) -> None:
    parity = view.check_parity()
    assert parity.is_equal and parity.causes == {} and parity.lagging == ()
    assert parity.n_keys == 2
    assert view.check_parity(1).n_keys == 1
    assert view.check_parity(entries=[{"city": "paris"}]).is_equal
    assert str(parity) == "v_1: 2 key(s), online equals offline"


def test_an_earlier_instant_at_which_nothing_was_different(view: FeatureView) -> None:
    assert view.check_parity(at="2025-01-05").is_equal


def test_a_late_commit(view: FeatureView, fs: FeatureStore, clock: ManualClock) -> None:
    """The row of 4 January comes on the 10th: who looked on the 5th did not have it."""
    weather_row(fs, "2025-01-04", 5.0)
    assert view.check_parity().is_equal
    parity = view.check_parity(at="2025-01-05")
    assert differences(parity) == [("oslo", "temp", 5.0, 1.0, "late commit")]
    assert parity.n_different == 1
    assert "it was committed or changed after 2025-01-05" in str(parity)
    clock.set("2025-01-10 12:00")
    assert view.check_parity(at="2025-01-10 12:00").is_equal


def test_late_commits_of_rows_without_a_time_and_of_removals(view: FeatureView, fs: FeatureStore) -> None:
    fs.get_feature_group("towns").insert(frame(TOWNS, [("oslo", 8)]))
    fs.get_feature_group("weather").remove_rows([{"city": "rome"}])
    assert view.check_parity().is_equal
    assert sorted(differences(view.check_parity(at="2025-01-05"))) == [
        ("oslo", "people", 8, 7, "late commit"),
        ("rome", "temp", None, 2.0, "late commit"),
    ]


def test_before_the_first_commit_there_was_nothing(view: FeatureView) -> None:
    parity = view.check_parity(at="2024-12-31 12:00")
    assert {difference.cause for difference in parity.differences} == {"late commit"}
    assert [difference.offline for difference in parity.differences] == [None] * 4


def test_a_row_of_the_future(view: FeatureView, fs: FeatureStore) -> None:
    weather_row(fs, "2025-01-12", 5.0, allow_future=True)
    parity = view.check_parity()
    assert differences(parity) == [("oslo", "temp", 5.0, 1.0, "future row")]
    assert "dated later than 2025-01-10" in str(parity)


def test_a_row_that_was_still_to_come_at_an_earlier_instant(view: FeatureView, fs: FeatureStore) -> None:
    weather_row(fs, "2025-01-08", 5.0)
    assert differences(view.check_parity(at="2025-01-05")) == [("oslo", "temp", 5.0, 1.0, "future row")]


def test_a_row_that_is_past_its_time_to_live_by_now(view: FeatureView, clock: ManualClock) -> None:
    clock.set("2025-01-11")
    assert view.check_parity().is_equal
    clock.set("2025-01-12")
    assert view.check_parity().is_equal
    found = differences(view.check_parity(at="2025-01-05"))
    assert sorted(found) == [("oslo", "temp", None, 1.0, "ttl"), ("rome", "temp", None, 2.0, "ttl")]


def test_a_type_that_is_stored_otherwise(view: FeatureView, fs: FeatureStore) -> None:
    fs.get_feature_group("weather").insert(frame(WEATHER, [("oslo", "2025-01-09", -0.0)]))
    tamper(fs.get_feature_group("weather"), [("oslo", "2025-01-09", 0.0)])
    assert differences(view.check_parity()) == [("oslo", "temp", 0.0, -0.0, "type")]


def test_rows_that_nothing_explains(view: FeatureView, fs: FeatureStore) -> None:
    tamper(fs.get_feature_group("weather"), [("oslo", "2024-12-31", 9.0)])
    parity = view.check_parity()
    assert differences(parity) == [("oslo", "temp", 9.0, 1.0, "unknown")]
    assert str(parity).splitlines()[1] == (
        "{'city': 'oslo'}: 'temp' (weather_1) is 9.0 online, and 1.0 offline"
    )
    fs.get_feature_group("weather").rebuild_online()
    assert view.check_parity().is_equal


@hopyard.udf("double")
def noisy(temp: float | None) -> float | None:
    import random

    return None if temp is None else temp + random.random()


def test_a_transformation_that_is_not_the_same_twice(view: FeatureView, fs: FeatureStore) -> None:
    other = fs.create_feature_view("w", view.query, labels="y", transformation_functions=noisy("temp"))
    other.create_training_data()
    parity = other.check_parity()
    assert parity.causes == {"transformation": 2}
    assert {difference.feature for difference in parity.differences} == {"noisy_temp"}


def lag(parity: VectorParity) -> list[tuple[str, str, object, object]]:
    def shown(d: VectorDifference) -> tuple[str, str, object, object]:
        assert d.cause == "online lag"
        return (str(d.entry["city"]), d.feature, d.online, d.offline)

    return sorted(map(shown, parity.lagging))


def test_lag_is_told_apart(view: FeatureView, fs: FeatureStore) -> None:
    group = fs.get_feature_group("weather")
    rows = [("oslo", "2025-01-09", 5.0), ("pisa", "2025-01-09", 6.0)]
    group.insert(frame(WEATHER, rows), online="later")
    group.remove_rows([{"city": "rome"}], online="later")
    parity = view.check_parity()
    assert parity.is_equal and parity.causes == {"online lag": 3}
    assert lag(parity) == [
        ("oslo", "temp", 1.0, 5.0), ("pisa", "temp", None, 6.0), ("rome", "temp", 2.0, None)
    ]  # fmt: skip
    assert "weather_1 is 2 commit(s) behind" in str(parity)
    assert "`hopyard online catchup weather_1`" in str(parity)

    tamper(group, [("oslo", "2024-12-31", 9.0)])
    parity = view.check_parity()
    assert differences(parity) == [("oslo", "temp", 9.0, 1.0, "unknown")]
    assert parity.causes == {"unknown": 1, "online lag": 3}
    assert group.catch_up_online() == 2
    parity = view.check_parity()
    assert parity.is_equal and parity.lagging == ()


def test_lag_at_an_earlier_instant_is_what_was_committed_by_then(
    view: FeatureView, fs: FeatureStore, clock: ManualClock
) -> None:
    fs.get_feature_group("weather").insert(frame(WEATHER, [("oslo", "2025-01-09", 5.0)]), online="later")
    clock.set("2025-01-11")
    assert view.check_parity(at="2025-01-09").lagging == ()
    assert lag(view.check_parity(at="2025-01-10 12:00")) == [("oslo", "temp", None, 5.0)]


def test_nothing_to_compare(view: FeatureView) -> None:
    assert str(view.check_parity(entries=[])) == "v_1: there is no key to compare"
    for sample in (0, -1, True, 1.5):
        with pytest.raises(ConfigError, match="sample="):
            view.check_parity(sample)  # type: ignore[arg-type]


def test_an_instant_to_come_is_refused(view: FeatureView) -> None:
    with pytest.raises(TimeTravelError, match="later than now"):
        view.check_parity(at="2025-01-11")


def test_what_a_vacuum_removed_cannot_be_compared(view: FeatureView, fs: FeatureStore) -> None:
    weather_row(fs, "2025-01-04", 5.0)
    fs.get_feature_group("weather").vacuum(keep=1)
    assert view.check_parity().is_equal
    with pytest.raises(TimeTravelError, match="vacuum"):
        view.check_parity(at="2025-01-05")
