"""Keys and rows, sorted by way of a temporary file, because there may be more of them than fit into memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

import lmdb

_LARGEST = 1 << 36


class SortedCopy:
    """A temporary LMDB file, removed at the end of the with block."""

    def __enter__(self) -> SortedCopy:
        with ExitStack() as stack:
            folder = stack.enter_context(TemporaryDirectory(prefix="hopyard-scan-"))
            self._file: Any = stack.enter_context(
                lmdb.open(str(Path(folder) / "rows"), map_size=_LARGEST, subdir=False, lock=False, sync=False)
            )
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def add(self, pairs: Sequence[tuple[bytes, bytes]]) -> None:
        """Add keys and rows in any order; a key that is there gets the new row."""
        with self._file.begin(write=True) as transaction:
            transaction.cursor().putmulti(sorted(pairs))

    def clear(self) -> None:
        """Remove all rows."""
        with self._file.begin(write=True) as transaction:
            transaction.drop(self._file.open_db(None, transaction), delete=False)

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        with self._file.begin() as transaction:
            yield from transaction.cursor()
