"""Rows are checked against the group before anything is written: types, columns, nulls, times, duplicates."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopyard.compute.event_time import event_times_us
from hopyard.errors import (
    ConfigError,
    DuplicateRowsError,
    HopyardError,
    HopyardWarning,
    InvalidNameError,
    SchemaMismatchError,
)
from hopyard.ingest.check import CheckedRows, check_keys, check_rows
from hopyard.ingest.fit import fit
from hopyard.ingest.frame import to_arrow_table
from hopyard.ingest.infer import check_group
from hopyard.model.arrow import to_arrow, to_arrow_schema
from hopyard.model.plan import ForeignKey
from hopyard.model.schema import Field
from hopyard.model.specs import FeatureGroupSpec, FeatureSpec
from hopyard.model.types import parse_type
from hopyard.time import to_micros

NAN, INF = float("nan"), float("inf")
NOW = to_micros("2026-01-01")
US = pa.timestamp("us", "UTC")


def group(features: dict[str, str], **options: Any) -> FeatureGroupSpec:
    """Return the spec of weather_1 with these features."""
    return FeatureGroupSpec(
        project="p",
        name="weather",
        version=1,
        id="i",
        location="l",
        features=tuple(FeatureSpec(name=name, type=type_) for name, type_ in features.items()),
        **options,
    )


WEATHER = group(
    {"origin": "string", "at": "timestamp", "temp": "double"}, primary_key=("origin",), event_time="at"
)
ONLINE = msgspec.structs.replace(WEATHER, online_enabled=True)
AT = [datetime(2020, 1, day, tzinfo=UTC) for day in range(1, 10)]


def check(spec: FeatureGroupSpec, frame: object, **options: Any) -> CheckedRows:
    return check_rows(spec, to_arrow_table(frame), now_us=NOW, **options)


def message(spec: FeatureGroupSpec, frame: object, **options: Any) -> str:
    with pytest.raises(SchemaMismatchError) as caught:
        check(spec, frame, **options)
    assert "Nothing was written." in str(caught.value)
    return str(caught.value)


@contextmanager
def no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_rows_come_out_in_the_order_and_types_of_the_group() -> None:
    frame = pd.DataFrame(
        {"temp": [1, 2], "at": [datetime(2020, 1, 1), datetime(2020, 1, 2)], "origin": ["a", "b"]}
    )
    with no_warnings():
        checked = check(WEATHER, frame)
    assert checked.rows.schema == to_arrow_schema(WEATHER.schema)
    assert checked.rows.to_pylist() == [
        {"origin": "a", "at": AT[0], "temp": 1.0},
        {"origin": "b", "at": AT[1], "temp": 2.0},
    ]
    assert (checked.n_rows_in, checked.n_duplicates) == (2, 0)


@pytest.mark.parametrize("frame", [[], pd.DataFrame(), pd.DataFrame(columns=["origin", "at", "temp"])])
def test_an_empty_frame_is_no_rows(frame: object) -> None:
    checked = check(WEATHER, frame)
    assert (checked.rows.num_rows, checked.rows.schema) == (0, to_arrow_schema(WEATHER.schema))


# Columns


def test_all_missing_and_extra_columns_are_named() -> None:
    assert message(WEATHER, [{"origin": "a", "tmep": 1.0, "wind": 2.0}]) == (
        "The columns do not fit 'weather_1'. It lacks 'at' (timestamp), 'temp' (double): give every feature, null "
        "where a value is unknown. It has 'tmep' (did you mean 'temp'?), 'wind', which the group does not have: "
        "drop what is not needed, or add it to the group with append_features(). Nothing was written."
    )


# Values

ACCEPTED: list[tuple[str, pa.Array, list[object]]] = [
    ("bigint", pa.array([-(2**31), None], pa.int32()), [-(2**31), None]),
    ("bigint", pa.array([2**63 - 1], pa.uint64()), [2**63 - 1]),
    ("bigint", pa.array([3.0, None, -(2.0**63)]), [3, None, -(2**63)]),
    ("bigint", pa.array([Decimal("3.00")]), [3]),
    ("int", pa.array([2**31 - 1, -(2**31), None]), [2**31 - 1, -(2**31), None]),
    ("int", pa.array([0, 255], pa.uint8()), [0, 255]),
    ("int", pa.array([1.0, None], pa.float32()), [1, None]),
    ("double", pa.array([1.5, None], pa.float32()), [1.5, None]),
    ("double", pa.array([2**53 - 1, -(2**53) + 1, None]), [2.0**53 - 1, -(2.0**53) + 1, None]),
    ("double", pa.array([INF, -INF], pa.float32()), [INF, -INF]),
    ("float", pa.array([0.5, INF, None]), [0.5, INF, None]),
    ("float", pa.array(np.array([0.5], np.float16)), [0.5]),
    ("float", pa.array([2**24], pa.int64()), [2.0**24]),
    ("decimal(10,2)", pa.array([Decimal("1.5"), None]), [Decimal("1.50"), None]),
    ("decimal(4,1)", pa.array([Decimal("123.400")], pa.decimal128(38, 3)), [Decimal("123.4")]),
    ("decimal(4,1)", pa.array([Decimal("1.5")], pa.decimal256(76, 1)), [Decimal("1.5")]),
    ("decimal(3,1)", pa.array([12, None]), [Decimal("12.0"), None]),
    ("decimal(20,0)", pa.array([2**64 - 1], pa.uint64()), [Decimal(2**64 - 1)]),
    ("string", pa.array(["", "\N{HEDGEHOG}", None], pa.large_string()), ["", "\N{HEDGEHOG}", None]),
    ("string", pa.array(["x"], pa.string_view()), ["x"]),
    ("binary", pa.array([b"ab"], pa.binary(2)), [b"ab"]),
    ("binary", pa.array([b"ab"], pa.large_binary()), [b"ab"]),
    ("boolean", pa.array([True, None]), [True, None]),
    ("timestamp", pa.array([datetime(2020, 1, 1)], pa.timestamp("s")), [AT[0]]),
    (
        "timestamp",
        pa.array([datetime(1969, 12, 31, 23)], pa.timestamp("ms")),
        [datetime(1969, 12, 31, 23, tzinfo=UTC)],
    ),
    ("timestamp", pa.array([AT[0]], pa.timestamp("us", "America/New_York")), [AT[0]]),
    ("timestamp", pa.array([date(2020, 1, 1), None]), [AT[0], None]),
    ("timestamp", pa.array([date(2020, 1, 1)], pa.date64()), [AT[0]]),
    ("date", pa.array([AT[0], None]), [date(2020, 1, 1), None]),
    ("date", pa.array([datetime(1969, 12, 31)], pa.timestamp("ns")), [date(1969, 12, 31)]),
    ("date", pa.array([date(1969, 12, 31)], pa.date64()), [date(1969, 12, 31)]),
    ("array<double>", pa.array([[1, None], None, []]), [[1.0, None], None, []]),
    ("array<bigint>", pa.array([[1, 2], None, [3]], pa.list_view(pa.int64())), [[1, 2], None, [3]]),
    ("array<float>[2]", pa.array([[1, 2], None], pa.list_(pa.float32(), 2)), [[1.0, 2.0], None]),
    ("array<float>[2]", pa.array([[1, 2], None], pa.large_list(pa.float64())), [[1.0, 2.0], None]),
    ("array<array<int>>", pa.array([[[1], None], [[2, 3]]]), [[[1], None], [[2, 3]]]),
    (
        "struct<a:int,b:string>",
        pa.array([{"b": "x", "a": 1}, None], pa.struct([("b", pa.large_string()), ("a", pa.int64())])),
        [{"a": 1, "b": "x"}, None],
    ),
    *[
        (type_, pa.nulls(2), [None, None])
        for type_ in (
            "int",
            "double",
            "decimal(5,2)",
            "timestamp",
            "array<int>[3]",
            "struct<a:int>",
            "binary",
        )
    ],
]


@pytest.mark.parametrize(
    ("type_", "array", "expected"), ACCEPTED, ids=lambda v: str(getattr(v, "type", v))[:40]
)
def test_what_fits_exactly_is_accepted(type_: str, array: pa.Array, expected: list[object]) -> None:
    doubled = pa.concat_arrays([array, array])
    for column, values in (
        (pa.chunked_array([array]), expected),
        (pa.chunked_array([array, array]), expected * 2),
        (doubled.slice(len(array)), expected),
    ):
        with no_warnings():
            fitted = fit(column, parse_type(type_))
        assert fitted.misfits.tolist() == []
        assert fitted.values.type == to_arrow(parse_type(type_))
        assert fitted.values.to_pylist() == values
        fitted.values.validate(full=True)


REFUSED: list[tuple[str, pa.Array, list[int]]] = [
    ("int", pa.array([0, 2**31, None, -(2**31) - 1]), [1, 3]),
    ("int", pa.array([2**31], pa.uint32()), [0]),
    ("int", pa.array([Decimal("1.0"), Decimal("1.5")]), [1]),
    ("int", pa.array(["1", None]), [0]),
    ("bigint", pa.array([2**63], pa.uint64()), [0]),
    ("bigint", pa.array([1.0, 1.5, NAN, INF, 2.0**63, None]), [1, 2, 3, 4]),
    ("bigint", pa.array([True]), [0]),
    ("bigint", pa.array([AT[0]]), [0]),
    ("double", pa.array([2**53, 2**53 + 1, -(2**53) - 1]), [1, 2]),
    ("double", pa.array([Decimal("0.5")]), [0]),
    ("double", pa.array(["1.5"]), [0]),
    ("double", pa.array([True]), [0]),
    ("float", pa.array([0.5, 0.1, 1e300]), [1, 2]),
    ("float", pa.array([2**24 + 1]), [0]),
    (
        "decimal(4,2)",
        pa.array([Decimal("1.50"), Decimal("1.505"), Decimal("100.00")], pa.decimal128(10, 3)),
        [1, 2],
    ),
    ("decimal(4,2)", pa.array([99, 100, None]), [1]),
    ("decimal(4,2)", pa.array([0.5]), [0]),
    ("string", pa.array([1, None]), [0]),
    ("string", pa.array([b"x"]), [0]),
    ("binary", pa.array(["x"]), [0]),
    ("boolean", pa.array([0, 1]), [0, 1]),
    ("timestamp", pa.array(["2020-01-01"]), [0]),
    ("timestamp", pa.array([0]), [0]),
    ("timestamp", pa.array([0, 2**63 // 10**6 + 1, None], pa.timestamp("s")), [1]),
    ("timestamp", pa.array([-(2**62)], pa.timestamp("ms")), [0]),
    ("timestamp", pa.array([2**31 - 1], pa.int32()).view(pa.date32()), [0]),
    ("date", pa.array([datetime(2020, 1, 1), datetime(2020, 1, 1, 1)]), [1]),
    ("array<int>", pa.array([[1], [2**31], None, [2, 2**40]]), [1, 3]),
    ("array<int>", pa.array([1]), [0]),
    ("array<int>[2]", pa.array([[1, 2], [1], None, []]), [1, 3]),
    ("array<array<int>>", pa.array([[[1]], [[1], [2**40]]]), [1]),
    ("struct<a:int>", pa.array([{"a": 1}, None, {"a": 2**31}]), [2]),
    ("struct<a:int>", pa.array([{"a": 1, "b": 2}]), [0]),
    ("struct<a:int,b:int>", pa.array([{"a": 1}]), [0]),
]


@pytest.mark.parametrize(
    ("type_", "array", "misfits"), REFUSED, ids=lambda v: str(getattr(v, "type", v))[:40]
)
def test_what_does_not_fit_is_pointed_at(type_: str, array: pa.Array, misfits: list[int]) -> None:
    assert fit(array, parse_type(type_)).misfits.tolist() == misfits
    after = fit(pa.chunked_array([array, array]), parse_type(type_)).misfits.tolist()
    assert after == misfits + [row + len(array) for row in misfits]


def test_nan_stays_nan_and_null_stays_null_in_floats() -> None:
    for type_ in ("float", "double"):
        for source in (pa.float32(), pa.float64()):
            values = fit(pa.array([NAN, None, -0.0], source), parse_type(type_)).values.to_pylist()
            assert str(values) == "[nan, None, -0.0]"


@given(st.lists(st.none() | st.floats(width=64)), st.sampled_from(["int", "bigint", "float"]))
def test_floats_that_fit_are_unchanged_and_the_others_could_not_be(
    values: list[float | None], type_: str
) -> None:
    fitted = fit(pa.array(values, pa.float64()), parse_type(type_))
    misfits = set(fitted.misfits.tolist())
    for row, value in enumerate(values):
        assert (row in misfits) is not (value is None or holds(type_, value))
    if not misfits:
        assert [v for v in fitted.values.to_pylist() if v == v] == [v for v in values if v == v]


def holds(type_: str, value: float) -> bool:
    """Say in plain Python whether a type can hold a float exactly."""
    if type_ == "float":
        with np.errstate(over="ignore"):
            return value != value or float(np.float32(value)) == value
    bits = {"int": 31, "bigint": 63}[type_]
    return value.is_integer() and -(2**bits) <= int(value) < 2**bits


def test_a_misfit_names_column_type_count_and_first_rows() -> None:
    spec = group({"n": "int", "x": "double"})
    assert message(spec, pa.table({"n": [1, 2**31, 2**32, 2**33, 2**34], "x": [0.5] * 5})) == (
        "The rows do not fit 'weather_1'. Column 'n' must be int, and 4 of 5 rows do not fit (the column came as "
        "int64): row 1 (2147483648), row 2 (4294967296), row 3 (8589934592). It takes whole numbers from -2147483648 "
        "to 2147483647; text is not turned into numbers. Nothing was written."
    )


def test_all_columns_that_do_not_fit_are_listed() -> None:
    spec = group({"n": "int", "s": "string", "d": "decimal(4,2)", "v": "array<int>[2]", "w": "struct<a:int>"})
    text = message(spec, {"n": ["1"], "s": [1], "d": [0.5], "v": [[1]], "w": [{"b": 1}]})
    assert text.startswith("5 columns do not fit 'weather_1'.")
    for part in (
        "'n' must be int, and 1 of 1 rows do not fit (the column came as string): row 0 ('1')",
        "'s' must be string, and 1 of 1 rows do not fit (the column came as int64): row 0 (1)",
        "It takes text only",
        "up to 2 digits before the point and 2 after it",
        "It takes lists with exactly 2 elements of type int.",
        "It takes structs with exactly the fields 'a'",
    ):
        assert part in text


def test_instants_beyond_python_can_be_shown() -> None:
    spec = group({"at": "timestamp"})
    text = message(spec, pa.table({"at": pa.array([2**62], pa.timestamp("s"))}))
    assert "'at' must be timestamp" in text
    assert "within 292,000 years of 1970" in text
    with pytest.raises(SchemaMismatchError, match=r"row 0 \(<value out of range: 2305843009213693952>"):
        check(ONLINE, pa.table({"origin": ["a"], "at": pa.array([2**61], US), "temp": [1.0]}))


def test_gaps_of_pandas_fit_a_bigint() -> None:
    spec = group({"n": "bigint"})
    assert check(spec, pd.DataFrame({"n": [1.0, NAN]})).rows.column("n").to_pylist() == [1, None]


def test_nanoseconds_are_truncated_to_the_past_with_one_warning() -> None:
    spec = group({"a": "timestamp", "b": "timestamp", "c": "array<timestamp>"})
    ns = pa.array([-1, 1_999, None], pa.timestamp("ns"))
    frame = pa.table({"a": ns, "b": ns, "c": pa.array([[1], [], None], pa.list_(pa.timestamp("ns")))})
    with pytest.warns(
        HopyardWarning, match="Nanoseconds were cut off in 'a', 'b', 'c' of 'weather_1'"
    ) as caught:
        rows = check(spec, frame).rows
    assert len(caught) == 1
    assert rows.column("a").cast(pa.int64()).to_pylist() == [-1, 1, None]


def test_whole_microseconds_in_nanoseconds_do_not_warn() -> None:
    with no_warnings():
        check(group({"a": "timestamp"}), pa.table({"a": pa.array([-5000, None], pa.timestamp("ns"))}))


# Keys and times


def test_nulls_in_key_and_event_time_are_errors() -> None:
    text = message(
        WEATHER, {"origin": [None, "a", None, None, None], "at": [AT[0], None, *AT[:3]], "temp": [None] * 5}
    )
    assert (
        "Column 'origin' is part of the primary key and null in 4 of 5 rows: row 0, row 2, row 3. Fill or drop"
        in text
    )
    assert "Column 'at' is the event time and null in 1 of 5 rows: row 1. Fill or drop these rows." in text


def test_the_event_time_may_be_part_of_the_primary_key() -> None:
    spec = group({"k": "int", "at": "timestamp"}, primary_key=("k", "at"), event_time="at")
    assert message(spec, {"k": [1], "at": pa.array([None], US)}).count("'at'") == 1
    with pytest.warns(HopyardWarning, match="repeat the identity 'k', 'at' of a later row"):
        assert check(spec, {"k": [1, 1, 1], "at": [AT[0], AT[1], AT[0]]}).n_duplicates == 1
    assert check_keys(spec, pa.table({"at": AT[:1], "k": [1]})).column_names == ["k", "at"]


def test_nan_of_pandas_in_a_key_is_null() -> None:
    spec = group({"k": "bigint"}, primary_key=("k",))
    assert "'k' is part of the primary key and null in 1 of 2 rows: row 1" in message(
        spec, pd.DataFrame({"k": [1.0, NAN]})
    )


def test_an_online_group_refuses_rows_dated_later_than_now() -> None:
    frame = {"origin": ["a", "b"], "at": [NOW, NOW + 1], "temp": [1.0, 1.0]}
    frame = {**frame, "at": pa.array(frame["at"], US)}
    text = message(ONLINE, frame)
    assert text.startswith(
        "1 of 2 rows of 'weather_1' are dated later than now (2026-01-01T00:00:00Z) in 'at': "
        "row 1 (2026-01-01 00:00:00.000001"
    )
    assert "allow_future=True" in text
    assert check(ONLINE, frame, allow_future=True).rows.num_rows == 2
    assert check(WEATHER, frame).rows.num_rows == 2


@pytest.mark.parametrize(
    ("type_", "unit", "values", "expected"),
    [
        ("timestamp", None, pa.array([-1, None, 2**63 - 1], US), [-1, None, 2**63 - 1]),
        (
            "date",
            None,
            pa.array([-1, None, 1], pa.int32()).view(pa.date32()),
            [-86_400_000_000, None, 86_400_000_000],
        ),
        ("bigint", "s", pa.array([-1, None]), [-1_000_000, None]),
        ("bigint", "ms", pa.array([7, None]), [7_000, None]),
        ("bigint", "us", pa.array([-(2**63), 2**63 - 1]), [-(2**63), 2**63 - 1]),
        ("bigint", "s", pa.array([], pa.int64()), []),
    ],
)
def test_event_times_are_microseconds(
    type_: str, unit: Any, values: pa.Array, expected: list[object]
) -> None:
    field = Field(name="at", type=type_)
    for column in (values, pa.chunked_array([values])):
        assert event_times_us(field, unit, column).to_pylist() == expected
    assert event_times_us(field, unit, pa.chunked_array([], type=values.type)).to_pylist() == []


@pytest.mark.parametrize(
    ("type_", "unit", "values", "expected"),
    [
        (
            "bigint",
            "s",
            pa.array([0, 2**62]),
            "1 of 2 event times in 'at' are more than 292,000 years .* in row 1: 4",
        ),
        ("bigint", "ms", pa.array([-(2**62)]), "Is event_time_unit right"),
        ("date", None, pa.array([2**31 - 1], pa.int32()).view(pa.date32()), "in row 0: 2147483647"),
        ("bigint", None, pa.array([1]), "event_time_unit=None: say what it counts"),
        ("string", None, pa.array(["x"]), "'at' has type string: use a timestamp, a date, or a bigint"),
    ],
)
def test_event_times_that_cannot_be(type_: str, unit: Any, values: pa.Array, expected: str) -> None:
    with pytest.raises(SchemaMismatchError, match=expected):
        event_times_us(Field(name="at", type=type_), unit, values)


def test_an_event_time_beyond_64_bits_is_refused_at_write() -> None:
    spec = group({"k": "int", "at": "bigint"}, primary_key=("k",), event_time="at", event_time_unit="s")
    with pytest.raises(SchemaMismatchError, match="292,000 years"):
        check(spec, [{"k": 1, "at": 2**62}])


# Duplicates


def test_the_last_row_of_an_identity_wins_with_a_warning() -> None:
    frame = {"origin": ["b", "a", "b", "a"], "at": [AT[0], AT[0], AT[0], AT[1]], "temp": [1.0, 2.0, 3.0, 4.0]}
    with pytest.warns(HopyardWarning) as caught:
        checked = check(WEATHER, frame)
    assert checked.rows.column("temp").to_pylist() == [2.0, 3.0, 4.0]
    assert (checked.n_rows_in, checked.n_duplicates) == (4, 1)
    assert str(caught[0].message).startswith(
        "1 of 4 rows of 'weather_1' repeat the identity 'origin', 'at' of a later row, such as row 0 "
        "(origin='b', at=2020-01-01 00:00:00"
    )
    assert len(caught) == 1


def test_duplicates_can_be_refused() -> None:
    frame = {"origin": ["b", "b"], "at": [AT[0], AT[0]], "temp": [1.0, 1.0]}
    with pytest.raises(
        DuplicateRowsError, match=r"1 of 2 rows .*origin='b'.*duplicates='last'.*Nothing was written"
    ):
        check(WEATHER, frame, duplicates="error")
    with no_warnings():
        assert (
            check(WEATHER, {name: values[:1] for name, values in frame.items()}, duplicates="error").n_rows_in
            == 1
        )


def test_an_unknown_answer_to_duplicates_is_an_error() -> None:
    with pytest.raises(ConfigError, match="duplicates='first' is unknown: use 'last' or 'error'"):
        check(WEATHER, [], duplicates="first")


def test_a_keyless_group_has_no_duplicates() -> None:
    spec = group({"x": "int", "at": "timestamp"}, event_time="at")
    with no_warnings():
        assert check(spec, {"x": [1, 1], "at": [AT[0], AT[0]]}, duplicates="error").rows.num_rows == 2


KEYS: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "bigint": st.integers(-2, 2),
    "string": st.sampled_from(["", "a", "A", "\u00e9", "e\u0301"]),
    "binary": st.sampled_from([b"", b"\0", b"\0\0"]),
    "decimal(5,2)": st.sampled_from([Decimal("0.10"), Decimal("-0.10"), Decimal("1.00")]),
    "date": st.dates(date(1969, 12, 30), date(1970, 1, 2)),
    "timestamp": st.sampled_from(AT),
}


@given(st.data(), st.lists(st.sampled_from(sorted(KEYS)), min_size=1, max_size=3), st.integers(1, 4))
def test_deduplication_is_that_of_a_dict(data: st.DataObject, types: list[str], n_chunks: int) -> None:
    names = [f"k{number}" for number in range(len(types))]
    rows = data.draw(st.lists(st.tuples(*(KEYS[type_] for type_ in types)), max_size=20))
    spec = group({**dict(zip(names, types, strict=True)), "v": "bigint"}, primary_key=tuple(names))
    records = [{**dict(zip(names, row, strict=True)), "v": number} for number, row in enumerate(rows)]
    schema = to_arrow_schema(spec.schema)
    batches = [pa.Table.from_pylist(records[start::n_chunks], schema=schema) for start in range(n_chunks)]
    table = pa.concat_tables(batches)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HopyardWarning)
        checked = check_rows(spec, table, now_us=NOW)
    last = {tuple(row[name] for name in names): row["v"] for row in table.to_pylist()}
    expected = [row for row in table.to_pylist() if last[tuple(row[name] for name in names)] == row["v"]]
    assert checked.rows.to_pylist() == expected
    assert checked.n_duplicates == len(rows) - len(expected)


# Removal


def test_keys_are_typed_and_come_once() -> None:
    spec = group({"k": "int", "s": "string", "at": "date"}, primary_key=("s", "k"), event_time="at")
    with no_warnings():
        keys = check_keys(spec, pa.table({"k": [1, 2, 1], "s": ["a", "b", "a"]}))
    assert keys.to_pylist() == [{"s": "b", "k": 2}, {"s": "a", "k": 1}]
    assert keys.schema.types == [pa.string(), pa.int32()]
    rows = check_keys(spec, pa.table({"at": [date(2020, 1, 1)], "k": [1], "s": ["a"]}))
    assert rows.column_names == ["s", "k", "at"]
    assert check_keys(spec, to_arrow_table([])).column_names == ["s", "k"]


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (
            [{"origin": "a", "temp": 1.0}],
            "removed by the primary key 'origin', alone or with the event time 'at'; the dataframe has the columns "
            "'origin', 'temp'. Select the key columns and nothing else.",
        ),
        ([{"at": AT[0]}], "the dataframe has the columns 'at'"),
        ([{"origin": 1}], "Column 'origin' must be string, and 1 of 1 rows do not fit"),
        (
            [{"origin": "a"}, {"origin": None}],
            "'origin' is part of the primary key and null in 1 of 2 rows: row 1",
        ),
    ],
)
def test_keys_that_cannot_be(frame: object, expected: str) -> None:
    with pytest.raises(SchemaMismatchError) as caught:
        check_keys(WEATHER, to_arrow_table(frame))
    assert expected in str(caught.value)


def test_no_keys_remove_rows_of_a_keyless_group() -> None:
    with pytest.raises(SchemaMismatchError, match=r"'weather_1' has no primary key.*overwrite=True"):
        check_keys(group({"a": "int"}), pa.table({"a": [1]}))


# The group itself

TYPES = {"k": "bigint", "at": "timestamp", "n": "bigint", "x": "double", "v": "array<int>"}


@pytest.mark.parametrize(
    "spec",
    [
        group(TYPES),
        group(TYPES, primary_key=("k",), event_time="at", online_enabled=True, ttl_us=1),
        group(TYPES, primary_key=("k",), event_time="n", event_time_unit="ms", partition_key=("k",)),
        group(TYPES, primary_key=("k", "at"), event_time="at", online_enabled=True),
        group(TYPES, event_time="at", foreign_key=(ForeignKey(column="n", references="id"),)),
    ],
)
def test_groups_that_can_be(spec: FeatureGroupSpec) -> None:
    check_group(spec)


@pytest.mark.parametrize(
    ("spec", "error", "expected"),
    [
        (group({}), SchemaMismatchError, "has no features"),
        (group({"Temp C": "int"}), InvalidNameError, "'Temp C' cannot name a feature: .*'temp_c'"),
        (
            msgspec.structs.replace(group(TYPES), name="Weather"),
            InvalidNameError,
            "'Weather' cannot name a feature group: .*'weather'",
        ),
        (
            msgspec.structs.replace(group(TYPES), features=(FeatureSpec(name="a", type="int"),) * 2),
            SchemaMismatchError,
            "several features named 'a'. Rename or drop",
        ),
        (group({"a": "integer"}), SchemaMismatchError, "'integer' is no feature type"),
        (
            group({"a": "decimal(39,2)"}),
            SchemaMismatchError,
            r"'a' has type decimal\(39,2\): decimals have 1 to 38",
        ),
        (group({"a": "array<decimal(4,5)>"}), SchemaMismatchError, "a scale from 0 to that"),
        (group({"a": "array<int>[0]"}), SchemaMismatchError, "a fixed size must be at least 1"),
        (group({"a": "struct<>"}), SchemaMismatchError, "a struct has at least one field"),
        (
            group({"origin": "string"}, primary_key=("orign",)),
            SchemaMismatchError,
            "primary_key of 'weather' names 'orign', which is no feature of it. Did you mean 'origin'?",
        ),
        (
            group(TYPES, primary_key=("x",)),
            SchemaMismatchError,
            "names 'x', which is a double: keys are .*Cast it",
        ),
        (group(TYPES, primary_key=("v",)), SchemaMismatchError, "names 'v', which is a array: keys are"),
        (group(TYPES, primary_key=("k", "k")), SchemaMismatchError, "names a column twice"),
        (
            group(TYPES, partition_key=("p",)),
            SchemaMismatchError,
            "partition_key of 'weather' names 'p'.*There are",
        ),
        (group({"k": "int"}, partition_key=("k",)), SchemaMismatchError, "leave out at least one"),
        (
            group(TYPES, foreign_key=(ForeignKey(column="m", references="id"),)),
            SchemaMismatchError,
            "foreign_key of 'weather' names 'm'",
        ),
        (group(TYPES, event_time="time"), SchemaMismatchError, "event_time of 'weather' names 'time'"),
        (
            group(TYPES, event_time="x"),
            SchemaMismatchError,
            "which is a double: an event time is a bigint, date, time",
        ),
        (
            group(TYPES, event_time="n"),
            ConfigError,
            "is a bigint with event_time_unit=None: .*'s', 'ms' or 'us'",
        ),
        (group(TYPES, event_time="at", event_time_unit="s"), ConfigError, "leave out event_time_unit='s'"),
        (group(TYPES, event_time_unit="s"), ConfigError, "and no event time: give event_time"),
        (
            group(TYPES, online_enabled=True),
            ConfigError,
            "online_enabled=True and no primary key.*Give primary_key",
        ),
        (group(TYPES, ttl_us=5), ConfigError, "has a ttl and no event time.*Give event_time"),
        (group(TYPES, event_time="at", ttl_us=0), ConfigError, "is 0 seconds: it must be more than 0"),
        (group(TYPES, event_time="at", ttl_us=-1_500_000), ConfigError, "is -1.5 seconds"),
    ],
)
def test_groups_that_cannot_be(spec: FeatureGroupSpec, error: type[HopyardError], expected: str) -> None:
    with pytest.raises(error, match=expected):
        check_group(spec)
