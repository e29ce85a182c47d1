"""What one column says about another, against definitions in plain Python."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopyard.compute.relation import agreement, category_auc, group_codes, next_rows, rank_auc

SCORED = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=40).filter(
    lambda rows: len({is_positive for _, is_positive in rows}) == 2
)


def columns(rows: list[tuple[int, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([value for value, _ in rows]), np.array([is_positive for _, is_positive in rows])


def auc_by_definition(rows: list[tuple[Fraction | int, bool]]) -> Fraction:
    """The share of pairs in which the positive row is greater; a tie counts one half."""
    positive = [value for value, is_positive in rows if is_positive]
    negative = [value for value, is_positive in rows if not is_positive]
    pairs = list(product(positive, negative))
    wins = sum(2 if a > b else 1 if a == b else 0 for a, b in pairs)
    return Fraction(wins, 2 * len(pairs))


@given(SCORED)
def test_rank_auc_is_exact(rows: list[tuple[int, bool]]) -> None:
    assert rank_auc(*columns(rows)) == auc_by_definition(list(rows))


@given(SCORED, st.randoms(use_true_random=False))
def test_rank_auc_does_not_depend_on_the_order_of_rows(rows: list[tuple[int, bool]], random) -> None:  # type: ignore[no-untyped-def]
    expected = rank_auc(*columns(rows))
    random.shuffle(rows)
    assert rank_auc(*columns(rows)) == expected


def test_rank_auc_tells_neighbouring_large_integers_apart() -> None:
    values = np.array([2**62, 2**62 + 1], np.int64)  # equal as doubles
    assert rank_auc(values, np.array([False, True])) == 1
    assert rank_auc(values, np.array([True, False])) == 0


def test_rank_auc_of_one_class_is_an_error() -> None:
    with pytest.raises(ValueError, match="rows of both classes"):
        rank_auc(np.array([1, 2]), np.array([True, True]))


@given(SCORED)
def test_category_auc_orders_by_the_share_of_positive_rows(rows: list[tuple[int, bool]]) -> None:
    codes, is_positive = columns(rows)
    shares = {
        code: Fraction(sum(p for c, p in rows if c == code), sum(1 for c, _ in rows if c == code))
        for code in set(codes.tolist())
    }
    expected = auc_by_definition([(shares[code], p) for code, p in rows])
    assert category_auc(codes + 3, is_positive) == expected
    assert expected >= Fraction(1, 2)


def test_agreement_counts_equal_pairs_and_those_that_tell_something() -> None:
    left, right = np.array([0, 0, 0, 1, 1, 0]), np.array([0, 0, 0, 1, 0, 1])
    found = agreement(left, right, left == right)
    assert (found.n_pairs, found.n_equal, found.share) == (6, 4, Fraction(2, 3))
    assert (found.n_telling, found.n_telling_equal) == (
        3,
        1,
    )  # the three pairs of the frequent 0 tell nothing
    assert not found.is_constant


@pytest.mark.parametrize(("left", "right"), [([1, 1], [1, 2]), ([1, 2], [1, 1]), ([], [])])
def test_agreement_with_a_constant_says_so(left: list[int], right: list[int]) -> None:
    a, b = np.array(left), np.array(right)
    assert agreement(a, b, a == b).is_constant


def test_group_codes_are_equal_where_all_columns_are() -> None:
    codes = group_codes(
        [
            pa.chunked_array([["a", "a"], ["b", "a", None]]),
            pa.chunked_array([[1, 2, 1, 1, 1]]),
        ]
    )
    assert codes[0] == codes[3] and len(set(codes.tolist())) == 4 and codes[4] == -1
    assert (codes[:4] >= 0).all()


def test_next_rows_follow_within_a_group_by_time_and_ties_keep_their_order() -> None:
    groups = np.array([0, 1, 0, 0, 1, -1, -1])
    times = np.array([5, 1, 3, 5, 0, 1, 2])
    before, after = next_rows(groups, times)
    assert list(zip(before.tolist(), after.tolist(), strict=True)) == [(2, 0), (0, 3), (4, 1)]
