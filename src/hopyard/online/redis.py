"""The online store in Redis or Valkey: a hash per table, read by one command.

The hash has a field per row and two more, the mark and the version, so that one command answers from one state whether
the table is there, how far it has come, and what its rows are. `replace` fills another hash and renames it. Scripts on
the server write, batch by batch; the mark comes with the last batch. docs/reference/online-format.md has the details.
"""

from __future__ import annotations

import os
import random
import secrets
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from hopyard.errors import (
    ConfigError,
    ConflictError,
    CorruptStoreError,
    FormatVersionError,
    NotFoundError,
    StoreError,
)
from hopyard.failpoint import Failpoint, never_fail
from hopyard.model.codec import to_json
from hopyard.model.position import Position
from hopyard.online.encoded import stored_rows
from hopyard.online.keys import full_key
from hopyard.online.lookups import by_table, in_sequence
from hopyard.online.marks import position_of
from hopyard.online.network import (
    READ_SECONDS,
    AsyncConnections,
    Connections,
    Retries,
    Versions,
    address_of,
    new_version,
    without_password,
)
from hopyard.online.redis_scripts import CHANGED, DONE, ENSURE, LOST, SWITCH, WRITE
from hopyard.online.stores import options_of
from hopyard.ports import EncodedRows, Lookup, OnlineCapabilities, OnlineTable
from hopyard.require import require

if TYPE_CHECKING:
    from hopyard.online.sorted_copy import SortedCopy

FORMAT_VERSION = 1

MARK, VERSION = b"", b"#"
"""The fields of a table's hash that are no rows: no encoded key is empty or this one byte."""

_FORMAT_KEY = b"hopyard:format_version"
_TABLES_KEY = b"hopyard:tables"
_BATCH_ROWS = 1_000
_SCAN_ROWS = 1_000
_ANSWER_SECONDS = 10.0
_FILLING_SECONDS = 6 * 3600
"""What a crash leaves of a `replace` is removed by the server after this time."""
_CONFLICT_SECONDS = 0.005

Command: TypeAlias = tuple[Any, ...]
Tables: TypeAlias = dict[str, list[bytes]]


def open_redis(url: str, *, timeout_seconds: float, failpoint: Failpoint = never_fail) -> RedisOnlineStore:
    """Return the store of a URL such as `redis://user:password@host:6379/0`, or `rediss://` with TLS.

    Raises:
        ConfigError: no host, a database that is no number, or an unknown option.
        MissingPackageError: redis is not installed.
    """
    parts = urlsplit(url)
    address = address_of(url, parts, example="redis://host:6379/0")
    is_tls = parts.scheme == "rediss"
    options = options_of(parts, {"ssl_ca_certs": ()} if is_tls else {}, shown=without_password(url))
    database = address.pop("database") or "0"
    if not database.isdigit():
        raise ConfigError(
            f"The online store {without_password(url)!r} names the database {database!r}: Redis numbers its databases, "
            f"as in redis://host:6379/0."
        )
    settings = {
        "host": address["host"],
        "port": address["port"] or 6379,
        "username": address["user"] or None,
        "password": address["password"],
        "db": int(database),
        **options,
    }
    return RedisOnlineStore(
        without_password(url),
        settings,
        is_tls=is_tls,
        timeout_seconds=timeout_seconds,
        failpoint=failpoint,
    )


class RedisOnlineStore:
    """`ports.OnlineStore` and `ports.AsyncOnlineStore` in a Redis database, which may be shared with others."""

    capabilities = OnlineCapabilities(has_atomic_commits=False)

    def __init__(
        self,
        url: str,
        settings: dict[str, Any],
        *,
        is_tls: bool = False,
        timeout_seconds: float = 60.0,
        failpoint: Failpoint = never_fail,
    ) -> None:
        """Do no I/O.

        Args:
            url: without a password.
            settings: of the driver's connections.
            timeout_seconds: how long a write is tried again while the server does not answer.
            failpoint: called at each point of a write at which crash tests end the process.
        Raises:
            MissingPackageError: redis is not installed.
        """
        self._redis = require("redis", extra="redis")
        self._pack = require("hiredis", extra="redis").pack_command
        self.url, self._is_tls = url, is_tls
        self._timeout, self._failpoint = timeout_seconds, failpoint
        answer_seconds = min(max(timeout_seconds, 0.1), _ANSWER_SECONDS)
        self._settings = {
            **settings,
            "socket_timeout": answer_seconds,
            "socket_connect_timeout": answer_seconds,
            "protocol": 2,
        }
        errors = self._redis.exceptions
        self._retries = Retries(
            url, errors=(errors.RedisError,), is_passing=self._is_passing, explain=self._explain
        )
        self._connections = Connections(self._connect, lambda connection: connection.disconnect())
        self._async_connections = AsyncConnections(self._aconnect, lambda connection: connection.disconnect())
        self._versions = Versions(url)

    def ensure(self, table: OnlineTable) -> None:
        """Make the table known; does nothing if it is."""
        keys = (_table(table.id), _TABLES_KEY, _FORMAT_KEY)
        self._write(("EVAL", ENSURE, len(keys), *keys, table.id, new_version(), FORMAT_VERSION))

    def write(self, table: OnlineTable, rows: EncodedRows, upto: Position) -> None:
        """Apply rows batch by batch; the last batch sets the table's position, which says that all of them are there.

        Up to 1,000 rows are one batch, and become visible together with the position.

        Raises:
            NotFoundError: the table is not known.
            StoreError: the server does not answer in time, refuses, or has lost what it had acknowledged. The position
                is unchanged.
        """
        until = time.monotonic() + self._timeout
        while True:
            last = self._versions.last(table.id)
            mark, version = self._state(table.id)
            if version is None:
                raise self._not_found(table.id)
            self._versions.check(table.id, version, at_least=last)
            if self._write_all(table.id, rows, upto, version):
                return
            # Somebody else wrote. If the table was made anew, its rows must come first: a mark would hide that.
            if time.monotonic() > until or (mark and not self._state(table.id)[0]):
                raise ConflictError(
                    f"The online table {table.id!r} in {self.url} was changed by somebody else meanwhile. The "
                    f"position is unchanged; write these rows again."
                )
            time.sleep(random.uniform(0, _CONFLICT_SECONDS))

    def replace(self, table: OnlineTable, batches: Iterator[EncodedRows], upto: Position) -> None:
        """Replace the whole content by the batches; readers see the old or the new one, never a part.

        Raises:
            StoreError: the server does not answer in time, refuses, or lost what was filled in. The content is the old
                one.
        """
        filling = b"hopyard:filling:%b:%b" % (table.id.encode(), secrets.token_hex(8).encode())
        version = 1
        try:
            self._write(("HSET", filling, VERSION, version), ("EXPIRE", filling, _FILLING_SECONDS))
            for batch in batches:
                for part in _parts(batch):
                    answer, version = self._put(
                        filling, part, version, is_final=batch.is_final, is_filling=True
                    )
                    if answer != DONE:
                        raise self._lost(table.id)
                self._failpoint("online_batch_written")
            self._failpoint("online_before_switch")
            switched = new_version(self._state(table.id)[1] or 0)
            keys = (filling, _table(table.id), filling + b":old", _TABLES_KEY, _FORMAT_KEY)
            arguments = (table.id, to_json(upto), version, switched, FORMAT_VERSION)
            (answer,) = self._write(("EVAL", SWITCH, len(keys), *keys, *arguments))
            if answer != DONE:
                raise self._lost(table.id)
        except Exception:
            self._discard(filling)
            raise
        self._versions.see(table.id, switched)
        self._failpoint("online_after_switch")

    def read(self, lookups: Sequence[Lookup]) -> list[bytes | None]:
        """Return the rows of the keys, in order, from one state, in one round trip; None: no such key.

        Raises:
            NotFoundError: no such table. StoreError: the server does not answer, or refuses.
        """
        if not lookups:
            return []
        tables = by_table(lookups)
        commands = _reading(tables)
        replies = self._read(*commands)
        return self._answer(lookups, tables, replies)

    async def aread(self, lookups: Sequence[Lookup]) -> list[bytes | None]:
        """Return the rows of the keys without blocking the event loop; as `read` otherwise."""
        if not lookups:
            return []
        tables = by_table(lookups)
        commands = _reading(tables)
        replies = await self._aread(*commands)
        return self._answer(lookups, tables, replies)

    def scan(self, table_id: str) -> Iterator[tuple[bytes, bytes]]:
        """Yield every key and row, in key order, from one state.

        The server gives them in no order and over many round trips: they are copied to a temporary folder first, and
        again if the table was written to meanwhile.

        Raises:
            NotFoundError: no such table; at the call. StoreError: the table was written to all the time.
        """
        if self._state(table_id)[1] is None:
            raise self._not_found(table_id)
        return self._scan(table_id)

    def position(self, table_id: str) -> Position | None:
        """Return how far the table has come; None: nothing applied, or no such table."""
        mark, version = self._state(table_id)
        if version is not None:
            self._versions.see(table_id, version)
        return position_of(mark, table_id, self.url) if mark else None

    def drop(self, table_id: str) -> None:
        """Remove a table. Does nothing if it is not there."""
        self._write(("MULTI",), ("UNLINK", _table(table_id)), ("SREM", _TABLES_KEY, table_id), ("EXEC",))

    def close(self) -> None:
        """Release connections. The store can be used again afterwards."""
        self._connections.close()

    async def aclose(self) -> None:
        """Release the connections of the running event loop. The store can be used again afterwards."""
        await self._async_connections.close()

    def _write_all(self, table_id: str, rows: EncodedRows, upto: Position, version: int) -> bool:
        """Write all batches and the mark; return False if somebody else changed the table meanwhile."""
        parts = list(_parts(rows)) or [[]]
        for number, part in enumerate(parts, 1):
            is_last = number == len(parts)
            if is_last:
                self._failpoint("online_before_commit")
            mark = to_json(upto) if is_last else b""
            answer, version = self._put(_table(table_id), part, version, is_final=rows.is_final, mark=mark)
            if answer == LOST:
                raise self._lost(table_id)
            if answer == CHANGED:
                return False
            self._versions.see(table_id, version)
            self._failpoint("online_after_commit" if is_last else "online_batch_written")
        return True

    def _put(
        self,
        key: bytes,
        part: list[bytes],
        version: int,
        *,
        is_final: bool,
        mark: bytes = b"",
        is_filling: bool = False,
    ) -> tuple[int, int]:
        """Write a batch to the hash if it has this version; return the script's answer and the next version."""
        following = new_version(version)
        lifetime = _FILLING_SECONDS if is_filling else 0
        arguments = (version, following, int(is_final), mark, lifetime, *part)
        (answer,) = self._write(("EVAL", WRITE, 1, key, *arguments))
        return answer, following

    def _scan(self, table_id: str) -> Iterator[tuple[bytes, bytes]]:
        from hopyard.online.sorted_copy import SortedCopy  # LMDB, which no reader needs

        pid, until = os.getpid(), time.monotonic() + self._timeout
        with SortedCopy() as copy:
            while not self._is_copied(table_id, copy, until):
                copy.clear()
            for stored, row in copy:
                if os.getpid() != pid:
                    raise StoreError(
                        f"The online store {self.url} was closed during a scan, by a fork of this process. Scan again."
                    )
                yield full_key(stored, row), row

    def _is_copied(self, table_id: str, copy: SortedCopy, until: float) -> bool:
        """Copy the rows; return False if the table was written to meanwhile.

        Raises:
            NotFoundError: the table was dropped. StoreError: it took too long.
        """
        cursor, first = 0, None
        while True:
            replies = self._read(
                ("MULTI",),
                ("HGET", _table(table_id), VERSION),
                ("HSCAN", _table(table_id), cursor, "COUNT", _SCAN_ROWS),
                ("EXEC",),
            )
            version, (cursor, found) = replies[-1]
            if version is None:
                raise self._not_found(table_id)
            first = first or version
            if version != first and time.monotonic() < until:
                return False
            if version != first:
                raise StoreError(
                    f"The online table {table_id!r} in {self.url} was written to all the time, so that a scan did not "
                    f"find it in one state. Scan it while nobody writes."
                )
            pairs = zip(found[::2], found[1::2], strict=True)
            copy.add([pair for pair in pairs if pair[0] not in (MARK, VERSION)])
            if int(cursor) == 0:
                return True

    def _state(self, table_id: str) -> tuple[bytes | None, int | None]:
        """Return the mark and the version of a table; None, None: there is none."""
        ((mark, version),) = self._read(("HMGET", _table(table_id), MARK, VERSION))
        return mark, None if version is None else int(version)

    def _answer(
        self, lookups: Sequence[Lookup], tables: Tables, replies: Sequence[Any]
    ) -> list[bytes | None]:
        found = replies[-1] if len(tables) > 1 else replies
        for table_id, of_table in zip(tables, found, strict=True):
            if of_table[0] is None:
                raise self._not_found(table_id)
        # The first of each is the mark.
        rows = {table_id: of_table[1:] for table_id, of_table in zip(tables, found, strict=True)}
        return in_sequence(lookups, rows)

    def _not_found(self, table_id: str) -> NotFoundError:
        (known,) = self._read(("SMEMBERS", _TABLES_KEY))
        return NotFoundError("online table", table_id, [one.decode() for one in known])

    def _lost(self, name: str) -> StoreError:
        return StoreError(
            f"The online store {self.url} lost rows of {name!r} while they were written: was the server restarted "
            f"without persistence, or short of memory? The position is unchanged; catching up brings the rows back."
        )

    def _discard(self, key: bytes) -> None:
        """Remove the hash that a failed `replace` was filling, if the server can be reached; else it expires."""
        try:
            self._retries.once(partial(self._call, (("UNLINK", key),)))
        except StoreError:
            return

    def _read(self, *commands: Command) -> list[Any]:
        return self._retries.run(partial(self._call, commands), seconds=min(self._timeout, READ_SECONDS))

    async def _aread(self, *commands: Command) -> list[Any]:
        call = partial(self._acall, commands)
        return await self._retries.arun(call, seconds=min(self._timeout, READ_SECONDS))

    def _write(self, *commands: Command) -> list[Any]:
        return self._retries.run(partial(self._call, commands), seconds=self._timeout)

    def _call(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies to commands that are sent at once."""

        def work(connection: Any) -> list[Any]:
            connection.send_packed_command(self._packed(commands))
            return [connection.read_response(disable_decoding=True) for _ in commands]

        return self._connections.use(work)

    async def _acall(self, commands: Sequence[Command]) -> list[Any]:
        async def work(connection: Any) -> list[Any]:
            await connection.send_packed_command(self._packed(commands))
            return [await connection.read_response(disable_decoding=True) for _ in commands]

        return await self._async_connections.use(work)

    def _packed(self, commands: Sequence[Command]) -> list[bytes]:
        return [b"".join(map(self._pack, commands))]

    def _connect(self) -> Any:
        module = self._redis.connection
        connection = (module.SSLConnection if self._is_tls else module.Connection)(**self._settings)
        try:
            connection.connect()
            connection.send_command("GET", _FORMAT_KEY)
            self._check_format(connection.read_response(disable_decoding=True))
        except BaseException:
            connection.disconnect()
            raise
        return connection

    async def _aconnect(self) -> Any:
        module = require("redis.asyncio.connection", extra="redis")
        connection = (module.SSLConnection if self._is_tls else module.Connection)(**self._settings)
        try:
            await connection.connect()
            await connection.send_command("GET", _FORMAT_KEY)
            self._check_format(await connection.read_response(disable_decoding=True))
        except BaseException:
            await connection.disconnect()
            raise
        return connection

    def _check_format(self, stored: bytes | None) -> None:
        if stored is None:
            return  # Nobody has written yet.
        if not stored.isdigit():
            raise CorruptStoreError(
                f"The online store {self.url} has the format version {stored!r} in the key {_FORMAT_KEY.decode()!r}, "
                f"which is no number. Is it somebody else's?"
            )
        if int(stored) > FORMAT_VERSION:
            raise FormatVersionError(f"The online store {self.url}", int(stored), FORMAT_VERSION)

    def _is_passing(self, error: Exception) -> bool:
        errors = self._redis.exceptions
        if isinstance(error, (errors.AuthenticationError, errors.AuthorizationError)):
            return False
        if isinstance(error, errors.ResponseError):
            return str(error).startswith(
                ("READONLY", "LOADING", "MASTERDOWN", "TRYAGAIN", "UNBLOCKED", "BUSY ")
            )
        if "Invalid Database" in str(error):
            return False
        return isinstance(error, (errors.ConnectionError, errors.TimeoutError))

    def _explain(self, error: Exception) -> StoreError | None:
        if "OOM " in str(error) or "maxmemory" in str(error):
            return StoreError(
                f"The online store {self.url} is full: {error}. Raise `maxmemory`, or delete online feature groups "
                f"that nobody needs."
            )
        return None


def _table(table_id: str) -> bytes:
    return b"hopyard:table:%b" % table_id.encode()


def _reading(tables: Tables) -> list[Command]:
    """Return the commands that read from one state: one command for one table, a transaction for several."""
    commands: list[Command] = [("HMGET", _table(table_id), MARK, *keys) for table_id, keys in tables.items()]
    return commands if len(commands) == 1 else [("MULTI",), *commands, ("EXEC",)]


def _parts(rows: EncodedRows) -> Iterator[list[bytes]]:
    """Yield keys and rows by turns, some rows at a time; an empty row removes the key."""
    for start in range(0, len(rows.keys), _BATCH_ROWS):
        keys, values = stored_rows(rows, start, _BATCH_ROWS)
        part: list[bytes] = [b""] * (2 * len(keys))
        part[::2] = keys
        part[1::2] = [value or b"" for value in values]
        yield part
