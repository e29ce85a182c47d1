"""`hopyard search`: what is in the project, by its words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from hopyard.cli.commands import Json, opened

if TYPE_CHECKING:
    from hopyard.model.search import Hit


def search(
    ctx: typer.Context,
    text: Annotated[
        str, typer.Argument(help="Words, each from its beginning; none: everything.", show_default=False)
    ] = "",
    *,
    tag: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Only with this tag; NAME alone: whatever its value."),
    ] = None,
    keyword: Annotated[list[str] | None, typer.Option(help="Only with this keyword.")] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(help="feature_group, feature_view, training_dataset or feature. Repeat for more."),
    ] = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 20,
    as_json: Json = False,
) -> None:
    """Find feature groups, features, feature views and training datasets by name, description, tags and keywords."""
    from hopyard.cli.render import answer, hits
    from hopyard.retrieve.search import search as search_store

    with opened(ctx) as session:
        found = search_store(
            session,
            text,
            tags=dict(map(_tag, tag or [])),
            keywords=keyword or (),
            kinds=kind or None,
            limit=limit,
        )
    answer({"text": text, "hits": [_document(hit) for hit in found]}, hits, as_json=as_json)


def _tag(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    return name, value if equals else None


def _document(hit: Hit) -> dict[str, Any]:
    return {
        "kind": hit.kind,
        "name": hit.name,
        "version": hit.version,
        "group": hit.group or None,
        "description": hit.description,
        "tags": hit.tags,
        "keywords": list(hit.keywords),
        "matched_in": list(hit.matched_in),
        "score": round(hit.score, 4),
    }
