"""Locks between the processes and threads that use one folder, by `flock`."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from hopyard.errors import LockTimeoutError, StoreError

FIRST_WAIT_SECONDS = 0.001
LONGEST_WAIT_SECONDS = 0.02
_MAX_FILE_NAME = 200


class FolderLocks:
    """One file per lock, `<folder>/<name>.lock`; implements `ports.Locks`.

    Exclusive between threads of one process too, and *not reentrant*: who holds a lock and asks for it again
    waits for itself until the timeout. The files stay, because removing one would give waiters and newcomers
    different locks. The folder must be on a local file system.
    """

    def __init__(self, folder: Path) -> None:
        """Args: folder: created by the first `hold`."""
        self._folder = folder

    @contextmanager
    def hold(self, name: str, *, timeout_seconds: float) -> Iterator[None]:
        """Hold the lock `name` for the length of a with block. The system releases it when the process dies.

        A child forked inside the block shares the lock, until the parent leaves the block or both die.

        Args:
            timeout_seconds: 0 tries once.
        Raises:
            LockTimeoutError: somebody else held it for longer; says which process.
            StoreError: the folder cannot be written, or its file system has no locks.
        """
        path = self._folder / _file_name(name)
        file = self._open(path)
        try:
            self._acquire(file, path, name, timeout_seconds)
            owner = os.getpid()
            _note(file, f"{owner}\n")
            try:
                yield
            finally:
                if os.getpid() == owner:  # a forked child must not release what its parent holds
                    _note(file, "")
                    fcntl.flock(file, fcntl.LOCK_UN)
        finally:
            os.close(file)

    def _open(self, path: Path) -> int:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise StoreError(f"The lock file {str(path)!r} cannot be opened: {error.strerror}.") from error

    def _acquire(self, file: int, path: Path, name: str, timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        wait = FIRST_WAIT_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                left = deadline - time.monotonic()
            except OSError as error:
                raise StoreError(
                    f"The file {str(path)!r} cannot be locked: {error.strerror}. "
                    f"Keep the store on a local disk."
                ) from error
            if left <= 0:
                raise LockTimeoutError(
                    f"The lock {name!r} was not free within {timeout_seconds:g} s: {_holder(file)} holds it "
                    f"(file {str(path)!r}). "
                    f"Wait for it and try again, or end it; the lock goes with its process."
                )
            time.sleep(min(wait, left))
            wait = min(wait * 1.5, LONGEST_WAIT_SECONDS)


def _file_name(name: str) -> str:
    """Return a file name that no other lock name has, of any text."""
    safe = quote(name, safe="")
    if len(safe) > _MAX_FILE_NAME:
        # '+' is quoted above, so that no short name looks like this one.
        safe = f"{safe[:100]}+{hashlib.sha256(name.encode()).hexdigest()}"
    return f"{safe}.lock"


def _note(file: int, content: str) -> None:
    """Write who holds the lock, for messages only: a full disk must not fail who holds it."""
    with suppress(OSError):
        os.ftruncate(file, 0)
        os.pwrite(file, content.encode(), 0)


def _holder(file: int) -> str:
    with suppress(OSError):
        pid = os.pread(file, 32, 0).decode(errors="replace").strip()
        if pid == str(os.getpid()):
            return f"this process ({pid}), in another thread or further up the stack,"
        if pid:
            return f"process {pid}"
    return "another process"
