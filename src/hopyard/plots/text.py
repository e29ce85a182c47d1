"""Values of statistics as people read them."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal

from hopyard.model.plan import Value
from hopyard.time import EPOCH, US_PER_DAY

DAYS_PER_400_YEARS = 146_097
"""After so many days the calendar repeats."""
MAX_CHARACTERS = 200
US_PER_SECOND = 1_000_000
_UNITS = ((31_556_952, "years"), (86_400, "days"), (3_600, "hours"), (60, "minutes"))


def show_value(value: Value | None, *, to_seconds: bool = False) -> str:
    """Return a value as text; an instant in UTC, rounded to seconds on request; None: an en dash."""
    if value is None or value.value is None:
        return "–"
    kind = value.type.partition("(")[0]
    if kind == "timestamp":
        return show_instant(int(value.value), to_seconds=to_seconds)
    if kind == "date":
        return show_instant(int(value.value) * US_PER_DAY).partition(" ")[0]
    found = value.to_python()
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, bytes):
        return shorten("0x" + found[:MAX_CHARACTERS].hex())
    if isinstance(found, (int, float, Decimal)):
        return show_number(found)
    return show_text(str(found))


def show_number(number: int | float | Decimal) -> str:
    """Return a number as text: whole numbers with all digits, others with six that count."""
    if isinstance(number, int):
        return _signed(f"{number:,}")
    if not math.isfinite(number):
        return "NaN" if number != number else _signed(str(float(number)))
    size = abs(float(number))
    if size < 1e15 and number == int(number):
        return _signed(f"{int(number):,}")
    if 1e6 <= size < 1e15:
        return _signed(f"{number:,.0f}")
    return _signed(f"{float(number):,.6g}")


def show_share(share: float | None) -> str:
    """Return a share of 1 in percent; one that is not quite 0 or 1 never reads as if it were."""
    if share is None:
        return "–"
    if 0 < share < 0.0001:
        return "< 0.01 %"
    if 0.9999 < share < 1:
        return "> 99.99 %"
    return f"{100 * share:.2f}".rstrip("0").rstrip(".") + " %"


def show_instant(micros: int, *, to_seconds: bool = False) -> str:
    """Return UTC microseconds since 1970 as ISO 8601 text without the zone, in any year."""
    if to_seconds:
        micros = round(micros / US_PER_SECOND) * US_PER_SECOND
    days, rest = divmod(micros, US_PER_DAY)
    cycles, days = divmod(days, DAYS_PER_400_YEARS)
    at = EPOCH + timedelta(days=days, microseconds=rest)
    text = at.replace(tzinfo=None).isoformat(sep=" ")[4:]
    year = at.year + 400 * cycles
    return f"{year:04d}{text}" if year >= 0 else f"−{-year:04d}{text}"


def show_seconds(seconds: float) -> str:
    """Return a duration as text: in seconds, and in the largest unit that it fills."""
    text = f"{show_number(seconds)} s"
    for size, unit in _UNITS:
        if math.isfinite(seconds) and abs(seconds) >= size:
            return f"{text} ({_signed(f'{seconds / size:,.3g}')} {unit})"
    return text


def show_duration(seconds: float) -> str:
    """Return a duration as short text, in the largest unit that it fills."""
    for size, unit in _UNITS:
        if abs(seconds) >= size:
            return f"{_signed(f'{seconds / size:,.3g}')} {unit}"
    return f"{_signed(f'{seconds:,.3g}')} s"


def show_text(text: str) -> str:
    """Return text on one line, at most 200 characters; what would not be seen is shown: quotes around nothing."""
    if not text or text != text.strip():
        text = f'"{text}"'
    cut = shorten(text)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)


def shorten(text: str, n: int = MAX_CHARACTERS) -> str:
    """Return text, cut after `n` characters with an ellipsis."""
    return text if len(text) <= n else f"{text[: n - 1]}…"


def plural(n: int, noun: str) -> str:
    """Return a count with its noun."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def _signed(text: str) -> str:
    """Return a number's text with a minus sign as wide as a digit."""
    return f"−{text[1:]}" if text.startswith("-") else text
