"""What the rows of a feature group must satisfy, for `FeatureGroup.expect`.

    from hopyard.expectations import in_range, not_null

    flights.expect(not_null("carrier"), in_range("distance", min=0))

They are checked against the group when they are given to it, and against rows whenever rows are written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, Literal, Protocol

from hopyard.errors import ConfigError
from hopyard.model.expectations import (
    BadRows,
    Expectation,
    Fresh,
    InRange,
    InSet,
    Matches,
    NotNull,
    References,
    RowCount,
    Unique,
)
from hopyard.model.plan import literal

__all__ = [
    "Expectation",
    "foreign_key",
    "fresh",
    "in_range",
    "in_set",
    "matches",
    "not_null",
    "row_count",
    "sql",
    "unique",
]


class Named(Protocol):
    """A feature group."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> int | None: ...


def not_null(*columns: str) -> NotNull:
    """Return the expectation that these columns have a value in every row. NaN is a value."""
    return NotNull(columns=_columns("not_null", columns))


def in_range(
    column: str,
    *,
    min: object = None,
    max: object = None,
    exclude_min: bool = False,
    exclude_max: bool = False,
) -> InRange:
    """Return the expectation that a column is null or in a range. NaN is in none.

    Args:
        min: the least value, of the column's type; None: no bound.
        max: the greatest value.
        exclude_min: `min` itself is outside.
        exclude_max: `max` itself is outside.
    """
    return InRange(
        column=column,
        min=None if min is None else literal(min),
        max=None if max is None else literal(max),
        exclude_min=exclude_min,
        exclude_max=exclude_max,
    )


def in_set(column: str, values: Iterable[object]) -> InSet:
    """Return the expectation that a column is null or one of these values."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise ConfigError(f"in_set({column!r}, {values!r}): give a list of values, such as ['a', 'b'].")
    return InSet(column=column, values=tuple(map(literal, values)))


def matches(column: str, regex: str) -> Matches:
    """Return the expectation that a text column is null or matches a regular expression from beginning to end.

    Args:
        regex: in the syntax of RE2, which has no look-around and no back-references. `.` matches no line break.
    """
    return Matches(column=column, regex=regex)


def unique(*columns: str) -> Unique:
    """Return the expectation that no two rows of the group have the same values in these columns.

    Rows with a null among them do not count. Rows to be written are compared with each other, and with the stored ones
    that they do not replace.
    """
    return Unique(columns=_columns("unique", columns))


def row_count(
    *, min: int | None = None, max: int | None = None, of: Literal["frame", "group"] = "frame"
) -> RowCount:
    """Return the expectation about how many rows there are.

    Args:
        min: at least so many.
        max: at most so many.
        of: `frame`: that are given to one insert; `group`: that the group has after it.
    """
    return RowCount(min=min, max=max, of=of)


def fresh(within: timedelta, *, column: str | None = None) -> Fresh:
    """Return the expectation that the newest row of the group is at most so old, after a write, too.

    Args:
        within: its greatest age.
        column: a timestamp or a date; None: the group's event time.
    """
    if not isinstance(within, timedelta):
        raise ConfigError(f"fresh({within!r}): give a datetime.timedelta, such as timedelta(hours=6).")
    return Fresh(within_us=within // timedelta(microseconds=1), column=column or "")


def foreign_key(
    columns: Sequence[str] | str,
    group: Named | str,
    *,
    references: Sequence[str] | str = (),
    version: int | None = None,
) -> References:
    """Return the expectation that the values of these columns are in a row of another group, or of the same one.

    A row with a null among them passes.

    Args:
        group: the other group, or its name.
        references: the columns there, in the same order; default: its primary key.
        version: of a group given by name; None: the latest when the expectation is given to a group.
    """
    name, number = (group, version) if isinstance(group, str) else (group.name, group.version)
    return References(
        columns=_columns("foreign_key", _several(columns)),
        group=name,
        version=number or 0,
        keys=tuple(_several(references)),
    )


def sql(query: str, *, name: str = "") -> BadRows:
    """Return the expectation that a SELECT returns no rows: those that it returns are bad.

    The rows to be written are the table `new_rows`; the tables of feature groups hold what is stored before. A result
    with the column `_row` of `new_rows`, such as that of `select * from new_rows where ...`, says which rows are bad;
    another one only says that something is.

    Args:
        query: one SELECT in DuckDB's dialect, as for `FeatureStore.sql`.
        name: what reports call it; default: the query.
    """
    return BadRows(query=query, name=name)


def _several(columns: Any) -> tuple[str, ...]:
    return (columns,) if isinstance(columns, str) else tuple(columns)


def _columns(what: str, columns: tuple[str, ...]) -> tuple[str, ...]:
    if not columns or not all(isinstance(column, str) for column in columns):
        raise ConfigError(f"{what}{columns!r}: give the names of one or more columns.")
    if len(set(columns)) < len(columns):
        raise ConfigError(f"{what}{columns!r}: a column is named twice. Name each once.")
    return columns
