"""Fixtures and settings for all tests."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from hopyard.feature_store import FeatureStore
    from hopyard.project import Project

# No deadlines: a shared machine may stall any example. A failure prints the blob that reproduces it.
# Where a change is judged (CI is set), the examples are the same every time, so that it fails by what it changed alone;
# everywhere else they are new in each run, and a case that is found becomes a test.
settings.register_profile(
    "ci", max_examples=60, deadline=None, derandomize=bool(os.environ.get("CI")), print_blob=True
)
settings.register_profile("quick", settings.get_profile("ci"), max_examples=20)
settings.register_profile(
    "thorough",
    settings.get_profile("ci"),
    max_examples=2_000,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's own settings, such as HOPYARD_URL, out of the tests."""
    for name in [name for name in os.environ if name.startswith("HOPYARD_") and "_TEST_" not in name]:
        monkeypatch.delenv(name)


@pytest.fixture
def store(tmp_path: Path) -> Project:
    """Return the default project of a new store in an empty folder."""
    import hopyard

    return hopyard.login(tmp_path / "store")


@pytest.fixture
def fs(store: Project) -> FeatureStore:
    """Return the feature store of `store`."""
    return store.get_feature_store()


def service_variable(name: str) -> str:
    """Return the environment variable that holds the URL of a service for the tests."""
    return f"HOPYARD_TEST_{name.upper()}_URL"


def missing_services(item: pytest.Item) -> list[str]:
    """Return the services that a test is marked with and that the environment gives no URL of."""
    names: Iterable[str] = (mark.args[0] for mark in item.iter_markers("service"))
    return sorted({name for name in names if not os.environ.get(service_variable(name))})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if missing := missing_services(item):
            variables = ", ".join(service_variable(name) for name in missing)
            item.add_marker(pytest.mark.skip(reason=f"needs {' and '.join(missing)}: set {variables}"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which tests were left out for want of a server, and how to include them."""
    reasons: dict[str, list[str]] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else ""
        if reason.startswith("needs ") and "HOPYARD_TEST_" in reason:
            reasons.setdefault(reason, []).append(report.nodeid)
    if not reasons:
        return
    terminalreporter.section("left out: tests that need a real server")
    for reason, tests in sorted(reasons.items()):
        terminalreporter.write_line(f"{len(tests)} tests: {reason}")
        for test in sorted(tests):
            terminalreporter.write_line(f"    {test}")
    terminalreporter.write_line("On Debian, as root, `make test` installs and starts the servers itself.")
