"""Where something comes from and what was made of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class Artifact:
    """A name for something that cannot be opened from here."""

    def __init__(
        self, feature_store_name: str, name: str, version: int, type: str, meta_type: str = "accessible"
    ) -> None:
        self.feature_store_name = feature_store_name
        self.name = name
        self.version = version
        self.type = type
        self.meta_type = meta_type

    def __repr__(self) -> str:
        return f"Artifact({self.feature_store_name!r}, {self.name!r}, {self.version!r}, {self.type!r})"


class Links:
    """The things at the other end of a provenance, by whether they can be opened."""

    def __init__(self, accessible: list[Any] | None = None, deleted: list[Any] | None = None) -> None:
        self.accessible: list[Any] = list(accessible or [])
        self.deleted: list[Any] = list(deleted or [])
        self.inaccessible: list[Any] = []
        self.faulty: list[Any] = []

    def __iter__(self) -> Iterator[Any]:
        return iter(self.accessible)

    def __repr__(self) -> str:
        return f"Links(accessible={self.accessible!r}, deleted={self.deleted!r})"
