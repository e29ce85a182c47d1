"""Splits: stable, exact where promised, and clear about what is wrong."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hopyard.compute.row_hash import row_hashes
from hopyard.errors import TrainingDatasetError
from hopyard.model.manifest import RandomSplit, TimeRange, TimeSplit
from hopyard.model.schema import Field
from hopyard.retrieve.split import Marks, assign, check_split, random_split

SCHEMA = (Field(name="k", type="bigint"),)
KEYS = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=60, unique=True)


def identity(keys: Any) -> pa.Table:
    return pa.table({"k": pa.array(keys, pa.int64())})


def split(*ratios: float, mode: Any = "threshold", seed: int = 7) -> RandomSplit:
    return RandomSplit(names=tuple("abcdef"[: len(ratios)]), ratios=ratios, seed=seed, mode=mode)


def places(split_: RandomSplit, keys: Any) -> list[int]:
    found = assign(split_, Marks(hashes=row_hashes(identity(keys), SCHEMA, seed=split_.seed)))
    assert found.dtype == np.int16
    return found.tolist()


@given(keys=KEYS, more=KEYS)
def test_a_row_never_changes_its_split_when_rows_are_added(keys: list[int], more: list[int]) -> None:
    before = dict(zip(keys, places(split(0.6, 0.4), keys), strict=True))
    everything = sorted({*keys, *more})
    after = dict(zip(everything, places(split(0.6, 0.4), everything), strict=True))
    assert all(after[key] == place for key, place in before.items())


@pytest.mark.parametrize("mode", ["threshold", "exact"])
@given(keys=KEYS, data=st.data())
def test_permuted_rows_have_permuted_splits(mode: str, keys: list[int], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(keys))))
    found = places(split(0.5, 0.3, 0.2, mode=mode), keys)
    assert places(split(0.5, 0.3, 0.2, mode=mode), [keys[at] for at in order]) == [found[at] for at in order]


@settings(max_examples=50)
@given(
    n_rows=st.integers(0, 300), share=st.sampled_from([0.1, 0.2, 0.25, 1 / 3, 0.5, 0.7]), equal=st.booleans()
)
def test_exact_sizes(*, n_rows: int, share: float, equal: bool) -> None:
    keys = [1] * n_rows if equal else list(range(n_rows))
    # Ratios count as their decimal text: 1 - 0.7 as doubles is no exact complement, and half a row would show it.
    rest = Decimal(1) - Decimal(str(share))
    found = places(split(share, float(rest), mode="exact"), keys)
    expected = round(Fraction(str(share)) * n_rows)
    assert found.count(0) == expected
    assert found.count(1) == n_rows - expected


def test_exact_takes_the_smallest_hashes_and_equal_ones_in_row_order() -> None:
    hashes = row_hashes(identity(range(40)), SCHEMA, seed=7)
    found = np.array(places(split(0.25, 0.75, mode="exact"), range(40)))
    assert hashes[found == 0].max() < hashes[found == 1].min()
    assert places(split(0.5, 0.5, mode="exact"), [3, 3, 3, 3]) == [0, 0, 1, 1]


def test_thresholds_are_exact() -> None:
    keys = range(2000)
    hashes = row_hashes(identity(keys), SCHEMA, seed=7).tolist()
    expected = [0 if hash_ < 2**62 else 1 if hash_ < 3 * 2**62 else 2 for hash_ in hashes]
    assert places(split(0.25, 0.5, 0.25), keys) == expected
    assert abs(expected.count(1) - 1000) < 150


def test_ratios_need_not_add_up_to_one_as_doubles() -> None:
    assert 0.7 + 0.2 + 0.1 != 1
    found = places(split(0.7, 0.2, 0.1, mode="exact"), range(1000))
    assert [found.count(place) for place in range(3)] == [700, 200, 100]


def test_the_seed_moves_rows() -> None:
    assert places(split(0.5, 0.5, seed=1), range(64)) != places(split(0.5, 0.5, seed=2), range(64))


@pytest.mark.parametrize(
    ("n_rows", "exact", "mode"),
    [
        (9_999, None, "exact"),
        (10_000, None, "threshold"),
        (0, None, "exact"),
        (10, False, "threshold"),
        (10**6, True, "exact"),
    ],
)
def test_small_splits_are_exact(*, n_rows: int, exact: bool | None, mode: str) -> None:
    found = random_split(["train", "test"], [0.9, 0.1], seed=3, n_rows=n_rows, exact=exact)
    assert found == RandomSplit(names=("train", "test"), ratios=(0.9, 0.1), seed=3, mode=mode)


@pytest.mark.parametrize(
    ("names", "ratios", "said"),
    [
        (["train", "test"], [0.8, 0.3], r"train=0\.8, test=0\.3, which add up to 1\.1"),
        (["train", "test"], [0.8, 0.1], r"which add up to 0\.9"),
        (["train", "test"], [1.2, -0.2], r"train=1\.2, test=-0\.2: each must be above 0"),
        (["train", "test"], [1.0, 0.0], "above 0 and below 1"),
        (["train", "test"], [float("nan"), 0.5], "train=nan"),
        (["train"], [1.0], "above 0 and below 1"),
        (["train", "test"], [1.0], "2 splits and 1 ratios"),
        (["train", "train"], [0.5, 0.5], "each a name of its own"),
        ([], [], "at least one"),
    ],
)
def test_ratios_that_make_no_split(names: list[str], ratios: list[float], said: str) -> None:
    with pytest.raises(TrainingDatasetError, match=said):
        random_split(names, ratios, seed=1, n_rows=10)


def time_split(*ranges: tuple[int | None, int | None]) -> TimeSplit:
    return TimeSplit(
        ranges=tuple(
            TimeRange(name="abc"[at], start_us=start, end_us=end) for at, (start, end) in enumerate(ranges)
        )
    )


def times(split_: TimeSplit, *event_times: int) -> list[int]:
    return assign(split_, Marks(event_time_us=np.array(event_times, np.int64))).tolist()


def test_a_range_includes_its_start_and_not_its_end() -> None:
    assert times(time_split((10, 20), (20, 30)), 9, 10, 19, 20, 29, 30) == [-1, 0, 0, 1, 1, -1]


def test_ranges_may_be_open_apart_and_in_any_order() -> None:
    assert times(time_split((50, None), (None, 0), (1, 40)), -(2**62), -1, 0, 1, 45, 50, 2**62) == [
        1,
        1,
        -1,
        2,
        -1,
        0,
        0,
    ]


@pytest.mark.parametrize(
    ("ranges", "said"),
    [
        (
            [(0, 20_000_000), (10_000_000, None)],
            r"'a' \(from 1970-01-01T00:00:00Z to 1970-01-01T00:00:20Z\) and 'b'",
        ),
        ([(10, 20), (None, 11)], "'b' .from the beginning to .* and 'a' .* overlap"),
        ([(None, None), (5, 6)], "overlap"),
        ([(5, 5)], "'a' .* holds no instant"),
        ([(6, 5)], "'a' .* ends before it starts"),
        ([], "at least one"),
    ],
)
def test_ranges_that_make_no_split(ranges: list[tuple[int | None, int | None]], said: str) -> None:
    with pytest.raises(TrainingDatasetError, match=said):
        check_split(time_split(*ranges))


def test_what_a_split_needs() -> None:
    with pytest.raises(TrainingDatasetError, match="needs an event time"):
        assign(time_split((0, 1)), Marks())
    with pytest.raises(TrainingDatasetError, match="needs columns that identify the rows"):
        assign(split(0.5, 0.5), Marks())
