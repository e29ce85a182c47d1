"""A feature group comes into being: folder, table, registry row, in this order; and goes, in the reverse one."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress

import msgspec

from hopyard.compute.layout import online_table
from hopyard.errors import AlreadyExistsError, ConflictError, StoreError
from hopyard.failpoint import around
from hopyard.ingest.apply import rebuild
from hopyard.ingest.freshness import forget_readable
from hopyard.ingest.infer import check_group
from hopyard.ingest.kept_statistics import forget_statistics
from hopyard.ingest.quarantine import quarantine_location
from hopyard.ingest.reports import forget_reports
from hopyard.ingest.stored import change_stored
from hopyard.model.codec import from_json, to_json
from hopyard.model.commit import Commit
from hopyard.model.specs import GROUP_FORMAT, FeatureGroupSpec
from hopyard.ports import Record, RecordKind
from hopyard.session import Session

KIND: RecordKind = "feature_group"
MAX_TRIES = 20


def create_group(
    session: Session, spec: FeatureGroupSpec, *, created_at_us: int | None = None
) -> FeatureGroupSpec:
    """Store a group and return it with its version, id and location.

    Args:
        spec: its `version` 0 stands for the latest + 1, decided here, also between processes.
        created_at_us: the time of its first commit; None: now.
    Raises:
        AlreadyExistsError: this version is stored.
        SchemaMismatchError: keys, event time or types that cannot be.
    """
    check_group(spec)
    to_json(spec)  # refuses what could not be read back, before anything is made
    with session.locks.hold(
        f"create.{spec.project}.{spec.name}", timeout_seconds=session.config.lock_timeout_seconds
    ):
        version = spec.version or _next_version(session, spec)
        if session.registry.find(spec.project, KIND, spec.name, version) is not None:
            raise already_exists(spec.name, version)
        id_ = secrets.token_hex(4)
        stored = msgspec.structs.replace(
            spec,
            version=version,
            id=id_,
            location=f"projects/{spec.project}/groups/{spec.name}_{version}-{id_}",
        )
        record = _record(session, stored)
        at_us = session.clock() if created_at_us is None else created_at_us
        draft = Commit(number=0, committed_at_us=at_us, operation="create", actor=session.actor)
        try:
            session.offline.create(stored, draft)
            if stored.online_enabled:
                with around(session.failpoint, "online_ensure"):
                    session.online.ensure(online_table(stored))
                rebuild(session, stored)
            session.failpoint("group_before_register")
            session.registry.put(record, expected_revision=0)
        except BaseException as error:
            if may_be_stored(session, record):
                raise
            with suppress(StoreError), around(session.failpoint, "group_undo"):
                session.online.drop(stored.id)
            session.offline.drop(stored.location)
            if isinstance(error, ConflictError):
                raise already_exists(spec.name, version) from error
            raise
        return stored


def change_group(
    session: Session, spec: FeatureGroupSpec, change: Callable[[FeatureGroupSpec], FeatureGroupSpec]
) -> FeatureGroupSpec:
    """Return the group after a change of its stored spec; decided anew when somebody else changed it in between.

    Raises:
        NotFoundError: the group is gone.
        ConflictError: others were faster every time.
    """
    return change_stored(
        session,
        lambda: session.registry.get(spec.project, KIND, spec.name, spec.version),
        load_group,
        change,
        label=spec.label,
        max_tries=MAX_TRIES,
    )


def delete_group(session: Session, spec: FeatureGroupSpec) -> None:
    """Remove a group with all its rows and history, online and offline. Raises NotFoundError."""
    with session.locks.hold(f"group.{spec.id}", timeout_seconds=session.config.lock_timeout_seconds):
        stored = session.registry.get(spec.project, KIND, spec.name, spec.version)
        session.registry.delete(stored)
        with around(session.failpoint, "online_removal"):
            session.online.drop(spec.id)
        session.offline.drop(spec.location)
        forget_readable(session, spec)
        session.offline.drop(quarantine_location(spec))
        forget_reports(session, spec)
        forget_statistics(session, spec)


def current_group(session: Session, spec: FeatureGroupSpec) -> FeatureGroupSpec:
    """Return the group as it is stored now: another process may have appended features. Raises NotFoundError."""
    return load_group(session.registry.get(spec.project, KIND, spec.name, spec.version))


def load_group(record: Record) -> FeatureGroupSpec:
    """Return the spec in a record of the registry."""
    return from_json(
        FeatureGroupSpec,
        record.body,
        known=GROUP_FORMAT,
        what=f"feature group {record.name!r} version {record.version}",
    )


def already_exists(name: str, version: int) -> AlreadyExistsError:
    return AlreadyExistsError(
        f"Feature group {name!r} version {version} exists. Use get_feature_group({name!r}, {version}), "
        f"or create_feature_group({name!r}) without a version to make the next one."
    )


def may_be_stored(session: Session, record: Record) -> bool:
    """Return whether the registry has a record, or cannot say so, although storing it raised.

    The answer may be lost, or somebody interrupt what had succeeded. Then what the record speaks of has to stay.
    """
    try:
        found = session.registry.find(record.project, record.kind, record.name, record.version)
    except StoreError:
        return True
    return found is not None and found.id == record.id


def _next_version(session: Session, spec: FeatureGroupSpec) -> int:
    latest = session.registry.find(spec.project, KIND, spec.name)
    return latest.version + 1 if latest else 1


def _record(session: Session, spec: FeatureGroupSpec) -> Record:
    return Record(
        project=spec.project,
        kind="feature_group",
        name=spec.name,
        version=spec.version,
        id=spec.id,
        body=to_json(spec),
        actor=session.actor,
    )
