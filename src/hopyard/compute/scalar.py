"""Single Python values, converted exactly as the columns of a frame are."""

from __future__ import annotations

import operator
import struct
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

from hopyard.errors import FeatureVectorError
from hopyard.model.types import FeatureType

_FLOAT32 = struct.Struct("<f")


def coerce(name: str, type_: FeatureType, value: object) -> object:
    """Return a value as a feature of this type is returned from the online store; None stays None.

    Whole numbers become floats where the feature is one, a float feature is rounded to 32 bits, naive datetimes are
    UTC, NumPy scalars become Python ones; nothing else is converted.

    Raises:
        FeatureVectorError: the value is of another type.
    """
    if value is None:
        return None
    if hasattr(value, "item") and hasattr(value, "dtype"):
        value = value.item()
    kind = type_.kind
    is_bool = isinstance(value, bool)
    if kind == "boolean" and is_bool:
        return value
    if kind in ("int", "bigint") and isinstance(value, int) and not is_bool:
        bits = 31 if kind == "int" else 63
        number = operator.index(value)
        if -(2**bits) <= number < 2**bits:
            return number
    if kind in ("float", "double") and isinstance(value, (int, float)) and not is_bool:
        return float(value) if kind == "double" else _FLOAT32.unpack(_FLOAT32.pack(value))[0]
    if kind == "string" and isinstance(value, str):
        return value
    if kind == "binary" and isinstance(value, bytes):
        return value
    if kind == "timestamp" and isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if kind == "date" and isinstance(value, date) and not isinstance(value, datetime):
        return value
    if kind == "decimal" and isinstance(value, (Decimal, int)) and not is_bool:
        try:
            exact = Decimal(value).quantize(Decimal(1).scaleb(-type_.scale))
        except InvalidOperation:
            exact = None
        if exact is not None and exact == value:
            return exact
    if kind == "array" and isinstance(value, (list, tuple)) and type_.element is not None:
        return [coerce(name, type_.element, item) for item in value]
    if kind == "struct" and isinstance(value, dict):
        return {field: coerce(f"{name}.{field}", inner, value.get(field)) for field, inner in type_.fields}
    raise FeatureVectorError(
        f"The feature {name!r} is {type_}, and {value!r} ({type(value).__name__}) does not fit it. "
        f"Give a value of the feature's type."
    )
