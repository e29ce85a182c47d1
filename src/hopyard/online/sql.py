"""What the online stores in SQL databases share: tables, transactions and the steps of each operation.

Every generation of a table is a table of the database, `hopyard_<id>_<generation>`, with a key and a row; the table
`hopyard_tables` says which generation is current, and the position. docs/reference/online-format.md has the columns.
"""

from __future__ import annotations

import asyncio
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from typing import Any, TypeVar
from weakref import finalize

import msgspec

from hopyard.errors import CorruptStoreError, FormatVersionError, NotFoundError
from hopyard.failpoint import Failpoint
from hopyard.model.codec import to_json
from hopyard.model.position import Position
from hopyard.online.keys import full_key, stored_key
from hopyard.online.network import (
    FIRST_GENERATION,
    READ_SECONDS,
    Answer,
    Ask,
    Retries,
    checked_id,
    finish,
    next_generation,
    read_steps,
)
from hopyard.ports import EncodedRows, Lookup, OnlineCapabilities, OnlineTable

T = TypeVar("T")

_Part = tuple[list[bytes], list[bytes], list[bytes]]
"""Keys and their rows, and keys to remove."""

FORMAT_VERSION = 1
TABLES = "hopyard_tables"
FORMAT_ID = "format_version"
"""The row of `hopyard_tables` whose generation is the version of the format; no table has such an id."""
POINTER = -1
"""What stands in the place of a table's number where a row of a result is a table's generation."""
_MAX_SWITCHES = 100
_POSITION: msgspec.json.Decoder[Position] = msgspec.json.Decoder(Position)


class SqlOnlineStore(ABC):
    """`ports.OnlineStore` in a database, but for what its dialect and its driver do in their own way."""

    capabilities = OnlineCapabilities(has_atomic_commits=True)
    put_rows: int
    """How many rows a statement writes at most."""

    def __init__(self, url: str, *, retries: Retries, timeout_seconds: float, failpoint: Failpoint) -> None:
        """
        Args:
            url: without a password.
            timeout_seconds: how long a write is tried again while the server does not answer.
        """
        self.url = url
        self.retries, self._timeout, self._failpoint = retries, timeout_seconds, failpoint
        self.current: dict[str, str] = {}
        self._local = threading.local()
        self._is_prepared = False
        self._guard = threading.Lock()
        self._opened: list[tuple[int, Any]] = []
        self._pool: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None
        finalize(self, _close_all, self._opened)

    # What a dialect does in its own way.

    @abstractmethod
    def connect(self) -> Any:
        """Return a new connection of the driver that commits each statement by itself."""

    @abstractmethod
    def is_open(self, connection: Any) -> bool:
        """Return whether a connection can be used."""

    @abstractmethod
    def transaction(self, connection: Any) -> AbstractContextManager[Any]:
        """Yield a cursor in a transaction, which is committed at the end of the with block."""

    @abstractmethod
    def create_statement(self, name: str) -> str:
        """Return the statement that makes the table of a generation."""

    @abstractmethod
    def create_tables_statement(self) -> str:
        """Return the statement that makes `hopyard_tables` if it is not there."""

    @abstractmethod
    def insert_ignoring(self) -> str:
        """Return the statement that adds (id, generation) to `hopyard_tables`, and leaves what is there alone."""

    @abstractmethod
    def put(self, cursor: Any, name: str, keys: list[bytes], rows: list[bytes], *, is_final: bool) -> None:
        """Write rows, the newer event time wins unless they are final."""

    @abstractmethod
    def remove(self, cursor: Any, name: str, keys: list[bytes]) -> None:
        """Remove the rows of these keys."""

    @abstractmethod
    def ask(self, connection: Any, asked: Ask) -> Answer:
        """Answer what a read asks, by one statement."""

    @abstractmethod
    def stream(self, connection: Any, statement: str) -> Iterator[Sequence[tuple[bytes, bytes]]]:
        """Yield keys and rows of a statement, some at a time, without holding them all."""

    @abstractmethod
    def drop_unused(self, cursor: Any, name: str) -> None:
        """Drop a table that nobody is to read any more; the driver's error if somebody still does."""

    @abstractmethod
    def names_like(self, cursor: Any, prefix: str) -> list[str]:
        """Return the names of the tables that begin so."""

    @abstractmethod
    async def make_pool(self) -> Any:
        """Return a pool of connections for the running event loop."""

    @abstractmethod
    async def close_pool(self, pool: Any) -> None:
        """Close such a pool."""

    # The port.

    def ensure(self, table: OnlineTable) -> None:
        """Make the table known; does nothing if it is."""

        def work(cursor: Any) -> None:
            if self._generation(cursor, table.id) is None:
                cursor.execute(self.create_statement(table_name(table.id, FIRST_GENERATION)))
                cursor.execute(self.insert_ignoring(), (table.id, FIRST_GENERATION))

        self._write(work)

    def write(self, table: OnlineTable, rows: EncodedRows, upto: Position) -> None:
        """Apply rows and set the table's position in one transaction.

        Raises:
            NotFoundError: the table is not known. StoreError: the server does not answer, or refuses.
        """
        parts = list(self._parts(rows))

        def work(cursor: Any) -> None:
            # Locked: of two machines that write, one waits.
            generation = self._generation(cursor, table.id, is_locked=True)
            if generation is None:
                raise NotFoundError("online table", table.id, sorted(self.current))
            name = table_name(table.id, generation)
            for part in parts:
                self._put_part(cursor, name=name, part=part, is_final=rows.is_final)
            self._set(cursor, table.id, generation, upto)
            self._failpoint("before_online_commit")

        self._write(work)
        self._failpoint("after_online_commit")

    def replace(self, table: OnlineTable, batches: Iterator[EncodedRows], upto: Position) -> None:
        """Replace the whole content by the batches; readers see the old or the new one, never a part."""
        old = self._read(lambda connection: self._generation_of(connection, table.id))
        new = FIRST_GENERATION if old is None else next_generation(old)
        name = table_name(table.id, new)

        def begin(cursor: Any) -> None:
            cursor.execute(f"DROP TABLE IF EXISTS {name}")  # what a crash left
            cursor.execute(self.create_statement(name))

        self._write(begin)
        for rows in batches:
            for part in self._parts(rows):
                self._write(partial(self._put_part, name=name, part=part, is_final=rows.is_final))
            self._failpoint("online_batch_written")

        def switch(cursor: Any) -> None:
            if old is None:
                cursor.execute(self.insert_ignoring(), (table.id, new))
            self._set(cursor, table.id, new, upto)
            self._failpoint("before_online_switch")

        self._write(switch)
        self._failpoint("after_online_switch")
        self.current[table.id] = new
        self._drop_all(table.id, but=name)

    def read(self, lookups: Sequence[Lookup]) -> list[bytes | None]:
        """Return the rows of the keys, in order, by one statement; None: no such key.

        Raises:
            NotFoundError: no such table. StoreError: the server does not answer, or refuses.
        """
        if not lookups:
            return []

        def ask(asked: Ask) -> Answer:
            return self._read(lambda connection: self.ask(connection, asked))

        return finish(read_steps(self.current, lookups), ask)

    def scan(self, table_id: str) -> Iterator[tuple[bytes, bytes]]:
        """Yield every key and row from one state, in key order. Raises NotFoundError."""
        for _ in range(_MAX_SWITCHES):
            generation = self._read(lambda connection: self._generation_of(connection, table_id))
            if generation is None:
                raise NotFoundError("online table", table_id, sorted(self.current))
            connection = self.retries.run(self.connect, seconds=READ_SECONDS)
            statement = f"SELECT k, r FROM {table_name(table_id, generation)} ORDER BY k"
            parts = self.stream(connection, statement)
            try:
                first = next(parts, ())  # now, so that it is this state that shows
            except self.retries.errors:
                connection.close()
                continue  # it was replaced at this moment
            return self._scan(connection, first, parts)
        raise CorruptStoreError(
            f"The rows of the online table {table_id} in {self.url} are gone, or replaced without end. Rebuild the "
            f"table: hopyard online rebuild."
        )

    def position(self, table_id: str) -> Position | None:
        """Return how far the table has come; None: nothing applied, or no such table."""
        mark = self._read(lambda connection: self._find(connection, "position", table_id))
        if mark is None:
            return None
        try:
            return _POSITION.decode(mark)
        except msgspec.MsgspecError as error:
            raise CorruptStoreError(
                f"The position of the online table {table_id!r} in {self.url} cannot be read: {error}. Rebuild the "
                f"table: hopyard online rebuild."
            ) from error

    def drop(self, table_id: str) -> None:
        """Remove a table. Does nothing if it is not there."""
        self._write(lambda cursor: cursor.execute(f"DELETE FROM {TABLES} WHERE id = %s", (table_id,)))
        self.current.pop(table_id, None)
        self._drop_all(table_id)

    async def pool(self) -> Any:
        """Return the pool of the running event loop, which is made by who comes first."""
        loop = asyncio.get_running_loop()
        if self._pool is None or self._pool[0] is not loop:
            self._pool = loop, loop.create_task(self.make_pool())
        made = self._pool[1]
        try:
            return await asyncio.shield(made)
        except self.retries.errors:
            if self._pool is not None and self._pool[1] is made:
                self._pool = None  # so that the next try makes another one
            raise

    async def aclose(self) -> None:
        """Release the connections of the running event loop."""
        held, self._pool = self._pool, None
        if held is not None and held[0] is asyncio.get_running_loop():
            await self.close_pool(await held[1])

    def close(self) -> None:
        """Release the connections of all threads. The store can be used again afterwards."""
        with self._guard:
            self._local = threading.local()
            _close_all(self._opened)

    # How it is done.

    def connection(self) -> Any:
        """Return this thread's connection; in a forked child it is a new one."""
        held = getattr(self._local, "held", None)
        if held is not None and held[0] == os.getpid() and self.is_open(held[1]):
            return held[1]
        connection = self.connect()
        if not self._is_prepared:
            self._prepare(connection)
        self._local.held = (os.getpid(), connection)
        with self._guard:
            self._opened[:] = [
                held for held in self._opened if held[0] == os.getpid() and self.is_open(held[1])
            ]
            self._opened.append(self._local.held)
        return connection

    def _prepare(self, connection: Any) -> None:
        """Make `hopyard_tables` if it is not there, and check the version of the format."""
        cursor = connection.cursor()
        cursor.execute(self.create_tables_statement())
        cursor.execute(self.insert_ignoring(), (FORMAT_ID, str(FORMAT_VERSION)))
        stored = self._find(connection, "generation", FORMAT_ID)
        if stored is None or not stored.isdigit():
            raise CorruptStoreError(
                f"The online store {self.url} has the format version {stored!r}: it is no number."
            )
        if int(stored) > FORMAT_VERSION:
            raise FormatVersionError(f"The online store {self.url}", int(stored), FORMAT_VERSION)
        self._is_prepared = True

    def _read(self, call: Callable[[Any], T]) -> T:
        return self.retries.run(lambda: call(self.connection()), seconds=READ_SECONDS)

    def _write(self, work: Callable[[Any], object]) -> None:
        """Do work in a transaction, again from its beginning after an error that passes."""

        def once() -> None:
            with self.transaction(self.connection()) as cursor:
                work(cursor)

        self.retries.run(once, seconds=self._timeout)

    def _find(self, connection: Any, column: str, table_id: str) -> str | None:
        cursor = connection.cursor()
        cursor.execute(f"SELECT {column} FROM {TABLES} WHERE id = %s", (table_id,))
        found = cursor.fetchone()
        return None if found is None else found[0]

    def _generation_of(self, connection: Any, table_id: str) -> str | None:
        return self._find(connection, "generation", table_id)

    def _generation(self, cursor: Any, table_id: str, *, is_locked: bool = False) -> str | None:
        locked = " FOR UPDATE" if is_locked else ""
        cursor.execute(f"SELECT generation FROM {TABLES} WHERE id = %s{locked}", (table_id,))
        found = cursor.fetchone()
        return None if found is None else found[0]

    def _set(self, cursor: Any, table_id: str, generation: str, upto: Position) -> None:
        cursor.execute(
            f"UPDATE {TABLES} SET generation = %s, position = %s WHERE id = %s",
            (generation, to_json(upto).decode(), table_id),
        )

    def _parts(self, rows: EncodedRows) -> Iterator[_Part]:
        """Yield keys and rows to put, and keys to remove, some at a time."""
        for start in range(0, len(rows.keys), self.put_rows):
            keys = [stored_key(key) for key in rows.keys.slice(start, self.put_rows).to_pylist()]
            pairs = list(zip(keys, rows.rows.slice(start, self.put_rows).to_pylist(), strict=True))
            kept = [(key, row) for key, row in pairs if row is not None]
            gone = [key for key, row in pairs if row is None]
            yield [key for key, _ in kept], [row for _, row in kept], gone

    def _put_part(self, cursor: Any, *, name: str, part: _Part, is_final: bool) -> None:
        keys, rows, gone = part
        if gone:
            self.remove(cursor, name, gone)
        if keys:
            self.put(cursor, name, keys, rows, is_final=is_final)

    def _scan(
        self,
        connection: Any,
        first: Sequence[tuple[bytes, bytes]],
        parts: Iterator[Sequence[tuple[bytes, bytes]]],
    ) -> Iterator[tuple[bytes, bytes]]:
        try:
            found: Sequence[tuple[bytes, bytes]] = first
            while found:
                for key, row in found:
                    yield full_key(bytes(key), bytes(row)), bytes(row)
                found = self.retries.run(lambda: next(parts, ()), seconds=0)
        finally:
            connection.close()

    def _drop_all(self, table_id: str, *, but: str | None = None) -> None:
        """Drop the generations of a table, except one; those that somebody reads at length stay until the next time."""
        prefix = table_name(table_id, "")
        names = self._read(lambda connection: self.names_like(connection.cursor(), prefix))
        for name in names:
            if name != but:
                with suppress(*self.retries.errors):
                    self.drop_unused(self.connection().cursor(), name)


def _close_all(opened: list[tuple[int, Any]]) -> None:
    """Close connections; those of a parent process are the parent's to close."""
    while opened:
        pid, connection = opened.pop()
        if pid == os.getpid():
            with suppress(Exception):
                connection.close()


def table_name(table_id: str, generation: str) -> str:
    """Return the name of the table with the rows of a generation."""
    return f"hopyard_{checked_id(table_id)}_{generation}"


def gone(asked: Ask, pointers: Sequence[tuple[str, str]]) -> Answer:
    """Return the answer where the table of a generation that was asked for is gone.

    Args:
        pointers: ids and generations, as `hopyard_tables` has them now.
    """
    found = dict(pointers)
    return Answer([found.get(table_id) for table_id, _ in asked.tables], None)


def answer(asked: Ask, found: Sequence[tuple[int, bytes, bytes]]) -> Answer:
    """Return the rows of a statement as an answer: (number of the table, key, row), or (POINTER, id, generation)."""
    generations: dict[str, str] = {}
    by_table: list[dict[bytes, bytes]] = [{} for _ in asked.tables]
    for number, key, row in found:
        if number == POINTER:
            generations[bytes(key).decode()] = bytes(row).decode()
        else:
            by_table[number][bytes(key)] = bytes(row)
    return Answer(
        [generations.get(table_id) for table_id, _ in asked.tables],
        [[rows.get(key) for key in keys] for rows, keys in zip(by_table, asked.keys, strict=True)],
    )


@contextmanager
def closing_on_error(connection: Any) -> Iterator[None]:
    """Close a connection when anything goes wrong, so that nobody finds it in the middle of something."""
    try:
        yield
    except BaseException:
        with suppress(Exception):
            connection.close()
        raise
