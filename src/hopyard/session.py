"""The one object that is passed down: who acts, in which project, on which stores. Built by `login()`; no globals."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from hopyard.background import Background
from hopyard.config import Config
from hopyard.failpoint import Failpoint, never_fail
from hopyard.ports import Locks, OfflineStore, OfflineUpkeep, OnlineStore, QueryEngine, Registry
from hopyard.time import Clock


@dataclass(frozen=True, slots=True)
class Session:
    """Everything that the layers above the ports may use.

    Attributes:
        project: the project's name.
        clock: now, in UTC microseconds; injected by tests and simulations.
    """

    project: str
    config: Config
    clock: Clock
    registry: Registry
    locks: Locks
    offline: OfflineStore
    upkeep: OfflineUpkeep
    online: OnlineStore
    engine: QueryEngine
    failpoint: Failpoint = never_fail
    background: Background = field(default_factory=Background)

    @property
    def actor(self) -> str:
        return self.config.actor

    @property
    def root(self) -> Path:
        """The store's folder."""
        return self.config.root

    @property
    def training_folder(self) -> Path:
        """Where the project's training datasets are."""
        return self.root / "projects" / self.project / "training"

    def with_project(self, project: str) -> Session:
        """Return this session in another project of the same store."""
        return replace(self, project=project)
