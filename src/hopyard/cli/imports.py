"""`hopyard import`: what another feature store has, brought into this one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hopyard.cli.commands import Commands, Json, Target, opened

if TYPE_CHECKING:
    from hopyard.feature_store import FeatureStore

imports = typer.Typer(
    cls=Commands, no_args_is_help=True, help="Bring what another feature store has into this one."
)


@imports.callback()
def options() -> None:
    """Bring what another feature store has into this one."""


@imports.command()
def feast(
    ctx: typer.Context,
    repo: Annotated[
        Path,
        typer.Argument(help="The folder of a Feast repository, with feature_store.yaml.", show_default=False),
    ],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything and say what would be created.")
    ] = False,
    no_data: Annotated[bool, typer.Option("--no-data", help="Create the groups without rows.")] = False,
    as_json: Json = False,
) -> None:
    """Create the feature groups and views of a Feast repository, and say what has no counterpart.

    Its code is read and never run. Exit code 1: something must be mended first, and nothing was created.
    """
    from hopyard.cli import render
    from hopyard.integrations.feast import plan_import

    with stored(ctx) as fs:
        plan = plan_import(repo, fs)
    if not (plan.problems or dry_run):
        with stored(ctx, create=True) as fs:
            assert fs is not None
            plan.apply(fs, with_data=not no_data)
    render.answer(plan.document(), render.feast_import, as_json=as_json)
    if plan.problems:
        raise typer.Exit(1)


@contextmanager
def stored(ctx: typer.Context, *, create: bool = False) -> Iterator[FeatureStore | None]:
    """Yield the feature store that the options name; None: there is none yet, and `create` is False."""
    from hopyard.config import load_config
    from hopyard.connect import MARKER
    from hopyard.errors import NotFoundError
    from hopyard.project import Project

    target: Target = ctx.find_object(Target) or Target(None, None)
    session = None
    with ExitStack() as stack:
        if create or (load_config(target.url).root / MARKER).is_file():
            with suppress(NotFoundError):  # a project that is not there yet
                session = stack.enter_context(opened(ctx, create=create))
        yield None if session is None else Project(session).get_feature_store()
