"""Plots of statistics made by hand: texts, axes, shapes, specifications, and what a page must not let through."""

from __future__ import annotations

import itertools
import json
import math
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hopyard.errors import ConfigError, MissingPackageError, NotFoundError, StoreError
from hopyard.model.plan import Value, literal
from hopyard.model.statistics import (
    Bin,
    Clusters,
    ColumnStatistics,
    Correlations,
    Point,
    Statistics,
    StatisticsConfig,
    ValueCount,
)
from hopyard.plots.axes import axis_of
from hopyard.plots.cells import cells_of
from hopyard.plots.compose import name_sides, plot_statistics, table_of
from hopyard.plots.distribution import name_values
from hopyard.plots.panel import Panel
from hopyard.plots.plot import Plot
from hopyard.plots.text import show_instant, show_number, show_seconds, show_share, show_text, show_value

HOSTILE = '</script><img src=x onerror="fail()">\'"[a.b]\\ & é😀'
US_PER_DAY = 86_400_000_000


def instant(micros: int) -> Value:
    return Value(type="timestamp", value=micros)


def numbers(name: str, edges: Sequence[float], counts: Sequence[int], **more: Any) -> ColumnStatistics:
    """Return a column of numbers with these bins."""
    return column(name, [literal(edge) for edge in edges], counts, **more)


def column(
    name: str, edges: Sequence[Value], counts: Sequence[int], type_: str = "double", **more: Any
) -> ColumnStatistics:
    bins = tuple(
        Bin(start_value=start, end_value=end, count=count)
        for start, end, count in zip(edges, edges[1:], counts, strict=False)
    )
    n_values = sum(counts)
    found = {
        "name": name,
        "type": type_,
        "count": n_values,
        "n_nulls": 0,
        "min_value": edges[0],
        "max_value": edges[-1],
        "bins": bins,
    }
    return ColumnStatistics(**(found | more))


def texts(name: str, counts: dict[str, int], n_other: int = 0, **more: Any) -> ColumnStatistics:
    frequent = tuple(ValueCount(stored=literal(text), count=count) for text, count in counts.items())
    found = {"name": name, "type": "string", "count": sum(counts.values()) + n_other, "n_nulls": 0}
    return ColumnStatistics(**(found | {"frequent": frequent} | more))


def statistics(*columns: ColumnStatistics, **more: Any) -> Statistics:
    found: dict[str, Any] = {
        "scope": "group",
        "name": "weather",
        "version": 1,
        "commit": 2,
        "committed_at_us": 1_767_225_600_000_000,
        "computed_at_us": 1_767_225_601_500_000,
        "config": StatisticsConfig(),
        "n_rows": columns[0].count if columns else 0,
        "columns": columns,
    }
    return Statistics(**(found | more))


def panels(plot: Plot, section: str) -> list[Panel]:
    return [panel for panel in plot.panels if panel.section == section]


def values_of(view: Any) -> list[dict[str, Any]]:
    """Return all rows of data of a chart."""
    if isinstance(view, list):
        return [row for part in view for row in values_of(part)]
    if not isinstance(view, dict):
        return []
    own = view["data"]["values"] if "data" in view else []
    return [*own, *(row for key, part in view.items() if key != "data" for row in values_of(part))]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2**63 - 1, "9,223,372,036,854,775,807"),
        (-5, "−5"),
        (0.1 + 0.2, "0.3"),
        (1234567.8, "1,234,568"),
        (1e300, "1e+300"),
        (2.5e-7, "2.5e-07"),
        (math.inf, "inf"),
        (-math.inf, "−inf"),
        (math.nan, "NaN"),
        (Decimal("12.50"), "12.5"),
        (Decimal(10) ** 30, "1e+30"),
    ],
)
def test_numbers_are_short_and_whole_ones_exact(value: Any, text: str) -> None:
    assert show_number(value) == text


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "1970-01-01 00:00:00"),
        (-1, "1969-12-31 23:59:59.999999"),
        (253_402_300_800_000_000, "10000-01-01 00:00:00"),
        (-62_135_596_800_000_001, "0000-12-31 23:59:59.999999"),
        (-63_000_000_000_000_000, "−0027-08-11 08:00:00"),
        (2**63 - 1, "294247-01-10 04:00:54.775807"),
        (1_767_225_600_600_000, "2026-01-01 00:00:00.600000"),
    ],
)
def test_instants_of_all_years(micros: int, text: str) -> None:
    assert show_instant(micros) == text


def test_values_in_words() -> None:
    assert show_value(None) == "–"
    assert show_value(Value(type="date", value=-1)) == "1969-12-31"
    assert show_value(Value(type="boolean", value=True)) == "true"
    assert show_value(literal(b"\x00\xff")) == "0x00ff"
    assert show_value(instant(1_600_000), to_seconds=True) == "1970-01-01 00:00:02"
    assert show_text("") == '""'
    assert show_text(" a\n") == '" a\\n"'
    assert len(show_text("x" * 1_000)) == 200
    assert show_seconds(90) == "90 s (1.5 minutes)"
    assert show_seconds(5) == "5 s"


def test_a_share_reads_as_nothing_or_all_only_if_it_is() -> None:
    assert [show_share(share) for share in (0, 1e-9, 0.5, 0.99998, 1, None)] == [
        *("0 %", "< 0.01 %", "50 %", "> 99.99 %", "100 %", "–")
    ]


def test_names_on_an_axis_differ() -> None:
    assert name_values(["x" * 100, "x" * 101, "y"]) == [f"{'x' * 39}…", f"{'x' * 39}… (2)", "y"]


def test_whole_numbers_beyond_doubles_are_placed_apart() -> None:
    low = 2**62
    axis = axis_of("n", [low, low + 5], is_instant=False)
    assert [axis.place(low + n) for n in range(6)] == [0, 1, 2, 3, 4, 5]
    assert axis.title == "n − 4,611,686,018,427,387,904"


@pytest.mark.parametrize(
    ("low", "high", "title", "type_", "place"),
    [
        (0, US_PER_DAY, "at (UTC)", "temporal", 86_400_000),
        (-(10**15), 0, "at (UTC)", "temporal", 0),
        (0, 19, "at, µs after 1970-01-01 00:00:00 UTC", "quantitative", 19),
        (3 * 10**17, 3 * 10**17 + 7_000_000, "at, seconds after 11476-08-15 05:20:00 UTC", "quantitative", 7),
    ],
)
def test_instants_have_an_axis_that_tells_them_apart(
    low: int, high: int, title: str, type_: str, place: float
) -> None:
    axis = axis_of("at", [low, high], is_instant=True)
    assert (axis.title, axis.type, axis.place(high)) == (title, type_, place)


def test_thousands_of_years_are_years() -> None:
    axis = axis_of("at", [0, 2**63 - 1], is_instant=True)
    assert axis.title == "at, year (UTC)"
    assert (axis.place(0), round(axis.place(2**63 - 1))) == (1970, 294_247)


@pytest.mark.parametrize("ends", [(-1.7e308, 1.7e308), (0.0, 5e-320)])
def test_what_browsers_cannot_subtract_is_scaled(ends: tuple[float, float]) -> None:
    axis = axis_of("x", ends, is_instant=False)
    assert 1e-30 < axis.high - axis.low < 1e30


def test_bins_of_few_whole_numbers_have_the_area_of_their_values() -> None:
    """Each of the hours 0 to 23 has 10 rows; a bin of 20 has one hour or two."""
    edges = [23 * n / 20 for n in range(21)]
    counts = [10 * sum(start <= hour < end for hour in range(24)) for start, end in itertools.pairwise(edges)]
    counts[-1] += 10
    cells = cells_of(column("hour", [literal(edge) for edge in edges], counts, "bigint"))
    assert {cell.count / (cell.end - cell.start) for cell in cells} == {10}
    assert (cells[0].start, cells[-1].end) == (-0.5, 23.5)
    assert all(one.end == other.start for one, other in itertools.pairwise(cells))
    assert cells[6].text == "7 to 8"


def test_bins_of_many_whole_numbers_and_of_fractions_stay_as_they_are() -> None:
    edges = [literal(edge) for edge in (0.0, 500.0, 1_000.0)]
    for type_ in ("bigint", "double"):
        cells = cells_of(column("x", edges, [1, 3], type_))
        assert [(cell.start, cell.end, cell.n_steps) for cell in cells] == [
            (0, 500, None),
            (500, 1_000, None),
        ]


def test_days_count_as_whole_numbers() -> None:
    edges = [instant(n * US_PER_DAY * 3 // 2) for n in range(3)]
    cells = cells_of(column("on", edges, [2, 2], "date"))
    assert [cell.text for cell in cells] == ["1970-01-01 to 1970-01-02", "1970-01-03 to 1970-01-04"]
    assert [(cell.end - cell.start) / US_PER_DAY for cell in cells] == [2, 2]


def test_compared_densities_have_the_area_of_the_shares() -> None:
    """Bins and sizes differ: 100 values in [0, 10), 1,000 in [0, 40)."""
    this = statistics(numbers("x", [0.0, 5.0, 10.0], [50, 50]))
    other = statistics(numbers("x", [0.0, 20.0, 40.0], [500, 500]), commit=1)
    [panel] = panels(this.plot(against=other), "Columns")
    bars = [row for row in values_of(panel.chart) if "share" in row]
    areas = {
        side: sum(row["density"] / 5 * (row["end"] - row["start"]) for row in bars if row["side"] == side)
        for side in ("commit 2", "commit 1")
    }
    assert areas == {"commit 2": pytest.approx(1), "commit 1": pytest.approx(1)}
    assert [row["density"] for row in bars] == [0.5, 0.5, 0.125, 0.125]
    assert panel.head == ("", "commit 2", "commit 1", "difference")
    assert panel.facts[0] == ("rows", "100", "1,000", "−900")


def test_a_value_that_one_side_does_not_count_has_no_bar_there() -> None:
    this = statistics(texts("s", {"a": 6, "b": 4}))
    other = statistics(texts("s", {"a": 5, "c": 4}, n_other=1), commit=1)
    [panel] = panels(this.plot(against=other), "Columns")
    shares = {(row["value"], row["side"]): row["share"] for row in values_of(panel.chart)}
    assert shares == {
        ("a", "commit 2"): 0.6,
        ("a", "commit 1"): 0.5,
        ("b", "commit 2"): 0.4,
        ("b", "commit 1"): None,
        ("c", "commit 2"): 0.0,
        ("c", "commit 1"): 0.4,
    }


def test_a_constant_side_is_a_line_at_its_value() -> None:
    this = statistics(numbers("x", [3.0, 3.0], [9]))
    other = statistics(numbers("x", [0.0, 5.0, 10.0], [5, 5]), commit=1)
    [panel] = panels(this.plot(against=other), "Columns")
    assert [row for row in values_of(panel.chart) if row.get("text") == "3"] == [
        {"side": "commit 2", "at": 3.0, "text": "3"}
    ]


def test_columns_of_one_side_are_named() -> None:
    this = statistics(numbers("x", [0.0, 1.0], [1]), numbers("new", [0.0, 1.0], [1]))
    other = statistics(numbers("x", [0.0, 1.0], [1]), numbers("old", [0.0, 1.0], [1]), commit=1)
    plot = this.plot(against=other)
    assert plot.about[2:] == (("Only commit 2 has new.",), ("Only commit 1 has old.",))
    assert [panel.title for panel in panels(plot, "Columns")] == ["x"]
    assert this.plot("old", against=other).about[2:] == (("Only commit 1 has old.",),)


def test_a_column_whose_type_changed_is_compared_by_its_numbers_alone() -> None:
    this = statistics(numbers("x", [0.0, 1.0], [1]))
    [panel] = panels(this.plot(against=statistics(texts("x", {"a": 1}), commit=1)), "Columns")
    assert panel.chart is None
    assert panel.notes[0] == "The types differ: double and string; the distributions are not drawn."


@pytest.mark.parametrize(
    ("one", "other", "names"),
    [
        ({}, {"commit": 1}, ("commit 2", "commit 1")),
        ({}, {"scope": "written"}, ("commit 2", "rows written by commit 2")),
        ({}, {"name": "sea"}, ("weather version 1, commit 2", "sea version 1, commit 2")),
        ({}, {}, ("commit 2 (this)", "commit 2 (against)")),
        (
            {"scope": "split", "split": "train", "stage": "after"},
            {"scope": "split", "split": "train", "stage": "before"},
            ("train", "train before transformation"),
        ),
    ],
)
def test_the_sides_have_names_that_differ(
    one: dict[str, Any], other: dict[str, Any], names: tuple[str, str]
) -> None:
    sides = name_sides(statistics(**one), statistics(**other))
    assert (sides.this, sides.against) == names


@pytest.mark.parametrize(
    ("found", "note"),
    [
        (ColumnStatistics(name="x", type="double", count=0, n_nulls=0), "No rows."),
        (ColumnStatistics(name="x", type="double", count=3, n_nulls=3), "No values: of 3 rows, 3 null."),
        (
            ColumnStatistics(name="x", type="double", count=3, n_nulls=1, n_nans=2),
            "No values: of 3 rows, 1 null and 2 NaN.",
        ),
        (
            ColumnStatistics(name="x", type="array<double>", count=3, n_nulls=1),
            "Of arrays rows and nulls are counted, and nothing else.",
        ),
        (
            ColumnStatistics(name="x", type="double", count=3, n_nulls=0, n_infinities=3, n_distinct=1),
            "All values are infinite.",
        ),
        (
            ColumnStatistics(name="x", type="double", count=3, n_nulls=0),
            "Only what an insert tells is known: no distribution.",
        ),
    ],
)
def test_where_there_is_nothing_to_draw_the_panel_says_why(found: ColumnStatistics, note: str) -> None:
    [panel] = panels(statistics(found).plot(), "Columns")
    assert (panel.chart, panel.notes) == (None, (note,))


def test_of_many_columns_the_null_map_has_those_with_gaps() -> None:
    complete = [ColumnStatistics(name=f"c{n}", type="int", count=10, n_nulls=0) for n in range(100)]
    gaps = [ColumnStatistics(name=f"g{n}", type="int", count=10, n_nulls=n % 10) for n in range(100)]
    [few] = panels(statistics(*complete, gaps[3]).plot(), "Completeness")
    assert {row["column"] for row in values_of(few.chart)} == {"g3"}
    assert few.notes == ("Nulls or NaN in 1 of 101 columns; the others are not drawn.",)
    [many] = panels(statistics(*gaps).plot(), "Completeness")
    assert len({row["column"] for row in values_of(many.chart)}) == 60
    assert many.notes == ("The 60 columns with the most nulls and NaNs, of 90 with some.",)


def wide_statistics() -> Statistics:
    """Return statistics with one of each kind of chart, and text of which nothing may become markup."""
    names = (HOSTILE, "flat")
    return statistics(
        numbers(
            HOSTILE, [0.0, 1.0, 2.0], [5, 5], percentile_values=tuple(literal(n / 50) for n in range(101))
        ),
        texts("label", {HOSTILE: 7, "": 3}),
        column("at", [instant(0), instant(10**12), instant(2 * 10**12)], [4, 6], "timestamp"),
        numbers("flat", [2.0, 2.0], [10]),
        correlations=Correlations(columns=names, matrix=((1.0, None), (None, None))),
        clusters=Clusters(
            columns=names,
            explained=(0.7, 0.2),
            loadings=((0.1, 0.9), (0.9, -0.1)),
            centres=((0.0, 1.0), (1.0, 0.0)),
            sizes=(2, 1),
            points=(
                Point(x=0.0, y=1.0, cluster=0),
                Point(x=0.1, y=1.0, cluster=0),
                Point(x=1, y=0, cluster=1),
            ),
        ),
    )


@pytest.mark.parametrize("against", [False, True])
def test_specifications_are_valid(against: bool) -> None:  # noqa: FBT001
    """Altair checks them against the schema of Vega-Lite."""
    found = wide_statistics()
    plot = found.plot(against=statistics(*found.columns, commit=1) if against else None)
    json.dumps(plot.to_dict(), allow_nan=False)
    chart = plot.to_altair(theme="dark")
    assert len(chart.to_dict()["vconcat"]) == len(plot.panels)


def test_no_text_of_the_data_becomes_markup() -> None:
    found = wide_statistics()
    page = found.plot().to_html()
    assert page.count("<script") == page.count("</script>") == 4
    assert "<img" not in page and "<img" not in table_of(found)
    assert "fail()" in page


def test_a_saved_plot_replaces_the_file(tmp_path: Path) -> None:
    plot = wide_statistics().plot(["at", "flat"])
    file = tmp_path / "plot.html"
    file.write_text("older")
    assert plot.save(file) == file
    assert file.read_text() == plot.to_html()
    spec = plot.save(tmp_path / "plot.json")
    assert json.loads(spec.read_text()) == plot.to_dict()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plot.html", "plot.json"]
    with pytest.raises(ConfigError, match="'plot.png': name a file that ends in .html"):
        plot.save("plot.png")
    with pytest.raises(StoreError, match="cannot be written to .*none"):
        plot.save(tmp_path / "none" / "plot.html")


def test_columns_that_are_not_there_are_refused() -> None:
    found = wide_statistics()
    with pytest.raises(NotFoundError, match="Did you mean 'label'"):
        found.plot(["lable"])
    with pytest.raises(ConfigError, match="against=1 must be Statistics"):
        found.plot(against=1)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="theme='blue' is unknown"):
        found.plot().to_dict(theme="blue")  # type: ignore[arg-type]


def test_without_the_extra_statistics_are_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    from hopyard.plots import page

    found = wide_statistics()
    page._library.cache_clear()
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    monkeypatch.setitem(sys.modules, "altair", None)
    assert "<table>" in found._repr_html_() and "<iframe" not in found._repr_html_()
    plot = found.plot()
    for method in (plot.to_html, plot.to_altair):
        with pytest.raises(MissingPackageError, match=r"pip install 'hopyard\[plots\]'"):
            method()
    assert plot.to_dict()["vconcat"]


def test_notebooks_show_a_frame_of_its_own() -> None:
    html = wide_statistics()._repr_html_()
    assert html.startswith("<iframe srcdoc=") and html.count("<") == 2
    assert 'sandbox="allow-scripts allow-downloads"' in html


def test_descriptions_and_units_stand_beside_the_chart() -> None:
    from hopyard.plots.distribution import About

    found = statistics(numbers("temp", [0.0, 1.0, 2.0], [1, 1]))
    [panel] = panels(plot_statistics(found, about={"temp": About("Of the air", "°C")}), "Columns")
    assert (panel.kind, panel.text) == ("double, °C", "Of the air")
    assert panel.chart is not None
    assert panel.chart["layer"][0]["encoding"]["x"]["title"] == "temp (°C)"
