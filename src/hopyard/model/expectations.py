"""What the rows of a feature group must satisfy, as frozen data; `hopyard.expectations` makes them."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from hopyard.model.codec import Frozen
from hopyard.model.plan import Value

Policy = Literal["strict", "always"]
"""What becomes of rows that fail: strict refuses the whole write, always writes them and says so."""

MAX_SHOWN = 5


class NotNull(Frozen, frozen=True, kw_only=True, tag="not_null"):
    """These columns have a value. NaN is one."""

    columns: tuple[str, ...]

    def __str__(self) -> str:
        return f"{_listed(self.columns)} {'is' if len(self.columns) == 1 else 'are'} not null"


class InRange(Frozen, frozen=True, kw_only=True, tag="in_range"):
    """A column is null or between two bounds, which belong to the range unless excluded. NaN is in no range."""

    column: str
    min: Value | None = None
    max: Value | None = None
    exclude_min: bool = False
    exclude_max: bool = False

    def __str__(self) -> str:
        bounds = []
        if self.min is not None:
            bounds.append(f"{'>' if self.exclude_min else '>='} {_shown(self.min)}")
        if self.max is not None:
            bounds.append(f"{'<' if self.exclude_max else '<='} {_shown(self.max)}")
        return f"{self.column} is {' and '.join(bounds)}"


class InSet(Frozen, frozen=True, kw_only=True, tag="in_set"):
    """A column is null or one of these values."""

    column: str
    values: tuple[Value, ...]

    def __str__(self) -> str:
        more = len(self.values) - MAX_SHOWN
        listed = ", ".join(_shown(value) for value in self.values[:MAX_SHOWN])
        return f"{self.column} is one of {listed}{f' and {more} more' if more > 0 else ''}"


class Matches(Frozen, frozen=True, kw_only=True, tag="matches"):
    """A text column is null or matches a regular expression (RE2) as a whole."""

    column: str
    regex: str

    def __str__(self) -> str:
        return f"{self.column} matches {self.regex!r}"


class Unique(Frozen, frozen=True, kw_only=True, tag="unique"):
    """No two rows of the group have the same values in these columns. Rows with a null among them do not count."""

    columns: tuple[str, ...]

    def __str__(self) -> str:
        return f"{_listed(self.columns)} {'is' if len(self.columns) == 1 else 'are together'} unique"


class RowCount(Frozen, frozen=True, kw_only=True, tag="row_count"):
    """So many rows are in the frame that is written, or in the group after the write."""

    min: int | None = None
    max: int | None = None
    of: Literal["frame", "group"] = "frame"

    def __str__(self) -> str:
        bounds = []
        if self.min is not None:
            bounds.append(f"at least {self.min}")
        if self.max is not None:
            bounds.append(f"at most {self.max}")
        return f"the {self.of} has {' and '.join(bounds)} rows"


class Fresh(Frozen, frozen=True, kw_only=True, tag="fresh"):
    """The newest time in a column of the group is at most so old. An empty column: the group's event time."""

    within_us: int
    column: str = ""

    def __str__(self) -> str:
        within = timedelta(microseconds=self.within_us)
        return f"the newest {self.column or 'event time'} is at most {within} old"


class References(Frozen, frozen=True, kw_only=True, tag="foreign_key"):
    """The values of these columns are in a row of another group, or one of them is null.

    `version` 0, `id` and `keys` empty: not resolved yet; a stored expectation has them.
    """

    columns: tuple[str, ...]
    group: str
    version: int = 0
    id: str = ""
    keys: tuple[str, ...] = ()

    def __str__(self) -> str:
        verb = "is" if len(self.columns) == 1 else "are together"
        keys = f" ({_listed(self.keys)})" if self.keys else ""
        return f"{_listed(self.columns)} {verb} in {self.group}{f'_{self.version}' if self.version else ''}{keys}"


class BadRows(Frozen, frozen=True, kw_only=True, tag="sql"):
    """A SELECT over `new_rows` and the feature groups returns nothing: what it returns is bad."""

    query: str
    name: str = ""

    def __str__(self) -> str:
        return self.name or f"no row comes from: {' '.join(self.query.split())}"


Expectation = NotNull | InRange | InSet | Matches | Unique | RowCount | Fresh | References | BadRows

KINDS = {
    "not_null": NotNull,
    "in_range": InRange,
    "in_set": InSet,
    "matches": Matches,
    "unique": Unique,
    "row_count": RowCount,
    "fresh": Fresh,
    "foreign_key": References,
    "sql": BadRows,
}
"""The expectations by their names, which are those of the functions in `hopyard.expectations`."""

LOCAL = (NotNull, InRange, InSet, Matches)
"""Those that look at one row alone: what other rows are there changes nothing."""


def kind_of(expectation: Expectation) -> str:
    """Return the name of an expectation's kind."""
    return next(name for name, type_ in KINDS.items() if isinstance(expectation, type_))


def columns_of(expectation: Expectation) -> tuple[str, ...]:
    """Return the columns that an expectation names."""
    if isinstance(expectation, (NotNull, Unique, References)):
        return expectation.columns
    if isinstance(expectation, (InRange, InSet, Matches)):
        return (expectation.column,)
    if isinstance(expectation, Fresh) and expectation.column:
        return (expectation.column,)
    return ()


def _listed(columns: tuple[str, ...]) -> str:
    return ", ".join(columns)


def _shown(value: Value) -> str:
    python = value.to_python()
    return str(python) if hasattr(python, "isoformat") else repr(python)
