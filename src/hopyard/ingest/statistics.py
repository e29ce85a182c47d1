"""Statistics of groups: of the rows of a commit in the insert, of the whole group on the first look, then kept."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec
import pyarrow as pa

from hopyard.compute.association import clusters, correlations
from hopyard.compute.carry import Change, carry
from hopyard.compute.profile import Profile, Rows, n_bins, profile, profiled
from hopyard.compute.written import written as written_profile
from hopyard.errors import ConfigError, HopyardError, NotFoundError, TimeTravelError
from hopyard.ingest.create import change_group, current_group
from hopyard.ingest.kept_profile import KeptProfile, keep_profile, read_profile
from hopyard.ingest.kept_statistics import (
    group_file,
    keep_statistics,
    kept_files,
    read_statistics,
    written_file,
)
from hopyard.model.commit import Commit, Snapshot
from hopyard.model.specs import FeatureGroupSpec
from hopyard.model.statistics import ColumnStatistics, Statistics, StatisticsConfig
from hopyard.query.build import group_source
from hopyard.query.resolve import commit_at
from hopyard.query.scan import read_files
from hopyard.session import Session
from hopyard.time import Instant, to_micros

_LOG = logging.getLogger("hopyard")

MIN_CARRIED = 3
"""Where more than a third of the rows came or went, looking at all of them takes no longer."""


def get_statistics(
    session: Session, spec: FeatureGroupSpec, at: Instant | int | None, *, of: str
) -> Statistics:
    """Return the statistics of a group, or of the rows of a commit; see `FeatureGroup.get_statistics`."""
    if of == "written":
        return written_statistics(session, spec, at)
    if of != "group":
        raise ConfigError(f"of={of!r} is unknown: use 'group' or 'written'.")
    return group_statistics(session, spec, at, current_group(session, spec).statistics_config)


def compute_statistics(
    session: Session,
    spec: FeatureGroupSpec,
    at: Instant | int | None,
    *,
    correlations: bool | None,
    exact_uniqueness: bool | None,
    with_clusters: bool,
) -> Statistics:
    """Compute the statistics of a group and keep them; see `FeatureGroup.compute_statistics`."""
    config = current_group(session, spec).statistics_config
    if correlations is not None:
        config = msgspec.structs.replace(config, correlations=correlations)
    if exact_uniqueness is not None:
        config = msgspec.structs.replace(config, exact_uniqueness=exact_uniqueness)
    return group_statistics(session, spec, at, config, with_clusters=with_clusters, again=True)


def group_statistics(
    session: Session,
    spec: FeatureGroupSpec,
    at: Instant | int | None,
    config: StatisticsConfig,
    *,
    with_clusters: bool = False,
    again: bool = False,
) -> Statistics:
    """Return the statistics of a group as of a commit: those that are kept, if they have what the config asks for.

    Args:
        at: an instant or a commit's number; None: the last commit.
        config: of its columns, those that the group had then.
        again: compute them in any case.
    Raises:
        TimeTravelError: no such commit, or it can no longer be read and its statistics were never computed.
    """
    number = _number(session, spec, at)
    file = group_file(session, spec, number)
    kept = read_statistics(file)
    if kept is not None and not again and covers(kept, config, with_clusters=with_clusters):
        return kept
    snapshot = session.offline.snapshot(spec.location, number)
    rows = _rows_of(session, spec, snapshot)
    draft = Statistics(
        scope="group",
        name=spec.name,
        version=spec.version,
        commit=snapshot.commit,
        committed_at_us=snapshot.committed_at_us,
        computed_at_us=session.clock(),
        config=config,
        n_rows=snapshot.n_rows,
        columns=(),
    )
    columns = _profile(session, spec, snapshot, rows, config, again=again)
    found = _associated(draft, rows, columns, with_clusters=with_clusters)
    if config.enabled:
        keep_statistics(file, found)
    return found


def describe(draft: Statistics, rows: Rows, *, with_clusters: bool) -> Statistics:
    """Return statistics with what their config asks for, computed of rows."""
    return _associated(draft, rows, profile(rows, draft.config), with_clusters=with_clusters)


def _associated(
    draft: Statistics, rows: Rows, columns: tuple[ColumnStatistics, ...], *, with_clusters: bool
) -> Statistics:
    return msgspec.structs.replace(
        draft,
        columns=columns,
        correlations=correlations(rows, columns) if draft.config.correlations else None,
        clusters=clusters(rows, columns) if with_clusters else None,
    )


def _profile(
    session: Session,
    spec: FeatureGroupSpec,
    snapshot: Snapshot,
    rows: Rows,
    config: StatisticsConfig,
    *,
    again: bool,
) -> tuple[ColumnStatistics, ...]:
    """Return the statistics of the columns of a large group by those of an earlier look, if few rows changed since."""
    kept = read_profile(session, spec) if rows.share is not None and config.enabled else None
    found: tuple[tuple[ColumnStatistics, ...], Profile | None] | None = None
    if kept is not None and not again and kept.n_bins == n_bins(config) and kept.hashed == rows.hashed:
        change = _change(session, spec, kept, snapshot)
        if change is not None:
            found = carry(kept.profile, rows, change, config)
    columns, carried = found or profiled(rows, config)
    if config.enabled and carried is not None and (kept is None or kept.commit <= snapshot.commit):
        following = KeptProfile(
            commit=snapshot.commit,
            n_rows=snapshot.n_rows,
            n_bins=n_bins(config),
            hashed=rows.hashed,
            files=snapshot.files,
            profile=carried,
        )
        keep_profile(session, spec, following)
    return columns


def _change(session: Session, spec: FeatureGroupSpec, kept: KeptProfile, snapshot: Snapshot) -> Change | None:
    """Return the rows of the files that came and went since a profile was made; None: they are many, or gone."""
    old, new = {file.path: file for file in kept.files}, {file.path: file for file in snapshot.files}
    added, removed = (
        msgspec.structs.replace(
            snapshot, files=tuple(file for path, file in ours.items() if path not in others)
        )
        for ours, others in ((new, old), (old, new))
    )
    if (added.n_rows + removed.n_rows) * MIN_CARRIED > snapshot.n_rows:
        return None
    if not all(Path(file.path).exists() for file in removed.files):
        return None
    return Change(_rows_of(session, spec, added), _rows_of(session, spec, removed))


def written_statistics(session: Session, spec: FeatureGroupSpec, at: Instant | int | None) -> Statistics:
    """Return what is known since the insert of the rows that a commit brought.

    Raises:
        NotFoundError: the commit brought no rows, or the group's statistics were not enabled then.
    """
    number = _number(session, spec, at)
    kept = read_statistics(written_file(session, spec, number))
    if kept is None:
        found = [
            str(statistics.commit)
            for statistics in all_statistics(session, spec)
            if statistics.scope == "written"
        ]
        raise NotFoundError(f"commit of {spec.label!r} with statistics of its rows", str(number), found)
    return kept


def all_statistics(session: Session, spec: FeatureGroupSpec) -> list[Statistics]:
    """Return all statistics that are kept for a group, the latest commit first."""
    found = [kept for file in kept_files(session, spec) if (kept := read_statistics(file)) is not None]
    return sorted(found, key=lambda kept: (-(kept.commit or 0), kept.scope))


def note_written(session: Session, spec: FeatureGroupSpec, rows: pa.Table, commit: Commit) -> None:
    """Keep what the rows of a commit say by themselves. Whatever goes wrong, the commit stands."""
    config = spec.statistics_config
    if not config.enabled:
        return
    schema = tuple(field for field in spec.schema if not config.columns or field.name in config.columns)
    try:
        found = Statistics(
            scope="written",
            name=spec.name,
            version=spec.version,
            commit=commit.number,
            committed_at_us=commit.committed_at_us,
            computed_at_us=session.clock(),
            config=config,
            n_rows=rows.num_rows,
            columns=written_profile(rows, schema),
        )
        keep_statistics(written_file(session, spec, commit.number), found)
    except (HopyardError, pa.ArrowException) as error:
        _LOG.warning("The statistics of commit %s of %s were not kept: %s", commit.number, spec.label, error)


def compute_at_insert(session: Session, spec: FeatureGroupSpec, commit: Commit) -> None:
    """Compute the statistics of a commit right after it, if the group asks for that. The commit stands anyway."""
    config = spec.statistics_config
    if not (config.enabled and config.at_insert):
        return
    try:
        group_statistics(session, spec, commit.number, config)
    except HopyardError as error:
        _LOG.warning(
            "The statistics of commit %s of %s were not computed: %s", commit.number, spec.label, error
        )


def configure_statistics(
    session: Session, spec: FeatureGroupSpec, config: StatisticsConfig
) -> FeatureGroupSpec:
    """Return the group with another config. Raises NotFoundError, ConfigError: it names what is not there."""
    config.checked(tuple(feature.name for feature in spec.features))
    return change_group(
        session, spec, lambda stored: msgspec.structs.replace(stored, statistics_config=config)
    )


def covers(kept: Statistics, config: StatisticsConfig, *, with_clusters: bool) -> bool:
    """Return whether statistics have all that a config asks for."""
    has = kept.config
    return (
        has.columns == config.columns
        and has.histogram_bins == config.histogram_bins
        and has.histograms >= config.histograms
        and has.exact_uniqueness >= config.exact_uniqueness
        and has.correlations >= config.correlations
        and not (with_clusters and kept.clusters is None)
    )


def _rows_of(session: Session, spec: FeatureGroupSpec, snapshot: Snapshot) -> Rows:
    schema = tuple(field for field in spec.schema if field.name in snapshot.columns)
    return Rows(
        source=lambda: read_files(snapshot, schema),
        schema=schema,
        n_rows=snapshot.n_rows,
        identity=spec.identity,
        collect=session.engine.collect,
        run=session.engine.run,
    )


def _number(session: Session, spec: FeatureGroupSpec, at: Instant | int | None) -> int:
    """Return the number of the commit that is meant. Raises TimeTravelError: there is none."""
    if at is None:
        return session.offline.commits(spec.location)[-1].number
    if isinstance(at, int):
        known = [commit.number for commit in session.offline.commits(spec.location)]
        if at in known and not isinstance(at, bool):
            return at
        raise TimeTravelError(f"There is no commit {at} of {spec.label!r}. The last is {known[-1]}.")
    return commit_at(session, group_source(spec), to_micros(at))
