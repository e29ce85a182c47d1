"""Random histories, read as they were known: `as_known` and `exclude_until` answer what the oracle says, bit for bit.

Commits come at, before and after the event times of the rows, so that rows are known early, late, in an older value, or
not any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.test_query_properties import (
    DAY,
    KEY_TYPES,
    N_QUERIES,
    START_US,
    History,
    Row,
    apply_change,
    changes,
    check,
    joined,
    same_row,
    store_table,
    tables,
)
from hopyard.feature_store import FeatureStore
from hopyard.testing.oracle import COMMITTED, REPLACED
from hopyard.testing.store import ManualClock, open_store
from hopyard.time import from_micros
from variants import VARIANTS, in_variant

pytestmark = pytest.mark.filterwarnings("ignore::hopyard.errors.HopyardWarning")
EXAMPLES = settings(
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)
STEPS = [timedelta(microseconds=1), timedelta(hours=1), timedelta(hours=12), DAY]
DELAYS = [timedelta(0), timedelta(microseconds=1), timedelta(hours=1), DAY, 3 * DAY, timedelta(hours=-1)]


@pytest.fixture(scope="module")
def clock() -> ManualClock:
    return ManualClock("2024-01-01")


@pytest.fixture(scope="module", params=[name for name in VARIANTS if name != "without_asof"])
def random_store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, clock: ManualClock
) -> FeatureStore:
    store = open_store(tmp_path_factory.mktemp("known") / "store", clock=clock)
    return in_variant(store.get_feature_store(), request.param)


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return count()


@dataclass
class Versions:
    """Every version of every row of a group, as the oracle gets them."""

    rows: list[Row] = field(default_factory=list)
    current: dict[tuple[object, ...], Row] = field(default_factory=dict)

    def record(self, history: History, operation: str) -> None:
        """Add what the last commit of a history made of the rows."""
        _, at_us, state = history.states[-1]
        for identity, version in list(self.current.items()):
            row = state.get(identity)
            if row is None or operation == "overwrite" or not same_row(row, _plain(version)):
                version[REPLACED] = at_us
                del self.current[identity]
        for identity, row in state.items():
            if identity not in self.current:
                self.current[identity] = {**row, COMMITTED: at_us}
                self.rows.append(self.current[identity])

    def as_of(self, at_us: int) -> list[Row]:
        """Return the versions as a reader saw them at an instant: what came later is not there."""
        seen = (row for row in self.rows if row[COMMITTED] <= at_us)
        return [{**row, REPLACED: None} if (row.get(REPLACED) or 0) > at_us else row for row in seen]


def _plain(version: Row) -> Row:
    return {name: value for name, value in version.items() if name not in (COMMITTED, REPLACED)}


@st.composite
def histories(
    draw: st.DrawFn, fs: FeatureStore, numbers: Iterator[int], clock: ManualClock
) -> list[tuple[History, Versions]]:
    """Draw a root and one or two joined groups with event times, and commits to them in turn."""
    clock.set(from_micros(START_US))
    clock.advance(-draw(st.sampled_from([timedelta(0), DAY])))
    keys = {f"k{i}": draw(st.sampled_from(KEY_TYPES)) for i in range(draw(st.integers(1, 2)))}
    made = []
    for number in range(draw(st.integers(2, 3))):
        table = draw(tables(keys, is_root=number == 0, max_rows=0).filter(_has_time if number == 0 else bool))
        group = store_table(fs, numbers, replace(table, rows=[]))
        first = group.commit_details()[-1]
        history = History(replace(table, rows=[]), group, [(first.number, first.committed_at_us, {})])
        made.append((history, Versions()))
    for _ in range(draw(st.integers(1, 6))):
        clock.advance(draw(st.sampled_from(STEPS)))
        history, versions = draw(st.sampled_from(made))
        operation, rows = draw(changes(history.table))
        apply_change(history, operation, rows, same_row)
        versions.record(history, operation)
    return made


def _has_time(table: Any) -> bool:
    return table.event_time is not None


@EXAMPLES
@given(data=st.data())
def test_what_was_known_is_what_the_oracle_says(
    data: st.DataObject, random_store: FeatureStore, numbers: Iterator[int], clock: ManualClock
) -> None:
    made = data.draw(histories(random_store, numbers, clock))
    times = sorted({time for history, _ in made for _, time, _ in history.states})
    for _ in range(N_QUERIES):
        at_us = data.draw(st.sampled_from([times[-1], times[-1], *times]))
        at_us = max(at_us, *(history.states[0][1] for history, _ in made))
        query, may_raise = data.draw(joined([(history.group, history.table) for history, _ in made]))
        query = query.as_of(from_micros(at_us)).as_known(delay=data.draw(st.sampled_from(DELAYS)))
        rows_of = {history.group.spec.id: versions.as_of(at_us) for history, versions in made}
        root = made[0][0].group.spec.id
        current = [row for row in rows_of[root] if row.get(REPLACED) is None]
        check(query, rows_of, may_raise=may_raise, root_rows=current)


@EXAMPLES
@given(data=st.data())
def test_what_changed_later_is_what_the_oracle_says(
    data: st.DataObject, random_store: FeatureStore, numbers: Iterator[int], clock: ManualClock
) -> None:
    made = data.draw(histories(random_store, numbers, clock))
    times = sorted({time for history, _ in made for _, time, _ in history.states})
    for _ in range(N_QUERIES):
        at_us = max(data.draw(st.sampled_from(times)), *(history.states[0][1] for history, _ in made))
        until_us = data.draw(st.sampled_from([time for time in [times[0] - 1, *times] if time <= at_us]))
        query, may_raise = data.draw(joined([(history.group, history.table) for history, _ in made]))
        query = query.as_of(from_micros(at_us), exclude_until=from_micros(until_us))
        rows_of = {
            history.group.spec.id: [row for row in versions.as_of(at_us) if row.get(REPLACED) is None]
            for history, versions in made
        }
        check(query, rows_of, may_raise=may_raise)
