"""Delta tables by delta-rs: one per feature group version, in a folder, readable by any engine.

Our commits carry their facts as JSON in the commit's metadata; a table version without them (compaction, a change of
properties) is maintenance and is no commit. History is kept for ever: nothing here cleans the log or old files.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Field, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError

from hopyard.durable import sync, sync_parents
from hopyard.errors import ConflictError, CorruptStoreError, SchemaMismatchError, StoreError, TimeTravelError
from hopyard.failpoint import Failpoint, around, never_fail
from hopyard.model.arrow import to_arrow, to_arrow_schema
from hopyard.model.codec import from_json, to_json
from hopyard.model.commit import ChangeFile, Commit, Snapshot
from hopyard.model.specs import GROUP_FORMAT, FeatureGroupSpec
from hopyard.offline.actions import COMMIT_KEY, column_types
from hopyard.offline.change import apply, feature_types, unsized
from hopyard.offline.log import FOLDER, Log, last_commit_before
from hopyard.offline.publish import WRITER_APP
from hopyard.ports import Change, OfflineCapabilities
from hopyard.time import show

SPEC_KEY = "hopyard.spec"
_LOG = logging.getLogger("hopyard")

_FOR_EVER = "interval 36500 days"
_PROPERTIES = {
    "delta.enableChangeDataFeed": "true",
    "delta.logRetentionDuration": _FOR_EVER,
    "delta.deletedFileRetentionDuration": _FOR_EVER,
    "delta.enableExpiredLogCleanup": "false",
    "delta.targetFileSize": "33554432",  # an update rewrites whole files: the smaller, the cheaper it is
    "delta.checkpointInterval": "50",
}


@dataclass(slots=True)
class OpenTable:
    """What is known of a table: its log and, where it was written to, the table that delta-rs has open."""

    log: Log
    table: DeltaTable | None = None
    snapshot: Snapshot | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class DeltaOfflineStore:
    """Implements `ports.OfflineStore` on Delta tables below a folder."""

    capabilities = OfflineCapabilities(has_change_feed=True)

    def __init__(self, root: Path, *, failpoint: Failpoint = never_fail) -> None:
        self._root, self._failpoint = root, failpoint
        self._open: dict[str, OpenTable] = {}
        self._pid = os.getpid()
        self._guard = threading.Lock()

    def create(self, spec: FeatureGroupSpec, commit: Commit) -> Commit:
        path = self._root / spec.location
        path.mkdir(parents=True, exist_ok=True)
        stored = msgspec.structs.replace(commit, number=0)
        with around(self._failpoint, "delta_create"):
            DeltaTable.create(
                str(path),
                schema=to_arrow_schema(spec.schema),
                partition_by=list(spec.partition_key),
                mode="error",
                name=spec.label,
                description=spec.description,
                configuration={**_PROPERTIES, SPEC_KEY: to_json(spec).decode()},
                commit_properties=_properties(stored, version=0),
                raise_if_key_not_exists=False,
            )
        self._sync(path, 0)
        with around(self._failpoint, "delta_parents_sync"):
            sync_parents(path, self._root)
        return stored

    def spec(self, location: str) -> FeatureGroupSpec:
        with self.opened(location) as opened:
            metadata = opened.log.latest.metadata
        text = metadata.configuration.get(SPEC_KEY) if metadata is not None else None
        if text is None:
            raise CorruptStoreError(
                f"The Delta table at {location!r} was not made by Hopyard: it has no {SPEC_KEY!r}."
            )
        return from_json(
            FeatureGroupSpec, text, known=GROUP_FORMAT, what=f"the feature group at {location!r}"
        )

    def snapshot(self, location: str, commit: int | None = None) -> Snapshot:
        with self.opened(location) as opened:
            return self._snapshot(location, opened, commit)

    def commits(self, location: str) -> Sequence[Commit]:
        with self.opened(location) as opened:
            first = opened.log.first_kept
            return tuple(
                msgspec.structs.replace(commit, is_vacuumed=True) if commit.number < first else commit
                for commit in opened.log.commits
            )

    def changes(self, location: str, after: int, upto: int) -> tuple[ChangeFile, ...]:
        with self.opened(location) as opened:
            return opened.log.changes(after, upto)

    def write(self, location: str, base: Snapshot, change: Change, commit: Commit) -> Commit:
        with self.opened(location) as opened:
            draft = _draft(opened.log, base.table_version, commit)
            properties = _properties(draft, version=base.table_version + 1)
            table = self._table(location, opened)
            self._failpoint("before_delta_commit")
            try:
                apply(table, change, properties)
                if table.version() == base.table_version:  # a merge that met no row makes no version
                    apply(table, Change("append", change.rows.slice(0, 0)), properties)
            except CommitFailedError as error:
                self._forget(location)
                raise ConflictError(
                    f"Somebody else wrote to {location!r} at the same moment ({error})."
                ) from error
            except Exception as error:  # delta-rs raises bare exceptions, too
                self._forget(location)
                number = _number_in(opened.log, draft)
                if number is None:
                    raise StoreError(
                        f"Writing to {location!r} failed, and nothing of it is visible: {error}. "
                        f"Is the disk full? Otherwise look with `hopyard verify`."
                    ) from error
                _LOG.info("The checkpoint after commit %d of %r failed: %s", number, location, error)
            else:
                number = table.version()
            self._failpoint("after_delta_commit")
            return self._finish(location, opened, number)

    def alter(self, location: str, spec: FeatureGroupSpec, commit: Commit | None) -> Commit | None:
        with self.opened(location) as opened:
            table = self._table(location, opened)
            version = table.version()
            draft = _draft(opened.log, version, commit) if commit else None
            known = feature_types(table)
            for feature in spec.features:
                if known.get(feature.name, unsized(feature.type)) != unsized(feature.type):
                    raise SchemaMismatchError(
                        f"{feature.name!r} is in the table already, as {known[feature.name]} and not as "
                        f"{feature.type}: an earlier append_features() added it and was interrupted. "
                        f"Repeat it with that type."
                    )
            added = [
                Field.from_arrow(pa.field(feature.name, to_arrow(feature.field.feature_type)))
                for feature in spec.features
                if feature.name not in known
            ]
            try:
                if added:
                    with around(self._failpoint, "delta_columns"):
                        table.alter.add_columns(
                            added, commit_properties=_properties(draft, version=version + 1)
                        )
                    version += 1
                # Without new columns (a call that died had added them) the commit goes with the spec.
                with around(self._failpoint, "delta_spec"):
                    table.alter.set_table_properties(
                        {SPEC_KEY: to_json(spec).decode()},
                        raise_if_not_exists=False,
                        commit_properties=_properties(None if added else draft, version=version + 1),
                    )
            except DeltaError as error:
                self._forget(location)
                raise ConflictError(f"Changing the features of {location!r} failed: {error}") from error
            opened.log.update()
            opened.snapshot = None
            self._sync(self._root / location, opened.log.latest.version)
            return draft

    def drop(self, location: str) -> None:
        self._forget(location)
        shutil.rmtree(self._root / location, ignore_errors=True)

    @contextmanager
    def opened(self, location: str) -> Iterator[OpenTable]:
        """Hold what is known of a table for the length of a with block, its log read to the end."""
        with self._guard:
            if self._pid != os.getpid():  # delta-rs panics on a table that was opened before a fork
                self._open, self._pid = {}, os.getpid()
            opened = self._open.get(location)
            if opened is None:
                opened = self._open[location] = OpenTable(Log(self._root / location, location))
        with opened.lock:
            opened.log.update()
            yield opened

    def _table(self, location: str, opened: OpenTable) -> DeltaTable:
        """Return the table as delta-rs has it, at the version to which its log was read."""
        try:
            if opened.table is None:
                opened.table = DeltaTable(str(self._root / location))
            else:
                opened.table.update_incremental()
        except DeltaError as error:
            raise CorruptStoreError(f"The Delta table at {location!r} cannot be read: {error}") from error
        if opened.table.version() != opened.log.latest.version:
            raise ConflictError(
                f"The table at {location!r} went on to version {opened.table.version()} while "
                f"{opened.log.latest.version} was read."
            )
        return opened.table

    def _snapshot(self, location: str, opened: OpenTable, number: int | None) -> Snapshot:
        log = opened.log
        commits = log.commits
        if not commits:
            raise StoreError(f"The table at {location!r} has no commit of Hopyard.")
        index = len(commits) - 1
        if number is not None and number != commits[-1].number:
            index = last_commit_before(commits, number)
            if index < 0 or commits[index].number != number:
                places = {max(index, 0), min(index + 1, len(commits) - 1)}
                around = " and ".join(str(commits[place].number) for place in sorted(places))
                raise TimeTravelError(
                    f"There is no commit {number}. Next to it: {around}; the last is {commits[-1].number}."
                )
        if commits[index].number < log.first_kept:
            assert log.vacuum is not None
            first = commits[last_commit_before(commits, log.first_kept)]
            raise TimeTravelError(
                f"Commit {commits[index].number} of {location!r} can no longer be read: a vacuum removed it at "
                f"{show(log.vacuum.at_us)}. The first that is left is {first.number} ({show(first.committed_at_us)})."
            )
        version = log.version_of(index)
        if opened.snapshot is not None and opened.snapshot.table_version == version:
            return opened.snapshot
        state = log.state(version)
        snapshot = Snapshot(
            location=location,
            commit=commits[index].number,
            table_version=version,
            committed_at_us=commits[index].committed_at_us,
            files=log.data_files(state),
            columns=tuple(column_types(state.metadata)),
            uri=str(self._root / location),
        )
        if state is log.latest:
            opened.snapshot = snapshot
        return snapshot

    def _finish(self, location: str, opened: OpenTable, number: int) -> Commit:
        """Return the commit that was written, when all its files are safe on the disk."""
        log = opened.log
        log.update()
        version = next(version for version in reversed(log.versions) if version.number == number)
        assert version.commit is not None
        names = [add.path for add in version.adds] + [cdc.path for cdc in version.cdc]
        try:
            self._sync(self._root / location, number, [Path(log.path(name)) for name in names])
        except OSError as error:
            raise StoreError(
                f"Commit {number} of {location!r} is written and stands, but it could not be forced to disk: {error}. "
                f"A power cut may take it back. Do not write it again; see to the disk, and look with "
                f"`hopyard verify`."
            ) from error
        return version.commit

    def _sync(self, table: Path, version: int, files: Sequence[Path] = ()) -> None:
        """Force the new files, a version and their folders to disk: what is acknowledged survives a power cut."""
        log = table / FOLDER
        folders = {folder for file in files for folder in file.parents if folder.is_relative_to(table)}
        with around(self._failpoint, "delta_sync"):
            for path in (*files, log / f"{version:020}.json", *sorted(folders | {log, table})):
                sync(path)

    def folder(self, location: str) -> Path:
        """Return the folder of a table."""
        return self._root / location

    def _forget(self, location: str) -> None:
        with self._guard:
            self._open.pop(location, None)


def _draft(log: Log, base_version: int, commit: Commit) -> Commit:
    if log.latest.version != base_version:
        raise ConflictError(
            f"The table is at version {log.latest.version}, not at {base_version} as when it was read."
        )
    previous = log.commits[-1].committed_at_us if log.commits else -(2**63)
    return msgspec.structs.replace(
        commit, number=base_version + 1, committed_at_us=max(commit.committed_at_us, previous + 1)
    )


def _number_in(log: Log, draft: Commit) -> int | None:
    """Return the number of a commit that is in the log, although writing it raised: what came after it did."""
    log.update()
    for commit in log.commits[-1:]:
        if msgspec.structs.replace(commit, number=draft.number, size_bytes=draft.size_bytes) == draft:
            return commit.number
    return None


def _properties(commit: Commit | None, *, version: int) -> CommitProperties:
    # The application transaction makes two writers that saw the same version conflict inside Delta itself, wherever
    # the table is: blind appends would both succeed otherwise, and duplicate rows.
    return CommitProperties(
        custom_metadata={COMMIT_KEY: to_json(commit).decode()} if commit else None,
        app_transactions=[Transaction(WRITER_APP, version)],
    )
