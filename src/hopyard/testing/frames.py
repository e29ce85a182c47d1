"""Small frames for tests, and their exact comparison."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from hopyard.compute.exact import exact
from hopyard.model.arrow import to_arrow
from hopyard.model.types import parse_type
from hopyard.time import EPOCH, Instant, from_micros, to_micros

__all__ = ["assert_same_rows", "exact", "frame", "hours"]


def frame(features: Mapping[str, str], rows: Iterable[Sequence[object]] = ()) -> pa.Table:
    """Return a typed Arrow table of rows written as tuples, such as `frame({"id": "bigint"}, [(1,), (None,)])`.

    Args:
        features: feature types by name, in the order of the tuples. Types survive where all values are null.
        rows: tuples of Python values; None is null, and text stands for an instant in a timestamp or a date.
    Raises:
        ValueError: a tuple of another length.
    """
    types = [parse_type(text) for text in features.values()]
    columns = list(zip(*(_checked(row, features) for row in rows), strict=True)) or [()] * len(types)
    arrays = [
        pa.array([_instant(type_.kind, value) for value in column], to_arrow(type_))
        for type_, column in zip(types, columns, strict=True)
    ]
    return pa.table(dict(zip(features, arrays, strict=True)))


def hours(count: float, start: Instant = EPOCH) -> Any:
    """Return the instant `count` hours after `start` as an aware datetime in UTC; fractions to whole microseconds."""
    return from_micros(to_micros(start) + round(count * 3_600_000_000))


def assert_same_rows(
    found: Iterable[Mapping[str, object]],
    expected: Iterable[Mapping[str, object]],
    *,
    any_order: bool = False,
) -> None:
    """Check that rows are equal bit for bit: their number, order, names, types, nulls and values.

    Args:
        any_order: rows may come in another order.
    Raises:
        AssertionError: they are not; names the first difference.
    """
    left, right = list(found), list(expected)
    if any_order:
        left, right = sorted(left, key=_sort_key), sorted(right, key=_sort_key)
    assert len(left) == len(right), f"{len(left)} rows instead of {len(right)}: {left} instead of {right}"
    for index, (row, wanted) in enumerate(zip(left, right, strict=True)):
        assert list(row) == list(wanted), f"columns {list(row)} instead of {list(wanted)}"
        for name in wanted:
            assert exact(row[name]) == exact(wanted[name]), (
                f"row {index}, column {name!r}: {row[name]!r} instead of {wanted[name]!r}; {row} instead of {wanted}"
            )


def _sort_key(row: Mapping[str, object]) -> str:
    return repr(exact(row))


def _checked(row: Sequence[object], features: Mapping[str, str]) -> Sequence[object]:
    if len(row) != len(features):
        raise ValueError(f"{row!r} has {len(row)} values for the {len(features)} features {list(features)}.")
    return row


def _instant(kind: str, value: object) -> object:
    if isinstance(value, str) and kind in ("timestamp", "date"):
        instant = from_micros(to_micros(value))
        return instant if kind == "timestamp" else instant.date()
    return value
