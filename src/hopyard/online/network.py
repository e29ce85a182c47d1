"""What the online stores behind a network share: connections that are kept, retries, and URLs without passwords."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit
from weakref import WeakKeyDictionary

from hopyard.errors import ConfigError, HopyardError, StoreError

T = TypeVar("T")

READ_SECONDS = 5.0
"""The longest time for which a read is tried again: who asks for a vector does not wait as long as who writes."""

_FIRST_WAIT_SECONDS = 0.01
_LONGEST_WAIT_SECONDS = 1.0
_MAX_IDLE = 64
_INHERITED: list[object] = []
"""The connections of parents, in a forked child: never closed or freed, because the sockets are shared."""


def without_password(url: str) -> str:
    """Return a URL as it may be shown and stored."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    user, host = parts.username or "", parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}@{host}" if user else host))


def address_of(url: str, parts: SplitResult, *, example: str) -> dict[str, Any]:
    """Return the host, port (None: the usual one), user, password and database of a URL; None for what it lacks.

    Raises:
        ConfigError: no host, or a port that is none.
    """
    try:
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f"The online store {without_password(url)!r} is no URL: {error}.") from error
    if not host:
        raise ConfigError(f"The online store {without_password(url)!r} names no host. Write it as {example}.")
    return {
        "host": host,
        "port": port,
        "user": None if parts.username is None else unquote(parts.username),
        "password": None if parts.password is None else unquote(parts.password),
        "database": unquote(parts.path.removeprefix("/")) or None,
    }


class Retries:
    """Tries a call again while a server is away or busy: after waits that grow, until the time is up."""

    def __init__(
        self,
        url: str,
        *,
        errors: tuple[type[Exception], ...],
        is_passing: Callable[[Exception], bool],
        explain: Callable[[Exception], Exception | None] = lambda error: None,
    ) -> None:
        """
        Args:
            url: as messages show it.
            errors: what the driver raises.
            is_passing: whether an error may be gone when the call is made again.
            explain: gives the error that says more than the ones here; None: it does not.
        """
        self._url, self._errors, self._is_passing, self._explain = url, errors, is_passing, explain

    def also(self, errors: type[Exception]) -> None:
        """Treat these as errors of the driver, too."""
        if errors not in self._errors:
            self._errors = (*self._errors, errors)

    def run(self, call: Callable[[], T], *, seconds: float) -> T:
        """Return what `call` returns; it must be harmless to repeat. Raises StoreError."""
        waits = _waits(seconds)
        while True:
            try:
                return call()
            except HopyardError:
                raise
            except self._errors as error:
                time.sleep(self._wait(waits, error, seconds))

    async def arun(self, call: Callable[[], Awaitable[T]], *, seconds: float) -> T:
        """Return what `call` returns, awaited; it must be harmless to repeat. Raises StoreError."""
        waits = _waits(seconds)
        while True:
            try:
                return await call()
            except HopyardError:
                raise
            except self._errors as error:
                await asyncio.sleep(self._wait(waits, error, seconds))

    def once(self, call: Callable[[], T]) -> T:
        """Return what `call` returns. Raises StoreError."""
        return self.run(call, seconds=0)

    def _wait(self, waits: Iterator[float], error: Exception, seconds: float) -> float:
        """Return how long to wait before the next try. Raises StoreError: there is none."""
        if self._is_passing(error) and (wait := next(waits, None)) is not None:
            return wait
        said = " ".join(str(error).split()) or type(error).__name__
        if (explained := self._explain(error)) is not None:
            raise explained from error
        if self._is_passing(error):
            tried = f" within {seconds:g} s" if seconds else ""
            raise StoreError(
                f"The online store {self._url} did not answer{tried}: {said}. See whether the server runs and can be "
                f"reached; then try again."
            ) from error
        raise StoreError(
            f"The online store {self._url} refused: {said}. Check user, password, database and rights (the URL in "
            f"HOPYARD_ONLINE_URL), and the server's log."
        ) from error


def _waits(seconds: float) -> Iterator[float]:
    """Yield waits, each up to twice the one before, at random, so that not all clients come back at once."""
    until, wait = time.monotonic() + seconds, _FIRST_WAIT_SECONDS
    while (left := until - time.monotonic()) > 0:
        yield min(random.uniform(wait / 2, wait), left)
        wait = min(2 * wait, _LONGEST_WAIT_SECONDS)


def keep_for_parent(connection: object) -> None:
    """Keep a connection of the parent's from being closed when it is freed in a forked child."""
    _INHERITED.append(connection)


class Connections:
    """Connections of a process, each used by one thread at a time and kept for the next one."""

    def __init__(self, connect: Callable[[], Any], close: Callable[[Any], object]) -> None:
        self._connect, self._close_one = connect, close
        self._idle: deque[Any] = deque()
        self._pid = os.getpid()

    def use(self, work: Callable[[Any], T]) -> T:
        """Return what `work` returns for a connection; one in which it failed is closed."""
        idle = self._own()
        try:
            connection = idle.pop()
        except IndexError:
            connection = self._connect()
        try:
            result = work(connection)
        except BaseException:
            with suppress(Exception):
                self._close_one(connection)
            raise
        if idle is self._idle and len(idle) < _MAX_IDLE:
            idle.append(connection)
        else:  # closed meanwhile
            self._close_one(connection)
        return result

    def close(self) -> None:
        """Close all connections; those in use are closed after it."""
        idle, self._idle = self._own(), deque()
        while idle:
            with suppress(Exception):
                self._close_one(idle.pop())

    def _own(self) -> deque[Any]:
        if self._pid != os.getpid():
            _INHERITED.append(self._idle)
            self._idle, self._pid = deque(), os.getpid()
        return self._idle


class AsyncConnections:
    """Connections of each event loop, each used by one task at a time and kept for the next one."""

    def __init__(
        self, connect: Callable[[], Awaitable[Any]], close: Callable[[Any], Awaitable[object]]
    ) -> None:
        self._connect, self._close_one = connect, close
        self._idle: WeakKeyDictionary[asyncio.AbstractEventLoop, deque[Any]] = WeakKeyDictionary()
        self._pid = os.getpid()

    async def use(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """Return what `work` returns, awaited; a connection in which it failed or was cancelled is closed."""
        loop = asyncio.get_running_loop()
        idle = self._own().setdefault(loop, deque())
        connection = idle.pop() if idle else await self._connect()
        try:
            result = await work(connection)
        except BaseException:
            with suppress(Exception):
                await self._close_one(connection)
            raise
        if self._idle.get(loop) is idle and len(idle) < _MAX_IDLE:
            idle.append(connection)
        else:
            await self._close_one(connection)
        return result

    async def close(self) -> None:
        """Close the connections of the running event loop; those in use are closed after it."""
        idle = self._own().pop(asyncio.get_running_loop(), None)
        while idle:
            with suppress(Exception):
                await self._close_one(idle.pop())

    def _own(self) -> WeakKeyDictionary[asyncio.AbstractEventLoop, deque[Any]]:
        if self._pid != os.getpid():
            _INHERITED.append(self._idle)
            self._idle, self._pid = WeakKeyDictionary(), os.getpid()
        return self._idle


class Versions:
    """The last version of each table that this process has seen.

    Every write raises a table's version, and a new table begins with the time of its making. A server that has a lower
    one than it had was put back: to write the next commit there would hide the lost ones behind its mark.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._seen: dict[str, int] = {}

    def see(self, table_id: str, version: int) -> None:
        """Remember a version, as it is."""
        self._seen[table_id] = version

    def last(self, table_id: str) -> int:
        """Return the version that was seen last; 0: none."""
        return self._seen.get(table_id, 0)

    def check(self, table_id: str, version: int, *, at_least: int) -> None:
        """Raise StoreError if a version that was just read is lower than the last one seen before; once, because the
        caller is told."""
        if version < at_least:
            self._seen.pop(table_id, None)
            raise StoreError(
                f"The online store {self._url} went back to an earlier state of the table {table_id!r}: its server "
                f"lost writes that it had acknowledged (was it restarted without persistence, or replaced by a "
                f"replica that lagged?). Nothing was written; catching up brings back what was lost."
            )


def new_version(before: int = 0) -> int:
    """Return a version above `before`: the time, so that a table that begins anew has a higher one than it had."""
    return max(before + 1, time.time_ns() // 1000)
