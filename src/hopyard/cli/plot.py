"""`hopyard plot`: the statistics of a feature group, or of a split of a training dataset, as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hopyard.cli.commands import Json, Version, opened


def plot(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            help="A feature group; or a training dataset (delays_1), or the view that it is of.",
            show_default=False,
        ),
    ],
    *,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="The file to write: .html, or .json for the Vega-Lite specification.",
            show_default=False,
        ),
    ],
    columns: Annotated[
        list[str] | None, typer.Option("--columns", "-c", help="Only these: a,b,c. Repeat for more.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--at", help="A group as of this instant (UTC) or commit number; default: the last commit."
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against", help="Compare with this: an instant or commit number of a group, another split."
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", help="A split of a training dataset; default: the first.")
    ] = None,
    before_transformation: Annotated[
        bool, typer.Option("--before-transformation", help="A split as it was read from the groups.")
    ] = False,
    correlations: Annotated[
        bool, typer.Option("--correlations", help="Also correlations of the numeric columns.")
    ] = False,
    clusters: Annotated[bool, typer.Option("--clusters", help="Also clusters of the rows.")] = False,
    version: Version = None,
    as_json: Json = False,
) -> None:
    """Write plots of the values of a feature group, or of a training dataset, to a file."""
    from hopyard.cli.documents import _when
    from hopyard.cli.render import answer
    from hopyard.cli.values import group_or_dataset
    from hopyard.feature_group import FeatureGroup
    from hopyard.plots.plot import check_ending

    check_ending(output)
    wanted = [part.strip() for text in columns or () for part in text.split(",")] or None
    with opened(ctx) as session:
        of_dataset = split is not None or before_transformation
        found = group_or_dataset(session, name, version, of_dataset=of_dataset, at=at)
        if isinstance(found, FeatureGroup):
            made = found.plot(
                wanted, at=_when(at), against=_when(against), correlations=correlations, clusters=clusters
            )
        else:
            made = found.plot(
                wanted,
                split=split,
                against=against,
                before_transformation=before_transformation,
                correlations=correlations,
                clusters=clusters,
            )
        file = made.save(output)
    answer(
        {"title": made.title, "file": str(file), "size_bytes": file.stat().st_size},
        lambda document: typer.echo(f"Plots of {document['title']}: {document['file']}"),
        as_json=as_json,
    )
