"""Which split a row belongs to: by a stable hash of its identity or of columns, by its event time, or by a column that
names it. Never by its position."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hopyard.errors import TrainingDatasetError
from hopyard.model.manifest import (
    DEFAULT_SEED,
    ColumnSplit,
    RandomSplit,
    Split,
    SplitMode,
    TimeRange,
    TimeSplit,
)
from hopyard.time import show

EXACT_BELOW = 1_000
"""A split that expects fewer rows than this is cut exactly, because its size by thresholds would vary too much."""
RATIO_TOLERANCE = 1e-9
NO_SPLIT = -1


def random_split(
    names: Sequence[str],
    ratios: Sequence[float],
    *,
    seed: int = DEFAULT_SEED,
    n_rows: int,
    exact: bool | None = None,
    group_by: Sequence[str] = (),
    stratify_by: Sequence[str] = (),
) -> RandomSplit:
    """Return a split of `n_rows` rows into parts of these sizes, its mode chosen.

    Args:
        ratios: one per name, each above 0 and below 1, with the sum 1.
        n_rows: with `group_by`, the number of groups: they are placed like rows.
        exact: True: each part has exactly round(n p) rows, counted cumulatively. False: each row is placed by its own
            hash alone, so that it never changes its split when data grows. None: exact if any part expects fewer
            than 1,000 rows, and with `stratify_by`.
    Raises:
        TrainingDatasetError: the names or ratios do not make a split.
    """
    if exact is None:
        exact = bool(stratify_by) or any(ratio * n_rows < EXACT_BELOW for ratio in ratios)
    mode: SplitMode = "exact" if exact else "threshold"
    split = RandomSplit(
        names=tuple(names),
        ratios=tuple(ratios),
        seed=seed,
        mode=mode,
        group_by=tuple(group_by),
        stratify_by=tuple(stratify_by),
    )
    check_split(split)
    return split


@dataclass(frozen=True, slots=True)
class Marks:
    """What decides the split of rows, an array each with a number per row; None: the split does not need it.

    Attributes:
        hashes: of the identity, or of the columns whose equal rows stay together, with the seed of the split.
        strata: hashes of the columns whose values are cut apart from each other.
        ties: ranks rows of equal hash, in the place of their order.
        event_time_us: UTC microseconds.
        places: the split that a column names, -1: none.
    """

    hashes: npt.NDArray[np.uint64] | None = None
    strata: npt.NDArray[np.uint64] | None = None
    ties: npt.NDArray[np.uint64] | None = None
    event_time_us: npt.NDArray[np.int64] | None = None
    places: npt.NDArray[np.int16] | None = None

    def slice(self, start: int, end: int) -> Marks:
        """Return the marks of some of the rows."""
        return Marks(*(None if array is None else array[start:end] for array in self._arrays()))

    def _arrays(self) -> list[npt.NDArray[Any] | None]:
        return [getattr(self, field.name) for field in fields(self)]

    @staticmethod
    def concat(parts: Sequence[Marks]) -> Marks:
        """Return the marks of all rows, in order."""
        columns = zip(*(part._arrays() for part in parts), strict=True)
        return Marks(*(None if column[0] is None else np.concatenate(column) for column in columns))


def assign(split: Split, marks: Marks) -> npt.NDArray[np.int16]:
    """Return the index of each row's split, in the order of the rows; -1: in none.

    Rows of equal hash get one split by thresholds; ranked exactly, they are taken in the order of `marks.ties`, or in
    their own.

    Raises:
        TrainingDatasetError: the split makes no sense, or lacks the identity or the event time; strata of single rows.
    """
    check_split(split)
    if isinstance(split, ColumnSplit):
        assert marks.places is not None
        return marks.places
    if isinstance(split, TimeSplit):
        if marks.event_time_us is None:
            raise TrainingDatasetError(
                "A split by time needs an event time, and the rows have none. "
                "Choose a root with an event time, or split by size."
            )
        return _by_time(split, marks.event_time_us)
    if marks.hashes is None:
        raise TrainingDatasetError(
            "A random split needs columns that identify the rows, and there are none. "
            "Give the root a primary key, or split by time."
        )
    if split.mode == "threshold":
        return _by_threshold(split, marks.hashes)
    if split.group_by:
        distinct, group_of_row = np.unique(marks.hashes, return_inverse=True)
        return _by_rank(split, distinct, None)[group_of_row]
    if split.stratify_by:
        assert marks.strata is not None
        return _by_rank_in_strata(split, marks.hashes, marks.strata, marks.ties)
    return _by_rank(split, marks.hashes, marks.ties)


def check_split(split: Split) -> None:
    """Check that a split makes sense.

    Raises:
        TrainingDatasetError: ratios outside of (0, 1) or with another sum than 1, time ranges that overlap, are
            empty or reversed, or names that repeat.
    """
    names = split.names
    if not names or len(set(names)) < len(names):
        raise TrainingDatasetError(
            f"The splits are named {list(names)}: give each a name of its own, at least one."
        )
    if isinstance(split, RandomSplit):
        _check_ratios(split)
    elif isinstance(split, TimeSplit):
        _check_ranges(split)


def _by_threshold(split: RandomSplit, hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.int16]:
    thresholds = [math.floor(share * 2**64) for share in _cumulated(split)[:-1]]
    # side="right" counts the thresholds <= hash: a row is in the first split whose threshold is above its hash.
    return np.searchsorted(np.array(thresholds, np.uint64), hashes, side="right").astype(np.int16)


def _by_rank(
    split: RandomSplit, hashes: npt.NDArray[np.uint64], ties: npt.NDArray[np.uint64] | None
) -> npt.NDArray[np.int16]:
    ends = [round(len(hashes) * share) for share in _cumulated(split)]
    sizes = np.diff(np.array([0, *ends]))
    places = np.empty(len(hashes), np.int16)
    places[_ranked(hashes, ties)] = np.repeat(np.arange(len(sizes), dtype=np.int16), sizes)
    return places


def _ranked(hashes: npt.NDArray[np.uint64], ties: npt.NDArray[np.uint64] | None) -> npt.NDArray[np.intp]:
    # Both sorts are stable: rows that are equal in all are ranked by their order.
    return np.argsort(hashes, kind="stable") if ties is None else np.lexsort((ties, hashes))


def _by_rank_in_strata(
    split: RandomSplit,
    hashes: npt.NDArray[np.uint64],
    strata: npt.NDArray[np.uint64],
    ties: npt.NDArray[np.uint64] | None,
) -> npt.NDArray[np.int16]:
    distinct, sizes = np.unique(strata, return_counts=True)
    if 2 * len(distinct) > len(hashes) > 0:
        raise TrainingDatasetError(
            f"stratify_by={list(split.stratify_by)} has {len(distinct):,} distinct values in {len(hashes):,} rows, too "
            f"many to cut each of them in the same shares. Stratify by a column with few values, such as the label."
        )
    places = np.empty(len(hashes), np.int16)
    ranked = _ranked(hashes, ties)
    order = ranked[np.argsort(strata[ranked], kind="stable")]
    start = 0
    for size in sizes.tolist():
        ends = [round(size * share) for share in _cumulated(split)]
        places[order[start : start + size]] = np.repeat(
            np.arange(len(ends), dtype=np.int16), np.diff(np.array([0, *ends]))
        )
        start += size
    return places


def named_places(split: ColumnSplit, column: pa.ChunkedArray) -> npt.NDArray[np.int16]:
    """Return the index of the split that each row's column names; null: -1. Raises TrainingDatasetError: others."""
    places = np.asarray(pc.index_in(column, pa.array(split.names, pa.string())).fill_null(NO_SPLIT))
    unknown = column.filter(pa.array(places == NO_SPLIT)).drop_null().unique()
    if len(unknown):
        shown = ", ".join(map(repr, unknown.slice(0, 5).to_pylist()))
        raise TrainingDatasetError(
            f"split_column={split.column!r} has values that name no split: {shown}. The splits are "
            f"{', '.join(map(repr, split.names))}; null puts a row into none."
        )
    return places.astype(np.int16)


def _cumulated(split: RandomSplit) -> list[Fraction]:
    """Return the exact cumulated shares, the last of which is 1.

    A ratio counts as the decimal number that people read, and that stands in the manifest: 0.1 is one tenth, not the
    double next to it.
    """
    sums = list(accumulate(Fraction(repr(float(ratio))) for ratio in split.ratios))
    return [part / sums[-1] for part in sums]


def _by_time(split: TimeSplit, event_time_us: npt.NDArray[np.int64]) -> npt.NDArray[np.int16]:
    places = np.full(len(event_time_us), NO_SPLIT, np.int16)
    for place, range_ in enumerate(split.ranges):
        inside = np.ones(len(event_time_us), np.bool_)
        if range_.start_us is not None:
            inside &= event_time_us >= range_.start_us
        if range_.end_us is not None:
            inside &= event_time_us < range_.end_us
        places[inside] = place
    return places


def _check_ratios(split: RandomSplit) -> None:
    shown = ", ".join(f"{name}={ratio!r}" for name, ratio in zip(split.names, split.ratios, strict=False))
    if len(split.names) != len(split.ratios):
        raise TrainingDatasetError(
            f"There are {len(split.names)} splits and {len(split.ratios)} ratios ({shown}): give one each."
        )
    if not all(0 < ratio < 1 for ratio in split.ratios):
        raise TrainingDatasetError(
            f"The split ratios are {shown}: each must be above 0 and below 1, such as train=0.8, test=0.2."
        )
    total = math.fsum(split.ratios)
    if abs(total - 1) > RATIO_TOLERANCE:
        raise TrainingDatasetError(
            f"The split ratios are {shown}, which add up to {total!r}: make their sum 1."
        )


def _check_ranges(split: TimeSplit) -> None:
    for range_ in split.ranges:
        if range_.start_us is not None and range_.end_us is not None and range_.start_us >= range_.end_us:
            fault = "holds no instant" if range_.start_us == range_.end_us else "ends before it starts"
            raise TrainingDatasetError(
                f"The split {_shown(range_)} {fault}: the start is included, the end is not. Give a later end."
            )
    for first, second in pairwise(sorted(split.ranges, key=_start)):
        if first.end_us is None or first.end_us > _start(second):
            raise TrainingDatasetError(
                f"The splits {_shown(first)} and {_shown(second)} overlap, and a row can be in one only. "
                f"Let one end where the other starts: the start is included, the end is not."
            )


def _start(range_: TimeRange) -> float:
    return -math.inf if range_.start_us is None else range_.start_us


def _shown(range_: TimeRange) -> str:
    start = "the beginning" if range_.start_us is None else show(range_.start_us)
    end = "the end" if range_.end_us is None else show(range_.end_us)
    return f"{range_.name!r} (from {start} to {end})"
