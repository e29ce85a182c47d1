"""From the offline table to the online one: the newest row per key, in commit order.

The online state after commit N is a function of the table's snapshot N alone. Whoever applies holds the group's lock;
the position that is stored with the rows says how far the online table has come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from hopyard.compute.event_time import event_times_us
from hopyard.compute.layout import online_table
from hopyard.errors import CorruptStoreError, OnlineBehindError, StoreError
from hopyard.failpoint import around
from hopyard.ingest.freshness import Histogram, ages, record_readable
from hopyard.ingest.probe import files_to_probe
from hopyard.ingest.touched import is_worth_following, touched_keys
from hopyard.model.arrow import to_arrow_schema
from hopyard.model.commit import Commit, Snapshot
from hopyard.model.position import CommitPosition, Position
from hopyard.model.specs import FeatureGroupSpec
from hopyard.online.codec import encode_keys, encode_rows, key_order
from hopyard.ports import EncodedRows, Statement
from hopyard.query.scan import column, event_micros, is_not_null, read_files
from hopyard.session import Session

WRITE_ROWS = 100_000
"""How many rows of changed keys are written at once, or one batch of the engine: what memory holds of them."""
MOST_BYTES = 2**30
"""Of rows that are encoded at once, after a commit; what is larger is read from the table, a part at a time."""
AHEAD_FROM_ROWS = 50_000
IS_THERE = "__is_there"

Newest: TypeAlias = Callable[[], tuple[pa.Table, EncodedRows]]
"""Gives the last row per primary key of some rows, and the same encoded, sorted by key."""


def encode_ahead(spec: FeatureGroupSpec, rows: pa.Table) -> Newest | None:
    """Return what gives the newest of the rows that a commit is about to write, or None: they are too large for that.

    Many rows are encoded in a thread, while the offline store writes: each leaves most of the work to the other core.

    Args:
        rows: sorted by event time.
    """
    if rows.nbytes > MOST_BYTES:
        return None
    if rows.num_rows < AHEAD_FROM_ROWS:
        return partial(_newest, spec, rows)
    pool = ThreadPoolExecutor(1, thread_name_prefix="hopyard-encode")
    newest = pool.submit(_newest, spec, rows)
    pool.shutdown(wait=False)
    return newest.result


def apply_rows(
    session: Session,
    spec: FeatureGroupSpec,
    newest: Newest | None,
    commit: Commit,
    previous: int,
    *,
    is_migrated: bool = False,
) -> None:
    """Apply the rows that a commit wrote, and before them what the online table lacks.

    Args:
        newest: from `encode_ahead`; an older row never replaces a newer one. None: the rows are read from the table.
        previous: the number of the commit before.
        is_migrated: its time is that of another system, and says nothing about how fast it became readable.
    Raises:
        OnlineBehindError: the online store cannot be written; the commit stands.
    """
    try:
        position = session.online.position(spec.id)
        if position != CommitPosition(number=previous) or newest is None:
            _bring_up(session, spec, session.offline.commits(spec.location), position)
            return
        rows, encoded = newest()
        with around(session.failpoint, "online_apply"):
            session.online.write(online_table(spec), encoded, CommitPosition(number=commit.number))
    except Exception as error:  # whatever it is: the commit stands, and must not be repeated
        raise _behind(session, spec, commit.number, error) from error
    if not is_migrated:
        record_readable(session, spec, [commit], _ages(session, spec, rows))


def apply_removal(
    session: Session, spec: FeatureGroupSpec, keys: pa.Table, commit: Commit, previous: int
) -> None:
    """Set the keys that a removal touched to what the snapshot after it holds. Raises OnlineBehindError.

    Args:
        keys: of the removed rows.
    """
    try:
        position = session.online.position(spec.id)
        if position != CommitPosition(number=previous):
            _bring_up(session, spec, session.offline.commits(spec.location), position)
            return
        touched = keys.select(list(spec.primary_key)).group_by(list(spec.primary_key)).aggregate([])
        _set_rows(session, spec, touched, CommitPosition(number=previous), commit.number)
    except Exception as error:  # whatever it is: the commit stands, and must not be repeated
        raise _behind(session, spec, commit.number, error) from error
    record_readable(session, spec, [commit])  # the rows that show again are not new


def catch_up(session: Session, spec: FeatureGroupSpec) -> int:
    """Bring the online table to the last commit, and return how many commits it was behind.

    The caller holds the group's lock. Raises OnlineBehindError.
    """
    commits = session.offline.commits(spec.location)
    try:
        position = session.online.position(spec.id)
        if position != CommitPosition(number=commits[-1].number):
            _bring_up(session, spec, commits, position)
    except Exception as error:
        raise _behind(session, spec, commits[-1].number, error) from error
    return len(commits_after(commits, position))


def commits_after(commits: Sequence[Commit], position: Position | None) -> list[Commit]:
    """Return the commits that an online table at a position lacks."""
    number = position.number if isinstance(position, CommitPosition) else -1
    return [commit for commit in commits if commit.number > number]


def n_behind(session: Session, spec: FeatureGroupSpec) -> int:
    """Return how many commits the online table lacks."""
    return len(commits_after(session.offline.commits(spec.location), session.online.position(spec.id)))


def rebuild(session: Session, spec: FeatureGroupSpec) -> Commit:
    """Replace the online table by the newest rows of the last snapshot; return that snapshot's commit."""
    commit = session.offline.commits(spec.location)[-1]
    snapshot = session.offline.snapshot(spec.location, commit.number)
    table = online_table(spec)
    with around(session.failpoint, "online_rebuild"):
        session.online.ensure(table)
        session.online.replace(table, _batches(session, spec, snapshot), CommitPosition(number=commit.number))
    return commit


def record_rebuild(session: Session, spec: FeatureGroupSpec, *, counts: bool = True) -> Commit:
    """Rebuild, and count the commits that became readable by it; `counts` False: none did, the group was offline."""
    lacking = []
    with suppress(CorruptStoreError):  # which a rebuild repairs
        lacking = commits_after(session.offline.commits(spec.location), session.online.position(spec.id))
    commit = rebuild(session, spec)
    if counts:
        record_readable(session, spec, lacking)
    return commit


def _bring_up(
    session: Session, spec: FeatureGroupSpec, commits: Sequence[Commit], position: Position | None
) -> None:
    """Bring the online table from its position to the last commit: by the keys that changed since, or as a whole.

    Both give equal bytes. A whole table is written where nothing says what changed, where features were appended (every
    row gets longer), and where most rows changed.
    """
    lacking = commits_after(commits, position)
    events = None
    keys = _changed_keys(session, spec, commits, position) if lacking else None
    if keys is None:
        rebuild(session, spec)
    else:
        assert isinstance(position, CommitPosition)
        events = _set_rows(session, spec, keys, position, commits[-1].number)
    record_readable(session, spec, lacking, events)


def _changed_keys(
    session: Session, spec: FeatureGroupSpec, commits: Sequence[Commit], position: Position | None
) -> pa.Table | None:
    """Return the keys that the commits after a position touched; None: the whole table is to be written."""
    if not isinstance(position, CommitPosition) or all(c.number != position.number for c in commits):
        return None
    lacking = commits_after(commits, position)
    if any(commit.operation == "append_features" for commit in lacking):
        return None
    if not is_worth_following(lacking, session.offline.snapshot(spec.location, lacking[-1].number).n_rows):
        return None
    return touched_keys(session, spec, position.number, lacking[-1].number)


def _set_rows(
    session: Session, spec: FeatureGroupSpec, keys: pa.Table, position: CommitPosition, upto: int
) -> Histogram:
    """Set the online rows of some keys to what the snapshot of a commit has, and return the ages of those rows.

    More rows than one batch are written in several steps. The table keeps its position until the last of them, so that
    whoever catches up after a crash in between sets the same rows again.
    """
    table, snapshot = online_table(spec), session.offline.snapshot(spec.location, upto)
    events = Histogram()
    waiting = EncodedRows(keys=pa.array([], pa.binary()), rows=pa.array([], pa.binary()), is_final=True)
    for rows in _chunks(newest_rows_of(session, spec, snapshot, keys)):
        if len(waiting.keys):
            with around(session.failpoint, "online_step"):
                session.online.write(table, waiting, position)
            session.failpoint("online_rows_partly_set")
        there = rows.filter(rows.column(IS_THERE)).drop_columns([IS_THERE])
        gone = encode_keys(table, rows.filter(pc.invert(rows.column(IS_THERE))))
        found = encode(spec, there)
        waiting = EncodedRows(
            keys=pa.concat_arrays([found.keys, gone]),
            rows=pa.concat_arrays([found.rows, pa.nulls(len(gone), found.rows.type)]),
            is_final=True,
        )
        events.merge(_ages(session, spec, there))
    with around(session.failpoint, "online_rows_set"):
        session.online.write(table, waiting, CommitPosition(number=upto))
    return events


def encode(spec: FeatureGroupSpec, rows: pa.Table) -> EncodedRows:
    """Return the keys and rows of a group's table as stored online."""
    return EncodedRows(keys=encode_keys(online_table(spec), rows), rows=_encode_values(spec, rows))


def _encode_values(spec: FeatureGroupSpec, rows: pa.Table) -> pa.BinaryArray:
    times = None if spec.event_time is None else _event_times(spec, rows)
    return encode_rows(online_table(spec), rows, times)


def newest_rows(session: Session, spec: FeatureGroupSpec, snapshot: Snapshot) -> pa.RecordBatchReader:
    """Return the newest row per primary key of a snapshot."""
    tree = exp.select(*(column(field.name, "t") for field in spec.schema), copy=False)
    tree = tree.from_(exp.alias_(read_files(snapshot, spec.schema), "t", table=True), copy=False)
    _keep_newest(tree, spec, [column(name, "t") for name in spec.primary_key])
    return session.engine.run(Statement(tree=tree, schema=to_arrow_schema(spec.schema)))


def newest_rows_of(
    session: Session, spec: FeatureGroupSpec, snapshot: Snapshot, keys: pa.Table
) -> pa.RecordBatchReader:
    """Return one row per key: the newest one of a snapshot, or the key with nulls where `__is_there` is false."""
    schema = to_arrow_schema(spec.schema).append(pa.field(IS_THERE, pa.bool_()))
    if not keys.num_rows:
        return schema.empty_table().to_reader()
    near = files_to_probe(snapshot, keys, spec.primary_key)
    shown = [column(field.name, "k" if field.name in spec.primary_key else "t") for field in spec.schema]
    is_there = is_not_null(column(spec.primary_key[0], "t"))  # no key is null
    tree = exp.select(*shown, exp.alias_(is_there, IS_THERE, quoted=True), copy=False)
    tree = tree.from_(exp.alias_(read_files(near, spec.schema), "t", table=True), copy=False)
    matches = exp.and_(
        *(exp.EQ(this=column(name, "t"), expression=column(name, "k")) for name in spec.primary_key),
        copy=False,
    )
    touched = exp.alias_(exp.to_table("touched"), "k", table=True)
    tree = tree.join(touched, on=matches, join_type="right", copy=False)
    _keep_newest(tree, spec, [column(name, "k") for name in spec.primary_key])
    return session.engine.run(Statement(tree=tree, schema=schema, frames={"touched": keys}))


def _keep_newest(tree: exp.Select, spec: FeatureGroupSpec, key: Sequence[exp.Expr]) -> None:
    """Make a query of rows `t` one of the newest row per key."""
    if spec.event_time is None:
        return
    field = spec.feature(spec.event_time).field
    micros = event_micros(field, spec.event_time_unit, column(spec.event_time, "t"))
    number = exp.Window(
        this=exp.RowNumber(),
        partition_by=list(key),
        order=exp.Order(expressions=[exp.Ordered(this=micros, desc=True, nulls_first=False)]),
    )
    tree.set("qualify", exp.Qualify(this=exp.EQ(this=number, expression=exp.Literal.number(1))))


def _chunks(reader: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """Yield a stream in tables of at most so many rows as are written at once, or of one batch, and not too large."""
    waiting: list[pa.RecordBatch] = []
    for batch in (part for whole in reader for part in _parts(whole)):
        both = [*waiting, batch]
        is_full = sum(b.num_rows for b in both) > WRITE_ROWS or sum(b.nbytes for b in both) > MOST_BYTES
        if waiting and is_full:
            yield pa.Table.from_batches(waiting)
            both = [batch]
        waiting = both
    if waiting:
        yield pa.Table.from_batches(waiting)


def _parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    if batch.nbytes <= MOST_BYTES or batch.num_rows < 2:
        yield batch
    else:
        half = batch.num_rows // 2
        yield from _parts(batch.slice(0, half))
        yield from _parts(batch.slice(half))


def _ages(session: Session, spec: FeatureGroupSpec, rows: pa.Table) -> Histogram:
    return Histogram() if spec.event_time is None else ages(session, _event_times(spec, rows))


def _batches(session: Session, spec: FeatureGroupSpec, snapshot: Snapshot) -> Iterator[EncodedRows]:
    for rows in _chunks(newest_rows(session, spec, snapshot)):
        yield encode(spec, rows)


def _event_times(spec: FeatureGroupSpec, rows: pa.Table) -> pa.Int64Array:
    assert spec.event_time is not None
    field = spec.feature(spec.event_time).field
    return event_times_us(field, spec.event_time_unit, rows.column(spec.event_time))


def _newest(spec: FeatureGroupSpec, rows: pa.Table) -> tuple[pa.Table, EncodedRows]:
    """Return the last row per primary key of rows sorted by event time, and the same encoded, sorted by key."""
    keys = encode_keys(online_table(spec), rows)
    order = key_order(keys)
    keys = keys.take(order)
    is_last = np.append(pc.not_equal(keys[1:], keys[:-1]), True)[: len(keys)]
    if not is_last.all():
        rows, keys = rows.take(order[is_last]), keys.filter(is_last)
        return rows, EncodedRows(keys=keys, rows=_encode_values(spec, rows))
    return rows, EncodedRows(keys=keys, rows=_encode_values(spec, rows).take(order))


def _behind(session: Session, spec: FeatureGroupSpec, commit: int, cause: Exception) -> OnlineBehindError:
    try:
        behind = n_behind(session, spec)
    except (StoreError, OSError):
        behind = 1
    return OnlineBehindError(spec.label, commit, behind, str(cause))
