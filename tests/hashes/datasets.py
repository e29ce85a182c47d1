"""Training datasets that have everything whose hash could depend on something physical, made and verified in a process.

    python tests/hashes/datasets.py make FOLDER      makes a store and its datasets, and prints their hashes as JSON
    python tests/hashes/datasets.py verify FOLDER    verifies them, makes them again, and prints the same and more

All feature types, nulls, NaN, -0.0, ties, duplicates, updates, removals, left, inner and nested joins, groups without
event time, a root without a key, transformations, and splits by hash and by time.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import random
import sys
import warnings
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

import hopyard
from hopyard.errors import HopyardWarning
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.feature_view import FeatureView
from hopyard.project import Project
from hopyard.testing import ManualClock, frame, open_store
from hopyard.training_dataset import TrainingDataset

LIBRARIES = ("duckdb", "numpy", "pyarrow", "deltalake")
ORIGINS = ("arrow", "pandas", "polars", "python")
CLOCK = "2025-06-01"
START = datetime(2024, 12, 20, tzinfo=UTC)
NAN = float("nan")

EVENTS = {
    "id": "bigint",
    "part": "string",
    "at": "timestamp",
    "city": "string",
    "flag": "boolean",
    "small": "int",
    "big": "bigint",
    "f": "float",
    "d": "double",
    "amount": "double",
    "text": "string",
    "raw": "binary",
    "money": "decimal(38,2)",
    "seen": "timestamp",
    "day": "date",
    "vector": "array<double>[2]",
    "words": "array<string>",
    "pair": "struct<n:bigint,s:string>",
    "label": "int",
}
VALUES: dict[str, list[Any]] = {
    "city": ["oslo", "Žatec \U0001f33f", "rome", "nowhere", None],
    "flag": [True, False, None],
    "small": [1, -(2**31), None, 7],
    "big": [2**63 - 1, None, -(2**63), 0, 3],
    "f": [0.1, NAN, None, -0.0, 0.0, float("-inf")],
    "d": [0.1, -0.0, NAN, None, 1e300, 5e-324, 0.0],
    "amount": [0.1, 1.5, 2.25, 1e-3, 7.0, 1e6, 33.3],
    "text": ["", "a", "Žatec \U0001f33f", None, "x" * 300],
    "raw": [b"", b"\0\xff", None],
    "money": [Decimal("1.10"), Decimal("-99999999999999999999.01"), None, Decimal("0.00")],
    "seen": [
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        None,
        datetime(2026, 3, 8, 7, 30, tzinfo=UTC),
    ],
    "day": [date(1969, 12, 31), date(2024, 2, 29), None],
    "vector": [[1.0, -0.0], [NAN, None], None],
    "words": [["a", "b"], ["ab", ""], [], [None], None],
    "pair": [{"n": 1, "s": "a"}, {"n": None, "s": ""}, None],
    "label": [0, 1, 1, None],
}
READINGS = {"city": "string", "sensor": "bigint", "at": "bigint", "temp": "double", "note": "string"}
TOWNS = {"city": "string", "country": "int", "height": "float"}
COUNTRIES = {"country": "int", "since": "date", "name": "string", "rate": "decimal(9,4)"}
LOGS = {"city": "string", "at": "timestamp", "size": "bigint", "load": "double"}

Hashes = dict[str, dict[str, list[Any]]]
"""By dataset and split: number of rows, content hash and digest before transformation, and both after it."""


def make(
    folder: Path,
    *,
    origin: str = "arrow",
    shuffle: int | None = None,
    n_threads: int | None = None,
    compact: bool = False,
) -> Project:
    """Return a store with the groups, views and training datasets.

    Args:
        origin: the kind of dataframe that is inserted.
        shuffle: the seed of another order of each commit's rows.
        compact: merge the files of the groups before the datasets are made.
    """
    project = open_store(folder, clock=ManualClock(CLOCK), n_threads=n_threads)
    fs = project.get_feature_store()
    events = fs.create_feature_group(
        "events", features=EVENTS, primary_key=["part", "id"], event_time="at", foreign_key="city"
    ).save()
    readings = fs.create_feature_group(
        "readings", features=READINGS, primary_key=["city", "sensor"], event_time="at", event_time_unit="s"
    ).save()
    towns = fs.create_feature_group("towns", features=TOWNS, primary_key="city", foreign_key="country").save()
    countries = fs.create_feature_group(
        "countries", features=COUNTRIES, primary_key="country", event_time="since"
    ).save()
    logs = fs.create_feature_group("logs", features=LOGS, event_time="at", foreign_key="city").save()
    groups = [events, readings, towns, countries, logs]

    def insert(group: FeatureGroup, features: Mapping[str, str], *parts: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows as one commit; rows of a later part replace those of an earlier one, whatever their order."""
        rows = []
        for part in parts:
            part = list(part)
            if shuffle is not None:
                random.Random(shuffle).shuffle(part)
            rows += part
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", HopyardWarning)  # of rows that come twice
            group.insert(as_dataframe(naive(frame(features, rows)), origin))

    numbers = range(120)
    insert(events, EVENTS, [event(n, 7) for n in numbers if n % 9 == 0], [event(n) for n in numbers[:60]])
    insert(events, EVENTS, [event(n) for n in numbers[60:]])
    insert(events, EVENTS, [event(n, 3) for n in numbers if n % 13 == 0])  # updates
    events.remove_rows([{"part": event(n)[1], "id": n} for n in (5, 50, 110)])
    insert(readings, READINGS, [reading(n) for n in range(0, 90, 2)])
    insert(readings, READINGS, [reading(n) for n in range(1, 90, 2)])
    insert(towns, TOWNS, [("oslo", 47, 0.1), ("rome", None, NAN), ("Žatec \U0001f33f", 420, -0.0)])
    insert(
        countries, COUNTRIES, [(47, "2024-01-01", "Norge", Decimal("0.25")), (47, "2025-01-05", None, None)]
    )
    insert(countries, COUNTRIES, [(420, "2025-01-01", "Česko", Decimal("-1.0001"))])
    insert(logs, LOGS, [log(n) for n in range(60)])
    insert(
        logs, LOGS, [log(n) for n in range(0, 60, 3)]
    )  # the same rows again: without a key they count twice
    if compact:
        for group in groups:
            group.maintain()
    create_views(fs)
    make_datasets(fs)
    return project


def event(n: int, variant: int = 0) -> tuple[Any, ...]:
    values = {
        "id": n,
        "part": "ab"[n % 2],
        "at": START + timedelta(hours=5 * n),
        **{name: values[(n + variant) % len(values)] for name, values in VALUES.items()},
    }
    values["city"] = VALUES["city"][n % len(VALUES["city"])]
    return tuple(values[name] for name in EVENTS)


def reading(n: int) -> tuple[Any, ...]:
    """Return a row of one of three sensors per city; two of them have the same event times."""
    cities = ["oslo", "rome", "Žatec \U0001f33f", "unseen"]
    at = int(START.timestamp()) + 3_600 * 24 * (n // 12)
    temp = [0.1 * n, NAN, None, -0.0, 3.0][n % 5]
    return (
        cities[n % 4],
        n // 4 % 3,
        at + (1_800 if n // 4 % 3 == 2 else 0),
        temp,
        [None, "", "b", "ä"][n % 4],
    )


def log(n: int) -> tuple[Any, ...]:
    load = [0.5, NAN, None, -0.0][n % 4]
    return (VALUES["city"][n % 5], START + timedelta(hours=n % 20), n % 3, load)


def naive(table: pa.Table) -> pa.Table:
    """Return a table whose timestamps name no zone: they stand for UTC, whatever the zone of the machine."""
    fields = [
        field.with_type(pa.timestamp("us")) if pa.types.is_timestamp(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))


def as_dataframe(table: pa.Table, origin: str) -> Any:
    """Return a table as the dataframe of another library, with all its values: also NaN beside null."""
    if origin == "pandas":
        import pandas as pd

        return table.to_pandas(types_mapper=pd.ArrowDtype)
    if origin == "polars":
        import polars as pl

        return pl.from_arrow(table)
    return table.to_pylist() if origin == "python" else table


def create_views(fs: FeatureStore) -> None:
    events, readings, towns, countries, logs = (
        fs.get_feature_group(name) for name in ("events", "readings", "towns", "countries", "logs")
    )
    nested = towns.select_all().join(countries.select_all(), prefix="land_")
    query = (
        events.select_except(["city"])
        .join(readings.select(["temp", "note", "sensor"]), on=["city"], prefix="r_")
        .join(nested, join_type="inner", prefix="t_")
    )
    fs.create_feature_view(
        "joined",
        query,
        labels="label",
        transformation_functions=[
            hopyard.standard_scaler("r_temp"),
            hopyard.log("amount"),
            hopyard.min_max_scaler("small"),
            hopyard.quantile_binner("t_height"),
            hopyard.label_encoder("r_note"),
            hopyard.one_hot_encoder("text"),
        ],
    )
    fs.create_feature_view("keyless", logs.select_all().join(towns.select(["height"])), labels="size")


def make_datasets(fs: FeatureStore) -> list[TrainingDataset]:
    """Make the next version of each training dataset."""
    joined, keyless = views(fs)
    return [
        joined.create_train_validation_test_split(0.2, 0.2, seed=3),
        joined.create_train_test_split(train_end=datetime(2025, 1, 1), data_format="arrow"),  # naive: UTC
        keyless.create_train_test_split(0.4),
    ]


def views(fs: FeatureStore) -> tuple[FeatureView, FeatureView]:
    return fs.get_feature_view("joined"), fs.get_feature_view("keyless")


def datasets(fs: FeatureStore) -> list[TrainingDataset]:
    """Return the training datasets that the store was made with."""
    joined, keyless = views(fs)
    return [joined.get_training_dataset(1), joined.get_training_dataset(2), keyless.get_training_dataset(1)]


def hashes(made: Sequence[TrainingDataset]) -> Hashes:
    """Return what identifies the content of the datasets."""
    return {
        name: {
            split.name: [
                split.n_rows,
                split.before.sha256,
                split.before.rows,
                split.after.sha256,
                split.after.rows,
            ]
            for split in dataset.manifest.splits
        }
        for name, dataset in zip(("by hash", "by time", "keyless"), made, strict=True)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["make", "verify"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--origin", choices=ORIGINS, default="arrow")
    parser.add_argument("--shuffle", type=int)
    parser.add_argument("--threads", type=int)
    given = parser.parse_args()
    answer: dict[str, Any] = {"libraries": {name: importlib.metadata.version(name) for name in LIBRARIES}}
    if given.action == "make":
        project = make(given.folder, origin=given.origin, shuffle=given.shuffle, n_threads=given.threads)
        answer["hashes"] = hashes(datasets(project.get_feature_store()))
    else:
        fs = open_store(given.folder, clock=ManualClock(CLOCK), n_threads=given.threads).get_feature_store()
        verifications = [dataset.verify() for dataset in datasets(fs)]
        answer["verified"] = [[found.status, list(found.details)] for found in verifications]
        answer["hashes"] = hashes(make_datasets(fs))
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
