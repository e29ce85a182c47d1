"""Search in a project: what was asked, checked; what was found, as a table."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast, get_args, overload

from hopyard.errors import ConfigError, NotFoundError
from hopyard.model.search import SEARCH_KINDS, Hit, SearchKind, SearchRequest
from hopyard.model.tags import checked_keywords
from hopyard.session import Session

MAX_WORDS = 32
_HEAD = ("kind", "name", "version", "matched in", "score", "description")
_MAX_CELL = 60


class SearchResult(Sequence[Hit]):
    """What was found, the best first. `print` shows it as a table, and so does a notebook."""

    def __init__(self, hits: Sequence[Hit]) -> None:
        self._hits = tuple(hits)

    @property
    def feature_groups(self) -> list[Hit]:
        """The feature groups among the hits."""
        return self._of("feature_group")

    @property
    def feature_views(self) -> list[Hit]:
        """The feature views among the hits."""
        return self._of("feature_view")

    @property
    def training_datasets(self) -> list[Hit]:
        """The training datasets among the hits."""
        return self._of("training_dataset")

    @property
    def features(self) -> list[Hit]:
        """The features among the hits, each with its group."""
        return self._of("feature")

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Hit]: ...
    def __getitem__(self, index: int | slice) -> Hit | Sequence[Hit]:
        return self._hits[index]

    def __len__(self) -> int:
        return len(self._hits)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self._hits)

    def __repr__(self) -> str:
        return f"SearchResult({len(self)} hits)"

    def __str__(self) -> str:
        if not self._hits:
            return "Nothing was found."
        rows = [_HEAD, *map(_cells, self._hits)]
        widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
        lines = (
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
        )
        return "\n".join(line.rstrip() for line in lines)

    def _repr_html_(self) -> str:
        if not self._hits:
            return "<p>Nothing was found.</p>"
        head = "".join(f"<th>{cell}</th>" for cell in _HEAD)
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in _cells(hit)) + "</tr>"
            for hit in self._hits
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"

    def _of(self, kind: SearchKind) -> list[Hit]:
        return [hit for hit in self._hits if hit.kind == kind]


def search(
    session: Session,
    text: str,
    *,
    tags: Mapping[str, Any] | None,
    keywords: Sequence[str] | str,
    kinds: Sequence[str] | str | None,
    limit: int,
) -> SearchResult:
    """Return what matches in the session's project; see `FeatureStore.search`."""
    request = SearchRequest(
        project=session.project,
        words=_words(text),
        kinds=_kinds(kinds),
        tags=_tags(tags),
        keywords=checked_keywords(keywords),
        limit=_limit(limit),
    )
    return SearchResult(session.registry.search(request))


def _words(text: object) -> tuple[str, ...] | None:
    if not isinstance(text, str):
        raise ConfigError(f"A search is for text, and {text!r} is none.")
    # What UTF-8 does not have, and NUL, which ends text in SQLite, can be in no name.
    plain = text.encode(errors="replace").decode().replace("\0", " ")
    words = tuple(dict.fromkeys(plain.split()))
    if len(words) > MAX_WORDS:
        raise ConfigError(f"The search has {len(words)} different words. Give at most {MAX_WORDS}.")
    return words or None


def _kinds(kinds: Sequence[str] | str | None) -> tuple[SearchKind, ...]:
    given = SEARCH_KINDS if kinds is None else (kinds,) if isinstance(kinds, str) else tuple(kinds)
    for kind in given:
        if kind not in get_args(SearchKind):
            raise NotFoundError("kind to search for", str(kind), SEARCH_KINDS)
    return tuple(dict.fromkeys(cast(Sequence[SearchKind], given)))


def _tags(tags: object) -> dict[str, Any]:
    if tags is None:
        return {}
    if not isinstance(tags, Mapping) or not all(isinstance(name, str) for name in tags):
        raise ConfigError(
            f"tags={tags!r} must be a dict of names and values, such as {{'owner': 'ops'}}; the value None stands for "
            f"any."
        )
    return dict(tags)


def _limit(limit: object) -> int:
    if isinstance(limit, int) and not isinstance(limit, bool) and limit >= 1:
        return limit
    raise ConfigError(f"limit={limit!r} must be a whole number from 1.")


def _cells(hit: Hit) -> tuple[str, ...]:
    name = f"{hit.group}.{hit.name}" if hit.group else hit.name
    about = " ".join("".join(c if c.isprintable() else " " for c in hit.description).split())
    shown = about if len(about) <= _MAX_CELL else about[: _MAX_CELL - 3] + "..."
    kind = hit.kind.replace("_", " ")
    return kind, name, str(hit.version), ", ".join(hit.matched_in), f"{hit.score:.2f}", shown
