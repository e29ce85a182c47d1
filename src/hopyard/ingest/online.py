"""The online table of a group as a whole: it comes and goes, is caught up and rebuilt, and says how fresh it is."""

from __future__ import annotations

from contextlib import suppress

import msgspec
import pyarrow as pa
from sqlglot import exp

from hopyard.errors import ConfigError, SchemaMismatchError, StoreError
from hopyard.failpoint import around
from hopyard.ingest.apply import catch_up, commits_after, record_rebuild
from hopyard.ingest.create import change_group, current_group
from hopyard.ingest.freshness import forget_readable, read_readable
from hopyard.ingest.infer import check_group
from hopyard.ingest.maintain import hold_group
from hopyard.model.commit import Commit
from hopyard.model.freshness import Freshness
from hopyard.model.position import CommitPosition
from hopyard.model.specs import FeatureGroupSpec
from hopyard.ports import Statement
from hopyard.query.scan import column, event_micros, read_files, sql_literal
from hopyard.session import Session
from hopyard.time import show


def catch_up_online(session: Session, spec: FeatureGroupSpec) -> int:
    """Apply the commits that the online table lacks, and return how many they were.

    Raises:
        ConfigError: the group is not online. OnlineBehindError: the online store cannot be written.
    """
    with hold_group(session, spec):
        return catch_up(session, _online(session, spec))


def rebuild_online(session: Session, spec: FeatureGroupSpec) -> Commit:
    """Write the whole online table anew from the last commit, whatever it holds, and return that commit.

    Raises:
        ConfigError: the group is not online. StoreError: the online store cannot be written; it holds what it held.
    """
    with hold_group(session, spec):
        return record_rebuild(session, _online(session, spec))


def enable_online(session: Session, spec: FeatureGroupSpec, *, allow_future: bool) -> FeatureGroupSpec:
    """Bring a group that is stored offline online, too, and return it; see `FeatureGroup.enable_online`.

    The registry, by which everybody goes, is the last to know: until then the group is offline only, and what is left
    of an attempt is written anew by the next one.
    """
    with hold_group(session, spec):
        spec = current_group(session, spec)
        enabled = msgspec.structs.replace(spec, online_enabled=True)
        if spec.online_enabled:
            catch_up(session, spec)
            _say_in_table(session, enabled)
            return spec
        _check_can_be_online(session, enabled, allow_future=allow_future)
        try:
            record_rebuild(session, enabled, counts=False)
            session.failpoint("online_built")
            _say_in_table(session, enabled)
        except Exception:
            with suppress(StoreError), around(session.failpoint, "online_undo"):
                session.online.drop(spec.id)
            raise
        session.failpoint("online_in_table")
        return change_group(
            session, spec, lambda stored: msgspec.structs.replace(stored, online_enabled=True)
        )


def disable_online(session: Session, spec: FeatureGroupSpec) -> FeatureGroupSpec:
    """Take a group offline: its online rows are removed. Return it; see `FeatureGroup.disable_online`."""
    with hold_group(session, spec):
        spec = change_group(
            session, spec, lambda stored: msgspec.structs.replace(stored, online_enabled=False)
        )
        session.failpoint("online_disabled")
        _say_in_table(session, spec)
        with around(session.failpoint, "online_drop"):
            session.online.drop(spec.id)
        forget_readable(session, spec)
        return spec


def freshness(session: Session, spec: FeatureGroupSpec) -> Freshness:
    """Return how fast a group's rows become readable online, and how far it is behind. Raises ConfigError."""
    spec = _online(session, spec)
    commits, position = session.offline.commits(spec.location), session.online.position(spec.id)
    lacking = commits_after(commits, position)
    counted = read_readable(session, spec)
    waited_us = session.clock() - lacking[0].committed_at_us if lacking else 0
    return Freshness(
        group=spec.label,
        commit_to_readable=counted.commits.latency(),
        event_to_readable=counted.events.latency(),
        applied_commit=position.number if isinstance(position, CommitPosition) else None,
        last_commit=commits[-1].number,
        n_behind=len(lacking),
        behind_seconds=max(waited_us, 0) / 1e6,
    )


def _online(session: Session, spec: FeatureGroupSpec) -> FeatureGroupSpec:
    """Return the group as it is stored now. Raises ConfigError: it is not online."""
    spec = current_group(session, spec)
    if not spec.online_enabled:
        raise ConfigError(f"{spec.label!r} is offline only. Call enable_online() first.")
    return spec


def _say_in_table(session: Session, spec: FeatureGroupSpec) -> None:
    """Write into the group's table, which describes itself, whether the group is online."""
    if session.offline.spec(spec.location).online_enabled != spec.online_enabled:
        session.offline.alter(spec.location, spec, None)


def _check_can_be_online(session: Session, spec: FeatureGroupSpec, *, allow_future: bool) -> None:
    """Raise ConfigError (no primary key) or SchemaMismatchError (rows dated later than now)."""
    if not spec.primary_key:
        raise ConfigError(
            f"{spec.label!r} has no primary key, by which its rows would be looked up online. Make a group with "
            f"primary_key=[...] and insert the rows there. Nothing was changed."
        )
    check_group(spec)
    if spec.event_time is None or allow_future:
        return
    now_us = session.clock()
    field = spec.feature(spec.event_time).field
    micros = event_micros(field, spec.event_time_unit, column(field.name))
    tree = exp.select(
        exp.alias_(exp.Count(this=exp.Star()), "n"),
        exp.alias_(exp.Max(this=micros.copy()), "last"),
        copy=False,
    )
    tree = tree.from_(read_files(session.offline.snapshot(spec.location), (field,)), copy=False)
    tree = tree.where(exp.GT(this=micros, expression=sql_literal(now_us)), copy=False)
    schema = pa.schema([("n", pa.int64()), ("last", pa.int64())])
    (found,) = session.engine.collect(Statement(tree=tree, schema=schema)).to_pylist()
    if found["n"]:
        raise SchemaMismatchError(
            f"{found['n']} row(s) of {spec.label!r} are dated later than now ({show(now_us)}) in {field.name!r}, the "
            f"last one {_shown(found['last'])}. Online, they would hide every fact until then. Remove them with "
            f"remove_rows(), or pass allow_future=True. Nothing was changed."
        )


def _shown(micros: int) -> str:
    try:
        return show(micros)
    except OverflowError:  # later than the year 9999
        return f"{micros} us since 1970"
