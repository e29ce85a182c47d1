"""Charts over several columns: completeness, correlations, clusters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hopyard.model.statistics import Clusters, ColumnStatistics, Correlations
from hopyard.plots.comparison import Sides
from hopyard.plots.distribution import GRIDLESS
from hopyard.plots.panel import Chart, Panel
from hopyard.plots.text import plural, show_number, show_share
from hopyard.plots.themes import PURPLE, VERMILLION

MAX_COLUMNS = 60
MAX_CORRELATED = 40
WITH_NUMBERS = 25
ROW_HEIGHT = 17
VALUES = "values"
QUIET = "#8C9BA8"
_DIGITS = 4


def completeness_panel(columns: Sequence[ColumnStatistics]) -> Panel:
    """Return the null map: of each column the shares of values, NaNs and nulls."""
    shown, note = _least_complete(columns, columns)
    values = [row for column in shown for row in _shares(column)]
    kinds = [VALUES, "NaN", "null"]
    colour = {
        "field": "kind",
        "type": "nominal",
        "title": None,
        "scale": {"domain": kinds, "range": [QUIET, PURPLE, VERMILLION]},
        "legend": {"orient": "top", "offset": 4},
    }
    y = {"field": "column", "type": "nominal", "sort": None, "title": None, "axis": GRIDLESS}
    labels = [{"column": column.name, "label": _missing(column)} for column in shown]
    chart: Chart = {
        "height": ROW_HEIGHT * len(shown),
        "layer": [
            {
                "data": {"values": values},
                "mark": {"type": "bar", "height": {"band": 0.75}},
                "encoding": {
                    "y": y,
                    "x": {**_share_axis("share of rows"), "stack": "zero"},
                    "color": colour,
                    "order": {"field": "order", "type": "quantitative"},
                    "tooltip": [
                        {"field": "column"},
                        {"field": "kind", "title": "what"},
                        {"field": "rows", "format": ",", "type": "quantitative"},
                        {"field": "text", "title": "share"},
                    ],
                },
            },
            {
                "data": {"values": labels},
                "mark": {"type": "text", "align": "left", "dx": 6},
                "encoding": {"y": y, "x": {"datum": 1}, "text": {"field": "label"}},
            },
        ],
    }
    return Panel(
        section="Completeness",
        title="Completeness",
        description=f"Bars of the shares of values, NaNs and nulls of {plural(len(shown), 'column')}.",
        chart=chart if shown else None,
        notes=tuple(note) or (_summary(columns),),
        is_wide=True,
    )


def compared_completeness(
    this: Sequence[ColumnStatistics], against: Sequence[ColumnStatistics], sides: Sides
) -> Panel:
    """Return the shares of rows with a value of the columns that both sides have."""
    others = {column.name: column for column in against}
    both = [column for column in this if column.name in others]
    shown, note = _least_complete(both, [*both, *others.values()])
    values = [
        {
            "column": column.name,
            "side": side,
            "share": _present(of_side),
            "text": show_share(_present(of_side)),
            "nulls": of_side.n_nulls,
            "nans": of_side.n_nans,
        }
        for column in shown
        for side, of_side in ((sides.this, column), (sides.against, others[column.name]))
        if of_side.count
    ]
    y = {
        "field": "column",
        "type": "nominal",
        "sort": None,
        "title": None,
        "axis": {**GRIDLESS, "grid": True},
    }
    x = _share_axis("share of rows with a value")
    chart: Chart = {
        "height": ROW_HEIGHT * len(shown),
        "data": {"values": values},
        "encoding": {"y": y},
        "layer": [
            {
                "mark": {"type": "rule", "strokeWidth": 2, "opacity": 0.5},
                "encoding": {
                    "x": {**x, "aggregate": "min"},
                    "x2": {"field": "share", "aggregate": "max"},
                },
            },
            {
                "mark": {"type": "point", "filled": True, "opacity": 1},
                "encoding": {
                    "x": x,
                    "color": {**sides.colour(), "legend": {"orient": "top", "offset": 4}},
                    "shape": {"field": "side", "type": "nominal", "scale": sides.scale, "title": None},
                    "size": {
                        "condition": {"test": {"field": "side", "equal": sides.this}, "value": 130},
                        "value": 40,
                    },
                    "tooltip": [
                        {"field": "side", "title": "of"},
                        {"field": "column"},
                        {"field": "text", "title": "rows with a value"},
                        {"field": "nulls", "format": ",", "type": "quantitative"},
                        {"field": "nans", "title": "NaN", "format": ",", "type": "quantitative"},
                    ],
                },
            },
        ],
    }
    return Panel(
        section="Completeness",
        title="Completeness",
        description=f"The shares of rows with a value, of {sides.this} and {sides.against}.",
        chart=chart if values else None,
        notes=tuple(note),
        is_wide=True,
    )


def correlations_panel(found: Correlations, names: Sequence[str], side: str = "") -> Panel:
    """Return a map of the correlations of the columns among `names`."""
    columns = [name for name in found.columns if name in names]
    shown = _strongest(found, columns)
    notes = []
    if len(shown) < len(columns):
        notes.append(f"The {len(shown)} columns with the strongest correlations of {len(columns)}.")
    cells = [_cell(row, column, found.between(row, column)) for row in shown for column in shown]
    if any(cell["r"] is None for cell in cells):
        notes.append("none: one of the two columns is constant, or they have no rows in common.")
    step = 46 if len(shown) <= 12 else 34 if len(shown) <= WITH_NUMBERS else 18
    return Panel(
        section="Correlations",
        title=f"Correlations of {side}" if side else "Correlations",
        kind="Pearson's r",
        description=f"Map of the correlations of {', '.join(shown)}.",
        chart=_heatmap(cells, shown, step) if cells else None,
        notes=tuple(notes) if cells else ("No numeric columns.",),
        width=step * len(shown),
        is_wide=True,
    )


def clusters_panel(found: Clusters, side: str = "") -> Panel:
    """Return the sample's rows on the plane of two principal components, with the centres of their clusters."""
    facts = tuple(
        (name, *(show_number(float(f"{component[place]:.3f}")) for component in found.loadings))
        for place, name in enumerate(found.columns)
    )
    n_rows = len(found.points)
    return Panel(
        section="Clusters",
        title=f"Clusters of {side}" if side else "Clusters",
        kind=f"k-means of a sample of {plural(n_rows, 'row')}" if n_rows else "k-means",
        description=f"Scatter of {plural(n_rows, 'row')} in {plural(len(found.sizes), 'cluster')}.",
        chart=_scatter(found) if n_rows else None,
        head=("what a column adds", *(f"component {n + 1}" for n in range(len(found.loadings)))),
        facts=facts,
        notes=() if n_rows else ("Too few rows with numbers in all columns.",),
        is_wide=True,
        has_many_marks=True,
    )


def _present(column: ColumnStatistics) -> float | None:
    return column.n_values / column.count if column.count else None


def _least_complete(
    columns: Sequence[ColumnStatistics], evidence: Sequence[ColumnStatistics]
) -> tuple[list[ColumnStatistics], list[str]]:
    """Return the columns, of many only those with the least complete rows on any side, and a note that says so."""
    if len(columns) <= MAX_COLUMNS:
        return list(columns), []
    least: dict[str, float] = {}
    for column in evidence:
        present = _present(column)
        least[column.name] = min(least.get(column.name, 1.0), 1.0 if present is None else present)
    gaps = sorted((column.name for column in columns if least[column.name] < 1), key=lambda name: least[name])
    shown = set(gaps[:MAX_COLUMNS])
    if len(gaps) > MAX_COLUMNS:
        note = f"The {MAX_COLUMNS} columns with the most nulls and NaNs, of {len(gaps)} with some."
    else:
        note = f"Nulls or NaN in {len(gaps)} of {plural(len(columns), 'column')}; the others are not drawn."
    return [column for column in columns if column.name in shown], [note]


def _shares(column: ColumnStatistics) -> list[dict[str, Any]]:
    counts = {VALUES: column.n_values, "NaN": column.n_nans, "null": column.n_nulls}
    return [
        {
            "column": column.name,
            "kind": kind,
            "order": order,
            "rows": count,
            "share": count / column.count if column.count else 0,
            "text": show_share(count / column.count if column.count else None),
        }
        for order, (kind, count) in enumerate(counts.items())
        if count or kind == VALUES
    ]


def _missing(column: ColumnStatistics) -> str:
    if not column.count:
        return "no rows"
    parts = []
    if column.n_nulls:
        parts.append(f"{show_share(column.n_nulls / column.count)} null")
    if column.n_nans:
        parts.append(f"{show_share(column.n_nans / column.count)} NaN")
    return ", ".join(parts)


def _summary(columns: Sequence[ColumnStatistics]) -> str:
    gaps = [column for column in columns if column.n_nulls or column.n_nans]
    if not any(column.count for column in columns):
        return "No rows."
    if not gaps:
        return f"All values of {plural(len(columns), 'column')} are there: no nulls, no NaN."
    return f"Nulls or NaN in {len(gaps)} of {plural(len(columns), 'column')}."


def _share_axis(title: str) -> dict[str, Any]:
    return {
        "field": "share",
        "type": "quantitative",
        "title": title,
        "axis": {"format": "%", "tickCount": 5},
        "scale": {"domain": [0, 1]},
    }


def _strongest(found: Correlations, columns: Sequence[str]) -> list[str]:
    """Return the columns, of many those that correlate most with another one."""
    if len(columns) <= MAX_CORRELATED:
        return list(columns)
    places = {name: place for place, name in enumerate(found.columns)}

    def strength(name: str) -> float:
        row = found.matrix[places[name]]
        return max(abs(row[places[other]] or 0) for other in columns if other != name)

    kept = set(sorted(columns, key=lambda name: -strength(name))[:MAX_CORRELATED])
    return [name for name in columns if name in kept]


def _cell(row: str, column: str, r: float | None) -> dict[str, Any]:
    text = "none" if r is None else f"{r:.2f}".replace("-", "−")
    return {"row": row, "column": column, "r": r, "text": text.replace("−0.00", "0.00")}


def _heatmap(cells: Sequence[dict[str, Any]], shown: Sequence[str], step: int) -> Chart:
    axis = {**GRIDLESS, "labelLimit": 140}
    r = {"field": "r", "type": "quantitative", "title": "r"}
    colour = {
        **r,
        "scale": {"domain": [-1, 0, 1], "range": "diverging", "interpolate": "lab"},
        "legend": {
            "orient": "right",
            "gradientLength": 160,
            "values": [-1, -0.5, 0, 0.5, 1],
            "format": ".1f",
        },
    }
    layers: list[Chart] = [
        {
            "mark": {"type": "rect"},
            "encoding": {
                "color": {"condition": {"test": "datum.r === null", "value": "transparent"}, **colour},
                "tooltip": [
                    {"field": "row", "title": "of"},
                    {"field": "column", "title": "and"},
                    {"field": "text", "title": "r"},
                ],
            },
        }
    ]
    if len(shown) <= WITH_NUMBERS:
        layers.append(
            {
                "mark": {"type": "text", "fontSize": 10},
                "encoding": {
                    "text": {"field": "text"},
                    "color": {"condition": {"test": "abs(datum.r) > 0.6", "value": "#ffffff"}},
                },
            }
        )
    return {
        "height": min(step, 26) * len(shown),
        "data": {"values": list(cells)},
        "encoding": {
            "y": {"field": "row", "type": "nominal", "sort": list(shown), "title": None, "axis": axis},
            "x": {
                "field": "column",
                "type": "nominal",
                "sort": list(shown),
                "title": None,
                "axis": {**axis, "labelAngle": -40},
            },
        },
        "layer": layers,
    }


def _scatter(found: Clusters) -> Chart:
    names = [f"{n + 1}: {plural(size, 'row')}" for n, size in enumerate(found.sizes)]
    points = [
        {"x": round(point.x, _DIGITS), "y": round(point.y, _DIGITS), "cluster": names[point.cluster]}
        for point in found.points
    ]
    centres = [
        {"x": round(x, _DIGITS), "y": round(y, _DIGITS), "cluster": name, "text": str(n + 1)}
        for n, ((x, y), name) in enumerate(zip(found.centres, names, strict=True))
    ]
    shares = [f" ({100 * share:.0f} % of the variance)" for share in found.explained] + ["", ""]
    position = {
        axis: {
            "field": axis,
            "type": "quantitative",
            "title": f"component {n + 1}{shares[n]}",
            "scale": {"zero": False},
            "axis": {"tickCount": 5},
        }
        for n, axis in enumerate(("x", "y"))
    }
    colour = {
        "field": "cluster",
        "type": "nominal",
        "scale": {"domain": names},
        "title": "cluster",
        "legend": {"symbolOpacity": 1, "symbolSize": 80},
    }
    tooltip = [{"field": "cluster", "title": "cluster"}]
    return {
        "height": 400,
        "layer": [
            {
                "data": {"values": points},
                "mark": {"type": "point", "filled": True, "size": 14, "opacity": 0.45},
                "encoding": {**position, "color": colour, "tooltip": tooltip},
            },
            {
                "data": {"values": centres},
                "mark": {"type": "point", "filled": True, "size": 420, "opacity": 1, "stroke": "white"},
                "encoding": {**position, "color": colour, "tooltip": tooltip},
            },
            {
                "data": {"values": centres},
                "mark": {"type": "text", "fontWeight": "bold", "fontSize": 12, "color": "#000000"},
                "encoding": {**position, "text": {"field": "text"}},
            },
        ],
    }
