"""Delta tables by delta-rs: one per feature group version, in a folder, readable by any engine.

Our commits carry their facts as JSON in the commit's metadata; a table version without them (compaction, a change of
properties) is maintenance and is no commit. History is kept for ever: nothing here cleans the log or old files.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Field, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from hopyard.durable import sync, sync_parents
from hopyard.errors import ConflictError, CorruptStoreError, SchemaMismatchError, StoreError, TimeTravelError
from hopyard.model.arrow import from_arrow, to_arrow, to_arrow_schema
from hopyard.model.codec import from_json, to_json
from hopyard.model.commit import COMMIT_FORMAT, Commit, DataFile, Snapshot
from hopyard.model.specs import GROUP_FORMAT, FeatureGroupSpec
from hopyard.ports import Change, OfflineCapabilities

COMMIT_KEY = "hopyard.commit"
SPEC_KEY = "hopyard.spec"
WRITER_APP = "hopyard.writer"

_FOR_EVER = "interval 36500 days"
_PROPERTIES = {
    "delta.enableChangeDataFeed": "true",
    "delta.logRetentionDuration": _FOR_EVER,
    "delta.deletedFileRetentionDuration": _FOR_EVER,
    "delta.enableExpiredLogCleanup": "false",
}
_UNREADABLE_FEATURES = frozenset({"deletionVectors", "columnMapping"})
_WRITER = WriterProperties(compression="ZSTD", compression_level=1)


@dataclass(slots=True)
class _Open:
    """An open table and the commits read from its log so far."""

    table: DeltaTable
    commits: list[Commit] = field(default_factory=list)
    seen_version: int = -1
    lock: threading.Lock = field(default_factory=threading.Lock)


class DeltaOfflineStore:
    """Implements `ports.OfflineStore` on Delta tables below a folder."""

    capabilities = OfflineCapabilities(has_change_feed=True)

    def __init__(self, root: Path) -> None:
        self._root = root
        self._open: dict[str, _Open] = {}
        self._pid = os.getpid()
        self._guard = threading.Lock()

    def create(self, spec: FeatureGroupSpec, commit: Commit) -> Commit:
        path = self._root / spec.location
        path.mkdir(parents=True, exist_ok=True)
        stored = msgspec.structs.replace(commit, number=0)
        DeltaTable.create(
            str(path),
            schema=to_arrow_schema(spec.schema),
            mode="error",
            name=spec.label,
            description=spec.description,
            configuration={**_PROPERTIES, SPEC_KEY: to_json(spec).decode()},
            commit_properties=_properties(stored, version=0),
            raise_if_key_not_exists=False,
        )
        _fsync(path, [])
        sync_parents(path, self._root)
        return stored

    def spec(self, location: str) -> FeatureGroupSpec:
        opened = self._current(location)
        text = opened.table.metadata().configuration.get(SPEC_KEY)
        if text is None:
            raise CorruptStoreError(
                f"The Delta table at {location!r} was not made by Hopyard: it has no {SPEC_KEY!r}."
            )
        return from_json(
            FeatureGroupSpec, text, known=GROUP_FORMAT, what=f"the feature group at {location!r}"
        )

    def snapshot(self, location: str, commit: int | None = None) -> Snapshot:
        opened = self._current(location)
        with opened.lock:
            return self._snapshot(location, opened, commit)

    def commits(self, location: str) -> Sequence[Commit]:
        opened = self._current(location)
        with opened.lock:
            return tuple(opened.commits)

    def write(self, location: str, base: Snapshot, change: Change, commit: Commit) -> Commit:
        opened = self._current(location)
        with opened.lock:
            draft = self._draft(opened, base.table_version, commit)
            before = {file.path for file in base.files}
            properties = _properties(draft, version=base.table_version + 1)
            try:
                _apply(opened.table, change, properties)
                if opened.table.version() == base.table_version:  # a merge that met no row makes no version
                    nothing = Change("append", change.rows.slice(0, 0))
                    _apply(opened.table, nothing, properties)
            except CommitFailedError as error:
                self._forget(location)
                raise ConflictError(
                    f"Somebody else wrote to {location!r} at the same moment ({error})."
                ) from error
            except Exception as error:  # delta-rs raises bare exceptions, too
                self._forget(location)
                raise StoreError(
                    f"Writing to {location!r} failed, and nothing of it is visible: {error}. "
                    f"Is the disk full? Otherwise look with `hopyard verify`."
                ) from error
            return self._finish(location, opened, draft, before)

    def alter(self, location: str, spec: FeatureGroupSpec, commit: Commit | None) -> Commit | None:
        opened = self._current(location)
        with opened.lock:
            table, version = opened.table, opened.table.version()
            draft = self._draft(opened, version, commit) if commit else None
            known = _types(table)
            for feature in spec.features:
                if known.get(feature.name, _unsized(feature.type)) != _unsized(feature.type):
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
                    table.alter.add_columns(added, commit_properties=_properties(draft, version=version + 1))
                    version += 1
                # Without new columns (a call that died had added them) the commit goes with the spec.
                table.alter.set_table_properties(
                    {SPEC_KEY: to_json(spec).decode()},
                    raise_if_not_exists=False,
                    commit_properties=_properties(None if added else draft, version=version + 1),
                )
            except DeltaError as error:
                self._forget(location)
                raise ConflictError(f"Changing the features of {location!r} failed: {error}") from error
            _fsync(self._root / location, [])
            return draft

    def drop(self, location: str) -> None:
        self._forget(location)
        shutil.rmtree(self._root / location, ignore_errors=True)

    def locations(self, project: str) -> list[str]:
        folder = self._root / "projects" / project / "groups"
        tables = folder.glob("*/_delta_log") if folder.is_dir() else ()
        return sorted(str(log.parent.relative_to(self._root)) for log in tables)

    def _current(self, location: str) -> _Open:
        """Return the table at its latest version, its commits read."""
        with self._guard:
            if self._pid != os.getpid():  # delta-rs panics on a table that was opened before a fork
                self._open, self._pid = {}, os.getpid()
            opened = self._open.get(location)
            if opened is None:
                opened = self._open[location] = _Open(self._load(location))
        with opened.lock:
            try:
                opened.table.update_incremental()
            except DeltaError as error:
                raise StoreError(f"The table at {location!r} cannot be read: {error}") from error
            _check_readable(location, opened.table)
            self._read_log(location, opened)
        return opened

    def _load(self, location: str) -> DeltaTable:
        path = self._root / location
        try:
            table = DeltaTable(str(path))
        except TableNotFoundError as error:
            raise StoreError(
                f"The data of a feature group is missing: there is no Delta table at {path}. "
                f"Restore the folder, or delete the feature group."
            ) from error
        except DeltaError as error:
            raise CorruptStoreError(f"The Delta table at {path} cannot be read: {error}") from error
        return table

    def _read_log(self, location: str, opened: _Open) -> None:
        latest = opened.table.version()
        for version in range(opened.seen_version + 1, latest + 1):
            commit = _read_commit(self._root / location / "_delta_log" / f"{version:020}.json", version)
            if commit is not None:
                opened.commits.append(commit)
        opened.seen_version = latest

    def _snapshot(self, location: str, opened: _Open, number: int | None) -> Snapshot:
        commits = opened.commits
        if not commits:
            raise StoreError(f"The table at {location!r} has no commit of Hopyard.")
        table = opened.table
        commit = commits[-1]
        if number is not None and number != commit.number:
            index = bisect_right(commits, number, key=lambda c: c.number) - 1
            commit = commits[max(index, 0)]
            if commit.number != number:
                raise TimeTravelError(
                    f"There is no commit {number}. The nearest are {commit.number} and "
                    f"{commits[min(index + 1, len(commits) - 1)].number}; the last is {commits[-1].number}."
                )
            try:
                table = DeltaTable(str(self._root / location), version=number)
            except DeltaError as error:
                raise TimeTravelError(
                    f"Commit {number} of {location!r} can no longer be read: {error}"
                ) from error
        return Snapshot(
            location=location,
            commit=commit.number,
            table_version=table.version(),
            committed_at_us=commit.committed_at_us,
            files=_files(table, self._root / location),
            columns=_columns(table),
        )

    def _draft(self, opened: _Open, base_version: int, commit: Commit) -> Commit:
        if opened.table.version() != base_version:
            raise ConflictError(
                f"The table is at version {opened.table.version()}, not at {base_version} as when it was read."
            )
        previous = opened.commits[-1].committed_at_us if opened.commits else -(2**63)
        return msgspec.structs.replace(
            commit, number=base_version + 1, committed_at_us=max(commit.committed_at_us, previous + 1)
        )

    def _finish(self, location: str, opened: _Open, draft: Commit, before: set[str]) -> Commit:
        added = [file for file in _files(opened.table, self._root / location) if file.path not in before]
        _fsync(self._root / location, [Path(file.path) for file in added])
        size_bytes = sum(file.size_bytes for file in added)
        return msgspec.structs.replace(draft, number=opened.table.version(), size_bytes=size_bytes)

    def _forget(self, location: str) -> None:
        with self._guard:
            self._open.pop(location, None)


def _check_readable(location: str, table: DeltaTable) -> None:
    unreadable = _UNREADABLE_FEATURES & set(table.protocol().reader_features or ())
    if unreadable:
        raise StoreError(
            f"The Delta table at {location!r} uses {', '.join(sorted(unreadable))}, set by another program: "
            f"reading its files directly would give wrong rows. Rewrite it without."
        )


class _CommitInfo(msgspec.Struct):
    commit: str | None = msgspec.field(default=None, name=COMMIT_KEY)


class _Add(msgspec.Struct):
    size: int = 0


class _Action(msgspec.Struct):
    """The parts of a line of Delta's log that matter here."""

    commitInfo: _CommitInfo | None = None  # noqa: N815 - the name in Delta's protocol
    add: _Add | None = None


_decode_action = msgspec.json.Decoder(_Action).decode


def _read_commit(file: Path, version: int) -> Commit | None:
    """Return our commit in one file of the log; None if the version is maintenance, or the file is gone."""
    try:
        actions = [_decode_action(line) for line in file.read_bytes().splitlines() if line]
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise CorruptStoreError(f"The log file {file} cannot be read: {error}") from error
    text = next((action.commitInfo.commit for action in actions if action.commitInfo), None)
    if text is None:
        return None
    commit = from_json(Commit, text, known=COMMIT_FORMAT, what=f"commit {version} in {file}")
    size_bytes = sum(action.add.size for action in actions if action.add)
    return msgspec.structs.replace(commit, number=version, size_bytes=size_bytes)


def _apply(table: DeltaTable, change: Change, properties: CommitProperties) -> None:
    rows = change.rows if change.kind == "delete" else _complete(table, change.rows)
    if change.kind in ("append", "overwrite"):
        write_deltalake(
            table, rows, mode=change.kind, writer_properties=_WRITER, commit_properties=properties
        )  # fmt: skip
        return
    predicate = " AND ".join(f"target.`{column}` = source.`{column}`" for column in change.on)
    merge = table.merge(
        source=rows,
        predicate=predicate,
        source_alias="source",
        target_alias="target",
        writer_properties=_WRITER,
        commit_properties=properties,
    )
    if change.kind == "delete":
        merge.when_matched_delete().execute()
    else:
        merge.when_matched_update_all().when_not_matched_insert_all().execute()


def _complete(table: DeltaTable, rows: pa.Table) -> pa.Table:
    """Return the rows with every column of the table: one that died before its feature was registered is null."""
    schema = pa.schema(table.schema().to_arrow())
    for name, type_ in zip(schema.names, schema.types, strict=True):
        if name not in rows.column_names:
            rows = rows.append_column(name, pa.nulls(rows.num_rows, type_))
    return rows.select(schema.names)


def _properties(commit: Commit | None, *, version: int) -> CommitProperties:
    # The application transaction makes two writers that saw the same version conflict inside Delta itself, wherever
    # the table is: blind appends would both succeed otherwise, and duplicate rows.
    return CommitProperties(
        custom_metadata={COMMIT_KEY: to_json(commit).decode()} if commit else None,
        app_transactions=[Transaction(WRITER_APP, version)],
    )


def _types(table: DeltaTable) -> dict[str, str]:
    """Return the feature types of the table's columns; Delta does not keep the fixed size of an array."""
    schema = pa.schema(table.schema().to_arrow())
    return {field.name: str(from_arrow(field.type, column=field.name)) for field in schema}


def _unsized(type_: str) -> str:
    return re.sub(r"\[\d+\]", "", type_)


def _columns(table: DeltaTable) -> tuple[str, ...]:
    return tuple(field.name for field in table.schema().fields)


def _files(table: DeltaTable, folder: Path) -> tuple[DataFile, ...]:
    """Return the files of a table's version. `file_uris()` would give quoted paths: `with%20space`."""
    actions: Any = table.get_add_actions(flatten=True)
    names = ("path", "num_records", "size_bytes")
    facts = zip(*(actions.column(name).to_pylist() for name in names), strict=True)
    files = (
        DataFile(path=str(folder / unquote(path)), n_rows=rows or 0, size_bytes=size or 0)
        for path, rows, size in facts
    )
    return tuple(sorted(files, key=lambda file: file.path))


def _fsync(table: Path, files: Sequence[Path]) -> None:
    """Force the new files, the log and their folders to disk: what is acknowledged survives a power cut."""
    log = table / "_delta_log"
    newest = max(log.glob("*.json"))
    for path in (*files, newest, log, table):
        sync(path)
