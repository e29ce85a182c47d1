"""Online rows beside those that the offline table asks for, every key, byte for byte."""

from __future__ import annotations

from contextlib import AbstractContextManager

from hopyard.feature_group import FeatureGroup
from hopyard.ingest.apply import encode
from hopyard.model.arrow import to_arrow_schema
from hopyard.model.position import CommitPosition
from hopyard.online.environment import WRITER_LOCK, writer_locks
from hopyard.project import Project
from hopyard.session import Session


def online_lock(session: Session, *, timeout_seconds: float) -> AbstractContextManager[None]:
    """Return the lock of those who write into the session's embedded online store: held, no other write succeeds."""
    folder = session.root / "projects" / session.project / "online"
    return writer_locks(folder).hold(WRITER_LOCK, timeout_seconds=timeout_seconds)


def online_rows(project: Project, group: FeatureGroup) -> dict[bytes, bytes]:
    """Return what the online store holds of a group: encoded row by encoded key."""
    return dict(project.session.online.scan(group.spec.id))


def wanted_rows(group: FeatureGroup) -> dict[bytes, bytes]:
    """Return what it should hold: of each primary key the row with the newest event time, chosen in plain Python."""
    import pyarrow as pa

    newest: dict[tuple[object, ...], dict[str, object]] = {}
    for row in group.read(dataframe_type="python"):
        key = tuple(row[name] for name in group.primary_key)
        other = newest.get(key)
        if other is None or (
            group.event_time is not None and row[group.event_time] > other[group.event_time]
        ):
            newest[key] = row
    rows = pa.Table.from_pylist(list(newest.values()), to_arrow_schema(group.spec.schema))
    encoded = encode(group.spec, rows)
    return dict(zip(encoded.keys.to_pylist(), encoded.rows.to_pylist(), strict=True))


def assert_online_equals_offline(project: Project, group: FeatureGroup) -> None:
    """Compare every key of both stores, and the position with the last commit."""
    assert online_rows(project, group) == wanted_rows(group)
    last = group.commit_details(1)[0].number
    assert project.session.online.position(group.spec.id) == CommitPosition(number=last)
