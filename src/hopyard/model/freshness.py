"""How long rows take until they are readable online."""

from __future__ import annotations

from hopyard.model.codec import Frozen


class Latency(Frozen, frozen=True, kw_only=True):
    """How long something took, `n` times. Without any, the seconds are None.

    A percentile is at most 4.5 % above the true one; the maximum is exact.
    """

    n: int = 0
    p50_seconds: float | None = None
    p95_seconds: float | None = None
    p99_seconds: float | None = None
    max_seconds: float | None = None


class Freshness(Frozen, frozen=True, kw_only=True):
    """How fresh the online rows of a feature group are.

    Attributes:
        group: as `name_version`.
        commit_to_readable: of each commit, from its commit time until its rows were readable online.
        event_to_readable: of each row that a commit brought online, from its event time; also of loaded history, whose
            rows are old when they come.
        applied_commit: what is readable online; None: nothing yet.
        last_commit: the group's last one.
        n_behind: how many commits are not readable online yet.
        behind_seconds: for how long the oldest of these has been waiting; 0: none waits.
    """

    group: str
    commit_to_readable: Latency
    event_to_readable: Latency
    applied_commit: int | None
    last_commit: int
    n_behind: int
    behind_seconds: float
