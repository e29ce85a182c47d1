"""Any dataframe becomes an Arrow table: values, nulls and NaNs as they were, names valid."""

from __future__ import annotations

import math
import subprocess
import sys
from collections import UserDict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopyard import errors
from hopyard.errors import InvalidNameError, SchemaMismatchError
from hopyard.ingest.frame import to_arrow_table
from hopyard.ingest.infer import infer_features
from hopyard.model.specs import FeatureSpec

NAN = float("nan")
ROWS = [{"a": 1, "b": "x"}, {"a": None, "b": None}, {"a": 3, "b": "z"}]


def same(left: object, right: object) -> bool:
    """Equality in which NaN equals NaN and differs from None."""
    if isinstance(left, float) and isinstance(right, float):
        return left == right or (math.isnan(left) and math.isnan(right))
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


def arrow_rows() -> pa.Table:
    return pa.table({"a": pa.array([1, None, 3], pa.int64()), "b": ["x", None, "z"]})


@pytest.mark.parametrize(
    "frame",
    [
        arrow_rows(),
        arrow_rows().to_batches()[0],
        arrow_rows().to_reader(),
        pl.DataFrame(ROWS),
        pl.DataFrame(ROWS).with_columns(pl.col("b").cast(pl.Categorical)),
        pl.DataFrame(ROWS).with_columns(pl.col("b").cast(pl.Enum(["x", "z"]))),
        pd.DataFrame({"a": pd.array([1, None, 3], dtype="Int64"), "b": ["x", None, "z"]}),
        pd.DataFrame({"a": pd.array([1, None, 3], dtype="Int64"), "b": pd.Categorical(["x", None, "z"])}),
        pd.DataFrame(
            {"a": pd.Series([1, None, 3], dtype=object), "b": pd.Series(["x", NAN, "z"], dtype=object)}
        ),
        arrow_rows().to_pandas(types_mapper=pd.ArrowDtype),
        ROWS,
        [{"b": "x", "a": 1}, {}, {"a": 3, "b": "z"}],
        [UserDict(row) for row in ROWS],
        tuple(ROWS),
        {"a": [1, None, 3], "b": ["x", None, "z"]},
        {"a": pa.array([1, None, 3]), "b": pl.Series(["x", None, "z"])},
        {"a": pd.Series([1, None, 3], dtype="Int64"), "b": pa.chunked_array([["x", None], ["z"]])},
    ],
    ids=lambda frame: f"{type(frame).__module__}.{type(frame).__name__}",
)
def test_every_dataframe_gives_the_same_rows(frame: object) -> None:
    assert to_arrow_table(frame).select(["a", "b"]).to_pylist() == ROWS


def test_a_duckdb_relation_gives_the_same_rows() -> None:
    with duckdb.connect() as connection:
        relation = connection.sql(
            "select * from (values (1::bigint, 'x'), (null, null), (3, 'z')) as t(a, b)"
        )
        assert to_arrow_table(relation).to_pylist() == ROWS


def test_nan_is_null_where_pandas_cannot_tell_them_apart() -> None:
    frame = pd.DataFrame({"x": [1.0, NAN], "y": pd.Series([1, NAN], dtype=object), "z": np.float32([1, NAN])})
    table = to_arrow_table(frame)
    assert table.to_pylist() == [{"x": 1.0, "y": 1, "z": 1.0}, {"x": None, "y": None, "z": None}]
    assert table.schema.types == [pa.float64(), pa.int64(), pa.float32()]


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame({"x": [1.0, NAN, None]}),
        pa.table({"x": [1.0, NAN, None]}),
        pa.table({"x": [1.0, NAN, None]}).to_pandas(types_mapper=pd.ArrowDtype),
        [{"x": 1.0}, {"x": NAN}, {"x": None}],
        {"x": [1.0, NAN, None]},
        {"x": pl.Series([1.0, NAN, None])},
    ],
    ids=lambda frame: f"{type(frame).__module__}.{type(frame).__name__}",
)
def test_elsewhere_nan_and_null_stay_different(frame: object) -> None:
    values = to_arrow_table(frame).column("x").to_pylist()
    assert same(values, [1.0, NAN, None])


def test_nan_in_a_numpy_array_outside_of_pandas_stays() -> None:
    assert same(to_arrow_table({"x": np.array([1.0, NAN])}).column("x").to_pylist(), [1.0, NAN])


OBJECTS = {
    "decimal": [Decimal("1.50"), None, Decimal("-20.25")],
    "date": [date(1969, 12, 31), None, date(2026, 1, 1)],
    "timestamp": [datetime(1969, 12, 31, 23, 59, 59, 999999), None, datetime(2026, 1, 1)],
    "bytes": [b"", None, b"\x00\xff"],
    "list": [[1, 2], None, []],
    "list_of_dicts": [[{"a": 1}], None, []],
    "dict": [{"a": 1, "b": "x"}, None, {"a": None, "b": "y"}],
    "boolean": [True, None, False],
    "text": ["", None, "\N{HEDGEHOG}"],
}


@pytest.mark.parametrize("values", OBJECTS.values(), ids=OBJECTS.keys())
def test_object_columns_keep_their_values(values: list[object]) -> None:
    assert (
        to_arrow_table(pd.DataFrame({"x": pd.Series(values, dtype=object)})).column("x").to_pylist() == values
    )
    assert to_arrow_table([{"x": value} for value in values]).column("x").to_pylist() == values


def test_arrays_of_numpy_become_lists() -> None:
    frame = pd.DataFrame({"x": pd.Series([np.array([1.5, 2.5]), None], dtype=object)})
    assert to_arrow_table(frame).column("x").to_pylist() == [[1.5, 2.5], None]
    assert to_arrow_table({"x": np.array([[1, 2], [3, 4]])}).column("x").to_pylist() == [[1, 2], [3, 4]]


def test_inferred_decimals_have_room_for_later_rows() -> None:
    assert to_arrow_table([{"x": Decimal("1.50")}]).schema.field("x").type == pa.decimal128(38, 2)


def test_pandas_nulls_are_null_everywhere() -> None:
    values = [pd.NA, pd.NaT, None, "x"]
    assert to_arrow_table([{"x": value} for value in values]).column("x").to_pylist() == [
        None,
        None,
        None,
        "x",
    ]


def test_naive_and_aware_datetimes_are_the_same_instants() -> None:
    new_york = datetime(2020, 6, 1, 8, tzinfo=ZoneInfo("America/New_York"))
    for values in ([datetime(2020, 6, 1, 12), new_york], [new_york, datetime(2020, 6, 1, 12)]):
        column = to_arrow_table([{"x": value} for value in values]).column("x").combine_chunks()
        assert len(set(column.cast(pa.int64()).to_pylist())) == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, None, "a"], "row 0 holds 1 (int), row 2 holds 'a' (str)"),
        (["a", b"b"], "row 0 holds 'a' (str), row 1 holds b'b' (bytes)"),
        ([True, 1], "row 0 holds True (bool), row 1 holds 1 (int)"),
        (
            [None, date(2020, 1, 1), datetime(2020, 1, 1, 5)],
            "row 1 holds datetime.date(2020, 1, 1) (date), row 2",
        ),
        ([Decimal("1.5"), 1], "row 0 holds Decimal('1.5') (Decimal), row 1 holds 1 (int)"),
        ([{"a": 1}, [1]], "row 0 holds {'a': 1} (dict), row 1 holds [1] (list)"),
        ([1, 2, 2**64], "row 2 holds 18446744073709551616 (int)"),
        ([[1], [2], ["a"]], "row 2 holds ['a'] (list)"),
        ([{"a": 1}, {"a": "x"}], "row 1 holds {'a': 'x'} (dict)"),
        ([2**53 + 1, 0.5], "row"),
        ([object()], "row 0 holds <object object"),
    ],
)
def test_mixed_types_are_an_error_that_names_column_and_row(values: list[object], message: str) -> None:
    for frame in (pd.DataFrame({"x": pd.Series(values, dtype=object)}), [{"x": value} for value in values]):
        with pytest.raises(SchemaMismatchError) as caught:
            to_arrow_table(frame)
        assert "Column 'x'" in str(caught.value)
        assert message in str(caught.value)
        assert "Give every row the same type." in str(caught.value)


def test_unnamed_index_is_left_out() -> None:
    frame = pd.DataFrame({"a": [1, 2, 3]}, index=["x", "y", "z"])
    assert to_arrow_table(frame[frame["a"] > 1]).to_pylist() == [{"a": 2}, {"a": 3}]


def test_named_index_becomes_the_first_columns() -> None:
    frame = pd.DataFrame({"origin": ["a", "a", "b"], "hour": [1, 1, 2], "n": [1, 2, 3]})
    table = to_arrow_table(frame.groupby(["origin", "hour"]).sum())
    assert table.to_pylist() == [{"origin": "a", "hour": 1, "n": 3}, {"origin": "b", "hour": 2, "n": 3}]


def test_named_index_beside_a_column_of_its_name_is_an_error() -> None:
    frame = pd.DataFrame({"a": [1], "b": [2]}).set_index("a", drop=False)
    with pytest.raises(SchemaMismatchError, match=r"several columns named 'a' .*reset_index\(drop=True\)"):
        to_arrow_table(frame)


def test_the_callers_frame_is_never_changed() -> None:
    frame = pd.DataFrame(
        {"a": [1.0, NAN], "c": pd.Categorical(["x", "y"])}, index=pd.Index(["p", "q"], name="i")
    )
    before = frame.copy(deep=True)
    to_arrow_table(frame)
    pd.testing.assert_frame_equal(frame, before)


def test_repeated_columns_are_an_error() -> None:
    for frame in (
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        pa.table([[1], [2]], names=["a", "a"]),
    ):
        with pytest.raises(
            SchemaMismatchError, match=r"several columns named 'a'.*Rename or drop all but one"
        ):
            to_arrow_table(frame)


def test_an_invalid_name_shows_the_nearest_valid_one() -> None:
    with pytest.raises(InvalidNameError, match=r"^'Passenger Id' cannot name a feature: .*'passenger_id'"):
        to_arrow_table(pd.DataFrame({"Passenger Id": [1], "age": [2]}))
    with pytest.raises(InvalidNameError, match=r"^0 cannot name a feature"):
        to_arrow_table(pd.DataFrame([[1]]))


def test_all_invalid_names_are_listed() -> None:
    with pytest.raises(InvalidNameError, match=r"^2 columns .* by \{'Name': 'name', '2nd': 'nd'\}"):
        to_arrow_table([{"Name": 1, "2nd": 2, "ok": 3}])


@pytest.mark.parametrize(
    ("frame", "columns"),
    [
        (pd.DataFrame(), []),
        (pd.DataFrame({"a": pd.Series([], dtype="int64"), "b": pd.Series([], dtype=object)}), ["a", "b"]),
        (pl.DataFrame({"a": []}), ["a"]),
        (pa.table({"a": pa.array([], pa.int64())}), ["a"]),
        (pl.DataFrame({"a": pl.Series([], dtype=pl.Categorical)}), ["a"]),
        ([], []),
        ({}, []),
        ({"a": []}, ["a"]),
    ],
)
def test_empty_frames_work(frame: object, columns: list[str]) -> None:
    table = to_arrow_table(frame)
    assert (table.num_rows, table.column_names) == (0, columns)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (42, "A builtins.int is no dataframe"),
        ("a.csv", "A builtins.str is no dataframe"),
        (pl.LazyFrame({"a": [1]}), "It is lazy: call .collect() first"),
        (pd.Series([1]), "It is a single column"),
        (pl.Series([1]), "It is a single column"),
        (pa.chunked_array([[1]]), "It is a single column"),
        (np.zeros((2, 2)), "A numpy.ndarray is no dataframe"),
        ([{"a": 1}, 5], "row 1 is 5 (int)"),
        ({"a": 1}, "Column 'a' is 1 (int), not a column"),
        ({"a": "text"}, "Column 'a' is 'text' (str), not a column"),
        ({"a": [1, 2], "b": [1]}, "unequal lengths: {'a': 2, 'b': 1}"),
        (pd.DataFrame({"a": [1j]}), "Column 'a' has the pandas type complex128"),
    ],
)
def test_what_is_no_dataframe_is_an_error(frame: object, message: str) -> None:
    with pytest.raises(SchemaMismatchError) as caught:
        to_arrow_table(frame)
    assert message in str(caught.value)


def test_neither_pandas_nor_polars_is_needed() -> None:
    """An interpreter in which neither can be imported stands for one in which neither is installed."""
    code = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in ("pandas", "polars"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from hopyard.ingest.frame import to_arrow_table

assert to_arrow_table([{"a": 1, "b": float("nan")}]).num_rows == 1
assert to_arrow_table({"a": [1], "b": ["x"]}).num_rows == 1
"""
    source = str(Path(errors.__file__).parents[1])
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": source})


def features(frame: object, explicit: list[FeatureSpec] | None = None) -> dict[str, str]:
    return {f.name: f.type for f in infer_features(to_arrow_table(frame), explicit)}


def test_types_of_a_new_group() -> None:
    frame = pa.table(
        {
            "boolean": pa.array([True]),
            "small": pa.array([1], pa.uint16()),
            "big": pa.array([1], pa.uint32()),
            "unsigned": pa.array([2**63 - 1], pa.uint64()),
            "half": pa.array(np.array([1.5], np.float16)),
            "double": pa.array([1.5]),
            "category": pa.array(["x"]).dictionary_encode(),
            "dec": pa.array([Decimal("1.5")], pa.decimal128(10, 2)),
            "moment": pa.array([0], pa.timestamp("ns", "America/New_York")),
            "day": pa.array([0], pa.date64()),
            "vector": pa.array([[1.0, 2.0]], pa.list_(pa.float32(), 2)),
            "nested": pa.array([[{"a": 1}]]),
        }
    )
    assert list(features(frame).values()) == [
        "boolean",
        "int",
        "bigint",
        "bigint",
        "float",
        "double",
        "string",
        "decimal(10,2)",
        "timestamp",
        "date",
        "array<float>[2]",
        "array<struct<a:bigint>>",
    ]


def test_floats_of_pandas_stay_doubles() -> None:
    assert features(pd.DataFrame({"x": [1.0, NAN]})) == {"x": "double"}


def test_explicit_features_win_and_come_first() -> None:
    explicit = [
        FeatureSpec(name="b", type="int", description="d"),
        FeatureSpec(name="c", type="", description="e"),
    ]
    inferred = infer_features(pa.table({"a": [1], "b": [2], "c": ["x"]}), explicit)
    assert [(f.name, f.type, f.description) for f in inferred] == [
        ("b", "int", "d"),
        ("c", "string", "e"),
        ("a", "bigint", ""),
    ]


def test_an_explicit_type_helps_a_column_of_nulls() -> None:
    assert features([{"x": None}], [FeatureSpec(name="x", type="double")]) == {"x": "double"}


def test_an_explicit_feature_must_be_in_the_frame() -> None:
    with pytest.raises(SchemaMismatchError, match=r"lacks 'y', declared as features\. It has: x"):
        features([{"x": 1}], [FeatureSpec(name="y", type="int")])


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (pa.array([None]), "Column 'x' has type null.*give the column a type: every value is null"),
        (pa.array([timedelta(1)]), "Column 'x' has type duration.*store it as a bigint"),
        (pa.array([1], pa.time64("us")), "Column 'x' has type time64.*store it as an int"),
        (pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())), "Column 'x' has type map.*array<struct"),
        (
            pa.array([1, 2**63], pa.uint64()),
            "1 of 2 values are beyond a bigint.*row 1: 9223372036854775808.*decimal",
        ),
    ],
)
def test_columns_without_a_feature_type(array: pa.Array, message: str) -> None:
    with pytest.raises(SchemaMismatchError, match=message):
        infer_features(pa.table({"x": array}))


def test_all_columns_without_a_type_are_listed() -> None:
    with pytest.raises(SchemaMismatchError, match="(?s)Column 'a'.*\n.*Column 'b'"):
        infer_features(to_arrow_table([{"a": None, "b": None, "c": 1}]))


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(),
    "text": st.text(st.characters(exclude_categories=["Cs"])),
    "bytes": st.binary(),
    "instant": st.datetimes(timezones=st.just(UTC)),
    "day": st.dates(),
}


@given(st.sampled_from(sorted(VALUES)).flatmap(lambda kind: st.lists(st.none() | VALUES[kind], min_size=1)))
def test_lists_of_dicts_come_back(values: list[object]) -> None:
    found = to_arrow_table([{"x": value} for value in values]).column("x").to_pylist()
    assert same(found, values)
