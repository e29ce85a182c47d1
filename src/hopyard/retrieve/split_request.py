"""What users ask of a split: by size, by time, or by a column."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from hopyard.errors import TrainingDatasetError
from hopyard.model.manifest import DEFAULT_SEED, ColumnSplit, TimeRange, TimeSplit
from hopyard.model.names import check_name
from hopyard.retrieve.split import random_split
from hopyard.time import Instant, optional_micros


@dataclass(frozen=True, slots=True)
class RandomRequest:
    """A split by size whose mode is not decided before the number of rows is known; see `RandomSplit`."""

    names: tuple[str, ...]
    ratios: tuple[float, ...]
    seed: int = DEFAULT_SEED
    exact: bool | None = None
    group_by: tuple[str, ...] = ()
    stratify_by: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that decide, beside the identity."""
        return self.group_by or self.stratify_by


SplitRequest = RandomRequest | TimeSplit | ColumnSplit


def split_request(
    sizes: Mapping[str, float | None],
    times: Mapping[str, tuple[Instant | None, Instant | None]],
    *,
    seed: int | None,
    exact: bool | None,
    group_by: Sequence[str] | str = (),
    stratify_by: Sequence[str] | str = (),
    split_column: str | None = None,
) -> SplitRequest:
    """Return what the user asks for: a split by size, by time, or by a column that names it.

    Args:
        sizes: the share of each split but the first, which gets the rest.
        times: start and end of each split; of two neighbouring bounds one is enough.
        seed, exact, group_by, stratify_by: of a split by size.
        split_column: names each row's split.
    Raises:
        TrainingDatasetError: several of them, none, or not enough of one; sizes that leave nothing to train on.
    """
    groups, strata = _columns("group_by", group_by), _columns("stratify_by", stratify_by)
    of_size = {"seed": seed, "exact": exact, "group_by": groups or None, "stratify_by": strata or None}
    by_time = any(bound is not None for bounds in times.values() for bound in bounds)
    by_size = any(size is not None for size in sizes.values())
    if split_column is not None:
        foreign = [name for name, value in of_size.items() if value is not None]
        if by_time or by_size or foreign or not isinstance(split_column, str):
            raise TrainingDatasetError(
                f"split_column={split_column!r} must be the name of a column that says which split each row is in, and "
                f"then sizes, times, seed, exact, group_by and stratify_by have no say: leave them out."
            )
        return ColumnSplit(names=tuple(times), column=split_column)
    if by_time == by_size:
        raise TrainingDatasetError(
            f"Split either by size ({', '.join(f'{name}_size=' for name in sizes)}) or by time "
            f"(such as train_end= and test_end=); {'both were' if by_time else 'neither was'} given."
        )
    if by_time:
        foreign = [f"{name}=" for name, value in of_size.items() if value is not None]
        if foreign:
            raise TrainingDatasetError(
                f"{' and '.join(foreign)} belong to a split by size; this one is by time."
            )
        return TimeSplit(ranges=_ranges(times))
    given = []
    for name, size in sizes.items():
        if size is None:
            raise TrainingDatasetError(f"{name}_size= is missing.")
        if not isinstance(size, (int, float)) or not 0 < size < 1:
            raise TrainingDatasetError(f"{name}_size={size!r} must be between 0 and 1, such as 0.2.")
        given.append(Decimal(str(float(size))))  # as written: 1 - 0.7 of doubles is not 0.3
    if not sum(given) < 1:
        raise TrainingDatasetError(
            f"The sizes sum to {sum(given):g} and leave nothing to train on: {dict(sizes)}."
        )
    if groups and strata:
        raise TrainingDatasetError(
            "group_by= keeps rows together that stratify_by= would cut apart: give one of the two."
        )
    if strata and exact is False:
        raise TrainingDatasetError("stratify_by= cuts each stratum exactly: leave out exact=False.")
    return RandomRequest(
        names=tuple(times),
        ratios=(float(1 - sum(given)), *map(float, given)),
        seed=DEFAULT_SEED if seed is None else _seed(seed),
        exact=exact,
        group_by=groups,
        stratify_by=strata,
    )


def named_request(splits: Mapping[str, float], seed: int | None) -> RandomRequest | None:
    """Return a split into parts of these names and shares, the first of which is train; None: there are none.

    Raises:
        TrainingDatasetError: shares that do not sum to 1, or no numbers.
        InvalidNameError: names that cannot name a folder.
    """
    if not isinstance(splits, Mapping):
        raise TrainingDatasetError(
            f"splits={splits!r} must be a dict of shares, such as {{'train': 0.8, 'test': 0.2}}."
        )
    if not splits:
        return None
    for name, share in splits.items():
        check_name("split", name)
        if isinstance(share, bool) or not isinstance(share, (int, float)):
            raise TrainingDatasetError(f"splits={dict(splits)!r}: the share of {name!r} must be a number.")
    request = RandomRequest(
        names=tuple(splits),
        ratios=tuple(map(float, splits.values())),
        seed=DEFAULT_SEED if seed is None else _seed(seed),
    )
    random_split(request.names, request.ratios, n_rows=0)
    return request


def _columns(argument: str, names: object) -> tuple[str, ...]:
    if isinstance(names, str):
        return (names,)
    if isinstance(names, Sequence) and all(isinstance(name, str) for name in names):
        return tuple(dict.fromkeys(names))
    raise TrainingDatasetError(f"{argument}={names!r} must be the name of a column, or a list of names.")


def _seed(seed: object) -> int:
    try:
        if not isinstance(seed, bool) and 0 <= (number := operator.index(seed)) < 2**63:  # type: ignore[arg-type]
            return number
    except TypeError:
        pass
    raise TrainingDatasetError(f"seed={seed!r} must be a whole number from 0 to 2**63 - 1.")


def _ranges(times: Mapping[str, tuple[Instant | None, Instant | None]]) -> tuple[TimeRange, ...]:
    """Return the ranges; where one of two neighbouring bounds is missing, it is the other one."""
    starts = {name: optional_micros(start) for name, (start, _) in times.items()}
    ends = {name: optional_micros(end) for name, (_, end) in times.items()}
    for earlier, later in pairwise(times):
        if ends[earlier] is None and starts[later] is None:
            raise TrainingDatasetError(
                f"Give {earlier}_end= or {later}_start=: nothing says where {earlier} ends and {later} starts."
            )
        ends[earlier] = starts[later] if ends[earlier] is None else ends[earlier]
        starts[later] = ends[earlier] if starts[later] is None else starts[later]
    return tuple(TimeRange(name=name, start_us=starts[name], end_us=ends[name]) for name in times)
