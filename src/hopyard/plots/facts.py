"""The numbers beside a chart, of one column or of two that are compared."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from hopyard.model.plan import Value
from hopyard.model.statistics import ColumnStatistics
from hopyard.plots.axes import Number, number_of
from hopyard.plots.text import US_PER_SECOND, show_duration, show_number, show_seconds, show_share, show_value

PERCENTILES = (5, 50, 95)
_COMPARABLE = frozenset({"int", "bigint", "float", "double", "decimal", "timestamp", "date"})
NONE = "–"


@dataclass(frozen=True, slots=True)
class Fact:
    """A number with its name, as text, and for a difference as a number: of microseconds, of shares, or plain."""

    label: str
    text: str
    number: Number | None = None
    of: Literal["numbers", "shares", "instants", "seconds"] = "numbers"


def facts_of(column: ColumnStatistics) -> list[Fact]:
    """Return what is known of a column beside its distribution, in reading order."""
    return [*_presence(column), *_spread(column), *_categories(column)]


def compared(left: ColumnStatistics, right: ColumnStatistics) -> list[tuple[str, str, str, str]]:
    """Return the facts of two columns side by side, with the differences left minus right."""
    ours = {fact.label: fact for fact in facts_of(left)}
    theirs = {fact.label: fact for fact in facts_of(right)}
    labels = [label for label in _ORDER if label in ours or label in theirs]
    rows = []
    for label in labels:
        nothing = Fact(label, "0", 0) if label in _COUNTS else Fact(label, NONE)
        one, other = ours.get(label, nothing), theirs.get(label, nothing)
        rows.append((label, one.text, other.text, difference(one, other)))
    return rows


def difference(left: Fact, right: Fact) -> str:
    """Return the difference of two facts with its sign; an en dash: there is none."""
    if left.number is None or right.number is None or left.of != right.of:
        return NONE
    found = left.number - right.number
    if not math.isfinite(found):
        return NONE
    if left.of == "shares":
        text = f"{show_number(float(f'{100 * found:.3g}'))} pp"
    elif left.of == "instants":
        text = show_duration(found / US_PER_SECOND)
    elif left.of == "seconds":
        text = show_duration(found)
    else:
        text = show_number(found if isinstance(found, int) else float(f"{found:.4g}"))
    return f"+{text}" if found > 0 else text


def shown(column: ColumnStatistics, value: Value | None, *, to_seconds: bool = False) -> str:
    """Return a value of a column as text; of a column of days, midnight is a day."""
    text = show_value(value, to_seconds=to_seconds)
    return text.removesuffix(" 00:00:00") if column.type == "date" else text


def is_instant(column: ColumnStatistics) -> bool:
    """Return whether the values are instants or days."""
    return column.type in ("timestamp", "date")


def _presence(column: ColumnStatistics) -> Iterator[Fact]:
    yield Fact("rows", show_number(column.count), column.count)
    yield Fact("complete", show_share(column.completeness), column.completeness, "shares")
    for label, count in (
        ("nulls", column.n_nulls),
        ("NaN", column.n_nans),
        ("infinities", column.n_infinities),
    ):
        if count:
            yield Fact(label, show_number(count), count)
    if column.n_distinct is not None:
        text = show_number(column.n_distinct)
        if column.distinct_error:
            text = f"≈ {text} (± {show_share(column.distinct_error)})"
        yield Fact("distinct", text, column.n_distinct)


def _spread(column: ColumnStatistics) -> Iterator[Fact]:
    values: list[tuple[str, Value | None]] = [("min", column.min_value)]
    percentiles = column.percentile_values
    values += [(f"p{p}", percentiles[p]) for p in PERCENTILES if percentiles]
    values += [("max", column.max_value), ("mean", column.mean_value)]
    to_seconds = _is_wide(column)
    for label, value in values:
        if value is not None:
            text = shown(column, value, to_seconds=to_seconds and label not in ("min", "max"))
            yield _of_value(label, column, text, value)
    if column.std_value is not None:
        deviation = float(column.std_dev)
        if is_instant(column):
            yield Fact("std dev", show_seconds(deviation), deviation, "seconds")
        else:
            yield Fact("std dev", show_number(column.std_dev), deviation)


def _of_value(label: str, column: ColumnStatistics, text: str, value: Value) -> Fact:
    if column.type.partition("(")[0] not in _COMPARABLE:
        return Fact(label, text)
    return Fact(label, text, number_of(value), "instants" if is_instant(column) else "numbers")


def _is_wide(column: ColumnStatistics) -> bool:
    """Return whether instants spread so far that parts of seconds say nothing."""
    ends = (column.min_value, column.max_value)
    if not is_instant(column) or None in ends:
        return False
    low, high = (number_of(end) for end in ends if end is not None)
    return high - low > 3_600 * US_PER_SECOND


def _categories(column: ColumnStatistics) -> Iterator[Fact]:
    if column.uniqueness is not None:
        yield Fact("unique", show_share(column.uniqueness), column.uniqueness, "shares")
    if column.entropy is not None:
        yield Fact("entropy", f"{show_number(column.entropy)} nats", column.entropy)
    if column.frequent and column.n_values:
        share = column.frequent[0].count / column.n_values
        yield Fact("most frequent", show_share(share), share, "shares")


_COUNTS = ("nulls", "NaN", "infinities")
"""They are facts only where there are any."""
_ORDER: Sequence[str] = (
    *("rows", "complete", *_COUNTS, "distinct"),
    *("min", *(f"p{p}" for p in PERCENTILES), "max", "mean", "std dev"),
    *("unique", "entropy", "most frequent"),
)
