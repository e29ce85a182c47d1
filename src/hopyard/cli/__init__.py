"""The command line: thin commands over the same functions as the Python API; docs/reference/cli.md lists them."""

from __future__ import annotations

from hopyard.cli import validation
from hopyard.cli.commands import app
from hopyard.cli.imports import imports
from hopyard.cli.online import online
from hopyard.cli.plot import plot
from hopyard.cli.preview import preview
from hopyard.cli.search import search
from hopyard.cli.statistics import stats

app.command()(search)
app.command()(preview)
app.add_typer(online, name="online")
app.add_typer(imports, name="import")
app.command()(stats)
app.command()(plot)

__all__ = ["app", "main", "validation"]


def main() -> None:
    """Run the command line with the process's arguments, and exit."""
    app(prog_name="hopyard")
