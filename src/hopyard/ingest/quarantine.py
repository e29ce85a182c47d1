"""Rows that failed and were kept apart: a Delta table beside the group, with the reason and the instant of each row."""

from __future__ import annotations

import msgspec
import pyarrow as pa
from sqlglot import exp

from hopyard.model.arrow import to_arrow_schema
from hopyard.model.commit import Commit
from hopyard.model.specs import FeatureGroupSpec, FeatureSpec
from hopyard.ports import Change, Statement
from hopyard.query.scan import column, read_files
from hopyard.session import Session

REASON, AT, REPORT = "_reason", "_quarantined_at", "_report"
_ADDED = (
    FeatureSpec(name=REASON, type="string"),
    FeatureSpec(name=AT, type="timestamp"),
    FeatureSpec(name=REPORT, type="string"),
)


def set_apart(
    session: Session, spec: FeatureGroupSpec, rows: pa.Table, reasons: list[str], report: str
) -> None:
    """Add rows to the quarantine of a group, durable on return. The caller holds the group's lock.

    Args:
        rows: the group's features in its order and types.
        reasons: why each is there.
        report: the id of the report that says more.
    """
    side = quarantine_spec(spec)
    now_us = session.clock()
    draft = Commit(
        number=0,
        committed_at_us=now_us,
        operation="create",
        actor=session.actor,
    )
    if not is_there(session, spec):
        session.offline.create(side, draft)
    elif session.offline.spec(side.location).features != side.features:
        session.offline.alter(side.location, side, None)
    n = rows.num_rows
    values = [
        pa.array(reasons, pa.string()),
        pa.array([now_us] * n, pa.int64()).cast(pa.timestamp("us", "UTC")),
        pa.array([report] * n, pa.string()),
    ]
    for feature, array in zip(_ADDED, values, strict=True):
        rows = rows.append_column(feature.name, array)
    rows = rows.select([feature.name for feature in side.features])
    counted = msgspec.structs.replace(draft, operation="insert", n_rows_in=n, n_inserted=n)
    base = session.offline.snapshot(side.location)
    session.offline.write(side.location, base, Change("append", rows), counted)


def take_back(session: Session, spec: FeatureGroupSpec, report: str) -> None:
    """Remove the rows of a report from the quarantine: the write that they were left out of wrote nothing."""
    side = quarantine_spec(spec)
    base = session.offline.snapshot(side.location)
    draft = Commit(number=0, committed_at_us=session.clock(), operation="delete", actor=session.actor)
    keys = pa.table({REPORT: pa.array([report], pa.string())})
    session.offline.write(side.location, base, Change("delete", keys, (REPORT,)), draft)


def read_quarantine(session: Session, spec: FeatureGroupSpec) -> pa.Table:
    """Return the rows that were kept apart, in the order in which they were, with why, when and by which report."""
    side = quarantine_spec(spec)
    schema = to_arrow_schema(side.schema)
    if not is_there(session, spec):
        return schema.empty_table()
    tree = exp.select(*(column(field.name, "t") for field in side.schema), copy=False)
    source = read_files(session.offline.snapshot(side.location), side.schema)
    tree = tree.from_(exp.alias_(source, "t", table=True), copy=False)
    rows = session.engine.collect(Statement(tree=tree, schema=schema))
    order = [AT, REPORT, *spec.row_order]
    return rows.sort_by([(name, "ascending") for name in order])


def clear_quarantine(session: Session, spec: FeatureGroupSpec) -> None:
    """Remove the rows that were kept apart. Does nothing if there are none."""
    with session.locks.hold(f"group.{spec.id}", timeout_seconds=session.config.lock_timeout_seconds):
        session.offline.drop(quarantine_spec(spec).location)


def is_there(session: Session, spec: FeatureGroupSpec) -> bool:
    """Return whether a group has a quarantine."""
    return (session.root / quarantine_spec(spec).location / "_delta_log").is_dir()


def quarantine_spec(spec: FeatureGroupSpec) -> FeatureGroupSpec:
    """Return the side table of a group: its features without key and order, and the three columns of why."""
    return FeatureGroupSpec(
        project=spec.project,
        name=spec.name,
        version=spec.version,
        id=f"{spec.id}-quarantine",
        location=quarantine_location(spec),
        description=f"Rows that failed the expectations of {spec.label}",
        features=(*(FeatureSpec(name=f.name, type=f.type) for f in spec.features), *_ADDED),
    )


def quarantine_location(spec: FeatureGroupSpec) -> str:
    """Return where the side table of a group is, relative to the store's root."""
    return f"projects/{spec.project}/quarantine/{spec.label}-{spec.id}"
