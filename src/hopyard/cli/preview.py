"""`hopyard preview`: a few rows of a group, offline and online side by side."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hopyard.cli.commands import Json, Name, Version, opened


def preview(
    ctx: typer.Context,
    name: Name,
    *,
    n: Annotated[int, typer.Option("-n", help="How many keys.", min=0)] = 10,
    version: Version = None,
    as_json: Json = False,
) -> None:
    """Show the newest rows of a few keys, offline and online side by side."""
    from hopyard.cli.render import answer
    from hopyard.cli.text import to_json
    from hopyard.ingest.find import get_group
    from hopyard.observe.preview import preview as preview_group

    with opened(ctx) as session:
        found = preview_group(session, get_group(session, name, version), n)
    document: dict[str, Any] = {
        "group": found.label,
        "commit": found.commit,
        "online_commit": found.online_commit,
        "is_online": found.is_online,
        "is_same": found.is_same,
        "rows": [
            {"offline": to_json(row.offline), "online": to_json(row.online), "differs": list(row.differs)}
            for row in found.rows
        ],
    }
    answer(document, lambda _: typer.echo(str(found)), as_json=as_json)
