"""The demo's pipelines: nothing from the future, right across daylight saving, honest about gaps."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pytest

from hopyard.demo import features
from hopyard.demo.source import RawData, load_raw
from hopyard.errors import MissingPackageError
from hopyard.model.arrow import schema_from_arrow

NEW_YORK = ZoneInfo("America/New_York")
ATLANTIC = ("BQN", "PSE", "SJU", "STT")
SPRING, AUTUMN = "2013-03-10", "2013-11-03"
HOUR = timedelta(hours=1)

KEYS = {
    "flights": ["carrier", "flight", "origin", "scheduled_departure"],
    "weather": ["origin", "known_at"],
    "planes": ["tailnum"],
    "airports": ["faa"],
    "carrier_delays": ["carrier", "origin", "hour"],
}
TYPES = {
    "flights": "carrier:string flight:bigint origin:string scheduled_departure:timestamp dest:string "
    "tailnum:string distance:bigint year:bigint month:bigint weekday:bigint hour:bigint "
    "scheduled_arrival_minute:bigint is_late:boolean",
    "weather": "origin:string known_at:timestamp observed_at:timestamp temp:double dewp:double humid:double "
    "wind_dir:double wind_speed:double wind_gust:double precip:double pressure:double visib:double",
    "planes": "tailnum:string year:bigint type:string manufacturer:string model:string engines:bigint "
    "seats:bigint speed:bigint engine:string",
    "airports": "faa:string name:string lat:double lon:double alt:bigint tz:bigint dst:string tzone:string",
    "carrier_delays": "carrier:string origin:string hour:timestamp "
    "n_landed_3h:bigint arr_delay_mean_3h:double cancellation_rate_3h:double "
    "n_landed_24h:bigint arr_delay_mean_24h:double cancellation_rate_24h:double",
}
ROWS = {"flights": 336_776, "weather": 26_115, "planes": 3_322, "airports": 1_458}


@pytest.fixture(scope="module")
def raw() -> RawData:
    return load_raw()


@pytest.fixture(scope="module")
def frames(raw: RawData) -> dict[str, pd.DataFrame]:
    return {name: getattr(features, name)(raw) for name in KEYS}


class TestFrames:
    @pytest.mark.parametrize("name", KEYS)
    def test_columns_have_valid_names_and_the_promised_types(
        self, frames: dict[str, pd.DataFrame], name: str
    ) -> None:
        fields = schema_from_arrow(pa.table(frames[name]).schema)
        assert " ".join(f"{field.name}:{field.type}" for field in fields) == TYPES[name]
        assert all(re.fullmatch(r"[a-z][a-z0-9_]{0,62}", field.name) for field in fields)

    @pytest.mark.parametrize("name", KEYS)
    def test_keys_are_unique_and_never_null(self, frames: dict[str, pd.DataFrame], name: str) -> None:
        keys = frames[name][KEYS[name]]
        assert not keys.isna().any().any()
        assert not keys.duplicated().any()

    @pytest.mark.parametrize("name", ROWS)
    def test_no_row_is_lost(self, frames: dict[str, pd.DataFrame], name: str) -> None:
        assert len(frames[name]) == ROWS[name]

    @pytest.mark.parametrize(
        ("name", "column"),
        [("weather", "known_at"), ("weather", "observed_at"), ("carrier_delays", "hour")],
    )
    def test_hourly_times_are_whole_hours(
        self, frames: dict[str, pd.DataFrame], name: str, column: str
    ) -> None:
        times = frames[name][column]
        assert (times == times.dt.floor("h")).all()

    def test_raw_frames_are_left_alone(self, raw: RawData) -> None:
        again = load_raw()
        for name in ("flights", "weather", "planes", "airports"):
            pd.testing.assert_frame_equal(getattr(raw, name), getattr(again, name))


class TestFlights:
    def test_known_gaps_stay(self, frames: dict[str, pd.DataFrame]) -> None:
        flights = frames["flights"]
        to_unknown = flights.loc[~flights["dest"].isin(frames["airports"]["faa"]), "dest"]
        assert len(to_unknown) == 7_602
        assert sorted(to_unknown.unique()) == list(ATLANTIC)
        assert flights["tailnum"].isna().sum() == 2_512

    def test_label_is_null_exactly_without_arrival_delay(
        self, raw: RawData, frames: dict[str, pd.DataFrame]
    ) -> None:
        delays = raw.flights["arr_delay"]
        assert frames["flights"]["is_late"].isna().sum() == delays.isna().sum() == 9_430
        assert frames["flights"]["is_late"].sum() == (delays >= 30).sum()

    def test_departures_are_the_local_clock_of_new_york(self, frames: dict[str, pd.DataFrame]) -> None:
        flights = frames["flights"]
        local = flights["scheduled_departure"].dt.tz_convert("America/New_York")
        assert (local.dt.hour == flights["hour"]).all()
        assert (local.dt.month == flights["month"]).all()
        assert (local.dt.day_of_week == flights["weekday"]).all()
        assert set(flights["year"]) == {2013}

    @pytest.mark.parametrize("day", ["2013-03-09", SPRING, "2013-03-11", "2013-11-02", AUTUMN, "2013-11-04"])
    def test_departures_around_the_change_of_clocks(
        self, raw: RawData, frames: dict[str, pd.DataFrame], day: str
    ) -> None:
        date = datetime.fromisoformat(day)
        source = raw.flights.query("month == @date.month and day == @date.day")
        expected = sorted(
            date.replace(hour=clock // 100, minute=clock % 100, tzinfo=NEW_YORK).astimezone(UTC)
            for clock in source["sched_dep_time"]
        )
        start = date.replace(tzinfo=NEW_YORK).astimezone(UTC)
        end = (date + timedelta(days=1)).replace(tzinfo=NEW_YORK).astimezone(UTC)
        times = frames["flights"]["scheduled_departure"]
        assert [time.to_pydatetime() for time in times[(times >= start) & (times < end)]] == expected
        assert len(expected) > 600


class TestWeather:
    def test_it_is_known_an_hour_after_it_began(self, frames: dict[str, pd.DataFrame]) -> None:
        weather = frames["weather"]
        assert (weather["known_at"] - weather["observed_at"] == HOUR).all()

    def test_the_hour_that_comes_twice_is_two_rows(self, frames: dict[str, pd.DataFrame]) -> None:
        observed = frames["weather"].query("origin == 'JFK'")["observed_at"]
        local = observed.dt.tz_convert("America/New_York").dt.strftime("%Y-%m-%d %H")
        assert (local == f"{AUTUMN} 01").sum() == 2
        assert (local == f"{SPRING} 02").sum() == 0

    def test_local_hours_agree_with_the_file(self, raw: RawData) -> None:
        local = pd.to_datetime(raw.weather["time_hour"], utc=True).dt.tz_convert("America/New_York")
        assert (local.dt.hour == raw.weather["hour"]).all()
        assert (local.dt.day == raw.weather["day"]).all()

    def test_missing_values_stay_null(self, raw: RawData, frames: dict[str, pd.DataFrame]) -> None:
        for column in ("temp", "wind_gust", "pressure"):
            assert frames["weather"][column].isna().sum() == raw.weather[column].isna().sum() > 0


class TestSettledAt:
    def test_the_clock_at_the_destination_shows_the_arrival_time(self, raw: RawData) -> None:
        landed = features.settled_at(raw)[raw.flights["arr_delay"].notna()]
        source = raw.flights.loc[landed.index]
        zones = source["dest"].map(_zones(raw))
        shown = pd.concat(
            [local.dt.hour * 100 + local.dt.minute for local in _at_destination(landed, zones)]
        ).reindex(landed.index)
        wrong = source[shown != source["arr_time"] % 2400]
        # One flight of 327,346: the file says 02:03 of the night in which 02:00 to 03:00 did not exist.
        assert list(
            wrong[["month", "day", "origin", "dest", "arr_time"]].itertuples(index=False, name=None)
        ) == [(3, 9, "JFK", "PBI", 203.0)]

    def test_every_flight_is_in_the_air_and_on_the_ground_for_a_sane_time(self, raw: RawData) -> None:
        source = raw.flights
        departed = pd.to_datetime(source["time_hour"], utc=True) + pd.to_timedelta(
            source["minute"] + source["dep_delay"], unit="min"
        )
        taxi = features.settled_at(raw) - departed - pd.to_timedelta(source["air_time"], unit="min")
        taxi = taxi[source["arr_delay"].notna()]
        assert taxi.min() > timedelta(0)
        assert taxi.max() < 4 * HOUR
        assert timedelta(minutes=25) < taxi.median() < timedelta(minutes=31)

    def test_no_flight_is_settled_at_its_departure(self, raw: RawData) -> None:
        settled = features.settled_at(raw)
        departure = pd.to_datetime(raw.flights["time_hour"], utc=True) + pd.to_timedelta(
            raw.flights["minute"], unit="min"
        )
        assert (settled.dropna() > departure[settled.notna()]).all()

    def test_only_diverted_flights_are_never_settled(self, raw: RawData) -> None:
        diverted = raw.flights["dep_time"].notna() & raw.flights["arr_delay"].isna()
        assert (features.settled_at(raw).isna() == diverted).all()
        assert diverted.sum() == 1_175


class TestCarrierDelays:
    def test_rows_equal_a_recount_from_the_raw_files(
        self, raw: RawData, frames: dict[str, pd.DataFrame]
    ) -> None:
        delays = frames["carrier_delays"]
        day = delays["hour"].dt.tz_convert("America/New_York").dt.strftime("%Y-%m-%d")
        of_changes = delays[day.isin([SPRING, AUTUMN]) & (delays["n_landed_24h"] > 0)]
        sample = pd.concat([delays.sample(80, random_state=7), of_changes.sample(40, random_state=7)])
        recount = Recount(raw)
        for row in sample.itertuples(index=False):
            for n_hours in (3, 24):
                got = tuple(
                    getattr(row, f"{name}_{n_hours}h")
                    for name in ("n_landed", "arr_delay_mean", "cancellation_rate")
                )
                want = recount.of(row.carrier, row.origin, row.hour.to_pydatetime(), n_hours * HOUR)
                assert _same(got, want), (row, n_hours, want)

    @pytest.mark.parametrize("until", ["2013-03-10T08:00", "2013-11-03T06:00", "2013-12-30T05:00"])
    def test_the_future_changes_nothing(
        self, raw: RawData, frames: dict[str, pd.DataFrame], until: str
    ) -> None:
        instant = pd.Timestamp(until, tz="UTC")
        past = replace(raw, flights=raw.flights[features.settled_at(raw) < instant])
        expected = frames["carrier_delays"].query("hour <= @instant and n_landed_24h > 0")
        got = features.carrier_delays(past).query("hour <= @instant and n_landed_24h > 0")
        pd.testing.assert_frame_equal(got.reset_index(drop=True), expected.reset_index(drop=True))

    def test_hours_follow_each_other_and_end_in_ignorance(self, frames: dict[str, pd.DataFrame]) -> None:
        for _, group in frames["carrier_delays"].groupby(["carrier", "origin"]):
            assert (group["hour"].diff().dropna() == HOUR).all()
            assert group["cancellation_rate_24h"].isna().iloc[-1]
            assert group["cancellation_rate_24h"].notna().iloc[[0, -2]].all()

    def test_means_are_null_exactly_where_nothing_landed(self, frames: dict[str, pd.DataFrame]) -> None:
        delays = frames["carrier_delays"]
        for window in ("3h", "24h"):
            assert (delays[f"arr_delay_mean_{window}"].isna() == (delays[f"n_landed_{window}"] == 0)).all()
            assert delays[f"cancellation_rate_{window}"].dropna().between(0, 1).all()

    def test_a_small_day(self) -> None:
        """One carrier to Boston, on 2 July (UTC - 4): each way in which a flight can end."""
        raw = _small(
            # sched_dep, dep_time, arr_time, sched_arr, arr_delay
            (1000, 1005, 1110, 1100, 10.0),  # landed 15:10
            (1030, 1030, 1200, 1140, 20.0),  # landed 16:00 sharp: not before 16:00
            (1100, None, None, 1210, None),  # cancelled: settled 16:10
            (1130, 1130, 1500, 1240, None),  # diverted: never settled
        )
        delays = features.carrier_delays(raw).set_index("hour")
        first = pd.Timestamp("2013-07-02T16:00", tz="UTC")
        assert delays.index[0] == first
        short = delays[["n_landed_3h", "arr_delay_mean_3h", "cancellation_rate_3h"]]
        rows = [tuple(row) for row in short.itertuples(index=False)]
        assert rows[:3] == [(1, 10.0, 0.0), (2, 15.0, 1 / 3), (2, 15.0, 1 / 3)]
        assert rows[3] == (1, 20.0, 0.5)  # 19:00: 15:10 is out of the window, 16:00 still in
        assert _same(rows[4], (0, math.nan, math.nan))
        long = delays[["n_landed_24h", "arr_delay_mean_24h", "cancellation_rate_24h"]]
        assert tuple(long.loc[first + 23 * HOUR]) == (2, 15.0, 1 / 3)
        assert tuple(long.loc[first + 24 * HOUR]) == (1, 20.0, 0.5)
        assert delays.index[-1] == first + 25 * HOUR
        assert _same(tuple(long.iloc[-1]), (0, math.nan, math.nan))


def test_a_missing_data_package_is_named() -> None:
    with pytest.raises(MissingPackageError, match=r"'no_such_flights'.*pip install 'hopyard\[demo\]'"):
        load_raw("no_such_flights")


class Recount:
    """The rolling values once more, flight by flight in plain Python, with landings found another way.

    A flight landed when the clock of its destination first showed `arr_time` after departure and time in the
    air; the pipeline starts from the scheduled arrival and the delay instead.
    """

    def __init__(self, raw: RawData) -> None:
        self.zones = {faa: ZoneInfo(zone) for faa, zone in _zones(raw).items()}
        columns = ["time_hour", "minute", "dep_time", "dep_delay", "air_time", "arr_time", "arr_delay"]
        self.flights = {
            key: list(group[[*columns, "sched_arr_time", "dest"]].itertuples(index=False))
            for key, group in raw.flights.groupby(["carrier", "origin"])
        }

    def of(self, carrier: str, origin: str, hour: datetime, window: timedelta) -> tuple[float, float, float]:
        landed, cancelled = [], 0
        # Four days back: no flight is settled later than two days after its schedule.
        days = {(hour + timedelta(days=n)).date().isoformat() for n in range(-4, 2)}
        for flight in self.flights[carrier, origin]:
            if flight.time_hour[:10] not in days:
                continue
            departure = datetime.fromisoformat(flight.time_hour) + timedelta(minutes=flight.minute)
            zone = self.zones[flight.dest]
            if math.isnan(flight.dep_time):
                settled = _when_clock_shows(flight.sched_arr_time, departure, zone)
                cancelled += hour - window <= settled < hour
            elif not math.isnan(flight.arr_delay):
                in_air_until = departure + timedelta(minutes=flight.dep_delay + flight.air_time)
                settled = _when_clock_shows(int(flight.arr_time), in_air_until, zone)
                if hour - window <= settled < hour:
                    landed.append(flight.arr_delay)
        n_landed = len(landed)
        mean = sum(landed) / n_landed if landed else math.nan
        rate = cancelled / (cancelled + n_landed) if cancelled + n_landed else math.nan
        return n_landed, mean, rate


def _when_clock_shows(clock: int, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the first instant from `after` on at which a zone's clock shows hour * 100 + minute."""
    local = after.astimezone(zone)
    wait = (clock // 100 * 60 + clock % 100 - local.hour * 60 - local.minute) % 1440
    return after + timedelta(minutes=wait)


def _zones(raw: RawData) -> dict[str, str]:
    known: dict[str, str] = raw.airports.dropna(subset=["tzone"]).set_index("faa")["tzone"].to_dict()
    return known | dict.fromkeys(ATLANTIC, "America/Puerto_Rico")


def _at_destination(instants: pd.Series, zones: pd.Series) -> Iterable[pd.Series]:
    for zone, rows in zones.groupby(zones).groups.items():
        yield instants[rows].dt.tz_convert(zone)


def _same(left: Iterable[float], right: Iterable[float]) -> bool:
    return all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(left, right, strict=True))


def _small(*times: tuple[int, int | None, int | None, int, float | None]) -> RawData:
    """Return raw data of one carrier from JFK to BOS on 2 July 2013, in shuffled order."""
    rows: list[dict[str, Any]] = [
        {
            "time_hour": f"2013-07-02T{scheduled // 100 + 4:02}:00:00Z",
            "minute": scheduled % 100,
            "dep_time": departed,
            "arr_time": arrived,
            "sched_arr_time": scheduled_arrival,
            "arr_delay": delay,
            "carrier": "B6",
            "origin": "JFK",
            "dest": "BOS",
        }
        for scheduled, departed, arrived, scheduled_arrival, delay in times
    ]
    random.Random(3).shuffle(rows)
    airports = pd.DataFrame({"faa": ["BOS"], "tzone": ["America/New_York"]})
    return RawData(
        flights=pd.DataFrame(rows), weather=pd.DataFrame(), planes=pd.DataFrame(), airports=airports
    )
