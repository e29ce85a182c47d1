"""Filters on rows, and how they are combined."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from hopyard.compat.hsfs.client.exceptions import FeatureStoreException
from hopyard.compat.hsfs.times import instant

if TYPE_CHECKING:
    from hopyard.compat.hsfs.feature import Feature
    from hopyard.query.feature import Condition
    from hopyard.query.feature import Feature as CoreFeature

Resolve = Callable[["Feature"], "CoreFeature"]


class Filter:
    """One comparison of a feature with a value."""

    GE: ClassVar = "GREATER_THAN_OR_EQUAL"
    GT: ClassVar = "GREATER_THAN"
    NE: ClassVar = "NOT_EQUALS"
    EQ: ClassVar = "EQUALS"
    LE: ClassVar = "LESS_THAN_OR_EQUAL"
    LT: ClassVar = "LESS_THAN"
    IN: ClassVar = "IN"
    LK: ClassVar = "LIKE"

    def __init__(self, feature: Feature, condition: str, value: Any) -> None:
        self.feature = feature
        self.condition = condition
        self.value = value

    def core(self, resolve: Resolve) -> Condition:
        """The condition in Hopyard's words, on the feature that `resolve` finds."""
        feature = resolve(self.feature)
        if self.condition == self.IN:
            return feature.isin([_plain(item, feature.type) for item in self.value])
        if self.condition == self.LK:
            return feature.like(self.value)
        value = _plain(self.value, feature.type)
        comparisons: dict[str, Callable[[], Any]] = {
            self.GE: lambda: feature >= value,
            self.GT: lambda: feature > value,
            self.NE: lambda: feature != value,
            self.EQ: lambda: feature == value,
            self.LE: lambda: feature <= value,
            self.LT: lambda: feature < value,
        }
        found: Condition = comparisons[self.condition]()
        return found

    def __and__(self, other: Filter | Logic) -> Logic:
        return Logic(Logic.AND, self, _checked(other, "&"))

    def __or__(self, other: Filter | Logic) -> Logic:
        return Logic(Logic.OR, self, _checked(other, "|"))

    def __bool__(self) -> bool:
        raise FeatureStoreException(
            f"The filter on {self.feature.name!r} is no yes or no: combine filters with & and |, each in brackets."
        )

    def __repr__(self) -> str:
        return f"Filter({self.feature!r}, {self.condition!r}, {self.value!r})"

    def __str__(self) -> str:
        return f"{self.feature.name} {self.condition} {self.value}"


class Logic:
    """Two filters combined, or one alone."""

    AND: ClassVar = "AND"
    OR: ClassVar = "OR"
    SINGLE: ClassVar = "SINGLE"

    def __init__(
        self,
        type: str,
        left: Filter | Logic | None = None,
        right: Filter | Logic | None = None,
        left_f: Filter | None = None,
        right_f: Filter | None = None,
        left_l: Logic | None = None,
        right_l: Logic | None = None,
    ) -> None:
        self.type = type
        self.left = next((side for side in (left, left_f, left_l) if side is not None), None)
        self.right = next((side for side in (right, right_f, right_l) if side is not None), None)

    @classmethod
    def And(cls, left: Filter | Logic, right: Filter | Logic) -> Logic:
        """Both."""
        return cls(cls.AND, left, right)

    @classmethod
    def Or(cls, left: Filter | Logic, right: Filter | Logic) -> Logic:
        """At least one."""
        return cls(cls.OR, left, right)

    @classmethod
    def Single(cls, left: Filter | Logic) -> Logic:
        """One filter alone."""
        return cls(cls.SINGLE, left)

    def core(self, resolve: Resolve) -> Condition:
        """The condition in Hopyard's words, on the features that `resolve` finds."""
        if self.left is None:
            raise FeatureStoreException("A Logic without filters filters nothing: give it left= and right=.")
        left = self.left.core(resolve)
        if self.right is None:
            return left
        right = self.right.core(resolve)
        return left & right if self.type == self.AND else left | right

    def __and__(self, other: Filter | Logic) -> Logic:
        return Logic(self.AND, self, _checked(other, "&"))

    def __or__(self, other: Filter | Logic) -> Logic:
        return Logic(self.OR, self, _checked(other, "|"))

    def __bool__(self) -> bool:
        raise FeatureStoreException("Filters are no yes or no: combine them with & and |, each in brackets.")

    def __repr__(self) -> str:
        return f"Logic({self.type}, {self.left!r}, {self.right!r})"


def _checked(other: object, operator: str) -> Filter | Logic:
    if isinstance(other, Filter | Logic):
        return other
    raise TypeError(
        f"{operator} combines filters, and {other!r} is none. "
        f"Put each comparison in brackets: (a > 1) {operator} (b < 2)."
    )


def _plain(value: Any, type_: str) -> Any:
    """Return a value of numpy or pandas as Python's, and text for a time column as a time."""
    if type_ in ("timestamp", "date") and isinstance(value, str | datetime | date):
        moment = instant(value)
        if moment is not None:
            return moment.date() if type_ == "date" else moment
    if not isinstance(value, str | bytes | datetime) and hasattr(value, "item"):
        return value.item()
    return value
