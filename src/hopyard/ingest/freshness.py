"""How long commits and rows take until they are readable online, counted on a logarithmic scale.

The counts of a group are in a small file, written by whoever applies, under the group's lock. It is no data: a file
that is lost or cannot be read begins anew, and one that cannot be written is left as it is.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hopyard.errors import CorruptStoreError, FormatVersionError
from hopyard.failpoint import Failpoint, around
from hopyard.model.codec import from_json
from hopyard.model.commit import Commit
from hopyard.model.freshness import Latency
from hopyard.model.specs import FeatureGroupSpec
from hopyard.session import Session

FRESHNESS_FORMAT = 1
STEPS_PER_DOUBLING = 16
_MAX_US = 2**63


class Histogram(msgspec.Struct):
    """Counts of durations: bucket b has those from 2^(b/16) to 2^((b+1)/16) us, the first shorter ones, too."""

    counts: dict[int, int] = {}
    max_us: int = 0

    def add(self, durations_us: npt.NDArray[np.float64]) -> None:
        """Count durations; what is negative, because clocks differ, counts as nothing."""
        if not len(durations_us):
            return
        clipped = np.clip(durations_us, 1, _MAX_US)
        found = np.bincount((np.log2(clipped) * STEPS_PER_DOUBLING).astype(np.int64))
        for bucket in np.flatnonzero(found).tolist():
            self.counts[bucket] = self.counts.get(bucket, 0) + int(found[bucket])
        self.max_us = max(self.max_us, int(durations_us.max()))

    def merge(self, other: Histogram) -> None:
        """Count what the other one has counted, too."""
        for bucket, n in other.counts.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + n
        self.max_us = max(self.max_us, other.max_us)

    def latency(self) -> Latency:
        """Return the percentiles: the upper ends of the buckets in which they are."""
        n = sum(self.counts.values())
        if not n:
            return Latency()
        return Latency(
            n=n,
            p50_seconds=self._percentile(50, n),
            p95_seconds=self._percentile(95, n),
            p99_seconds=self._percentile(99, n),
            max_seconds=self.max_us / 1e6,
        )

    def _percentile(self, percent: int, n: int) -> float:
        rank, passed = -(-n * percent // 100), 0
        for bucket in sorted(self.counts):
            passed += self.counts[bucket]
            if passed >= rank:
                return float(min(2 ** ((bucket + 1) / STEPS_PER_DOUBLING), self.max_us)) / 1e6
        raise AssertionError("the counts add up to n")


class Readable(msgspec.Struct):
    """What the file of a group holds: durations from commits, and from event times, until rows were readable."""

    format_version: int = FRESHNESS_FORMAT
    commits: Histogram = msgspec.field(default_factory=Histogram)
    events: Histogram = msgspec.field(default_factory=Histogram)


def record_readable(
    session: Session,
    spec: FeatureGroupSpec,
    commits: Sequence[Commit],
    events: Histogram | None = None,
) -> None:
    """Count commits whose rows have become readable now, and rows of theirs. The caller holds the group's lock.

    Args:
        events: the ages of the rows when they became readable.
    """
    times = [commit.committed_at_us for commit in commits if commit.operation != "create"]
    counted = _read(_file(session, spec))
    counted.commits.add(session.clock() - np.array(times, np.float64))
    if events is not None:
        counted.events.merge(events)
    _write(_file(session, spec), counted, session.failpoint)


def ages(session: Session, event_times_us: pa.Int64Array) -> Histogram:
    """Return how old rows are now, by their event times."""
    found = Histogram()
    found.add(session.clock() - np.asarray(event_times_us).astype(np.float64))
    return found


def read_readable(session: Session, spec: FeatureGroupSpec) -> Readable:
    """Return what was counted for a group; nothing, if its file is not there or is of a newer Hopyard."""
    return _read(_file(session, spec))


def forget_readable(session: Session, spec: FeatureGroupSpec) -> None:
    """Remove what was counted for a group."""
    with suppress(OSError):
        _file(session, spec).unlink(missing_ok=True)


def _file(session: Session, spec: FeatureGroupSpec) -> Path:
    return session.root / "projects" / spec.project / "freshness" / f"{spec.id}.json"


def _read(file: Path) -> Readable:
    try:
        return from_json(Readable, file.read_bytes(), known=FRESHNESS_FORMAT, what=str(file))
    except (OSError, CorruptStoreError, FormatVersionError):
        return Readable()


def _write(file: Path, counted: Readable, failpoint: Failpoint) -> None:
    """Replace the file as a whole. It is not forced to disk: after a power cut it may be an older one, or none."""
    written = file.with_name(f".{file.name}.{os.getpid()}")
    with suppress(OSError):
        try:
            written.write_bytes(msgspec.json.encode(counted))
        except FileNotFoundError:
            file.parent.mkdir(parents=True, exist_ok=True)
            written.write_bytes(msgspec.json.encode(counted))
        with around(failpoint, "freshness_rename"):
            written.replace(file)
