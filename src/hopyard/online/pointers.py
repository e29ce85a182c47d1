"""Reads from tables of which each has several generations, in one round trip.

A client remembers where the rows of each table are, asks there, and has the same statement tell it where they are now.
Only after a switch, which `replace` makes, it asks again. The steps are a generator, which does no I/O itself, so that
blocking and awaited reads share them.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple, TypeAlias

from hopyard.errors import CorruptStoreError, NotFoundError, StoreError
from hopyard.online.lookups import by_table, in_order
from hopyard.ports import Lookup

_MAX_SWITCHES = 1_000
_MAX_GONE = 20

Place: TypeAlias = tuple[int, int]
"""The number and the generation of the table in the database that holds the rows of one of ours."""


class Question(NamedTuple):
    """What one statement must find: the rows of keys in the places of their tables, and which of these are current.

    Without `places`: where the rows of the tables are.
    """

    ids: tuple[str, ...]
    places: tuple[Place, ...]
    keys: tuple[list[bytes], ...]


Rows: TypeAlias = Sequence[tuple[int, bytes | None, bytes | None]]
"""(number of the table among the asked, key, row), if its place is current; where no row is found, one with nulls."""

Places: TypeAlias = Sequence[tuple[str, int, int]]
"""An id with the place of its rows."""

Reading: TypeAlias = Generator[Question, Any, list[bytes | None]]


def reading(places: dict[str, Place], lookups: Sequence[Lookup], url: str) -> Reading:
    """Yield what to ask, be sent what was found (`Rows`, or `Places` where places are asked for), and return the rows
    of the lookups, in order.

    Send None when a place that was asked for is not there: its table was dropped or switched.

    Args:
        places: where the rows of each table are, as far as known; kept up to date here.
        url: for messages.
    Raises:
        NotFoundError: no such table.
    """
    tables = by_table(lookups)
    ids, keys = tuple(tables), tuple(tables.values())
    for n_switches in range(_MAX_SWITCHES):
        try:
            known = tuple([places[table_id] for table_id in ids])
        except KeyError:
            found = yield Question(ids, (), keys)
            now: dict[str, Place] = {
                table_id: (number, generation) for table_id, number, generation in found or ()
            }
            for table_id in ids:
                if table_id not in now:
                    raise NotFoundError("online table", table_id, sorted(places)) from None
            places.update(now)
            known = tuple([now[table_id] for table_id in ids])
        found = yield Question(ids, known, keys)
        if found is not None:
            rows: dict[str, dict[bytes, bytes]] = {}
            for number, key, row in found:
                of_table = rows.setdefault(ids[number], {})
                if key is not None:
                    of_table[key] = row
            if len(rows) == len(ids):
                return in_order(lookups, rows)
        elif n_switches > _MAX_GONE:
            raise CorruptStoreError(
                f"The online store {url} lacks the rows of {', '.join(ids)}. Rebuild these tables from the offline "
                f"ones."
            )
        for table_id in ids:
            places.pop(table_id, None)
    raise StoreError(f"The online tables {', '.join(ids)} in {url} were replaced without end while read.")
