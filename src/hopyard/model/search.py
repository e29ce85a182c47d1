"""What is asked of a search, and what it finds."""

from __future__ import annotations

from typing import Any, Literal

from hopyard.model.codec import Frozen

SearchKind = Literal["feature_group", "feature_view", "training_dataset", "feature"]
SEARCH_KINDS: tuple[SearchKind, ...] = ("feature_group", "feature_view", "training_dataset", "feature")

MatchedIn = Literal["name", "keywords", "tags", "description", "features", "group"]


class SearchRequest(Frozen, frozen=True, kw_only=True):
    """A search in a project: everything that is given must match.

    `words` are matched from their beginnings. A tag's value None stands for any. Without words everything matches them.
    """

    project: str
    words: tuple[str, ...] | None = None
    kinds: tuple[SearchKind, ...] = SEARCH_KINDS
    tags: dict[str, Any] = {}
    keywords: tuple[str, ...] = ()
    limit: int = 100


class Hit(Frozen, frozen=True, kw_only=True):
    """Something that was found.

    Attributes:
        group: of a feature, its feature group, whose `version` it is; else empty.
        matched_in: where the words were found: `features` are those of a group, view or dataset, `group` is that of a
            feature. Empty without words.
        score: 1 for the best hit, less for the others.
    """

    kind: SearchKind
    name: str
    version: int
    group: str = ""
    description: str = ""
    tags: dict[str, Any] = {}
    keywords: tuple[str, ...] = ()
    matched_in: tuple[MatchedIn, ...] = ()
    score: float = 1.0

    @property
    def label(self) -> str:
        """How messages and SQL call it: `weather_1`; a feature `weather_1.temp`."""
        return f"{self.group}_{self.version}.{self.name}" if self.group else f"{self.name}_{self.version}"
