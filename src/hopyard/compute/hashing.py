"""The content hash of a table: what a manifest promises about training data (docs/reference/hashes.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec
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
from hopyard.compute.row_hash import RowDigest
from hopyard.model.manifest import ContentHash
from hopyard.model.schema import Schema

MAGIC = b"hopyard-content-1\n"
CHUNK_ROWS = 65_536
"""A chunk's columns are encoded one after another; chunks are counted from the first row, whatever comes in."""

Part = npt.NDArray[Any]


class ContentHasher:
    """Hashes rows as they come: equal rows in equal order give an equal hash, however they are cut into batches.

    Memory: the encoding of one chunk of 65,536 rows.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        header = msgspec.json.encode([[field.name, str(field.feature_type)] for field in schema])
        self._sha256 = hashlib.sha256(MAGIC + len(header).to_bytes(4, "little") + header)
        self._digest = RowDigest()
        self._n_rows = 0
        self._chunk: list[list[Part]] = []  # the encodings of the pieces of a chunk that is not full yet

    def update(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Take the next rows.

        Raises:
            SchemaMismatchError: a column of the schema is missing, or has values that its feature type cannot hold.
        """
        start = 0
        while start < rows.num_rows:
            room = CHUNK_ROWS - self._n_rows % CHUNK_ROWS
            for n_rows, columns in pieces(rows.slice(start, room), self.schema):
                self._chunk.append([part for column in columns for part in encode(column)])
                self._digest.add(columns, n_rows)
                self._n_rows += n_rows
            start += room
            if self._n_rows % CHUNK_ROWS == 0:
                _write(self._sha256, self._chunk)
                self._chunk = []

    def result(self) -> ContentHash:
        """Return the hash of all rows so far; more may follow."""
        sha256 = self._sha256.copy()
        _write(sha256, self._chunk)
        sha256.update(self._n_rows.to_bytes(8, "little"))
        return ContentHash(sha256=sha256.hexdigest(), rows=self._digest.hex())


def encode(column: CanonicalColumn) -> Iterator[Part]:
    """Yield the parts of a column's encoding.

    How many there are depends on the type alone, and each part of a column is the parts of its pieces end to end.
    """
    yield np.ones(column.n_rows, np.uint8) if column.valid is None else column.valid.view(np.uint8)
    match column:
        case FixedColumn():
            yield column.values
        case BytesColumn():
            yield column.lengths.astype("<u4")
            yield column.data
        case ListColumn():
            yield column.lengths.astype("<u4")
            yield from encode(column.elements)
        case StructColumn():
            for field in column.fields:
                yield from encode(field)


def _write(sha256: hashlib._Hash, chunk: list[list[Part]]) -> None:
    for parts in zip(*chunk, strict=True):
        for part in parts:
            sha256.update(np.ascontiguousarray(part).view(np.uint8).data)
