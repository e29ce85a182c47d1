"""The online store in MySQL, MariaDB or RonDB: one statement per read, whatever the number of tables and keys.

The drivers put values into the text of statements themselves. Keys and rows are put in as hexadecimal literals, which
is faster than their escaping, and cannot be anything else than bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from hopyard.errors import ConfigError, ConflictError, StoreError
from hopyard.failpoint import Failpoint, never_fail
from hopyard.model.codec import to_json
from hopyard.model.position import Position
from hopyard.online.network import Retries, address_of, keep_for_parent, new_version, without_password
from hopyard.online.pointers import Places, Question, Rows
from hopyard.online.sql import Pair, SqlOnlineStore, State, Statements, parts, rows_table
from hopyard.online.stores import options_of
from hopyard.ports import EncodedRows, OnlineTable
from hopyard.require import require

ENGINES = ("InnoDB", "NDBCLUSTER")

_ROW_TYPES = {"InnoDB": "LONGBLOB", "NDBCLUSTER": "VARBINARY(28000)"}
"""NDB keeps rows of at most 30,000 bytes in one piece."""

_SCAN_ROWS = 2_000
_STATEMENT_BYTES = 500_000
"""Half of the smallest `max_allowed_packet` that servers have had by default."""
_CONNECT_SECONDS = 5
_LONGEST_ANSWER_SECONDS = 60
_NO_TABLE = (1146, 1051, 1932, 1412)
"""Not there, or made after the snapshot that looks for it."""
_LOCKED = 1205
_FULL = (1021, 1041, 1114)
_PASSING = frozenset(
    # No connection (0: closed before), too many of them, shutdown, read-only (no primary yet), locks and deadlocks.
    {0, 2002, 2003, 2006, 2013, 2055, 1040, 1047, 1053, 1290, 1836, _LOCKED, 1213, 1020, 4009}
)


def open_mysql(url: str, *, timeout_seconds: float, failpoint: Failpoint = never_fail) -> MySqlOnlineStore:
    """Return the store of a URL such as `mysql://user:password@host:3306/database?engine=NDBCLUSTER`.

    Raises:
        ConfigError: no host or database, or an unknown option.
        MissingPackageError: PyMySQL is not installed.
    """
    parts = urlsplit(url)
    shown, example = without_password(url), "mysql://host:3306/database"
    address = address_of(url, parts, example=example)
    options = options_of(parts, {"engine": ENGINES, "ssl_ca": ()}, shown=shown)
    if not address["database"]:
        raise ConfigError(f"The online store {shown!r} names no database. Write it as {example}.")
    settings = {
        "host": address["host"],
        "port": address["port"] or 3306,
        "user": address["user"] or "",
        "password": address["password"] or "",
        "database": address["database"],
    }
    return MySqlOnlineStore(
        shown,
        settings,
        engine=options.get("engine", ENGINES[0]),
        ssl_ca=options.get("ssl_ca"),
        timeout_seconds=timeout_seconds,
        failpoint=failpoint,
    )


class MySqlOnlineStore(SqlOnlineStore):
    """The online store in a database of MySQL, MariaDB or RonDB."""

    batch_rows = 2_000

    def __init__(
        self,
        url: str,
        settings: dict[str, Any],
        *,
        engine: str = ENGINES[0],
        ssl_ca: str | None = None,
        timeout_seconds: float = 60.0,
        failpoint: Failpoint = never_fail,
    ) -> None:
        """Do no I/O; see `SqlOnlineStore`.

        Args:
            settings: of the drivers: host, port, user, password, database.
            engine: the storage engine of new tables.
            ssl_ca: a file with the certificates that the server's one is checked against; None: no TLS.
        """
        self._driver = require("pymysql", extra="mysql")
        self._engine, self._ssl_ca = engine, ssl_ca
        waits = max(1, min(int(timeout_seconds), _LONGEST_ANSWER_SECONDS // 2))
        self._settings = {
            **settings,
            "charset": "utf8mb4",
            "autocommit": True,
            "connect_timeout": _CONNECT_SECONDS,
            "init_command": _session(waits),
        }
        self.statements = statements(engine)
        retries = Retries(
            url,
            errors=(self._driver.err.MySQLError,),
            is_passing=lambda error: _number(error) in _PASSING,
            explain=self._explain,
        )
        super().__init__(url, retries=retries, timeout_seconds=timeout_seconds, failpoint=failpoint)

    def connect(self) -> Any:
        """Return a new connection in which each statement is a transaction."""
        tls = {"ssl_ca": self._ssl_ca} if self._ssl_ca else {}
        seconds = {"read_timeout": _LONGEST_ANSWER_SECONDS, "write_timeout": _LONGEST_ANSWER_SECONDS}
        return self._driver.connect(**self._settings, **tls, **seconds)

    async def aconnect(self) -> Any:
        """Return a new connection for the running event loop, its format checked."""
        import ssl

        tls = {"ssl": ssl.create_default_context(cafile=self._ssl_ca)} if self._ssl_ca else {}
        asyncmy = require("asyncmy", extra="mysql")
        self.retries.also(require("asyncmy.errors", extra="mysql").MySQLError)
        connection = await asyncmy.connect(**self._settings, **tls, read_timeout=_LONGEST_ANSWER_SECONDS)
        try:
            cursor = connection.cursor()
            try:
                await cursor.execute(self.statements.format_version)
            except Exception as error:
                if not self.is_no_table(error):
                    raise
            else:
                self.check_format(await cursor.fetchone())
        except BaseException:
            connection.close()
            raise
        return connection

    async def disconnect(self, connection: Any) -> None:
        """Close a connection of the running event loop."""
        await connection.ensure_closed()

    def is_no_table(self, error: Exception) -> bool:
        """Return whether an error says that a table is not there."""
        return _number(error) in _NO_TABLE

    @contextmanager
    def transaction(self, connection: Any) -> Iterator[Any]:
        """Yield a cursor in a transaction. Statements that make tables end it."""
        connection.begin()
        try:
            yield connection.cursor()
        except BaseException:
            with suppress(Exception):
                connection.rollback()
            raise
        connection.commit()

    def ask(self, connection: Any, question: Question) -> Rows | Places | None:
        """Return what a read asks, by one statement."""
        cursor = connection.cursor()
        found: Rows | Places | None = cursor.fetchall() if self.executed(cursor, *_asked(question)) else None
        return found

    async def aask(self, connection: Any, question: Question) -> Rows | Places | None:
        """Return what a read asks, awaited."""
        cursor = connection.cursor()
        try:
            await cursor.execute(*_asked(question))
        except Exception as error:
            if self.is_no_table(error):
                return None
            raise
        found: Rows | Places = await cursor.fetchall()
        return found

    def create_rows(self, cursor: Any, name: str) -> None:
        """Make the table of a generation if it is not there."""
        cursor.execute(create_rows(name, self._engine))

    def put(self, cursor: Any, name: str, pairs: list[Pair], *, is_final: bool) -> None:
        """Write rows by few statements; the newer event time wins unless they are final."""
        for statement in _puts(name, pairs, is_final=is_final):
            cursor.execute(statement)

    def delete(self, cursor: Any, name: str, keys: list[bytes]) -> None:
        """Remove the rows of these keys."""
        cursor.execute(_delete(name, keys))

    def drop_rows(self, connection: Any, name: str, *, seconds: float) -> None:
        """Drop the table of a generation; raises an error if somebody reads it for longer."""
        cursor = connection.cursor()
        cursor.execute("SET @hopyard_wait = @@SESSION.lock_wait_timeout")
        cursor.execute("SET SESSION lock_wait_timeout = %s", (max(1, int(seconds)),))
        try:
            cursor.execute(_drop(name))
        finally:
            with suppress(Exception):
                cursor.execute("SET SESSION lock_wait_timeout = @hopyard_wait")

    def fill_and_switch(
        self, connection: Any, table: OnlineTable, batches: Iterator[EncodedRows], upto: Position
    ) -> State:
        """Fill a new generation, a transaction per batch, and make it the current one."""
        cursor = connection.cursor()
        cursor.execute(self.statements.find, (table.id,))
        state = State(*cursor.fetchone())
        cursor.execute(_GET_LOCK, (state.number, int(self.timeout_seconds)))
        if cursor.fetchone() != (1,):
            raise self.locked_error("connection (SHOW PROCESSLIST)")
        try:
            self.sweep(connection, state, seconds=1)
            new = state._replace(
                generation=self.next_generation(connection, state), mark=to_json(upto).decode()
            )
            self.create_rows(cursor, new.rows_table())
            for batch in batches:
                for pairs in parts(batch, self.batch_rows):
                    with self.transaction(connection) as cursor:
                        self.apply(cursor, new.rows_table(), pairs, is_final=batch.is_final)
                self.failpoint("online_batch_written")
            with self.transaction(connection) as cursor:
                found = self.locked(cursor, table.id)
                if found is None or found[:3] != state[:3]:
                    raise ConflictError(
                        f"The online table {table.id!r} in {self.url} was written to while it was replaced. Nothing of "
                        f"the replacement is visible; replace it again."
                    )
                new = new._replace(version=new_version(state.version))
                cursor.execute(self.statements.switch, (new.generation, new.mark, new.version, table.id))
                self.failpoint("online_before_switch")
        except Exception:
            with suppress(Exception):
                self.drop_rows(connection, new.rows_table(), seconds=1)
            raise
        finally:
            with suppress(Exception):
                cursor.execute(_RELEASE_LOCK, (state.number,))
                cursor.fetchall()
        return new

    def stream(self, table_id: str) -> Iterator[Sequence[Pair]]:
        """Yield the keys and rows of a table in key order, from one snapshot, as the server sends them."""
        connection = self.connect()
        pid = os.getpid()
        try:
            cursor = connection.cursor()
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
            cursor.execute(self.statements.find, (table_id,))
            found = cursor.fetchone()
            if found is None or found[1] == 0:
                raise self.not_found(table_id)
            cursor = connection.cursor(self._driver.cursors.SSCursor)
            cursor.execute(_scan(State(*found).rows_table()))
            while pairs := cursor.fetchmany(_SCAN_ROWS):
                yield pairs
        finally:
            if os.getpid() == pid:
                connection.close()
            else:
                keep_for_parent((cursor, connection))

    def _explain(self, error: Exception) -> StoreError | None:
        if _number(error) == _LOCKED:
            return self.locked_error("connection (SHOW PROCESSLIST)")
        if _number(error) in _FULL:
            return self.full_error(error)
        return None


def statements(engine: str) -> Statements:
    """Return the statements on `hopyard_tables` and `hopyard_format` for a storage engine."""
    return Statements(
        create=(
            "CREATE TABLE IF NOT EXISTS hopyard_tables (id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT "
            "NULL PRIMARY KEY, number BIGINT NOT NULL AUTO_INCREMENT UNIQUE, generation BIGINT NOT NULL, version "
            f"BIGINT NOT NULL, mark VARCHAR(2000) CHARACTER SET utf8mb4) ENGINE={engine}",
            f"CREATE TABLE IF NOT EXISTS hopyard_format (version BIGINT NOT NULL PRIMARY KEY) ENGINE={engine}",
            "INSERT IGNORE INTO hopyard_format (version) SELECT 1 FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM "
            "hopyard_format)",
        ),
        names="SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND "
        "LOCATE(%s, table_name) = 1",
        add="INSERT IGNORE INTO hopyard_tables (id, generation, version) VALUES (%s, 0, %s)",
    )


def create_rows(name: str, engine: str) -> str:
    """Return the statement that makes the table of a generation."""
    return (
        f"CREATE TABLE IF NOT EXISTS {name} (k VARBINARY(511) NOT NULL PRIMARY KEY, r {_ROW_TYPES[engine]} NOT NULL) "
        f"ENGINE={engine}"
    )


_GET_LOCK = "SELECT GET_LOCK(CONCAT('hopyard_', LEFT(SHA1(DATABASE()), 16), '_', %s), %s)"
_RELEASE_LOCK = "SELECT RELEASE_LOCK(CONCAT('hopyard_', LEFT(SHA1(DATABASE()), 16), '_', %s))"


def _session(seconds: int) -> str:
    return f"SET SESSION innodb_lock_wait_timeout = {seconds}, SESSION lock_wait_timeout = {seconds}"


def _asked(question: Question) -> tuple[str, tuple[object, ...] | None]:
    """Return the statement of a read, and its parameters. Its rows say that a place is current, each with what is found
    there, or nulls."""
    if not question.places:
        return _FIND_PLACES, (question.ids,)
    selects = []
    for at, (number, generation) in enumerate(question.places):
        listed = ",".join([f"x'{key.hex()}'" for key in question.keys[at]])
        selects.append(
            f"SELECT {at}, k, r FROM hopyard_tables LEFT JOIN {rows_table(number, generation)} ON k IN ({listed}) "
            f"WHERE number = {number:d} AND generation = {generation:d}"
        )
    return " UNION ALL ".join(selects), None


_FIND_PLACES = "SELECT id, number, generation FROM hopyard_tables WHERE id IN %s AND generation > 0"


def _puts(name: str, pairs: Sequence[Pair], *, is_final: bool) -> Iterator[str]:
    """Yield statements that insert or replace the rows, none of them long, unless one row is."""
    newest = "IF(SUBSTR(VALUES(r), 5, 8) >= SUBSTR(r, 5, 8), VALUES(r), r)"
    end = f" ON DUPLICATE KEY UPDATE r = {'VALUES(r)' if is_final else newest}"
    values: list[str] = []
    size = 0
    for key, row in pairs:
        value = f"(x'{key.hex()}',x'{row.hex()}')"
        if values and size + len(value) > _STATEMENT_BYTES:
            yield f"INSERT INTO {name} (k, r) VALUES {','.join(values)}{end}"
            values, size = [], 0
        values.append(value)
        size += len(value) + 1
    yield f"INSERT INTO {name} (k, r) VALUES {','.join(values)}{end}"


def _delete(name: str, keys: Sequence[bytes]) -> str:
    listed = ",".join([f"x'{key.hex()}'" for key in keys])
    return f"DELETE FROM {name} WHERE k IN ({listed})"


def _drop(name: str) -> str:
    return f"DROP TABLE IF EXISTS {name}"


def _scan(name: str) -> str:
    return f"SELECT k, r FROM {name} ORDER BY k"


def _number(error: Exception) -> int | None:
    """Return the number of an error of the server or the driver."""
    return error.args[0] if error.args and isinstance(error.args[0], int) else None
