"""Rows that are kept for a second look: in memory while they are few, else in a file of a temporary folder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa


class Spool:
    """Batches of rows in the order in which they were added, to be read again as often as needed.

    Args:
        max_bytes: what is kept in memory; all that comes after it goes to an uncompressed Arrow file.
    """

    def __init__(self, schema: pa.Schema, *, max_bytes: int) -> None:
        self._schema, self._max_bytes = schema, max_bytes
        self._kept: list[pa.RecordBatch] = []
        self._n_bytes = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._file: pa.NativeFile | None = None
        self._writer: pa.ipc.RecordBatchFileWriter | None = None
        self._n_written = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._finish()
        if self._folder is not None:
            self._folder.cleanup()

    def __len__(self) -> int:
        return len(self._kept) + self._n_written

    def add(self, batch: pa.RecordBatch) -> int:
        """Keep a batch, and return its place. Raises OSError: the disk is full."""
        if self._writer is None and self._n_bytes + batch.nbytes <= self._max_bytes:
            self._kept.append(batch)
            self._n_bytes += batch.nbytes
        else:
            if self._writer is None:
                self._folder = tempfile.TemporaryDirectory(prefix="hopyard-spool-")
                self._file = pa.OSFile(str(self._path), "wb")
                self._writer = pa.ipc.new_file(self._file, self._schema)
            self._writer.write_batch(batch)
            self._n_written += 1
        return len(self) - 1

    def batches(
        self, names: Sequence[str] | None = None, places: Sequence[int] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield batches that were kept, by their places; nothing can be added any more.

        Args:
            names: only these columns, in this order; the others are not read.
            places: default: all.
        """
        self._finish()
        chosen = range(len(self)) if places is None else places
        columns = None if names is None else [self._schema.get_field_index(name) for name in names]
        reader: pa.ipc.RecordBatchFileReader | None = None
        for place in chosen:
            if place < len(self._kept):
                batch = self._kept[place]
            else:
                if reader is None:
                    options = pa.ipc.IpcReadOptions(included_fields=columns)
                    reader = pa.ipc.open_file(pa.OSFile(str(self._path)), options=options)
                batch = reader.get_batch(place - len(self._kept))
            yield batch if names is None else batch.select(list(names))

    @property
    def _path(self) -> Path:
        assert self._folder is not None
        return Path(self._folder.name) / "rows.arrow"

    def _finish(self) -> None:
        if self._writer is not None and self._file is not None and not self._file.closed:
            self._writer.close()
            self._file.close()
