"""The online store in Redis or Valkey: a key per row, read by one MGET. docs/reference/online-format.md has the keys.

Rows are written by a script on the server, in which the newer event time wins, batch by batch; the mark comes last. So
rows of a large write may be seen before its position is: every batch may be repeated, and whoever writes next does.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

import msgspec

from hopyard.errors import ConfigError, CorruptStoreError, FormatVersionError, NotFoundError
from hopyard.failpoint import Failpoint, never_fail
from hopyard.model.codec import to_json
from hopyard.model.position import Position
from hopyard.online.keys import full_key, stored_key
from hopyard.online.network import (
    FIRST_GENERATION,
    READ_SECONDS,
    Answer,
    Ask,
    Retries,
    afinish,
    checked_id,
    finish,
    next_generation,
    read_steps,
    without_password,
)
from hopyard.online.stores import options_of
from hopyard.ports import EncodedRows, Lookup, OnlineCapabilities, OnlineTable
from hopyard.require import require

FORMAT_VERSION = 1
_FORMAT_KEY = b"hopyard:format_version"
_POSITION: msgspec.json.Decoder[Position] = msgspec.json.Decoder(Position)
_WRITE_ROWS = 2_000
_SCAN_ROWS = 1_000
_ROUND_TRIP_SECONDS = 5.0

# Strings are compared byte by byte: Lua's own order is that of the server's locale.
_WRITE = """
local function older(a, b)
    for at = 1, 8 do
        local x, y = string.byte(a, at), string.byte(b, at)
        if x ~= y then return x < y end
    end
    return false
end
local is_final = ARGV[1] == '1'
for at, key in ipairs(KEYS) do
    local row = ARGV[at + 1]
    if row == '' then
        redis.call('UNLINK', key)
    else
        local stored = ''
        if not is_final then stored = redis.call('GETRANGE', key, 4, 11) end
        if #stored < 8 or not older(string.sub(row, 5, 12), stored) then redis.call('SET', key, row) end
    end
end
"""


def open_redis(url: str, *, timeout_seconds: float, failpoint: Failpoint = never_fail) -> RedisOnlineStore:
    """Return the store of a URL such as `redis://user:password@host:6379/0`. Raises ConfigError."""
    parts = urlsplit(url)
    options_of(parts, {}, shown=without_password(url))
    if not parts.hostname or not (parts.path.strip("/").isdigit() or parts.path in ("", "/")):
        raise ConfigError(
            f"The online store {without_password(url)!r} must name a host and a numbered database: "
            f"redis://host:6379/0."
        )
    return RedisOnlineStore(url, timeout_seconds=timeout_seconds, failpoint=failpoint)


class RedisOnlineStore:
    """`ports.OnlineStore` in a Redis database, which may be shared with others."""

    capabilities = OnlineCapabilities(has_atomic_commits=False, has_snapshot_scans=False)

    def __init__(self, url: str, *, timeout_seconds: float = 60.0, failpoint: Failpoint = never_fail) -> None:
        """Do no I/O.

        Args:
            timeout_seconds: how long a write is tried again while the server does not answer.
            failpoint: called at each point of a write at which crash tests end the process.
        Raises:
            MissingPackageError: redis is not installed.
        """
        self._redis = require("redis", extra="redis")
        self._connect_url, self.url = url, without_password(url)
        self._timeout, self._failpoint = timeout_seconds, failpoint
        errors = self._redis.exceptions
        self._retries = Retries(
            self.url,
            errors=(errors.RedisError, OSError),
            is_passing=lambda error: (
                isinstance(
                    error, (errors.ConnectionError, errors.TimeoutError, OSError, errors.ReadOnlyError)
                )
                and not isinstance(error, (errors.AuthenticationError, errors.AuthorizationError))
            ),
        )
        self._current: dict[str, str] = {}
        self._client: Any = None
        self._async_client: tuple[Any, Any] | None = None
        self._lock = threading.Lock()

    def ensure(self, table: OnlineTable) -> None:
        """Make the table known; does nothing if it is."""
        self._write(lambda client: client.set(_pointer(table.id), FIRST_GENERATION, nx=True))

    def write(self, table: OnlineTable, rows: EncodedRows, upto: Position) -> None:
        """Apply rows batch by batch, then set the table's position, which says that all of them are there.

        Raises:
            NotFoundError: the table is not known. StoreError: the server does not answer, or refuses.
        """
        generation = self._generation(table.id)
        batches = list(_batches(table.id, generation, rows))
        for batch in batches[:-1]:
            self._write(lambda client, batch=batch: self._script(client, batch))
            self._failpoint("online_batch_written")
        self._failpoint("before_online_commit")

        def last(client: Any) -> None:
            with client.pipeline(transaction=True) as pipe:
                for batch in batches[-1:]:
                    self._script(pipe, batch)
                pipe.set(_mark(table.id), to_json(upto))
                pipe.execute()

        self._write(last)
        self._failpoint("after_online_commit")

    def replace(self, table: OnlineTable, batches: Iterator[EncodedRows], upto: Position) -> None:
        """Replace the whole content by the batches; readers see the old or the new one, never a part."""
        old = self._find_generation(table.id)
        new = FIRST_GENERATION if old is None else next_generation(old)
        self._clear(table.id, new)  # what a crash left there
        for rows in batches:
            for batch in _batches(table.id, new, rows):
                self._write(lambda client, batch=batch: self._script(client, batch))
            self._failpoint("online_batch_written")
        self._failpoint("before_online_switch")

        def switch(client: Any) -> None:
            with client.pipeline(transaction=True) as pipe:
                pipe.set(_pointer(table.id), new)
                pipe.set(_mark(table.id), to_json(upto))
                pipe.execute()

        self._write(switch)
        self._current[table.id] = new
        self._failpoint("after_online_switch")
        if old is not None:
            self._clear(table.id, old)

    def read(self, lookups: Sequence[Lookup]) -> list[bytes | None]:
        """Return the rows of the keys, in order, by one MGET; None: no such key. Raises NotFoundError, StoreError."""
        if not lookups:
            return []
        client = self._open()

        def ask(asked: Ask) -> Answer:
            keys = _keys(asked)
            return _answer(asked, self._retries.run(lambda: client.mget(keys), seconds=READ_SECONDS))

        return finish(read_steps(self._current, lookups), ask)

    async def aread(self, lookups: Sequence[Lookup]) -> list[bytes | None]:
        """Return the rows of the keys without blocking the event loop; as `read` otherwise."""
        if not lookups:
            return []
        client = await self._aopen()

        async def ask(asked: Ask) -> Answer:
            keys = _keys(asked)
            return _answer(asked, await self._retries.arun(lambda: client.mget(keys), seconds=READ_SECONDS))

        return await afinish(read_steps(self._current, lookups), ask)

    def scan(self, table_id: str) -> Iterator[tuple[bytes, bytes]]:
        """Yield every key and row in key order; what is written meanwhile may show or not. Raises NotFoundError.

        The keys are held in memory.
        """
        prefix = _prefix(table_id, self._generation(table_id))
        return self._scan(prefix)

    def _scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        keys = iter(sorted(set(self._found(prefix))))
        while chosen := list(islice(keys, _SCAN_ROWS)):
            rows = self._read(lambda client, chosen=chosen: client.mget(chosen))
            for key, row in zip(chosen, rows, strict=True):
                if row is not None:
                    yield full_key(key[len(prefix) :], row), row

    def position(self, table_id: str) -> Position | None:
        """Return how far the table has come; None: nothing applied, or no such table."""
        mark = self._read(lambda client: client.get(_mark(table_id)))
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
        self._write(lambda client: client.delete(_pointer(table_id), _mark(table_id)))
        self._current.pop(table_id, None)
        self._clear(table_id)

    def close(self) -> None:
        """Release connections. The store can be used again afterwards."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    async def aclose(self) -> None:
        """Release the connections of this event loop."""
        opened, self._async_client = self._async_client, None
        if opened is not None:
            await opened[1].aclose()

    def _open(self) -> Any:
        client = self._client
        if client is None:
            with self._lock:
                client = self._client
                if client is None:
                    client = self._redis.Redis.from_url(self._connect_url, **self._options())
                    self._retries.run(lambda: self._check_format(client), seconds=READ_SECONDS)
                    self._client = client
        return client

    async def _aopen(self) -> Any:
        loop = asyncio.get_running_loop()
        opened = self._async_client
        if opened is None or opened[0] is not loop:
            self._open()  # which checks the format
            asyncio_redis = require("redis.asyncio", extra="redis")
            opened = loop, asyncio_redis.Redis.from_url(self._connect_url, **self._options())
            self._async_client = opened
        return opened[1]

    def _options(self) -> dict[str, Any]:
        # Retries are ours: the driver's own know nothing of how long a caller wants to wait.
        return {
            "socket_timeout": _ROUND_TRIP_SECONDS,
            "socket_connect_timeout": _ROUND_TRIP_SECONDS,
            "retry": None,
        }

    def _check_format(self, client: Any) -> None:
        client.set(_FORMAT_KEY, FORMAT_VERSION, nx=True)
        stored = client.get(_FORMAT_KEY)
        if not stored or not stored.isdigit():
            raise CorruptStoreError(
                f"The online store {self.url} has the format version {stored!r}, which is no number."
            )
        if int(stored) > FORMAT_VERSION:
            raise FormatVersionError(f"The online store {self.url}", int(stored), FORMAT_VERSION)

    def _read(self, call: Any) -> Any:
        client = self._open()
        return self._retries.run(lambda: call(client), seconds=READ_SECONDS)

    def _write(self, call: Any) -> Any:
        client = self._retries.run(self._open, seconds=self._timeout)
        return self._retries.run(lambda: call(client), seconds=self._timeout)

    def _script(self, client: Any, batch: tuple[list[bytes], list[bytes]]) -> None:
        keys, arguments = batch
        client.eval(_WRITE, len(keys), *keys, *arguments)

    def _find_generation(self, table_id: str) -> str | None:
        pointer = self._read(lambda client: client.get(_pointer(table_id)))
        return None if pointer is None else str(pointer.decode())

    def _generation(self, table_id: str) -> str:
        generation = self._find_generation(table_id)
        if generation is None:
            raise NotFoundError("online table", table_id, sorted(self._current))
        return generation

    def _found(self, prefix: bytes) -> Iterator[bytes]:
        cursor = 0
        while True:
            cursor, keys = self._read(
                lambda client, cursor=cursor: client.scan(cursor, match=prefix + b"*", count=10_000)
            )
            yield from keys
            if cursor == 0:
                return

    def _clear(self, table_id: str, generation: str = "") -> None:
        """Remove the rows of a generation, or of all."""
        keys = self._found(_prefix(table_id, generation) if generation else _prefix(table_id, "")[:-1])
        while chosen := list(islice(keys, _SCAN_ROWS)):
            self._write(lambda client, chosen=chosen: client.unlink(*chosen))


def _pointer(table_id: str) -> bytes:
    return f"hopyard:{checked_id(table_id)}:generation".encode()


def _mark(table_id: str) -> bytes:
    return f"hopyard:{table_id}:position".encode()


def _prefix(table_id: str, generation: str) -> bytes:
    return f"hopyard:{table_id}:{generation}:".encode()


def _keys(asked: Ask) -> list[bytes]:
    keys = [_pointer(table_id) for table_id, _ in asked.tables]
    for (table_id, generation), of_table in zip(asked.tables, asked.keys, strict=True):
        prefix = _prefix(table_id, generation)
        keys += [prefix + key for key in of_table]
    return keys


def _answer(asked: Ask, values: list[bytes | None]) -> Answer:
    start = len(asked.tables)
    generations = [None if value is None else value.decode() for value in values[:start]]
    rows = []
    for of_table in asked.keys:
        rows.append(values[start : start + len(of_table)])
        start += len(of_table)
    return Answer(generations, rows)


def _batches(table_id: str, generation: str, rows: EncodedRows) -> Iterator[tuple[list[bytes], list[bytes]]]:
    """Yield the keys and arguments of the script, some rows at a time."""
    prefix = _prefix(table_id, generation)
    for start in range(0, len(rows.keys), _WRITE_ROWS):
        keys: list[bytes] = rows.keys.slice(start, _WRITE_ROWS).to_pylist()
        values: list[bytes | None] = rows.rows.slice(start, _WRITE_ROWS).to_pylist()
        yield (
            [prefix + stored_key(key) for key in keys],
            [b"1" if rows.is_final else b"0", *(b"" if value is None else value for value in values)],
        )
