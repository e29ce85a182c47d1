"""Rows in blocks of a fixed number, however they come."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa


class Blocks:
    """Gathers rows until a block is full, so that files are cut at the same rows in every run."""

    def __init__(self, schema: pa.Schema, n_rows: int) -> None:
        self._schema, self._n_rows = schema, n_rows
        self._waiting: list[pa.Table] = []
        self._n_waiting = 0

    def add(self, rows: pa.Table) -> Iterator[pa.Table]:
        """Yield the blocks that these rows complete."""
        rows = rows if rows.schema.equals(self._schema) else rows.cast(self._schema)
        start = 0
        while self._n_waiting + rows.num_rows - start >= self._n_rows:
            taken = self._n_rows - self._n_waiting
            yield self._block([*self._waiting, rows.slice(start, taken)])
            self._waiting, self._n_waiting, start = [], 0, start + taken
        if start < rows.num_rows:
            self._waiting.append(rows.slice(start))
            self._n_waiting += rows.num_rows - start

    def rest(self) -> pa.Table:
        """Return the rows of the last block, which is not full."""
        return self._block(self._waiting)

    def _block(self, parts: list[pa.Table]) -> pa.Table:
        # Copied into new arrays, also where there is one part: the bytes that are written show the shape of arrays.
        return pa.concat_tables([self._schema.empty_table(), *parts]).combine_chunks()
