"""The distribution of one column: a histogram of numbers and instants, bars of the most frequent values of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hopyard.model.statistics import ColumnStatistics
from hopyard.plots.axes import Axis, axis_of, count_axis, is_finite, number_of
from hopyard.plots.cells import cells_of, single_value
from hopyard.plots.facts import facts_of, is_instant, shown
from hopyard.plots.panel import Chart, Panel
from hopyard.plots.text import plural, shorten, show_share, show_value

HEIGHT = 150
ROW_HEIGHT = 17
AXIS_CHARACTERS = 40
ROOM_FOR_LABELS = 0.3
GRIDLESS = {"grid": False, "ticks": False, "domain": False}


@dataclass(frozen=True, slots=True)
class About:
    """What its owner says about a column: a description, and the unit of its values (the feature's tag `unit`)."""

    description: str = ""
    unit: str = ""


def column_panel(column: ColumnStatistics, about: About) -> Panel:
    """Return the panel of one column."""
    chart, description = _chart(column, about)
    return Panel(
        section="Columns",
        title=column.name,
        kind=kind_of(column, about),
        text=about.description,
        description=description,
        chart=chart,
        facts=tuple((fact.label, fact.text) for fact in facts_of(column)),
        notes=tuple(notes_of(column)),
    )


def kind_of(column: ColumnStatistics, about: About) -> str:
    """Return the type of a column, with the unit of its values."""
    return f"{column.type}, {about.unit}" if about.unit else column.type


def label_of(column: ColumnStatistics, about: About) -> str:
    """Return what an axis says of a column."""
    return f"{column.name} ({about.unit})" if about.unit else column.name


def notes_of(column: ColumnStatistics) -> list[str]:
    """Return what has to be known to read a column's chart and numbers."""
    found = [] if column.n_values else [_why_no_values(column)]
    if column.n_values and not (column.bins or column.frequent):
        found.append(_why_no_chart(column))
    if column.n_infinities and column.bins:
        found.append(
            f"{plural(column.n_infinities, 'infinity').replace('infinitys', 'infinities')} not drawn."
        )
    if column.percentiles_error:
        found.append(
            f"Percentiles are of a sample: their ranks are within {show_share(column.percentiles_error)} of the rows."
        )
    return found


def name_values(texts: Sequence[str]) -> list[str]:
    """Return texts short enough for an axis, and different from each other."""
    names: list[str] = []
    for text in texts:
        name = shorten(text, AXIS_CHARACTERS)
        n = 1
        while name in names:
            n += 1
            name = f"{shorten(text, AXIS_CHARACTERS)} ({n})"
        names.append(name)
    return names


def values_heading(column: ColumnStatistics, n_shown: int) -> str:
    """Return which of a column's values are shown."""
    distinct = column.n_distinct
    if distinct is None or n_shown >= distinct:
        return f"all {plural(n_shown, 'value')}" if n_shown != 1 else "the only value"
    about = "≈ " if column.distinct_error else ""
    return f"the {n_shown} most frequent of {about}{plural(distinct, 'value')}"


def _chart(column: ColumnStatistics, about: About) -> tuple[Chart | None, str]:
    label = label_of(column, about)
    value = single_value(column)
    if value is not None:
        count = column.bins[0].count
        chart = _bars([(shown(column, value), count)], "the only value", count)
        return chart, f"{label}: all {plural(count, 'value')} are {shown(column, value)}."
    if column.bins:
        chart, axis = histogram(column, label)
        return chart, (
            f"Histogram of {axis.title}, from {shown(column, column.bins[0].start_value)} to "
            f"{shown(column, column.bins[-1].end_value)}, in {plural(len(column.bins), 'bin')} of equal width."
        )
    if column.frequent:
        bars = [(show_value(item.stored), item.count) for item in column.frequent]
        heading = values_heading(column, len(bars))
        return _bars(bars, heading, column.n_values), f"Bars of how many rows have {heading} of {label}."
    return None, ""


def histogram(column: ColumnStatistics, label: str) -> tuple[Chart, Axis]:
    """Return bars of the bins of a column, below a strip of its percentiles."""
    cells = cells_of(column)
    axis = axis_of(
        label, [end for cell in cells for end in (cell.start, cell.end)], is_instant=is_instant(column)
    )
    values = [
        {
            "start": axis.place(cell.start),
            "end": axis.place(cell.end),
            "height": cell.count / (cell.n_steps or 1),
            "rows": cell.count,
            "range": cell.text,
            "share": cell.share,
        }
        for cell in cells
    ]
    most = max(cell.count / (cell.n_steps or 1) for cell in cells)
    per = f"rows per {step_name(column)}" if any((cell.n_steps or 1) > 1 for cell in cells) else "rows"
    bars = {
        "data": {"values": values},
        "mark": {"type": "rect", "xOffset": 0.5, "x2Offset": -0.5},
        "encoding": {
            "x": axis.encoding("start"),
            "x2": {"field": "end"},
            "y": {"field": "height", **count_axis(per, most)},
            "y2": {"datum": 0},
            "tooltip": [
                {"field": "range", "title": label},
                {"field": "rows", "format": ",", "type": "quantitative"},
                {"field": "share", "title": "share of the values"},
            ],
        },
    }
    return {"height": HEIGHT, "layer": [bars, *_percentile_strip(column, axis)]}, axis


def step_name(column: ColumnStatistics) -> str:
    """Return what the values of a column of whole numbers, or of days, are called."""
    return "day" if column.type == "date" else "value"


def _percentile_strip(column: ColumnStatistics, axis: Axis) -> list[Chart]:
    """Return a line from p5 to p95, a bar from p25 to p75 and a tick at p50, above the bars."""
    percentiles = column.percentile_values
    if not percentiles or not all(is_finite(percentiles[p]) for p in (5, 25, 50, 75, 95)):
        return []
    values: list[dict[str, Any]] = [
        {f"p{p}": axis.place(number_of(percentiles[p])) for p in (5, 25, 50, 75, 95)}
        | {f"t{p}": shown(column, percentiles[p]) for p in (5, 25, 50, 75, 95)}
    ]
    tooltip = [{"field": f"t{p}", "title": f"p{p}"} for p in (5, 25, 50, 75, 95)]
    y = {"value": 5}

    def span(start: int, end: int, mark: dict[str, Any]) -> Chart:
        return {
            "mark": {"type": "rule", **mark},
            "encoding": {
                "x": axis.shared(f"p{start}"),
                "x2": {"field": f"p{end}"},
                "y": y,
                "tooltip": tooltip,
            },
        }

    middle = {
        "mark": {"type": "tick", "thickness": 2, "size": 11, "orient": "vertical"},
        "encoding": {"x": axis.shared("p50"), "y": y, "tooltip": tooltip},
    }
    layers = [span(5, 95, {"strokeWidth": 1}), span(25, 75, {"strokeWidth": 5, "opacity": 0.55}), middle]
    return [{"data": {"values": values}, "layer": layers}]


def _bars(counts: list[tuple[str, int]], heading: str, n_values: int) -> Chart:
    names = name_values([text for text, _ in counts])
    values = [
        {
            "value": name,
            "text": text,
            "rows": count,
            "share": show_share(count / n_values if n_values else None),
        }
        for name, (text, count) in zip(names, counts, strict=True)
    ]
    most = max((count for _, count in counts), default=1)
    y = {"field": "value", "type": "nominal", "sort": None, "title": None, "axis": GRIDLESS}
    x = {"field": "rows", **count_axis(f"rows ({heading})", most, room=ROOM_FOR_LABELS)}
    tooltip = [
        {"field": "text", "title": "value"},
        {"field": "rows", "format": ",", "type": "quantitative"},
        {"field": "share", "title": "share of the values"},
    ]
    return {
        "height": ROW_HEIGHT * len(names),
        "data": {"values": values},
        "encoding": {"y": y, "tooltip": tooltip},
        "layer": [
            {"mark": {"type": "bar", "height": {"band": 0.75}}, "encoding": {"x": x}},
            {
                "mark": {"type": "text", "align": "left", "dx": 4},
                "encoding": {"x": x, "text": {"field": "share"}},
            },
        ],
    }


def _why_no_values(column: ColumnStatistics) -> str:
    if not column.count:
        return "No rows."
    parts = []
    if column.n_nulls:
        parts.append(f"{column.n_nulls:,} null")
    if column.n_nans:
        parts.append(f"{column.n_nans:,} NaN")
    return f"No values: of {plural(column.count, 'row')}, {' and '.join(parts)}."


def _why_no_chart(column: ColumnStatistics) -> str:
    kind = column.type.partition("<")[0].partition("(")[0]
    if kind in ("array", "struct"):
        return f"Of {kind}s rows and nulls are counted, and nothing else."
    if column.n_infinities and column.n_infinities == column.n_values:
        return "All values are infinite."
    if kind == "binary":
        return "Of binary values there is no chart."
    if column.n_distinct is None:
        return "Only what an insert tells is known: no distribution."
    if kind == "string" and column.n_distinct > 1_000_000:
        return "Of more than a million different texts, none are counted one by one."
    return "No histogram was computed."
