"""`hopyard validate`: the rows of a group against what it expects, now or in the reports of its inserts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from hopyard.cli.commands import Json, Version, app, opened

if TYPE_CHECKING:
    from hopyard.model.validation import ValidationReport
    from hopyard.session import Session

Document = dict[str, Any]


@app.command()
def validate(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(help="A feature group, as name or name_version.", show_default=False)
    ],
    *,
    version: Version = None,
    shows_last: Annotated[
        bool, typer.Option("--last", help="Show the newest kept report, and check nothing.")
    ] = False,
    keeps_report: Annotated[
        bool, typer.Option("--save", help="Keep the report with those of the inserts.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check the rows of a feature group against what it expects. Exit code 1: something is not met."""
    from hopyard.cli import render

    with opened(ctx) as session:
        document = validation(session, name, version, shows_last=shows_last, keeps_report=keeps_report)
    render.answer(document, _show, as_json=as_json)
    if not document["is_met"]:
        raise typer.Exit(1)


def validation(
    session: Session, name: str, version: int | None, *, shows_last: bool, keeps_report: bool
) -> Document:
    """Return what a group expects and whether its rows, or those of its last insert, meet that.

    Raises:
        NotFoundError: no such group, or no report that was kept.
    """
    from hopyard.errors import NotFoundError
    from hopyard.feature_group import FeatureGroup
    from hopyard.ingest.find import get_group, list_groups

    labelled = {spec.label: spec for spec in list_groups(session, None)} if version is None else {}
    group = FeatureGroup(session, labelled.get(name) or get_group(session, name, version), is_stored=True)
    if not shows_last:
        return _document(group.validate(save_report=keeps_report))
    reports = group.validation_reports(1)
    if not reports:
        raise NotFoundError("validation report of feature group", group.name, [])
    return _document(reports[0])


def _document(report: ValidationReport) -> Document:
    import msgspec

    from hopyard.model.expectations import columns_of, kind_of
    from hopyard.time import show

    return {
        "group": report.group,
        "at": show(report.at_us),
        "policy": report.policy,
        "outcome": report.outcome,
        "commit": report.commit,
        "n_rows": report.n_rows,
        "n_failed": report.n_failed,
        "n_quarantined": report.n_quarantined,
        "is_met": report.is_met,
        "expectations": [
            {
                "kind": kind_of(result.expectation),
                "columns": list(columns_of(result.expectation)),
                "text": str(result.expectation),
                "status": result.status,
                "n_failed": result.n_failed,
                "found": result.found,
                "examples": msgspec.to_builtins(result.examples),
            }
            for result in report.results
        ],
        "text": str(report),
    }


def _show(document: Document) -> None:
    from hopyard.cli.text import one_line

    lines = document["text"].splitlines()
    if not document["expectations"]:
        lines.append("Nothing is expected of it yet: see feature_group.expect().")
    for line in lines:
        typer.echo(one_line(line))
