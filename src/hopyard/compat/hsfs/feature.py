"""A feature as programs describe, choose and compare it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from hopyard.compat.hsfs.constructor.filter import Filter
from hopyard.compat.hsfs.util import autofix_feature_name

if TYPE_CHECKING:
    from hopyard.compat.hsfs.constructor.filter import Logic

_TYPES = {
    "tinyint": "int",
    "smallint": "int",
    "integer": "int",
    "long": "bigint",
    "str": "string",
    "text": "string",
    "bool": "boolean",
    "datetime": "timestamp",
    "varbinary": "binary",
}


class Feature:
    """A feature: its name, type and role. Compared with a value it gives a filter."""

    def __init__(
        self,
        name: str,
        type: str | None = None,
        description: str | None = None,
        primary: bool | None = False,
        foreign: bool | None = False,
        partition: Any = False,
        hudi_precombine_key: Any = False,
        offline_only: bool = False,
        online_type: str | None = None,
        default_value: Any = None,
        feature_group_id: int | None = None,
        feature_group: Any = None,
        on_demand: bool = False,
        use_fully_qualified_name: bool = False,
        **_: Any,
    ) -> None:
        """See the attributes.

        The order of 2020 (name, type, description, primary, partition, online type, default) is told from today's by
        the text in sixth place.
        """
        if isinstance(partition, str):
            foreign, partition, online_type = False, foreign, partition
            default_value, hudi_precombine_key = hudi_precombine_key or default_value, False
        self.name = autofix_feature_name(name)
        self.type = type
        self.description = description
        self.primary = bool(primary)
        self.foreign = bool(foreign)
        self.partition = bool(partition)
        self.hudi_precombine_key = bool(hudi_precombine_key)
        self.offline_only = offline_only
        self.online_type = online_type
        self.default_value = default_value
        self.feature_group_id = feature_group_id
        self.feature_group = feature_group
        self.on_demand = on_demand
        self.use_fully_qualified_name = use_fully_qualified_name

    @property
    def core_type(self) -> str | None:
        """The type in Hopyard's words; None if none was given."""
        if self.type is None:
            return None
        lowered = self.type.strip().lower()
        if re.fullmatch(r"(var)?char\(\d+\)", lowered):
            return "string"
        return _TYPES.get(lowered, lowered)

    def is_complex(self) -> bool:
        """Whether the type is an array, a struct, a map or bytes."""
        return (self.type or "").lower().startswith(("array<", "struct<", "map<", "binary", "uniontype<"))

    def to_dict(self) -> dict[str, Any]:
        """The feature as a dictionary, by the original's names."""
        return {
            "name": self.name,
            "type": self.type,
            "description": self.description,
            "primary": self.primary,
            "foreign": self.foreign,
            "partition": self.partition,
            "hudiPrecombineKey": self.hudi_precombine_key,
            "onlineType": self.online_type,
            "defaultValue": self.default_value,
            "featureGroupId": self.feature_group_id,
        }

    def isin(self, other: Iterable[Any]) -> Filter:
        """Match rows whose value is one of these."""
        return Filter(self, Filter.IN, list(other))

    def contains(self, other: Iterable[Any]) -> Filter:
        """Match rows whose value is one of these; the older name of `isin`."""
        return self.isin([other] if isinstance(other, str) else other)

    def like(self, other: str) -> Filter:
        """Match text by a SQL pattern."""
        return Filter(self, Filter.LK, other)

    def __lt__(self, other: Any) -> Filter:
        return Filter(self, Filter.LT, other)

    def __le__(self, other: Any) -> Filter:
        return Filter(self, Filter.LE, other)

    def __eq__(self, other: Any) -> Filter:  # type: ignore[override]
        return Filter(self, Filter.EQ, other)

    def __ne__(self, other: Any) -> Filter:  # type: ignore[override]
        return Filter(self, Filter.NE, other)

    def __ge__(self, other: Any) -> Filter:
        return Filter(self, Filter.GE, other)

    def __gt__(self, other: Any) -> Filter:
        return Filter(self, Filter.GT, other)

    def __hash__(self) -> int:
        return hash(self.name)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return (
            f"Feature({self.name!r}, {self.type!r}, {self.description!r}, {self.primary}, {self.partition})"
        )


def condition_of(value: Filter | Logic | Any) -> Filter | Logic:
    """Return a filter as it was given, and a feature alone as the test whether it is true."""
    return value == True if isinstance(value, Feature) else value  # noqa: E712


def are_features(value: Any) -> bool:
    """Return whether a value is a list of features, and not empty."""
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(f, Feature) for f in value)
