"""The demo on its last month and first hours: the code path is that of the whole year."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import hopyard
from hopyard.demo import features
from hopyard.demo.folder import MARKER
from hopyard.demo.pipelines import LABEL, VIEW, as_known_at, latest_months
from hopyard.demo.prove import Parity, compare
from hopyard.demo.report import Report
from hopyard.demo.result import DemoResult
from hopyard.demo.run import HELD_BACK, run
from hopyard.demo.serve import Served, flight_key
from hopyard.demo.source import load_raw
from hopyard.demo.tell import tell_parity, tell_time_travel, tell_trained
from hopyard.demo.train import Trained
from hopyard.errors import ConfigError
from hopyard.feature_view import FeatureView

HOURS = 8
PERIOD = (HELD_BACK, HELD_BACK + timedelta(hours=HOURS))


@dataclass(frozen=True, slots=True)
class Ran:
    """A run of the demo, and what it printed."""

    result: DemoResult
    text: str


def run_demo(folder: Path, *, hours: int, is_terminal: bool = False) -> Ran:
    console = Console(file=io.StringIO(), force_terminal=is_terminal, width=100)
    result = run(folder, months=1, hours=hours, console=console)
    assert isinstance(console.file, io.StringIO)
    return Ran(result, console.file.getvalue())


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return run_demo(tmp_path_factory.mktemp("demo") / "hopyard-demo", hours=HOURS)


@pytest.fixture
def view(ran: Ran) -> FeatureView:
    return hopyard.login(ran.result.folder).get_feature_store().get_feature_view(VIEW)


@pytest.fixture
def served(view: FeatureView) -> Served:
    """Return what is computed offline, as if it had been served."""
    served = Served()
    stored, transformed = (
        view.get_batch_data(
            start_time=PERIOD[0],
            end_time=PERIOD[1],
            transformed=is_transformed,
            primary_key=True,
            dataframe_type="python",
        )
        for is_transformed in (False, True)
    )
    for row, other in zip(stored, transformed, strict=True):
        served.untransformed[flight_key(row)] = [row[name] for name in view.features]
        served.vectors[flight_key(row)] = [other[name] for name in view.features]
    return served


class TestRun:
    def test_every_departing_flight_is_served_and_proven(self, ran: Ran) -> None:
        flights = features.flights(latest_months(load_raw(), 1))["scheduled_departure"]
        n_departing = int(((flights >= PERIOD[0]) & (flights < PERIOD[1])).sum())
        assert n_departing > 50
        assert ran.result.n_served == ran.result.parity.n_vectors == n_departing
        assert ran.result.parity == Parity(n_departing, 0, ())
        assert ran.result.is_proven

    def test_the_training_dataset_is_the_same_after_all(self, ran: Ran, view: FeatureView) -> None:
        assert ran.result.verification == ran.result.rebuilt_verification == "same"
        assert list(ran.result.hashes) == ["train", "test"]
        assert all(re.fullmatch("[0-9a-f]{64}", sha256) for sha256 in ran.result.hashes.values())
        assert ran.result.rebuilt_hashes == ran.result.hashes
        assert view.get_training_dataset().verify().is_same

    def test_what_came_later_would_change_a_dataset_that_is_made_now(
        self, ran: Ran, view: FeatureView
    ) -> None:
        """Or the time travel would prove nothing."""
        now = view.training_data(end_time=HELD_BACK, dataframe_type="arrow")[0].num_rows
        then = sum(split.n_rows for split in view.get_training_dataset().manifest.splits)
        assert now - then == ran.result.n_mature > 0

    def test_figures_are_in_range(self, ran: Ran) -> None:
        trained = ran.result.trained
        assert 0.5 < trained.auc < 1
        assert 0 < trained.baseline_auc < 1
        assert len(trained.importances) == 5
        assert sum(part.n_flights for part in ran.result.judged) <= ran.result.n_served
        assert 0 < ran.result.lookup_p50_us <= ran.result.lookup_p99_us

    def test_without_a_terminal_it_prints_plain_lines(self, ran: Ran) -> None:
        assert "\x1b" not in ran.text
        assert "\r" not in ran.text
        assert "served online = computed offline, bit for bit" in ran.text
        assert ran.text.count("td.verify() says: same") == 2
        for sha256 in ran.result.hashes.values():
            assert ran.text.count(sha256) == 2  # as made, and as made again
        assert "rebuilt to the same hashes" in ran.text
        for step in ran.result.steps:
            assert ran.text.count(step.name) >= 2  # when it ends, and in the table
        assert f"hopyard --url {ran.result.folder} ls" in ran.text

    def test_it_runs_again_in_its_own_folder(self, tmp_path: Path) -> None:
        folder = tmp_path / "again"
        first = run_demo(folder, hours=1)
        (folder / "left-over").touch()
        second = run_demo(folder, hours=1, is_terminal=True)
        assert second.result.hashes == first.result.hashes
        assert not (folder / "left-over").exists()
        assert [path.name for path in tmp_path.iterdir()] == ["again"]
        assert "\x1b" in second.text
        # No flight leaves in the first hour after midnight, and nothing served is nothing proven.
        assert second.result.n_served == 0
        assert not second.result.is_proven


class TestFolder:
    def test_a_folder_of_somebody_else_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.txt").write_text("years of work")
        with pytest.raises(ConfigError, match="holds something that the demo did not make.* --folder"):
            run(tmp_path, months=1, hours=1, console=Console(file=io.StringIO()))
        assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]

    def test_a_store_of_somebody_else_is_left_alone(self, tmp_path: Path) -> None:
        hopyard.login(tmp_path / "store")
        with pytest.raises(ConfigError, match="did not make"):
            run(tmp_path / "store", months=1, hours=1, console=Console(file=io.StringIO()))
        assert (tmp_path / "store" / "hopyard.json").is_file()

    def test_the_store_says_who_made_it(self, ran: Ran) -> None:
        assert "hopyard demo" in (ran.result.folder / MARKER).read_text()
        assert hopyard.login(ran.result.folder).verify().is_fine

    @pytest.mark.parametrize(("months", "hours"), [(0, 1), (13, 1), (1, 0), (1, 49)])
    def test_months_and_hours_have_limits(self, tmp_path: Path, months: int, hours: int) -> None:
        with pytest.raises(ConfigError, match=f"months={months} .* hours={hours} "):
            run(tmp_path / "demo", months=months, hours=hours)
        assert not (tmp_path / "demo").exists()


class TestProof:
    def test_equal_vectors_are_equal(self, view: FeatureView, served: Served) -> None:
        assert compare_all(view, served).n_different == 0

    def test_each_difference_is_found(self, view: FeatureView, served: Served) -> None:
        place = view.features.index("distance")
        first, second, third, fourth = list(served.vectors)[:4]
        served.vectors[first][place] += 1e-16 + served.vectors[first][place] * 2**-52
        served.untransformed[second][place] = float(served.untransformed[second][place])
        missing = view.features.index("plane_seats")
        served.vectors[third][missing] = float("nan")
        unserved = served.vectors.pop(fourth)
        served.vectors["XX", 1, "JFK", PERIOD[0]] = unserved
        parity = compare_all(view, served)
        assert parity.n_vectors == len(served.vectors) + 1
        assert parity.n_different == 5
        text = "\n".join(parity.differences)
        assert re.search(r"distance was served as [\d.]+, and is [\d.]+ offline", text)
        assert re.search(r"distance was served as \d+\.0, and is \d+ offline", text)
        assert "plane_seats was served as nan" in text
        assert "it is there offline, and was not served" in text
        assert "XX 1 JFK 2013-12-30 05:00:00+00:00: it was served, and is not there offline" in text


class TestWords:
    @pytest.fixture
    def said(self) -> tuple[Report, io.StringIO]:
        file = io.StringIO()
        return Report(Console(file=file)), file

    def test_a_mismatch_is_loud(self, said: tuple[Report, io.StringIO]) -> None:
        report, file = said
        tell_parity(Parity(20, 12, tuple(f"flight {n}: other" for n in range(12))), 29, report)
        assert "12 DIFFER FROM WHAT IS COMPUTED OFFLINE" in file.getvalue()
        assert "flight 0: other" in file.getvalue()
        assert "and 2 more" in file.getvalue()

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"verification": "different: a file"}, "td.verify() says: different: a file"),
            ({"rebuilt_verification": "cannot tell"}, "td.verify() says: cannot tell"),
            ({"rebuilt_hashes": {"train": "0" * 64}}, "REBUILT TO OTHER HASHES"),
        ],
    )
    def test_a_dataset_that_is_not_the_same_is_loud(
        self, ran: Ran, said: tuple[Report, io.StringIO], change: dict[str, Any], words: str
    ) -> None:
        report, file = said
        assert ran.result.is_proven
        result = replace(ran.result, **change)
        tell_time_travel(result, report)
        assert words in file.getvalue()
        assert not result.is_proven

    def test_a_model_that_does_not_beat_the_baseline_is_said(self, said: tuple[Report, io.StringIO]) -> None:
        report, file = said
        tell_trained(Trained(None, None, auc=0.6, baseline_auc=0.62, importances=()), report)
        assert "THEY DO NOT BEAT THE BASELINE (-0.0200)" in file.getvalue()


def test_nobody_knows_how_a_flight_ends_before_it_does() -> None:
    raw = latest_months(load_raw(), 1)
    noon = HELD_BACK - timedelta(hours=12)
    settled = features.settled_at(raw)
    known = as_known_at(raw, noon).flights["arr_delay"].notna()
    assert (known == (raw.flights["arr_delay"].notna() & (settled <= noon))).all()
    in_the_air = features.flights(as_known_at(raw, noon)).set_index(
        ["carrier", "flight", "origin", "scheduled_departure"]
    )
    labels = in_the_air[LABEL]
    assert labels[labels.index.get_level_values("scheduled_departure") > noon].isna().all()


def compare_all(view: FeatureView, served: Served) -> Parity:
    report = Report(Console(file=io.StringIO()))
    with report.step("compare") as work:
        return compare(view, served, PERIOD, work)
