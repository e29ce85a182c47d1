"""Fixtures for pytest: a new store for each test, and its clock. Enable them with one line in the top `conftest.py`:

    pytest_plugins = ["hopyard.testing.fixtures"]

This module is the only one that needs pytest, and nothing but pytest imports it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hopyard.feature_store import FeatureStore
from hopyard.project import Project
from hopyard.testing.store import ManualClock, close_store, open_store

_IN_MEMORY = Path("/dev/shm")
"""A folder in memory, on Linux: to wait for the disk is most of what a small store does."""
_MIN_FREE_BYTES = 2**30
"""Containers often have 64 MB there, which a test could fill."""


@pytest.fixture
def hopyard_clock() -> ManualClock:
    """Return the clock of the test's store. It stands at the start of 2026 until the test sets or advances it."""
    return ManualClock("2026-01-01")


@pytest.fixture
def hopyard_project(hopyard_clock: ManualClock, tmp_path: Path) -> Iterator[Project]:
    """Return the default project of a new store, in memory where there is room; closed and removed after the test."""
    with _folder(tmp_path) as folder:
        project = open_store(Path(folder) / "store", clock=hopyard_clock)
        yield project
        close_store(project)


@pytest.fixture
def hopyard_feature_store(hopyard_project: Project) -> FeatureStore:
    """Return the feature store of the test's project."""
    return hopyard_project.get_feature_store()


def _folder(tmp_path: Path) -> tempfile.TemporaryDirectory[str]:
    has_room = os.access(_IN_MEMORY, os.W_OK) and shutil.disk_usage(_IN_MEMORY).free >= _MIN_FREE_BYTES
    return tempfile.TemporaryDirectory(
        prefix="hopyard-test-", dir=_IN_MEMORY if has_room else tmp_path, ignore_cleanup_errors=True
    )
