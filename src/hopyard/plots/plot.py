"""A plot of statistics: a Vega-Lite specification, a page, an output of a notebook."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hopyard.errors import ConfigError, StoreError
from hopyard.plots.page import EXTRA, frame, page
from hopyard.plots.panel import Panel
from hopyard.plots.themes import Theme, configuration
from hopyard.require import require

if TYPE_CHECKING:
    import altair

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
WIDTH = 440
LINE_CHARACTERS = 84


@dataclass(frozen=True, slots=True, repr=False)
class Plot:
    """Charts of statistics. A notebook shows it; `save` writes it as a page that needs no network.

    Attributes:
        title: what it is of.
        about: lines below the title, each of several parts: commit and commit time in UTC, split, rows.
        sides: `this` and `against` where two are compared, in the order of the first lines of `about`.
        panels: the charts with their numbers.
    """

    title: str
    about: tuple[tuple[str, ...], ...]
    sides: tuple[str, ...]
    panels: tuple[Panel, ...]

    def to_dict(self, *, theme: Theme = "light") -> dict[str, Any]:
        """Return a complete Vega-Lite specification, with its data. It needs no extra.

        Args:
            theme: `light` or `dark`.
        Raises:
            ConfigError: there is no such theme.
        """
        return {
            "$schema": SCHEMA,
            "description": self.title,
            "title": {
                "text": self.title,
                "subtitle": [" · ".join(line) for line in self.about],
                "fontSize": 20,
                "subtitleFontSize": 12,
                "offset": 20,
            },
            "vconcat": [_view(panel) for panel in self.panels],
            "spacing": 32,
            "resolve": {
                "scale": {"color": "independent", "shape": "independent", "strokeDash": "independent"}
            },
            "config": configuration(theme),
        }

    def to_altair(self, *, theme: Theme = "light") -> altair.VConcatChart:
        """Return an Altair chart, to be changed further. Raises MissingPackageError: no extra `plots`."""
        datasets: dict[str, Any] = {}
        spec = _with_names(self.to_dict(theme=theme), datasets)
        chart: altair.VConcatChart = require("altair", extra=EXTRA).VConcatChart.from_dict(
            spec, validate=False
        )
        chart.datasets = datasets
        return chart

    def to_html(self) -> str:
        """Return a page of HTML. It loads nothing, and is light or dark as its reader's system is.

        Raises:
            MissingPackageError: the extra `plots` is not installed.
        """
        return page(self.title, self.about, self.sides, self.panels)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the plot to a file, which is replaced as a whole, and return its full path.

        Args:
            path: `.html`: the page; `.json`: the Vega-Lite specification.
        Raises:
            ConfigError: another ending.
            MissingPackageError: the extra `plots` is not installed, which pages need.
            StoreError: the file cannot be written.
        """
        check_ending(path)
        file = Path(path).expanduser().absolute()
        is_page = file.suffix.lower() == ".html"
        text = self.to_html() if is_page else json.dumps(self.to_dict(), allow_nan=False, indent=1) + "\n"
        _replace(file, text)
        return file

    def _repr_html_(self) -> str:
        return frame(self.to_html(), height=220 + 340 * len(self.panels))

    def __str__(self) -> str:
        return f"plot of {self.title}: {len(self.panels)} panels; save('plot.html') writes a page"

    def __repr__(self) -> str:
        return f"<{self}>"


def check_ending(path: str | os.PathLike[str]) -> None:
    """Raise ConfigError unless a plot can be written to such a file."""
    if Path(path).suffix.lower() not in (".html", ".json"):
        raise ConfigError(
            f"A plot cannot be written to {os.fspath(path)!r}: name a file that ends in .html (a page) or .json (its "
            f"Vega-Lite specification)."
        )


def _view(panel: Panel) -> dict[str, Any]:
    """Return a panel as a view of a specification: its numbers are lines below the title."""
    title = f"{panel.title} · {panel.kind}" if panel.kind else panel.title
    chart: dict[str, Any] = panel.chart or {
        "data": {"values": [{}]},
        "height": 20,
        "mark": {"type": "text", "align": "left", "x": 0, "text": "nothing to draw"},
    }
    return {
        "title": {"text": title, "subtitle": list(_lines(panel))},
        "description": panel.description,
        "width": panel.width or WIDTH,
        **chart,
    }


def _with_names(view: Any, datasets: dict[str, Any]) -> Any:
    """Return a part of a specification with its data moved to `datasets`: Altair looks at each row of the others."""
    if isinstance(view, list):
        return [_with_names(part, datasets) for part in view]
    if not isinstance(view, dict):
        return view
    if set(view) == {"values"} and isinstance(view["values"], list):
        name = f"data-{len(datasets)}"
        datasets[name] = view["values"]
        return {"name": name}
    return {key: _with_names(part, datasets) for key, part in view.items()}


def _lines(panel: Panel) -> Iterator[str]:
    yield from filter(None, [panel.text])
    if panel.head:
        for label, *texts in panel.facts:
            named = zip(panel.head[1:], texts, strict=True)
            yield f"{label}: " + ", ".join(f"{text} ({name})" for name, text in named)
    else:
        yield from _wrapped([f"{label} {text}" for label, text in panel.facts])
    yield from panel.notes


def _wrapped(parts: Sequence[str]) -> Iterator[str]:
    line = ""
    for part in parts:
        if line and len(line) + len(part) > LINE_CHARACTERS:
            yield line
            line = ""
        line = f"{line} · {part}" if line else part
    if line:
        yield line


def _replace(file: Path, text: str) -> None:
    written = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        written.write_text(text, encoding="utf-8")
        written.replace(file)
    except OSError as error:
        raise StoreError(f"The plot cannot be written to {file}: {error.strerror or error}.") from error
    finally:
        written.unlink(missing_ok=True)
