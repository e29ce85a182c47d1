"""The online encoding: keys sort like values, one key has one encoding, and every value comes back as it was."""

from __future__ import annotations

import math
import struct
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hopyard.errors import CorruptStoreError, FeatureVectorError, NotFoundError, SchemaMismatchError
from hopyard.model.arrow import to_arrow, to_arrow_schema
from hopyard.model.plan import literal
from hopyard.model.schema import Field
from hopyard.model.types import parse_type
from hopyard.online.codec import encode_keys, encode_rows
from hopyard.online.decode import event_time_of, row_decoder
from hopyard.online.keys import encode_key, full_key, stored_key
from hopyard.ports import OnlineTable

TIMES = st.datetimes(timezones=st.just(UTC))
SCALARS = {
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32),
    "double": st.floats(),
    "string": st.text(st.characters(exclude_categories=["Cs"])),
    "binary": st.binary(),
    "timestamp": TIMES,
    "date": st.dates(),
    "decimal(10,2)": st.decimals(-99_999_999, 99_999_999, places=2, allow_nan=False),
    "decimal(38,38)": st.integers(-(10**38) + 1, 10**38 - 1).map(
        lambda n: Decimal((int(n < 0), tuple(map(int, str(abs(n)))), -38))
    ),
    "decimal(38,0)": st.integers(-(10**38) + 1, 10**38 - 1).map(Decimal),
}
NESTED = {
    "array<double>[3]": st.lists(st.none() | SCALARS["double"], min_size=3, max_size=3),
    "array<string>": st.lists(st.none() | SCALARS["string"], max_size=4),
    "array<array<timestamp>>": st.lists(st.none() | st.lists(st.none() | TIMES, max_size=3), max_size=3),
    "struct<a:bigint,b:string>": st.fixed_dictionaries(
        {"a": st.none() | SCALARS["bigint"], "b": st.none() | SCALARS["string"]}
    ),
    "array<struct<d:date,n:struct<x:float,y:array<boolean>>>>": st.lists(
        st.none()
        | st.fixed_dictionaries(
            {
                "d": st.none() | st.dates(),
                "n": st.none()
                | st.fixed_dictionaries(
                    {
                        "x": st.none() | SCALARS["float"],
                        "y": st.none() | st.lists(st.none() | st.booleans(), max_size=2),
                    }
                ),
            }
        ),
        max_size=3,
    ),
}
VALUES = SCALARS | NESTED
KEY_TYPES = [text for text in SCALARS if text not in ("float", "double")]


def table_of(key: list[str], values: list[str] = (), **more: object) -> OnlineTable:
    return OnlineTable(
        id="t",
        name="weather_1",
        key=tuple(Field(name=f"k{at}", type=text) for at, text in enumerate(key)),
        values=tuple(Field(name=f"v{at}", type=text) for at, text in enumerate(values)),
        **more,
    )


def frame(table: OnlineTable, rows: list[tuple]) -> pa.Table:
    schema = to_arrow_schema(table.key + table.values)
    columns = [pa.array([row[at] for row in rows], field.type) for at, field in enumerate(schema)]
    return pa.Table.from_arrays(columns, schema=schema)


def exact(value: object) -> object:
    """Return something that is equal exactly when the values are the same, bits of floats included."""
    if isinstance(value, float):
        return ("nan",) if math.isnan(value) else struct.pack(">d", value)
    if isinstance(value, list):
        return [exact(item) for item in value]
    if isinstance(value, dict):
        return [(name, exact(item)) for name, item in sorted(value.items())]
    return (type(value), value)


def python_order(row: tuple) -> tuple:
    return tuple(value.encode() if isinstance(value, str) else value for value in row)


@st.composite
def keyed_rows(draw: st.DrawFn) -> tuple[list[str], list[tuple]]:
    types = draw(st.lists(st.sampled_from(KEY_TYPES), min_size=1, max_size=3))
    near = st.sampled_from(["", "a", "a\x00", "a\x00\x00", "a\x01", "a\xff", "\x00", "ab"])
    values = [near | SCALARS[text] if text == "string" else SCALARS[text] for text in types]
    return types, draw(st.lists(st.tuples(*values), min_size=1, max_size=12))


@given(keyed_rows())
def test_keys_from_python_equal_keys_from_arrow_and_sort_like_their_values(
    case: tuple[list[str], list[tuple]],
) -> None:
    types, rows = case
    table = table_of(types)
    keys = encode_keys(table, frame(table, rows)).to_pylist()
    assert keys == [encode_key(table, row) for row in rows]
    by_key = [python_order(row) for _, row in sorted(zip(keys, rows, strict=True), key=lambda pair: pair[0])]
    assert by_key == sorted(python_order(row) for row in rows)
    for one in keys:
        assert not any(other.startswith(one) for other in keys if other != one)


@settings(max_examples=60)
@given(st.data())
@pytest.mark.parametrize("text", VALUES)
def test_every_value_comes_back_as_it_was(text: str, data: st.DataObject) -> None:
    table = table_of(["bigint"], ["bigint", text, "string"])
    column = data.draw(st.lists(st.none() | VALUES[text], max_size=6))
    rows = [(at, at if at % 2 else None, value, "end") for at, value in enumerate(column)]
    whole = frame(table, rows)
    encoded = encode_rows(table, whole, None).to_pylist()
    read = row_decoder(table, ["v0", "v1", "v2"])
    assert [exact(read(row)) for row in encoded] == [exact(list(row[1:])) for row in rows]
    # A slice of a frame has offsets in its buffers.
    assert encode_rows(table, whole.slice(1), None).to_pylist() == encoded[1:]


def test_bytes_do_not_depend_on_how_the_frame_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_of(["string"], ["double", "array<float>[2]", "string", "boolean"], event_time="at")
    rows = [
        (
            "é" * (at % 300),
            None if at % 3 else at / 7,
            None if at % 5 == 0 else [at, None],
            "x" * (at % 270),
            at % 2 == 0,
        )
        for at in range(70_000)
    ]
    whole = frame(table, rows)
    times = pa.array(range(-35_000, 35_000), pa.int64())
    encoded = encode_rows(table, whole, times)
    few = [encode_rows(table, whole.slice(at, 997), times.slice(at, 997)) for at in range(0, 70_000, 997)]
    assert pa.concat_arrays(few).equals(encoded)
    assert encode_keys(table, whole).to_pylist()[69_000:] == [
        encode_key(table, row[:1]) for row in rows[69_000:]
    ]
    assert event_time_of(encoded[0].as_py()) == -35_000


@pytest.mark.parametrize("size", [0, 255, 256, 65_535, 65_536, 70_000])
def test_lengths_at_the_limits_of_headers(size: int) -> None:
    table = table_of(["int"], ["string", "binary", "array<boolean>", "string"])
    row = (1, "s" * size, b"b" * size, [True] * size, "end")
    encoded = encode_rows(
        table, frame(table, [(0, None, None, None, "z"), row, (2, "a", b"c", [], None)]), None
    )
    read = row_decoder(table, ["v0", "v1", "v2", "v3"])
    assert [read(one) for one in encoded.to_pylist()] == [
        [None, None, None, "z"],
        list(row[1:]),
        ["a", b"c", [], None],
    ]


@pytest.mark.parametrize("size", [507, 508, 509, 511, 512, 70_000])
@pytest.mark.parametrize("values", [[], ["binary"], ["binary", "int"]])
def test_a_long_key_is_kept_in_its_row_and_changes_no_value(size: int, values: list[str]) -> None:
    table = table_of(["string"], values)
    rows = [("k" * size, b"x" * 600, 7)[: 1 + len(values)], ("short", None, None)[: 1 + len(values)]]
    whole = frame(table, rows)
    keys, encoded = encode_keys(table, whole).to_pylist(), encode_rows(table, whole, None).to_pylist()
    assert keys == [encode_key(table, row[:1]) for row in rows]
    read = row_decoder(table, [field.name for field in table.values])
    for key, row, values_in in zip(keys, encoded, rows, strict=True):
        assert len(stored_key(key)) <= 511
        assert (stored_key(key) == key) == (len(key) <= 510)
        assert full_key(stored_key(key), row) == key
        assert read(row) == list(values_in[1:])


def test_nan_keeps_its_bits_and_minus_zero_its_sign() -> None:
    table = table_of(["int"], ["double"])
    bits = [0x7FF8000000000000, 0xFFF8000000000001, 0x7FF0000000000001, 0x8000000000000000]
    values = np.array(bits, "u8").view("f8")
    rows = encode_rows(
        table, pa.table({"k0": pa.array(range(4), pa.int32()), "v0": values}), None
    ).to_pylist()
    assert [int.from_bytes(row[-8:], "big") for row in rows] == bits


@pytest.mark.parametrize(
    ("type_", "unit", "micros", "stored"),
    [
        ("timestamp", None, -1, datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("date", None, -86_400_000_000, date(1969, 12, 31)),
        ("bigint", "s", -5_000_000, -5),
        ("bigint", "ms", 1_500_000, 1_500),
        ("bigint", "us", 7, 7),
    ],
)
def test_event_time_comes_back_in_its_stored_type(
    type_: str, unit: str | None, micros: int, stored: object
) -> None:
    table = table_of(["int"], ["int"], event_time="at", event_time_type=type_, event_time_unit=unit)
    row = encode_rows(table, frame(table, [(1, 2)]), pa.array([micros], pa.int64()))[0].as_py()
    assert event_time_of(row) == micros
    assert row_decoder(table, ["v0", "at"])(row) == [2, stored]
    assert row_decoder(table, ["at", "v0"])(row) == [stored, 2]


def test_newer_event_times_have_greater_slots() -> None:
    table = table_of(["int"], [], event_time="at")
    times = [-(2**63), -1, 0, 1, 2**63 - 1]
    rows = encode_rows(
        table, frame(table, [(at,) for at in range(5)]), pa.array(times, pa.int64())
    ).to_pylist()
    assert [row[4:12] for row in rows] == sorted(row[4:12] for row in rows)
    assert {len(row) for row in rows} == {21}


def test_rows_older_than_a_feature_are_padded_with_its_default() -> None:
    old = table_of(["string"], ["int"], event_time="at")
    new = table_of(
        ["string"], ["int", "timestamp", "string"], event_time="at", defaults=(None, None, literal("new"))
    )
    times = pa.array([0, 0], pa.int64())
    for row in encode_rows(old, frame(old, [("a", 1), ("k" * 600, 1)]), times).to_pylist():
        assert row_decoder(new, ["v2", "at", "v1", "v0"])(row) == [
            "new",
            datetime(1970, 1, 1, tzinfo=UTC),
            None,
            1,
        ]
        assert row_decoder(new, ["v0"])(row) == [1]
    # A reader that does not know the newest features yet.
    row = encode_rows(new, frame(new, [("a", 1, None, "x")] * 2), times)[0].as_py()
    assert row_decoder(old, ["v0"])(row) == [1]


def test_stored_types_may_come_in_other_arrow_types() -> None:
    table = table_of(["string"], ["timestamp", "binary"])
    usual = frame(table, [("a", datetime(2026, 1, 1, tzinfo=UTC), b"x")])
    other = pa.table(
        {
            "k0": usual["k0"].cast(pa.large_string()),
            "v0": usual["v0"].cast(pa.timestamp("ms", "UTC")),
            "v1": usual["v1"].cast(pa.binary_view()),
        }
    )
    assert encode_rows(table, other, None).equals(encode_rows(table, usual, None))
    assert encode_keys(table, other).equals(encode_keys(table, usual))


def test_python_values_that_count_as_the_type() -> None:
    table = table_of(["int", "bigint", "boolean", "timestamp", "decimal(10,2)"])
    naive = datetime(2026, 1, 1, 12)
    plain = encode_key(table, [1, 2, True, naive.replace(tzinfo=UTC), Decimal("3.00")])
    east = naive.replace(tzinfo=timezone(timedelta(hours=2))) + timedelta(hours=2)
    assert encode_key(table, [np.int16(1), np.uint64(2), np.bool_(True), naive, Decimal(3)]) == plain
    assert encode_key(table, [1, 2, True, east, 3]) == plain
    assert encode_key(table, [1, 2, True, naive, Decimal("0.3E+1")]) == plain
    assert encode_key(table_of(["decimal(38,2)"]), [Decimal("-0E+900")]) == encode_key(
        table_of(["decimal(38,2)"]), [0]
    )


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("bigint", "12"),
        ("bigint", True),
        ("bigint", 12.0),
        ("bigint", np.bool_(True)),
        ("bigint", np.float64(1)),
        ("bigint", 2**63),
        ("int", 2**31),
        ("int", -(2**31) - 1),
        ("int", None),
        ("boolean", 1),
        ("string", b"a"),
        ("string", 12),
        ("string", "\ud800"),
        ("binary", "a"),
        ("timestamp", date(2026, 1, 1)),
        ("timestamp", "2026-01-01"),
        ("date", datetime(2026, 1, 1)),
        ("decimal(4,2)", Decimal("100.00")),
        ("decimal(4,2)", Decimal("1.001")),
        ("decimal(4,2)", Decimal("NaN")),
        ("decimal(4,2)", Decimal("1E+999999")),
        ("decimal(4,2)", Decimal("1E-999999")),
        ("decimal(4,2)", 1.5),
        ("decimal(4,2)", True),
    ],
)
def test_a_value_that_does_not_fit_a_key_is_named(type_: str, value: object) -> None:
    with pytest.raises(FeatureVectorError) as error:
        encode_key(table_of([type_]), [value])
    message = str(error.value)
    assert "'k0'" in message
    assert "'weather_1'" in message
    assert type_ in message
    assert repr(value) in message


def test_too_few_key_values() -> None:
    with pytest.raises(FeatureVectorError, match=r"2 column\(s\) \(k0, k1\); 1 value"):
        encode_key(table_of(["int", "int"]), [1])


def test_frames_that_do_not_fit() -> None:
    table = table_of(["string"], ["int"])
    with pytest.raises(SchemaMismatchError, match="lack the column 'v0'"):
        encode_rows(table, pa.table({"k0": ["a"]}), None)
    with pytest.raises(SchemaMismatchError, match="'k0'.*holds 1 null"):
        encode_keys(table, pa.table({"k0": pa.array([None, "a"])}))
    with pytest.raises(SchemaMismatchError, match="'v0'.*is int; it came as string"):
        encode_rows(table, pa.table({"k0": ["a"], "v0": ["no number"]}), None)
    with pytest.raises(SchemaMismatchError, match="1 of them null"):
        encode_rows(table, frame(table, [("a", 1)]), pa.array([None], pa.int64()))


def test_an_unknown_feature_is_named() -> None:
    with pytest.raises(NotFoundError, match="Did you mean 'v0'"):
        row_decoder(table_of(["int"], ["int"]), ["v00"])


def test_bytes_that_are_no_row() -> None:
    table = table_of(["int"], ["int", "decimal(4,2)"])
    row = encode_rows(table, frame(table, [(1, 2, Decimal(3))]), None)[0].as_py()
    with pytest.raises(CorruptStoreError, match="'weather_1'.*hopyard online rebuild weather_1"):
        row_decoder(table, ["v0"])(row[:-1])
    wrong = msgspec.msgpack.encode([0, 0, 1, "no decimal"])
    with pytest.raises(CorruptStoreError, match="hopyard online rebuild weather_1"):
        row_decoder(table, ["v0", "v1"])(wrong)


def test_a_timestamp_that_python_cannot_hold_is_named() -> None:
    table = table_of(["int"], ["timestamp"])
    rows = pa.table(
        {
            "k0": pa.array([1], pa.int32()),
            "v0": pa.array([2**62], pa.int64()).cast(to_arrow(parse_type("timestamp"))),
        }
    )
    with pytest.raises(FeatureVectorError, match="'v0'.*years 1 to 9999"):
        row_decoder(table, ["v0"])(encode_rows(table, rows, None)[0].as_py())


def test_requests_need_neither_arrow_nor_numpy() -> None:
    code = (
        "import sys, hopyard.online.keys, hopyard.online.decode;"
        "sys.exit(bool({'pyarrow', 'numpy', 'pandas', 'lmdb'} & set(sys.modules)))"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}, check=False
        ).returncode
        == 0
    )
