"""Single Python values, compared bit for bit."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from datetime import UTC, datetime

_NAN = "NaN"


def exact(value: object) -> object:
    """Return something that is equal for equal stored values only: NaN equals NaN; -0.0 is not 0.0, nor 1 1.0."""
    if isinstance(value, float):
        return _NAN if value != value else struct.pack(">d", value)
    if isinstance(value, (list, tuple)):
        return tuple(exact(item) for item in value)
    if isinstance(value, Mapping):
        return tuple((name, exact(item)) for name, item in value.items())
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.astimezone(UTC)  # libraries have names of their own for it, which show in a repr
    return type(value).__name__, value
