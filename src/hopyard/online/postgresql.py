"""The online store in PostgreSQL: one prepared statement per read, whatever the number of tables and keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from hopyard.errors import ConfigError
from hopyard.failpoint import Failpoint, never_fail
from hopyard.online.network import READ_SECONDS, Answer, Ask, Retries, afinish, read_steps, without_password
from hopyard.online.sql import POINTER, TABLES, SqlOnlineStore, answer, closing_on_error, gone, table_name
from hopyard.ports import Lookup
from hopyard.require import require

_SCAN_ROWS = 1_000
_CONNECT_SECONDS = 5
_ASYNC_CONNECTIONS = 16
_PASSING_STATES = ("08", "40", "53", "55", "57")
"""Classes of SQLSTATE that pass: connection, rollback, resources, locks, shutdown."""
_PASSING_TEXTS = (
    "starting up",
    "shutting down",
    "too many clients",
    "remaining connection slots",
    "in recovery",
)


def open_postgresql(
    url: str, *, timeout_seconds: float, failpoint: Failpoint = never_fail
) -> PostgreSqlOnlineStore:
    """Return the store of a URL such as `postgresql://user:password@host:5432/database`.

    Options in the URL are those of libpq, such as `sslmode`.

    Raises:
        ConfigError: it names no database, or has an option that libpq does not know.
        MissingPackageError: psycopg is not installed.
    """
    psycopg = require("psycopg", extra="postgresql")
    shown = without_password(url)
    try:
        known = psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.Error as error:
        raise ConfigError(
            f"The online store {shown!r} is no URL of PostgreSQL: {str(error).strip()}"
        ) from error
    if not known.get("dbname"):
        raise ConfigError(
            f"The online store {shown!r} must name a database: postgresql://host:5432/database."
        )
    return PostgreSqlOnlineStore(url, timeout_seconds=timeout_seconds, failpoint=failpoint)


class PostgreSqlOnlineStore(SqlOnlineStore):
    """`ports.OnlineStore` in a PostgreSQL database, which may be shared with others."""

    put_rows = 5_000

    def __init__(self, url: str, *, timeout_seconds: float = 60.0, failpoint: Failpoint = never_fail) -> None:
        """Do no I/O; see `SqlOnlineStore`."""
        self._psycopg = require("psycopg", extra="postgresql")
        self._connect_url = url
        shown = without_password(url)
        retries = Retries(shown, errors=(self._psycopg.Error, OSError), is_passing=_is_passing)
        super().__init__(shown, retries=retries, timeout_seconds=timeout_seconds, failpoint=failpoint)

    def connect(self) -> Any:
        """Return a new connection in which each statement is a transaction, with binary results."""
        return self._psycopg.connect(
            self._connect_url,
            autocommit=True,
            connect_timeout=_CONNECT_SECONDS,
            prepare_threshold=0,
        )

    def is_open(self, connection: Any) -> bool:
        """Return whether a connection can be used."""
        return not connection.closed

    @contextmanager
    def transaction(self, connection: Any) -> Iterator[Any]:
        """Yield a cursor in a transaction."""
        with closing_on_error(connection), connection.transaction():
            yield connection.cursor()

    def create_statement(self, name: str) -> str:
        """Return the statement that makes the table of a generation."""
        return f"CREATE TABLE IF NOT EXISTS {name} (k bytea PRIMARY KEY, r bytea NOT NULL)"

    def create_tables_statement(self) -> str:
        """Return the statement that makes `hopyard_tables`, unless somebody does so at this moment."""
        return (
            f"DO $$ BEGIN CREATE TABLE IF NOT EXISTS {TABLES} (id text PRIMARY KEY, generation text NOT NULL, "
            f"position text); EXCEPTION WHEN duplicate_table OR unique_violation THEN NULL; END $$"
        )

    def insert_ignoring(self) -> str:
        """Return the statement that adds a table's generation, if it has none."""
        return f"INSERT INTO {TABLES} (id, generation) VALUES (%s, %s) ON CONFLICT DO NOTHING"

    def put(self, cursor: Any, name: str, keys: list[bytes], rows: list[bytes], *, is_final: bool) -> None:
        """Write rows by one statement; the newer event time wins unless they are final."""
        newer = (
            ""
            if is_final
            else f"WHERE substring(excluded.r from 5 for 8) >= substring({name}.r from 5 for 8)"
        )
        cursor.execute(
            f"INSERT INTO {name} (k, r) SELECT * FROM unnest(%b::bytea[], %b::bytea[]) "
            f"ON CONFLICT (k) DO UPDATE SET r = excluded.r {newer}",
            (keys, rows),
        )

    def remove(self, cursor: Any, name: str, keys: list[bytes]) -> None:
        """Remove the rows of these keys."""
        cursor.execute(f"DELETE FROM {name} WHERE k = ANY(%b::bytea[])", (keys,))

    def ask(self, connection: Any, asked: Ask) -> Answer:
        """Answer what a read asks, by one prepared statement."""
        statement, parameters = _question(asked)
        with closing_on_error(connection):
            try:
                found = connection.execute(statement, parameters, binary=True).fetchall()
            except self._psycopg.errors.UndefinedTable:
                found = None
        if found is not None:
            return answer(asked, found)
        return gone(asked, connection.execute(*_pointers(asked)).fetchall())

    async def aread(self, lookups: Sequence[Lookup]) -> list[bytes | None]:
        """Return the rows of the keys without blocking the event loop; as `read` otherwise."""
        if not lookups:
            return []

        async def once(asked: Ask) -> Answer:
            async with (await self.pool()).connection() as connection:
                statement, parameters = _question(asked)
                try:
                    cursor = await connection.execute(statement, parameters, binary=True)
                except self._psycopg.errors.UndefinedTable:
                    cursor = await connection.execute(*_pointers(asked))
                    return gone(asked, await cursor.fetchall())
                return answer(asked, await cursor.fetchall())

        async def ask(asked: Ask) -> Answer:
            return await self.retries.arun(lambda: once(asked), seconds=READ_SECONDS)

        return await afinish(read_steps(self.current, lookups), ask)

    async def make_pool(self) -> Any:
        """Return a pool of connections for the running event loop."""
        pools = require("psycopg_pool", extra="postgresql")
        options = {"autocommit": True, "prepare_threshold": 0, "connect_timeout": _CONNECT_SECONDS}
        pool = pools.AsyncConnectionPool(
            self._connect_url, min_size=1, max_size=_ASYNC_CONNECTIONS, kwargs=options, open=False
        )
        await pool.open()
        return pool

    async def close_pool(self, pool: Any) -> None:
        """Close such a pool."""
        await pool.close()

    def stream(self, connection: Any, statement: str) -> Iterator[Sequence[tuple[bytes, bytes]]]:
        """Yield keys and rows of a statement, by a cursor of the server."""
        with connection.transaction(), connection.cursor(name="hopyard_scan", binary=True) as cursor:
            cursor.execute(statement)
            while found := cursor.fetchmany(_SCAN_ROWS):
                yield found

    def drop_unused(self, cursor: Any, name: str) -> None:
        """Drop a table unless somebody reads it."""
        with cursor.connection.transaction():
            cursor.execute("SET LOCAL lock_timeout = '200ms'")
            cursor.execute(f"DROP TABLE IF EXISTS {name}")

    def names_like(self, cursor: Any, prefix: str) -> list[str]:
        """Return the names of the tables that begin so."""
        cursor.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = ANY(current_schemas(false)) "
            "AND starts_with(tablename::text, %s)",
            (prefix,),
        )
        return [name for (name,) in cursor.fetchall()]


def _question(asked: Ask) -> tuple[str, list[Any]]:
    """Return the statement of a read and its parameters."""
    return _statement(asked.tables), [[table_id for table_id, _ in asked.tables], *asked.keys]


@lru_cache(maxsize=1024)
def _statement(tables: tuple[tuple[str, str], ...]) -> str:
    parts = [
        f"SELECT {POINTER} AS n, convert_to(id, 'UTF8') AS k, convert_to(generation, 'UTF8') AS r FROM {TABLES} "
        f"WHERE id = ANY(%s)"
    ]
    for number, (table_id, generation) in enumerate(tables):
        name = table_name(table_id, generation)
        parts.append(f"SELECT {number}, k, r FROM {name} WHERE k = ANY(%b::bytea[])")
    return " UNION ALL ".join(parts)


def _pointers(asked: Ask) -> tuple[str, list[Any]]:
    statement = f"SELECT id, generation FROM {TABLES} WHERE id = ANY(%s)"
    return statement, [[table_id for table_id, _ in asked.tables]]


def _is_passing(error: Exception) -> bool:
    state = getattr(error, "sqlstate", None)
    if state is not None:
        return str(state)[:2] in _PASSING_STATES
    said = str(error)
    return "FATAL" not in said or any(text in said for text in _PASSING_TEXTS)
