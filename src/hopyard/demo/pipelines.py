"""Feature pipelines: from the raw data to five feature groups, and the view that joins them for one model."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import hopyard
from hopyard.demo import features
from hopyard.demo.report import Report
from hopyard.demo.source import RawData
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.feature_view import FeatureView

if TYPE_CHECKING:
    import pandas as pd

VIEW = "late_flights"
LABEL = "is_late"

FLIGHT_FEATURES = (
    "carrier",
    "origin",
    "dest",
    "distance",
    "month",
    "weekday",
    "hour",
    "scheduled_arrival_minute",
)
"""What the flights themselves know at departure. The baseline has nothing else."""


def latest_months(raw: RawData, months: int) -> RawData:
    """Return the raw data of the last `months` months of the year."""
    first = 13 - months
    return replace(
        raw,
        flights=raw.flights[raw.flights["month"] >= first],
        weather=raw.weather[raw.weather["month"] >= first],
    )


def as_known_at(raw: RawData, now: datetime) -> RawData:
    """Return the raw data without the delays of flights that had not landed at `now`: nobody knew them yet."""
    is_settled = features.settled_at(raw) <= now
    return replace(raw, flights=raw.flights.assign(arr_delay=raw.flights["arr_delay"].where(is_settled)))


def compute_frames(raw: RawData) -> dict[str, pd.DataFrame]:
    """Return the frames of the five feature groups, by name."""
    return {
        "flights": features.flights(raw),
        "weather": features.weather(raw),
        "carrier_delays": features.carrier_delays(raw),
        "planes": features.planes(raw),
        "airports": features.airports(raw),
    }


def create_groups(fs: FeatureStore) -> dict[str, FeatureGroup]:
    """Return the five feature groups, by name. Nothing is stored before the first insert into each."""
    return {
        # The rows that want a prediction. They are given to the model when they are asked for, so they need no online
        # copy. `tailnum` holds keys of the planes: declared here, it never has to be said in a join.
        "flights": fs.create_feature_group(
            "flights",
            description="Scheduled flights from New York, and whether they came 30 minutes late.",
            primary_key=["carrier", "flight", "origin", "scheduled_departure"],
            event_time="scheduled_departure",
            foreign_key=["tailnum"],
        ),
        # The event time is when an observation is known, not the hour that it is about. After four hours without a new
        # one, nothing is known about the weather: better no value than an old one.
        "weather": fs.create_feature_group(
            "weather",
            description="Hourly observations at the three airports.",
            primary_key=["origin"],
            event_time="known_at",
            ttl=timedelta(hours=4),
            online_enabled=True,
        ),
        "carrier_delays": fs.create_feature_group(
            "carrier_delays",
            description="How late each carrier's flights landed in the last 3 and 24 hours.",
            primary_key=["carrier", "origin"],
            event_time="hour",
            online_enabled=True,
        ),
        # Without an event time: these rows hold at any time.
        "planes": fs.create_feature_group(
            "planes", description="Planes by tail number.", primary_key=["tailnum"], online_enabled=True
        ),
        "airports": fs.create_feature_group(
            "airports", description="Airports by FAA code.", primary_key=["faa"], online_enabled=True
        ),
    }


def between(frame: pd.DataFrame, group: FeatureGroup, start: datetime | None, end: datetime) -> pd.DataFrame:
    """Return the rows with `start <= event time < end`; all rows of a group without event time."""
    if group.event_time is None:
        return frame
    when = frame[group.event_time]
    return frame[(when < end) if start is None else (when >= start) & (when < end)]


def insert_history(
    groups: dict[str, FeatureGroup], frames: dict[str, pd.DataFrame], end: datetime, report: Report
) -> None:
    """Insert what was known before `end`, one commit per group."""
    for name, group in groups.items():
        rows = between(frames[name], group, None, end)
        with report.step(f"insert {name}") as work:
            commit = group.insert(rows)
            work.advance(commit.n_inserted)


def create_view(fs: FeatureStore, groups: dict[str, FeatureGroup]) -> FeatureView:
    """Return the feature view of the model: flights, each with what was known at its scheduled departure."""
    flights = groups["flights"]
    query = (
        flights.select([*FLIGHT_FEATURES, LABEL])
        # Joined by `origin`: the primary key of weather is among the keys of flights, so that nobody has to name it.
        # Both have an event time, so each flight gets the newest observation that was known when it departed.
        .join(groups["weather"].select_except(["observed_at"]))
        # By `carrier` and `origin`, and point-in-time, too.
        .join(groups["carrier_delays"].select_all())
        # By `tailnum`, the foreign key. A plane's `year` is that of its making: the prefix says whose it is.
        .join(groups["planes"].select(["year", "engines", "seats"]), prefix="plane_")
        # `dest` and `faa` have nothing in common but their values: these keys are given.
        .join(
            groups["airports"].select(["lat", "lon", "alt"]),
            left_on=["dest"],
            right_on=["faa"],
            prefix="dest_",
        )
        # Nothing can be learned from flights whose outcome is not known. They can be predicted all the same: a filter
        # on joined rows selects training rows only.
        .filter(~flights[LABEL].is_null())
    )
    return fs.create_feature_view(
        VIEW,
        query,
        description="Will a flight arrive 30 or more minutes late? Asked at its scheduled departure.",
        labels=LABEL,
        transformation_functions=[
            hopyard.label_encoder("carrier"),
            hopyard.label_encoder("origin"),
            hopyard.label_encoder("dest"),
            hopyard.min_max_scaler("distance"),
            hopyard.standard_scaler("temp"),
            hopyard.standard_scaler("pressure"),
        ],
    )
