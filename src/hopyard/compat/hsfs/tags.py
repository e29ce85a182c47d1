"""Tags and keywords: Hopyard's own of groups, views and training datasets, and in the notes of anything else."""

from __future__ import annotations

from typing import Any

import hopyard
from hopyard import Project
from hopyard.compat.hsfs.client.exceptions import RestAPIError
from hopyard.compat.hsfs.notes import change_notes, read_notes
from hopyard.errors import NotFoundError

CoreThing = hopyard.FeatureGroup | hopyard.FeatureView | hopyard.TrainingDataset


class Tag:
    """A tag's name and value."""

    def __init__(self, name: str, value: Any) -> None:
        self.name = name
        self.value = value

    def __repr__(self) -> str:
        return f"Tag({self.name!r}, {self.value!r})"


def add_tag(project: Project, key: str, name: str, value: Any) -> None:
    """Set a tag; the value is anything that JSON has."""
    found = _described(project, key)
    if found is not None:
        found.add_tag(name, value)
        _forget(project, key, "tags", name)
    else:
        change_notes(project, key, lambda own: own.setdefault("tags", {}).update({name: value}))


def get_tags(project: Project, key: str) -> dict[str, Any]:
    """Return the tags' values by name."""
    found = _described(project, key)
    return {**read_notes(project, key).get("tags", {}), **(found.tags if found is not None else {})}


def get_tag(project: Project, key: str, name: str) -> Any:
    """Return the value of a tag; None if there is none."""
    return get_tags(project, key).get(name)


def delete_tag(project: Project, key: str, name: str) -> None:
    """Remove a tag. Raises RestAPIError if there is none."""
    known = get_tags(project, key)
    if name not in known:
        raise RestAPIError(f"There is no tag {name!r} to delete. There are: {sorted(known)}.")
    found = _described(project, key)
    if found is not None and name in found.tags:
        found.delete_tag(name)
    _forget(project, key, "tags", name)


def get_keywords(project: Project, key: str) -> list[str]:
    """Return the keywords, sorted."""
    found = _described(project, key)
    known = read_notes(project, key).get("keywords", [])
    return sorted({*known, *(found.keywords if found is not None else [])})


def set_keywords(project: Project, key: str, keywords: list[str] | str) -> list[str]:
    """Replace the keywords and return them."""
    words = sorted({keywords} if isinstance(keywords, str) else set(keywords))
    found = _described(project, key)
    if found is None:
        change_notes(project, key, lambda own: own.update({"keywords": words}))
        return words
    if "keywords" in read_notes(project, key):
        change_notes(project, key, lambda own: own.pop("keywords", None))
    return found.set_keywords(words)


def add_keywords(project: Project, key: str, keywords: list[str] | str) -> list[str]:
    """Add keywords and return all."""
    more = [keywords] if isinstance(keywords, str) else list(keywords)
    return set_keywords(project, key, [*get_keywords(project, key), *more])


def delete_keyword(project: Project, key: str, keyword: str) -> list[str]:
    """Remove a keyword and return those that remain."""
    return set_keywords(project, key, [word for word in get_keywords(project, key) if word != keyword])


def adopt_notes(project: Project, key: str) -> None:
    """Bring tags that were noted before their thing was stored to where Hopyard keeps them."""
    for name, value in read_notes(project, key).get("tags", {}).items():
        add_tag(project, key, name, value)


def _described(project: Project, key: str) -> CoreThing | None:
    """Return what Hopyard has under a key such as `feature_group/weather_1`; None: nothing by that name."""
    kind, _, label = key.partition("/")
    name, _, version = label.rpartition("_")
    if not version.isdecimal():
        return None
    store = project.get_feature_store()
    try:
        if kind == "feature_group":
            return store.get_feature_group(name, int(version))
        if kind == "feature_view":
            return store.get_feature_view(name, int(version))
        return store.get_training_dataset(name, int(version)) if kind == "training_dataset" else None
    except NotFoundError:
        return None


def _forget(project: Project, key: str, what: str, name: str) -> None:
    """Remove a tag from the notes, where earlier releases kept them."""
    if name in read_notes(project, key).get(what, {}):
        change_notes(project, key, lambda own: own[what].pop(name, None))


class Noted:
    """Tags and keywords as methods, for what has a key in the notes."""

    @property
    def _project(self) -> Project:
        raise RestAPIError(f"{self!r} has no project.")

    @property
    def notes_key(self) -> str:
        """Where the notes of this object are."""
        raise RestAPIError(f"{self!r} is not saved yet, and has no tags or keywords.")

    def add_tag(self, name: str, value: Any = None) -> None:
        """Set a tag; the value is anything that JSON has."""
        add_tag(self._project, self.notes_key, name, value)

    def get_tag(self, name: str | None = None) -> Any:
        """Return the value of a tag, None if there is none; without a name, all of them by name."""
        if name is None:
            return self.get_tags()
        return get_tag(self._project, self.notes_key, name)

    def get_tags(self) -> dict[str, Any]:
        """Return the tags' values by name."""
        return get_tags(self._project, self.notes_key)

    def delete_tag(self, name: str) -> None:
        """Remove a tag."""
        delete_tag(self._project, self.notes_key, name)

    def get_keywords(self) -> list[str]:
        """Return the keywords, sorted."""
        return get_keywords(self._project, self.notes_key)

    def set_keywords(self, keywords: list[str] | str) -> list[str]:
        """Replace the keywords and return them."""
        return set_keywords(self._project, self.notes_key, keywords)

    def add_keywords(self, keywords: list[str] | str) -> list[str]:
        """Add keywords and return all."""
        return add_keywords(self._project, self.notes_key, keywords)

    def delete_keyword(self, keyword: str) -> list[str]:
        """Remove a keyword and return those that remain."""
        return delete_keyword(self._project, self.notes_key, keyword)
