"""How often the values of a column occur: all of them while they are few, else those whose hash is small.

This is adaptive sampling (Wegman; Flajolet 1990): the values whose hash lies in the first 1/2^k of all hashes are kept,
with the least k for which they are no more than 100,000. Which values these are is decided by the set of values alone,
not by the order in which they came: tallies of rows apart add up to the tally that all of the rows give.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MAX_VALUES = 100_000
HASHES = 2**64
"""How many hashes there are."""

Hashes = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]
Objects = npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Tally:
    """The values with a hash below `HASHES // share`, and how often each occurs.

    Attributes:
        hashes: ascending.
        values: the values themselves where they are asked for and complete; else None.
        n_above: so many values at least have a hash below twice that bound; more than `MAX_VALUES`, or 0 for share 1.
    """

    share: int
    hashes: Hashes
    times: Numbers
    values: Objects | None = None
    n_above: int = 0

    @property
    def n_distinct(self) -> int:
        """How many different values there are, extrapolated."""
        return len(self.hashes) * self.share

    @property
    def error(self) -> float:
        """Three standard errors of `n_distinct`, as a share of it; 0: it is exact."""
        if self.share == 1:
            return 0.0
        return 3 * math.sqrt((1 - 1 / self.share) / max(len(self.hashes), 1))

    def narrowed(self) -> Tally:
        """Return the tally with no more values than `MAX_VALUES`."""
        found = self
        while len(found.hashes) > MAX_VALUES:
            n_kept = int(np.searchsorted(found.hashes, np.uint64(HASHES // (found.share * 2))))
            found = Tally(
                found.share * 2, found.hashes[:n_kept], found.times[:n_kept], None, len(found.hashes)
            )
        return found

    def below(self, share: int) -> Tally:
        """Return the values in a smaller part of the hashes."""
        if share == self.share:
            return self
        n_kept = int(np.searchsorted(self.hashes, np.uint64(HASHES // share)))
        return Tally(share, self.hashes[:n_kept], self.times[:n_kept])

    def changed(self, added: Tally, removed: Tally) -> Tally | None:
        """Return the tally after some rows came and others went; None: only all rows could tell.

        Args:
            added, removed: of these rows, with the share `wider()`.
        """
        n_gone = len(np.setdiff1d(removed.hashes, added.hashes, assume_unique=True))
        n_above = self.n_above - n_gone
        if self.share > 1 and n_above <= MAX_VALUES:
            return None
        found = _combined(self, added.below(self.share), 1)
        found = _combined(found, removed.below(self.share), -1)
        if (found.times < 0).any():
            return None
        is_there = found.times > 0
        values = None if found.values is None else found.values[is_there]
        changed = Tally(self.share, found.hashes[is_there], found.times[is_there], values, max(n_above, 0))
        return changed.narrowed()

    def wider(self) -> int:
        """Return the share that the tallies of changes must have."""
        return max(self.share // 2, 1)


def tally_of(share: int, hashes: Hashes, times: Numbers, values: Objects | None = None) -> Tally:
    """Return the tally of values that were counted, in any order."""
    found, places, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    summed = np.zeros(len(found), np.int64)
    np.add.at(summed, inverse, times)
    return Tally(share, found, summed, None if values is None else values[places])


def _combined(left: Tally, right: Tally, sign: int) -> Tally:
    """Return the sum or difference of two tallies with one share; the left one is the larger one."""
    places = np.searchsorted(left.hashes, right.hashes)
    is_known = np.zeros(len(places), bool)
    inside = places < len(left.hashes)
    is_known[inside] = left.hashes[places[inside]] == right.hashes[inside]
    times = left.times.copy()
    times[places[is_known]] += sign * right.times[is_known]
    new = ~is_known
    values = None
    if left.values is not None and right.values is not None:
        values = np.insert(left.values, places[new], right.values[new])
    return Tally(
        left.share,
        np.insert(left.hashes, places[new], right.hashes[new]),
        np.insert(times, places[new], sign * right.times[new]),
        values,
        left.n_above,
    )
