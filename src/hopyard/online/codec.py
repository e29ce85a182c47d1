"""Keys and rows as bytes, whole columns at a time. docs/reference/online-format.md describes the bytes.

A column becomes pieces; the pieces of a row are joined. `Fixed` pieces have one layout for every row, of which a row
keeps the first bytes only (a null keeps its tag); neighbours are written into one matrix and compacted at once, so a
null costs no Python call. `Data` pieces are bytes of any length (text, nested values). Nested values are made the same
way, from the inside out: the bytes of a list are those of its elements, which lie side by side already.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hopyard.errors import SchemaMismatchError
from hopyard.model.arrow import to_arrow
from hopyard.model.types import FeatureType
from hopyard.online.keys import LONG_KEY_EXTENSION, LONGEST_PLAIN_KEY, may_have_long_keys
from hopyard.ports import OnlineTable

# Rows encoded at once: small enough for the matrices to stay in the processor's cache.
_CHUNK_ROWS = 32_768
_MAX_VALUES = 65_532
_NULL = 0xC0
_ARRAY_16 = 0xDC
_UINT_64 = 0xCF
_SIGN = 2**63

# How scalars of a fixed width look: tag, type in Arrow's buffer, type on disk.
_FIXED = {
    "int": (0xD2, "<i4", ">i4"),
    "bigint": (0xD3, "<i8", ">i8"),
    "float": (0xCA, "<f4", ">f4"),
    "double": (0xCB, "<f8", ">f8"),
    "timestamp": (0xD3, "<i8", ">i8"),
    "date": (0xD2, "<i4", ">i4"),
}
_STRING_TAGS = (0xD9, 0xDA, 0xDB)
_BINARY_TAGS = (0xC4, 0xC5, 0xC6)
_EXTENSION_TAGS = (None, 0xC8, 0xC9)

Numbers: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Fixed:
    """Columns of one layout: (type on disk, a value per row or one for all). `kept`: bytes that each row keeps."""

    columns: tuple[tuple[str, Numbers | int], ...]
    kept: Numbers | None = None

    @property
    def width(self) -> int:
        return sum(np.dtype(type_).itemsize for type_, _ in self.columns)


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of any length per row; null is no byte."""

    values: pa.BinaryArray


Piece: TypeAlias = Fixed | Data


def encode_keys(table: OnlineTable, rows: pa.Table) -> pa.BinaryArray:
    """Return the encoded key of each row, in order: bytes that sort like the key's values.

    Raises:
        SchemaMismatchError: a key column is missing, has another type, or holds a null.
    """
    return _joined_chunks([_key_chunk(table, chunk) for chunk in _chunks(rows)])


def key_order(keys: pa.BinaryArray) -> Numbers:
    """Return the places of the keys in ascending order of their bytes; equal ones stay in their order."""
    offsets = _offsets(keys)
    if len(keys) and (np.diff(offsets) == 8).all():  # one number, the usual key: three times as fast
        numbers = np.frombuffer(keys.buffers()[2], "u1")[offsets[0] : offsets[-1]].view(">u8")
        return np.argsort(numbers.astype("<u8"), kind="stable")
    return np.asarray(pc.sort_indices(keys))


def encode_rows(table: OnlineTable, rows: pa.Table, event_times_us: pa.Int64Array | None) -> pa.BinaryArray:
    """Return the encoded row of each row, in order.

    Args:
        rows: the columns of `table.key` and `table.values`, typed as stored; others are ignored.
        event_times_us: UTC microseconds since 1970, one per row; None: the table has no event time.
    Raises:
        SchemaMismatchError: a column is missing or has another type, an event time is null, or the rows need more
            than 2 GiB (encode fewer at once).
    """
    if event_times_us is not None and (event_times_us.null_count or len(event_times_us) != rows.num_rows):
        raise SchemaMismatchError(
            f"Rows for the online table {table.name!r} need one event time each: there are {rows.num_rows} row(s), "
            f"{len(event_times_us)} event time(s), {event_times_us.null_count} of them null."
        )
    if len(table.values) > _MAX_VALUES:
        raise SchemaMismatchError(
            f"The online table {table.name!r} has {len(table.values)} features; a row holds at most {_MAX_VALUES}."
        )
    encoded = []
    start = 0
    for chunk in _chunks(rows):
        times = None if event_times_us is None else event_times_us.slice(start, chunk.num_rows)
        encoded.append(_row_chunk(table, chunk, times))
        start += chunk.num_rows
    return _joined_chunks(encoded)


def _chunks(rows: pa.Table) -> Iterator[pa.Table]:
    for start in range(0, rows.num_rows, _CHUNK_ROWS):
        yield rows.slice(start, _CHUNK_ROWS)


def _joined_chunks(chunks: list[pa.BinaryArray]) -> pa.BinaryArray:
    if not chunks:
        return pa.array([], pa.binary())
    try:
        return pa.concat_arrays(chunks)
    except pa.ArrowInvalid as error:
        raise SchemaMismatchError(
            f"These rows need more than 2 GiB encoded ({error}): encode fewer at once."
        ) from error


def _key_chunk(table: OnlineTable, chunk: pa.Table) -> pa.BinaryArray:
    pieces: list[Piece] = []
    for field in table.key:
        column = _column(table, chunk, field.name, field.feature_type)
        if column.null_count:
            raise SchemaMismatchError(
                f"Key column {field.name!r} of the online table {table.name!r} holds {column.null_count} null(s): "
                f"a key is never null. Drop or fill those rows."
            )
        pieces += _key_pieces(column, field.feature_type)
    return _join(pieces, chunk.num_rows)


def _row_chunk(table: OnlineTable, chunk: pa.Table, times: pa.Int64Array | None) -> pa.BinaryArray:
    n_items = 2 + len(table.values)
    keys = _long_keys(_key_chunk(table, chunk)) if may_have_long_keys(table) else None
    lengths = n_items if keys is None else n_items + np.asarray(pc.is_valid(keys)).astype("u2")
    slot = _SIGN if times is None else _flipped(_numbers(times, "<i8"))
    head = (
        ("u1", _ARRAY_16),
        (">u2", lengths),
        ("u1", _UINT_64),
        (">u8", slot),
        ("u1", _UINT_64),
        (">u8", 0),
    )
    pieces: list[Piece] = [Fixed(head)]
    if keys is not None:
        pieces += _long_key_pieces(keys)
    for field in table.values:
        pieces += _value_pieces(_column(table, chunk, field.name, field.feature_type), field.feature_type)
    return _join(pieces, chunk.num_rows)


def _column(table: OnlineTable, chunk: pa.Table, name: str, type_: FeatureType) -> pa.Array:
    """Return a column as one array of the type in which it is stored."""
    if name not in chunk.column_names:
        raise SchemaMismatchError(
            f"Rows for the online table {table.name!r} lack the column {name!r}. They have: {chunk.column_names}."
        )
    column = chunk.column(name)
    expected = to_arrow(type_)
    try:
        same = column if column.type == expected else column.cast(expected)
    except pa.ArrowException as error:
        raise SchemaMismatchError(
            f"Column {name!r} of the online table {table.name!r} is {type_}; it came as {column.type}: {error}"
        ) from error
    return same.combine_chunks() if isinstance(same, pa.ChunkedArray) else same


# Values


def _value_pieces(array: pa.Array, type_: FeatureType) -> list[Piece]:
    """Return the msgpack encoding of each value; docs/reference/online-format.md has the table."""
    if type_.kind in _FIXED:
        tag, stored, on_disk = _FIXED[type_.kind]
        return [_tagged(array, tag, on_disk, _numbers(array, stored))]
    if type_.kind == "boolean":
        tags = np.asarray(
            pc.if_else(array, pa.scalar(0xC3, pa.uint8()), pa.scalar(0xC2, pa.uint8())).fill_null(_NULL)
        )
        return [Fixed((("u1", tags),))]
    if type_.kind == "string":
        return _sized(array, array.cast(pa.binary()), pc.binary_length(array), _STRING_TAGS)
    if type_.kind == "binary":
        return _sized(array, array, pc.binary_length(array), _BINARY_TAGS)
    if type_.kind == "decimal":
        text = _decimal_text(array, type_.scale)
        return _sized(array, text.cast(pa.binary()), pc.binary_length(text), _STRING_TAGS)
    if type_.kind == "array":
        assert type_.element is not None
        return _sized(
            array, _list_bytes(array, type_.element), pc.list_value_length(array), (None, 0xDC, 0xDD)
        )
    return _struct_pieces(array, type_)


def _tagged(array: pa.Array, tag: int, on_disk: str, numbers: Numbers) -> Fixed:
    """Return a tag and a number; where the array is null, the tag of null alone."""
    if not array.null_count:
        return Fixed((("u1", tag), (on_disk, numbers)))
    valid = _valid(array)
    width = 1 + np.dtype(on_disk).itemsize
    return Fixed((("u1", np.where(valid, tag, _NULL)), (on_disk, numbers)), np.where(valid, width, 1))


def _sized(
    array: pa.Array, payload: pa.BinaryArray, sizes: pa.Array, tags: Sequence[int | None]
) -> list[Piece]:
    """Return the shortest header that holds each size (of 8, 16 and 32 bits, those with a tag), then the payload."""
    length = np.asarray(sizes.fill_null(0)).astype("u4")
    valid = _valid(array)
    longest = int(length.max(initial=0))
    tag_8, tag_16, tag_32 = tags
    if longest > 0xFFFF:
        on_disk, bits = ">u4", 32
    elif longest > 0xFF or tag_8 is None:
        on_disk, bits = ">u2", 16
    else:
        on_disk, bits = "u1", 8
    # The size stands at the left of its field, so that a row keeps the first bytes of the header.
    tag, kept = np.full(len(array), tag_32, "u1"), np.full(len(array), 5, "u1")
    shifted = length.copy()
    for limit, short_tag, short_bits in ((0x10000, tag_16, 16), (0x100, tag_8, 8)):
        if short_tag is not None:
            fits = length < limit
            tag[fits], kept[fits] = short_tag, 1 + short_bits // 8
            shifted[fits] = length[fits] << max(bits - short_bits, 0)
    tag[~valid], kept[~valid] = _NULL, 1
    header = Fixed((("u1", tag), (on_disk, shifted)), None if (kept == 1 + bits // 8).all() else kept)
    return [header, Data(payload)]


def _list_bytes(array: pa.ListArray, element: FeatureType) -> pa.BinaryArray:
    """Return the encoded elements of each list, side by side."""
    offsets = np.asarray(array.offsets)
    elements = array.values.slice(offsets[0], offsets[-1] - offsets[0])
    encoded = _join(_value_pieces(elements, element), len(elements))
    starts = _offsets(encoded)[offsets - offsets[0]]
    joined = pa.BinaryArray.from_buffers(
        pa.binary(),
        len(array),
        [None, pa.py_buffer(starts.astype("<i4")), encoded.buffers()[2] or pa.py_buffer(b"")],
    )
    # A null list may still have elements behind it.
    return pc.if_else(array.is_valid(), joined, pa.scalar(b"", pa.binary())) if array.null_count else joined


def _struct_pieces(array: pa.StructArray, type_: FeatureType) -> list[Piece]:
    tag = np.full(len(array), _ARRAY_16, "u1")
    header = Fixed((("u1", tag), (">u2", len(type_.fields))))
    pieces: list[Piece] = [header]
    for column, (_, field) in zip(array.flatten(), type_.fields, strict=True):
        pieces += _value_pieces(column, field)
    if not array.null_count:
        return pieces
    return [
        Data(pc.if_else(array.is_valid(), _join(pieces, len(array)), pa.scalar(bytes([_NULL]), pa.binary())))
    ]


def _decimal_text(array: pa.Decimal128Array, scale: int) -> pa.StringArray:
    """Return each decimal with exactly `scale` digits after the point, never with an exponent."""
    unscaled = pa.Array.from_buffers(
        pa.decimal128(38, 0), len(array), array.buffers(), array.null_count, array.offset
    )
    text = unscaled.cast(pa.string())
    if not scale:
        return text
    sign = pc.if_else(pc.starts_with(text, "-"), "-", "")
    digits = pc.utf8_lpad(pc.utf8_ltrim(text, "-"), scale + 1, "0")
    whole, fraction = pc.utf8_slice_codeunits(digits, 0, -scale), pc.utf8_slice_codeunits(digits, -scale)
    return pc.binary_join_element_wise(sign, whole, ".", fraction, "")


# Keys


def _key_pieces(array: pa.Array, type_: FeatureType) -> list[Piece]:
    """Return bytes that sort like the values; the array has no nulls."""
    kind = type_.kind
    if kind in ("string", "binary"):
        values = array.cast(pa.binary())
        if (np.frombuffer(_bytes(values), "u1") == 0).any():
            values = pc.replace_substring(values, pattern=b"\x00", replacement=b"\x00\xff")
        return [Data(values), Fixed(((">u2", 0),))]
    if kind == "boolean":
        return [Fixed((("u1", np.asarray(array.cast(pa.uint8()))),))]
    if kind in ("bigint", "timestamp"):
        return [Fixed(((">u8", _flipped(_numbers(array, "<i8"))),))]
    if kind in ("int", "date"):
        return [Fixed(((">u4", _numbers(array, "<u4") ^ np.uint32(2**31)),))]
    if kind == "decimal":
        # Two 64-bit halves, the low one first; the high one has the sign.
        halves = np.frombuffer(array.buffers()[1], "<u8")[2 * array.offset :][: 2 * len(array)].reshape(-1, 2)
        return [Fixed(((">u8", halves[:, 1] ^ np.uint64(_SIGN)), (">u8", halves[:, 0])))]
    raise SchemaMismatchError(f"A key cannot be {type_}: its equality is in doubt.")


def _long_keys(keys: pa.BinaryArray) -> pa.BinaryArray | None:
    """Return the keys that a store cannot file as they are, null elsewhere; None: there are none."""
    is_long = pc.greater(pc.binary_length(keys), LONGEST_PLAIN_KEY)
    return pc.if_else(is_long, keys, pa.scalar(None, pa.binary())) if pc.any(is_long).as_py() else None


def _long_key_pieces(keys: pa.BinaryArray) -> list[Piece]:
    header, payload = _sized(keys, keys, pc.binary_length(keys), _EXTENSION_TAGS)
    is_long = _valid(keys)
    assert isinstance(header, Fixed)
    kept = header.kept if header.kept is not None else np.full(len(keys), header.width)
    return [
        Fixed(header.columns, np.where(is_long, kept, 0)),
        Fixed((("u1", LONG_KEY_EXTENSION),), is_long.astype("u1")),
        payload,
    ]


# Joining


def _join(pieces: Sequence[Piece], n_rows: int) -> pa.BinaryArray:
    """Return the pieces of each row, one after the other."""
    joined: list[pa.BinaryArray] = []
    run: list[Fixed] = []
    for piece in pieces:
        if isinstance(piece, Fixed):
            run.append(piece)
            continue
        if run:
            joined.append(_compact(run, n_rows))
            run = []
        joined.append(piece.values)
    if run:
        joined.append(_compact(run, n_rows))
    if len(joined) == 1 and not joined[0].null_count:
        return joined[0]
    return pc.binary_join_element_wise(*joined, b"", null_handling="replace", null_replacement=b"")


def _compact(run: list[Fixed], n_rows: int) -> pa.BinaryArray:
    """Return neighbouring fixed pieces as bytes: all in one matrix, then without the bytes that rows do not keep."""
    columns = [column for piece in run for column in piece.columns]
    layout = np.dtype([(f"f{at}", type_) for at, (type_, _) in enumerate(columns)])
    records = np.empty(n_rows, layout)
    for at, (_, values) in enumerate(columns):
        records[f"f{at}"] = values
    if all(piece.kept is None for piece in run):
        offsets = np.arange(n_rows + 1, dtype="<i8") * layout.itemsize
        return _from_bytes(offsets, records.view("u1"))
    matrix = records.view("u1").reshape(n_rows, layout.itemsize)
    keep = np.ones(matrix.shape, "?")
    lengths = np.full(n_rows, layout.itemsize, "<i8")
    start = 0
    for piece in run:
        if piece.kept is not None:
            for place in range(piece.width):
                keep[:, start + place] = piece.kept > place
            lengths -= piece.width - piece.kept.astype("<i8")
        start += piece.width
    return _from_bytes(np.concatenate(([0], np.cumsum(lengths))), matrix[keep])


def _from_bytes(offsets: Numbers, data: Numbers) -> pa.BinaryArray:
    if offsets[-1] > 2**31 - 1:
        raise SchemaMismatchError("These rows need more than 2 GiB encoded: encode fewer at once.")
    buffers = [None, pa.py_buffer(offsets.astype("<i4")), pa.py_buffer(data)]
    return pa.BinaryArray.from_buffers(pa.binary(), len(offsets) - 1, buffers)


def _numbers(array: pa.Array, type_: str) -> Numbers:
    """Return the numbers in the array's buffer; whatever stands there where it is null."""
    buffer = array.buffers()[1]
    if buffer is None:
        return np.zeros(len(array), type_)
    return np.frombuffer(buffer, type_)[array.offset : array.offset + len(array)]


def _flipped(numbers: Numbers) -> Numbers:
    """Return int64 as uint64 that sorts the same: the sign bit turned round."""
    return numbers.view("<u8") ^ np.uint64(_SIGN)


def _valid(array: pa.Array) -> Numbers:
    return np.asarray(array.is_valid())


def _offsets(array: pa.BinaryArray) -> Numbers:
    return np.frombuffer(array.buffers()[1], "<i4")[array.offset : array.offset + len(array) + 1]


def _bytes(array: pa.BinaryArray) -> memoryview:
    """Return all the bytes of a binary array, one value after the other."""
    offsets, data = _offsets(array), array.buffers()[2]
    return memoryview(data or b"")[offsets[0] : offsets[-1]]
