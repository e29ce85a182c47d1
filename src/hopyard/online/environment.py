"""LMDB environments: one per folder and process, opened at first use, closed before a fork.

LMDB's rules that this file keeps, so that nobody else has to know them:
- a process opens a file once: `SHARED` holds the environments by real path, for every store object on them;
- an environment must not cross a fork: all are closed before it, and parent and child open theirs at the next use;
- handles of named databases are opened in write transactions only, one at a time, and closed only by a drop;
- a write transaction waits for ever: our own lock, with its timeout, is taken first;
- locks and shared memory do not work on network file systems: those are refused.
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias
from weakref import WeakSet

import lmdb

from hopyard.errors import ConfigError, CorruptStoreError, FormatVersionError, StoreError
from hopyard.failpoint import Failpoint
from hopyard.locks import FolderLocks
from hopyard.online.data_file import DATA_FILE, check_rows, completed, reserve_lock_file, size_of
from hopyard.ports import Locks

FORMAT_VERSION = 1
WRITER_LOCK = "online"

Sync: TypeAlias = Literal["commit", "os"]

DEFAULT_MAP_SIZE = 1 << 40
_SMALLEST_MAP_SIZE = 1 << 28
_MAX_DATABASES = 512
_MAX_READERS = 4096
_SPARE_READERS = 32
_CLOSE_WAIT_SECONDS = 0.0005
_LITTLE_BYTES = 1 << 20
"""With less room on the disk than that, an error of input or output is put down to it."""
_FORMAT_KEY = b"format_version"

_CORRUPT = (
    lmdb.CorruptedError,
    lmdb.InvalidError,
    lmdb.PageNotFoundError,
    lmdb.PanicError,
    lmdb.VersionMismatchError,
)
_NETWORK = frozenset(
    {
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "davfs",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "smb3",
        "smbfs",
    }
    | {f"fuse.{name}" for name in ("ceph", "gcsfuse", "glusterfs", "rclone", "s3fs", "sshfs")}
)


class Environment:
    """An open environment: its fixed databases, and the handles of the tables' databases by name.

    `tables` maps a table's id to the name of the database with its rows, `marks` maps it to its position in JSON.
    Whoever touches `lmdb` does so in a with block on the environment, which says whether it is still open and keeps it
    so: LMDB does not bear to be closed under a transaction that another thread is beginning.
    """

    def __init__(self, folder: Path, *, sync: Sync, map_size_bytes: int, failpoint: Failpoint) -> None:
        """Open (or create) the files. Only the holder of the writer lock may do that."""
        self.folder, self.sync, self.is_closed = folder, sync, False
        self.handles: dict[bytes, Any] = {}
        self.uses: list[None] = []
        folder.mkdir(parents=True, exist_ok=True)
        is_new = not size_of(folder / DATA_FILE)
        reserve_lock_file(folder, max_readers=_MAX_READERS)
        try:
            self.lmdb = _open_largest(folder, sync=sync, map_size_bytes=map_size_bytes)
        except lmdb.Error:
            if is_new:  # A full disk leaves a piece of a file, which nobody could open any more.
                (folder / DATA_FILE).unlink(missing_ok=True)
            raise
        try:
            with completed(folder, self.lmdb) as was_short, self.lmdb.begin(write=True) as txn:
                store = self.lmdb.open_db(b"__store__", txn=txn)
                _check_format(folder, txn, store)
                self.tables = self.lmdb.open_db(b"__tables__", txn=txn)
                self.marks = self.lmdb.open_db(b"__marks__", txn=txn)
                for _, name in txn.cursor(self.tables):
                    self.handles[name] = self.lmdb.open_db(name, txn=txn)
                if was_short:
                    check_rows(txn, [self.tables, self.marks, *self.handles.values()])
                failpoint("before_online_open")
            failpoint("after_online_open")
        except BaseException:
            self.lmdb.close()
            raise
        self.inode = _inode(folder)

    def create_databases(self, names: Sequence[bytes], failpoint: Failpoint) -> None:
        """Open the handles of these databases, which are made if they are not there. Under the writer lock."""
        missing = [name for name in names if name not in self.handles]
        if missing:
            with self.lmdb.begin(write=True) as txn:
                opened = {name: self.lmdb.open_db(name, txn=txn) for name in missing}
                failpoint("before_online_databases")
            failpoint("after_online_databases")
            self.handles |= opened

    def __enter__(self) -> bool:
        # First counted, then asked; `close` does it the other way round, so one of the two sees the other. A list,
        # because its append and pop are atomic and cost the reads less than a lock.
        self.uses.append(None)
        return not self.is_closed

    def __exit__(self, *_: object) -> None:
        self.uses.pop()

    def close(self) -> None:
        """Close the files, as soon as no other thread uses them. Scans that are not at their end fail."""
        self.is_closed = True
        while self.uses:
            time.sleep(_CLOSE_WAIT_SECONDS)
        self.lmdb.close()


class SharedEnvironment:
    """The environment of one folder in this process, whoever uses it. `opened` is None until it is needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened: Environment | None = None
        self.users: WeakSet[object] = WeakSet()
        self.lock = threading.Lock()

    def open(
        self,
        locks: Locks,
        *,
        timeout_seconds: float,
        sync: Sync,
        map_size_bytes: int,
        failpoint: Failpoint,
    ) -> Environment:
        """Return the open environment, its files created if they are not there.

        Raises:
            ConfigError: a network file system, or the folder is in use with the other `sync`.
            FormatVersionError, CorruptStoreError, LockTimeoutError, StoreError.
        """
        opened = self.opened
        if opened is None:
            refuse_network_filesystem(self.folder, _mounts())
            with locks.hold(WRITER_LOCK, timeout_seconds=timeout_seconds), self.lock, translated(self.folder):
                if self.opened is None:
                    self.opened = Environment(
                        self.folder, sync=sync, map_size_bytes=map_size_bytes, failpoint=failpoint
                    )
                opened = self.opened
        if opened.sync != sync:
            raise ConfigError(
                f"The online store {self.folder} is open in this process with sync={opened.sync!r}; it cannot be used "
                f"with sync={sync!r} at the same time. Close the other one first."
            )
        return opened

    def close(self) -> None:
        """Close the files, if they are open; the next use opens them again. The caller holds `lock`."""
        opened, self.opened = self.opened, None
        if opened is not None:
            opened.close()


class _Shared:
    """The environments of this process by real path: LMDB's own rule makes this one piece of module state needed."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._by_path: dict[str, SharedEnvironment] = {}
        self._paused: list[SharedEnvironment] = []

    def acquire(self, folder: Path, user: object) -> SharedEnvironment:
        """Return the folder's environment, unopened if nobody uses it. Give it back with `release`."""
        path = os.path.realpath(folder)
        with self._guard:
            self._close_forgotten()
            shared = self._by_path.setdefault(path, SharedEnvironment(Path(path)))
            shared.users.add(user)
            with shared.lock:
                if shared.opened is not None and shared.opened.inode != _inode(shared.folder):
                    shared.close()  # The folder was deleted, and perhaps made anew, since it was opened.
            return shared

    def release(self, shared: SharedEnvironment, user: object) -> None:
        """Close the environment if this was its last user."""
        with self._guard:
            shared.users.discard(user)
            if not shared.users:
                with shared.lock:
                    shared.close()
                self._by_path.pop(str(shared.folder), None)

    def _close_forgotten(self) -> None:
        """Close the environments whose users were all garbage: each takes room in the address space of the process."""
        for path, shared in list(self._by_path.items()):
            if not shared.users:
                with shared.lock:
                    shared.close()
                del self._by_path[path]

    def before_fork(self) -> None:
        """Close everything and let nobody open anything until the fork is done."""
        self._guard.acquire()
        self._paused = list(self._by_path.values())
        for shared in self._paused:
            shared.lock.acquire()
            shared.close()

    def after_fork(self) -> None:
        for shared in self._paused:
            shared.lock.release()
        self._guard.release()


SHARED = _Shared()
os.register_at_fork(
    before=SHARED.before_fork, after_in_parent=SHARED.after_fork, after_in_child=SHARED.after_fork
)


def writer_locks(folder: Path) -> Locks:
    """Return the locks of those who write into the store in this folder."""
    return FolderLocks(folder / "locks")


def is_there(folder: Path) -> bool:
    """Return whether an environment was ever created in this folder."""
    return (folder / DATA_FILE).exists()


@contextmanager
def translated(folder: Path) -> Iterator[None]:
    """Raise LMDB's errors as ours."""
    try:
        yield
    except lmdb.Error as error:
        raise store_error(folder, error) from error
    except OSError as error:
        if _is_disk_full(folder, error):
            raise store_error(folder, error) from error
        raise StoreError(
            f"The online store {folder} cannot be used: {error}. Check the folder's permissions."
        ) from error


def store_error(folder: Path, error: Exception) -> StoreError:
    """Return an error of LMDB as one of ours, with what to do."""
    if isinstance(error, _CORRUPT):
        return CorruptStoreError(
            f"The online store {folder / DATA_FILE} cannot be read: {error}. See what is damaged with "
            f"`hopyard verify`. Its content can be rebuilt from the offline tables: end the processes that use it, "
            f"remove {folder}, and run `hopyard online catchup`."
        )
    if isinstance(error, lmdb.MapFullError):
        return StoreError(
            f"The online store {folder} is full: {error}. Free disk space, or lift its limits (ulimit -v)."
        )
    if _is_disk_full(folder, error):
        return StoreError(f"The disk of the online store {folder} is full: {error}. Free disk space.")
    if isinstance(error, lmdb.DbsFullError):
        return StoreError(
            f"The online store {folder} has more tables than its {_MAX_DATABASES} databases can hold: {error}. "
            f"Delete online feature groups that nobody needs."
        )
    return StoreError(f"The online store {folder} failed: {error}.")


def _is_disk_full(folder: Path, error: Exception) -> bool:
    """Return whether an error is that of a full disk: LMDB says "Input/output error" where only a part had room."""
    if isinstance(error, lmdb.DiskError) or (isinstance(error, OSError) and error.errno == errno.ENOSPC):
        return True
    try:
        return type(error) is lmdb.Error and shutil.disk_usage(folder).free < _LITTLE_BYTES
    except OSError:
        return False


def refuse_network_filesystem(folder: Path, mounts: str) -> None:
    """Raise ConfigError if the folder is on a network file system, by the text of /proc/mounts."""
    kind = filesystem_of(os.path.realpath(folder), mounts)
    if kind in _NETWORK:
        raise ConfigError(
            f"The online store cannot be in {folder}, which is on a network file system ({kind}): its memory-mapped "
            f"files are safe on a local disk only. Put the store on one."
        )


def _mounts() -> str:
    """Return the text of /proc/mounts; "" where there is none."""
    try:
        return Path("/proc/mounts").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def filesystem_of(path: str, mounts: str) -> str:
    """Return the type of the file system that holds an absolute path, by the text of /proc/mounts; "" if unknown."""
    kind, longest = "", -1
    for line in mounts.splitlines():
        parts = line.split(" ")
        if len(parts) < 3:
            continue
        point = parts[1]
        for code, plain in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
            point = point.replace(code, plain)
        holds = path == point or path.startswith(point.rstrip("/") + "/")
        if holds and len(point) >= longest:  # The last mount on a point hides the ones before.
            kind, longest = parts[2], len(point)
    return kind


def _open_largest(folder: Path, *, sync: Sync, map_size_bytes: int) -> Any:
    """Return the opened environment with the largest map that the address space allows (the file stays sparse)."""
    while True:
        try:
            return lmdb.open(
                str(folder),
                map_size=map_size_bytes,
                max_dbs=_MAX_DATABASES,
                max_readers=_MAX_READERS,
                max_spare_txns=_SPARE_READERS,
                sync=sync == "commit",
                readahead=False,
                lib_version=0,  # the file format of LMDB 0.9, whatever the package defaults to
            )
        except (lmdb.MemoryError, MemoryError, OverflowError):
            if map_size_bytes <= _SMALLEST_MAP_SIZE:
                raise
            map_size_bytes //= 2


def _check_format(folder: Path, txn: Any, store: Any) -> None:
    stored = txn.get(_FORMAT_KEY, None, store)
    if stored is None:
        txn.put(_FORMAT_KEY, str(FORMAT_VERSION).encode(), db=store)
        return
    if not stored.isdigit():
        raise CorruptStoreError(
            f"The online store {folder / DATA_FILE} has the format version {stored!r}, which is no number. "
            f"Its content can be rebuilt from the offline tables: remove {folder}, and run `hopyard online catchup`."
        )
    if int(stored) > FORMAT_VERSION:
        raise FormatVersionError(f"The online store {folder}", int(stored), FORMAT_VERSION)


def _inode(folder: Path) -> tuple[int, int] | None:
    try:
        status = (folder / DATA_FILE).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
