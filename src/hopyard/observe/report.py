"""What a verification of the store found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FindingKind = Literal[
    "registry_row",
    "missing_table",
    "spec_differs",
    "commit_unreadable",
    "file_damaged",
    "online_behind",
    "online_differs",
    "online_unreadable",
    "view_broken",
    "dataset_damaged",
    "orphan_folder",
]
"""registry_row: a row of the registry that cannot be read. missing_table: a registered group without its table.
spec_differs: registry and table disagree about a group. commit_unreadable: a commit whose state cannot be read.
file_damaged: a data file that is gone, or not as the log says. online_behind, online_differs, online_unreadable: the
online table lacks commits, holds other rows than its commit, cannot be read. view_broken: a view of a group that is
gone. dataset_damaged: files of a training dataset. orphan_folder: a folder that nothing in the registry stands for."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: where, what, and what to do about it."""

    kind: FindingKind
    where: str
    message: str
    advice: str


@dataclass(frozen=True, slots=True)
class GroupCheck:
    """What was checked of a feature group. `n_online_rows` is None where nothing online was compared."""

    name: str
    version: int
    n_commits: int = 0
    n_files: int = 0
    n_rows: int | None = None
    n_online_rows: int | None = None
    n_findings: int = 0


@dataclass(frozen=True, slots=True)
class DatasetCheck:
    """What was checked of a training dataset."""

    name: str
    version: int
    n_files: int = 0
    n_findings: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """The answer of `Project.verify()`: what was checked, and what is wrong."""

    project: str
    groups: tuple[GroupCheck, ...] = ()
    n_views: int = 0
    datasets: tuple[DatasetCheck, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def is_fine(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def __str__(self) -> str:
        checked = (
            f"{len(self.groups)} feature group(s), {sum(group.n_commits for group in self.groups)} commit(s), "
            f"{sum(group.n_files for group in self.groups)} file(s), "
            f"{sum(group.n_online_rows or 0 for group in self.groups)} online row(s), {self.n_views} feature view(s), "
            f"{len(self.datasets)} training dataset(s)"
        )
        if self.is_fine:
            return f"all fine: {checked}"
        return "\n".join(
            [f"{len(self.findings)} finding(s): {checked}"]
            + [f"{found.where}: {found.message} {found.advice}" for found in self.findings]
        )
