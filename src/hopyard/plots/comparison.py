"""Two distributions of one column on common axes, in shares of their values, so that their sizes do not matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hopyard.model.plan import Value
from hopyard.model.statistics import ColumnStatistics
from hopyard.plots.axes import Axis, axis_of, number_of
from hopyard.plots.cells import Cell, cells_of, single_value
from hopyard.plots.distribution import (
    GRIDLESS,
    HEIGHT,
    ROOM_FOR_LABELS,
    About,
    kind_of,
    label_of,
    name_values,
    notes_of,
    step_name,
)
from hopyard.plots.facts import compared, is_instant, shown
from hopyard.plots.panel import Chart, Panel
from hopyard.plots.text import show_share, show_value
from hopyard.time import US_PER_DAY

ROW_HEIGHT = 30
MAX_VALUES = 20


@dataclass(frozen=True, slots=True)
class Sides:
    """The names of the two that are compared: this one, and what it is compared with."""

    this: str
    against: str

    @property
    def scale(self) -> dict[str, Any]:
        return {"domain": [self.this, self.against]}

    def colour(self) -> dict[str, Any]:
        """Return the colour channel of the two."""
        return {
            "field": "side",
            "type": "nominal",
            "scale": self.scale,
            "title": None,
            "legend": {"orient": "top", "symbolOpacity": 1, "symbolStrokeWidth": 0, "offset": 4},
        }


def comparison_panel(this: ColumnStatistics, against: ColumnStatistics, about: About, sides: Sides) -> Panel:
    """Return the panel of a column that both have."""
    ours, theirs = notes_of(this), notes_of(against)
    notes = [note for note in ours if note in theirs]
    notes += [f"{sides.this}: {note}" for note in ours if note not in theirs]
    notes += [f"{sides.against}: {note}" for note in theirs if note not in ours]
    if this.type != against.type:
        notes.insert(0, f"The types differ: {this.type} and {against.type}; the distributions are not drawn.")
        chart, description = None, ""
    else:
        chart, description = _chart(this, against, about, sides)
    kind = kind_of(this, about) if this.type == against.type else f"{this.type} / {against.type}"
    return Panel(
        section="Columns",
        title=this.name,
        kind=kind,
        text=about.description,
        description=description,
        chart=chart,
        head=("", sides.this, sides.against, "difference"),
        facts=tuple(compared(this, against)),
        notes=tuple(notes),
    )


def _chart(
    this: ColumnStatistics, against: ColumnStatistics, about: About, sides: Sides
) -> tuple[Chart | None, str]:
    label = label_of(this, about)
    both = f"of {label}: {sides.this} and {sides.against}"
    pairs = [(sides.this, this), (sides.against, against)]
    if this.frequent or against.frequent:
        return _frequencies(pairs, sides), f"Bars of the shares of values {both}."
    drawn = [(side, column) for side, column in pairs if column.bins]
    if not drawn:
        return None, ""
    if all(single_value(column) is not None for _, column in drawn):
        return _constants(drawn, sides), f"The only values {both}."
    return _densities(drawn, label, sides), f"Densities {both}, in shares of their values."


def _densities(drawn: Sequence[tuple[str, ColumnStatistics]], label: str, sides: Sides) -> Chart:
    """Return the bins of both as areas: heights are shares of the values per width of the narrowest bin."""
    spread = [(side, column, cells_of(column)) for side, column in drawn if single_value(column) is None]
    constant = [
        (side, column, value) for side, column in drawn if (value := single_value(column)) is not None
    ]
    numbers = [end for _, _, cells in spread for cell in cells for end in (cell.start, cell.end)]
    numbers += [number_of(value) for _, _, value in constant]
    axis = axis_of(label, numbers, is_instant=is_instant(drawn[0][1]))
    width = min(_width(axis, cell) for _, _, cells in spread for cell in cells)
    per = axis.length(width)
    if all(cell.n_steps for _, _, cells in spread for cell in cells):
        width, per = 1 / axis.unit, step_name(drawn[0][1])
        if axis.is_instant:
            width = US_PER_DAY / axis.unit
    bars: list[dict[str, Any]] = []
    steps: list[dict[str, Any]] = []
    for side, _, cells in spread:
        of_side = _bars(side, cells, axis, width)
        bars += of_side
        steps += _outline(side, of_side)
    y: dict[str, Any] = {"type": "quantitative", "title": f"share of values per {per}"}
    y["axis"] = {"format": ".2~%", "tickCount": 4}
    tooltip = [
        {"field": "side", "title": "of"},
        {"field": "range", "title": label},
        {"field": "share", "title": "share of its values"},
    ]
    fill = {
        "data": {"values": bars},
        "mark": {"type": "rect", "opacity": 0.25},
        "encoding": {
            "x": axis.encoding("start"),
            "x2": {"field": "end"},
            "y": {"field": "density", **y},
            "y2": {"datum": 0},
            "color": sides.colour(),
            "tooltip": tooltip,
        },
    }
    line = {
        "data": {"values": steps},
        "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 1.8, "clip": True},
        "encoding": {
            "x": axis.shared("at"),
            "y": {"field": "density", **y},
            "color": sides.colour(),
            "strokeDash": {
                "field": "side",
                "type": "nominal",
                "scale": {**sides.scale, "range": [[1, 0], [5, 3]]},
                "title": None,
            },
        },
    }
    return {"height": HEIGHT, "layer": [fill, line, *_constant_rules(constant, axis, sides)]}


def _bars(side: str, cells: Sequence[Cell], axis: Axis, width: float) -> list[dict[str, Any]]:
    total = sum(cell.count for cell in cells) or 1
    return [
        {
            "side": side,
            "start": axis.place(cell.start),
            "end": axis.place(cell.end),
            "density": cell.count / total / _width(axis, cell) * width,
            "range": cell.text,
            "share": cell.share,
        }
        for cell in cells
    ]


def _outline(side: str, bars: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    corners = [
        (bars[0]["start"], 0.0),
        *((bar["start"], bar["density"]) for bar in bars),
        (bars[-1]["end"], 0.0),
    ]
    return [
        {"side": side, "at": at, "density": density, "order": n} for n, (at, density) in enumerate(corners)
    ]


def _constant_rules(
    constant: Sequence[tuple[str, ColumnStatistics, Value]], axis: Axis, sides: Sides
) -> list[Chart]:
    """Return a line for a side whose values are all equal: its density has no width."""
    values = [
        {"side": side, "at": axis.place(number_of(value)), "text": shown(column, value)}
        for side, column, value in constant
    ]
    if not values:
        return []
    return [
        {
            "data": {"values": values},
            "mark": {"type": "rule", "strokeWidth": 3},
            "encoding": {
                "x": axis.shared("at"),
                "color": sides.colour(),
                "tooltip": [{"field": "side", "title": "of"}, {"field": "text", "title": "all values"}],
            },
        }
    ]


def _constants(drawn: Sequence[tuple[str, ColumnStatistics]], sides: Sides) -> Chart:
    column = drawn[0][1]
    shares = {side: {_only(of_side): 1.0} for side, of_side in drawn}
    values = list(dict.fromkeys(_only(of_side) for _, of_side in drawn))
    return _grouped(values, [shown(column, value) for value in values], shares, sides)


def _only(column: ColumnStatistics) -> Value:
    return column.bins[0].start_value


def _frequencies(pairs: Sequence[tuple[str, ColumnStatistics]], sides: Sides) -> Chart:
    """Return bars of the shares of the values that are frequent on either side.

    Of a value that is not among the most frequent ones of a side its share there is not known: it has no bar.
    """
    shares: dict[str, dict[Value, float]] = {}
    most: dict[Value, float] = {}
    for side, column in pairs:
        shares[side] = {item.stored: item.count / column.n_values for item in column.frequent}
        for value, share in shares[side].items():
            most[value] = max(share, most.get(value, 0))
    values = sorted(most, key=lambda value: -most[value])[:MAX_VALUES]
    for side, column in pairs:
        if column.n_values and sum(item.count for item in column.frequent) == column.n_values:
            shares[side] = dict.fromkeys(values, 0.0) | shares[side]
    return _grouped(values, [show_value(value) for value in values], shares, sides)


def _grouped(
    values: Sequence[Value], texts: Sequence[str], shares: dict[str, dict[Value, float]], sides: Sides
) -> Chart:
    names = name_values(texts)
    bars = [
        {
            "value": name,
            "text": text,
            "side": side,
            "share": of_side.get(value),
            "label": show_share(of_side[value]) if value in of_side else "not among its most frequent",
        }
        for value, text, name in zip(values, texts, names, strict=True)
        for side, of_side in shares.items()
    ]
    largest = max((of_side.get(value, 0.0) for of_side in shares.values() for value in values), default=1.0)
    x = {
        "field": "share",
        "type": "quantitative",
        "title": "share of values",
        "axis": {"format": ".2~%", "tickCount": 4},
        "scale": {"domain": [0, (1 + ROOM_FOR_LABELS) * largest or 1]},
    }
    return {
        "height": ROW_HEIGHT * len(names),
        "data": {"values": bars},
        "encoding": {
            "y": {"field": "value", "type": "nominal", "sort": None, "title": None, "axis": GRIDLESS},
            "yOffset": {"field": "side", "type": "nominal", "scale": sides.scale},
            "tooltip": [
                {"field": "side", "title": "of"},
                {"field": "text", "title": "value"},
                {"field": "label", "title": "share of its values"},
            ],
        },
        "layer": [
            {
                "mark": {"type": "bar", "height": {"band": 0.9}},
                "encoding": {"x": x, "color": sides.colour()},
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 4, "fontSize": 10},
                "encoding": {"x": {**x, "stack": None}, "text": {"field": "label"}},
            },
        ],
    }


def _width(axis: Axis, cell: Cell) -> float:
    return (axis.place(cell.end) - axis.place(cell.start)) or 1.0
