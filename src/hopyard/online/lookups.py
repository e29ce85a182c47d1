"""Lookups by table, and their rows back in the order of the lookups. Imports neither pyarrow nor numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hopyard.online.keys import LONGEST_PLAIN_KEY, full_key, stored_key
from hopyard.ports import Lookup


def by_table(lookups: Sequence[Lookup]) -> dict[str, list[bytes]]:
    """Return the keys to find per table, as they are stored, in the order of the lookups."""
    tables: dict[str, list[bytes]] = {}
    for table_id, key in lookups:
        stored = key if len(key) <= LONGEST_PLAIN_KEY else stored_key(key)
        keys = tables.get(table_id)
        if keys is None:
            tables[table_id] = [stored]
        else:
            keys.append(stored)
    return tables


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
