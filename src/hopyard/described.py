"""What the user's groups, views and training datasets have in common: a description, tags and keywords."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, Self, TypeVar

from hopyard.model.manifest import Manifest
from hopyard.model.specs import FeatureGroupSpec, FeatureSpec, FeatureViewSpec
from hopyard.model.tags import (
    of_feature,
    tag_of,
    with_description,
    with_keywords,
    with_tag,
    without_keyword,
    without_tag,
)

S = TypeVar("S", FeatureGroupSpec, FeatureViewSpec, Manifest)
Change = Callable[[Any], Any]


class Described(Generic[S]):
    """A description, tags and keywords: `FeatureStore.search` finds a thing by them. They are no part of its data."""

    @property
    def _about(self) -> S:
        """The thing as frozen data."""
        raise NotImplementedError

    def _redescribe(self, change: Callable[[S], S]) -> None:
        """Store a change of the description, tags or keywords alone."""
        raise NotImplementedError

    @property
    def description(self) -> str:
        """What it is about."""
        return self._about.description

    @property
    def tags(self) -> dict[str, Any]:
        """The tags, by name."""
        return dict(self._about.tags)

    @property
    def keywords(self) -> list[str]:
        """The keywords, sorted."""
        return list(self._about.keywords)

    def update_description(self, description: str) -> Self:
        """Change what it says about itself, and return it."""
        self._redescribe(lambda stored: with_description(stored, description))
        return self

    def add_tag(self, name: str, value: object = None) -> None:
        """Set a tag.

        Args:
            name: printable text of at most 63 characters, without `=`.
            value: anything that JSON has.
        Raises:
            InvalidNameError, ConfigError: the name or the value.
        """
        self._redescribe(lambda stored: with_tag(stored, name, value))

    def get_tag(self, name: str) -> Any:
        """Return the value of a tag. Raises NotFoundError."""
        return tag_of(self._about, name)

    def get_tags(self) -> dict[str, Any]:
        """Return the tags, by name."""
        return dict(self._about.tags)

    def delete_tag(self, name: str) -> None:
        """Remove a tag. Raises NotFoundError."""
        self._redescribe(lambda stored: without_tag(stored, name))

    def get_keywords(self) -> list[str]:
        """Return the keywords, sorted."""
        return list(self._about.keywords)

    def add_keywords(self, keywords: Sequence[str] | str) -> list[str]:
        """Add one keyword or several, and return all. Raises ConfigError."""
        self._redescribe(lambda stored: with_keywords(stored, keywords, keep=True))
        return self.get_keywords()

    def set_keywords(self, keywords: Sequence[str] | str) -> list[str]:
        """Replace the keywords, and return them. Raises ConfigError."""
        self._redescribe(lambda stored: with_keywords(stored, keywords, keep=False))
        return self.get_keywords()

    def delete_keyword(self, keyword: str) -> list[str]:
        """Remove a keyword, and return those that remain. Raises NotFoundError."""
        self._redescribe(lambda stored: without_keyword(stored, keyword))
        return self.get_keywords()


class DescribedWithFeatures(Described[FeatureGroupSpec]):
    """The same of a feature group, and of each of its features: those methods take its name as `feature=`."""

    def update_feature_description(self, feature_name: str, description: str) -> Self:
        """Change what a feature says about itself, and return the group. Raises NotFoundError."""
        self._redescribe(of_feature(feature_name, lambda stored: with_description(stored, description)))
        return self

    def add_tag(self, name: str, value: object = None, *, feature: str | None = None) -> None:
        """Set a tag of the group, or of a feature.

        Args:
            name: printable text of at most 63 characters, without `=`.
            value: anything that JSON has.
        Raises:
            InvalidNameError, ConfigError: the name or the value.
            NotFoundError: no such feature.
        """
        self._redescribe_feature(feature, lambda stored: with_tag(stored, name, value))

    def get_tag(self, name: str, *, feature: str | None = None) -> Any:
        """Return the value of a tag of the group, or of a feature. Raises NotFoundError."""
        return tag_of(self._about, name) if feature is None else tag_of(self._about.feature(feature), name)

    def get_tags(self, *, feature: str | None = None) -> dict[str, Any]:
        """Return the tags of the group, or of a feature, by name. Raises NotFoundError."""
        return dict(self._of(feature).tags)

    def delete_tag(self, name: str, *, feature: str | None = None) -> None:
        """Remove a tag of the group, or of a feature. Raises NotFoundError."""
        self._redescribe_feature(feature, lambda stored: without_tag(stored, name))

    def get_keywords(self, *, feature: str | None = None) -> list[str]:
        """Return the keywords of the group, or of a feature, sorted. Raises NotFoundError."""
        return list(self._of(feature).keywords)

    def add_keywords(self, keywords: Sequence[str] | str, *, feature: str | None = None) -> list[str]:
        """Add one keyword or several to the group, or to a feature, and return all of it.

        Raises:
            ConfigError, NotFoundError: no keyword, no such feature.
        """
        self._redescribe_feature(feature, lambda stored: with_keywords(stored, keywords, keep=True))
        return self.get_keywords(feature=feature)

    def set_keywords(self, keywords: Sequence[str] | str, *, feature: str | None = None) -> list[str]:
        """Replace the keywords of the group, or of a feature, and return them.

        Raises:
            ConfigError, NotFoundError: no keyword, no such feature.
        """
        self._redescribe_feature(feature, lambda stored: with_keywords(stored, keywords, keep=False))
        return self.get_keywords(feature=feature)

    def delete_keyword(self, keyword: str, *, feature: str | None = None) -> list[str]:
        """Remove a keyword of the group, or of a feature, and return those that remain. Raises NotFoundError."""
        self._redescribe_feature(feature, lambda stored: without_keyword(stored, keyword))
        return self.get_keywords(feature=feature)

    def _of(self, feature: str | None) -> FeatureGroupSpec | FeatureSpec:
        return self._about if feature is None else self._about.feature(feature)

    def _redescribe_feature(self, feature: str | None, change: Change) -> None:
        self._redescribe(change if feature is None else of_feature(feature, change))
