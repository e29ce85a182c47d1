"""Which values a feature may be compared with, and the exact comparison that is meant."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal

from hopyard.errors import QueryError, TimeTravelError
from hopyard.model.plan import Value, literal
from hopyard.model.types import FeatureType
from hopyard.time import from_micros, to_micros

_NUMBERS = frozenset({"int", "bigint", "float", "double", "decimal"})


def check_value(feature: str, type_: FeatureType, value: Value) -> None:
    """Raise QueryError if a value of this type can never equal the feature."""
    convert(feature, type_, value)


def convert(feature: str, type_: FeatureType, value: Value) -> object:
    """Return the Python value to compare a feature of `type_` with.

    Text is accepted for timestamps and dates (see `time.to_micros`), dates for timestamps, any number for a number.
    Floats against whole numbers stay floats: the caller compares them exactly.

    Raises:
        QueryError: the types are never equal.
    """
    python = value.to_python()
    kind = type_.kind
    if python is None:
        raise QueryError(f"{feature!r} is compared with None, which matches nothing: use is_null().")
    if kind in ("array", "struct"):
        raise QueryError(f"{feature!r} is {type_}; only its is_null() can be asked.")
    if kind in ("timestamp", "date") and isinstance(python, (str, date)):
        try:
            instant = from_micros(to_micros(python))
        except TimeTravelError as error:
            raise QueryError(f"{feature!r} is a {kind}: {error}") from error
        if kind == "timestamp":
            return instant
        if isinstance(python, datetime) and (instant - datetime(*instant.timetuple()[:3], tzinfo=UTC)):
            raise QueryError(f"{feature!r} is a date and {python!r} is a time of day: give a date.")
        return instant.date()
    fits = {
        "boolean": isinstance(python, bool),
        "string": isinstance(python, str),
        "binary": isinstance(python, bytes),
    }
    is_number = isinstance(python, (int, float, Decimal)) and not isinstance(python, bool)
    if fits.get(kind, False) or (kind in _NUMBERS and is_number):
        return python
    raise QueryError(
        f"{feature!r} is {type_} and {python!r} is {literal(python).type}: they are never equal, and nothing is "
        f"converted silently. Give a value of the feature's type."
    )


def whole_bound(op: str, number: float | Decimal) -> tuple[str, int] | bool:
    """Return the comparison with a whole number that means `x op number` for whole x; or its constant answer."""
    if math.isnan(number):
        return op == "!="
    if math.isinf(number):
        return op in ("!=", "<", "<=") if number > 0 else op in ("!=", ">", ">=")
    floor = math.floor(number)
    if floor == number:
        return op, floor
    if op in ("==", "!="):
        return op == "!="
    return ("<=", floor) if op in ("<", "<=") else (">", floor)
