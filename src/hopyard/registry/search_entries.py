"""What can be found of a record: its name, description, tags, keywords and features, read from its document.

The document is read loosely: one that lacks something, or cannot be read at all, is found by what it has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from hopyard.model.search import SearchKind
from hopyard.ports import Record

SEARCHED_KINDS = ("feature_group", "feature_view", "training_dataset")
"""The kinds of records that have entries; features are entries of their groups."""


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a hit says of a thing, beside its name."""

    description: str = ""
    tags: dict[str, Any] = {}
    keywords: tuple[str, ...] = ()


class _Named(msgspec.Struct):
    name: str = ""
    description: str = ""
    tags: dict[str, Any] = {}
    keywords: tuple[str, ...] = ()


class _Plan(msgspec.Struct):
    outputs: tuple[_Named, ...] = ()


class _Document(_Named):
    features: tuple[_Named, ...] = ()
    schema: tuple[_Named, ...] = ()
    plan: _Plan = msgspec.field(default_factory=_Plan)


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that can be found, with its words."""

    kind: SearchKind
    group_name: str
    name: str
    about: About
    context: str

    @property
    def words(self) -> dict[str, str]:
        """The text of each column that is searched."""
        return {
            "name": _plain(self.name),
            "keywords": _plain(" ".join(self.about.keywords)),
            "tags": _plain(tag_text(self.about.tags)),
            "description": _plain(self.about.description),
            "context": _plain(self.context),
        }


def entries_of(record: Record) -> Iterator[Entry]:
    """Yield what can be found of a record: nothing for kinds that are not searched."""
    if record.kind not in SEARCHED_KINDS:
        return
    try:
        document = msgspec.json.decode(record.body, type=_Document)
    except msgspec.MsgspecError:
        document = _Document()
    columns = document.features or document.schema or document.plan.outputs
    names = " ".join(column.name for column in columns)
    yield Entry(record.kind, "", record.name, _about(document), names)  # type: ignore[arg-type]
    if record.kind == "feature_group":
        for feature in document.features:
            yield Entry("feature", record.name, feature.name, _about(feature), record.name)


def tag_text(tags: Mapping[str, Any]) -> str:
    """Return tags as words: names and values, also those within lists and dicts."""
    return " ".join(f"{name} {value_text(value)}" for name, value in tags.items())


def value_text(value: object) -> str:
    """Return a tag's value as words."""
    if isinstance(value, Mapping):
        return tag_text(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " ".join(map(value_text, value))
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _about(named: _Named) -> About:
    return About(description=named.description, tags=named.tags, keywords=named.keywords)


def _plain(text: str) -> str:
    """Return text without the control characters that mark matches."""
    return "".join(character if character.isprintable() else " " for character in text)
