"""Whatever fails around a commit, `insert` says whether the commit stands."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from hopyard.errors import StoreError
from hopyard.feature_group import FeatureGroup
from hopyard.project import Project
from hopyard.testing.store import open_store
from parity import assert_online_equals_offline

N_COMMITS = 55
"""More than there are between two checkpoints."""


def new_group(project: Project) -> FeatureGroup:
    group = project.get_feature_store().create_feature_group("g", primary_key="id", online_enabled=True)
    group.insert([{"id": 0, "x": 0.0}])
    return group


def test_a_checkpoint_that_cannot_be_written_does_not_fail_the_commit_before_it(tmp_path: Path) -> None:
    """delta-rs raises the error of the checkpoint from the call that has committed."""
    project = open_store(tmp_path / "store")
    group = new_group(project)
    log = Path(group.location) / "_delta_log"
    for number in range(N_COMMITS + 1):
        (log / f"{number:020}.checkpoint.parquet" / "in the way").mkdir(parents=True)
    for number in range(1, N_COMMITS):
        assert group.insert([{"id": number, "x": 1.0}]).n_inserted == 1
    assert len(group.read(dataframe_type="python")) == N_COMMITS
    assert_online_equals_offline(project, group)


def test_a_commit_that_cannot_be_forced_to_disk_says_that_it_stands(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    group = new_group(open_store(folder))

    def fail(point: str) -> None:
        if point == "before_delta_sync":
            raise OSError(errno.EIO, "Input/output error")

    failing = open_store(folder, failpoint=fail).get_feature_store().get_feature_group("g")
    with pytest.raises(StoreError, match=r"Commit 2 .*is written.*could not be forced to disk.*not.*again"):
        failing.insert([{"id": 1, "x": 1.0}])
    assert group.commit_details(1)[0].number == 2
    assert group.catch_up_online() == 1
    assert_online_equals_offline(open_store(folder), group)
