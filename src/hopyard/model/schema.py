"""Names and types of columns."""

from __future__ import annotations

from hopyard.model.codec import Frozen
from hopyard.model.types import FeatureType, parse_type


class Field(Frozen, frozen=True, kw_only=True):
    """One column: its name and its feature type in text form."""

    name: str
    type: str

    @property
    def feature_type(self) -> FeatureType:
        return parse_type(self.type)


Schema = tuple[Field, ...]
