"""What LMDB leaves to chance in its files: it maps them into memory, where a missing page ends the process (SIGBUS).

A page may be missing because the disk was full when the system wanted to give it, or because the file was cut.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import lmdb

DATA_FILE = "data.mdb"
LOCK_FILE = "lock.mdb"
LARGE_BYTES = 1 << 10
"""A row of at least this size may have pages of its own."""
_READER_BYTES = 64
_HEAD_BYTES = 4096
"""The head of the lock file, and the first readers."""


def size_of(path: Path) -> int:
    """Return a file's size; 0: it is not there."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def reserve_lock_file(folder: Path, *, max_readers: int) -> None:
    """See to it that the lock file has its room on the disk, which LMDB would only ask for when it is used.

    Only before the environment is opened: closing any descriptor of the file drops the locks that this process has on
    it, by which LMDB knows who is there. And a file that is there keeps its size, for which others have mapped it.

    Raises OSError: the disk is full, and not even the first readers have room.
    """
    descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o664)
    try:
        size = os.fstat(descriptor).st_size
        if not size:
            os.posix_fallocate(descriptor, 0, max_readers * _READER_BYTES + _HEAD_BYTES)
            return
        os.posix_fallocate(descriptor, 0, min(size, _HEAD_BYTES))
        with suppress(OSError):
            os.posix_fallocate(descriptor, 0, size)
    finally:
        os.close(descriptor)


@contextmanager
def completed(folder: Path, environment: Any) -> Iterator[bool]:
    """Make the data file as long as LMDB takes it to be, for good if the with block succeeds. Under the writer lock.

    LMDB itself leaves the file short where the last pages are free. What is added are zeros, which it takes for no page
    of its own and refuses; but the end of a row that is larger than a page would read as zeros. So whoever gets True
    looks at every row once, with `check_rows`.
    """
    path = folder / DATA_FILE
    wanted = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    size = size_of(path)
    if size >= wanted:
        yield False
        return
    os.truncate(path, wanted)
    try:
        yield True
    except BaseException:
        os.truncate(path, size)
        raise


def check_rows(txn: Any, databases: Iterable[Any]) -> None:
    """Raise lmdb.Error if a page of these databases is missing from a file that was made longer."""
    for database in databases:
        for _, row in txn.cursor(database):
            if len(row) >= LARGE_BYTES and row[-1] == 0:
                raise lmdb.CorruptedError("it ends in the middle of a row")
