"""`hopyard.testing` as users meet it: fixtures in a test suite of their own, and the assertion about leakage."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import hopyard.testing
from groups import make_group
from hopyard.errors import HopyardError
from hopyard.feature_store import FeatureStore
from hopyard.feature_view import FeatureView
from hopyard.queries import Query
from hopyard.testing import ManualClock, assert_no_leakage, close_store, open_store

ROOT = Path(__file__).parents[2]

SUITE = """
import os
from pathlib import Path
import pytest
from hopyard.testing import ManualClock, frame

seen = []


def open_files(folder):
    links = [os.readlink(path) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    return [link for link in links if link.startswith(folder)]


@pytest.fixture
def fs(hopyard_feature_store):
    return hopyard_feature_store


@pytest.mark.parametrize("number", [1, 2])
def test_each_test_has_a_store_of_its_own(fs, hopyard_project, hopyard_clock, tmp_path, number):
    assert fs.list_feature_groups() == []
    group = fs.create_feature_group("g", primary_key="id", event_time="at", online_enabled=True)
    hopyard_clock.set("2027-03-01")
    commit = group.insert(frame({"id": "bigint", "at": "timestamp"}, [(1, "2027-03-01")]))
    assert commit.committed_at.isoformat().startswith("2027-03-01T00:00:00")
    assert open_files(hopyard_project.location)
    seen.append(hopyard_project)


def test_stores_are_closed_and_removed():
    assert len({project.location for project in seen}) == 2
    for project in seen:
        assert not Path(project.location).exists()
        assert not Path(project.location).parent.exists()
        assert open_files(project.location) == []


def test_the_clock_stands_at_the_start_of_2026(hopyard_clock):
    assert isinstance(hopyard_clock, ManualClock)
    assert hopyard_clock.now.isoformat() == "2026-01-01T00:00:00+00:00"
"""


def run_suite(folder: Path, conftest: str, suite: str) -> str:
    """Run tests of a user's own, and return what pytest says."""
    (folder / "conftest.py").write_text(conftest)
    (folder / "test_pipeline.py").write_text(suite)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "."]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_fixtures_are_enabled_by_one_line(tmp_path: Path) -> None:
    found = run_suite(tmp_path, 'pytest_plugins = ["hopyard.testing.fixtures"]\n', SUITE)
    assert "4 passed" in found


def test_the_suite_in_the_documentation_passes(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "test-pipelines.md").read_text()
    conftest, suite = re.findall(r'```python title="[^"]*"\n(.*?)```', page, re.DOTALL)
    assert "1 passed" in run_suite(tmp_path, conftest, suite)


@pytest.mark.parametrize("name", hopyard.testing.__all__)
def test_every_name_is_there_and_in_the_reference(name: str) -> None:
    assert getattr(hopyard.testing, name).__name__ == name
    assert name in dir(hopyard.testing)
    page = (ROOT / "docs" / "reference" / "testing.md").read_text()
    assert f"::: {hopyard.testing._HOMES[name]}\n" in page


def test_names_are_sorted_and_an_unknown_one_is_an_error() -> None:
    assert hopyard.testing.__all__ == sorted(hopyard.testing.__all__)
    with pytest.raises(AttributeError, match="no attribute 'assert_nothing'"):
        _ = hopyard.testing.assert_nothing


def open_files(folder: Path) -> list[str]:
    links = [path.readlink() for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    return [str(link) for link in links if link.is_relative_to(folder)]


def test_a_closed_store_has_no_open_files(tmp_path: Path) -> None:
    project = open_store(tmp_path / "store")
    rows: list[tuple[int]] = [(1,)]
    group = make_group(
        project.get_feature_store(), "g", {"id": "bigint"}, rows, primary_key="id", online_enabled=True
    )
    assert open_files(tmp_path)
    close_store(project)
    assert open_files(tmp_path) == []
    assert group.read(dataframe_type="python") == [{"id": 1}]


@pytest.fixture
def fs(tmp_path: Path) -> FeatureStore:
    return open_store(tmp_path / "store", clock=ManualClock("2025-06-01")).get_feature_store()


START = datetime(2025, 1, 1, tzinfo=UTC)


def sales(fs: FeatureStore, *, is_leaking: bool) -> Query:
    """Return a query of 300 orders, each with the price of then; `copied` is the label itself if it leaks."""
    orders = make_group(
        fs,
        "orders",
        {"id": "bigint", "at": "timestamp", "item": "string", "is_late": "boolean", "copied": "double"},
        [
            (
                n,
                START + timedelta(hours=n),
                f"i{n % 5}",
                n % 3 == 0,
                float((n if not is_leaking else n % 3) == 0),
            )
            for n in range(300)
        ],
        primary_key="id",
        event_time="at",
        foreign_key="item",
    )
    prices = make_group(
        fs,
        "prices",
        {"item": "string", "at": "timestamp", "price": "double"},
        [(f"i{n}", START - timedelta(hours=1), float(n)) for n in range(5)],
        primary_key="item",
        event_time="at",
    )
    return orders.select(["id", "is_late", "copied"]).join(prices.select(["price"]))


def view_of(fs: FeatureStore, query: Query) -> FeatureView:
    return fs.create_feature_view("v", query, labels="is_late", training_helper_columns="id")


def test_a_query_without_leakage_passes_although_its_history_was_loaded_later(fs: FeatureStore) -> None:
    query = sales(fs, is_leaking=False)
    assert_no_leakage(query, label="is_late")
    assert_no_leakage(view_of(fs, query))
    with pytest.raises(AssertionError, match="later_commit: warning: .*prices_1"):
        assert_no_leakage(query, label="is_late", severity="warning")
    assert_no_leakage(query, label="is_late", severity="warning", ignore=["later_commit"])


def test_a_query_with_leakage_fails_with_the_report(fs: FeatureStore) -> None:
    query = sales(fs, is_leaking=True)
    view = view_of(fs, query)
    with pytest.raises(AssertionError) as caught:
        assert_no_leakage(query, label=["is_late"])
    assert str(caught.value).startswith(
        "1 finding(s) of leakage: 3 feature(s) against is_late in 300 row(s)\n"
    )
    assert "label_copy: error: copied: " in str(caught.value)
    assert "later_commit" not in str(caught.value)
    with pytest.raises(AssertionError, match="label_copy"):
        assert_no_leakage(view)
    dataset = view.create_train_test_split(0.2)
    with pytest.raises(AssertionError, match="label_copy"):
        assert_no_leakage(view, training_dataset_version=dataset.version)
    assert_no_leakage(query, label="is_late", ignore={"label_copy"})


def test_arguments_that_cannot_be_are_refused_with_advice(fs: FeatureStore) -> None:
    query = sales(fs, is_leaking=False)
    with pytest.raises(ValueError, match="'leak' is no kind of finding. There are: later_event, "):
        assert_no_leakage(query, label="is_late", ignore=["leak"])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="severity='bad' is unknown. There are: error, warning"):
        assert_no_leakage(query, label="is_late", severity="bad")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="label='is_late'"):
        assert_no_leakage(query)
    with pytest.raises(ValueError, match="has its own labels"):
        assert_no_leakage(view_of(fs, query), label="is_late")
    with pytest.raises(HopyardError, match="late"):
        assert_no_leakage(query, label="is_lat")
