"""Rows back to Python values. Imports neither pyarrow nor numpy: this is the path of every request.

docs/reference/online-format.md describes the bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from operator import itemgetter

import msgspec

from hopyard.errors import CorruptStoreError, FeatureVectorError, NotFoundError
from hopyard.model.types import FeatureType
from hopyard.online.keys import may_have_long_keys
from hopyard.ports import OnlineTable
from hopyard.time import EPOCH, US_PER_DAY, US_PER_UNIT, from_micros

_EPOCH_ORDINAL = EPOCH.toordinal()

Convert = Callable[[object], object]


def event_time_of(row: bytes) -> int:
    """Return a row's event time in UTC microseconds; 0 if its table has none."""
    return int.from_bytes(row[4:12], "big") - 2**63


def row_decoder(table: OnlineTable, wanted: Sequence[str]) -> Callable[[bytes], list[object]]:
    """Return a function that gives the wanted features of a row, in the order of `wanted`.

    Python types: timestamp -> aware datetime, date -> date, decimal -> Decimal, binary -> bytes, array -> list,
    struct -> dict, float -> the float32's value. Features younger than the row get the table's default, else None.

    Args:
        wanted: names from `table.values`, and `table.event_time`, which comes back in its stored type.
    Raises:
        NotFoundError: the table has no such feature. The function itself raises CorruptStoreError (the bytes are no
            row) and FeatureVectorError (a timestamp or date outside the years 1 to 9999).
    """
    names = [field.name for field in table.values]
    places: list[int] = []
    converts: list[Convert | None] = []
    for name in wanted:
        if name == table.event_time:
            places.append(0)
            converts.append(_event_time(table))
        elif name in names:
            index = names.index(name)
            places.append(index + 2)
            converts.append(_conversion(table.values[index].feature_type))
        else:
            raise NotFoundError(
                f"online feature of {table.name!r}", name, [*names, *filter(None, [table.event_time])]
            )
    pick = _picker(places)
    conversions = [(at, convert) for at, convert in enumerate(converts) if convert is not None]
    # Only the places that are asked for must be there; a row without them is older than the feature.
    needed = max(places, default=0) + 1
    decode = msgspec.msgpack.Decoder(list).decode
    has_long_keys = may_have_long_keys(table)

    def read_plain(row: bytes) -> list[object]:
        try:
            values = decode(row)
        except msgspec.MsgspecError as error:
            raise _corrupt(table, error) from error
        return pick(values) if len(values) >= needed else _padded(table, values, places, conversions)

    if not conversions and not has_long_keys:
        return read_plain

    def read(row: bytes) -> list[object]:
        try:
            values = decode(row)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise _corrupt(table, error) from error
        if has_long_keys and type(values[2 if len(values) > 2 else 0]) is msgspec.msgpack.Ext:
            del values[2]
        if len(values) < needed:
            return _padded(table, values, places, conversions)
        picked = pick(values)
        for at, convert in conversions:
            if picked[at] is not None:
                picked[at] = _converted(table, wanted[at], convert, picked[at])
        return picked

    return read


def _picker(places: list[int]) -> Callable[[list[object]], list[object]]:
    """Return the fastest way to take these places out of a list."""
    if places and places == list(range(places[0], places[0] + len(places))):
        return itemgetter(slice(places[0], places[-1] + 1))
    if len(places) < 2:
        return lambda values: [values[place] for place in places]
    take = itemgetter(*places)
    return lambda values: list(take(values))


def _padded(
    table: OnlineTable, values: list[object], places: list[int], conversions: list[tuple[int, Convert]]
) -> list[object]:
    """Return the wanted values of a row that is older than some of them. Defaults are Python values already."""
    convert_at = dict(conversions)
    picked: list[object] = []
    for at, place in enumerate(places):
        if place >= len(values):
            default = table.defaults[place - 2] if place - 2 < len(table.defaults) else None
            picked.append(None if default is None else default.to_python())
            continue
        value, convert = values[place], convert_at.get(at)
        name = table.event_time if place == 0 else table.values[place - 2].name
        picked.append(
            value if convert is None or value is None else _converted(table, str(name), convert, value)
        )
    return picked


def _converted(table: OnlineTable, name: str, convert: Convert, value: object) -> object:
    try:
        return convert(value)
    except OverflowError:
        raise FeatureVectorError(
            f"{name!r} of {table.name!r} holds {value!r}, which lies outside the years 1 to 9999 that Python knows. "
            f"Correct the row, or keep the feature as a bigint."
        ) from None
    except (ValueError, TypeError, ArithmeticError) as error:
        raise _corrupt(table, error) from error


def _corrupt(table: OnlineTable, error: Exception) -> CorruptStoreError:
    return CorruptStoreError(
        f"A row of the online table {table.name!r} cannot be read: {error}. "
        f"`hopyard online rebuild {table.name}` writes the table anew."
    )


def _event_time(table: OnlineTable) -> Convert:
    if table.event_time_type == "timestamp":
        return lambda slot: from_micros(int(slot) - 2**63)  # type: ignore[call-overload]
    if table.event_time_type == "date":
        return lambda slot: _to_date((int(slot) - 2**63) // US_PER_DAY)  # type: ignore[call-overload]
    unit = US_PER_UNIT[table.event_time_unit or "us"]
    return lambda slot: (int(slot) - 2**63) // unit  # type: ignore[call-overload]


def _to_date(days: int) -> date:
    try:
        return date.fromordinal(_EPOCH_ORDINAL + days)
    except ValueError as error:
        raise OverflowError from error


def _to_datetime(micros: int) -> datetime:
    return from_micros(micros)


def _conversion(type_: FeatureType) -> Convert | None:
    """Return how a decoded msgpack value becomes the feature's Python value; None: it is that already."""
    if type_.kind == "array":
        assert type_.element is not None
        element = _conversion(type_.element)
        return None if element is None else _list(element)
    if type_.kind == "struct":
        return _struct([name for name, _ in type_.fields], [_conversion(field) for _, field in type_.fields])
    return _SCALARS.get(type_.kind)


def _list(element: Convert) -> Convert:
    def convert(values: object) -> object:
        return [None if value is None else element(value) for value in values]  # type: ignore[attr-defined]

    return convert


def _struct(names: list[str], converts: list[Convert | None]) -> Convert:
    def convert(values: object) -> object:
        return {
            name: value if value is None or to is None else to(value)
            for name, to, value in zip(names, converts, values, strict=True)  # type: ignore[call-overload]
        }

    return convert


_SCALARS: dict[str, Convert] = {
    "timestamp": _to_datetime,  # type: ignore[dict-item]
    "date": _to_date,  # type: ignore[dict-item]
    "decimal": Decimal,  # type: ignore[dict-item]
}
