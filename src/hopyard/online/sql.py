"""What the online stores in SQL databases share: the tables, and the steps of each operation.

`hopyard_tables` has a row per table: its number, the generation that readers read, its mark and version. The rows of a
generation are in `hopyard_rows_<number>_<generation>`: of what is put into the text of a statement, these two whole
numbers are all that is not constant. docs/reference/online-format.md has the columns.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeVar

from hopyard.errors import (
    ConflictError,
    CorruptStoreError,
    FormatVersionError,
    HopyardError,
    LockTimeoutError,
    NotFoundError,
    StoreError,
)
from hopyard.failpoint import Failpoint
from hopyard.model.codec import to_json
from hopyard.model.position import Position
from hopyard.online.encoded import stored_rows
from hopyard.online.keys import full_key
from hopyard.online.marks import position_of
from hopyard.online.network import (
    READ_SECONDS,
    AsyncConnections,
    Connections,
    Retries,
    Versions,
    new_version,
)
from hopyard.online.pointers import Place, Places, Question, Rows, reading
from hopyard.online.steps import afinish, finish
from hopyard.ports import EncodedRows, Lookup, OnlineCapabilities, OnlineTable

T = TypeVar("T")

FORMAT_VERSION = 1

Pair = tuple[bytes, bytes]

_MAX_SWITCHES = 1_000


class _SwitchedError(HopyardError):
    """The rows of a generation are gone: there is a new one."""


class State(NamedTuple):
    """A row of `hopyard_tables`. Generation 0: the table is being made or dropped, and nobody knows it."""

    number: int
    generation: int
    version: int
    mark: str | None

    def rows_table(self, generation: int | None = None) -> str:
        """Return the name of the table with the rows of a generation; None: of the current one."""
        return rows_table(self.number, self.generation if generation is None else generation)


@dataclass(frozen=True, slots=True)
class Statements:
    """The statements on `hopyard_tables` and `hopyard_format`, with %s for parameters.

    create: run one after the other. find, lock: by id. add: id, version; nothing if it is there. set_mark: mark,
    version, id. switch: generation, mark, version, id. hide, remove, known: see where they are used. names: of tables
    that begin with a text.
    """

    create: tuple[str, ...]
    names: str
    add: str
    format_version: str = "SELECT version FROM hopyard_format"
    find: str = "SELECT number, generation, version, mark FROM hopyard_tables WHERE id = %s"
    lock: str = "SELECT number, generation, version, mark FROM hopyard_tables WHERE id = %s FOR UPDATE"
    known: str = "SELECT id FROM hopyard_tables WHERE generation > 0"
    set_mark: str = "UPDATE hopyard_tables SET mark = %s, version = %s WHERE id = %s"
    switch: str = "UPDATE hopyard_tables SET generation = %s, mark = %s, version = %s WHERE id = %s"
    show: str = "UPDATE hopyard_tables SET generation = 1 WHERE id = %s AND generation = 0"
    hide: str = "UPDATE hopyard_tables SET generation = 0 WHERE id = %s"
    remove: str = "DELETE FROM hopyard_tables WHERE id = %s AND generation = 0"


class SqlOnlineStore(ABC):
    """`ports.OnlineStore` and `ports.AsyncOnlineStore` in a database, which may be shared with others."""

    capabilities = OnlineCapabilities(has_atomic_commits=True)
    statements: Statements
    batch_rows: int

    def __init__(self, url: str, *, retries: Retries, timeout_seconds: float, failpoint: Failpoint) -> None:
        """Do no I/O.

        Args:
            url: without a password.
            timeout_seconds: how long a call is tried again while the server does not answer, or waits for a lock.
            failpoint: called at each point of a write at which crash tests end the process.
        """
        self.url, self.retries = url, retries
        self.timeout_seconds, self.failpoint = timeout_seconds, failpoint
        self._connections = Connections(self._checked, lambda connection: connection.close())
        self._async_connections = AsyncConnections(self.aconnect, self.disconnect)
        self._places: dict[str, Place] = {}
        self._versions = Versions(url)

    # What a database does in its own way.

    @abstractmethod
    def connect(self) -> Any:
        """Return a new connection in which each statement is a transaction."""

    @abstractmethod
    async def aconnect(self) -> Any:
        """Return a new connection for the running event loop, its format checked by `check_format`."""

    @abstractmethod
    async def disconnect(self, connection: Any) -> None:
        """Close a connection of the running event loop."""

    @abstractmethod
    def is_no_table(self, error: Exception) -> bool:
        """Return whether an error of the driver says that a table is not there."""

    @abstractmethod
    def transaction(self, connection: Any) -> AbstractContextManager[Any]:
        """Yield a cursor in a transaction that commits at the end of the with block."""

    @abstractmethod
    def ask(self, connection: Any, question: Question) -> Rows | Places | None:
        """Return what a read asks, by one statement; None: a table that it names is not there."""

    @abstractmethod
    async def aask(self, connection: Any, question: Question) -> Rows | Places | None:
        """Return what a read asks, awaited."""

    @abstractmethod
    def create_rows(self, cursor: Any, name: str) -> None:
        """Make the table of a generation if it is not there."""

    @abstractmethod
    def put(self, cursor: Any, name: str, pairs: list[Pair], *, is_final: bool) -> None:
        """Write rows by one statement; the newer event time wins unless they are final."""

    @abstractmethod
    def delete(self, cursor: Any, name: str, keys: list[bytes]) -> None:
        """Remove the rows of these keys."""

    @abstractmethod
    def drop_rows(self, connection: Any, name: str, *, seconds: float) -> None:
        """Drop the table of a generation; raises an error of the driver if somebody reads it for longer."""

    @abstractmethod
    def fill_and_switch(
        self, connection: Any, table: OnlineTable, batches: Iterator[EncodedRows], upto: Position
    ) -> State:
        """Fill a new generation and make it the current one; return the table's state."""

    @abstractmethod
    def stream(self, table_id: str) -> Iterator[Sequence[Pair]]:
        """Yield the keys and rows of a table in key order, from one state."""

    # The port.

    def ensure(self, table: OnlineTable) -> None:
        """Make the table known; does nothing if it is."""
        if self._find(table.id) is None:
            self._write(partial(self.make, table_id=table.id))

    def write(self, table: OnlineTable, rows: EncodedRows, upto: Position) -> None:
        """Apply rows and set the table's position in one transaction.

        Raises:
            NotFoundError: the table is not known.
            LockTimeoutError: somebody else wrote for too long.
            StoreError: the server does not answer in time, or refuses. Nothing of this call is visible.
        """
        batches = list(parts(rows, self.batch_rows))

        def work(connection: Any) -> int:
            last = self._versions.last(table.id)
            with self.transaction(connection) as cursor:
                state = self.locked(cursor, table.id)
                if state is None or state.generation == 0:
                    raise self.not_found(table.id)
                self._versions.check(table.id, state.version, at_least=last)
                for pairs in batches:
                    self.apply(cursor, state.rows_table(), pairs, is_final=rows.is_final)
                version = new_version(state.version)
                cursor.execute(self.statements.set_mark, (to_json(upto).decode(), version, table.id))
                self.failpoint("online_before_commit")
            return version

        self._versions.see(table.id, self._write(work))
        self.failpoint("online_after_commit")

    def replace(self, table: OnlineTable, batches: Iterator[EncodedRows], upto: Position) -> None:
        """Replace the whole content by the batches; readers see the old or the new one, never a part. Makes the table
        known.

        Raises:
            LockTimeoutError: somebody else wrote for too long.
            StoreError: the server does not answer, or refuses. The content is the old one. Only what comes before the
                first batch is tried again.
        """

        def work(connection: Any) -> State:
            with self.transaction(connection) as cursor:
                state = self.locked(cursor, table.id)
            if state is None:
                self.make(connection, table_id=table.id, is_known=False)
            fill = partial(self.fill_and_switch, connection, table, batches, upto)
            state = self.retries.once(fill)
            self.failpoint("online_after_switch")
            self.sweep(connection, state, seconds=1)
            return state

        state = self._write(work)
        self._versions.see(table.id, state.version)
        self._places[table.id] = (state.number, state.generation)

    def read(self, lookups: Sequence[Lookup]) -> list[bytes | None]:
        """Return the rows of the keys, in order, from one state, by one statement; None: no such key.

        Raises:
            NotFoundError: no such table. StoreError: the server does not answer, or refuses.
        """
        if not lookups:
            return []

        def ask(question: Question) -> Rows | Places | None:
            return self._read(lambda connection: self.ask(connection, question))

        try:
            return finish(reading(self._places, lookups, self.url), ask)
        except NotFoundError as error:
            raise self._with_names(error, lookups) from None

    async def aread(self, lookups: Sequence[Lookup]) -> list[bytes | None]:
        """Return the rows of the keys without blocking the event loop; as `read` otherwise."""
        if not lookups:
            return []
        seconds = min(self.timeout_seconds, READ_SECONDS)

        async def ask(question: Question) -> Rows | Places | None:
            work = partial(self.aask, question=question)
            return await self.retries.arun(lambda: self._async_connections.use(work), seconds=seconds)

        return await afinish(reading(self._places, lookups, self.url), ask)

    def scan(self, table_id: str) -> Iterator[tuple[bytes, bytes]]:
        """Yield every key and row, in key order, from one state. A forked child cannot go on with it.

        Raises:
            NotFoundError: no such table; at the call.
        """
        if self._find(table_id) is None:
            raise self.not_found(table_id)
        return self._scan(table_id)

    def position(self, table_id: str) -> Position | None:
        """Return how far the table has come; None: nothing applied, or no such table."""
        state = self._find(table_id)
        if state is None:
            return None
        self._versions.see(table_id, state.version)
        return None if state.mark is None else position_of(state.mark, table_id, self.url)

    def drop(self, table_id: str) -> None:
        """Remove a table. Does nothing if it is not there."""

        def work(connection: Any) -> None:
            with self.transaction(connection) as cursor:
                state = self.locked(cursor, table_id)
                if state is None:
                    return
                cursor.execute(self.statements.hide, (table_id,))
            for name in self.generations(connection, state):
                self.drop_rows(connection, name, seconds=self.timeout_seconds)
            with self.transaction(connection) as cursor:
                cursor.execute(self.statements.remove, (table_id,))

        if self._find(table_id, is_known=False) is not None:
            self._write(work)
        self._places.pop(table_id, None)

    def close(self) -> None:
        """Release connections. The store can be used again afterwards."""
        self._connections.close()

    async def aclose(self) -> None:
        """Release the connections of the running event loop. The store can be used again afterwards."""
        await self._async_connections.close()

    # What the databases' own parts use.

    def make(self, connection: Any, *, table_id: str, is_known: bool = True) -> None:
        """Make the table's row and its first generation, and what they stand in; harmless if they are there."""
        with self.transaction(connection) as cursor:
            for statement in self.statements.create:
                cursor.execute(statement)
        with self.transaction(connection) as cursor:
            cursor.execute(self.statements.add, (table_id, new_version()))
            state = self.locked(cursor, table_id)
            if state is None:
                raise ConflictError(
                    f"The online table {table_id!r} was dropped while it was made. Try again."
                )
            if is_known and state.generation == 0:
                self.create_rows(cursor, state.rows_table(1))
                cursor.execute(self.statements.show, (table_id,))

    def executed(self, cursor: Any, statement: str, parameters: Sequence[object] | None = None) -> bool:
        """Run a statement; return False if a table that it names is not there."""
        try:
            cursor.execute(statement, parameters)
        except Exception as error:
            if self.is_no_table(error):
                return False
            raise
        return True

    def locked(self, cursor: Any, table_id: str) -> State | None:
        """Return the state of a table, which nobody else changes before the transaction ends; None: there is none."""
        return self._state(cursor, self.statements.lock, table_id)

    def apply(
        self, cursor: Any, name: str, pairs: Sequence[tuple[bytes, bytes | None]], *, is_final: bool
    ) -> None:
        """Write a batch of rows, of which null ones remove the key."""
        kept = [(key, row) for key, row in pairs if row is not None]
        if len(kept) < len(pairs):
            self.delete(cursor, name, [key for key, row in pairs if row is None])
        if kept:
            self.put(cursor, name, kept, is_final=is_final)

    def check_format(self, found: Sequence[Any] | None) -> None:
        """Raise FormatVersionError or CorruptStoreError unless this release reads the store's format."""
        if found is None:
            raise CorruptStoreError(
                f"The table hopyard_format in {self.url} is empty. Is it somebody else's?"
            )
        if found[0] > FORMAT_VERSION:
            raise FormatVersionError(f"The online store {self.url}", found[0], FORMAT_VERSION)

    # How it is done.

    def _checked(self) -> Any:
        """Return a new connection to a database whose format this release reads, or that has nothing yet."""
        connection = self.connect()
        try:
            cursor = connection.cursor()
            if self.executed(cursor, self.statements.format_version):
                self.check_format(cursor.fetchone())
        except BaseException:
            connection.close()
            raise
        return connection

    def _read(self, work: Callable[[Any], T]) -> T:
        seconds = min(self.timeout_seconds, READ_SECONDS)
        return self.retries.run(lambda: self._connections.use(work), seconds=seconds)

    def _write(self, work: Callable[[Any], T]) -> T:
        return self.retries.run(lambda: self._connections.use(work), seconds=self.timeout_seconds)

    def _state(self, cursor: Any, statement: str, table_id: str) -> State | None:
        found = cursor.fetchone() if self.executed(cursor, statement, (table_id,)) else None
        return None if found is None else State(*found)

    def _find(self, table_id: str, *, is_known: bool = True) -> State | None:
        """Return the state of a table; None: there is none, or nobody knows it yet."""

        def work(connection: Any) -> State | None:
            return self._state(connection.cursor(), self.statements.find, table_id)

        state = self._read(work)
        return None if state is None or (is_known and state.generation == 0) else state

    def not_found(self, table_id: str) -> NotFoundError:
        def work(connection: Any) -> list[str]:
            cursor = connection.cursor()
            if not self.executed(cursor, self.statements.known):
                return []
            return [found for (found,) in cursor.fetchall()]

        return NotFoundError("online table", table_id, self._read(work))

    def _with_names(self, error: NotFoundError, lookups: Sequence[Lookup]) -> NotFoundError:
        """Return the error of a read with the tables that there are, not only those that were read."""
        for table_id in dict.fromkeys(table_id for table_id, _ in lookups):
            if self._find(table_id) is None:
                return self.not_found(table_id)
        return error

    def _scan(self, table_id: str) -> Iterator[tuple[bytes, bytes]]:
        pid = os.getpid()
        pairs, batches = self._begun(table_id)
        while pairs:
            for key, row in pairs:
                if os.getpid() != pid:
                    raise StoreError(
                        f"The online store {self.url} was closed during a scan, by a fork of this process. Scan again."
                    )
                yield full_key(key, row), row
            pairs = self.retries.once(lambda: next(batches, ()))

    def _begun(self, table_id: str) -> tuple[Sequence[Pair], Iterator[Sequence[Pair]]]:
        """Return the first rows of a scan, and the others; it begins again when the rows are dropped by a switch."""
        for _ in range(_MAX_SWITCHES):
            batches = self.stream(table_id)
            try:
                return self.retries.once(partial(self._first, batches)), batches
            except _SwitchedError:
                continue
        raise StoreError(
            f"The online table {table_id!r} in {self.url} was replaced without end while scanned."
        )

    def _first(self, batches: Iterator[Sequence[Pair]]) -> Sequence[Pair]:
        try:
            return next(batches, ())
        except Exception as error:
            if self.is_no_table(error):
                raise _SwitchedError from error
            raise

    def generations(self, connection: Any, state: State) -> list[str]:
        """Return the names of all generations of a table that are there."""
        cursor = connection.cursor()
        cursor.execute(self.statements.names, (f"hopyard_rows_{state.number}_",))
        return [name for (name,) in cursor.fetchall()]

    def next_generation(self, connection: Any, state: State) -> int:
        """Return a generation that no table has yet, also none that a crash left."""
        names = self.generations(connection, state)
        return max([state.generation, *(int(name.rpartition("_")[2]) for name in names)]) + 1

    def locked_error(self, advice: str) -> LockTimeoutError:
        """Return the error that somebody else holds a lock; the advice says how to end it."""
        return LockTimeoutError(
            f"A table of the online store {self.url} was locked by somebody else for longer than "
            f"{self.timeout_seconds:g} s. Wait for it, or end its {advice}; then try again."
        )

    def full_error(self, error: Exception) -> StoreError:
        """Return an error of the driver as that of a full server."""
        return StoreError(f"The online store {self.url} is full: {error}. Free disk space or memory there.")

    def sweep(self, connection: Any, state: State, *, seconds: float) -> None:
        """Drop the generations that are not current; one that somebody reads at length is left to the next time."""
        for name in self.generations(connection, state):
            if name != state.rows_table():
                with suppress(StoreError):
                    self.retries.once(partial(self.drop_rows, connection, name, seconds=seconds))


def rows_table(number: int, generation: int) -> str:
    """Return the name of the table with the rows of a generation."""
    return f"hopyard_rows_{int(number)}_{int(generation)}"


def parts(rows: EncodedRows, n: int) -> Iterator[list[tuple[bytes, bytes | None]]]:
    """Yield stored keys and rows, n at a time."""
    for start in range(0, len(rows.keys), n):
        yield list(zip(*stored_rows(rows, start, n), strict=True))
