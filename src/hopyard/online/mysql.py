"""The online store in MySQL, MariaDB or RonDB: one statement per read, whatever the number of tables and keys."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

from hopyard.errors import ConfigError
from hopyard.failpoint import Failpoint, never_fail
from hopyard.online.network import READ_SECONDS, Answer, Ask, Retries, afinish, read_steps, without_password
from hopyard.online.sql import POINTER, TABLES, SqlOnlineStore, answer, closing_on_error, gone, table_name
from hopyard.online.stores import options_of
from hopyard.ports import Lookup
from hopyard.require import require

_SCAN_ROWS = 1_000
_SECONDS = 5
_ASYNC_CONNECTIONS = 16
_NO_SUCH_TABLE = 1146
_PASSING = frozenset({1040, 1053, 1205, 1213, 1290, 2002, 2003, 2006, 2013, 2055, 4009})
"""Errors that pass: too many connections, shutdown, lock wait, deadlock, read only, no connection."""
ENGINES = ("InnoDB", "NDBCLUSTER")


def open_mysql(url: str, *, timeout_seconds: float, failpoint: Failpoint = never_fail) -> MySqlOnlineStore:
    """Return the store of a URL such as `mysql://user:password@host:3306/database?engine=NDBCLUSTER`.

    Raises:
        ConfigError: it names no database, or has an unknown option.
        MissingPackageError: PyMySQL is not installed.
    """
    parts = urlsplit(url)
    shown = without_password(url)
    options = options_of(parts, {"engine": ENGINES, "ssl_ca": ()}, shown=shown)
    database = unquote(parts.path.strip("/"))
    if not parts.hostname or not database or "/" in database:
        raise ConfigError(
            f"The online store {shown!r} must name a host and a database: mysql://host:3306/database."
        )
    settings: dict[str, Any] = {
        "host": parts.hostname,
        "port": parts.port or 3306,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "database": database,
    }
    if "ssl_ca" in options:
        settings["ssl"] = {"ca": options["ssl_ca"]}
    return MySqlOnlineStore(
        shown,
        settings,
        engine=options.get("engine", ENGINES[0]),
        timeout_seconds=timeout_seconds,
        failpoint=failpoint,
    )


class MySqlOnlineStore(SqlOnlineStore):
    """`ports.OnlineStore` in a database of MySQL, MariaDB or RonDB, which may be shared with others."""

    put_rows = 1_000

    def __init__(
        self,
        url: str,
        settings: dict[str, Any],
        *,
        engine: str = ENGINES[0],
        timeout_seconds: float = 60.0,
        failpoint: Failpoint = never_fail,
    ) -> None:
        """Do no I/O; see `SqlOnlineStore`.

        Args:
            settings: of the driver: host, port, user, password, database.
            engine: the storage engine of new tables.
        """
        self._pymysql = require("pymysql", extra="mysql")
        self._settings, self._engine = settings, engine
        retries = Retries(url, errors=(self._pymysql.err.MySQLError, OSError), is_passing=_is_passing)
        super().__init__(url, retries=retries, timeout_seconds=timeout_seconds, failpoint=failpoint)
        self._pool: tuple[Any, Any] | None = None

    def connect(self) -> Any:
        """Return a new connection in which each statement is a transaction."""
        return self._pymysql.connect(
            **self._settings,
            autocommit=True,
            charset="utf8mb4",
            connect_timeout=_SECONDS,
            read_timeout=10 * _SECONDS,
            write_timeout=10 * _SECONDS,
        )

    def is_open(self, connection: Any) -> bool:
        """Return whether a connection can be used."""
        return bool(connection.open)

    @contextmanager
    def transaction(self, connection: Any) -> Iterator[Any]:
        """Yield a cursor in a transaction."""
        with closing_on_error(connection):
            connection.begin()
            yield connection.cursor()
            connection.commit()

    def create_statement(self, name: str) -> str:
        """Return the statement that makes the table of a generation."""
        return (
            f"CREATE TABLE IF NOT EXISTS {name} (k VARBINARY(511) NOT NULL PRIMARY KEY, r MEDIUMBLOB NOT NULL) "
            f"ENGINE={self._engine}"
        )

    def create_tables_statement(self) -> str:
        """Return the statement that makes `hopyard_tables` if it is not there."""
        return (
            f"CREATE TABLE IF NOT EXISTS {TABLES} (id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL "
            f"PRIMARY KEY, generation VARCHAR(20) CHARACTER SET ascii NOT NULL, position VARCHAR(1000) CHARACTER SET "
            f"utf8mb4) ENGINE={self._engine}"
        )

    def insert_ignoring(self) -> str:
        """Return the statement that adds a table's generation, if it has none."""
        return f"INSERT IGNORE INTO {TABLES} (id, generation) VALUES (%s, %s)"

    def put(self, cursor: Any, name: str, keys: list[bytes], rows: list[bytes], *, is_final: bool) -> None:
        """Write rows by one statement; the newer event time wins unless they are final."""
        newer = (
            "VALUES(r)" if is_final else "IF(SUBSTRING(VALUES(r), 5, 8) >= SUBSTRING(r, 5, 8), VALUES(r), r)"
        )
        # The driver makes one statement of it, of as many rows as the server takes.
        cursor.executemany(
            f"INSERT INTO {name} (k, r) VALUES (%s, %s) ON DUPLICATE KEY UPDATE r = {newer}",
            list(zip(keys, rows, strict=True)),
        )

    def remove(self, cursor: Any, name: str, keys: list[bytes]) -> None:
        """Remove the rows of these keys."""
        cursor.execute(f"DELETE FROM {name} WHERE k IN %s", (keys,))

    def ask(self, connection: Any, asked: Ask) -> Answer:
        """Answer what a read asks, by one statement."""
        with closing_on_error(connection):
            cursor = connection.cursor()
            try:
                cursor.execute(*_question(asked))
                return answer(asked, cursor.fetchall())
            except self._pymysql.err.ProgrammingError as error:
                if error.args[0] != _NO_SUCH_TABLE:
                    raise
        cursor = connection.cursor()
        cursor.execute(*_pointers(asked))
        return gone(asked, cursor.fetchall())

    async def aread(self, lookups: Sequence[Lookup]) -> list[bytes | None]:
        """Return the rows of the keys without blocking the event loop; as `read` otherwise."""
        if not lookups:
            return []

        async def once(asked: Ask) -> Answer:
            async with (await self._apool()).acquire() as connection, connection.cursor() as cursor:
                try:
                    await cursor.execute(*_question(asked))
                    return answer(asked, await cursor.fetchall())
                except self._pymysql.err.ProgrammingError as error:
                    if error.args[0] != _NO_SUCH_TABLE:
                        raise
                await cursor.execute(*_pointers(asked))
                return gone(asked, await cursor.fetchall())

        async def ask(asked: Ask) -> Answer:
            return await self.retries.arun(lambda: once(asked), seconds=READ_SECONDS)

        return await afinish(read_steps(self.current, lookups), ask)

    async def aclose(self) -> None:
        """Release the connections of the running event loop."""
        opened, self._pool = self._pool, None
        if opened is not None:
            opened[1].close()
            await opened[1].wait_closed()

    async def _apool(self) -> Any:
        """Return the pool of connections of the running event loop."""
        loop = asyncio.get_running_loop()
        if self._pool is None or self._pool[0] is not loop:
            driver = require("aiomysql", extra="mysql")
            settings = {**self._settings, "db": self._settings["database"]}
            del settings["database"]
            pool = await driver.create_pool(
                minsize=1,
                maxsize=_ASYNC_CONNECTIONS,
                autocommit=True,
                charset="utf8mb4",
                connect_timeout=_SECONDS,
                **settings,
            )
            self._pool = loop, pool
        return self._pool[1]

    def stream(self, connection: Any, statement: str) -> Iterator[Sequence[tuple[bytes, bytes]]]:
        """Yield keys and rows of a statement, which the server keeps until they are asked for."""
        with connection.cursor(self._pymysql.cursors.SSCursor) as cursor:
            cursor.execute(statement)
            while found := cursor.fetchmany(_SCAN_ROWS):
                yield found

    def drop_unused(self, cursor: Any, name: str) -> None:
        """Drop a table unless somebody reads it."""
        cursor.execute("SET SESSION lock_wait_timeout = 1")
        try:
            cursor.execute(f"DROP TABLE IF EXISTS {name}")
        finally:
            cursor.execute("SET SESSION lock_wait_timeout = DEFAULT")

    def names_like(self, cursor: Any, prefix: str) -> list[str]:
        """Return the names of the tables that begin so."""
        cursor.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() "
            "AND LEFT(table_name, %s) = %s",
            (len(prefix), prefix),
        )
        return [name for (name,) in cursor.fetchall()]


def _question(asked: Ask) -> tuple[str, list[Any]]:
    """Return the statement of a read and its parameters."""
    parts = [
        f"SELECT {POINTER} AS n, CAST(id AS BINARY) AS k, CAST(generation AS BINARY) AS r FROM {TABLES} "
        f"WHERE id IN %s"
    ]
    for number, (table_id, generation) in enumerate(asked.tables):
        name = table_name(table_id, generation)
        parts.append(f"SELECT {number}, k, r FROM {name} WHERE k IN %s")
    return " UNION ALL ".join(parts), [[table_id for table_id, _ in asked.tables], *asked.keys]


def _pointers(asked: Ask) -> tuple[str, list[Any]]:
    statement = f"SELECT id, generation FROM {TABLES} WHERE id IN %s"
    return statement, [[table_id for table_id, _ in asked.tables]]


def _is_passing(error: Exception) -> bool:
    return isinstance(error, OSError) or (bool(error.args) and error.args[0] in _PASSING)
