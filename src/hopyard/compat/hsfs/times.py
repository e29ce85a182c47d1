"""Points in time as programs write them, among them text without separators and milliseconds."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORMATS = {8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_SECONDS_DIGITS = 10


def instant(value: object) -> datetime | None:
    """Return a point in time in UTC; None, 0 and empty text are None.

    Args:
        value: a datetime (naive ones are UTC), a date, seconds (at most ten digits) or milliseconds since 1970, or text
            such as `2026-11-23`, `20261123 14:30`, `20261123143000123` or ISO 8601.
    Raises:
        ValueError: it is none of these.
    """
    if value is None or value == 0 or value == "":
        return None
    if isinstance(value, datetime):
        plain = value.to_pydatetime() if hasattr(value, "to_pydatetime") else value
        return plain.replace(tzinfo=UTC) if plain.tzinfo is None else plain.astimezone(UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, str):
        return _parse(value)
    return _from_number(value)


def commit_milliseconds(micros: int) -> int:
    """Return a commit's time in milliseconds, rounded up: reading as of it includes the commit."""
    return -(-micros // 1000)


def commit_text(milliseconds: int) -> str:
    """Return a commit's time as the 17 digits that commit details show."""
    moment = EPOCH + timedelta(milliseconds=milliseconds)
    return moment.strftime("%Y%m%d%H%M%S") + f"{milliseconds % 1000:03d}"


def _from_number(value: object) -> datetime:
    try:
        number = int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        raise _unknown(value) from None
    if len(str(abs(number))) <= _SECONDS_DIGITS:
        return EPOCH + timedelta(seconds=number)
    return EPOCH + timedelta(milliseconds=number)


def _parse(text: str) -> datetime:
    digits = re.sub(r"[-/:.\s]", "", text)
    try:
        if digits.isdecimal():
            if len(digits) in _FORMATS:
                return datetime.strptime(digits, _FORMATS[len(digits)]).replace(tzinfo=UTC)
            if 14 < len(digits) <= 20:
                moment = datetime.strptime(digits[:14], _FORMATS[14]).replace(tzinfo=UTC)
                return moment + timedelta(microseconds=int(digits[14:].ljust(6, "0")))
        else:
            moment = datetime.fromisoformat(text.strip())
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except ValueError:
        pass
    raise _unknown(text)


def _unknown(value: object) -> ValueError:
    return ValueError(
        f"Unable to identify format of the provided date value : {value}. Write it as '2026-11-23', "
        f"'2026-11-23 14:30:00' or '20261123143000', or give a datetime or milliseconds since 1970."
    )
