"""Upkeep of feature groups: small files merged, checkpoints, and the end of history where it is asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta

import msgspec

from hopyard.background import IsStopping
from hopyard.errors import ConfigError, ConflictError, HopyardError
from hopyard.ingest.kept_statistics import forget_written
from hopyard.model.commit import Commit, DiskUsage, Freed, Maintained, Snapshot
from hopyard.model.specs import FeatureGroupSpec
from hopyard.session import Session

MAX_SMALL_FILES = 64
MAX_TRIES = 5
WAIT_SECONDS = 5.0
"""How long work in the background waits for a group's lock before it leaves it for another time."""
GIVE_WAY_SECONDS = 0.2
_LOG = logging.getLogger("hopyard")


def group_lock(spec: FeatureGroupSpec) -> str:
    """Return the name of the lock that every writer of a group holds."""
    return f"group.{spec.id}"


def hold_group(session: Session, spec: FeatureGroupSpec) -> AbstractContextManager[None]:
    """Hold the lock of a group's writers for the length of a with block; work in the background may go first."""
    key = group_lock(spec)
    session.background.give_way(key, timeout_seconds=GIVE_WAY_SECONDS)
    return session.locks.hold(key, timeout_seconds=session.config.lock_timeout_seconds)


def maintain_later(session: Session, spec: FeatureGroupSpec, base: Snapshot) -> None:
    """See to it that a group is maintained in the background if its files have become too many and too small.

    Args:
        base: its state before the commit that was just made.
    """
    if session.config.maintenance == "off":
        return
    if sum(file.is_small for file in base.files) >= MAX_SMALL_FILES:
        session.background.submit(
            group_lock(spec), lambda is_stopping: _in_background(session, spec, is_stopping)
        )


def maintain(session: Session, spec: FeatureGroupSpec) -> Maintained:
    """Merge the small files of a group and write a checkpoint where one is due; return what was done.

    Raises:
        LockTimeoutError: others write to the group for too long.
        ConflictError: another program changes the table again and again.
    """
    for attempt in range(MAX_TRIES):
        try:
            n_merged = _compact(session, spec, 2, session.config.lock_timeout_seconds, lambda: False)
            break
        except ConflictError:
            if attempt == MAX_TRIES - 1:
                raise
    is_checkpointed = session.upkeep.checkpoint(spec.location)
    return Maintained(group=spec.label, n_merged_files=n_merged, is_checkpointed=is_checkpointed)


def disk_usage(session: Session, spec: FeatureGroupSpec) -> DiskUsage:
    """Return what a group's table takes on disk."""
    return session.upkeep.usage(spec.location)


def vacuum(
    session: Session,
    spec: FeatureGroupSpec,
    keep: timedelta | int | None,
    check: Callable[[int], None],
) -> Freed:
    """End the history of a group before the commits to keep, and remove the files that nothing needs any more.

    Args:
        keep: the last so many commits; or those of the last time, and the one that was the latest then; None: all.
        check: called with the first commit that stays; raises where that must not be.
    Raises:
        ConfigError: `keep` says nothing. LockTimeoutError: others write to the group for too long.
    """
    _check_keep(keep)
    with session.locks.hold(group_lock(spec), timeout_seconds=session.config.lock_timeout_seconds):
        commits = session.offline.commits(spec.location)
        readable = [commit for commit in commits if not commit.is_vacuumed]
        first = readable[0] if keep is None else _first_kept(readable, keep, session.clock())
        n_commits = readable.index(first)
        if n_commits:
            check(first.number)
            session.upkeep.end_history(spec.location, before=first.number, now_us=session.clock())
            session.failpoint("history_ended")
        forget_written(session, spec, first.number)
        freed = session.upkeep.sweep(spec.location)
        return msgspec.structs.replace(freed, n_commits=n_commits)


def _check_keep(keep: object) -> None:
    if isinstance(keep, timedelta):
        if keep >= timedelta(0):
            return
    elif keep is None or (isinstance(keep, int) and not isinstance(keep, bool) and keep >= 1):
        return
    raise ConfigError(
        f"keep={keep!r} must be a number of commits from 1, or a datetime.timedelta such as timedelta(days=90). "
        f"Nothing was removed."
    )


def _first_kept(commits: list[Commit], keep: timedelta | int, now_us: int) -> Commit:
    if isinstance(keep, int):
        return commits[-keep:][0]
    since_us = now_us - keep // timedelta(microseconds=1)
    before = [commit for commit in commits if commit.committed_at_us <= since_us]
    return before[-1] if before else commits[0]


def _in_background(session: Session, spec: FeatureGroupSpec, is_stopping: IsStopping) -> None:
    try:
        _compact(session, spec, MAX_SMALL_FILES, WAIT_SECONDS, is_stopping)
        if not is_stopping():
            session.upkeep.checkpoint(spec.location)
    except (HopyardError, OSError) as error:
        # Somebody else was faster, or the group is gone, or the disk is full: a later commit tries again.
        _LOG.info("The files of %s were not merged: %s", spec.label, error)


def _compact(
    session: Session,
    spec: FeatureGroupSpec,
    at_least: int,
    timeout_seconds: float,
    is_stopping: IsStopping,
) -> int:
    @contextmanager
    def hold() -> Iterator[None]:
        session.failpoint("files_merged")
        key = group_lock(spec)
        with session.background.urgent(key), session.locks.hold(key, timeout_seconds=timeout_seconds):
            yield
            session.failpoint("files_switched")

    return session.upkeep.compact(
        spec.location,
        spec.row_order,
        at_least=at_least,
        now_us=session.clock(),
        hold=hold,
        is_stopping=is_stopping,
    )
