"""Quick answers about order and repetition never contradict the exact ones."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopyard.compute.ordinals import is_sorted, may_repeat, ordinals

SMALL = st.integers(-2, 2)
WIDE = st.integers(-(2**63), 2**63 - 1)


def columns(rows: list[tuple[int, int]]) -> list[pa.ChunkedArray]:
    first, second = ([row[place] for row in rows] for place in (0, 1))
    return [
        pa.chunked_array([pa.array(first, pa.int64()).cast(pa.timestamp("us", "UTC"))]),
        pa.chunked_array([pa.array(second, pa.int64())]),
    ]


@given(st.lists(st.tuples(SMALL | WIDE, SMALL | WIDE)))
def test_order_and_repetition_of_whole_numbers(rows: list[tuple[int, int]]) -> None:
    assert is_sorted(columns(rows)) == (rows == sorted(rows))
    assert may_repeat(columns(rows)) == (len(set(rows)) < len(rows))
    ascending = sorted(rows)
    assert is_sorted(columns(ascending))


@pytest.mark.parametrize(
    "column", [pa.array(["a", "b"]), pa.array([1.0, 2.0]), pa.array([1, None]), pa.array([1, 2], pa.uint64())]
)
def test_other_columns_and_nulls_are_left_to_the_exact_way(column: pa.Array) -> None:
    chunked = pa.chunked_array([column])
    assert may_repeat([chunked]) and not is_sorted([chunked])
    assert may_repeat([]) and not is_sorted([])


def test_dates_count_days() -> None:
    values = ordinals(pa.chunked_array([pa.array([3, -1], pa.int32()).cast(pa.date32())]))
    assert values is not None
    assert values.tolist() == [3, -1]
