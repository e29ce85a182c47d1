"""Pages of plots in a real browser: everything is drawn, nothing is asked of the network, the console stays empty."""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pytest
from msgspec.structs import replace

import hopyard
from browser import Seen, look
from conftest import service_variable
from hopyard.feature_group import FeatureGroup

pytestmark = pytest.mark.service("chromium")

EVERYTHING = 30_000
"""A window so high that nothing is below it."""
SECOND = 1_000_000
HOSTILE = """</script><img src=x onerror="fail()">'[a.b]\\\\"""
N = 200

DRAWN = """ready.then(() => new Promise((done) => {
  const wait = () => places.every((place) => place.dataset.state === "drawn")
    ? done(places.length) : setTimeout(wait, 20);
  wait();
}))"""
"""How many charts a page has, once all are drawn."""
MARKED = (
    """places.filter((place) => place.querySelector("svg.marks path, svg.marks text, canvas.marks")).length"""
)
COLOURS = """[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color,
  document.querySelector("svg.marks .role-axis-label text").getAttribute("fill")]"""
DESCRIBED = (
    "places.every((place) => place.querySelector('[role=graphics-document]').getAttribute('aria-label'))"
)


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> FeatureGroup:
    """Return a group with columns of all kinds, ordinary and odd, in two commits."""
    fs = hopyard.login(tmp_path_factory.mktemp("plots") / "store").get_feature_store()
    found = fs.create_feature_group("odd", primary_key="id", event_time="at")
    found.insert(frame(N, 0))
    found.insert(frame(N // 2, 1), overwrite=True)
    return found


def frame(n: int, shift: int) -> pa.Table:
    dice = random.Random(20260101 + shift)
    words = ["", "a\nb", "</script><b onclick='x()'>", "é😀", "x" * 500, "x" * 500 + "y"]
    infinities = [float("inf"), float("-inf"), float("nan")]
    start = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * SECOND
    columns: dict[str, tuple[pa.DataType, list[Any]]] = {
        "id": (pa.int64(), list(range(n))),
        "at": (pa.timestamp("us", "UTC"), [start + place * 3_600 * SECOND for place in range(n)]),
        "temp": (pa.float64(), [None if place % 9 == 0 else dice.gauss(20 + shift, 5) for place in range(n)]),
        "some_infinite": (
            pa.float64(),
            [(infinities + [dice.random()] * 4)[place % 7] for place in range(n)],
        ),
        "only_nan": (pa.float64(), [float("nan")] * n),
        "only_null": (pa.float64(), [None] * n),
        "only_infinite": (pa.float64(), [float("inf")] * n),
        "constant": (pa.float64(), [2.5] * n),
        "huge": (pa.float64(), [dice.choice((-1, 1)) * dice.random() * 1.7e308 for _ in range(n)]),
        "tiny": (pa.float64(), [dice.random() * 1e-310 for _ in range(n)]),
        "beyond_doubles": (pa.int64(), [2**62 + place % 7 for place in range(n)]),
        "old": (pa.timestamp("us", "UTC"), [-(10**16) + place * 10**12 for place in range(n)]),
        "far": (pa.timestamp("us", "UTC"), [3 * 10**17 + place * 10**12 for place in range(n)]),
        "microseconds": (pa.timestamp("us", "UTC"), [start + place for place in range(n)]),
        "day": (pa.date32(), [20_000 + place % 30 for place in range(n)]),
        "word": (pa.string(), [words[dice.randrange(6)] for _ in range(n)]),
        "flag": (pa.bool_(), [None if place % 5 == 0 else place % 3 == 0 for place in range(n)]),
        "raw": (pa.binary(), [b"\x00\xff"] * n),
        "vector": (pa.list_(pa.float64()), [[1.0, 2.0]] * n),
        "record": (pa.struct([("a", pa.int64())]), [{"a": place} for place in range(n)]),
        "price": (pa.decimal128(20, 2), [Decimal(dice.randrange(10**6)) / 100 for _ in range(n)]),
    }
    return pa.table({name: pa.array(values, type_) for name, (type_, values) in columns.items()})


def seen(
    page: Path, *questions: str, theme: Literal["light", "dark"] = "light", height: int = EVERYTHING
) -> Seen:
    found = look(os.environ[service_variable("chromium")], page, *questions, theme=theme, height=height)
    assert found.complaints == []
    assert found.requests == [page.as_uri()]
    return found


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_kinds_of_columns_are_drawn(
    group: FeatureGroup, tmp_path: Path, theme: Literal["light", "dark"]
) -> None:
    plot = group.plot(at=1)
    page = plot.save(tmp_path / "plot.html")
    n_charts, n_marked, described, colours = seen(
        page, DRAWN, MARKED, DESCRIBED, COLOURS, theme=theme
    ).answers
    assert n_charts == n_marked == sum(panel.chart is not None for panel in plot.panels) >= 15
    assert described
    background, text, label = colours
    assert (background == "rgb(17, 20, 24)") == (theme == "dark")
    assert contrast(background, text) > 7
    assert contrast(background, label) > 4.5


def test_correlations_and_clusters_are_drawn(tmp_path: Path) -> None:
    fs = hopyard.login(tmp_path / "store").get_feature_store()
    plain = fs.create_feature_group("plain", primary_key="id")
    plain.insert(frame(N, 0).select(["id", "temp", "constant", "price"]))
    page = plain.plot(correlations=True, clusters=True).save(tmp_path / "plot.html")
    assert seen(page, DRAWN, MARKED).answers == [7, 7]


def test_comparisons_are_drawn(group: FeatureGroup, tmp_path: Path) -> None:
    page = group.plot(against=1).save(tmp_path / "plot.html")
    n_charts, n_marked = seen(page, DRAWN, MARKED, theme="dark").answers
    assert n_charts == n_marked >= 15


def test_of_many_columns_those_are_drawn_that_are_seen(group: FeatureGroup, tmp_path: Path) -> None:
    """Their names are those that a one-hot encoder makes of any text."""
    found = group.get_statistics(1)
    columns = tuple(replace(found["temp"], name=f"{HOSTILE}_{n}") for n in range(500))
    page = replace(found, columns=columns).plot().save(tmp_path / "plot.html")
    n_charts, n_drawn, n_cards = seen(
        page,
        DRAWN.replace("places.every", "places.slice(0, 4).every"),
        "document.querySelectorAll('svg.marks').length",
        "document.querySelectorAll('article[data-column]').length",
        height=900,
    ).answers
    assert (n_charts, n_cards) == (501, 500)
    assert 4 <= n_drawn < 50


def test_plots_of_one_notebook_stand_side_by_side(group: FeatureGroup, tmp_path: Path) -> None:
    page = tmp_path / "notebook.html"
    outputs = [group.plot(["temp", "word"])._repr_html_(), group.get_statistics(1)._repr_html_()]
    page.write_text(f"<!doctype html><meta charset='utf-8'>{''.join(outputs)}")
    title = "document.querySelector('h1 + p').textContent.slice(0, 8)"
    first = DRAWN.replace("places.every", "places.slice(0, 1).every")
    one, other = sorted(
        zip(*[iter(seen(page, first, title).answers)] * 2, strict=True), key=lambda pair: pair[0]
    )
    assert one == (3, "commit 2")
    assert other[0] > 3 and other[1] == "commit 1"


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours (WCAG 2)."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    if colour.startswith("#"):
        parts = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    else:
        parts = [int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [part / 255 / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
