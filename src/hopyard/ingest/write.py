"""Checked rows become one commit: probe, then append or merge; then the online apply.

A group has one writer at a time, by its lock; the table's own conflict detection stands behind the lock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
import pyarrow as pa
from sqlglot import exp

from hopyard.compute.ordinals import is_sorted
from hopyard.compute.row_hash import equal_rows
from hopyard.errors import ConfigError, ConflictError, ExistingRowsError, StoreError, TimeTravelError
from hopyard.ingest.apply import Newest, apply_removal, apply_rows, catch_up, encode_ahead
from hopyard.ingest.check import CheckedRows, check_keys, check_rows
from hopyard.ingest.create import change_group, create_group, current_group
from hopyard.ingest.expect import check_all
from hopyard.ingest.frame import to_arrow_table
from hopyard.ingest.infer import check_group, infer_features
from hopyard.ingest.judge import Judged, judge, judged_write
from hopyard.ingest.maintain import hold_group, maintain_later
from hopyard.ingest.on_demand import with_on_demand
from hopyard.ingest.probe import files_to_probe
from hopyard.ingest.statistics import compute_at_insert, note_written
from hopyard.model.arrow import to_arrow_schema
from hopyard.model.commit import Commit, Operation, Snapshot
from hopyard.model.specs import FeatureGroupSpec, FeatureSpec
from hopyard.ports import Change, Statement
from hopyard.query.scan import column, read_files
from hopyard.session import Session
from hopyard.time import Instant, optional_micros, show

When = Literal["now", "later"]
"""Whether a write waits until its rows are readable online, or leaves that to the next one or to a catch-up."""

MAX_TRIES = 20
_ROW = "__row"


@dataclass(frozen=True, slots=True)
class InsertOptions:
    """How rows are inserted; see `FeatureGroup.insert`."""

    operation: Literal["upsert", "insert"] = "upsert"
    overwrite: bool = False
    commit_id: str | None = None
    allow_future: bool = False
    duplicates: Literal["last", "error"] = "last"
    committed_at: Instant | None = None
    online: When = "now"
    quarantine: bool = False


def insert(session: Session, spec: FeatureGroupSpec, frame: object, options: InsertOptions) -> Commit:
    """Insert a dataframe as one commit and return it; see `FeatureGroup.insert` for the rules and errors."""
    _check_options(session, options)
    table = to_arrow_table(frame)
    with hold_group(session, spec):
        spec = current_group(session, spec)
        known = _by_id(session, spec, options.commit_id)
        if known is not None:
            if spec.online_enabled and options.online == "now":
                catch_up(session, spec)
            return known
        described, table = with_on_demand(session, spec, table)
        checked = _check(session, described, table, options)
        judged = _judge(session, described, checked, options)
        if described.request_parameters != spec.request_parameters:
            parameters = described.request_parameters
            change_group(session, spec, lambda s: msgspec.structs.replace(s, request_parameters=parameters))
        commit = _insert_judged(session, described, judged, options)
    compute_at_insert(session, described, commit)
    return commit


def insert_first(
    session: Session,
    draft: FeatureGroupSpec,
    frame: object,
    options: InsertOptions,
    on_stored: Callable[[FeatureGroupSpec], None],
) -> Commit:
    """Store a group with the types of its first frame, insert the frame, and return the commit.

    The rows are checked before the group is stored: a frame that is refused leaves nothing behind.

    Args:
        on_stored: called with the group once it is stored: it stays, whatever becomes of the rows.
    """
    _check_options(session, options)
    draft, table = with_on_demand(session, draft, to_arrow_table(frame))
    described = msgspec.structs.replace(draft, features=infer_features(table, draft.features))
    check_group(described)
    described = check_all(session, described)
    checked = _check(session, described, table, options)
    judged = _judge(session, described, checked, options)
    at_us = optional_micros(options.committed_at)
    spec = create_group(session, described, created_at_us=None if at_us is None else at_us - 1)
    on_stored(spec)
    with hold_group(session, spec):
        current = current_group(session, spec)
        # Changed by another process in between: the rows must have what it appended, and be what it expects.
        if current.features != spec.features or current.expectations != spec.expectations:
            judged = _judge(session, current, _check(session, current, table, options), options)
        commit = _insert_judged(session, current, judged, options)
    compute_at_insert(session, current, commit)
    return commit


def _check_options(session: Session, options: InsertOptions) -> None:
    if options.operation not in ("upsert", "insert"):
        raise ConfigError(f"operation={options.operation!r} is unknown: use 'upsert' or 'insert'.")
    if options.operation == "insert" and options.overwrite:
        raise ConfigError(
            "operation='insert' adds rows that are new, and overwrite=True replaces all rows: give one of the two."
        )
    if options.commit_id is not None and (not isinstance(options.commit_id, str) or not options.commit_id):
        raise ConfigError(f"commit_id={options.commit_id!r} must be text, such as str(uuid.uuid4()).")
    if options.duplicates not in ("last", "error"):
        raise ConfigError(f"duplicates={options.duplicates!r} is unknown: use 'last' or 'error'.")
    _check_when(options.online)
    at_us, now_us = optional_micros(options.committed_at), session.clock()
    if at_us is not None and at_us > now_us:
        raise ConfigError(
            f"committed_at={options.committed_at!r} is later than now ({show(now_us)}). It says when the rows became "
            f"known, for data that comes from elsewhere; leave it out for new data. Nothing was written."
        )


def _check_when(online: object) -> None:
    if online not in ("now", "later"):
        raise ConfigError(f"online={online!r} is unknown: use 'now' or 'later'. Nothing was written.")


def _check_migration(session: Session, spec: FeatureGroupSpec, base: Snapshot, at_us: int) -> None:
    """Raise TimeTravelError unless rows may be committed at an instant that is past."""
    commits = session.offline.commits(spec.location)
    if len(commits) > 1 or base.n_rows:
        problem = f"has {len(commits) - 1} commit(s) after its creation, which people may have read"
    elif commits[0].committed_at_us >= at_us:
        problem = f"was stored at {show(commits[0].committed_at_us)}, which is not before that"
    else:
        return
    raise TimeTravelError(
        f"Rows cannot be committed to {spec.label!r} at {show(at_us)}: the group {problem}. committed_at= is for the "
        f"first insert into a new group: create one that is not stored yet and insert all the rows into it. "
        f"Nothing was written."
    )


def _check(session: Session, spec: FeatureGroupSpec, table: pa.Table, options: InsertOptions) -> CheckedRows:
    return check_rows(
        spec, table, now_us=session.clock(), allow_future=options.allow_future, duplicates=options.duplicates
    )


def _judge(session: Session, spec: FeatureGroupSpec, checked: CheckedRows, options: InsertOptions) -> Judged:
    return judge(session, spec, checked, overwrite=options.overwrite, quarantine=options.quarantine)


def _insert_judged(
    session: Session, spec: FeatureGroupSpec, judged: Judged, options: InsertOptions
) -> Commit:
    with judged_write(session, spec, judged) as commits:
        commits.append(_insert(session, spec, judged.rows, options))
    return commits[0]


def _insert(session: Session, spec: FeatureGroupSpec, checked: CheckedRows, options: InsertOptions) -> Commit:
    """Commit checked rows; the caller holds the group's lock."""
    rows = _sorted(spec, checked.rows)
    at_us = optional_micros(options.committed_at)
    operation: Operation = "overwrite" if options.overwrite else options.operation
    draft = Commit(
        number=0,
        committed_at_us=session.clock(),
        operation=operation,
        n_rows_in=checked.n_rows_in,
        n_duplicates=checked.n_duplicates,
        commit_id=options.commit_id,
        actor=session.actor,
        is_online=spec.online_enabled and options.online == "now",
    )

    def decide(base: Snapshot) -> tuple[Change, Commit]:
        if at_us is not None:
            _check_migration(session, spec, base, at_us)
        if options.overwrite:
            counted = msgspec.structs.replace(draft, n_inserted=rows.num_rows, n_deleted=base.n_rows)
            return Change("overwrite", rows), counted
        return _upsert(session, spec, base, rows, draft)

    commit = _commit(session, spec, decide, at_us=at_us)
    note_written(session, spec, rows, commit)
    return commit


def remove_rows(session: Session, spec: FeatureGroupSpec, frame: object, online: When) -> Commit:
    """Remove the rows with these primary keys, or these identities; see `FeatureGroup.remove_rows`."""
    _check_when(online)
    table = to_arrow_table(frame)
    with hold_group(session, spec):
        spec = current_group(session, spec)
        keys = check_keys(spec, table)
        on = tuple(keys.column_names)
        draft = Commit(
            number=0,
            committed_at_us=session.clock(),
            operation="delete",
            n_rows_in=table.num_rows,
            actor=session.actor,
            is_online=spec.online_enabled and online == "now",
        )

        def decide(base: Snapshot) -> tuple[Change, Commit]:
            n_deleted = _matches(session, spec, base, keys, on, payload=False).num_rows
            return Change("delete", keys, on), msgspec.structs.replace(draft, n_deleted=n_deleted)

        return _commit(session, spec, decide)


def append_features(
    session: Session, spec: FeatureGroupSpec, features: Sequence[FeatureSpec]
) -> tuple[FeatureGroupSpec, Commit]:
    """Add features to a group, null or at their default in the rows that exist; return the new spec and the commit."""
    with hold_group(session, spec):
        spec = current_group(session, spec)
        widened = msgspec.structs.replace(spec, features=(*spec.features, *features))
        draft = Commit(
            number=0,
            committed_at_us=session.clock(),
            operation="append_features",
            actor=session.actor,
            is_online=spec.online_enabled,
        )
        session.failpoint("before_offline_commit")
        if any(feature.default is not None for feature in features):
            session.offline.alter(spec.location, widened, None)
            session.failpoint("columns_added")
            commit = _write_defaults(session, widened, features, draft)
        else:
            stored = session.offline.alter(spec.location, widened, draft)
            assert stored is not None
            commit = stored
        session.failpoint("after_offline_commit")
        change_group(session, spec, lambda stored: msgspec.structs.replace(stored, features=widened.features))
        session.failpoint("group_widened")
        if widened.online_enabled:
            catch_up(session, widened)
        return widened, commit


def _commit(
    session: Session,
    spec: FeatureGroupSpec,
    decide: Callable[[Snapshot], tuple[Change, Commit]],
    *,
    at_us: int | None = None,
) -> Commit:
    """Write what `decide` makes of the latest snapshot; decide anew when somebody else was faster.

    The apply after the commit, if `is_online` asks for it, also makes up for commits that the online table lacks.
    """
    for _ in range(MAX_TRIES):
        base = session.offline.snapshot(spec.location)
        change, draft = decide(base)
        draft = msgspec.structs.replace(draft, committed_at_us=session.clock() if at_us is None else at_us)
        session.failpoint("before_offline_commit")
        is_followed = draft.is_online and change.kind not in ("delete", "overwrite")
        newest = encode_ahead(spec, change.rows) if is_followed else None
        try:
            commit = session.offline.write(spec.location, base, change, draft)
        except ConflictError:
            continue
        session.failpoint("after_offline_commit")
        maintain_later(session, spec, base)
        if commit.is_online:
            _apply(session, spec, change, newest, commit, base.commit, is_migrated=at_us is not None)
        return commit
    raise StoreError(
        f"{spec.label!r} was changed by others {MAX_TRIES} times in a row while this write tried to commit. "
        f"Nothing of it was written: try again."
    )


def _apply(
    session: Session,
    spec: FeatureGroupSpec,
    change: Change,
    newest: Newest | None,
    commit: Commit,
    previous: int,
    *,
    is_migrated: bool,
) -> None:
    if change.kind == "delete":
        apply_removal(session, spec, change.rows, commit, previous)
    elif change.kind == "overwrite":
        # Behind by this commit: what it removed and what it put are changes like others.
        catch_up(session, spec)
    else:
        apply_rows(session, spec, newest, commit, previous, is_migrated=is_migrated)


def _upsert(
    session: Session, spec: FeatureGroupSpec, base: Snapshot, rows: pa.Table, draft: Commit
) -> tuple[Change, Commit]:
    """Return the cheapest change that makes `rows` the truth for their identities, and its counts."""
    on = spec.identity
    matched = _matches(session, spec, base, rows, on, payload=False).column(_ROW) if on else None
    if matched is None or len(matched) == 0:
        return Change("append", rows), msgspec.structs.replace(draft, n_inserted=rows.num_rows)
    if draft.operation == "insert":
        example = rows.select(list(on)).slice(matched[0].as_py(), 1).to_pylist()[0]
        raise ExistingRowsError(
            f"operation='insert' promises new rows, and {len(matched)} of {rows.num_rows} exist in {spec.label!r}, "
            f"such as {example}. Nothing was written. Use operation='upsert' to replace them."
        )
    known = rows.take(matched)
    existing = _matches(session, spec, base, known, on, payload=True)
    numbers = matched.to_numpy()[existing.column(_ROW).to_numpy()]
    is_same = equal_rows(known.take(existing.column(_ROW)), existing.drop_columns([_ROW]), spec.schema)
    keep = np.ones(rows.num_rows, dtype=bool)
    keep[numbers[is_same]] = False
    n_unchanged = int(is_same.sum())
    counts = msgspec.structs.replace(
        draft,
        n_inserted=rows.num_rows - len(numbers),
        n_updated=len(numbers) - n_unchanged,
        n_unchanged=n_unchanged,
    )
    changed = rows.filter(pa.array(keep))
    if n_unchanged == len(numbers):
        return Change("append", changed), counts
    return Change("merge", changed, on), counts


def _matches(
    session: Session,
    spec: FeatureGroupSpec,
    base: Snapshot,
    rows: pa.Table,
    on: Sequence[str],
    *,
    payload: bool,
) -> pa.Table:
    """Return the rows of a snapshot that equal `rows` in the columns `on`: their place in `rows`, and their values."""
    fields = spec.schema if payload else tuple(spec.feature(name).field for name in on)
    schema = pa.schema([pa.field(_ROW, pa.int64()), *to_arrow_schema(fields if payload else ())])
    near = files_to_probe(base, rows, on)
    if not near.files or not rows.num_rows:
        return schema.empty_table()
    values = [column(field.name, "t") for field in spec.schema] if payload else []
    tree = exp.select(column(_ROW, "s"), *values, copy=False)
    tree = tree.from_(exp.alias_(read_files(near, fields), "t", table=True), copy=False)
    equal = exp.and_(
        *(exp.EQ(this=column(name, "t"), expression=column(name, "s")) for name in on), copy=False
    )
    tree = tree.join(exp.alias_(exp.to_table("incoming"), "s", table=True), on=equal, copy=False)
    incoming = rows.select(list(on)).append_column(_ROW, pa.array(np.arange(rows.num_rows), pa.int64()))
    return session.engine.collect(Statement(tree=tree, schema=schema, frames={"incoming": incoming}))


def _write_defaults(
    session: Session, spec: FeatureGroupSpec, added: Sequence[FeatureSpec], draft: Commit
) -> Commit:
    base = session.offline.snapshot(spec.location)
    tree = exp.select(*(column(field.name) for field in spec.schema), copy=False)
    tree = tree.from_(read_files(base, spec.schema), copy=False)
    rows = session.engine.collect(Statement(tree=tree, schema=to_arrow_schema(spec.schema)))
    for feature in added:
        if feature.default is not None:
            index = rows.column_names.index(feature.name)
            values = pa.array([feature.default.to_python()] * rows.num_rows, rows.schema.field(index).type)
            rows = rows.set_column(index, rows.schema.field(index), values)
    counted = msgspec.structs.replace(draft, n_updated=rows.num_rows)
    return session.offline.write(spec.location, base, Change("overwrite", rows), counted)


def _sorted(spec: FeatureGroupSpec, rows: pa.Table) -> pa.Table:
    """Return the rows by event time and key, so that file statistics prune; keyless rows stay as they come."""
    order = spec.row_order
    if not order or rows.num_rows < 2 or is_sorted([rows.column(name) for name in order]):
        return rows
    return rows.sort_by([(name, "ascending") for name in order])


def _by_id(session: Session, spec: FeatureGroupSpec, commit_id: str | None) -> Commit | None:
    if commit_id is None:
        return None
    return next((c for c in session.offline.commits(spec.location) if c.commit_id == commit_id), None)
