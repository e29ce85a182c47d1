"""Content and row hashes: equal for equal values, whatever Arrow did to lay them out; different otherwise."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hopyard.compute import canonical
from hopyard.compute.hashing import CHUNK_ROWS, ContentHasher
from hopyard.compute.row_hash import row_digest, row_hashes
from hopyard.errors import SchemaMismatchError
from hopyard.model.arrow import schema_from_arrow, to_arrow_schema
from hopyard.model.manifest import ContentHash
from hopyard.model.schema import Field, Schema

SCHEMA: Schema = tuple(
    Field(name=name, type=type_)
    for name, type_ in {
        "a_boolean": "boolean",
        "an_int": "int",
        "a_bigint": "bigint",
        "a_float": "float",
        "a_double": "double",
        "a_string": "string",
        "a_binary": "binary",
        "a_decimal": "decimal(30,4)",
        "a_timestamp": "timestamp",
        "a_date": "date",
        "an_array": "array<struct<s:string,n:array<bigint>>>",
        "a_struct": "struct<x:double,t:string,v:array<float>>",
    }.items()
)

_INT64 = st.integers(-(2**63), 2**63 - 1)
_TEXT = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    ["", "x" * 256, "y" * 257, "\U0001f33f"]
)
_FLOAT32 = st.floats(width=32)
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "a_boolean": st.booleans(),
    "an_int": st.integers(-(2**31), 2**31 - 1),
    "a_bigint": _INT64,
    "a_float": _FLOAT32,
    "a_double": st.floats(),
    "a_string": _TEXT,
    "a_binary": st.binary(max_size=20),
    "a_decimal": st.decimals(
        allow_nan=False, allow_infinity=False, places=4, min_value=-(10**22), max_value=10**22
    ),
    "a_timestamp": st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.just(UTC)),
    "a_date": st.dates(),
    "an_array": st.lists(
        st.none()
        | st.fixed_dictionaries(
            {"s": st.none() | _TEXT, "n": st.none() | st.lists(st.none() | _INT64, max_size=3)}
        ),
        max_size=3,
    ),
    "a_struct": st.fixed_dictionaries(
        {
            "x": st.none() | st.floats(),
            "t": st.none() | _TEXT,
            "v": st.none() | st.lists(st.none() | _FLOAT32, max_size=3),
        }
    ),
}
ROWS = st.lists(
    st.fixed_dictionaries({name: st.none() | values for name, values in _VALUES.items()}), max_size=8
)
MASK = 2**64 - 1


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=to_arrow_schema(SCHEMA))


def content(rows: pa.Table, schema: Schema) -> ContentHash:
    hasher = ContentHasher(schema)
    hasher.update(rows)
    return hasher.result()


def column(values: object, type_: pa.DataType | None = None) -> pa.Table:
    return pa.table({"a": pa.array(values, type_)})


def one_hash(values: object, type_: pa.DataType | None = None) -> ContentHash:
    frame = column(values, type_)
    return content(frame, schema_from_arrow(frame.schema))


# The documented row hash, written a second time, one value after another


def absorb(state: int, lane: int) -> int:
    x = (state + lane) * 0x9E3779B97F4A7C15 & MASK
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ x >> 27) * 0x94D049BB133111EB & MASK
    return x ^ x >> 31


def start(seed: int) -> int:
    return absorb(0x686F707961726431, seed & MASK)


def reference_hash(row: dict[str, Any], seed: int) -> int:
    state = start(seed)
    for field in SCHEMA:
        state = reference_value(state, field.name, row[field.name], seed)
    return state


def reference_value(state: int, kind: str, value: Any, seed: int) -> int:
    state = absorb(state, int(value is not None))
    match kind:
        case "a_boolean" | "an_int" | "a_bigint":
            return absorb(state, (value or 0) & MASK)
        case "a_float":
            bits = (
                0
                if value is None
                else 0x7FC00000
                if value != value
                else struct.unpack("<I", struct.pack("<f", value))[0]
            )
            return absorb(state, bits)
        case "a_double":
            bits = (
                0
                if value is None
                else 0x7FF8 << 48
                if value != value
                else struct.unpack("<Q", struct.pack("<d", value))[0]
            )
            return absorb(state, bits)
        case "a_decimal":
            whole = int((value or Decimal(0)).scaleb(4)) & (2**128 - 1)
            return absorb(absorb(state, whole & MASK), whole >> 64)
        case "a_timestamp":
            epoch = datetime(1970, 1, 1, tzinfo=UTC)
            delta = (value or epoch) - epoch
            return absorb(state, ((delta.days * 86400 + delta.seconds) * 10**6 + delta.microseconds) & MASK)
        case "a_date":
            return absorb(state, (value.toordinal() - 719163 if value else 0) & MASK)
        case "a_string" | "a_binary":
            data = value.encode() if isinstance(value, str) else value or b""
            state = absorb(state, len(data))
            words = data if len(data) <= 256 else blake2b(data, digest_size=16).digest()
            for at in range(0, len(words), 8):
                state = absorb(state, int.from_bytes(words[at : at + 8], "little"))
            return state
        case _:
            inner: Any = {
                "an_array": "element",
                "a_struct": {"x": "a_double", "t": "a_string", "v": "floats"},
                "element": {"s": "a_string", "n": "bigints"},
                "bigints": "a_bigint",
                "floats": "a_float",
            }[kind]
            if isinstance(inner, dict):
                for field, field_kind in inner.items():
                    state = reference_value(state, field_kind, value and value[field], seed)
                return state
            items = value or []
            hashes = [reference_value(start(seed), inner, item, seed) for item in items]
            return absorb(absorb(state, len(items)), sum(absorb(h, at) for at, h in enumerate(hashes)) & MASK)


@settings(max_examples=80, deadline=None)
@given(rows=ROWS, seed=st.integers(-5, 2**64))
def test_row_hashes_are_the_documented_ones(rows: list[dict[str, Any]], seed: int) -> None:
    assert row_hashes(table(rows), SCHEMA, seed=seed).tolist() == [reference_hash(row, seed) for row in rows]


@settings(max_examples=50, deadline=None)
@given(rows=ROWS)
def test_the_digest_sums_rows_in_any_order(rows: list[dict[str, Any]]) -> None:
    expected = sum((reference_hash(row, 1) << 64) + reference_hash(row, 0) for row in rows) % 2**128
    assert row_digest(table(rows), SCHEMA) == f"{expected:032x}"
    assert row_digest(table(rows[::-1]), SCHEMA) == content(table(rows), SCHEMA).rows == f"{expected:032x}"


@settings(max_examples=40, deadline=None)
@given(rows=ROWS, before=ROWS, after=ROWS, cut=st.integers(0, 8))
def test_slices_chunks_and_batches_do_not_show(
    rows: list[dict[str, Any]], before: list[dict[str, Any]], after: list[dict[str, Any]], cut: int
) -> None:
    plain = table(rows)
    sliced = table([*before, *rows, *after]).slice(len(before), len(rows))
    chunked = pa.concat_tables([sliced.slice(0, cut), plain.slice(cut)])
    assert content(plain, SCHEMA) == content(sliced, SCHEMA) == content(chunked, SCHEMA)
    hashes = row_hashes(plain, SCHEMA)
    assert np.array_equal(hashes, row_hashes(sliced, SCHEMA))
    assert np.array_equal(hashes, row_hashes(chunked, SCHEMA))
    hasher = ContentHasher(SCHEMA)
    for batch in chunked.to_batches(max_chunksize=2):
        hasher.update(batch)
    assert hasher.result() == content(plain, SCHEMA)


@pytest.mark.parametrize(
    ("stored", "other"),
    [
        (pa.string(), pa.large_string()),
        (pa.string(), pa.string_view()),
        (pa.string(), pa.dictionary(pa.int8(), pa.string())),
        (pa.string(), pa.dictionary(pa.int32(), pa.large_string())),
        (pa.binary(), pa.large_binary()),
        (pa.binary(), pa.binary_view()),
        (pa.binary(), pa.binary(2)),
    ],
)
def test_layouts_of_strings_do_not_show(stored: pa.DataType, other: pa.DataType) -> None:
    values = ["ab", None, "cd", "ab"] if stored == pa.string() else [b"ab", None, b"cd", b"ab"]
    schema = (Field(name="a", type=str(stored)),)
    left, right = column(values, stored), column(values, other)
    for start_ in (0, 1, 2):
        assert content(left.slice(start_), schema) == content(right.slice(start_), schema)
        assert np.array_equal(row_hashes(left.slice(start_), schema), row_hashes(right.slice(start_), schema))


@pytest.mark.parametrize(
    "other", [pa.large_list(pa.int64()), pa.list_(pa.int64(), 2), pa.list_view(pa.int64())]
)
def test_layouts_of_lists_do_not_show(other: pa.DataType) -> None:
    values = [[1, 2], None, [3, None], [4, 5]]
    schema = (Field(name="a", type="array<bigint>"),)
    for start_ in (0, 1, 2):
        left, right = column(values, pa.list_(pa.int64())).slice(start_), column(values, other).slice(start_)
        assert content(left, schema) == content(right, schema)
        assert np.array_equal(row_hashes(left, schema), row_hashes(right, schema))


def test_what_nulls_hide_does_not_show() -> None:
    mask = pa.array([False, True, False])
    numbers = pa.array([1, 77, 3]), pa.array([1, 78, 3])
    masked = [
        pa.Array.from_buffers(pa.int64(), 3, [pa.array([1, None, 3]).buffers()[0], n.buffers()[1]])
        for n in numbers
    ]
    assert one_hash(masked[0]) == one_hash(masked[1]) == one_hash([1, None, 3])
    texts = pa.array(["a", "hidden", "c"])
    hiding = pa.Array.from_buffers(
        pa.string(), 3, [pa.array([1, None, 3]).buffers()[0], *texts.buffers()[1:]]
    )
    assert one_hash(hiding) == one_hash(["a", None, "c"])
    lists = pa.ListArray.from_arrays(pa.array([0, 1, 3, 4]), pa.array([1, 2, 3, 4]), mask=mask)
    assert one_hash(lists) == one_hash([[1], None, [4]])
    structs = pa.StructArray.from_arrays([pa.array([1, 2, 3])], names=["x"], mask=mask)
    assert one_hash(structs) == one_hash([{"x": 1}, None, {"x": 3}])


def test_every_nan_is_one_and_zeros_keep_their_sign() -> None:
    bits = np.array(
        [0x7FF8000000000000, 0xFFF8000000000000, 0x7FF0000000000001, 0x7FFFFFFFFFFFFFFF], np.uint64
    )
    hashes = row_hashes(column(bits.view(np.float64)), (Field(name="a", type="double"),))
    assert len(set(hashes.tolist())) == 1
    assert one_hash([float("nan")]) == one_hash(bits[3:].view(np.float64))
    assert one_hash([0.0]) != one_hash([-0.0])
    assert one_hash([float("nan"), 1.0]) != one_hash([None, 1.0])


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([1, 2], [2, 1]),
        ([1, None], [1, 0]),
        ([""], [None]),
        (["a", "bc"], ["ab", "c"]),
        (["a"], ["a\0"]),
        (["a" * 8], ["a" * 8 + "\0"]),
        ([[1], [2, 3]], [[1, 2], [3]]),
        ([[], [0]], [None, [0]]),
        ([[1, 2]], [[2, 1]]),
        ([[None]], [[0]]),
        ([{"x": None}], [None]),
        ([True], [None]),
    ],
)
def test_different_values_have_different_hashes(left: list[Any], right: list[Any]) -> None:
    type_ = pa.infer_type([*left, *right])
    if type_ == pa.struct([("x", pa.null())]):
        type_ = pa.struct([("x", pa.int64())])
    schema = schema_from_arrow(column(left, type_).schema)
    assert content(column(left, type_), schema).sha256 != content(column(right, type_), schema).sha256
    hashes = [row_hashes(column(values, type_), schema).tolist() for values in (left, right)]
    assert hashes[0] != hashes[1]


def test_names_and_types_are_part_of_the_content_and_not_of_the_rows() -> None:
    small, large = one_hash([1, 2], pa.int32()), one_hash([1, 2], pa.int64())
    assert small.sha256 != large.sha256
    assert small.rows == large.rows
    renamed = pa.table({"b": [1, 2]})
    assert content(renamed, (Field(name="b", type="bigint"),)).sha256 != large.sha256


def test_chunks_are_counted_from_the_first_row(monkeypatch: pytest.MonkeyPatch) -> None:
    n_rows = 2 * CHUNK_ROWS + 17
    frame = pa.table({"k": np.arange(n_rows), "s": [f"row {k % 1000}" for k in range(n_rows)]})
    schema = schema_from_arrow(frame.schema)
    whole = content(frame, schema)
    hasher = ContentHasher(schema)
    for at in range(0, n_rows, 50_001):
        hasher.update(frame.slice(at, 50_001))
        hasher.result()  # asking in between changes nothing
    assert hasher.result() == whole
    hashes = row_hashes(frame, schema)
    monkeypatch.setattr(canonical, "PIECE_ROWS", 1_000)  # a size of work, which nothing may depend on
    assert content(frame, schema) == whole
    assert np.array_equal(row_hashes(frame, schema), hashes)


def test_empty_tables() -> None:
    empty = table([])
    assert row_hashes(empty, SCHEMA).dtype == np.uint64
    assert len(row_hashes(empty, SCHEMA)) == 0
    assert content(empty, SCHEMA) == ContentHasher(SCHEMA).result()
    assert row_digest(empty, SCHEMA) == "0" * 32


def test_hashes_spread_evenly_over_consecutive_keys() -> None:
    hashes = row_hashes(pa.table({"k": np.arange(100_000)}), (Field(name="k", type="bigint"),))
    counts = np.bincount((hashes >> np.uint64(56)).astype(np.int64), minlength=256)
    assert len(np.unique(hashes)) == 100_000
    assert ((counts - 100_000 / 256) ** 2).sum() / (100_000 / 256) < 360  # chi-square, 255 degrees: p = 1e-5


def test_seeds_give_independent_hashes() -> None:
    schema = (Field(name="k", type="bigint"),)
    frame = pa.table({"k": np.arange(50_000)})
    first, second = (row_hashes(frame, schema, seed=seed) / 2.0**64 for seed in (0, 1))
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.03


@pytest.mark.parametrize(
    ("values", "type_", "said"),
    [
        (pa.array([2**40]), "int", "cannot be read as int"),
        (pa.array(["12"]), "bigint", "it holds values of type string"),
        (pa.array([1.5]), "float", "it holds values of type double"),
        (pa.array([1], pa.timestamp("ns")), "timestamp", "would lose data"),
        (pa.array([[1]]), "bigint", "it holds values of type array"),
        (pa.array([{"y": 1}]), "struct<x:bigint>", "it holds values of type struct"),
    ],
)
def test_values_that_do_not_fit_are_refused(values: pa.Array, type_: str, said: str) -> None:
    with pytest.raises(SchemaMismatchError, match=f"'a'.*{said}"):
        row_hashes(pa.table({"a": values}), (Field(name="a", type=type_),))


def test_a_missing_column_is_named_with_those_that_are_there() -> None:
    with pytest.raises(SchemaMismatchError, match=r"0 columns named 'b'.*They have: a\."):
        ContentHasher((Field(name="b", type="bigint"),)).update(column([1]))
