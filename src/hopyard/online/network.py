"""What the stores behind a network share: the generations of a table, one round trip per read, and retries.

A table's rows are in a generation, so that `replace` can fill the next one and switch. A client remembers which one is
current, asks for rows in it, and has the same round trip tell it whether that is still so; only after a
switch it asks again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import NamedTuple, TypeAlias, TypeVar
from urllib.parse import urlsplit, urlunsplit

from hopyard.errors import CorruptStoreError, HopyardError, NotFoundError, StoreError
from hopyard.online.keys import LONGEST_PLAIN_KEY, full_key, stored_key
from hopyard.ports import Lookup

T = TypeVar("T")

FIRST_GENERATION = "1"
READ_SECONDS = 2.0
"""How long a read is tried again while the server does not answer: who waits for a vector does not wait for long."""
_FIRST_WAIT_SECONDS = 0.01
_LONGEST_WAIT_SECONDS = 1.0
_MAX_SWITCHES = 100


def checked_id(table_id: str) -> str:
    """Return a table's id, which becomes a part of names and patterns. Raises CorruptStoreError: it is none."""
    if not table_id.isascii() or not table_id.isalnum():
        raise CorruptStoreError(
            f"{table_id!r} is no id of an online table: letters and digits alone make one."
        )
    return table_id


def next_generation(generation: str) -> str:
    """Return the generation that `replace` fills."""
    return str(int(generation) + 1)


class Ask(NamedTuple):
    """What one round trip must find: per table its believed generation, and the keys of rows in it, as stored."""

    tables: tuple[tuple[str, str], ...]
    keys: tuple[list[bytes], ...]


class Answer(NamedTuple):
    """What it found: each table's generation (None: no such table), and the rows, None where there is none.

    `rows` may be anything while a generation is another one than was asked for; None: one was gone.
    """

    generations: Sequence[str | None]
    rows: Sequence[Sequence[bytes | None]] | None


Reading: TypeAlias = Generator[Ask, Answer, list[bytes | None]]


def read_steps(current: dict[str, str], lookups: Sequence[Lookup]) -> Reading:
    """Yield what to ask, be sent the answer, and return the rows of the lookups, in order.

    Args:
        current: the generation of each table as far as known, which is corrected.
    Raises:
        NotFoundError: no such table.
    """
    by_table: dict[str, list[bytes]] = {}
    for table_id, key in lookups:
        by_table.setdefault(table_id, []).append(key if len(key) <= LONGEST_PLAIN_KEY else stored_key(key))
    keys = tuple(by_table.values())
    for _ in range(_MAX_SWITCHES):
        tables = tuple((table_id, current.get(table_id, FIRST_GENERATION)) for table_id in by_table)
        answer = yield Ask(tables, keys)
        is_current = all(found == asked for found, (_, asked) in zip(answer.generations, tables, strict=True))
        if is_current and answer.rows is not None:
            current.update(tables)
            return _in_order(lookups, by_table, answer.rows)
        for (table_id, _), generation in zip(tables, answer.generations, strict=True):
            if generation is None:
                current.pop(table_id, None)
                raise NotFoundError("online table", table_id, sorted(current))
            current[table_id] = generation
    raise CorruptStoreError(
        f"The rows of one of the online tables {', '.join(by_table)} are gone, or replaced without end. Rebuild the "
        f"tables: hopyard online rebuild."
    )


def _in_order(
    lookups: Sequence[Lookup], by_table: dict[str, list[bytes]], rows: Sequence[Sequence[bytes | None]]
) -> list[bytes | None]:
    if len(by_table) == 1 and all(len(key) <= LONGEST_PLAIN_KEY for _, key in lookups):
        return list(rows[0])
    coming = {table_id: iter(of_table) for table_id, of_table in zip(by_table, rows, strict=True)}
    found: list[bytes | None] = []
    for table_id, key in lookups:
        row = next(coming[table_id])
        if row is not None and len(key) > LONGEST_PLAIN_KEY and full_key(stored_key(key), row) != key:
            row = None  # another long key that begins and hashes alike
        found.append(row)
    return found


def finish(steps: Reading, ask: Callable[[Ask], Answer]) -> list[bytes | None]:
    """Return what the steps return, each answered by `ask`."""
    try:
        asked = next(steps)
        while True:
            asked = steps.send(ask(asked))
    except StopIteration as done:
        rows: list[bytes | None] = done.value
        return rows


async def afinish(steps: Reading, ask: Callable[[Ask], Awaitable[Answer]]) -> list[bytes | None]:
    """Return what the steps return, each answered by `ask`."""
    try:
        asked = next(steps)
        while True:
            asked = steps.send(await ask(asked))
    except StopIteration as done:
        rows: list[bytes | None] = done.value
        return rows


class Retries:
    """Calls that are tried again while a server is away or busy: after waits that grow, until their time is up."""

    def __init__(
        self,
        url: str,
        *,
        errors: type[Exception] | tuple[type[Exception], ...],
        is_passing: Callable[[Exception], bool],
    ) -> None:
        """
        Args:
            url: as messages show it.
            errors: what the driver raises.
            is_passing: whether an error may be gone when the call is made again.
        """
        self._url, self._is_passing = url, is_passing
        self.errors = errors if isinstance(errors, tuple) else (errors,)

    def run(self, call: Callable[[], T], *, seconds: float) -> T:
        """Return what `call` returns; it must be harmless to repeat. Raises StoreError."""
        waits = _Waits(seconds)
        while True:
            try:
                return call()
            except HopyardError:
                raise
            except self.errors as error:
                wait = waits.next() if self._is_passing(error) else None
                if wait is None:
                    raise self._store_error(error) from error
                time.sleep(wait)

    async def arun(self, call: Callable[[], Awaitable[T]], *, seconds: float) -> T:
        """Return what `call` returns, awaited; it must be harmless to repeat. Raises StoreError."""
        waits = _Waits(seconds)
        while True:
            try:
                return await call()
            except HopyardError:
                raise
            except self.errors as error:
                wait = waits.next() if self._is_passing(error) else None
                if wait is None:
                    raise self._store_error(error) from error
                await asyncio.sleep(wait)

    def _store_error(self, error: Exception) -> StoreError:
        said = " ".join(str(error).split()) or type(error).__name__
        if self._is_passing(error):
            return StoreError(
                f"The online store {self._url} does not answer: {said}. See that the server runs and can be reached."
            )
        return StoreError(
            f"The online store {self._url} refuses: {said}. Check the URL's user, password and database "
            f"(HOPYARD_ONLINE_URL), and what the server says in its log."
        )


class _Waits:
    """The waits between tries: each twice the one before, give or take a half, so that clients do not come at once."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self._seconds = _FIRST_WAIT_SECONDS

    def next(self) -> float | None:
        """Return how long to wait; None: the time is up."""
        wait = self._seconds * random.uniform(0.5, 1.5)
        self._seconds = min(2 * self._seconds, _LONGEST_WAIT_SECONDS)
        return wait if time.monotonic() + wait < self._until else None


def without_password(url: str) -> str:
    """Return a URL as it may be shown and stored."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    user, host = parts.username or "", parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}@{host}" if user else host))
