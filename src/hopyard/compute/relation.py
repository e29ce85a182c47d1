"""What one column says about another: exact counts over whole columns, equal for any order of the rows.

Columns come as numpy arrays of equal length. What is not known (null, NaN) is left out by the caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Values = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often two columns are equal.

    Attributes:
        n_pairs: how many pairs there are.
        n_equal: how many of them are equal.
        n_telling: pairs in which a side is not the second column's most frequent value: the others are equal by
            chance alone where that value is very frequent.
        n_telling_equal: how many of these are equal.
        is_constant: a side has one value only, so that equality says nothing.
    """

    n_pairs: int
    n_equal: int
    n_telling: int
    n_telling_equal: int
    is_constant: bool

    @property
    def share(self) -> Fraction:
        """The share of equal pairs, from 0 to 1."""
        return Fraction(self.n_equal, max(self.n_pairs, 1))


def rank_auc(values: Values, is_positive: Mask) -> Fraction:
    """Return the exact area under the ROC curve of a column as the score of a binary label; a tie counts one half.

    It is U / (P N), with the U statistic of Mann and Whitney (1947) over P positive and N negative rows: the share of
    pairs of a positive and a negative row in which the positive one has the greater value.

    Raises:
        ValueError: a class has no rows.
    """
    positive, negative = np.sort(values[is_positive]), np.sort(values[~is_positive])
    if not len(positive) or not len(negative):
        raise ValueError("An AUC needs rows of both classes.")
    below = np.searchsorted(negative, positive, side="left").astype(np.int64)
    not_above = np.searchsorted(negative, positive, side="right").astype(np.int64)
    twice_u = int(below.sum()) + int(not_above.sum())
    return Fraction(twice_u, 2 * len(positive) * len(negative))


def category_auc(codes: Places, is_positive: Mask) -> Fraction:
    """Return the AUC of categories ordered by their share of positive rows: the best that any order of them has.

    It is fitted to the very rows that it is measured on, so it says something of frequent categories only.

    Args:
        codes: whole numbers from 0.
    Raises:
        ValueError: a class has no rows.
    """
    n_rows = np.bincount(codes)
    n_positive = np.bincount(codes[is_positive], minlength=len(n_rows))
    # Shares with the same value must tie exactly: reduced fractions as ranks, not quotients of floats.
    used = np.flatnonzero(n_rows)
    shares = {int(code): Fraction(int(n_positive[code]), int(n_rows[code])) for code in used}
    rank = {share: place for place, share in enumerate(sorted(set(shares.values())))}
    ranks = np.zeros(len(n_rows), np.int64)
    for code, share in shares.items():
        ranks[code] = rank[share]
    return rank_auc(ranks[codes], is_positive)


def agreement(left: Values, right: Values, is_equal: Mask) -> Agreement:
    """Return how often two columns are equal.

    Args:
        left, right: values or codes that are equal for equal values within a column.
        is_equal: whether the values of the columns are equal, row by row.
    """
    n_pairs = len(is_equal)
    if not n_pairs:
        return Agreement(0, 0, 0, 0, is_constant=True)
    values, counts = np.unique(right, return_counts=True)
    if len(values) == 1 or bool((left == left[0]).all()):
        return Agreement(n_pairs, int(is_equal.sum()), 0, 0, is_constant=True)
    is_frequent = right == values[np.argmax(counts)]  # the least of those that are equally frequent
    is_telling = ~(is_frequent & is_equal)
    return Agreement(
        n_pairs,
        int(is_equal.sum()),
        int(is_telling.sum()),
        int((is_telling & is_equal).sum()),
        is_constant=False,
    )


def group_codes(columns: Sequence[pa.ChunkedArray | pa.Array]) -> Places:
    """Return a number from 0 per row, equal for rows whose values are equal in all columns; -1: one of them is null."""
    codes: Places | None = None
    is_null = np.zeros(len(columns[0]), np.bool_)
    for column in columns:
        array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        encoded = pc.dictionary_encode(array)
        indices = encoded.indices
        is_null |= np.asarray(indices.is_null())
        own = np.asarray(indices.fill_null(0)).astype(np.int64)
        if codes is None:
            codes = own
        else:
            pairs = codes * max(len(encoded.dictionary), 1) + own
            codes = np.unique(pairs, return_inverse=True)[1].astype(np.int64)
    assert codes is not None
    return np.where(is_null, -1, codes)


def next_rows(groups: Places, order_by: Values) -> tuple[Places, Places]:
    """Return pairs of places of neighbouring rows: each row, and the next one of its group by `order_by`.

    Rows that tie stay in their order.

    Args:
        groups: as `group_codes` gives them; rows with -1 have no neighbours.
    """
    order = np.lexsort((order_by, groups))
    before, after = order[:-1], order[1:]
    is_pair = (groups[before] == groups[after]) & (groups[before] >= 0)
    return before[is_pair], after[is_pair]
