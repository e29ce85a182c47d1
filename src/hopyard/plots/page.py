"""A plot as one HTML page that needs nothing else: charts, numbers, style and program are in it."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from hopyard.plots.panel import Panel
from hopyard.plots.themes import configuration
from hopyard.require import require

EXTRA = "plots"
VEGA_LITE = "6.4"
FILTER_FROM = 13
"""With so many columns a page has a field to find one."""
MAX_FRAME_HEIGHT = 760
LONG_CHARACTERS = 16
_POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:"


def page(title: str, about: Sequence[Sequence[str]], sides: Sequence[str], panels: Sequence[Panel]) -> str:
    """Return a page.

    Args:
        about: lines below the title, each of several parts.
        sides: `this` and `against` where two are compared: the lines that have their colours.
    Raises:
        MissingPackageError: the extra `plots` is not installed.
    """
    library = _library()
    charts = [
        {"spec": _spec(panel), "renderer": "canvas" if panel.has_many_marks else "svg"}
        for panel in panels
        if panel.chart is not None
    ]
    themes = {"light": configuration("light"), "dark": configuration("dark")}
    body = "".join(_sections(panels))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{escape(title)}</title>'
        f"<style>{_read('page.css')}</style></head>\n"
        f"<body><header><h1>{escape(title)}</h1>{_about(about, sides)}</header>\n<main>{body}</main>\n"
        "<footer>Made by Hopyard. Instants are in UTC. This page loads nothing from the network.</footer>\n"
        f'<script type="application/json" id="charts">{_json(charts)}</script>\n'
        f'<script type="application/json" id="themes">{_json(themes)}</script>\n'
        f'<script type="text/plain" id="library">{library}</script>\n'
        f"<script>{_read('page.js')}</script></body></html>\n"
    )


def frame(document: str, height: int) -> str:
    """Return a page as part of another one that it cannot disturb."""
    return (
        f'<iframe srcdoc="{escape(document)}" sandbox="allow-scripts allow-downloads" title="Plot" '
        f'style="width: 100%; height: {min(height, MAX_FRAME_HEIGHT)}px; border: 0; border-radius: 8px"></iframe>'
    )


def _spec(panel: Panel) -> dict[str, Any]:
    width = "container" if panel.width is None else panel.width
    return {"description": panel.description, "width": width, **(panel.chart or {})}


def _sections(panels: Sequence[Panel]) -> Iterator[str]:
    numbers = iter(range(len(panels)))
    sections = dict.fromkeys(panel.section for panel in panels)
    for section in sections:
        inside = [panel for panel in panels if panel.section == section]
        cards = "".join(_card(panel, next(numbers) if panel.chart is not None else None) for panel in inside)
        heading, find = "", ""
        if section == "Columns":
            heading = f"<h2>{section}</h2>"
            if len(inside) >= FILTER_FROM:
                find = (
                    '<input id="filter" type="search" placeholder="Find a column" aria-label="Find a column">'
                )
        space = "" if heading else ' style="margin-top: 16px"'
        yield f'<section>{heading}{find}<div class="cards"{space}>{cards}</div></section>\n'


def _card(panel: Panel, chart: int | None) -> str:
    parts = [f"<h3>{escape(panel.title)}<small>{escape(panel.kind)}</small></h3>"]
    if panel.text:
        parts.append(f"<p>{escape(panel.text)}</p>")
    if chart is not None:
        parts.append(f'<div class="scroll"><div class="chart" data-chart="{chart}"></div></div>')
    parts += [f"<p>{escape(note)}</p>" for note in panel.notes]
    parts.append(_table(panel) if panel.head else _list(panel))
    of_column = f' data-column="{escape(panel.title)}"' if panel.section == "Columns" else ""
    return f'<article class="card{" wide" if panel.is_wide else ""}"{of_column}>{"".join(parts)}</article>\n'


def _list(panel: Panel) -> str:
    if not panel.facts:
        return ""
    items = "".join(
        f'<div><dt>{escape(label)}</dt><dd class="clip" title="{escape(text)}">{escape(text)}</dd></div>'
        for label, text in panel.facts
    )
    is_long = any(len(text) > LONG_CHARACTERS for _, text in panel.facts)
    return f'<dl class="facts{" long" if is_long else ""}">{items}</dl>'


def _table(panel: Panel) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in panel.head)
    rows = "".join(
        f'<tr><th scope="row">{escape(label)}</th>'
        + "".join(
            f'<td><span class="clip" title="{escape(text)}">{escape(text)}</span></td>' for text in texts
        )
        + "</tr>"
        for label, *texts in panel.facts
    )
    return f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _about(lines: Sequence[Sequence[str]], sides: Sequence[str]) -> str:
    marks = [f'<i class="side {side}"></i>' for side in sides] + [""] * len(lines)
    return "".join(
        f'<p class="about">{mark}{"".join(f"<span>{escape(part)}</span>" for part in line)}</p>'
        for mark, line in zip(marks, lines, strict=False)
    )


def _json(document: object) -> str:
    """Return JSON that can stand in a script element: no text of the data can end it."""
    return json.dumps(document, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


@cache
def _library() -> str:
    """Return Vega, Vega-Lite and Vega-Embed, packed: gzip in base64."""
    bundle = require("vl_convert", extra=EXTRA).javascript_bundle(vl_version=VEGA_LITE)
    return base64.b64encode(gzip.compress(bundle.encode(), mtime=0)).decode()


@cache
def _read(name: str) -> str:
    return files("hopyard.plots").joinpath(name).read_text(encoding="utf-8")
