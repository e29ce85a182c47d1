"""A stable 64-bit hash per row, and the order-free digest of a table (docs/reference/hashes.md).

The state of a row starts from the seed and absorbs its values as 64-bit lanes, column by column:

    absorb(state, lane) = mix64((state + lane) * MULTIPLIER)    modulo 2^64

`mix64` is the output function of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators,
2014; constants by Stafford, Mix13). It spreads well and is no cryptographic hash.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hopyard.compute.canonical import (
    BytesColumn,
    CanonicalColumn,
    FixedColumn,
    ListColumn,
    StructColumn,
    pieces,
)
from hopyard.model.schema import Schema

Lanes = npt.NDArray[np.uint64]
"""One 64-bit lane per row, or a single one that holds for every row; of states, a row of these per seed."""

START = 0x686F707961726431  # "hopyard1"
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 divided by the golden ratio
MAX_DIRECT_BYTES = 256
"""Longer values are absorbed as their BLAKE2b-128."""

_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_ONE = np.ones(1, np.uint64)
_PAIR = (0, 1)


def row_hashes(table: pa.Table, schema: Schema, *, seed: int = 0) -> npt.NDArray[np.uint64]:
    """Return a hash of each row's values in the columns of `schema`, in the order of the rows.

    It depends on the values, their feature types' encoding and the order of the columns; not on names, chunks,
    offsets or the machine. Equal rows have equal hashes.

    Args:
        seed: a whole number, taken modulo 2^64; different seeds give independent hashes.
    Raises:
        SchemaMismatchError: a column is missing, or has values that its feature type cannot hold.
    """
    hashes: npt.NDArray[np.uint64] = _hashes(table, schema, (seed,))[0]
    return hashes


def hash_pairs(table: pa.Table, schema: Schema) -> npt.NDArray[np.uint64]:
    """Return two independent 64-bit hashes per row, as an array of 2 x n: together they are as good as the rows.

    Raises SchemaMismatchError; see `row_hashes`.
    """
    return _hashes(table, schema, _PAIR)


def equal_rows(left: pa.Table, right: pa.Table, schema: Schema) -> npt.NDArray[np.bool_]:
    """Return which rows, in pairs, are equal in every value, bit for bit: NaN equals NaN, and -0.0 is not 0.0.

    By two independent 64-bit hashes. Raises SchemaMismatchError; see `row_hashes`.
    """
    equal: npt.NDArray[np.bool_] = (hash_pairs(left, schema) == hash_pairs(right, schema)).all(axis=0)
    return equal


def row_digest(table: pa.Table, schema: Schema) -> str:
    """Return the sum modulo 2^128 of the rows' 128-bit hashes in hexadecimal: equal for any order of rows."""
    digest = RowDigest()
    for n_rows, columns in pieces(table, schema):
        digest.add(columns, n_rows)
    return digest.hex()


class RowDigest:
    """Sums the 128-bit hashes of rows: the high half has seed 1, the low half seed 0."""

    def __init__(self) -> None:
        self._total = 0

    def add(self, columns: list[CanonicalColumn], n_rows: int) -> None:
        """Add rows that were taken apart."""
        low, high = map(_sum, hash_rows(columns, n_rows, _PAIR))
        self._total = (self._total + (high << 64) + low) % (1 << 128)

    def hex(self) -> str:
        """Return the digest of the rows so far."""
        return f"{self._total:032x}"


def _hashes(table: pa.Table, schema: Schema, seeds: tuple[int, ...]) -> Lanes:
    hashed = [hash_rows(columns, n_rows, seeds) for n_rows, columns in pieces(table, schema)]
    return np.concatenate(hashed, axis=1) if hashed else np.empty((len(seeds), 0), np.uint64)


def hash_rows(
    columns: list[CanonicalColumn] | tuple[CanonicalColumn, ...], n_rows: int, seeds: tuple[int, ...]
) -> Lanes:
    """Return the hashes of `n_rows` rows that were taken apart, a row of them per seed.

    All seeds at once, because to find the lanes costs as much as to absorb them.
    """
    lanes = np.array([[seed % (1 << 64)] for seed in seeds], np.uint64)
    state = absorb(np.array([START], np.uint64), lanes)
    for column in columns:
        state = _absorb_column(state, column, seeds)
    return np.broadcast_to(state, (len(seeds), n_rows))


def absorb(state: Lanes, lane: Lanes) -> Lanes:
    """Return the next states."""
    mixed = state + lane
    mixed *= MULTIPLIER
    mixed ^= mixed >> np.uint64(30)
    mixed *= _MIX_1
    mixed ^= mixed >> np.uint64(27)
    mixed *= _MIX_2
    mixed ^= mixed >> np.uint64(31)
    return mixed


def _absorb_column(state: Lanes, column: CanonicalColumn, seeds: tuple[int, ...]) -> Lanes:
    # While no row differs from another, the state is one lane for all of them: the first column's tag costs nothing.
    state = absorb(state, _ONE if column.valid is None else column.valid.astype(np.uint64))
    match column:
        case FixedColumn():
            for lane in _lanes(column.values):
                state = absorb(state, lane)
            return state
        case BytesColumn():
            return _absorb_bytes(state, column)
        case ListColumn():
            state = absorb(state, column.lengths.view(np.uint64))
            return absorb(state, _list_lanes(column, seeds))
        case StructColumn():
            for field in column.fields:
                state = _absorb_column(state, field, seeds)
            return state


def _lanes(values: npt.NDArray[Any]) -> list[Lanes]:
    """Return fixed-width values as lanes: whole numbers sign-extended, floats by their bits, decimals in two halves."""
    if values.dtype.names:
        return [np.ascontiguousarray(values[half]).view(np.uint64) for half in ("low", "high")]
    if values.dtype.itemsize == 8:
        return [values.view(np.uint64)]
    if values.dtype.kind == "f":
        return [values.view(np.uint32).astype(np.uint64)]
    return [values.astype(np.int64).view(np.uint64)]


def _absorb_bytes(state: Lanes, column: BytesColumn) -> Lanes:
    lengths = column.lengths
    state = absorb(state, lengths.view(np.uint64))
    starts = np.cumsum(lengths) - lengths
    is_long = lengths > MAX_DIRECT_BYTES
    rest = np.where(is_long, 0, lengths)
    padded = np.concatenate([column.data, np.zeros(8, np.uint8)])
    # Every position of the bytes as the start of a word: the words overlap, and nothing is copied.
    words: Lanes = np.ndarray((len(column.data) + 1,), np.dtype("<u8"), buffer=padded, strides=(1,))  # type: ignore[call-overload,unused-ignore]
    n_words = -(-int(rest.max(initial=0)) // 8)
    for k in range(n_words):
        has_more = rest > 8 * k
        if has_more.all():
            state = absorb(state, _words_at(words, starts + 8 * k, rest - 8 * k))
        else:
            rows = np.flatnonzero(has_more)
            word = _words_at(words, starts[rows] + 8 * k, rest[rows] - 8 * k)
            state[:, rows] = absorb(state[:, rows], word)
    for row in np.flatnonzero(is_long):
        value = column.data[starts[row] : starts[row] + lengths[row]]
        halves = np.frombuffer(hashlib.blake2b(value.data, digest_size=16).digest(), "<u8").astype(np.uint64)
        for half in (0, 1):
            state[:, row : row + 1] = absorb(state[:, row : row + 1], halves[half : half + 1])
    return state


def _words_at(words: Lanes, places: npt.NDArray[np.int64], n_bytes: npt.NDArray[np.int64]) -> Lanes:
    """Return the words at these places, of which only the first `n_bytes` bytes count, zeros behind them."""
    word = words[places]
    unused_bits = (8 * (8 - np.minimum(n_bytes, 8))).astype(np.uint64)
    word <<= unused_bits
    word >>= unused_bits
    return word


def _list_lanes(column: ListColumn, seeds: tuple[int, ...]) -> Lanes:
    """Return a lane per list: the sum of its elements' hashes, each of which has absorbed its place in the list."""
    total = column.elements.n_rows
    ends = np.cumsum(column.lengths)
    places = np.arange(total) - np.repeat(ends - column.lengths, column.lengths)
    hashes = absorb(hash_rows((column.elements,), total, seeds), places.view(np.uint64))
    sums = np.zeros((len(seeds), total + 1), np.uint64)
    np.cumsum(hashes, axis=1, dtype=np.uint64, out=sums[:, 1:])
    lanes: Lanes = sums[:, ends] - sums[:, ends - column.lengths]
    return lanes


def _sum(hashes: Lanes) -> int:
    """Return the exact sum, by halves that 64 bits can hold."""
    low = int((hashes & np.uint64(0xFFFFFFFF)).sum(dtype=np.uint64))
    return low + (int((hashes >> np.uint64(32)).sum(dtype=np.uint64)) << 32)
