"""From the offline table to the online one: the newest row per key, in commit order.

The online state after commit N is a function of the table's snapshot N alone. Whoever applies holds the group's lock;
the position that is stored with the rows says how far the online table has come.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from hopyard.compute.event_time import event_times_us
from hopyard.compute.layout import online_table
from hopyard.errors import OnlineBehindError, StoreError
from hopyard.model.arrow import to_arrow_schema
from hopyard.model.commit import Commit, Snapshot
from hopyard.model.position import CommitPosition
from hopyard.model.specs import FeatureGroupSpec
from hopyard.online.codec import encode_keys, encode_rows
from hopyard.ports import EncodedRows, Statement
from hopyard.query.scan import column, event_micros, read_files
from hopyard.session import Session

_ROW = "__row"


def apply_rows(
    session: Session, spec: FeatureGroupSpec, rows: pa.Table, commit: Commit, previous: int
) -> None:
    """Apply the rows that a commit wrote; rebuild if the online table is not at the commit before it.

    Args:
        rows: the written rows, sorted by event time; an older one never replaces a newer one.
        previous: the number of the commit before.
    Raises:
        OnlineBehindError: the online store cannot be written; the commit stands.
    """
    try:
        table = online_table(spec)
        if session.online.position(spec.id) != CommitPosition(number=previous):
            rebuild(session, spec)
            return
        newest = encode(spec, _newest(spec, rows))  # to encode costs more than to choose
        session.online.write(table, newest, CommitPosition(number=commit.number))
    except Exception as error:  # whatever it is: the commit stands, and must not be repeated
        raise _behind(session, spec, commit.number, error) from error


def apply_removal(
    session: Session, spec: FeatureGroupSpec, keys: pa.Table, commit: Commit, previous: int
) -> None:
    """Set the keys that a removal touched to what the snapshot after it holds. Raises OnlineBehindError.

    Args:
        keys: the touched primary keys.
    """
    try:
        table = online_table(spec)
        if session.online.position(spec.id) != CommitPosition(number=previous):
            rebuild(session, spec)
            return
        snapshot = session.offline.snapshot(spec.location, commit.number)
        remaining = newest_rows(session, spec, snapshot, keys=keys).read_all()
        found = encode(spec, remaining)
        touched = encode_keys(table, keys.select(list(spec.primary_key)))
        gone = pc.unique(touched.filter(pc.invert(pc.is_in(touched, value_set=found.keys))))
        final = EncodedRows(
            keys=pa.concat_arrays([found.keys, gone]),
            rows=pa.concat_arrays([found.rows, pa.nulls(len(gone), found.rows.type)]),
            is_final=True,
        )
        session.online.write(table, final, CommitPosition(number=commit.number))
    except Exception as error:  # whatever it is: the commit stands, and must not be repeated
        raise _behind(session, spec, commit.number, error) from error


def catch_up(session: Session, spec: FeatureGroupSpec) -> int:
    """Bring the online table to the last commit, and return how many commits it was behind.

    The caller holds the group's lock. Raises OnlineBehindError.
    """
    last = session.offline.commits(spec.location)[-1].number
    try:
        behind = n_behind(session, spec)
        if behind:
            rebuild(session, spec)
    except Exception as error:
        raise _behind(session, spec, last, error) from error
    return behind


def n_behind(session: Session, spec: FeatureGroupSpec) -> int:
    """Return how many commits the online table lacks."""
    position = session.online.position(spec.id)
    number = position.number if isinstance(position, CommitPosition) else -1
    return sum(commit.number > number for commit in session.offline.commits(spec.location))


def rebuild(session: Session, spec: FeatureGroupSpec) -> Commit:
    """Replace the online table by the newest rows of the last snapshot; return that snapshot's commit."""
    commit = session.offline.commits(spec.location)[-1]
    snapshot = session.offline.snapshot(spec.location, commit.number)
    table = online_table(spec)
    session.online.ensure(table)
    session.online.replace(table, _batches(session, spec, snapshot), CommitPosition(number=commit.number))
    return commit


def encode(spec: FeatureGroupSpec, rows: pa.Table) -> EncodedRows:
    """Return the keys and rows of a group's table as stored online."""
    table = online_table(spec)
    times = None
    if spec.event_time is not None:
        field = spec.feature(spec.event_time).field
        times = event_times_us(field, spec.event_time_unit, rows.column(spec.event_time))
    return EncodedRows(keys=encode_keys(table, rows), rows=encode_rows(table, rows, times))


def newest_rows(
    session: Session, spec: FeatureGroupSpec, snapshot: Snapshot, *, keys: pa.Table | None = None
) -> pa.RecordBatchReader:
    """Return the newest row per primary key of a snapshot, of all keys or of these."""
    tree = exp.select(*(column(field.name, "t") for field in spec.schema), copy=False)
    tree = tree.from_(exp.alias_(read_files(snapshot, spec.schema), "t", table=True), copy=False)
    frames = {}
    if keys is not None:
        frames["touched"] = keys.select(list(spec.primary_key)).group_by(list(spec.primary_key)).aggregate([])
        matches = exp.and_(
            *(exp.EQ(this=column(name, "t"), expression=column(name, "k")) for name in spec.primary_key),
            copy=False,
        )
        tree = tree.join(exp.alias_(exp.to_table("touched"), "k", table=True), on=matches, copy=False)
    if spec.event_time is not None:
        micros = event_micros(
            spec.feature(spec.event_time).field, spec.event_time_unit, column(spec.event_time, "t")
        )
        number = exp.Window(
            this=exp.RowNumber(),
            partition_by=[column(name, "t") for name in spec.primary_key],
            order=exp.Order(expressions=[exp.Ordered(this=micros, desc=True, nulls_first=False)]),
        )
        tree.set("qualify", exp.Qualify(this=exp.EQ(this=number, expression=exp.Literal.number(1))))
    return session.engine.run(Statement(tree=tree, schema=to_arrow_schema(spec.schema), frames=frames))


def _batches(session: Session, spec: FeatureGroupSpec, snapshot: Snapshot) -> Iterator[EncodedRows]:
    for batch in newest_rows(session, spec, snapshot):
        yield encode(spec, pa.Table.from_batches([batch]))


def _newest(spec: FeatureGroupSpec, rows: pa.Table) -> pa.Table:
    """Return the last row per primary key: rows come sorted by event time."""
    keys = rows.select(list(spec.primary_key)).append_column(_ROW, pa.array(np.arange(rows.num_rows)))
    last = keys.group_by(list(spec.primary_key)).aggregate([(_ROW, "max")]).column(f"{_ROW}_max")
    return rows if len(last) == rows.num_rows else rows.take(last)


def _behind(session: Session, spec: FeatureGroupSpec, commit: int, cause: Exception) -> OnlineBehindError:
    try:
        behind = n_behind(session, spec)
    except (StoreError, OSError):
        behind = 1
    return OnlineBehindError(spec.label, commit, behind, str(cause))
