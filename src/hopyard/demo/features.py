"""The five feature pipelines of the demo: pure functions from the raw files to frames that can be inserted.

All instants are UTC with microseconds. What a row holds was known at its event time, the label aside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hopyard.demo.source import RawData
from hopyard.require import require

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = require("pandas", extra="demo")

LATE_MINUTES = 30
"""A flight that arrives this much after its schedule, or more, is late."""

WINDOW_HOURS = (3, 24)
"""How far `carrier_delays` looks back."""

_NEW_YORK = "America/New_York"
_INSTANT = "datetime64[us, UTC]"
_HOUR_US = 3_600_000_000

# Four destinations are missing from the airports file. Their clocks are needed to know when a flight landed.
_ZONES_NOT_IN_AIRPORTS = {
    "BQN": "America/Puerto_Rico",
    "PSE": "America/Puerto_Rico",
    "SJU": "America/Puerto_Rico",
    "STT": "America/St_Thomas",
}

_Array = np.ndarray[Any, np.dtype[Any]]


def flights(raw: RawData) -> pd.DataFrame:
    """Return one row per scheduled flight, ordered by departure: what is known at departure, and the label.

    Key: carrier, flight, origin, scheduled_departure (unique, never null). Event time: scheduled_departure.
    `year`, `month`, `weekday` (0 = Monday) and `hour` are New York local; `scheduled_arrival_minute` is the
    minute of the day on the clock of the destination; `distance` is in miles.

    The label `is_late` says whether the flight arrived 30 or more minutes late. Flights without an arrival
    delay, cancelled or diverted, stay in the table with a null label: they were scheduled like the others and
    want a prediction, but nothing can be learned from them, so a training query filters them out.
    """
    source = raw.flights
    departure = _scheduled_departure(source)
    local = departure.dt.tz_convert(_NEW_YORK)
    frame = pd.DataFrame(
        {
            "carrier": source["carrier"],
            "flight": source["flight"],
            "origin": source["origin"],
            "scheduled_departure": departure,
            "dest": source["dest"],
            "tailnum": source["tailnum"],
            "distance": source["distance"],
            "year": local.dt.year.astype("int64"),
            "month": local.dt.month.astype("int64"),
            "weekday": local.dt.day_of_week.astype("int64"),
            "hour": local.dt.hour.astype("int64"),
            "scheduled_arrival_minute": _minute_of_day(source["sched_arr_time"]),
            "is_late": source["arr_delay"].astype("Float64") >= LATE_MINUTES,
        }
    )
    return frame.sort_values(["scheduled_departure", "carrier", "flight", "origin"], ignore_index=True)


def weather(raw: RawData) -> pd.DataFrame:
    """Return one row per airport and observed hour, ordered by `known_at`; what was not measured is null.

    Key: origin. Event time: known_at = observed_at + 1 h, since an hour's observation is complete at its end.
    (origin, known_at) is unique. The file's local hours are not: on the day that daylight saving ends, 01:00
    comes twice; in UTC these are two rows. Hours are missing here and there, at most five in a row, and the
    observations end 29 hours before the flights do. Units are the file's: Fahrenheit, percent, degrees, miles
    per hour, inches, millibars, miles. One wind speed is impossible (1,048 mph) and kept as it is.
    """
    source = raw.weather
    observed = _instants(source["time_hour"])
    measured = source.drop(columns=["origin", "year", "month", "day", "hour", "time_hour"])
    when = pd.DataFrame(
        {"origin": source["origin"], "known_at": observed + pd.Timedelta(hours=1), "observed_at": observed}
    )
    return pd.concat([when, measured], axis=1).sort_values(["known_at", "origin"], ignore_index=True)


def planes(raw: RawData) -> pd.DataFrame:
    """Return one row per plane. Key: tailnum. `year` is the year of manufacture, null where it is unknown."""
    return raw.planes.astype({"year": "Int64", "speed": "Int64"})


def airports(raw: RawData) -> pd.DataFrame:
    """Return one row per airport. Key: faa. `alt` is in feet, `tz` the winter offset from UTC in hours."""
    return raw.airports.copy()


def carrier_delays(raw: RawData) -> pd.DataFrame:
    """Return how each carrier did at each origin lately, hour by hour, ordered by hour.

    Key: carrier, origin. Event time: hour, a whole hour in UTC. The row of hour H is about the flights that
    were settled (see `settled_at`) in [H - 3 h, H) and in [H - 24 h, H): nothing of H or later is in it.

        n_landed_*          flights that landed
        arr_delay_mean_*    their mean arrival delay in minutes (early is negative); null if none landed
        cancellation_rate_* cancelled / (cancelled + landed); null if there were neither

    Each (carrier, origin) has every hour from its first settled flight to the first one at which its last
    flight is out of the longest window: that row is null and says that nothing is known any more.
    """
    settled = pd.DataFrame(
        {
            "carrier": raw.flights["carrier"],
            "origin": raw.flights["origin"],
            "at": settled_at(raw),
            "delay": raw.flights["arr_delay"],
        }
    ).dropna(subset=["at"])
    settled["at"] = settled["at"].astype("int64")
    frames = [
        _rolling(group).assign(carrier=carrier, origin=origin)
        for (carrier, origin), group in settled.groupby(["carrier", "origin"])
    ]
    frame = pd.concat(frames)
    frame["hour"] = pd.to_datetime(frame["hour"], unit="us", utc=True).astype(_INSTANT)
    columns = ["carrier", "origin", *(name for name in frame if name not in ("carrier", "origin"))]
    return frame[columns].sort_values(["hour", "carrier", "origin"], ignore_index=True)


def settled_at(raw: RawData) -> pd.Series:
    """Return per flight of `raw.flights` the UTC instant from which its outcome is known; NaT if it never is.

    Landed: the arrival at the gate, exactly: scheduled arrival + arrival delay.
    Cancelled (it never departed): the scheduled arrival. The file does not say when a flight was cancelled;
    some wait first, so nobody knows at the scheduled departure. The later choice takes less from the future.
    Diverted: never, as it is not known when it landed.
    """
    delay = raw.flights["arr_delay"].mask(raw.flights["dep_time"].isna(), 0)
    return _scheduled_arrival(raw) + pd.to_timedelta(delay, unit="min")


def _rolling(group: pd.DataFrame) -> pd.DataFrame:
    """Return the hourly rows of one carrier at one origin; `group` has `at` in microseconds and `delay`."""
    group = group.sort_values("at")
    at = group["at"].to_numpy()
    landed = group["delay"].notna().to_numpy()
    landed_until = _running_sum(landed)
    delay_until = _running_sum(group["delay"].fillna(0).to_numpy())
    first = (at[0] // _HOUR_US + 1) * _HOUR_US
    last = (at[-1] // _HOUR_US + 1 + max(WINDOW_HOURS)) * _HOUR_US
    hours = np.arange(first, last + 1, _HOUR_US)
    columns = {"hour": hours}
    for n_hours in WINDOW_HOURS:
        start = np.searchsorted(at, hours - n_hours * _HOUR_US)
        end = np.searchsorted(at, hours)
        n_settled = end - start
        n_landed = landed_until[end] - landed_until[start]
        columns[f"n_landed_{n_hours}h"] = n_landed
        columns[f"arr_delay_mean_{n_hours}h"] = _ratio(delay_until[end] - delay_until[start], n_landed)
        columns[f"cancellation_rate_{n_hours}h"] = _ratio(n_settled - n_landed, n_settled)
    return pd.DataFrame(columns)


def _running_sum(values: _Array) -> _Array:
    """Return the n + 1 sums of the first 0, 1, ... n values: whole numbers, so the sums are exact."""
    return np.concatenate([[0], np.cumsum(values, dtype=np.int64)])


def _ratio(part: _Array, whole: _Array) -> _Array:
    """Return part / whole, NaN where whole is 0."""
    ratio: _Array = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return ratio


def _scheduled_departure(source: pd.DataFrame) -> pd.Series:
    return _instants(source["time_hour"]) + pd.to_timedelta(source["minute"], unit="min")


def _scheduled_arrival(raw: RawData) -> pd.Series:
    """Return per flight the UTC instant of its scheduled arrival; NaT where the zone is unknown.

    The file gives only a time of day on the destination's clock: its first occurrence after the departure.
    """
    departure = _scheduled_departure(raw.flights)
    midnight = departure.dt.tz_convert(_NEW_YORK).dt.tz_localize(None).dt.normalize()
    same_day = midnight + pd.to_timedelta(_minute_of_day(raw.flights["sched_arr_time"]), unit="min")
    zones = raw.flights["dest"].map(
        {**_ZONES_NOT_IN_AIRPORTS, **dict(zip(raw.airports["faa"], raw.airports["tzone"], strict=True))}
    )
    arrival = pd.Series(pd.NaT, index=departure.index, dtype=_INSTANT)
    for zone, rows in zones.groupby(zones).groups.items():
        today = _from_local(same_day[rows], zone)
        tomorrow = _from_local(same_day[rows] + pd.Timedelta(days=1), zone)
        arrival[rows] = today.where(today > departure[rows], tomorrow)
    return arrival


def _from_local(times: pd.Series, zone: str) -> pd.Series:
    """Return a zone's local times as UTC: the later of a time that comes twice, the next of one skipped."""
    twice_is_dst = np.zeros(len(times), dtype=bool)
    local = times.dt.tz_localize(zone, ambiguous=twice_is_dst, nonexistent="shift_forward")
    return local.dt.tz_convert("UTC")


def _minute_of_day(clock: pd.Series) -> pd.Series:
    """Return the minute of the day of times that are written as hour * 100 + minute."""
    return clock // 100 * 60 + clock % 100


def _instants(text: pd.Series) -> pd.Series:
    return pd.to_datetime(text, utc=True).astype(_INSTANT)
