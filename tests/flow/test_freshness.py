"""How long rows take until they are readable online, counted over processes; and what `online="later"` leaves."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from hopyard.connect import open_session
from hopyard.errors import ConfigError, OnlineBehindError
from hopyard.feature_group import FeatureGroup
from hopyard.ingest.freshness import Histogram
from hopyard.model.freshness import Latency
from hopyard.project import Project
from hopyard.testing.store import ManualClock, open_store
from parity import assert_online_equals_offline, online_lock

START = datetime(2025, 1, 1, tzinfo=UTC)
ERROR = 2 ** (1 / 16)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def project(tmp_path: Path, clock: ManualClock) -> Project:
    return open_store(tmp_path / "store", clock=clock)


@pytest.fixture
def group(project: Project) -> FeatureGroup:
    fs = project.get_feature_store()
    return fs.create_feature_group("readings", primary_key="key", event_time="at", online_enabled=True)


def row(key: str, seconds: float) -> dict[str, object]:
    return {"key": key, "at": START + timedelta(seconds=seconds), "value": 1.0}


def is_near(latency: Latency, n: int, seconds: float) -> bool:
    """Return whether all percentiles are those of `n` durations of these seconds."""
    assert latency.p50_seconds is not None and latency.p99_seconds is not None
    return (latency.n, latency.max_seconds) == (n, seconds) and (
        seconds <= latency.p50_seconds <= latency.p99_seconds <= seconds
    )


def test_each_commit_and_each_row_is_counted(group: FeatureGroup, clock: ManualClock) -> None:
    group.insert([row("a", -3), row("b", -3)])
    found = group.freshness()
    assert is_near(found.event_to_readable, 2, 3.0)
    assert (found.group, found.commit_to_readable.n) == ("readings_1", 1)
    assert (found.applied_commit, found.last_commit, found.n_behind, found.behind_seconds) == (1, 1, 0, 0.0)
    group.insert([row("a", -2)])
    group.remove_rows([{"key": "b"}])
    found = group.freshness()
    assert found.commit_to_readable.n == 3
    assert found.event_to_readable.n == 3, "rows that show again are not new"


def test_what_waits_is_counted_when_it_is_applied(group: FeatureGroup, clock: ManualClock) -> None:
    group.insert([row("a", -1)])
    clock.set(START + timedelta(seconds=100))
    commit = group.insert([row("a", 90)], online="later")
    assert not commit.is_online and group.commit_details(1) == [commit]
    clock.advance(timedelta(seconds=5))
    group.insert([row("b", 95)], online="later")
    clock.advance(timedelta(seconds=5))
    found = group.freshness()
    assert (found.applied_commit, found.last_commit, found.n_behind, found.behind_seconds) == (1, 3, 2, 10.0)

    assert group.catch_up_online() == 2
    found = group.freshness()
    assert (found.applied_commit, found.n_behind, found.behind_seconds) == (3, 0, 0.0)
    assert (found.commit_to_readable.n, found.commit_to_readable.max_seconds) == (3, 10.0)
    p50 = found.commit_to_readable.p50_seconds
    assert p50 is not None and 5.0 <= p50 <= 5.0 * ERROR
    assert (found.event_to_readable.n, found.event_to_readable.max_seconds) == (3, 20.0)


def test_commits_that_a_rebuild_brings_are_counted_and_old_rows_are_not(
    group: FeatureGroup, clock: ManualClock
) -> None:
    group.insert([row("a", -1)])
    clock.advance(timedelta(seconds=1))
    group.insert([row("b", -1)], online="later")
    clock.advance(timedelta(seconds=7))
    group.rebuild_online()
    group.rebuild_online()
    found = group.freshness()
    assert (found.commit_to_readable.n, found.commit_to_readable.max_seconds) == (2, 7.0)
    assert found.event_to_readable.n == 1


def test_counts_are_kept_over_processes_and_go_with_the_group(
    project: Project, group: FeatureGroup, clock: ManualClock
) -> None:
    group.insert([row("a", -1)])
    other = open_store(project.location, clock=clock).get_feature_store().get_feature_group("readings")
    other.insert([row("b", -1)])
    assert group.freshness().commit_to_readable.n == 2
    (file,) = (Path(project.location) / "projects" / "default" / "freshness").iterdir()
    group.disable_online()
    assert not file.exists()
    group.enable_online()
    assert group.freshness().commit_to_readable == Latency()
    group.insert([row("b", -1)])
    assert file.exists()
    group.delete()
    assert not file.exists()
    assert project.verify().is_fine


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"format_version": 99}', b'{"commits": {"counts": {"x": 1}}}']
)
def test_a_file_that_is_lost_or_damaged_begins_anew(
    project: Project, group: FeatureGroup, content: bytes
) -> None:
    group.insert([row("a", -1)])
    (file,) = (Path(project.location) / "projects" / "default" / "freshness").iterdir()
    file.write_bytes(content)
    assert group.freshness().commit_to_readable.n == 0
    group.insert([row("a", 0)])
    assert group.freshness().commit_to_readable.n == 1
    file.unlink()
    assert group.freshness().commit_to_readable.n == 0


def test_a_file_that_cannot_be_written_fails_no_insert(project: Project, group: FeatureGroup) -> None:
    group.insert([row("a", -1)])
    folder = Path(project.location) / "projects" / "default" / "freshness"
    shutil.rmtree(folder)
    folder.write_bytes(b"in the way")
    group.insert([row("b", -1)])
    assert_online_equals_offline(project, group)


def test_migrated_data_has_no_latency(project: Project) -> None:
    fs = project.get_feature_store()
    group = fs.create_feature_group("old", primary_key="key", event_time="at", online_enabled=True)
    group.insert([row("a", -1000)], committed_at="2024-12-31")
    assert group.freshness().commit_to_readable.n == 0
    assert_online_equals_offline(project, group)


def test_what_an_insert_could_not_apply_waits(tmp_path: Path) -> None:
    project = open_store(tmp_path / "store")
    fs = project.get_feature_store()
    group = fs.create_feature_group("levels", primary_key="tank", online_enabled=True)
    group.insert([{"tank": 1}])
    config = replace(project.session.config, online_timeout_seconds=0.01)
    hurried = Project(open_session(config)).get_feature_store().get_feature_group("levels")
    with online_lock(project.session, timeout_seconds=60), pytest.raises(OnlineBehindError):
        hurried.insert([{"tank": 2}])
    found = group.freshness()
    assert (found.commit_to_readable.n, found.n_behind) == (1, 1)
    assert found.behind_seconds > 0
    assert found.event_to_readable == Latency()


def test_a_first_insert_that_leaves_the_rows_for_later(project: Project, group: FeatureGroup) -> None:
    commit = group.insert([row("a", -1)], online="later")
    assert not commit.is_online
    assert group.freshness().n_behind == 1
    group.insert([row("a", -1)], commit_id="x", online="later")
    assert group.insert([row("a", -1)], commit_id="x", online="later").number == 2
    assert group.freshness().n_behind == 2
    group.insert([row("a", -1)], commit_id="x")
    assert group.freshness().n_behind == 0
    assert_online_equals_offline(project, group)


def test_another_word_is_refused(group: FeatureGroup) -> None:
    with pytest.raises(ConfigError, match="online='soon' is unknown: use 'now' or 'later'"):
        group.insert([row("a", -1)], online="soon")  # type: ignore[arg-type]
    group.insert([row("a", -1)])
    with pytest.raises(ConfigError, match="online='soon'"):
        group.remove_rows([{"key": "a"}], online="soon")  # type: ignore[arg-type]


def test_percentiles_are_hardly_above_the_true_ones() -> None:
    draw = np.random.default_rng(1)
    for durations in (
        np.floor(draw.lognormal(10, 3, 10_001)),
        np.arange(1.0, 500.0),
        np.array([2.0**62, -5.0, 0.0]),
    ):
        counted = Histogram()
        for part in np.array_split(durations, 7):
            counted.add(part)
        latency = counted.latency()
        assert latency.n == len(durations)
        for percent, found in (
            (50, latency.p50_seconds),
            (95, latency.p95_seconds),
            (99, latency.p99_seconds),
        ):
            true = np.percentile(durations, percent, method="inverted_cdf") / 1e6
            assert found is not None and true <= found * (1 + 1e-12)
            assert found <= max(true * ERROR, ERROR / 1e6) * (1 + 1e-12) or found == latency.max_seconds
