"""The online bytes as literals: if one changes, stores on disk cannot be read (docs/reference/online-format.md)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from hopyard.model.arrow import to_arrow_schema
from hopyard.model.schema import Field
from hopyard.online.codec import encode_keys, encode_rows
from hopyard.online.decode import row_decoder
from hopyard.online.keys import encode_key, full_key, stored_key
from hopyard.ports import OnlineTable

HEAD_OF_ONE_VALUE = "dc0003cf8000000000000000cf0000000000000000"


def table_of(key: str, *values: str, event_time: str | None = None) -> OnlineTable:
    return OnlineTable(
        id="t",
        name="weather_1",
        key=tuple(Field(name=f"k{at}", type=text) for at, text in enumerate(key.split("+"))),
        values=tuple(Field(name=f"v{at}", type=text) for at, text in enumerate(values)),
        event_time=event_time,
    )


def frame(table: OnlineTable, *row: object) -> pa.Table:
    schema = to_arrow_schema(table.key + table.values)
    return pa.Table.from_arrays(
        [pa.array([value], field.type) for value, field in zip(row, schema, strict=True)], schema=schema
    )


@pytest.mark.parametrize(
    ("types", "values", "expected"),
    [
        ("boolean", [False], "00"),
        ("boolean", [True], "01"),
        ("int", [-1], "7fffffff"),
        ("int", [2147483647], "ffffffff"),
        ("bigint", [0], "8000000000000000"),
        ("bigint", [-9223372036854775808], "0000000000000000"),
        ("date", [date(1969, 12, 31)], "7fffffff"),
        ("timestamp", [datetime(2026, 11, 23, 14, 30, 0, 1, tzinfo=UTC)], "800660f26dc14a01"),
        ("string", ["JFK"], "4a464b0000"),
        ("string", ["a\x00é"], "6100ffc3a90000"),
        ("string", [""], "0000"),
        ("binary", [b"\x00\xff"], "00ffff0000"),
        ("decimal(10,2)", [Decimal("-1.25")], "7fffffffffffffffffffffffffffff83"),
        ("decimal(38,0)", [Decimal(1)], "80000000000000000000000000000001"),
        ("string+bigint", ["UA", 1545], "554100008000000000000609"),
    ],
)
def test_keys(types: str, values: list[object], expected: str) -> None:
    table = table_of(types)
    assert encode_key(table, values).hex() == expected
    assert encode_keys(table, frame(table, *values))[0].as_py().hex() == expected


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        ("boolean", False, "c2"),
        ("boolean", True, "c3"),
        ("int", -2, "d2fffffffe"),
        ("bigint", 5, "d30000000000000005"),
        ("bigint", None, "c0"),
        ("float", 1.5, "ca3fc00000"),
        ("double", -0.0, "cb8000000000000000"),
        ("double", float("nan"), "cb7ff8000000000000"),
        ("string", "", "d900"),
        ("string", "é", "d902c3a9"),
        ("string", "x" * 256, "da0100" + "78" * 256),
        ("string", "x" * 65_536, "db00010000" + "78" * 65_536),
        ("binary", b"\x00\x01", "c4020001"),
        ("binary", b"x" * 256, "c50100" + "78" * 256),
        ("binary", b"x" * 65_536, "c600010000" + "78" * 65_536),
        ("decimal(5,0)", Decimal(42), "d9023432"),
        ("decimal(10,2)", Decimal("-0.05"), "d9052d302e3035"),
        ("decimal(12,9)", Decimal("0.000000001"), "d90b302e303030303030303031"),
        ("timestamp", datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), "d3ffffffffffffffff"),
        ("date", date(2026, 11, 23), "d20000512c"),
        ("array<float>", [1.0, None], "dc0002ca3f800000c0"),
        ("array<string>", [], "dc0000"),
        ("array<boolean>", [True] * 65_536, "dd00010000" + "c3" * 65_536),
        ("array<int>", None, "c0"),
        ("struct<a:int,b:string>", {"a": 1, "b": None}, "dc0002d200000001c0"),
        ("struct<a:int>", None, "c0"),
    ],
)
def test_values(type_: str, value: object, expected: str) -> None:
    table = table_of("int", type_)
    row = encode_rows(table, frame(table, 0, value), None)[0].as_py()
    assert row.hex() == HEAD_OF_ONE_VALUE + expected
    decoded = row_decoder(table, ["v0"])(row)
    assert decoded == [value] or decoded[0] != decoded[0]


def test_row_with_event_time() -> None:
    table = table_of("int", "double", "string", event_time="at")
    row = encode_rows(table, frame(table, 7, 21.5, "rain"), pa.array([1_795_444_200_000_001], pa.int64()))[
        0
    ].as_py()
    assert row.hex() == (
        "dc0004"  # four elements
        "cf800660f26dc14a01"  # 2026-11-23T14:30:00.000001Z
        "cf0000000000000000"  # came by a commit
        "cb4035800000000000"
        "d9047261696e"
    )


def test_long_key() -> None:
    table = table_of("string", "int")
    name = "k" * 600
    key = encode_key(table, [name])
    stored = stored_key(key)
    row = encode_rows(table, frame(table, name, 1), None)[0].as_py()
    assert key.hex() == "6b" * 600 + "0000"
    assert stored.hex() == "6b" * 479 + "859920ca5b3fd0d361823ad526518f6b851242dcd9f87efdc1f063a8023003b6"
    assert row.hex() == "dc0004cf8000000000000000cf0000000000000000c8025a01" + "6b" * 600 + "0000d200000001"
    assert full_key(stored, row) == key
