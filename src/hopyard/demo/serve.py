"""Online inference: the held-back days arrive hour by hour, and each flight gets its vector when it departs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from hopyard.demo.pipelines import FLIGHT_FEATURES, LABEL, between
from hopyard.demo.report import Work
from hopyard.demo.train import one_thread, predict
from hopyard.feature_group import FeatureGroup
from hopyard.feature_view import FeatureView
from hopyard.testing.store import ManualClock

if TYPE_CHECKING:
    import pandas as pd

HOUR = timedelta(hours=1)
ARRIVING = ("weather", "carrier_delays")
KEYS = ("origin", "carrier", "tailnum", "dest")
PASSED = tuple(name for name in FLIGHT_FEATURES if name not in KEYS)

FlightKey = tuple[Any, ...]


@dataclass(slots=True)
class Served:
    """What was served, by flight: carrier, number, origin and departure."""

    vectors: dict[FlightKey, list[Any]] = field(default_factory=dict)
    untransformed: dict[FlightKey, list[Any]] = field(default_factory=dict)
    probabilities: dict[FlightKey, float] = field(default_factory=dict)
    lookups_us: list[float] = field(default_factory=list)
    n_rows_inserted: int = 0
    n_commits: int = 0

    def lookup_us(self, percentile: float) -> float:
        """Return a percentile of the time that get_feature_vector took, in microseconds; NaN if nothing was served."""
        return float("nan") if not self.lookups_us else float(np.percentile(self.lookups_us, percentile))


def replay(
    view: FeatureView,
    groups: dict[str, FeatureGroup],
    frames: dict[str, pd.DataFrame],
    model: Any,
    clock: ManualClock,
    period: tuple[datetime, datetime],
    work: Work,
) -> Served:
    """Return what was served in a period, while its features arrived.

    The clock of the store goes along with the replay. So a row from the future could not slip in: an online group
    refuses event times later than now.
    """
    served = Served()
    for hour in _hours(*period):
        clock.set(hour)
        for name in ARRIVING:
            _insert(groups[name], between(frames[name], groups[name], hour, hour + HOUR), served)
        departing = between(frames["flights"], groups["flights"], hour, hour + HOUR)
        with one_thread():
            for flight in pa.Table.from_pandas(departing, preserve_index=False).to_pylist():
                clock.set(flight["scheduled_departure"])
                _serve(view, flight, model, served)
                work.advance(1)
        clock.set(hour + HOUR)
        # How the flights ended is not known yet: their label is null until it is.
        _insert(groups["flights"], departing.assign(**{LABEL: None}).astype({LABEL: "boolean"}), served)
    return served


def flight_key(flight: dict[str, Any]) -> FlightKey:
    """Return what identifies a flight."""
    return flight["carrier"], flight["flight"], flight["origin"], flight["scheduled_departure"]


def _serve(view: FeatureView, flight: dict[str, Any], model: Any, served: Served) -> None:
    """Get the vector of a flight and score it, as an application would when the flight departs."""
    entry = {name: flight[name] for name in KEYS}
    passed = {name: flight[name] for name in PASSED}
    started = time.perf_counter_ns()
    # allow_missing: some planes and airports are in no list, and weather older than its ttl is no weather.
    vector = view.get_feature_vector(entry, passed_features=passed, allow_missing=True)
    served.lookups_us.append((time.perf_counter_ns() - started) / 1_000)
    key = flight_key(flight)
    served.vectors[key] = vector
    served.probabilities[key] = float(predict(model, [vector])[0])
    # For the proof alone: the same vector before its transformations.
    served.untransformed[key] = view.get_feature_vector(
        entry, passed_features=passed, allow_missing=True, transform=False
    )


def _insert(group: FeatureGroup, rows: pd.DataFrame, served: Served) -> None:
    if len(rows):
        commit = group.insert(rows)
        served.n_rows_inserted += commit.n_inserted
        served.n_commits += 1


def _hours(start: datetime, end: datetime) -> Iterator[datetime]:
    while start < end:
        yield start
        start += HOUR
