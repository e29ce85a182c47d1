"""`hopyard online`: the online tables of feature groups, caught up and rebuilt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hopyard.cli.commands import Commands, Json, Version, opened

if TYPE_CHECKING:
    from hopyard.model.specs import FeatureGroupSpec
    from hopyard.session import Session

Document = dict[str, Any]

online = typer.Typer(
    cls=Commands, no_args_is_help=True, help="Online tables of feature groups: catch up, rebuild."
)

Group = Annotated[str, typer.Argument(help="A feature group, as name or name_version.", show_default=False)]


@online.command()
def catchup(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="GROUP",
            help="A feature group, as name or name_version; default: all that are online.",
            show_default=False,
        ),
    ] = None,
    *,
    version: Version = None,
    as_json: Json = False,
) -> None:
    """Apply the commits that online tables lack, as after a crash, or after inserts with online='later'."""
    from hopyard.cli import render

    with opened(ctx) as session:
        document = catch_up(session, name, version)
    render.answer(document, render.caught_up, as_json=as_json)


@online.command()
def rebuild(ctx: typer.Context, group: Group, *, version: Version = None, as_json: Json = False) -> None:
    """Write the online table of a group anew from its last commit, whatever it holds. Readers may go on."""
    from hopyard.cli import render

    with opened(ctx) as session:
        document = rebuild_group(session, group, version)
    render.answer(document, render.rebuilt, as_json=as_json)


@online.command()
def move(
    ctx: typer.Context,
    url: Annotated[str, typer.Argument(help="Of the new online store: lmdb, redis, postgresql, mysql.")],
    *,
    remove_old: Annotated[
        bool, typer.Option("--remove-old", help="Remove the rows from the store where they were.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring the online rows of the project into another online store. Stop writers and services before."""
    from hopyard.cli import render

    with opened(ctx, is_moving=True) as session:
        document = move_store(session, url, remove_old=remove_old)
    render.answer(document, render.moved, as_json=as_json)


@online.command()
def export(
    ctx: typer.Context,
    view: Annotated[str, typer.Argument(help="A feature view.", show_default=False)],
    file: Annotated[Path, typer.Argument(help="Where the plan is written.", show_default=False)],
    *,
    version: Version = None,
    training_dataset_version: Annotated[
        int | None, typer.Option(help="Whose fitted statistics transform the features; default: the latest.")
    ] = None,
) -> None:
    """Write the serving plan of a feature view into a file, for a service without this store's registry."""
    from hopyard.retrieve.serving import export_plan
    from hopyard.retrieve.view import get_view

    with opened(ctx) as session:
        export_plan(session, get_view(session, view, version), file, training_dataset_version)


def move_store(session: Session, url: str, *, remove_old: bool) -> Document:
    """Move the online rows to another store, and say of which groups and commits they are."""
    from hopyard.ingest.online_store import move_online_store
    from hopyard.online.network import without_password

    moved = move_online_store(session, url, remove_old=remove_old)
    return {
        "from": session.online.url,
        "to": without_password(url),
        "groups": [_line(spec, commit.number) for spec, commit in moved],
    }


def catch_up(session: Session, name: str | None, version: int | None) -> Document:
    """Catch up the online table of a group, or of all online groups, and say what was applied."""
    from hopyard.ingest.find import list_groups
    from hopyard.ingest.online import catch_up_online

    groups = [spec for spec in list_groups(session, None) if spec.online_enabled]
    if name is not None:
        groups = [_find(session, name, version)]
    lines = []
    for spec in groups:
        n_applied = catch_up_online(session, spec)
        lines.append(
            _line(spec, session.offline.commits(spec.location)[-1].number) | {"n_applied": n_applied}
        )
    return {"groups": lines}


def rebuild_group(session: Session, name: str, version: int | None) -> Document:
    """Rebuild the online table of a group, and say of which commit it is."""
    from hopyard.ingest.online import rebuild_online

    spec = _find(session, name, version)
    return _line(spec, rebuild_online(session, spec).number)


def _find(session: Session, name: str, version: int | None) -> FeatureGroupSpec:
    """Return a group by its name, or by the `name_version` that messages show. Raises NotFoundError."""
    from hopyard.ingest.find import get_group, list_groups

    if version is None:
        for spec in list_groups(session, None):
            if spec.label == name:
                return spec
    return get_group(session, name, version)


def _line(spec: FeatureGroupSpec, commit: int) -> Document:
    return {"name": spec.name, "version": spec.version, "commit": commit}
