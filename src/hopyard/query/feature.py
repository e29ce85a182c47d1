"""Features and conditions as users write them: `fg["temp"] > 30`, `(a & b) | ~c`."""

from __future__ import annotations

from collections.abc import Iterable

from hopyard.errors import QueryError
from hopyard.model.plan import (
    And,
    Column,
    Compare,
    CompareOp,
    IsIn,
    IsNull,
    Like,
    Not,
    Or,
    Predicate,
    literal,
)


class Condition:
    """A filter on rows. Combine conditions with `&`, `|` and `~`.

    Null follows SQL: a comparison with null matches nothing, negated or not. NaN follows IEEE: every comparison is
    false but `!=`.
    """

    def __init__(self, predicate: Predicate) -> None:
        self.predicate = predicate

    def __and__(self, other: Condition) -> Condition:
        return Condition(And(left=self.predicate, right=_predicate(other, "&")))

    def __or__(self, other: Condition) -> Condition:
        return Condition(Or(left=self.predicate, right=_predicate(other, "|")))

    def __invert__(self) -> Condition:
        return Condition(Not(operand=self.predicate))

    def __bool__(self) -> bool:
        raise QueryError(
            "A condition is no yes or no: combine conditions with &, | and ~ (each side in brackets), "
            "not with and, or, not; write between(low, high) for a chained comparison."
        )

    def __repr__(self) -> str:
        return f"Condition({self.predicate!r})"


class Feature:
    """A feature of a feature group, or of a place in a query, to be compared in filters.

    Attributes:
        name: the feature's name.
        type: its feature type, such as `double`.
        description: as given by its owner.
    """

    __hash__ = None  # type: ignore[assignment]  # == builds a condition

    def __init__(self, column: Column, *, type: str, description: str = "") -> None:
        self._column = column
        self.name = column.feature
        self.type = type
        self.description = description

    def __lt__(self, value: object) -> Condition:
        return self._compare("<", value)

    def __le__(self, value: object) -> Condition:
        return self._compare("<=", value)

    def __gt__(self, value: object) -> Condition:
        return self._compare(">", value)

    def __ge__(self, value: object) -> Condition:
        return self._compare(">=", value)

    def __eq__(self, value: object) -> Condition:  # type: ignore[override]
        return self._compare("==", value)

    def __ne__(self, value: object) -> Condition:  # type: ignore[override]
        return self._compare("!=", value)

    def isin(self, values: Iterable[object]) -> Condition:
        """Match rows whose value is one of `values`."""
        if isinstance(values, (str, bytes)):
            raise QueryError(
                f"isin() takes a list of values, not the single value {values!r}: write [{values!r}]."
            )
        return Condition(IsIn(column=self._column, values=tuple(literal(value) for value in values)))

    def like(self, pattern: str) -> Condition:
        """Match text by a SQL pattern: `%` is any text, `_` any character, a backslash escapes either."""
        return Condition(Like(column=self._column, pattern=pattern))

    def is_null(self) -> Condition:
        """Match rows without a value."""
        return Condition(IsNull(column=self._column))

    def between(self, low: object, high: object) -> Condition:
        """Match rows with `low <= value <= high`."""
        return (self >= low) & (self <= high)

    def _refuse(self, _: object = None) -> Condition:
        raise QueryError(
            f"&, | and ~ combine conditions, and the feature {self.name!r} alone is none. "
            f"Put each comparison in brackets: (fg['a'] > 1) & (fg['b'] < 2)."
        )

    __and__ = __or__ = __rand__ = __ror__ = __invert__ = _refuse

    def __bool__(self) -> bool:
        raise QueryError(
            f"The feature {self.name!r} is no yes or no: compare it with a value, such as fg[{self.name!r}] == True. "
            f"Conditions are combined with &, | and ~ (each side in brackets), not with and, or, not."
        )

    def __repr__(self) -> str:
        place = self._column.group or "query"
        return f"Feature({place}.{self.name}: {self.type})"

    def _compare(self, op: CompareOp, value: object) -> Condition:
        if isinstance(value, Feature):
            raise QueryError(
                f"{self.name!r} is compared with another feature, {value.name!r}; a filter compares with values. "
                f"Compute the comparison as a feature of its own."
            )
        if value is None:
            raise QueryError(f"{self.name!r} {op} None matches nothing: write is_null() or ~is_null().")
        return Condition(Compare(column=self._column, op=op, value=literal(value)))


def predicate_of(condition: object) -> Predicate:
    """Return what a filter was given. Raises QueryError unless it is a condition."""
    if isinstance(condition, Condition):
        return condition.predicate
    raise QueryError(
        f"filter() takes a condition such as fg['minutes'] > 10, and was given {condition!r}. (A feature that is "
        f"called like an attribute, such as 'name', is reached in brackets only: fg['name'] == 'x'.)"
    )


def _predicate(other: object, operator: str) -> Predicate:
    if isinstance(other, Condition):
        return other.predicate
    raise QueryError(
        f"{operator} combines conditions, and {other!r} is none. "
        f"Put each comparison in brackets: (fg['a'] > 1) {operator} (fg['b'] < 2)."
    )
