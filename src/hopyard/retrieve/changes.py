"""What changed in a feature group between two commits: the difference of two snapshots, not a replay of the history.

So it is net by construction: what was inserted and removed again, or updated back, does not show. Files that both
snapshots have hold the same rows and are not opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from hopyard.compute.convert import check_dataframe_type, check_limit, to_dataframe
from hopyard.compute.row_hash import equal_rows, hash_pairs
from hopyard.errors import QueryError, TimeTravelError
from hopyard.model.arrow import to_arrow, to_arrow_schema
from hopyard.model.commit import Commit, Snapshot
from hopyard.model.schema import Schema
from hopyard.model.specs import FeatureGroupSpec
from hopyard.model.types import FeatureType
from hopyard.ports import Statement
from hopyard.query.build import group_source
from hopyard.query.resolve import commit_at
from hopyard.query.scan import column, read_files
from hopyard.session import Session
from hopyard.time import Instant, to_micros

CHANGE_TYPE = "_change_type"
Kind = Literal["insert", "update", "delete"]
Pairs = npt.NDArray[np.uint64]
"""Two rows of hashes: together they are as good as the rows of a table that they stand for."""


@dataclass(frozen=True, slots=True)
class Between:
    """The two states that are compared, each without the files that both have; `start` None: before all commits.

    Attributes:
        start_commit, end_commit: their numbers.
        features: those that the group has at the end.
    """

    start_commit: int | None
    end_commit: int
    start: Snapshot
    end: Snapshot
    features: Schema


def read_changes(
    session: Session,
    spec: FeatureGroupSpec,
    start: Instant | int | None,
    end: Instant | int | None,
    *,
    include_change_type: bool,
    dataframe_type: str,
) -> Any:
    """Return the net changes of a group as a dataframe; see `FeatureGroup.read_changes`."""
    check_dataframe_type(dataframe_type)
    table = changes_table(session, spec, between(session, spec, start, end))
    if not include_change_type:
        is_there = pc.not_equal(table.column(CHANGE_TYPE), "delete")
        table = table.filter(is_there).drop_columns([CHANGE_TYPE])
    return to_dataframe(table, dataframe_type)


def list_commits(
    session: Session, spec: FeatureGroupSpec, *, limit: int | None, as_of: Instant | int | None
) -> list[Commit]:
    """Return the commits of a group, newest first; see `FeatureGroup.commit_details`."""
    check_limit(limit)
    commits = session.offline.commits(spec.location)
    if as_of is not None:
        last = _number(session, spec, as_of)
        if all(commit.number != last for commit in commits):
            raise TimeTravelError(
                f"There is no commit {last} of {spec.label!r}: the last is {commits[-1].number}."
            )
        commits = [commit for commit in commits if commit.number <= last]
    return list(commits)[::-1][:limit]


def between(
    session: Session, spec: FeatureGroupSpec, start: Instant | int | None, end: Instant | int | None
) -> Between:
    """Return the states at two instants or commit numbers.

    Args:
        start: None, or an instant before the first commit: nothing was there.
        end: None: the latest state.
    Raises:
        TimeTravelError: `start` is later than `end`, `end` is before the first commit, or a state cannot be read.
        QueryError: the engine cannot read the files of a snapshot.
    """
    if not session.engine.capabilities.has_file_lists:
        raise QueryError(
            f"read_changes() of {spec.label!r} reads the files in which two states differ, which this engine "
            f"({session.engine.capabilities.dialect}) cannot do. Run it on DuckDB."
        )
    # The start is decided first: a commit that comes meanwhile can then only make the end later.
    start_commit = (
        None if start is None or _is_before_all(session, spec, start) else _number(session, spec, start)
    )
    end_commit = None if end is None else _number(session, spec, end)
    if _is_reversed(start, end) or (
        start_commit is not None and end_commit is not None and start_commit > end_commit
    ):
        raise TimeTravelError(
            f"start={start!r} is later than end={end!r}: the changes of {spec.label!r} are read from the earlier "
            f"state to the later one. Swap them."
        )
    last = session.offline.snapshot(spec.location, end_commit)
    if start_commit is None:
        first = msgspec.structs.replace(last, files=(), columns=())
    else:
        first = session.offline.snapshot(spec.location, start_commit)
    shared = {file.path for file in first.files} & {file.path for file in last.files}
    first, kept = (
        msgspec.structs.replace(side, files=tuple(file for file in side.files if file.path not in shared))
        for side in (first, last)
    )
    features = tuple(field for field in spec.schema if field.name in last.columns)
    return Between(start_commit, last.commit, first, kept, features)


def changes_table(session: Session, spec: FeatureGroupSpec, states: Between) -> pa.Table:
    """Return the net changes: the features at the end, and `_change_type` (insert, update or delete).

    An inserted or updated row has its values at the end, a deleted one those that it had at the start. The order is
    that of the row identity; without one, it is arbitrary and the same every time.
    """
    schema = pa.schema([*to_arrow_schema(states.features), pa.field(CHANGE_TYPE, pa.string())])
    batches = _keyed(session, spec.identity, states) if spec.identity else _keyless(session, states)
    table = pa.Table.from_batches([batch for part in batches for batch in part.to_batches()], schema)
    if spec.identity:
        return table.sort_by([(name, "ascending") for name in spec.identity])
    return table.take(np.lexsort(hash_pairs(table, states.features)[::-1]))


def _number(session: Session, spec: FeatureGroupSpec, when: Instant | int) -> int:
    return when if isinstance(when, int) else commit_at(session, group_source(spec), to_micros(when))


def _is_before_all(session: Session, spec: FeatureGroupSpec, when: Instant | int) -> bool:
    if isinstance(when, int):
        return False
    return to_micros(when) < session.offline.commits(spec.location)[0].committed_at_us


def _is_reversed(start: Instant | int | None, end: Instant | int | None) -> bool:
    """Return whether two instants are in the wrong order, although they may mean one commit."""
    if start is None or end is None or isinstance(start, int) or isinstance(end, int):
        return False
    return to_micros(start) > to_micros(end)


def _keyed(session: Session, identity: tuple[str, ...], states: Between) -> Iterator[pa.Table]:
    """Yield the changes of a group with row identities: both sides joined on them, then compared bit for bit."""
    names = [field.name for field in states.features]
    values = tuple(field for field in states.features if field.name not in identity)
    sides = {"start": states.start, "end": states.end}
    columns = [
        exp.alias_(column(name, side), f"{side}.{name}", quoted=True) for side in sides for name in names
    ]
    first, last = (
        exp.alias_(read_files(snapshot, states.features), side, table=True)
        for side, snapshot in sides.items()
    )
    same = (exp.EQ(this=column(name, "start"), expression=column(name, "end")) for name in identity)
    tree = exp.select(*columns, copy=False).from_(first, copy=False)
    tree = tree.join(last, on=exp.and_(*same, copy=False), join_type="full outer", copy=False)
    if (differs := _may_differ(identity, values)) is not None:
        tree = tree.where(differs, copy=False)
    schema = pa.schema(
        [pa.field(f"{side}.{f.name}", to_arrow(f.feature_type)) for side in sides for f in states.features]
    )
    for batch in session.engine.run(Statement(tree=tree, schema=schema)):
        table = pa.Table.from_batches([batch])
        before, after = (
            table.select([f"{side}.{name}" for name in names]).rename_columns(names) for side in sides
        )
        # A key is never null, so a null one is that of a side without such a row.
        is_new, is_gone = (side.column(identity[0]).is_null().to_numpy() for side in (before, after))
        is_updated = ~is_new & ~is_gone & ~equal_rows(before, after, values)
        yield _typed(after.filter(pa.array(is_new)), "insert")
        yield _typed(after.filter(pa.array(is_updated)), "update")
        yield _typed(before.filter(pa.array(is_gone)), "delete")


def _may_differ(identity: tuple[str, ...], values: Schema) -> exp.Expr | None:
    """Return a condition that drops most pairs of equal rows and no others; None: there is no such condition.

    The engine has 0.0 = -0.0, so signs are compared, too; inside arrays and structs they cannot be. (Signs of NaN
    differ for nothing here, which the comparison after the query sets right.)
    """
    if any(
        field.feature_type.kind in ("array", "struct") and _has_floats(field.feature_type) for field in values
    ):
        return None
    conditions: list[exp.Expr] = [
        exp.Is(this=column(identity[0], side), expression=exp.Null()) for side in ("start", "end")
    ]
    for field in values:
        pair = [column(field.name, side) for side in ("start", "end")]
        conditions.append(exp.NullSafeNEQ(this=pair[0], expression=pair[1]))
        if _has_floats(field.feature_type):
            signs = [exp.Anonymous(this="signbit", expressions=[value.copy()]) for value in pair]
            conditions.append(exp.NullSafeNEQ(this=signs[0], expression=signs[1]))
    return exp.or_(*conditions, copy=False)


def _has_floats(type_: FeatureType) -> bool:
    inner = [type_.element] if type_.element is not None else [field for _, field in type_.fields]
    return type_.kind in ("float", "double") or any(_has_floats(part) for part in inner)


def _keyless(session: Session, states: Between) -> Iterator[pa.Table]:
    """Yield the changes of a group without row identities, in which equal rows are counted: inserts and deletes."""
    sides: list[tuple[Snapshot, Kind]] = [(states.start, "delete"), (states.end, "insert")]
    if not (states.start.files and states.end.files):  # as after an append: nothing can cancel
        for snapshot, kind in sides:
            yield from (_typed(table, kind) for table in _read(session, snapshot, states.features))
        return
    hashes, surplus = _surplus(*(_hashes(session, snapshot, states.features) for snapshot, _ in sides))
    for snapshot, kind in sides:
        left = np.maximum(surplus if kind == "insert" else -surplus, 0)
        for table in _read(session, snapshot, states.features):
            places = _places(hashes, hash_pairs(table, states.features))
            is_surplus = _occurrences(places) < left[places]
            np.subtract.at(left, places[is_surplus], 1)
            yield _typed(table.filter(pa.array(is_surplus)), kind)


def _hashes(session: Session, snapshot: Snapshot, features: Schema) -> Pairs:
    found = [hash_pairs(table, features) for table in _read(session, snapshot, features)]
    return np.concatenate([np.empty((2, 0), np.uint64), *found], axis=1)


def _surplus(start: Pairs, end: Pairs) -> tuple[Pairs, npt.NDArray[np.int64]]:
    """Return the hashes of both sides, sorted and each once, and how many more rows have each at the end."""
    pairs = np.concatenate([start, end], axis=1)
    weights = np.repeat([-1, 1], [start.shape[1], end.shape[1]])
    order = np.lexsort(pairs[::-1])
    pairs, weights = pairs[:, order], weights[order]
    is_first = np.append(True, (pairs[:, 1:] != pairs[:, :-1]).any(axis=0))[: len(weights)]
    surplus: npt.NDArray[np.int64] = np.add.reduceat(weights, np.flatnonzero(is_first))
    return pairs[:, is_first], surplus


def _places(hashes: Pairs, wanted: Pairs) -> npt.NDArray[np.int64]:
    """Return where hashes are among sorted ones that contain them all."""
    places: npt.NDArray[np.int64] = np.searchsorted(hashes[0], wanted[0])
    while (is_other := hashes[1][places] != wanted[1]).any():  # one first hash of different rows: hardly ever
        places[is_other] += 1
    return places


def _occurrences(places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return for each value how many equal ones are before it."""
    order = np.argsort(places, stable=True)
    ordered = places[order]
    is_first = np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]
    starts = np.flatnonzero(is_first)
    numbers = np.arange(len(ordered)) - np.repeat(starts, np.diff(np.append(starts, len(ordered))))
    result = np.empty_like(numbers)
    result[order] = numbers
    return result


def _read(session: Session, snapshot: Snapshot, features: Schema) -> Iterator[pa.Table]:
    tree = exp.select(*(column(field.name) for field in features), copy=False)
    tree = tree.from_(read_files(snapshot, features), copy=False)
    for batch in session.engine.run(Statement(tree=tree, schema=to_arrow_schema(features))):
        yield pa.Table.from_batches([batch])


def _typed(rows: pa.Table, kind: Kind) -> pa.Table:
    return rows.append_column(CHANGE_TYPE, pa.repeat(pa.scalar(kind), rows.num_rows))
