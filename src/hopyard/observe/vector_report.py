"""What a comparison of feature vectors with point-in-time rows has found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from hopyard.compute.exact import exact
from hopyard.online.vectors import Entry
from hopyard.time import show

Cause = Literal["late commit", "future row", "ttl", "type", "transformation", "online lag", "unknown"]
"""Why a value is served otherwise than the point-in-time row has it.

late commit: the row was committed, or changed, after the instant of the comparison. future row: the row that is online
is dated later than that instant. ttl: the same row is past its time to live on one side, and not on the other. type:
the values are equal, and their types or the signs of zeros are not. transformation: before transformation they are
equal. online lag: a commit that is not applied online yet. unknown: none of these; the online rows are not what they
must be.
"""

SHOWN = 10


@dataclass(frozen=True, slots=True)
class VectorDifference:
    """A value that was served otherwise than the point-in-time row has it.

    Attributes:
        entry: the serving keys.
        feature: its name in the vector.
        group: the feature group that it comes from, as `name_version`; empty for a result of a transformation.
        online, offline: the value in the vector, and in the point-in-time row.
        cause: what makes the difference.
        because: the cause in a sentence; empty for an unknown one.
    """

    entry: Entry
    feature: str
    group: str
    online: object
    offline: object
    cause: Cause = "unknown"
    because: str = ""

    def __str__(self) -> str:
        origin = f" ({self.group})" if self.group else ""
        because = f": {self.cause}: {self.because}" if self.because else ""
        return (
            f"{dict(self.entry)}: {self.feature!r}{origin} is {self.online!r} online, and {self.offline!r} "
            f"offline{because}"
        )


@dataclass(frozen=True, slots=True)
class GroupPosition:
    """How far the online table of a group is.

    Attributes:
        group: as `name_version`.
        commit: what is online; None: nothing yet.
        last_commit: the last one that the comparison knows.
        n_behind: how many commits up to that one are not online.
    """

    group: str
    commit: int | None
    last_commit: int
    n_behind: int

    def __str__(self) -> str:
        has = "nothing yet" if self.commit is None else f"commit {self.commit}"
        return (
            f"{self.group} is {self.n_behind} commit(s) behind: its online table has {has}, and the last one is "
            f"{self.last_commit}. `hopyard online catchup {self.group}` applies them"
        )


@dataclass(frozen=True, slots=True)
class VectorParity:
    """How the vectors of a feature view compare with its point-in-time rows.

    Attributes:
        view: as `name_version`.
        at_us: the instant of the point-in-time rows, in UTC microseconds.
        n_keys: how many keys were compared.
        differences: each value that differs, over the commits that are online.
        lagging: each value that the commits which are not online yet will change, with cause "online lag".
        positions: how far each online group was.
    """

    view: str
    at_us: int
    n_keys: int
    differences: tuple[VectorDifference, ...] = ()
    lagging: tuple[VectorDifference, ...] = ()
    positions: tuple[GroupPosition, ...] = ()

    @property
    def n_different(self) -> int:
        """How many keys have a difference."""
        return len({exact(difference.entry) for difference in self.differences})

    @property
    def causes(self) -> dict[Cause, int]:
        """How many values differ for each cause, lag among them."""
        return dict(Counter(difference.cause for difference in (*self.differences, *self.lagging)))

    @property
    def is_equal(self) -> bool:
        """Whether each vector equals its row. Groups that are behind are compared at the commit that they have."""
        return not self.differences

    def __str__(self) -> str:
        if not self.n_keys:
            found = f"{self.view}: there is no key to compare"
        elif self.is_equal:
            found = f"{self.view}: {self.n_keys} key(s), online equals offline"
        else:
            found = (
                f"{self.view}: {self.n_different} of {self.n_keys} key(s) differ between online and offline at "
                f"{show(self.at_us)}"
            )
        behind = [position for position in self.positions if position.n_behind]
        return "\n".join([found, *_shown(self.differences), *_shown(self.lagging), *map(str, behind)])


def _shown(differences: tuple[VectorDifference, ...]) -> list[str]:
    n_more = len(differences) - SHOWN
    return [*map(str, differences[:SHOWN]), *([f"and {n_more} more"] if n_more > 0 else [])]
