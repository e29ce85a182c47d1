"""Plots of groups, commits, splits and odd values, from Python and from the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from typer.testing import CliRunner, Result

import hopyard
from hopyard.cli import app
from hopyard.errors import NotFoundError, TimeTravelError
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.plots.plot import Plot


def rows(first: int, last: int) -> list[dict[str, Any]]:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        {
            "id": n,
            "at": start + timedelta(hours=n),
            "temp": None if n % 10 == 0 else n / 4,
            "humidity": 90 - n / 3 + n % 7,
            "state": ("ok", "ok", "dry")[n % 3],
        }
        for n in range(first, last)
    ]


def weather(fs: FeatureStore) -> FeatureGroup:
    group = fs.create_feature_group("weather", primary_key="id", event_time="at")
    group.insert(rows(0, 100))
    group.insert(rows(100, 130))
    group.update_feature_description("temp", "Of the air")
    group.add_tag("unit", "°C", feature="temp")
    return group


def sections(plot: Plot) -> list[str]:
    return list(dict.fromkeys(panel.section for panel in plot.panels))


def facts(plot: Plot, title: str) -> dict[str, tuple[str, ...]]:
    [panel] = [panel for panel in plot.panels if panel.title == title]
    return {label: tuple(texts) for label, *texts in panel.facts}


def test_a_group_is_plotted_with_units_and_instants(fs: FeatureStore) -> None:
    group = weather(fs)
    plot = group.plot()
    commit = group.commit_details(1)[0]
    committed = commit.committed_at_us / 1e6
    shown = datetime.fromtimestamp(round(committed), UTC).strftime("%Y-%m-%d %H:%M:%S")
    assert plot.title == "weather version 1"
    assert plot.about[0][:3] == ("commit 2", f"committed at {shown} UTC", "130 rows")
    assert sections(plot) == ["Completeness", "Columns"]
    titles = [panel.title for panel in plot.panels[1:]]
    assert titles == [feature.name for feature in group.features]
    [temp] = [panel for panel in plot.panels if panel.title == "temp"]
    assert (temp.kind, temp.text) == ("double, °C", "Of the air")
    assert facts(plot, "temp")["nulls"] == ("13",)
    assert facts(plot, "at")["max"] == ("2026-01-06 09:00:00",)
    assert facts(plot, "at")["std dev"][0].endswith("(1.57 days)")


def test_a_plot_has_what_was_asked_for_whatever_is_kept(fs: FeatureStore) -> None:
    group = weather(fs)
    more = group.plot(["temp", "humidity"], correlations=True, clusters=True)
    assert sections(more) == ["Completeness", "Columns", "Correlations", "Clusters"]
    assert sections(group.plot()) == ["Completeness", "Columns"]
    assert sections(group.statistics.plot()) == sections(more)


def test_two_commits_are_compared(fs: FeatureStore) -> None:
    group = weather(fs)
    plot = group.plot("temp", against=1)
    assert [line[0] for line in plot.about] == ["commit 2", "commit 1"]
    assert facts(plot, "temp")["max"] == ("32.25", "24.75", "+7.5")
    assert facts(plot, "temp")["complete"] == ("90 %", "90 %", "0 pp")
    earlier = group.plot("temp", at=1, against=datetime.now(UTC))
    assert facts(earlier, "temp")["max"] == ("24.75", "32.25", "−7.5")
    with pytest.raises(TimeTravelError, match="There is no commit 7"):
        group.plot(against=7)


def test_two_splits_are_compared_before_and_after_transformation(fs: FeatureStore) -> None:
    view = fs.create_feature_view(
        "comfort",
        weather(fs).select(["temp", "humidity", "state"]),
        labels="state",
        transformation_functions=[hopyard.impute_mean("temp")],
    )
    dataset = view.create_train_test_split(test_size=0.3)
    after = dataset.plot(against="test")
    assert after.title == "comfort_1 version 1"
    assert [line[0] for line in after.about] == ["train", "test"]
    assert facts(after, "temp")["complete"] == ("100 %", "100 %", "0 pp")
    before = dataset.plot(against="test", before_transformation=True, correlations=True)
    assert "nulls" in facts(before, "temp") and "nulls" not in facts(after, "temp")
    assert [panel.title for panel in before.panels if panel.section == "Correlations"] == [
        "Correlations of train before transformation",
        "Correlations of test before transformation",
    ]
    with pytest.raises(NotFoundError, match="Did you mean 'test'"):
        dataset.plot(against="tset")


def test_every_statistics_has_a_plot(fs: FeatureStore) -> None:
    empty = fs.create_feature_group("empty", primary_key="id", features={"id": "bigint", "on": "date"})
    empty.save()
    group = weather(fs)
    for plot in (
        empty.plot(correlations=True, clusters=True),
        group.get_statistics(of="written").plot(),
        group.statistics.plot(against=group.get_statistics(of="written")),
    ):
        json.dumps(plot.to_dict(), allow_nan=False)
        assert plot.to_html()


def test_instants_beyond_the_years_of_python_are_plotted(fs: FeatureStore) -> None:
    group = fs.create_feature_group("far", primary_key="id")
    far = [3 * 10**17 + n * 86_400_000_000 for n in range(30)]
    group.insert(pa.table({"id": range(30), "at": pa.array(far, pa.timestamp("us", "UTC"))}))
    plot = group.plot(correlations=True, clusters=True)
    assert facts(plot, "at")["min"] == ("11476-08-15 05:20:00",)
    assert sections(plot) == ["Completeness", "Columns", "Correlations", "Clusters"]
    json.dumps(plot.to_dict(), allow_nan=False)


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["--url", str(folder), "plot", *arguments], prog_name="hopyard")


def test_the_command_writes_pages_and_specifications(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    fs = hopyard.login(folder).get_feature_store()
    view = fs.create_feature_view("comfort", weather(fs).select(["id", "temp", "state"]), labels="state")
    view.create_train_test_split(test_size=0.3)
    page, spec = tmp_path / "plot.html", tmp_path / "plot.json"

    done = run(folder, "weather", "-o", str(page), "--against", "1", "--columns", "temp,at", "-c", "id")
    assert (done.exit_code, done.output) == (0, f"Plots of weather version 1: {page}\n")
    assert page.read_text().startswith("<!doctype html>")

    done = run(folder, "comfort_1", "-o", str(spec), "--split", "test", "--correlations", "--json")
    assert json.loads(done.output) == {
        "title": "comfort_1 version 1",
        "file": str(spec),
        "size_bytes": spec.stat().st_size,
    }
    titles = [view["title"]["text"] for view in json.loads(spec.read_text())["vconcat"]]
    assert titles == [
        "Completeness",
        "id · bigint",
        "temp · double",
        "state · string",
        "Correlations · Pearson's r",
    ]


def test_the_command_says_what_it_cannot_do(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    fs = hopyard.login(folder).get_feature_store()
    weather(fs).select_all()
    page = tmp_path / "plot.html"
    page.write_text("older")
    said = {
        ("weather",): "Missing option '--output' / '-o'",
        ("weather", "-o", "plot.png"): "name a file that ends in .html",
        (
            "wether",
            "-o",
            str(page),
        ): "No feature group or training dataset named 'wether'. Did you mean 'weather'?",
        ("weather", "-o", str(page), "--split", "train"): "No training dataset named 'weather'",
        ("weather", "-o", str(page), "-c", "tmp"): "Did you mean 'temp'?",
        ("weather", "-o", str(page), "--against", "9"): "There is no commit 9",
    }
    for arguments, message in said.items():
        done = run(folder, *arguments)
        assert done.exit_code != 0
        assert message in " ".join(done.output.split())
    assert page.read_text() == "older"
