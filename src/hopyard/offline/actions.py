"""The lines of a Delta table's log, and what they say of columns, values and ranges.

Only the parts that matter here; names are those of Delta's protocol.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from hopyard.model.plan import Value
from hopyard.time import EPOCH, to_micros

COMMIT_KEY = "hopyard.commit"
VACUUM_KEY = "hopyard.vacuum"

_RANGED = frozenset({"byte", "short", "integer", "long", "date", "timestamp"})
_TRUNCATED_US = 999
"""Statistics of timestamps are cut to milliseconds, downwards: the greatest value may be this much later."""


class CommitInfo(msgspec.Struct):
    """What a version says of itself; `commit` and `vacuum` are JSON."""

    commit: str | None = msgspec.field(default=None, name=COMMIT_KEY)
    vacuum: str | None = msgspec.field(default=None, name=VACUUM_KEY)


class Vacuum(msgspec.Struct, frozen=True):
    """The end of history: no commit before `first` can be read, decided at `at_us` (UTC microseconds)."""

    first: int
    at_us: int


class Add(msgspec.Struct, rename="camel"):
    """A data file that a version adds. `path` is quoted and relative, as in the log."""

    path: str
    partition_values: dict[str, str | None] = {}
    size: int = 0
    data_change: bool = True
    stats: str | None = None


class Remove(msgspec.Struct, rename="camel"):
    """A data file that a version removes."""

    path: str
    partition_values: dict[str, str | None] | None = None
    size: int | None = None
    data_change: bool = True


class Cdc(msgspec.Struct, rename="camel"):
    path: str
    partition_values: dict[str, str | None] = {}
    size: int = 0


class MetaData(msgspec.Struct, rename="camel"):
    """A table's columns and properties."""

    schema_string: str
    partition_columns: list[str] = []
    configuration: dict[str, str | None] = {}


class Protocol(msgspec.Struct, rename="camel"):
    reader_features: list[str] | None = None


class Action(msgspec.Struct):
    """The parts of a line of Delta's log that matter here."""

    commitInfo: CommitInfo | None = None  # noqa: N815 - the name in Delta's protocol
    add: Add | None = None
    remove: Remove | None = None
    cdc: Cdc | None = None
    metaData: MetaData | None = None  # noqa: N815
    protocol: Protocol | None = None


class _Column(msgspec.Struct):
    name: str
    type: Any


class _Columns(msgspec.Struct):
    fields: list[_Column]


class Stats(msgspec.Struct, rename="camel"):
    num_records: int = 0
    min_values: dict[str, Any] = {}
    max_values: dict[str, Any] = {}


decode_action = msgspec.json.Decoder(Action).decode
_decode_columns = msgspec.json.Decoder(_Columns).decode
decode_vacuum = msgspec.json.Decoder(Vacuum).decode
decode_stats = msgspec.json.Decoder(Stats).decode


def column_types(metadata: MetaData | None) -> dict[str, str]:
    """Return Delta's types by column, in order; a nested one is shown as `nested`."""
    if metadata is None:
        return {}
    found = _decode_columns(metadata.schema_string)
    return {column.name: column.type if isinstance(column.type, str) else "nested" for column in found.fields}


def ranges(stats: Stats, types: dict[str, str]) -> Iterator[tuple[str, tuple[int, int]]]:
    for name, low in stats.min_values.items():
        type_ = types.get(name)
        if type_ not in _RANGED:
            continue
        found = _ordinal(type_, low), _ordinal(type_, stats.max_values.get(name))
        if found[0] is None or found[1] is None:
            continue
        yield name, (found[0], found[1] + (_TRUNCATED_US if type_ == "timestamp" else 0))


def _ordinal(type_: str, value: Any) -> int | None:
    """Return a statistic as a whole number; None: it says nothing, or has a year that the text form cannot say."""
    if type_ not in ("date", "timestamp"):
        return value if isinstance(value, int) else None
    try:
        if type_ == "date":
            return (date.fromisoformat(value) - EPOCH.date()).days
        instant = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return to_micros(instant if instant.tzinfo else instant.replace(tzinfo=UTC))


def partition(values: dict[str, str | None], types: dict[str, str]) -> dict[str, Value | None]:
    return {name: _partition_value(types[name], text) for name, text in values.items() if name in types}


def _partition_value(type_: str, text: str | None) -> Value | None:
    """Return the value of a partition column, which the log keeps as text; empty text is null there."""
    if not text:
        return None
    if type_ == "boolean":
        return Value(type="boolean", value=text == "true")
    if type_ == "date":
        return Value(type="date", value=(date.fromisoformat(text) - EPOCH.date()).days)
    if type_ in ("long", "integer"):
        return Value(type="bigint" if type_ == "long" else "int", value=int(text))
    return Value(type=type_, value=text)


def partition_text(value: object) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)
