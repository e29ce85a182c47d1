"""Lookups by table, and their rows back in the order of the lookups. Imports neither pyarrow nor numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, groupby
from operator import itemgetter

from hopyard.online.keys import LONGEST_PLAIN_KEY, full_key, has_long, stored_key, stored_keys
from hopyard.ports import Lookup

_TABLE_ID, _KEY = itemgetter(0), itemgetter(1)


def by_table(lookups: Sequence[Lookup]) -> dict[str, list[bytes]]:
    """Return the keys to find per table, as they are stored, in the order of the lookups."""
    tables: dict[str, list[bytes]] = {}
    for table_id, run in groupby(lookups, _TABLE_ID):
        keys = stored_keys(list(map(_KEY, run)))
        before = tables.get(table_id)
        tables[table_id] = keys if before is None else before + keys
    return tables


def in_sequence(lookups: Sequence[Lookup], rows: Mapping[str, Sequence[bytes | None]]) -> list[bytes | None]:
    """Return the rows of the lookups, in order; that of another long key, stored under the same one, is none.

    Args:
        rows: those of each table, one per lookup of it, in their order.
    """
    table_ids = list(map(_TABLE_ID, lookups))
    if table_ids == [table_id for table_id, of_table in rows.items() for _ in of_table]:
        found = list(chain.from_iterable(rows.values()))
    else:
        coming = {table_id: iter(of_table) for table_id, of_table in rows.items()}
        found = [next(coming[table_id]) for table_id in table_ids]
    if has_long([key for _, key in lookups]):
        for at, (_, key) in enumerate(lookups):
            if len(key) > LONGEST_PLAIN_KEY and (row := found[at]) is not None and not is_row_of(key, row):
                found[at] = None
    return found


def in_order(lookups: Sequence[Lookup], rows: Mapping[str, Mapping[bytes, bytes]]) -> list[bytes | None]:
    """Return the rows of the lookups, in order.

    Args:
        rows: per table, by the key as it is stored.
    """
    ordered: list[bytes | None] = []
    for table_id, key in lookups:
        if len(key) <= LONGEST_PLAIN_KEY:
            ordered.append(rows[table_id].get(key))
        else:
            row = rows[table_id].get(stored_key(key))
            ordered.append(row if row is None or is_row_of(key, row) else None)
    return ordered


def is_row_of(key: bytes, row: bytes) -> bool:
    """Return whether a row is that of this long key, and not of another one that is stored under the same."""
    return full_key(stored_key(key), row) == key
