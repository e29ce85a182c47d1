"""Search in a feature store of the shim: names, descriptions, keywords and tags."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import hopyard
from hopyard.compat.hsfs.notes import read_all_notes

if TYPE_CHECKING:
    from hopyard.compat.hsfs.feature_store import FeatureStore


class SearchResult(dict[str, list[Any]]):
    """What was found: `feature_groups`, `feature_views`, `training_datasets`, `features`."""

    @property
    def feature_groups(self) -> list[Any]:
        """The groups."""
        return self["feature_groups"]

    @property
    def feature_views(self) -> list[Any]:
        """The views."""
        return self["feature_views"]

    @property
    def training_datasets(self) -> list[Any]:
        """The training datasets."""
        return self["training_datasets"]

    @property
    def features(self) -> list[Any]:
        """The features."""
        return self["features"]


class SearchStore:
    """Finding things by words."""

    _project: hopyard.Project
    _store: hopyard.FeatureStore

    def search(
        self,
        search_term: str | None = None,
        keyword_filter: Any = None,
        tag_filter: Any = None,
        offset: int = 0,
        limit: int = 100,
        global_search: bool = False,
    ) -> SearchResult:
        """Return everything that has the term in its name or description, and the keywords and tags."""
        arguments = (search_term, keyword_filter, tag_filter, offset, limit, global_search)
        return SearchResult(
            feature_groups=self.search_feature_groups(*arguments),
            feature_views=self.search_feature_views(*arguments),
            training_datasets=self.search_training_datasets(*arguments),
            features=self.search_features(*arguments),
        )

    def search_feature_groups(
        self,
        search_term: str | None = None,
        keyword_filter: Any = None,
        tag_filter: Any = None,
        offset: int = 0,
        limit: int = 100,
        global_search: bool = False,
    ) -> list[Any]:
        """Return the feature groups that match."""
        groups = cast("FeatureStore", self).get_feature_groups()
        found = [
            g for g in groups if self._is_match("feature_group", g, search_term, keyword_filter, tag_filter)
        ]
        return found[offset : offset + limit]

    def search_feature_views(
        self,
        search_term: str | None = None,
        keyword_filter: Any = None,
        tag_filter: Any = None,
        offset: int = 0,
        limit: int = 100,
        global_search: bool = False,
    ) -> list[Any]:
        """Return the feature views that match."""
        views = cast("FeatureStore", self).get_feature_views()
        found = [
            v for v in views if self._is_match("feature_view", v, search_term, keyword_filter, tag_filter)
        ]
        return found[offset : offset + limit]

    def search_training_datasets(
        self,
        search_term: str | None = None,
        keyword_filter: Any = None,
        tag_filter: Any = None,
        offset: int = 0,
        limit: int = 100,
        global_search: bool = False,
    ) -> list[Any]:
        """Return the training datasets that match."""
        sets = cast("FeatureStore", self).get_training_datasets()
        found = [
            d for d in sets if self._is_match("training_dataset", d, search_term, keyword_filter, tag_filter)
        ]
        return found[offset : offset + limit]

    def search_features(
        self,
        search_term: str | None = None,
        keyword_filter: Any = None,
        tag_filter: Any = None,
        offset: int = 0,
        limit: int = 100,
        global_search: bool = False,
    ) -> list[Any]:
        """Return the features of all groups that have the term in their name or description."""
        if keyword_filter or tag_filter:
            return []  # features have neither
        found = [feature for feature in self._features() if _has_term(feature, search_term)]
        return found[offset : offset + limit]

    def get_all_keywords(self) -> list[str]:
        """Return the keywords of everything in the project, sorted."""
        notes = read_all_notes(self._project).values()
        return sorted({word for own in notes for word in own.get("keywords", [])})

    def _features(self) -> Iterator[Any]:
        for group in cast("FeatureStore", self).get_feature_groups():
            yield from group.features

    def _is_match(self, kind: str, found: Any, term: Any, keywords: Any, tags: Any) -> bool:
        if not _has_term(found, term):
            return False
        own = read_all_notes(self._project).get(f"{kind}/{found.name}_{found.version}", {})
        words = [keywords] if isinstance(keywords, str) else list(keywords or [])
        if words and not set(words) <= set(own.get("keywords", [])):
            return False
        known = own.get("tags", {})
        return all(_has_tag(known, wanted) for wanted in _wanted_tags(tags))


def _has_term(found: Any, term: str | None) -> bool:
    text = f"{found.name} {getattr(found, 'description', '') or ''}".lower()
    return term is None or term.lower() in text


def _wanted_tags(tags: Any) -> list[Any]:
    if tags is None:
        return []
    return list(tags) if isinstance(tags, list | tuple) else [tags]


def _has_tag(known: dict[str, Any], wanted: Any) -> bool:
    """Whether there is a tag: by name alone, or with `name`, `key` and `value` as the original's filters have them."""
    if isinstance(wanted, str):
        return wanted in known
    name = wanted.get("name")
    if name not in known:
        return False
    value, key = known[name], wanted.get("key")
    if key is not None:
        value = value.get(key) if isinstance(value, dict) else None
    return "value" not in wanted or str(value) == str(wanted["value"])
