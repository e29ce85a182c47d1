"""Values as people and programs read them: cells of tables, and JSON."""

from __future__ import annotations

import base64
import json
import math
import re
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hopyard.time import from_micros

if TYPE_CHECKING:
    import pyarrow as pa

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""What would break a line, or speak to the terminal."""


def to_json(value: object) -> Any:
    """Return a value in the types of JSON.

    Instants and dates are ISO 8601 (UTC, with Z), bytes base64, decimals text (without a fraction in their type: whole
    numbers), NaN and the infinities the texts "NaN", "Infinity", "-Infinity".
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value.as_tuple().exponent == 0 else str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    return str(value)


def to_rows(table: pa.Table) -> list[dict[str, Any]]:
    """Return a table's rows in the types of JSON."""
    columns = [[to_json(value) for value in _to_python(column)] for column in table.columns]
    return [dict(zip(table.column_names, row, strict=True)) for row in zip(*columns, strict=True)]


def cell(value: object) -> str:
    """Return a value in the types of JSON as the text of a table's cell, on one line."""
    if isinstance(value, str):
        return one_line(value)
    return json.dumps(value, ensure_ascii=False)


def one_line(text: str) -> str:
    """Return text without what would break its line or speak to a terminal."""
    joined = re.sub(r"\s*\n\s*", " ", text.strip())
    return _CONTROL.sub(lambda match: match.group().encode("unicode_escape").decode(), joined)


def source_lines(source: str) -> list[str]:
    """Return the lines of source code as Python reads them, with everything shown that would not be seen.

    Controls, and what changes the direction of text, could make code look like other code.
    """
    return ["".join(map(_visible, line.expandtabs(4))) for line in source.split("\n")]


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode()


def _to_python(column: pa.ChunkedArray) -> list[Any]:
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        return [None if at is None else _instant(at) for at in column.cast(pa.int64()).to_pylist()]
    values: list[Any] = column.to_pylist()
    return values


def _instant(micros: int) -> datetime | str:
    try:
        return from_micros(micros)
    except OverflowError:  # outside the years 1 to 9999, which Python does not know
        return f"{micros} us since 1970"
