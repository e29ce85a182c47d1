"""Description, tags and keywords, by which others find things: changes of frozen data, without I/O."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from hopyard.errors import ConfigError, InvalidNameError, NotFoundError
from hopyard.model.manifest import Manifest
from hopyard.model.names import MAX_NAME_LENGTH, nearest_name
from hopyard.model.specs import FeatureGroupSpec, FeatureSpec, FeatureViewSpec

D = TypeVar("D", FeatureSpec, FeatureGroupSpec, FeatureViewSpec, Manifest)
MAX_KEYWORD_LENGTH = 100


def with_description(what: D, description: str) -> D:
    """Return a thing with another description. Raises ConfigError: it is no text."""
    if not isinstance(description, str):
        raise ConfigError(f"A description is text, and {description!r} is none.")
    return msgspec.structs.replace(what, description=description)


def with_tag(what: D, name: str, value: object) -> D:
    """Return a thing with a tag set.

    Raises:
        InvalidNameError: a name that is empty or longer than 63, or has `=`, a line break or spaces around it.
        ConfigError: a value that JSON does not have.
    """
    _check_tag_name(name)
    try:
        stored = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"Tag {name!r} cannot have the value {value!r}: {error}. Give text, a number, true, false or None, or "
            f"lists and dicts of these."
        ) from error
    return msgspec.structs.replace(what, tags={**what.tags, name: stored})


def with_tags(what: D, tags: Mapping[str, object]) -> D:
    """Return a thing with more tags. Raises ConfigError, InvalidNameError: see `with_tag`."""
    if not isinstance(tags, Mapping):
        raise ConfigError(f"tags={tags!r} must be a dict of values by name.")
    for name, value in tags.items():
        what = with_tag(what, name, value)
    return what


def without_tag(what: D, name: str) -> D:
    """Return a thing without a tag. Raises NotFoundError."""
    tag_of(what, name)
    return msgspec.structs.replace(what, tags={k: v for k, v in what.tags.items() if k != name})


def tag_of(what: D, name: str) -> Any:
    """Return the value of a tag. Raises NotFoundError."""
    if name not in what.tags:
        raise NotFoundError(f"tag of {_called(what)!r}", name, what.tags)
    return what.tags[name]


def with_keywords(what: D, keywords: Iterable[str] | str, *, keep: bool) -> D:
    """Return a thing with these keywords, sorted, each once.

    Args:
        keep: the ones that it has, too.
    Raises:
        ConfigError: no text, an empty one, or more than 100 characters.
    """
    kept: tuple[str, ...] = what.keywords if keep else ()
    return msgspec.structs.replace(what, keywords=_sorted((*kept, *checked_keywords(keywords))))


def without_keyword(what: D, keyword: str) -> D:
    """Return a thing without a keyword. Raises NotFoundError."""
    if keyword not in what.keywords:
        raise NotFoundError(f"keyword of {_called(what)!r}", keyword, what.keywords)
    return msgspec.structs.replace(what, keywords=tuple(word for word in what.keywords if word != keyword))


def checked_keywords(keywords: object) -> tuple[str, ...]:
    """Return one keyword or several, without spaces around them, sorted, each once. Raises ConfigError."""
    if isinstance(keywords, bytes) or not isinstance(keywords, Iterable):
        raise ConfigError(f"keywords={keywords!r} must be a text, or a list of texts.")
    words = [keywords] if isinstance(keywords, str) else list(keywords)
    for word in words:
        if not isinstance(word, str) or not word.strip() or len(word) > MAX_KEYWORD_LENGTH:
            raise ConfigError(f"{word!r} is no keyword: give text of 1 to {MAX_KEYWORD_LENGTH} characters.")
    return _sorted(word.strip() for word in words)


def of_feature(
    name: str, change: Callable[[FeatureSpec], FeatureSpec]
) -> Callable[[FeatureGroupSpec], FeatureGroupSpec]:
    """Return the change of a group that changes one of its features so. It raises NotFoundError."""

    def changed(group: FeatureGroupSpec) -> FeatureGroupSpec:
        group.feature(name)
        features = tuple(change(feature) if feature.name == name else feature for feature in group.features)
        return msgspec.structs.replace(group, features=features)

    return changed


def _check_tag_name(name: object) -> None:
    """Tags are named as people name things: only what a table or a command line could not show is refused."""
    is_fine = isinstance(name, str) and 1 <= len(name) <= MAX_NAME_LENGTH and name == name.strip()
    if not is_fine or "=" in str(name) or not str(name).isprintable():
        raise InvalidNameError(
            f"{name!r} cannot name a tag: give printable text of 1 to {MAX_NAME_LENGTH} characters, without '=' and "
            f"without spaces around it. For example: {nearest_name(str(name))!r}."
        )


def _sorted(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(words)))


def _called(what: FeatureSpec | FeatureGroupSpec | FeatureViewSpec | Manifest) -> str:
    return what.name if isinstance(what, FeatureSpec) else what.label
