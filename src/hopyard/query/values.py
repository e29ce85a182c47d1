"""Which values a feature may be compared with, and the exact comparison that is meant."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction

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
        if instant - datetime(*instant.timetuple()[:3], tzinfo=UTC):
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


def exact_bound(op: str, number: float | Decimal, type_: FeatureType) -> tuple[str, int | Decimal] | bool:
    """Return the comparison with a value of the feature's own type that means `x op number`; or its constant answer.

    For whole numbers and decimals: an engine would round other numbers first, or refuse those that are too large.

    Args:
        number: not rounded; NaN and infinities as IEEE has them.
        type_: int, bigint or decimal.
    """
    if number != number:
        return op == "!="
    is_decimal = type_.kind == "decimal"
    highest = 10**type_.precision - 1 if is_decimal else 2**63 - 1
    lowest = -highest if is_decimal else -(2**63)
    if isinstance(number, float) and is_decimal and math.isfinite(number):
        number = Decimal(repr(number))  # 0.1 stands for the decimal 0.1
    # In units of the last digit that the feature has, x is a whole number.
    exact = number if math.isinf(number) else Fraction(number) * 10**type_.scale
    if exact > highest:
        return op in ("!=", "<", "<=")
    if exact < lowest:
        return op in ("!=", ">", ">=")
    floor = math.floor(exact)
    if floor != exact:
        if op in ("==", "!="):
            return op == "!="
        op = "<=" if op in ("<", "<=") else ">"
    if not is_decimal:
        return op, floor
    digits = Decimal(abs(floor)).as_tuple().digits
    return op, Decimal((int(floor < 0), digits, -type_.scale))
