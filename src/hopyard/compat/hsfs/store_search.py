"""Search in a feature store of the shim: names, descriptions, keywords and tags."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import hopyard
from hopyard.compat.hsfs.notes import read_all_notes
from hopyard.compat.hsfs.tags import get_keywords, get_tags

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
        """Return everything that matches the term, and has the keywords and tags."""
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
        found = self._matching("feature_group", groups, search_term, keyword_filter, tag_filter)
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
        found = self._matching("feature_view", views, search_term, keyword_filter, tag_filter)
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
        found = self._matching("training_dataset", sets, search_term, keyword_filter, tag_filter)
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
        own = (hit.keywords for hit in self._store.search(limit=sys.maxsize))
        return sorted({word for found in notes for word in found.get("keywords", [])}.union(*own))

    def _features(self) -> Iterator[Any]:
        for group in cast("FeatureStore", self).get_feature_groups():
            yield from group.features

    def _matching(
        self, kind: str, things: list[Any], term: str | None, keywords: Any, tags: Any
    ) -> list[Any]:
        """Return the things that match: those that Hopyard's search finds, the best first, then parts of words."""
        hits = self._store.search(term, kinds=kind, limit=sys.maxsize) if term else ()
        places = {(hit.name, hit.version): place for place, hit in enumerate(hits)}
        found = [
            thing
            for thing in things
            if ((thing.name, thing.version) in places or _has_term(thing, term))
            and self._has_notes(f"{kind}/{thing.name}_{thing.version}", keywords, tags)
        ]
        return sorted(found, key=lambda thing: places.get((thing.name, thing.version), len(places)))

    def _has_notes(self, key: str, keywords: Any, tags: Any) -> bool:
        words = [keywords] if isinstance(keywords, str) else list(keywords or [])
        wanted = _wanted_tags(tags)
        if words and not set(words) <= set(get_keywords(self._project, key)):
            return False
        known = get_tags(self._project, key) if wanted else {}
        return all(_has_tag(known, tag) for tag in wanted)


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
