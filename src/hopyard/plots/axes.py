"""Where the values of a column stand on an axis.

A browser has doubles and milliseconds: what these cannot tell apart is placed by its distance from the least value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from hopyard.model.plan import Value
from hopyard.plots.text import US_PER_SECOND, show_duration, show_instant, show_number
from hopyard.time import US_PER_DAY

Number = int | float

FIRST_SHOWN_US, END_SHOWN_US = -377_705_116_800_000_000, 253_402_300_800_000_000
"""From year -9999 to 9999: of others a browser shows four digits of the year, and not all has it at all."""
DIGITS = 1e12
"""Where values differ from each other by less than this part, their positions would run into one."""
HUGE = 1e300
US_PER_YEAR = 31_556_952 * US_PER_SECOND
_UNITS = (("days", US_PER_DAY), ("seconds", US_PER_SECOND), ("µs", 1))


@dataclass(frozen=True, slots=True)
class Axis:
    """Positions are `(value - origin) / unit`; `low` and `high` are those of the ends.

    Attributes:
        title: what the axis shows, with its unit.
        type: Vega-Lite's type; temporal positions are milliseconds since 1970, in UTC.
    """

    title: str
    type: Literal["quantitative", "temporal"]
    is_instant: bool
    low: float
    high: float
    origin: Number = 0
    unit: Number = 1

    def place(self, number: Number) -> float:
        """Return the position of a number, or of microseconds."""
        return _place(number, self.origin, self.unit)

    def length(self, width: float) -> str:
        """Return a distance between positions as text."""
        size = width * self.unit
        return show_duration(size / US_PER_SECOND) if self.is_instant else show_number(float(f"{size:.3g}"))

    def encoding(self, field: str) -> dict[str, Any]:
        """Return the x channel of a field with positions, for the first layer of a view."""
        axis: dict[str, Any] = {"grid": False, "labelOverlap": "greedy", "labelSeparation": 8, "tickCount": 6}
        scale: dict[str, Any] = {"nice": False}
        if self.type == "temporal":
            scale["type"] = "utc"
        else:
            scale["zero"] = False
            if (shown := _number_format(self.low, self.high)) is not None:
                axis["format"] = shown
        return {"field": field, "type": self.type, "title": self.title, "axis": axis, "scale": scale}

    def shared(self, field: str) -> dict[str, Any]:
        """Return the x channel of a field with positions, for the other layers."""
        scale = {"scale": {"type": "utc"}} if self.type == "temporal" else {}
        return {"field": field, "type": self.type, "title": self.title, **scale}


def axis_of(label: str, numbers: Sequence[Number], *, is_instant: bool) -> Axis:
    """Return the axis for values of one column.

    Args:
        label: what the values are, with their unit.
        numbers: finite ones, among them the least and the greatest; of instants microseconds since 1970.
    """
    low, high = min(numbers), max(numbers)
    if is_instant:
        title, type_, origin, unit = _instants(label, round(low), round(high))
    else:
        title, type_, origin, unit = _numbers(label, low, high)
    return Axis(
        title=title,
        type=type_,
        is_instant=is_instant,
        low=_place(low, origin, unit),
        high=_place(high, origin, unit),
        origin=origin,
        unit=unit,
    )


_Choice = tuple[str, Literal["quantitative", "temporal"], Number, Number]


def _instants(label: str, low: int, high: int) -> _Choice:
    is_shown = low >= FIRST_SHOWN_US and high < END_SHOWN_US
    if low == high or (is_shown and high - low >= US_PER_SECOND):
        return f"{label} (UTC)", "temporal", 0, 1000
    if high - low > 10 * US_PER_YEAR:
        return f"{label}, year (UTC)", "quantitative", -1970 * US_PER_YEAR, US_PER_YEAR
    unit, size = next((unit, size) for unit, size in _UNITS if high - low >= 2 * size or size == 1)
    return f"{label}, {unit} after {show_instant(low)} UTC", "quantitative", low, size


def _numbers(label: str, low: Number, high: Number) -> _Choice:
    size = max(abs(low), abs(high))
    if size > HUGE:
        return f"{label} / 1e300", "quantitative", 0, HUGE
    if 0 < size < 1 / HUGE:
        return f"{label} / 1e-300", "quantitative", 0, 1 / HUGE
    if 0 < (high - low) < size / DIGITS:
        return f"{label} − {show_number(low)}", "quantitative", low, 1
    return label, "quantitative", 0, 1


def number_of(value: Value) -> Number:
    """Return a number, or an instant as UTC microseconds since 1970."""
    if value.type == "timestamp":
        return int(value.value or 0)
    if value.type == "date":
        return int(value.value or 0) * US_PER_DAY
    found = value.to_python()
    return float(found) if isinstance(found, Decimal) else found  # type: ignore[return-value]


def is_finite(value: Value | None) -> bool:
    """Return whether a value can stand on an axis."""
    return value is not None and math.isfinite(number_of(value))


def count_axis(title: str, most: float, *, room: float = 0.12) -> dict[str, Any]:
    """Return the channel of counts, with room beyond the largest: a share of it."""
    axis: dict[str, Any] = {"tickCount": 4, "tickMinStep": 1}
    if most >= 1e6:
        axis["format"] = "~s"
    return {
        "type": "quantitative",
        "title": title,
        "axis": axis,
        "scale": {"domain": [0, (1 + room) * most or 1]},
    }


def _place(number: Number, origin: Number, unit: Number) -> float:
    return float(number - origin) / unit


def _number_format(low: float, high: float) -> str | None:
    """Return the format of an axis of large or tiny numbers, if it would still tell the ticks apart."""
    size = max(abs(low), abs(high))
    if high - low < size / 100:
        return None
    if 1e6 <= size < 1e15:
        return "~s"
    return ".3~e" if size >= 1e15 or size < 1e-4 else None
