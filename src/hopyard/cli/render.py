"""Documents for people: tables on a terminal, the same as aligned plain text in a pipe; or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hopyard.cli.text import cell, one_line
from hopyard.model.statistics import StatisticsConfig

Document = dict[str, Any]
Rows = Sequence[Mapping[str, Any]]


def answer(document: Document, renderer: Callable[[Document], None], *, as_json: bool) -> None:
    """Write a document to stdout: as JSON, alone, or as `renderer` shows it."""
    if as_json:
        typer.echo(json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2))
    else:
        renderer(document)


def project(document: Document) -> None:
    """Show the lists of `ls`."""
    _line(f"Project {document['project']} in {document['location']}")
    groups = [
        {
            "name": group["name"],
            "version": group["version"],
            "features": group["n_features"],
            "rows": group["n_rows"] if group["problem"] is None else "unreadable",
            "commit": group["last_commit"],
            "committed at": group["committed_at"],
            "online": "yes" if group["is_online"] else "no",
            "description": group["description"],
        }
        for group in document["feature_groups"]
    ]
    _table("Feature groups", _dense(groups), none="No feature groups yet.")
    views = [
        {
            "name": view["name"],
            "version": view["version"],
            "features": view["n_features"],
            "labels": ", ".join(view["labels"]),
            "training datasets": view["n_training_datasets"],
            "description": view["description"],
        }
        for view in document["feature_views"]
    ]
    _table("Feature views", _dense(views), none="No feature views yet.")
    _datasets(document["training_datasets"])


def lineage(document: Document) -> None:
    """Show each node and what it was made from."""
    for line in document["text"].splitlines():
        _line(line)


def mermaid(document: Document) -> None:
    """Show a flowchart."""
    for line in document["mermaid"].splitlines():
        _line(line)


def group(document: Document) -> None:
    """Show a feature group."""
    online = document["online"]
    _facts(
        {
            "Feature group": f"{document['name']} version {document['version']}",
            "Description": document["description"],
            "Primary key": ", ".join(document["primary_key"]) or "none",
            "Foreign keys": ", ".join(
                f"{key['column']} -> {key['references']}" for key in document["foreign_key"]
            ),
            "Event time": " in ".join(filter(None, (document["event_time"], document["event_time_unit"]))),
            "Ttl": _duration(document["ttl_seconds"]),
            "Tags": _tags(document),
            "Keywords": ", ".join(document["keywords"]),
            "Expects": "; ".join(document["expectations"]),
            "Policy": document["expectation_policy"] if document["expectations"] else "",
            "Statistics": _changed(document["statistics_config"]),
            "Rows": str(document["n_rows"]),
            "Online": "no"
            if online is None
            else f"at commit {online['commit']}, {online['n_behind']} behind",
            "Readable online": "" if online is None else _readable(online),
            "Location": document["location"],
        }
    )
    features = [
        feature | {"tags": _tags(feature), "keywords": ", ".join(feature["keywords"])}
        for feature in document["features"]
    ]
    _table("Features", _dense(features))
    _commits("Last commits", document["commits"])


def view(document: Document) -> None:
    """Show a feature view."""
    _facts(
        {
            "Feature view": f"{document['name']} version {document['version']}",
            "Description": document["description"],
            "Labels": ", ".join(document["labels"]) or "none",
            "Rows from": document["root"],
            "Tags": _tags(document),
            "Keywords": ", ".join(document["keywords"]),
        }
    )
    _table("Columns", _dense(document["columns"]))
    joins = [
        {
            "group": join["group"],
            "joined to": join["to"],
            "on": ", ".join(
                key["left"] if key["left"] == key["right"] else f"{key['left']} = {key['right']}"
                for key in join["keys"]
            )
            + (" (inferred)" if join["keys_are_inferred"] else ""),
            "type": join["type"],
            "rule": join["rule"],
            "prefix": join["prefix"],
            "max age": _duration(join["max_age_seconds"]),
        }
        for join in document["joins"]
    ]
    _table("Joins", _dense(joins), none="No joins.")
    _datasets(document["training_datasets"])


def rows(document: Document) -> None:
    """Show the rows of a table."""
    _table("", document["rows"], names=[column["name"] for column in document["columns"]])


def commits(document: Document) -> None:
    """Show the commits of a group, and what it takes on disk."""
    _commits("", document["commits"])
    disk = document["disk"]
    _line(
        f"{disk['live_bytes']} bytes in {disk['n_live_files']} file(s) now, and {disk['history_bytes']} bytes in "
        f"{disk['n_history_files']} file(s) that only the history needs."
    )


def hits(document: Document) -> None:
    """Show what a search found."""
    lines = [
        {
            "kind": hit["kind"].replace("_", " "),
            "name": f"{hit['group']}.{hit['name']}" if hit["group"] else hit["name"],
            "version": hit["version"],
            "matched in": ", ".join(hit["matched_in"]),
            "score": round(hit["score"], 2),
            "description": hit["description"],
        }
        for hit in document["hits"]
    ]
    _table("", _dense(lines), none="Nothing was found.")


def maintenance(document: Document) -> None:
    """Show what the upkeep of groups has done."""
    lines = [
        {
            "group": group["group"],
            "files merged": group["n_merged_files"],
            "checkpoint": "written" if group["is_checkpointed"] else "not due",
        }
        for group in document["groups"]
    ]
    _table("", lines, none="No feature groups yet.")


def caught_up(document: Document) -> None:
    """Show what online tables were brought to."""
    lines = [
        {
            "group": f"{group['name']}_{group['version']}",
            "commits applied": group["n_applied"],
            "at commit": group["commit"],
        }
        for group in document["groups"]
    ]
    _table("", lines, none="No online feature groups yet.")


def rebuilt(document: Document) -> None:
    """Show of which commit an online table was written anew."""
    _line(
        f"{document['name']}_{document['version']}: online rows written anew, at commit {document['commit']}"
    )


def moved(document: Document) -> None:
    """Show where online rows were moved, and of which commits they are."""
    for group in document["groups"]:
        _line(f"{group['name']}_{group['version']}: online rows written, at commit {group['commit']}")
    _line(f"The project's online store is {document['to']} now; it was {document['from']}")


def changes(document: Document) -> None:
    """Show what changed: the counts, then rows, each after what became of it."""
    start, end = document["from_commit"], document["to_commit"]
    counts = ", ".join(f"{document[f'n_{kind}']} {kind}" for kind in ("inserted", "updated", "deleted"))
    first = "From the beginning" if start is None else f"After commit {start}"
    _line(f"{first}, up to commit {end}: {counts}")
    rows = [{"change": row["_change_type"], **row} for row in document["rows"]]
    _table("", rows, names=["change", *(column["name"] for column in document["columns"][:-1])])


def vector(document: Document) -> None:
    """Show a feature vector."""
    _table("", [{"feature": name, "value": value} for name, value in document["features"].items()])
    _line(f"Looked up in {document['lookup_us']:.0f} us")


def verification(document: Document) -> None:
    """Show what was checked and what was found."""
    groups = [
        {
            "name": f"{check['name']}_{check['version']}",
            "commits": check["n_commits"],
            "files": check["n_files"],
            "rows": check["n_rows"],
            "online rows": "" if check["n_online_rows"] is None else check["n_online_rows"],
            "findings": check["n_findings"],
        }
        for check in document["feature_groups"]
    ]
    _table("Feature groups", groups, none="No feature groups.")
    datasets = [
        {
            "name": f"{check['name']} version {check['version']}",
            "files": check["n_files"],
            "findings": check["n_findings"],
        }
        for check in document["training_datasets"]
    ]
    if datasets:
        _table("Training datasets", datasets)
    typer.echo()
    for found in document["findings"]:
        _line(f"{found['where']}: {found['message']}", style="red")
        _line(f"    {found['advice']}")
    n = len(document["findings"])
    if document["is_fine"]:
        _line("All fine: online rows, commits, files, registry and folders agree.", style="green")
    else:
        _line(f"{n} finding{'s' if n > 1 else ''}.", style="red")


def parity(document: Document) -> None:
    """Show how vectors compare with point-in-time rows."""
    first, *others = document["text"].splitlines()
    _line(first, style="green" if document["is_equal"] else "red")
    for line in others:
        _line(f"    {line}")


def dataset_verification(document: Document) -> None:
    """Show whether a training dataset is the same."""
    is_same = document["status"] == "same"
    _line(
        f"{document['name']} version {document['version']}: {document['status']}",
        style="green" if is_same else "red",
    )
    for detail in document["details"]:
        _line(f"    {detail}")
    for split in document["splits"]:
        _line(
            f"    {split['name']}: {split['n_rows']} rows, before {split['before']}, after {split['after']}"
        )


def dataset_rebuilt(document: Document) -> None:
    """Show where a training dataset was written again."""
    name = f"{document['name']} version {document['version']}"
    _line(
        f"{name}: {document['n_rows']} rows with the same content, in {document['location']}", style="green"
    )


def feast_import(document: Document) -> None:
    """Show what was created of a Feast repository, or what must be mended first."""
    _line(f"Feast repository {document['repository']}")
    _facts({name.replace("_", " "): value for name, value in document["settings"].items()})
    groups = [
        {
            "feature view": group["feature_view"],
            "feature group": _versioned(group),
            "status": group["status"],
            "primary key": ", ".join(group["primary_key"]),
            "event time": group["event_time"],
            "ttl": _duration(group["ttl_seconds"]),
            "online": "yes" if group["is_online"] else "no",
            "rows in file": group["n_rows_in_file"],
            "rows written": group["n_rows_written"],
        }
        for group in document["feature_groups"]
    ]
    _table("Feature groups", groups, none="No feature groups.")
    views = [
        {
            "feature service": view["feature_service"],
            "feature view": _versioned(view),
            "status": view["status"],
            "keys": ", ".join(view["keys"]),
            "features": ", ".join(view["features"]),
        }
        for view in document["feature_views"]
    ]
    _table("Feature views", views, none="No feature views.")
    if document["renamed"]:
        _table("Renamed", document["renamed"])
    for name in ("no_counterpart", "not_readable", "notes", "problems"):
        if document[name]:
            typer.echo()
            _line(name.replace("_", " ").capitalize())
        for found in document[name]:
            where = f"{found['where']}: " if found["where"] else ""
            style = "red" if name == "problems" else ""
            _line(f"    {where}{found['what']}: {found['message']}.".replace("..", "."), style=style)
    typer.echo()
    n = len(document["problems"])
    if n:
        _line(f"{n} problem{'s' if n > 1 else ''}. Nothing was created.", style="red")
    elif document["is_applied"]:
        _line("Imported.", style="green")
    else:
        _line("Nothing was created: this was a dry run.")


def _changed(config: Mapping[str, Any]) -> str:
    """Return the options of statistics that are not the usual ones."""
    usual = msgspec.to_builtins(StatisticsConfig())
    return ", ".join(f"{name}={cell(value)}" for name, value in config.items() if value != usual[name])


def _tags(document: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={cell(value)}" for name, value in document["tags"].items())


def _versioned(document: Document) -> str:
    version = document["version"]
    return document["name"] if version is None else f"{document['name']}_{version}"


def _datasets(datasets: Rows) -> None:
    lines = [
        {
            "name": dataset["name"],
            "version": dataset["version"],
            "rows": dataset["n_rows"],
            "splits": ", ".join(f"{name}: {n_rows}" for name, n_rows in dataset["splits"].items()),
            "format": dataset["data_format"],
            "created at": dataset["created_at"],
            "description": dataset["description"],
        }
        for dataset in datasets
    ]
    _table("Training datasets", _dense(lines), none="No training datasets yet.")


def _commits(title: str, commits: Rows) -> None:
    lines = [
        {
            "number": commit["number"],
            "committed at": commit["committed_at"],
            "operation": commit["operation"],
            "rows in": commit["n_rows_in"],
            "inserted": commit["n_inserted"],
            "updated": commit["n_updated"],
            "unchanged": commit["n_unchanged"],
            "deleted": commit["n_deleted"],
            "duplicates": commit["n_duplicates"],
            "bytes": commit["size_bytes"],
            "actor": commit["actor"],
        }
        for commit in commits
    ]
    _table(title, _dense(lines))


def _readable(online: Document) -> str:
    """Return how fast commits, and rows from their event time on, became readable; "" if none was counted."""
    counted = {"commit": online["commit_to_readable"], "event time": online["event_to_readable"]}
    return "; ".join(
        f"{_seconds(found['p50_seconds'])} after the {since} (p50), {_seconds(found['p99_seconds'])} (p99)"
        for since, found in counted.items()
        if found["n"]
    )


def _seconds(seconds: float) -> str:
    """Return a duration in the unit in which it is read best."""
    if seconds < 1:
        return f"{seconds * 1_000:.3g} ms"
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def _facts(facts: Mapping[str, str]) -> None:
    known = {name: value for name, value in facts.items() if value}
    width = max(map(len, known))
    for name, value in known.items():
        _line(f"{name:<{width}}  {value}")


def _line(text: str, *, style: str = "") -> None:
    indent = len(text) - len(text.lstrip())
    text = " " * indent + one_line(text)
    if _is_terminal():
        _console().print(Text(text, style=style))
    else:
        typer.echo(text)


def _duration(seconds: float | None) -> str:
    return "" if seconds is None else str(timedelta(seconds=seconds))


def _dense(rows: Rows) -> list[dict[str, Any]]:
    """Return rows without the columns that say nothing anywhere, and with no null."""
    names = [name for name in (rows[0] if rows else ()) if any(row[name] not in (None, "") for row in rows)]
    return [{name: "" if row[name] is None else row[name] for name in names} for row in rows]


def _table(title: str, rows: Rows, *, names: Sequence[str] = (), none: str = "") -> None:
    """Write rows as a table, numbers to the right; without rows, the names of the columns or `none`."""
    names = names or list(rows[0] if rows else ())
    if none and not rows:
        typer.echo(f"\n{none}")
    if not names:
        return
    is_number = {name: _holds_numbers(rows, name) for name in names}
    cells = [[cell(row[name]) for name in names] for row in rows]
    heads = [one_line(name) for name in names]
    if _is_terminal():
        table = Table(box=SIMPLE_HEAD, title=title or None, title_justify="left", title_style="bold")
        for name, head in zip(names, heads, strict=True):
            table.add_column(Text(head), justify="right" if is_number[name] else "left", overflow="fold")
        for row in cells:
            table.add_row(*map(Text, row))
        _console().print(table)
        return
    if title:
        typer.echo(f"\n{title}")
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    for line in (heads, *cells):
        aligned = [
            text.rjust(width) if is_number[name] else text.ljust(width)
            for name, text, width in zip(names, line, widths, strict=True)
        ]
        typer.echo("  ".join(aligned).rstrip())


def _holds_numbers(rows: Rows, name: str) -> bool:
    values = [row[name] for row in rows if row[name] not in (None, "")]
    return bool(values) and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)


def _is_terminal() -> bool:
    return sys.stdout.isatty()


def _console() -> Console:
    return Console(file=sys.stdout, highlight=False)
