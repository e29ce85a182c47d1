"""The main job on real data: features, training, serving, proof and time travel, from raw files to the last hash.

Read `run` first: it is the whole story, and each of its chapters is a module beside this one.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from hopyard.demo import features
from hopyard.demo.folder import make_store
from hopyard.demo.judge import judge
from hopyard.demo.pipelines import (
    LABEL,
    as_known_at,
    between,
    compute_frames,
    create_groups,
    create_view,
    insert_history,
    latest_months,
)
from hopyard.demo.prove import compare
from hopyard.demo.report import Report
from hopyard.demo.result import DemoResult
from hopyard.demo.serve import replay
from hopyard.demo.source import load_raw
from hopyard.demo.tell import tell_next, tell_parity, tell_served, tell_time_travel, tell_trained
from hopyard.demo.train import train
from hopyard.errors import ConfigError
from hopyard.feature_group import FeatureGroup
from hopyard.feature_view import FeatureView
from hopyard.testing.store import ManualClock
from hopyard.training_dataset import TrainingDataset

if TYPE_CHECKING:
    import pandas as pd

HELD_BACK = datetime(2013, 12, 30, 5, tzinfo=UTC)
"""Midnight in New York: when the model is trained, the last two days of the year have not happened yet."""

MAX_HOURS = 48
TEST_SHARE = 6
"""The last sixth of the history is for testing."""


def run(
    folder: Path, *, months: int = 12, hours: int = MAX_HOURS, console: Console | None = None
) -> DemoResult:
    """Run the demo, leave its store in `folder`, and return all figures.

    Args:
        folder: a new or empty one, or that of an earlier demo, which is replaced.
        months: how much of 2013 to use: its last months.
        hours: how much of the held-back days to replay, from midnight in New York.
        console: where to print; default: standard output.
    Raises:
        ConfigError: the folder holds something else, or months or hours are out of range.
        MissingPackageError: the extra `demo` is not installed.
    """
    if not 1 <= months <= 12 or not 1 <= hours <= MAX_HOURS:
        raise ConfigError(f"months={months} must be 1 to 12, and hours={hours} 1 to {MAX_HOURS}.")
    report = Report(console or Console())
    clock = ManualClock(HELD_BACK)
    period = (HELD_BACK, HELD_BACK + timedelta(hours=hours))
    fs = make_store(folder, clock).get_feature_store()

    report.chapter("1. Feature pipelines: raw files become five feature groups")
    frames, known_flights = _compute(months, report)
    groups = create_groups(fs)
    insert_history(groups, {**frames, "flights": known_flights}, HELD_BACK, report)

    report.chapter("2. Feature view: each flight with what was known when it departed")
    view = create_view(fs, groups)
    report.say(f"{len(view.features)} features of {len(groups)} groups, to predict {LABEL}")

    report.chapter(
        "3. Training pipeline: a training dataset, a model, and what the joined features are worth"
    )
    dataset = _create_dataset(view, known_flights, report)
    trained = train(view, dataset, report)
    tell_trained(trained, report)

    report.chapter("4. Online inference: the last days of the year arrive, hour by hour")
    view.init_serving(dataset.version)
    departing = between(frames["flights"], groups["flights"], *period)
    with report.step("insert, look up, predict", total=len(departing)) as work:
        served = replay(view, groups, frames, trained.model, clock, period, work)
    tell_served(served, report)

    report.chapter("5. Proof: online equals offline")
    with report.step("compare with offline rows") as work:
        parity = compare(view, served, period, work)
    tell_parity(parity, len(view.features), report)

    report.chapter("6. Time travel: the same training data, whatever came later")
    clock.set(period[1] + timedelta(days=1))
    n_mature = _insert_outcomes(groups["flights"], frames["flights"], known_flights, period[1], report)
    judged = judge(trained, view.features, served, departing)
    hashes = _hashes(dataset)
    verification, rebuilt_verification = _verify_and_rebuild(dataset, report)

    result = DemoResult(
        folder=folder,
        trained=trained,
        judged=judged,
        n_served=len(served.vectors),
        n_mature=n_mature,
        lookup_p50_us=served.lookup_us(50),
        lookup_p99_us=served.lookup_us(99),
        parity=parity,
        verification=verification,
        rebuilt_verification=rebuilt_verification,
        hashes=hashes,
        rebuilt_hashes=_hashes(view.get_training_dataset(dataset.version)),
        steps=tuple(report.steps),
    )
    tell_time_travel(result, report)
    report.table()
    tell_next(result, report)
    return result


def _compute(months: int, report: Report) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Return the frames of all groups, and the flights as they were known when the held-back days began."""
    with report.step("read the raw files") as work:
        raw = latest_months(load_raw(), months)
        work.advance(sum(len(frame) for frame in (raw.flights, raw.weather, raw.planes, raw.airports)))
    with report.step("compute the features") as work:
        frames = compute_frames(raw)
        # The other groups say by their event time when a row was known. A label does not: it is known on landing.
        known_flights = features.flights(as_known_at(raw, HELD_BACK))
        work.advance(sum(len(frame) for frame in frames.values()))
    return frames, known_flights


def _create_dataset(view: FeatureView, flights: pd.DataFrame, report: Report) -> TrainingDataset:
    """Return a training dataset whose test split is later than its train split."""
    start = flights["scheduled_departure"].min().to_pydatetime()
    test_start = HELD_BACK - (HELD_BACK - start) / TEST_SHARE
    with report.step("create training dataset") as work:
        dataset = view.create_train_test_split(train_end=test_start, test_end=HELD_BACK)
        work.advance(sum(split.n_rows for split in dataset.manifest.splits))
    rows = ", ".join(f"{split.name} {split.n_rows:,} rows" for split in dataset.manifest.splits)
    report.say(f"version {dataset.version}: {rows}, Parquet files and manifest in {dataset.location}")
    return dataset


def _insert_outcomes(
    group: FeatureGroup, flights: pd.DataFrame, known: pd.DataFrame, end: datetime, report: Report
) -> int:
    """Upsert the labels that were not known before; return how many flights of the training period got one."""
    is_new = flights[LABEL].notna() & ~(known[LABEL].notna() & (known["scheduled_departure"] < HELD_BACK))
    outcomes = flights[is_new & (flights["scheduled_departure"] < end)]
    with report.step("insert the outcomes") as work:
        work.advance(group.insert(outcomes).n_updated)
    return int((outcomes["scheduled_departure"] < HELD_BACK).sum())


def _verify_and_rebuild(dataset: TrainingDataset, report: Report) -> tuple[str, str]:
    """Return what the dataset says about itself, before and after it was deleted and made again."""
    n_rows = sum(split.n_rows for split in dataset.manifest.splits)
    with report.step("verify training dataset") as work:
        verification = dataset.verify()
        work.advance(n_rows)
    with report.step("delete and rebuild it") as work:
        dataset.delete()
        dataset.rebuild()
        work.advance(n_rows)
    with report.step("verify it again") as work:
        again = dataset.verify()
        work.advance(n_rows)
    return str(verification), str(again)


def _hashes(dataset: TrainingDataset) -> dict[str, str]:
    return {split.name: split.after.sha256 for split in dataset.manifest.splits}
