"""The online store in a local folder: LMDB, inside the process, read by any number of processes at once.

Every table has one named database, keys to rows. Which database that is stands in `__tables__`, so that `replace` can
fill the other one of a pair (`<id>.a`, `<id>.b`) and switch; the table's position stands in `__marks__`. Both change in
the transaction that changes the rows. docs/reference/online-format.md describes the files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from operator import lt
from pathlib import Path
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote, urlsplit

import lmdb

from hopyard.errors import ConfigError, NotFoundError, StoreError
from hopyard.failpoint import Failpoint, never_fail
from hopyard.model.codec import to_json
from hopyard.model.position import Position
from hopyard.online.encoded import stored_rows
from hopyard.online.environment import (
    DEFAULT_MAP_SIZE,
    SHARED,
    WRITER_LOCK,
    Environment,
    SharedEnvironment,
    Sync,
    is_there,
    store_error,
    translated,
    writer_locks,
)
from hopyard.online.keys import LONGEST_PLAIN_KEY, full_key, stored_key
from hopyard.online.lookups import is_row_of
from hopyard.online.marks import position_of
from hopyard.online.stores import options_of, path_of
from hopyard.ports import EncodedRows, Lookup, OnlineCapabilities, OnlineTable

T = TypeVar("T")

Changes: TypeAlias = tuple[list[bytes], list[bytes | None]]

_EVENT_TIME = slice(4, 12)
_MAX_REPEATS = 1000
_SCAN_ROWS = 1000
_DROPPED = (lmdb.BadDbiError, lmdb.InvalidParameterError)
"""What a read gets whose table is dropped in this instant by another thread; the next one does not know the table."""


def open_lmdb(url: str, *, timeout_seconds: float, failpoint: Failpoint = never_fail) -> LmdbOnlineStore:
    """Return the store of a URL such as `lmdb:///srv/online?sync=os`. Raises ConfigError."""
    parts = urlsplit(url)
    if parts.netloc or not parts.path.startswith("/"):
        raise ConfigError(
            f"The online store {url!r} must name a folder of this machine, from its root: lmdb:///folder."
        )
    options = options_of(parts, {"sync": ("commit", "os")}, shown=url)
    sync: Sync = "os" if options.get("sync") == "os" else "commit"
    return LmdbOnlineStore(
        Path(path_of(parts)), timeout_seconds=timeout_seconds, sync=sync, failpoint=failpoint
    )


class LmdbOnlineStore:
    """`ports.OnlineStore` in a folder on a local disk."""

    capabilities = OnlineCapabilities(has_atomic_commits=True, is_embedded=True)

    def __init__(
        self,
        folder: Path,
        *,
        timeout_seconds: float = 60.0,
        sync: Sync = "commit",
        map_size_bytes: int = DEFAULT_MAP_SIZE,
        failpoint: Failpoint = never_fail,
    ) -> None:
        """Do no I/O: the first use opens the files, the first write creates them.

        Args:
            timeout_seconds: how long a write waits for another writer, of this process or of another one.
            sync: "commit": a write is on disk when it returns; "os": the system writes it when it likes, so that a
                power cut may ruin the file, and the store has to be rebuilt.
            map_size_bytes: how large the file may grow; halved while the address space does not allow it.
            failpoint: called at each point of a write at which crash tests end the process.
        """
        self.url = f"lmdb://{quote(str(folder.absolute()))}" + ("" if sync == "commit" else f"?sync={sync}")
        self._failpoint = failpoint
        self._folder, self._locks, self._timeout = folder, writer_locks(folder), timeout_seconds
        self._sync, self._map_size_bytes = sync, map_size_bytes
        self._shared: SharedEnvironment | None = None

    def ensure(self, table: OnlineTable) -> None:
        """Make the table known; does nothing if it is."""
        if self._pointer(table.id) is not None:
            return
        name = _names(table.id)[0]
        with self._transaction(name) as (txn, environment):
            txn.put(table.id.encode(), name, db=environment.tables, overwrite=False)

    def write(self, table: OnlineTable, rows: EncodedRows, upto: Position) -> None:
        """Apply rows and set the table's position in one transaction, durable on return.

        Raises:
            NotFoundError: the table is not known: `ensure` or `replace` makes it so.
            LockTimeoutError: somebody else wrote for too long.
            StoreError: the disk is full, or worse. Nothing of this call is visible.
        """
        if self._pointer(table.id) is None:
            raise self._not_found(table.id)
        changes = _sorted_rows(rows)
        with self._table_lock(table.id):
            name = self._pointer(table.id)
            if name is None:
                raise self._not_found(table.id)
            with self._transaction(name) as (txn, environment):
                _put(txn, environment.handles[name], changes, is_final=rows.is_final)
                txn.put(table.id.encode(), to_json(upto), db=environment.marks)

    def replace(self, table: OnlineTable, batches: Iterator[EncodedRows], upto: Position) -> None:
        """Replace the whole content by the batches; readers see the old or the new one, never a part.

        The batches go into the database that nobody reads, a transaction each, so that memory holds one batch only;
        the last transaction switches over. What a crash leaves there is cleared by the next `replace`. Batches sorted
        by key load fastest; a key in several batches has the row with the newest event time. Makes the table known.
        """
        with self._table_lock(table.id):
            old = self._pointer(table.id)
            new = next(name for name in _names(table.id) if name != old)
            with self._transaction(new) as (txn, environment):
                txn.drop(environment.handles[new], delete=False)
            for batch in batches:
                changes = _sorted_rows(batch)
                with self._transaction(new) as (txn, environment):
                    _put(txn, environment.handles[new], changes, is_final=batch.is_final)
            with self._transaction(new, *filter(None, [old])) as (txn, environment):
                txn.put(table.id.encode(), new, db=environment.tables)
                txn.put(table.id.encode(), to_json(upto), db=environment.marks)
                if old is not None:
                    txn.drop(environment.handles[old], delete=False)

    def read(self, lookups: Sequence[Lookup]) -> list[bytes | None]:
        """Return the rows of the keys, in order, from one consistent state; None: no such key.

        Raises:
            NotFoundError: no such table.
        """
        environment = self._shared.opened if self._shared is not None else None
        if environment is not None:  # the usual case, without what costs a request a microsecond
            uses = environment.uses
            uses.append(None)
            try:
                if not environment.is_closed:
                    with environment.lmdb.begin() as txn:
                        found = _rows(txn, environment, lookups)
                    if type(found) is list:
                        return found
            except (KeyError, lmdb.Error):
                pass  # the careful way says what it was
            finally:
                uses.pop()
        return self._read_carefully(lookups)

    def _read_carefully(self, lookups: Sequence[Lookup]) -> list[bytes | None]:
        if not lookups:
            return []
        found = self._reading(lambda txn, environment: _rows(txn, environment, lookups))
        if found is None:
            raise self._not_found(lookups[0][0])
        if isinstance(found, str):
            raise self._not_found(found)
        return found

    def scan(self, table_id: str) -> Iterator[tuple[bytes, bytes]]:
        """Yield every encoded key and row from one consistent state, in key order (but keys of more than 510 bytes
        that share their first 479 come in any order).

        What others delete meanwhile keeps its room on disk until the scan ends. A fork ends it with a StoreError.

        Raises:
            NotFoundError: no such table; at the call.
        """
        if self._pointer(table_id) is None:
            raise self._not_found(table_id)
        return self._scan(table_id)

    def _scan(self, table_id: str) -> Iterator[tuple[bytes, bytes]]:
        environment = self._opened()
        with translated(environment.folder):
            with _still_open(environment):
                txn = environment.lmdb.begin()
            try:
                with _still_open(environment):
                    database = environment.handles.get(txn.get(table_id.encode(), None, environment.tables))
                    rows = iter(txn.cursor(database) if database is not None else ())
                found: list[tuple[bytes, bytes]] | None = None
                while found is None or found:
                    with _still_open(environment):  # Not while the caller has the word: it may fork.
                        found = list(islice(rows, _SCAN_ROWS))
                    for stored, row in found:
                        yield full_key(stored, row), row
            finally:
                with environment as is_open:
                    if is_open:
                        txn.abort()

    def position(self, table_id: str) -> Position | None:
        """Return how far the table has come; None: nothing applied, or no such table."""
        mark = self._reading(lambda txn, environment: txn.get(table_id.encode(), None, environment.marks))
        return None if mark is None else position_of(mark, table_id, self._folder)

    def drop(self, table_id: str) -> None:
        """Remove a table. Does nothing if it is not there."""
        if self._pointer(table_id) is None:
            return
        names = _names(table_id)
        with self._table_lock(table_id), self._transaction(*names) as (txn, environment):
            txn.delete(table_id.encode(), db=environment.tables)
            txn.delete(table_id.encode(), db=environment.marks)
            for name in names:
                txn.drop(environment.handles.pop(name))

    def close(self) -> None:
        """Release the files, if no other store of this process uses them. The store can be used again afterwards."""
        shared, self._shared = self._shared, None
        if shared is not None:
            SHARED.release(shared, self)

    def _opened(self) -> Environment:
        if self._shared is None:
            self._shared = SHARED.acquire(self._folder, self)
        return self._shared.open(
            self._locks,
            timeout_seconds=self._timeout,
            sync=self._sync,
            map_size_bytes=self._map_size_bytes,
            failpoint=self._failpoint,
        )

    def _pointer(self, table_id: str) -> bytes | None:
        """Return the name of the database with the table's rows, its handle open; None: no such table."""

        def read(txn: Any, environment: Environment) -> bytes | None:
            name: bytes | None = txn.get(table_id.encode(), None, environment.tables)
            if name is not None:
                environment.handles[name]
            return name

        return self._reading(read)

    def _not_found(self, table_id: str) -> NotFoundError:
        known = self._reading(
            lambda txn, environment: [key.decode() for key, _ in txn.cursor(environment.tables)]
        )
        return NotFoundError("online table", table_id, known or [])

    def _table_lock(self, table_id: str) -> AbstractContextManager[None]:
        """One writer per table: `replace` takes several transactions, between which nobody may write."""
        return self._locks.hold(f"{WRITER_LOCK}-{table_id}", timeout_seconds=self._timeout)

    def _reading(self, read: Callable[[Any, Environment], T]) -> T | None:
        """Return what `read` returns in a read transaction; None: there is no store yet, and none is created.

        Repeats it when a fork closed the environment meanwhile, another thread dropped a table, or another process
        made one whose handle is not open yet (`read` raises KeyError with its name).
        """
        for _ in range(_MAX_REPEATS):
            environment = self._shared.opened if self._shared is not None else None
            if environment is None:
                if not is_there(self._folder):
                    return None
                environment = self._opened()
            try:
                with environment as is_open:
                    if is_open:
                        with environment.lmdb.begin() as txn:
                            return read(txn, environment)
            except KeyError as missing:
                self._open_handle(missing.args[0])
            except _DROPPED:
                pass
            except lmdb.Error as error:
                raise store_error(environment.folder, error) from error
        raise StoreError(
            f"The online store {self._folder} was opened and closed without end. Close unused stores."
        )

    def _open_handle(self, name: bytes) -> None:
        """Open the database of a table that another process made after this one had opened the environment."""
        with self._transaction() as (txn, environment):
            try:
                handle = environment.lmdb.open_db(name, txn=txn, create=False)
            except lmdb.NotFoundError:
                return  # Dropped again.
        environment.handles[name] = handle

    @contextmanager
    def _transaction(self, *names: bytes) -> Iterator[tuple[Any, Environment]]:
        """Yield a write transaction under the writer lock; it commits at the end of the with block.

        Args:
            names: databases whose handles are needed; made if they are not there.
        """
        while True:
            environment = self._opened()
            lock = self._locks.hold(WRITER_LOCK, timeout_seconds=self._timeout)
            with lock, translated(environment.folder), environment as is_open:
                if not is_open:  # A fork came between. To open it anew takes the lock that is held here.
                    continue
                environment.lmdb.reader_check()
                environment.create_databases(names, self._failpoint)
                with environment.lmdb.begin(write=True) as txn:
                    yield txn, environment
                    self._failpoint("before_online_commit")
                self._failpoint("after_online_commit")
                return


@contextmanager
def _still_open(environment: Environment) -> Iterator[None]:
    with environment as is_open:
        if not is_open:
            raise StoreError(
                f"The online store {environment.folder} was closed during a scan, by close() or by a fork of this "
                f"process. Scan again."
            )
        yield


def _rows(txn: Any, environment: Environment, lookups: Sequence[Lookup]) -> list[bytes | None] | str:
    """Return the rows of the keys, or the id of a table that is not there.

    Raises KeyError with the name of a database whose handle is not open yet.
    """
    get, handles, tables = txn.get, environment.handles, environment.tables
    rows: list[bytes | None] = []
    table_id, database = None, None
    for asked_id, key in lookups:
        if asked_id != table_id:
            table_id = asked_id
            name = get(table_id.encode(), None, tables)
            if name is None:
                return table_id
            database = handles[name]
        if len(key) <= LONGEST_PLAIN_KEY:
            rows.append(get(key, None, database))
            continue
        row = get(stored_key(key), None, database)
        rows.append(row if row is not None and is_row_of(key, row) else None)
    return rows


def _names(table_id: str) -> tuple[bytes, bytes]:
    """Return the names of a table's two databases."""
    return f"{table_id}.a".encode(), f"{table_id}.b".encode()


def _sorted_rows(rows: EncodedRows) -> Changes:
    """Return the keys as they are stored, ascending, and the rows, pairwise; None: the key goes."""
    keys, values = stored_rows(rows)
    ordered = sorted(keys)
    if keys == ordered:
        return keys, values
    row_of = dict(zip(keys, values, strict=True))
    return ordered, [row_of[key] for key in ordered]


def _put(txn: Any, database: Any, changes: Changes, *, is_final: bool) -> None:
    """Put the rows that are final or not older than the stored ones; delete where the row is null.

    Rows that go on where the database ends, as those of an empty one do, are put at its end all at once.
    """
    keys, rows = changes
    cursor = txn.cursor(database)
    goes_on = keys and (not cursor.last() or cursor.key() < keys[0])
    if goes_on and None not in rows and all(map(lt, keys, islice(keys, 1, None))):
        cursor.putmulti(zip(keys, rows, strict=True), append=True)
        return
    for key, row in zip(keys, rows, strict=True):
        if row is None:
            txn.delete(key, b"", database)
            continue
        stored = None if is_final else txn.get(key, None, database)
        if stored is None or stored[_EVENT_TIME] <= row[_EVENT_TIME]:
            txn.put(key, row, True, True, False, database)
