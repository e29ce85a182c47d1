"""The commands and their options. What a command needs is imported when it runs, so that each starts fast."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

import hopyard
from hopyard.errors import HopyardError

if TYPE_CHECKING:
    from hopyard.session import Session


class Commands(TyperGroup):
    """All commands; an error of Hopyard's becomes one line and exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except HopyardError as error:
            from hopyard.cli.text import one_line

            typer.secho(f"Error: {one_line(str(error))}", fg=typer.colors.RED, err=True)
            raise typer.Exit(1) from error


app = typer.Typer(
    cls=Commands,
    help="Hopyard, the feature store that can prove its training data.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

datasets = typer.Typer(cls=Commands, no_args_is_help=True, help="Training datasets: verify, rebuild.")
app.add_typer(datasets, name="td")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Version = Annotated[int | None, typer.Option("--version", "-v", help="Its version; default: the latest.")]
DatasetName = Annotated[
    str, typer.Argument(help="A training dataset (delays_1), or the view that it is of.", show_default=False)
]
Name = Annotated[str, typer.Argument(help="The name of a feature group.", show_default=False)]
_INSTANT = "As committed at this instant (UTC), such as '2026-11-23 14:30' or 20261123"
_MOMENT = "an instant (UTC) or a commit's number"
AsOf = Annotated[str | None, typer.Option("--as-of", help=f"{_INSTANT}.")]
AsOfCommit = Annotated[str | None, typer.Option("--as-of", help=f"{_INSTANT}; or a commit's number.")]


@dataclass(frozen=True, slots=True)
class Target:
    """Which store and project the commands work on."""

    url: str | None
    project: str | None


def _print_version(value: bool) -> None:  # noqa: FBT001 - the form that Typer calls
    if value:
        typer.echo(f"hopyard {hopyard.__version__}")
        raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    *,
    url: Annotated[
        str | None,
        typer.Option(
            envvar="HOPYARD_URL", help="The store's folder. Default: ./.hopyard", show_default=False
        ),
    ] = None,
    project: Annotated[
        str | None, typer.Option(help="The project. Default: default", show_default=False)
    ] = None,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Hopyard, the feature store that can prove its training data."""
    ctx.obj = Target(url, project)


@contextmanager
def opened(ctx: typer.Context, *, is_moving: bool = False, create: bool = False) -> Iterator[Session]:
    """Yield a session of the store that the options name; a store or project that is not there is an error.

    Args:
        create: make the store and the project if they are not there.
        is_moving: take the project's own online store, whatever HOPYARD_ONLINE_URL says.
    """
    from dataclasses import replace

    from hopyard.config import load_config
    from hopyard.connect import open_session

    target: Target = ctx.find_object(Target) or Target(None, None)
    config = load_config(target.url)
    if is_moving:
        config = replace(config, online_url=None)
    session = open_session(config, project=target.project, create=create)
    try:
        yield session
    finally:
        session.online.close()
        session.engine.close()
        session.registry.close()


@app.command()
def ls(ctx: typer.Context, *, as_json: Json = False) -> None:
    """List the feature groups, feature views and training datasets of the project."""
    from hopyard.cli import documents, render

    with opened(ctx) as session:
        render.answer(documents.project(session), render.project, as_json=as_json)


@app.command()
def show(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A feature group or feature view.", show_default=False)],
    *,
    version: Version = None,
    kind: Annotated[
        Literal["group", "view"] | None, typer.Option(help="Which one, if both have this name.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show all about a feature group or a feature view."""
    from hopyard.cli import documents, render

    with opened(ctx) as session:
        document = documents.group_or_view(session, name, version, kind)
    renderer = render.group if document["kind"] == "feature_group" else render.view
    render.answer(document, renderer, as_json=as_json)


@app.command()
def lineage(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A feature group or feature view.", show_default=False)],
    *,
    version: Version = None,
    kind: Annotated[
        Literal["group", "view"] | None, typer.Option(help="Which one, if both have this name.")
    ] = None,
    as_mermaid: Annotated[bool, typer.Option("--mermaid", help="Print a Mermaid flowchart.")] = False,
    as_json: Json = False,
) -> None:
    """Show what a feature group or view was made from, and which views and training datasets were made from it."""
    from hopyard.cli import documents, render

    with opened(ctx) as session:
        document = documents.lineage(session, name, version, kind)
    render.answer(document, render.mermaid if as_mermaid else render.lineage, as_json=as_json)


@app.command()
def head(
    ctx: typer.Context,
    name: Name,
    *,
    n: Annotated[int, typer.Option("-n", help="How many rows.", min=0)] = 10,
    version: Version = None,
    as_of: AsOfCommit = None,
    as_json: Json = False,
) -> None:
    """Print a few rows of a feature group, in no promised order."""
    from hopyard.cli import documents, render

    with opened(ctx) as session:
        render.answer(documents.head(session, name, version, n, as_of), render.rows, as_json=as_json)


@app.command()
def commits(
    ctx: typer.Context,
    name: Name,
    *,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 20,
    version: Version = None,
    as_json: Json = False,
) -> None:
    """List the commits of a feature group, newest first."""
    from hopyard.cli import documents, render

    with opened(ctx) as session:
        render.answer(documents.commits(session, name, version, limit), render.commits, as_json=as_json)


@app.command()
def changes(
    ctx: typer.Context,
    name: Name,
    *,
    start: Annotated[
        str | None,
        typer.Option("--from", help=f"After this: {_MOMENT}. Default: the beginning.", show_default=False),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option(
            "--to", help=f"Up to and with this: {_MOMENT}. Default: the latest.", show_default=False
        ),
    ] = None,
    n: Annotated[int, typer.Option("-n", help="How many rows at most; all are counted.", min=0)] = 20,
    version: Version = None,
    as_json: Json = False,
) -> None:
    """Show the net changes of a feature group between two commits: inserted, updated and deleted rows."""
    from hopyard.cli import documents, render

    with opened(ctx) as session:
        document = documents.changes(session, name, version, start, end, n)
    render.answer(document, render.changes, as_json=as_json)


@app.command()
def vector(
    ctx: typer.Context,
    view: Annotated[str, typer.Argument(help="The name of a feature view.", show_default=False)],
    keys: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE...", help="The serving keys; null for no value.", show_default=False
        ),
    ] = None,
    *,
    passed: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="A feature that you know better. Repeat for more.", show_default=False
        ),
    ] = None,
    version: Version = None,
    training_dataset_version: Annotated[
        int | None, typer.Option(help="Whose statistics transform the features; default: the latest.")
    ] = None,
    allow_missing: Annotated[bool, typer.Option("--allow-missing", help="Null for what is missing.")] = False,
    as_json: Json = False,
) -> None:
    """Print the feature vector of one entity, as it is now in the online store, and how long the lookup took."""
    from hopyard.cli import render
    from hopyard.cli.lookup import look_up

    with opened(ctx) as session:
        document = look_up(
            session,
            view,
            keys or [],
            passed or [],
            version=version,
            training_dataset_version=training_dataset_version,
            allow_missing=allow_missing,
        )
    render.answer(document, render.vector, as_json=as_json)


@app.command()
def sql(
    ctx: typer.Context,
    query: Annotated[
        str,
        typer.Argument(
            help="One SELECT. Tables are feature groups: weather_1, or weather.", show_default=False
        ),
    ],
    *,
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """Run a SELECT over the feature groups. Nothing but feature groups can be read, and nothing is written."""
    from hopyard.cli import documents, render

    with opened(ctx) as session:
        render.answer(documents.sql(session, query, as_of), render.rows, as_json=as_json)


@app.command()
def verify(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Feature groups and views; default: everything.", show_default=False),
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Check that online rows, commits, files, registry and folders agree. Exit code 1: something is wrong."""
    from hopyard.cli import documents, render

    with opened(ctx) as session:
        document = documents.verification(session, names or None)
    render.answer(document, render.verification, as_json=as_json)
    if not document["is_fine"]:
        raise typer.Exit(1)


@app.command()
def parity(
    ctx: typer.Context,
    view: Annotated[str, typer.Argument(help="The name of a feature view.", show_default=False)],
    *,
    version: Version = None,
    sample: Annotated[int, typer.Option(help="Compare at most so many keys.", min=1)] = 1_000,
    at: Annotated[
        str | None,
        typer.Option(help="The instant (UTC) of the point-in-time rows. Default: now.", show_default=False),
    ] = None,
    training_dataset_version: Annotated[
        int | None, typer.Option(help="Whose statistics transform the features; default: the latest.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare feature vectors with point-in-time rows, bit for bit, and name the cause of each difference.

    Exit code 1: something differs. Commits that are not online yet are shown apart and are no difference.
    """
    from hopyard.cli import documents, render

    with opened(ctx) as session:
        document = documents.parity(session, view, version, sample, at, training_dataset_version)
    render.answer(document, render.parity, as_json=as_json)
    if not document["is_equal"]:
        raise typer.Exit(1)


@datasets.command("verify")
def verify_dataset(
    ctx: typer.Context, name: DatasetName, *, version: Version = None, as_json: Json = False
) -> None:
    """Make a training dataset again in memory and compare: same, different (where), or cannot tell (what is gone).

    Exit code 1: not the same.
    """
    from hopyard.cli import documents, render

    with opened(ctx) as session:
        document = documents.dataset_verification(session, name, version)
    render.answer(document, render.dataset_verification, as_json=as_json)
    if document["status"] != "same":
        raise typer.Exit(1)


@datasets.command("rebuild")
def rebuild_dataset(
    ctx: typer.Context, name: DatasetName, *, version: Version = None, as_json: Json = False
) -> None:
    """Write the files of a training dataset again from the tables as they were. Other content is refused."""
    from hopyard.cli import documents, render

    with opened(ctx) as session:
        document = documents.dataset_rebuilt(session, name, version)
    render.answer(document, render.dataset_rebuilt, as_json=as_json)


@app.command()
def maintain(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Feature groups, as name or name_version; default: all.", show_default=False),
    ] = None,
    *,
    as_json: Json = False,
) -> None:
    """Merge the small files of feature groups, and write checkpoints where they are due. No answer changes."""
    from hopyard.cli import documents, render

    with opened(ctx) as session:
        document = documents.maintenance(session, names or None)
    render.answer(document, render.maintenance, as_json=as_json)


@app.command()
def trust(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The name of a feature view.", show_default=False)],
    *,
    version: Version = None,
    kind: Annotated[Literal["view", "group", "function"], typer.Option(help="What is named.")] = "view",
    is_sure: Annotated[bool, typer.Option("--yes", help="Trust without being asked.")] = False,
) -> None:
    """Show the functions that are stored with a feature view, and trust them if you say so."""
    from hopyard.cli.trust import trust as ask

    with opened(ctx) as session:
        is_trusted = ask(session, name, version, kind, is_sure=is_sure)
    if not is_trusted:
        raise typer.Exit(1)


@app.command()
def demo(
    *,
    folder: Annotated[Path, typer.Option(help="Where the demo's store goes.")] = Path("hopyard-demo"),
) -> None:
    """Run the whole life of features on real flights: pipelines, training, serving, proof, time travel.

    Exit code 1: online did not equal offline, or the training dataset was not the same again.
    """
    from hopyard.demo.run import run

    if not run(folder).is_proven:
        raise typer.Exit(1)
