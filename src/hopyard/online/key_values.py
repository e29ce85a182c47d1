"""Encoded keys back to Python values, for messages about stored rows. The opposite of `keys.key_encoder`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

from hopyard.errors import CorruptStoreError
from hopyard.model.types import FeatureType
from hopyard.ports import OnlineTable
from hopyard.time import EPOCH, from_micros

_WIDTHS = {"boolean": 1, "int": 4, "date": 4, "bigint": 8, "timestamp": 8, "decimal": 16}


def key_values(table: OnlineTable, key: bytes) -> dict[str, object]:
    """Return the primary key that an encoded key stands for, by column name.

    Raises:
        CorruptStoreError: the bytes are no key of this table.
    """
    values: dict[str, object] = {}
    rest = key
    try:
        for field in table.key:
            values[field.name], rest = _take(field.feature_type, rest)
    except (ValueError, OverflowError) as error:
        raise _corrupt(table, key) from error
    if rest:
        raise _corrupt(table, key)
    return values


def _corrupt(table: OnlineTable, key: bytes) -> CorruptStoreError:
    return CorruptStoreError(f"0x{key.hex()} is no key of the online table {table.name!r}.")


def _take(type_: FeatureType, data: bytes) -> tuple[object, bytes]:
    """Return the first value and the rest of the bytes. Raises ValueError, OverflowError."""
    kind = type_.kind
    if kind in ("string", "binary"):
        end = _end(data)
        value = data[:end].replace(b"\x00\xff", b"\x00")
        return (value.decode() if kind == "string" else value), data[end + 2 :]
    width = _WIDTHS[kind]
    if len(data) < width:
        raise ValueError(data)
    number = int.from_bytes(data[:width], "big")
    return _NUMBERS[kind](number, type_), data[width:]


def _end(data: bytes) -> int:
    """Return where a text ends: at the first zero byte that is not escaped."""
    at = data.index(b"\x00")
    while data[at + 1 : at + 2] == b"\xff":
        at = data.index(b"\x00", at + 2)
    if data[at + 1 : at + 2] != b"\x00":
        raise ValueError(data)
    return at


_NUMBERS: dict[str, Callable[[int, FeatureType], object]] = {
    "boolean": lambda number, _: bool(number),
    "int": lambda number, _: number - 2**31,
    "bigint": lambda number, _: number - 2**63,
    "timestamp": lambda number, _: from_micros(number - 2**63),
    "date": lambda number, _: date.fromordinal(EPOCH.toordinal() + number - 2**31),
    "decimal": lambda number, type_: _decimal(number - 2**127, type_.scale),
}


def _decimal(unscaled: int, scale: int) -> Decimal:
    digits = tuple(int(digit) for digit in str(abs(unscaled)))
    return Decimal((int(unscaled < 0), digits, -scale))
