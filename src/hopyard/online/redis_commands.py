"""Commands of Redis for the rows of tables, and rows as their arguments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from hopyard.online.keys import LONGEST_PLAIN_KEY, stored_key
from hopyard.ports import EncodedRows

if TYPE_CHECKING:
    import pyarrow as pa

MARK, VERSION = b"", b"#"
"""The fields of a table's hash that are no rows: no encoded key is empty or this one byte."""

_BATCH_ROWS = 1_000

Command: TypeAlias = tuple[Any, ...]
Tables: TypeAlias = dict[str, list[bytes]]


def table_key(table_id: str) -> bytes:
    return b"hopyard:table:%b" % table_id.encode()


def reading(tables: Tables) -> list[Command]:
    """Return the commands that read from one state: one command for one table, a transaction for several."""
    commands: list[Command] = [
        ("HMGET", table_key(table_id), MARK, *keys) for table_id, keys in tables.items()
    ]
    return commands if len(commands) == 1 else [("MULTI",), *commands, ("EXEC",)]


def packed(connection: Any, commands: Sequence[Command]) -> list[bytes]:
    return [b"".join(piece for command in commands for piece in connection.pack_command(*command))]


def parts_of(rows: EncodedRows) -> Iterator[list[bytes]]:
    """Yield keys and rows by turns, some rows at a time; an empty row removes the key."""
    for start in range(0, len(rows.keys), _BATCH_ROWS):
        keys = _to_list(rows.keys.slice(start, _BATCH_ROWS))
        values = _to_list(rows.rows.slice(start, _BATCH_ROWS))
        part: list[bytes] = [b""] * (2 * len(keys))
        part[::2] = [key if len(key) <= LONGEST_PLAIN_KEY else stored_key(key) for key in keys]
        part[1::2] = [value or b"" for value in values]
        yield part


def _to_list(array: pa.BinaryArray) -> list[Any]:
    values: list[Any] = array.to_numpy(zero_copy_only=False).tolist()
    return values
