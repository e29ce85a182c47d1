"""`hopyard trust`: the source of stored functions, shown to the one who is asked to trust it."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from hopyard.cli.text import source_lines
from hopyard.ingest.find import get_group
from hopyard.model.specs import FunctionSpec, functions_of
from hopyard.retrieve.functions import get_function
from hopyard.retrieve.trust import view_transformations
from hopyard.retrieve.view import get_view
from hopyard.session import Session
from hopyard.trust import add_trusted, read_trusted


def trust(session: Session, name: str, version: int | None, kind: str, *, is_sure: bool) -> bool:
    """Show the functions that are not trusted yet, ask once, and return whether all are trusted now.

    Args:
        kind: what `name` names: a `view`, a `group`, or a stored `function`.
    """
    if kind == "group":
        group = get_group(session, name, version)
        return _ask(
            session, f"Feature group {group.label}", functions_of(group.transformations), is_sure=is_sure
        )
    if kind == "function":
        stored = get_function(session, name, version)
        return _ask(session, f"Function {name} version {stored.version}", [stored.function], is_sure=is_sure)
    view = get_view(session, name, version)
    functions = functions_of(view_transformations(view))
    return _ask(session, f"Feature view {view.label}", functions, is_sure=is_sure)


def _ask(session: Session, owner: str, functions: Sequence[FunctionSpec], *, is_sure: bool) -> bool:
    file = session.config.trust_file
    known = read_trusted(file, store=session.root)
    unknown = {function.sha256: function for function in functions if function.sha256 not in known}
    if not unknown:
        typer.echo(f"{owner} has no functions that you do not trust already.")
        return True
    typer.echo(f"{owner} has this code:")
    for sha256, function in unknown.items():
        typer.echo(f"\n# {_title(function)}\n# {sha256}")
        for line in source_lines(function.source.rstrip("\n")):
            typer.echo(line)
    typer.echo()
    if not is_sure and not typer.confirm("Do you trust it?"):
        typer.echo("Nothing was trusted.")
        return False
    add_trusted(file, {sha256: function.name for sha256, function in unknown.items()}, store=session.root)
    typer.echo(f"Trusted: {', '.join(function.name for function in unknown.values())}. Written to {file}")
    return True


def _title(function: FunctionSpec) -> str:
    takes, gives = ", ".join(function.parameters), ", ".join(function.returns)
    return f"{function.name}({takes}) -> {gives}, mode {function.mode}"
