"""The online store in PostgreSQL: one prepared statement per read, whatever the number of tables and keys."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from hopyard.errors import ConfigError, StoreError
from hopyard.failpoint import Failpoint, never_fail
from hopyard.model.codec import to_json
from hopyard.model.position import Position
from hopyard.online.network import Retries, address_of, keep_for_parent, new_version, without_password
from hopyard.online.pointers import Place, Places, Question, Rows
from hopyard.online.sql import Pair, SqlOnlineStore, State, Statements, parts, rows_table
from hopyard.ports import EncodedRows, OnlineTable
from hopyard.require import require

_FETCH = "FETCH 2000 FROM hopyard_scan"
_COPY_ROWS = 50_000
_SETTINGS: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
_SESSION = (
    "SELECT set_config('lock_timeout', %s, false), set_config('plan_cache_mode', 'force_generic_plan', false), "
    "set_config('jit', 'off', false)"
)
_CREATING = 7_011_925_131
"""The advisory lock under which tables are made: IF NOT EXISTS alone fails when two do so at once."""

_PASSING_CLASSES = ("08", "40", "53", "57")
"""Classes of SQLSTATE that pass: connection, rollback (deadlocks), resources, shutdown."""
_PASSING_STATES = ("55P03", "25006")
"""Somebody else's lock; a server that is no primary (yet)."""
_FULL = ("53100", "53200", "54000")
_PASSING_TEXTS = ("starting up", "shutting down", "too many", "connection slots", "recovery")

_STATEMENTS = Statements(
    create=(
        f"SELECT pg_advisory_xact_lock({_CREATING})",
        'CREATE TABLE IF NOT EXISTS hopyard_tables (id text COLLATE "C" PRIMARY KEY, number bigint GENERATED ALWAYS AS '
        "IDENTITY UNIQUE, generation bigint NOT NULL, version bigint NOT NULL, mark text)",
        "CREATE TABLE IF NOT EXISTS hopyard_format (version bigint NOT NULL)",
        "INSERT INTO hopyard_format (version) SELECT 1 WHERE NOT EXISTS (SELECT FROM hopyard_format)",
    ),
    names="SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace "
    "AND starts_with(relname::text, %s)",
    add="INSERT INTO hopyard_tables (id, generation, version) VALUES (%s, 0, %s) ON CONFLICT DO NOTHING",
)


def open_postgresql(
    url: str, *, timeout_seconds: float, failpoint: Failpoint = never_fail
) -> PostgreSqlOnlineStore:
    """Return the store of a URL such as `postgresql://user:password@host:5432/database`.

    Options in the URL are those of libpq, such as `sslmode`; what it does not say comes from where libpq looks, such as
    ~/.pgpass.

    Raises:
        ConfigError: no host or database, or an option that libpq does not have.
        MissingPackageError: psycopg is not installed.
    """
    psycopg = require("psycopg", extra="postgresql")
    shown, example = without_password(url), "postgresql://host:5432/database"
    address = address_of(url, urlsplit(url), example=example)
    if not address["database"]:
        raise ConfigError(f"The online store {shown!r} names no database. Write it as {example}.")
    try:
        psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.Error as error:
        said = " ".join(str(error).split()).replace(url, shown)
        raise ConfigError(f"The online store {shown!r} is no URL of PostgreSQL: {said}.") from None
    return PostgreSqlOnlineStore(url, timeout_seconds=timeout_seconds, failpoint=failpoint)


class PostgreSqlOnlineStore(SqlOnlineStore):
    """The online store in a PostgreSQL database."""

    statements = _STATEMENTS
    batch_rows = 5_000

    def __init__(self, url: str, *, timeout_seconds: float = 60.0, failpoint: Failpoint = never_fail) -> None:
        """Do no I/O; see `SqlOnlineStore`. The URL is with a password, if one is needed."""
        self._psycopg = require("psycopg", extra="postgresql")
        self._address = url
        shown = without_password(url)
        retries = Retries(
            shown, errors=(self._psycopg.Error,), is_passing=self._is_passing, explain=self._explain
        )
        super().__init__(shown, retries=retries, timeout_seconds=timeout_seconds, failpoint=failpoint)

    def connect(self) -> Any:
        """Return a new connection in which each statement is a transaction."""
        connection = self._psycopg.connect(self._address, autocommit=True, **_SETTINGS)
        try:
            connection.execute(_SESSION, (self._lock_timeout(),))
        except BaseException:
            connection.close()
            raise
        return connection

    async def aconnect(self) -> Any:
        """Return a new connection for the running event loop, its format checked."""
        connection = await self._psycopg.AsyncConnection.connect(self._address, autocommit=True, **_SETTINGS)
        try:
            await connection.execute(_SESSION, (self._lock_timeout(),))
            try:
                cursor = await connection.execute(self.statements.format_version)
            except self._psycopg.errors.UndefinedTable:
                return connection
            self.check_format(await cursor.fetchone())
        except BaseException:
            await connection.close()
            raise
        return connection

    async def disconnect(self, connection: Any) -> None:
        """Close a connection of the running event loop."""
        await connection.close()

    def is_no_table(self, error: Exception) -> bool:
        """Return whether an error says that a table is not there."""
        return isinstance(error, self._psycopg.errors.UndefinedTable)

    @contextmanager
    def transaction(self, connection: Any) -> Iterator[Any]:
        """Yield a cursor in a transaction."""
        with connection.transaction():
            yield connection.cursor()

    def ask(self, connection: Any, question: Question) -> Rows | Places | None:
        """Return what a read asks, by one prepared statement."""
        try:
            cursor = connection.execute(*_asked(question), prepare=True, binary=True)
        except self._psycopg.errors.UndefinedTable:
            return None
        found: Rows | Places = cursor.fetchall()
        return found

    async def aask(self, connection: Any, question: Question) -> Rows | Places | None:
        """Return what a read asks, awaited."""
        try:
            cursor = await connection.execute(*_asked(question), prepare=True, binary=True)
        except self._psycopg.errors.UndefinedTable:
            return None
        found: Rows | Places = await cursor.fetchall()
        return found

    def create_rows(self, cursor: Any, name: str) -> None:
        """Make the table of a generation if it is not there."""
        cursor.execute(_create_rows(name))

    def put(self, cursor: Any, name: str, pairs: list[Pair], *, is_final: bool) -> None:
        """Write rows by one statement; the newer event time wins unless they are final."""
        keys, rows = [key for key, _ in pairs], [row for _, row in pairs]
        cursor.execute(_put(name, is_final=is_final), (keys, rows))

    def delete(self, cursor: Any, name: str, keys: list[bytes]) -> None:
        """Remove the rows of these keys."""
        cursor.execute(_delete(name), (keys,))

    def drop_rows(self, connection: Any, name: str, *, seconds: float) -> None:
        """Drop the table of a generation; raises LockNotAvailable if somebody reads it for longer."""
        with connection.transaction():
            connection.execute("SELECT set_config('lock_timeout', %s, true)", (f"{int(seconds * 1000)}ms",))
            connection.execute(_drop(name))

    def fill_and_switch(
        self, connection: Any, table: OnlineTable, batches: Iterator[EncodedRows], upto: Position
    ) -> State:
        """Fill a new generation by COPY and make it the current one, in one transaction."""
        with self.transaction(connection) as cursor:
            state = self.locked(cursor, table.id)
            if state is None:
                raise StoreError(
                    f"The online table {table.id!r} was dropped while it was replaced. Try again."
                )
            new = state._replace(
                generation=self.next_generation(connection, state),
                version=new_version(state.version),
                mark=to_json(upto).decode(),
            )
            name = new.rows_table()
            cursor.execute(_create_heap(name))
            is_indexed = False
            for batch in batches:
                if not is_indexed and (batch.is_final or batch.rows.null_count):
                    self._index(connection, name)
                    is_indexed = True
                if is_indexed:
                    for pairs in parts(batch, self.batch_rows):
                        self.apply(cursor, name, pairs, is_final=batch.is_final)
                else:
                    self._copy(cursor, name, batch)
                self.failpoint("online_batch_written")
            if not is_indexed:
                self._index(connection, name)
            cursor.execute(self.statements.switch, (new.generation, new.mark, new.version, table.id))
            self.failpoint("online_before_switch")
        return new

    def stream(self, table_id: str) -> Iterator[Sequence[Pair]]:
        """Yield the keys and rows of a table in key order, by a cursor of the server in one snapshot."""
        connection = self.connect()
        pid = os.getpid()
        try:
            connection.autocommit = False
            connection.isolation_level = self._psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            found = connection.execute(self.statements.find, (table_id,)).fetchone()
            if found is None or found[1] == 0:
                raise self.not_found(table_id)
            # Plain SQL, because the driver's own cursor would be closed in a forked child, too.
            connection.execute(_declare(State(*found).rows_table()))
            while pairs := connection.execute(_FETCH, binary=True).fetchall():
                yield pairs
        finally:
            if os.getpid() == pid:
                connection.close()
            else:
                keep_for_parent(connection)

    def _copy(self, cursor: Any, name: str, rows: EncodedRows) -> None:
        """Append rows to a table without an index."""
        from hopyard.online.copy_data import copy_data  # pyarrow and numpy, which no reader needs

        for start in range(0, len(rows.keys), _COPY_ROWS):
            part = copy_data(rows.keys.slice(start, _COPY_ROWS), rows.rows.slice(start, _COPY_ROWS))
            with cursor.copy(_copy_into(name)) as copy:
                copy.write(part)

    def _index(self, connection: Any, name: str) -> None:
        """Make the key the primary one; of a key's rows, the newest stays."""
        try:
            with connection.transaction():
                connection.execute(_add_key(name))
        except self._psycopg.errors.UniqueViolation:
            connection.execute(_keep_newest(name))
            connection.execute(_add_key(name))

    def _lock_timeout(self) -> str:
        return f"{max(1, int(self.timeout_seconds * 1000))}ms"

    def _is_passing(self, error: Exception) -> bool:
        state = getattr(error, "sqlstate", None)
        if state is not None:
            return state not in _FULL and (state[:2] in _PASSING_CLASSES or state in _PASSING_STATES)
        if not isinstance(error, self._psycopg.OperationalError):
            return False
        said = str(error)
        return "FATAL" not in said or any(text in said for text in _PASSING_TEXTS)

    def _explain(self, error: Exception) -> StoreError | None:
        state = getattr(error, "sqlstate", None)
        if state == "55P03":
            return self.locked_error("transaction (pg_stat_activity)")
        if state in _FULL:
            return self.full_error(error)
        return None


def _asked(question: Question) -> tuple[str, Sequence[object]]:
    """Return the statement of a read and its parameters."""
    if not question.places:
        return _FIND_PLACES, (list(question.ids),)
    keys = question.keys
    if all(len(of_table) == 1 for of_table in keys):
        return _reading_one(question.places), [of_table[0] for of_table in keys]
    return _reading(question.places), keys


_FIND_PLACES = (
    "SELECT id, number, generation FROM hopyard_tables WHERE id = ANY(%s::text[]) AND generation > 0"
)


@lru_cache(maxsize=1024)
def _reading(places: tuple[Place, ...]) -> str:
    """Return the statement of a read: its text depends on the tables alone, so that the server knows it already."""
    return _union(places, "= ANY(%b::bytea[])")


@lru_cache(maxsize=1024)
def _reading_one(places: tuple[Place, ...]) -> str:
    """Return the statement that reads one key of each table: it has less to do."""
    return _union(places, "= %b")


def _union(places: tuple[Place, ...], condition: str) -> str:
    """Return a statement whose rows say that a place is current, each with what is found there, or nulls."""
    return " UNION ALL ".join(
        f"SELECT {at}, k, r FROM hopyard_tables LEFT JOIN {rows_table(number, generation)} ON k {condition} "
        f"WHERE number = {number:d} AND generation = {generation:d}"
        for at, (number, generation) in enumerate(places)
    )


def _create_rows(name: str) -> str:
    return f"CREATE TABLE IF NOT EXISTS {name} (k bytea PRIMARY KEY, r bytea NOT NULL)"


def _create_heap(name: str) -> str:
    return f"CREATE TABLE {name} (k bytea NOT NULL, r bytea NOT NULL)"


def _add_key(name: str) -> str:
    return f"ALTER TABLE {name} ADD PRIMARY KEY (k)"


def _keep_newest(name: str) -> str:
    return (
        f"DELETE FROM {name} WHERE ctid IN (SELECT ctid FROM (SELECT ctid, row_number() OVER (PARTITION BY k ORDER BY "
        f"substring(r FROM 5 FOR 8) DESC, ctid DESC) AS n FROM {name}) AS numbered WHERE n > 1)"
    )


def _copy_into(name: str) -> str:
    return f"COPY {name} (k, r) FROM STDIN (FORMAT BINARY)"


def _put(name: str, *, is_final: bool) -> str:
    newest = "substring(old.r FROM 5 FOR 8) <= substring(excluded.r FROM 5 FOR 8)"
    return (
        f"INSERT INTO {name} AS old (k, r) SELECT * FROM unnest(%b::bytea[], %b::bytea[]) "
        f"ON CONFLICT (k) DO UPDATE SET r = excluded.r WHERE {'true' if is_final else newest}"
    )


def _delete(name: str) -> str:
    return f"DELETE FROM {name} WHERE k = ANY(%b::bytea[])"


def _drop(name: str) -> str:
    return f"DROP TABLE IF EXISTS {name}"


def _declare(name: str) -> str:
    return f"DECLARE hopyard_scan NO SCROLL CURSOR FOR SELECT k, r FROM {name} ORDER BY k"
