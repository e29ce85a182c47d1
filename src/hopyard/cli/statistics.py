"""`hopyard stats`: what is known of the values of a feature group, or of a split of a training dataset."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hopyard.cli.commands import Json, Version, opened
from hopyard.cli.render import _dense, _line, _table, answer
from hopyard.cli.text import cell, to_json

_DIGITS = 6


def stats(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            help="A feature group; or a training dataset (delays_1), or the view that it is of.",
            show_default=False,
        ),
    ],
    *,
    at: Annotated[
        str | None,
        typer.Option(
            "--at", help="A group as of this instant (UTC) or commit number; default: the last commit."
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
    version: Version = None,
    as_json: Json = False,
) -> None:
    """Show counts, nulls, distinct values, ranges, means and percentiles of a group's columns, or of a split's.

    They are computed on the first look at a commit or a split, and kept.
    """
    from hopyard.cli.documents import _when
    from hopyard.cli.values import group_or_dataset
    from hopyard.feature_group import FeatureGroup

    with opened(ctx) as session:
        of_dataset = split is not None or before_transformation
        source = group_or_dataset(session, name, version, of_dataset=of_dataset, at=at)
        if isinstance(source, FeatureGroup):
            found = source.get_statistics(_when(at))
            if correlations and found.correlations is None:
                found = source.compute_statistics(_when(at), correlations=True)
        else:
            found = source.get_statistics(
                split,
                before_transformation=before_transformation,
                statistics_config={"correlations": correlations},
            )
    answer(to_json(found.to_dict()), show, as_json=as_json)


def show(document: dict[str, Any]) -> None:
    """Show a document of statistics: a line per column, then the correlations."""
    if document["scope"] == "split":
        what = f"{document['name']} version {document['version']}, {document['split'] or 'all rows'}, "
        what += f"{document['stage']} transformation"
    else:
        what = f"{document['name']}_{document['version']}, commit {document['commit']} at {document['committed_at']}"
    _line(f"{what}: {document['n_rows']} rows")
    _table("Columns", _dense([_column(column) for column in document["columns"]]))
    found = document["correlations"]
    if found:
        lines = [
            {"column": name, **dict(zip(found["columns"], map(_short, row), strict=True))}
            for name, row in zip(found["columns"], found["matrix"], strict=True)
        ]
        _table("Correlations", _dense(lines))


def _column(column: dict[str, Any]) -> dict[str, Any]:
    percentiles = column["percentiles"]
    frequent = [f"{cell(item['value'])} ({item['count']})" for item in column["frequent"][:3]]
    deviation = _short(column["std_dev"])
    if column["type"] in ("timestamp", "date") and deviation is not None:
        deviation = f"{deviation:g} s"
    mark = "~" if column["distinct_error"] else ""
    distinct = column["n_distinct"]
    return {
        "column": column["name"],
        "type": column["type"],
        "nulls": column["n_nulls"],
        "NaN": column["n_nans"] or None,
        "complete": _short(column["completeness"]),
        "distinct": f"{mark}{distinct}" if mark else distinct,
        "min": _short(column["min"]),
        "p50": _short(percentiles[50]) if percentiles else None,
        "max": _short(column["max"]),
        "mean": _short(column["mean"]),
        "std dev": deviation,
        "most frequent": ", ".join(frequent),
    }


def _short(value: Any) -> Any:
    """Return a number with as many digits as can be taken in; everything else as it is."""
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
