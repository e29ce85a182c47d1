"""One part of a plot: a chart, and the numbers beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Chart = dict[str, Any]
"""A Vega-Lite view (one view, or layers), with its data, without title, width and configuration."""

Section = Literal["Completeness", "Columns", "Correlations", "Clusters"]


@dataclass(frozen=True, slots=True)
class Panel:
    """A chart with its heading and its numbers.

    Attributes:
        kind: what the heading is of, such as a column's type.
        text: a sentence or two below the heading, such as a feature's description.
        description: the chart in a sentence, for those who do not see it.
        chart: None: there is nothing to draw, and `notes` say why.
        head, facts: a table: its heading, if it has one, and its rows.
        notes: what to know when reading the chart.
        width: the width of the chart in pixels; None: as wide as there is room.
    """

    section: Section
    title: str
    kind: str = ""
    text: str = ""
    description: str = ""
    chart: Chart | None = None
    head: tuple[str, ...] = ()
    facts: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = field(default=())
    width: int | None = None
    is_wide: bool = False
    has_many_marks: bool = False
