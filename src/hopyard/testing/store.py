"""Stores for tests: in a folder of their own, with a clock that the test sets and points at which it can fail."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from hopyard.config import load_config
from hopyard.connect import open_session
from hopyard.failpoint import Failpoint, never_fail
from hopyard.project import Project
from hopyard.time import Clock, Instant, from_micros, system_clock, to_micros

BACKGROUND_SECONDS = 30.0


class ManualClock:
    """A clock that stands still until it is set. Call it for UTC microseconds, as `hopyard.time.Clock` has it."""

    def __init__(self, start: Instant = "2026-01-01") -> None:
        self._now_us = to_micros(start)

    def __call__(self) -> int:
        return self._now_us

    @property
    def now(self) -> datetime:
        """The time as an aware datetime in UTC."""
        return from_micros(self._now_us)

    def set(self, instant: Instant) -> None:
        """Set the time, also to an earlier one."""
        self._now_us = to_micros(instant)

    def advance(self, by: timedelta) -> None:
        """Move the time on."""
        self._now_us += by // timedelta(microseconds=1)


class InjectedError(Exception):
    """What `fail_at` raises: as little expected by Hopyard as a crash is."""


def fail_at(point: str) -> Failpoint:
    """Return a failpoint that raises InjectedError whenever `point` is reached; see `hopyard.session.Failpoint`."""

    def failpoint(reached: str) -> None:
        if reached == point:
            raise InjectedError(point)

    return failpoint


def open_store(
    folder: str | os.PathLike[str],
    *,
    project: str | None = None,
    clock: Clock = system_clock,
    failpoint: Callable[[str], None] = never_fail,
    n_threads: int | None = None,
) -> Project:
    """Open or make the store in a folder, and return a project of it.

    Args:
        folder: such as pytest's `tmp_path / "store"`.
        project: its name; None: `default`.
        clock: what commit times, ttls and "later than now" go by.
        failpoint: called at the points where a crash would hurt most.
        n_threads: of the query engine; None: one per core.
    Raises:
        ConfigError, InvalidNameError: see `hopyard.login`.
    """
    config = load_config(folder)
    config = replace(config, n_threads=config.n_threads if n_threads is None else n_threads)
    return Project(open_session(config, project=project, clock=clock, failpoint=failpoint))


def close_store(project: Project) -> None:
    """Wait for the store's work in the background, and release its files, connections, memory and threads.

    The folder can be removed then. Whoever uses the project again opens them again.
    """
    session = project.session
    session.background.wait(timeout_seconds=BACKGROUND_SECONDS)
    session.engine.close()
    session.online.close()
    session.registry.close()
