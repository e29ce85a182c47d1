"""Results in the dataframe that the user asked for: no value changes on the way."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from hopyard import errors
from hopyard.compute.convert import to_dataframe
from hopyard.errors import ConfigError
from hopyard.ingest.frame import to_arrow_table

AT = datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
ROWS = [
    {
        "n": 2**62 + 1,
        "i": 1,
        "b": True,
        "x": 0.5,
        "s": "a",
        "at": AT,
        "d": date(1969, 12, 31),
        "m": Decimal("1.50"),
        "y": b"\x00",
        "v": [1.5, 2.5],
        "w": {"a": 1},
    },
    dict.fromkeys(["n", "i", "b", "x", "s", "at", "d", "m", "y", "v", "w"]),
]
SCHEMA = pa.schema(
    {
        "n": pa.int64(),
        "i": pa.int32(),
        "b": pa.bool_(),
        "x": pa.float64(),
        "s": pa.string(),
        "at": pa.timestamp("us", "UTC"),
        "d": pa.date32(),
        "m": pa.decimal128(10, 2),
        "y": pa.binary(),
        "v": pa.list_(pa.float64()),
        "w": pa.struct([("a", pa.int64())]),
    }
)
TABLE = pa.Table.from_pylist(ROWS, schema=SCHEMA)


def dtypes(table: pa.Table) -> dict[str, str]:
    return {name: str(dtype) for name, dtype in to_dataframe(table, "pandas").dtypes.items()}


def test_pandas_types_with_nulls() -> None:
    frame = to_dataframe(TABLE, "pandas")
    assert dtypes(TABLE) == {
        "n": "Int64",
        "i": "Int32",
        "b": "boolean",
        "x": "float64",
        "s": "str",
        "at": "datetime64[us, UTC]",
        **dict.fromkeys(["d", "m", "y", "v", "w"], "object"),
    }
    assert frame["n"][0] == 2**62 + 1
    assert frame["n"].isna().tolist() == [False, True]
    assert frame["at"][0].to_pydatetime() == AT
    assert frame["m"][0] == Decimal("1.50")
    assert frame["v"][0].tolist() == [1.5, 2.5]


def test_pandas_types_without_nulls_are_those_of_numpy() -> None:
    found = dtypes(TABLE.slice(0, 1))
    assert (found["n"], found["i"], found["b"]) == ("int64", "int32", "bool")


def test_pandas_keeps_rows_and_order() -> None:
    frame = to_dataframe(TABLE.select(["s", "n"]), "pandas")
    assert list(frame.columns) == ["s", "n"]
    assert isinstance(frame.index, pd.RangeIndex)
    assert to_dataframe(TABLE.select([]), "pandas").shape == (2, 0)
    assert to_dataframe(TABLE.slice(0, 0), "pandas").shape == (0, len(SCHEMA))


@pytest.mark.parametrize("dataframe_type", ["pandas", "polars", "arrow", "python"])
def test_what_comes_out_goes_in_again(dataframe_type: str) -> None:
    again = to_arrow_table(to_dataframe(TABLE, dataframe_type))
    assert again.column_names == TABLE.column_names
    assert again.select(["n", "x", "s", "at", "d", "m", "y", "v", "w"]).to_pylist() == [
        {name: row[name] for name in ["n", "x", "s", "at", "d", "m", "y", "v", "w"]} for row in ROWS
    ]


def test_polars() -> None:
    frame = to_dataframe(TABLE, "polars")
    assert isinstance(frame, pl.DataFrame)
    assert frame.schema["at"] == pl.Datetime("us", "UTC")
    assert frame["n"].to_list() == [2**62 + 1, None]


def test_arrow_is_the_table_itself() -> None:
    assert to_dataframe(TABLE, "arrow") is TABLE


def test_python() -> None:
    rows = to_dataframe(TABLE, "python")
    assert rows == ROWS
    assert rows[0]["at"].utcoffset() == timedelta(0)


def test_default_is_pandas_where_it_is_installed() -> None:
    assert isinstance(to_dataframe(TABLE, "default"), pd.DataFrame)
    assert isinstance(to_dataframe(TABLE), pd.DataFrame)


@pytest.mark.parametrize(
    ("columns", "dtype"),
    [
        ({"a": pa.array([1, 2]), "b": pa.array([3, 4])}, "int64"),
        ({"a": pa.array([1], pa.int32()), "b": pa.array([2**40])}, "int64"),
        ({"a": pa.array([1.5, None]), "b": pa.array([1, 2])}, "float64"),
        ({"a": pa.array([1.5], pa.float32())}, "float32"),
        ({"a": pa.array([True, False])}, "bool"),
        ({"a": pa.array([1, None])}, "object"),
        ({"a": pa.array([True, None])}, "object"),
        ({"a": pa.array([2**53 + 1]), "b": pa.array([0.5])}, "object"),
        ({"a": pa.array([True]), "b": pa.array([1])}, "object"),
        ({"a": pa.array(["x"]), "b": pa.array([1])}, "object"),
    ],
)
def test_numpy_type_holds_every_value(columns: dict[str, pa.Array], dtype: str) -> None:
    table = pa.table(columns)
    array = to_dataframe(table, "numpy")
    assert (array.shape, str(array.dtype)) == ((table.num_rows, table.num_columns), dtype)
    for index, column in enumerate(table.columns):
        for found, value in zip(array[:, index], column.to_pylist(), strict=True):
            assert found == value or (value is None and (found is None or np.isnan(found)))


def test_numpy_keeps_lists_and_instants_as_objects() -> None:
    array = to_dataframe(TABLE.select(["v", "at"]), "numpy")
    assert array.shape == (2, 2)
    assert array[0, 0] == [1.5, 2.5]
    assert array[0, 1] == AT
    assert array[1, 0] is None


def test_numpy_without_rows_or_columns() -> None:
    assert to_dataframe(pa.table({"a": pa.array([], pa.int64())}), "numpy").shape == (0, 1)
    assert to_dataframe(pa.table({}), "numpy").shape == (0, 0)


def test_an_unknown_type_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError) as caught:
        to_dataframe(TABLE, "spark")
    assert str(caught.value) == (
        "dataframe_type='spark' is unknown: use 'pandas', 'polars', 'arrow', 'numpy', 'python' or 'default'."
    )


def test_without_pandas_and_polars() -> None:
    """An interpreter in which neither can be imported stands for one in which neither is installed."""
    code = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in ("pandas", "polars"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import pyarrow as pa
from hopyard.errors import MissingPackageError
from hopyard.compute.convert import to_dataframe

table = pa.table({"a": [1]})
for package in ("pandas", "polars"):
    try:
        to_dataframe(table, package)
    except MissingPackageError as error:
        assert f"pip install 'hopyard[{package}]'" in str(error)
    else:
        raise AssertionError(package)
assert to_dataframe(table, "python") == [{"a": 1}]
assert to_dataframe(table, "numpy").tolist() == [[1]]
"""
    source = str(Path(errors.__file__).parents[1])
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": source})
