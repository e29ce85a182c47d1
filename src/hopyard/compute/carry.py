"""The profile of rows after some of them came and others went: the same, bit for bit, as if all were looked at.

Counts, sums and tallies of the rows that came are added, those of the rows that went are taken off. Where these do not
say all, one column is looked at again, for what is open: all of it where a row that went had the least or the greatest
value; its histogram, and perhaps its sums, where a row that came has a new one, since bins and frames follow the ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from hopyard.compute.column_profile import ColumnProfile, Ends
from hopyard.compute.frame import Frame
from hopyard.compute.profile import (
    COLUMNS_AT_ONCE,
    MAX_CARRIED_COLUMNS,
    Profile,
    Rows,
    add_up,
    blocks,
    chosen,
    count,
    count_bins,
    finish,
    measure,
    n_bins,
    tallied_together,
)
from hopyard.model.statistics import ColumnStatistics, StatisticsConfig


@dataclass(frozen=True, slots=True)
class Change:
    """Rows that came, and rows that went, since a profile was made."""

    added: Rows
    removed: Rows


def carry(
    old: Profile, rows: Rows, change: Change, config: StatisticsConfig
) -> tuple[tuple[ColumnStatistics, ...], Profile] | None:
    """Return the statistics of all rows and their profile, made of the one before; None: only all rows can tell.

    Args:
        old: made with the same number of bins, and of rows with the same identity.
        rows: all rows as they are now.
    """
    fields, bins, share = chosen(rows.schema, config), n_bins(config), rows.share
    if share is None or share < old.sample.share or len(fields) > MAX_CARRIED_COLUMNS:
        return None
    if change.removed.n_rows and not rows.identity:
        return None
    known = {column.name: column for column in old.columns}
    same = [item for item in fields if item.name in known and known[item.name].type == item.feature_type]
    carried: dict[str, ColumnProfile] = {}
    for start in range(0, len(same), COLUMNS_AT_ONCE):
        columns = _carried(
            [known[item.name] for item in same[start : start + COLUMNS_AT_ONCE]], rows, change, bins
        )
        carried |= {column.name: column for column in columns}
    sample = old.sample.of(set(carried)).below(share)
    if change.removed.n_rows:
        sample = sample.without(change.removed.sample([], share))
    if change.added.n_rows:
        sample = sample.plus(change.added.sample(list(carried.values()), share))
    for columns in blocks(rows, [item for item in fields if item.name not in carried]):
        looked_at = measure(rows, columns, bins)
        if looked_at is not None:
            sample = sample.beside(looked_at)
        carried |= {column.name: column for column in columns}
    ordered = tuple(carried[item.name] for item in fields)
    for start in range(0, len(ordered), COLUMNS_AT_ONCE):
        finish(rows, ordered[start : start + COLUMNS_AT_ONCE], sample, config)
    return tuple(column.result(bins) for column in ordered), Profile(ordered, sample)


@dataclass(slots=True)
class _Move:
    """A column before a change, in the rows that came, in those that went, and after it."""

    old: ColumnProfile
    added: ColumnProfile
    removed: ColumnProfile
    new: ColumnProfile


def _carried(olds: Sequence[ColumnProfile], rows: Rows, change: Change, bins: int) -> list[ColumnProfile]:
    """Return the profiles that can be carried on."""
    fields = [column.field for column in olds]
    sides = [next(blocks(part, fields), []) for part in (change.added, change.removed, rows)]
    for part, columns in zip((change.added, change.removed), sides, strict=False):
        if part.n_rows:
            count(part, columns)
    moves = [_Move(*columns) for columns in zip(olds, *sides, strict=True)]
    moves = [move for move in moves if _count(move)]
    with ThreadPoolExecutor(1) as beside:  # the longest part, while the others mostly wait for Python
        looked_at = beside.submit(_look_again, moves, rows, bins)
        known = _tally(moves, change)
        _sum(moves, change, bins)
        for column, counted in looked_at.result().items():
            column.sums = replace(column.sums, bins=counted)
    return [move.new for move in known]


def _count(move: _Move) -> bool:
    """Find the counts and the ends. Return whether the ends are known."""
    new = move.new
    new.counts = move.old.counts.plus(move.added.counts).plus(move.removed.counts, -1)
    ends = [
        _end(
            getattr(move.old.ends, name),
            getattr(move.added.ends, name),
            getattr(move.removed.ends, name),
            pick,
        )
        for name, pick in (("low", min), ("high", max), ("least", min), ("greatest", max))
    ]
    new.ends = Ends(*(end for end, _ in ends))
    return all(is_known for _, is_known in ends)


def _end(old: Any, added: Any, removed: Any, pick: Callable[..., Any]) -> tuple[Any, bool]:
    """Return an end, and whether it is known: not where it went, unless what came is there, too, or further out."""
    there = [end for end in (old, added) if end is not None]
    found = pick(there) if there else None
    return found, removed is None or removed != old or found == added


def _tally(moves: Sequence[_Move], change: Change) -> list[_Move]:
    """Find the tallies. Return the columns of which they are known, or that have none."""
    olds = [(move, move.old.tally) for move in moves if move.old.tally is not None]
    added = tallied_together(change.added, [(move.added, tally.wider()) for move, tally in olds])
    removed = tallied_together(change.removed, [(move.removed, tally.wider()) for move, tally in olds])
    for (move, tally), plus, minus in zip(olds, added, removed, strict=True):
        move.new.tally = tally.changed(plus, minus)
    return [move for move in moves if move.old.tally is None or move.new.tally is not None]


def _sum(moves: Sequence[_Move], change: Change, bins: int) -> None:
    """Find sums and histograms by the rows that came and went, in the frames of all rows."""
    framed = [(move, move.new.frame) for move in moves if move.new.is_number and move.new.n_finite]
    add_up(change.added, [(move.added, frame) for move, frame in framed], bins)
    add_up(change.removed, [(move.removed, frame) for move, frame in framed], bins)
    for move, frame in framed:
        if _has_frame(move, frame):
            move.new.sums = move.old.sums.plus(move.added.sums).plus(move.removed.sums, -1)


def _look_again(moves: Sequence[_Move], rows: Rows, bins: int) -> Mapping[ColumnProfile, tuple[int, ...]]:
    """Find sums where the frame is a new one, and return counts of new bins, by all rows."""
    framed = [(move, move.new.frame) for move in moves if move.new.is_number and move.new.n_finite]
    add_up(rows, [(move.new, frame) for move, frame in framed if not _has_frame(move, frame)], bins)
    moved = [
        (move.new, frame) for move, frame in framed if _has_frame(move, frame) and move.old.frame != frame
    ]
    return count_bins(rows, moved, bins)


def _has_frame(move: _Move, frame: Frame) -> bool:
    """Return whether sums of before are in this frame."""
    return move.old.n_finite > 0 and move.old.frame.key == frame.key
