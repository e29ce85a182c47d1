"""Instants: UTC, whole microseconds since 1970, as Python ints inside and aware datetimes outside."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from hopyard.errors import TimeTravelError

Instant = datetime | date | str
"""What users may write for an instant: see `to_micros`."""

Clock = Callable[[], int]
"""Returns now, in UTC microseconds since 1970."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
US_PER_DAY = 86_400_000_000
US_PER_UNIT = {"s": 1_000_000, "ms": 1_000, "us": 1}
"""Microseconds in what a bigint event time may count."""
_MICROSECOND = timedelta(microseconds=1)
_PARTS = re.compile(
    r"(\d{4})[-/:. ]?(\d\d)[-/:. ]?(\d\d)"
    r"(?:[-/:.T ]?(\d\d)(?:[-/:. ]?(\d\d)(?:[-/:. ]?(\d\d)(?:[-/:. ]?(\d{3}))?)?)?)?",
    re.ASCII,
)
_WITH_OFFSET = re.compile(r".*[T ]\d\d(:?\d\d){0,2}[+-]\d\d(:\d\d)?", re.ASCII)
_ISO_DATE = re.compile(r"\d{4}-?(\d\d-?\d\d|W\d\d(-?\d)?)($|[T ])", re.ASCII)


def system_clock() -> int:
    """Return the machine's time in UTC microseconds since 1970."""
    return time.time_ns() // 1000


def to_micros(instant: Instant) -> int:
    """Return an instant as UTC microseconds since 1970.

    Args:
        instant: an aware datetime (converted), a naive one (taken as UTC), a date (00:00 UTC of that day),
            ISO 8601 text, or `YYYYMMDD[HH[MM[SS[fff]]]]` with any of `- / : . T` and blanks between the parts.
    Raises:
        TimeTravelError: the text is no instant.
    """
    if isinstance(instant, datetime):
        aware = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant
        return (aware - EPOCH) // _MICROSECOND
    if isinstance(instant, date):
        return to_micros(datetime(instant.year, instant.month, instant.day, tzinfo=UTC))
    if isinstance(instant, str):
        return to_micros(_parse(instant))
    raise TimeTravelError(
        f"{instant!r} is no instant. Give a datetime, a date, or text such as '2026-11-23 14:30' or '20261123'."
    )


def optional_micros(instant: Instant | None) -> int | None:
    """Return an instant as UTC microseconds, and None as None."""
    return None if instant is None else to_micros(instant)


def from_micros(micros: int) -> datetime:
    """Return UTC microseconds since 1970 as an aware datetime."""
    return EPOCH + timedelta(microseconds=micros)


def show(micros: int) -> str:
    """Return UTC microseconds since 1970 as ISO 8601 text, for messages."""
    return from_micros(micros).isoformat().replace("+00:00", "Z")


def _parse(text: str) -> datetime:
    text = text.strip()
    try:
        parts = None if _WITH_OFFSET.fullmatch(text) else _PARTS.fullmatch(text)
        if parts is not None:
            year, month, day, hour, minute, second, millis = (int(part or 0) for part in parts.groups())
            return datetime(year, month, day, hour, minute, second, millis * 1000, tzinfo=UTC)
        if _ISO_DATE.match(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise TimeTravelError(
        f"{text!r} is no instant. Write it as '2026-11-23', '2026-11-23 14:30:00', "
        f"'2026-11-23T14:30:00.123456Z' or '20261123143000'."
    )
