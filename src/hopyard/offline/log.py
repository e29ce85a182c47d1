"""The log of a Delta table, read once and kept: our commits, and the files and changes of every version.

Each version of a table is a file of JSON lines. They are never rewritten, so what was read stays right, and what is new
is whatever has a higher number. Nothing here depends on the times of files.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec
import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from hopyard.errors import CorruptStoreError, StoreError, TimeTravelError
from hopyard.model.codec import from_json
from hopyard.model.commit import COMMIT_FORMAT, ChangeFile, Commit, DataFile
from hopyard.offline.actions import (
    Add,
    Cdc,
    MetaData,
    Protocol,
    Remove,
    Vacuum,
    column_types,
    decode_action,
    decode_stats,
    decode_vacuum,
    partition,
    partition_text,
    ranges,
)
from hopyard.time import show

FOLDER = "_delta_log"

_UNREADABLE_FEATURES = frozenset({"deletionVectors", "columnMapping"})


@dataclass(slots=True)
class Version:
    """What one version of the table changes. `commit` is None if it is no commit of ours but maintenance."""

    number: int
    commit: Commit | None = None
    adds: list[Add] = field(default_factory=list)
    removes: list[Remove] = field(default_factory=list)
    cdc: list[Cdc] = field(default_factory=list)
    metadata: MetaData | None = None
    vacuum: Vacuum | None = None

    @property
    def is_neutral(self) -> bool:
        """Whether rows and columns are after it what they were before."""
        return self.metadata is None and not (
            any(add.data_change for add in self.adds) or any(remove.data_change for remove in self.removes)
        )


@dataclass(slots=True)
class State:
    """The files of a table after a version, by their path in the log, and its columns."""

    version: int
    files: dict[str, Add]
    metadata: MetaData | None

    def follow(self, version: Version) -> None:
        """Become the state after the next version."""
        for removed in version.removes:
            self.files.pop(removed.path, None)
        for added in version.adds:
            self.files[added.path] = added
        if version.metadata is not None:
            self.metadata = version.metadata
        self.version = version.number


class Log:
    """The log of the table in a folder. Not thread-safe: the caller holds a lock."""

    def __init__(self, folder: Path, location: str) -> None:
        self._table = folder
        self._folder = folder / FOLDER
        self._location = location
        self._versions: list[Version] = []
        self._files: dict[str, DataFile] = {}
        self._added: dict[str, Add] = {}
        self._past: State | None = None
        self.commits: list[Commit] = []
        self.vacuum: Vacuum | None = None
        self._base = self._begin()
        self._added.update(self._base.files)
        self.latest = State(self._base.version, dict(self._base.files), self._base.metadata)
        self.update()

    def update(self) -> None:
        """Read the versions that are new. Raises StoreError: the table is gone."""
        if not self._folder.is_dir():
            raise self._missing()
        while True:
            number = self.latest.version + 1
            version = self._read(number)
            if version is None:
                break
            self._versions.append(version)
            self._added.update((add.path, add) for add in version.adds)
            self.latest.follow(version)
            if version.commit is not None:
                self.commits.append(version.commit)
            if version.vacuum is not None and version.vacuum.first > self.first_kept:
                self.vacuum = version.vacuum
        if self.latest.metadata is None:
            raise CorruptStoreError(
                f"The log of the Delta table at {self._table} does not say what its columns are. "
                f"Restore it from a copy of the store."
            )

    @property
    def first_kept(self) -> int:
        """The number of the first commit that no vacuum has removed."""
        return 0 if self.vacuum is None else self.vacuum.first

    @property
    def base_version(self) -> int:
        """The version before the first that was read; -1: all were."""
        return self._base.version

    @property
    def base_files(self) -> dict[str, Add]:
        """The files of that version."""
        return self._base.files

    def state(self, version: int) -> State:
        """Return the state after a version. Raises TimeTravelError: the log no longer goes back to it."""
        if version == self.latest.version:
            return self.latest
        if version < self._base.version:
            raise TimeTravelError(
                f"Version {version} of {self._location!r} can no longer be read: its log begins at "
                f"{self._base.version}. Restore the table's {FOLDER} from a copy of the store."
            )
        past = self._past
        if past is None or past.version > version:
            past = State(self._base.version, dict(self._base.files), self._base.metadata)
        for number in range(past.version + 1, version + 1):
            past.follow(self._versions[number - self._base.version - 1])
        self._past = past
        return past

    def version_of(self, index: int) -> int:
        """Return the newest version with exactly the content after a commit, given by its place in `commits`.

        Of the last commit: the latest version.
        """
        if index == len(self.commits) - 1:
            return self.latest.version
        version = self.commits[index].number
        last = self.commits[index + 1].number - 1
        while version < last and version >= self._base.version:
            following = self._versions[version - self._base.version]
            if not following.is_neutral:
                break
            version += 1
        return version

    def data_files(self, state: State) -> tuple[DataFile, ...]:
        """Return the files of a state, sorted by path."""
        types = column_types(state.metadata)
        files = (self._data_file(add, types) for add in state.files.values())
        return tuple(sorted(files, key=lambda file: file.path))

    def changes(self, after: int, upto: int) -> tuple[ChangeFile, ...]:
        """Return the files with what our commits changed in (after, upto], oldest first. Raises TimeTravelError."""
        first_known = self._versions[0].number if self._versions else self.latest.version + 1
        if after + 1 < first_known:
            raise self._incomplete(after, first_known - 1, f"the log begins at version {first_known}")
        if self.vacuum is not None and after < self.vacuum.first:
            cause = f"a vacuum removed it at {show(self.vacuum.at_us)}"
            raise self._incomplete(after, self.vacuum.first, cause)
        types = column_types(self.latest.metadata)
        found: list[ChangeFile] = []
        for version in self._versions[after + 1 - first_known : max(upto + 1 - first_known, 0)]:
            found.extend(self._changes_of(version, types))
        for change in reversed(found):
            if not Path(change.path).exists():
                raise self._incomplete(after, change.commit, f"the file {change.path} is gone")
        return tuple(found)

    def names_changed_by(self, version: Version) -> list[str]:
        """Return the names of the files with what a version changed."""
        if version.cdc:
            return [cdc.path for cdc in version.cdc]
        removes = [remove.path for remove in version.removes if remove.data_change]
        return removes + [add.path for add in version.adds if add.data_change]

    @property
    def versions(self) -> list[Version]:
        """The versions that were read, oldest first."""
        return self._versions

    def path(self, name: str) -> str:
        """Return the absolute path of a file that the log names."""
        return str(self._table / unquote(name))

    def _begin(self) -> State:
        """Return the state before the first version that can be read: nothing, or what a checkpoint says."""
        numbers = sorted(int(path.stem) for path in self._folder.glob("*.json") if path.stem.isdecimal())
        if not numbers:
            raise self._missing()
        start = next(
            (
                number
                for number, before in zip(numbers[:0:-1], numbers[-2::-1], strict=True)
                if before != number - 1
            ),
            numbers[0],
        )
        if start == 0:
            return State(-1, {}, None)
        # Another program has cleaned the log. What it left is read as far as a checkpoint allows.
        for number in numbers[: numbers.index(start)]:
            version = self._read(number)
            if version is not None and version.commit is not None:
                self.commits.append(version.commit)
        names = (path.name.partition(".")[0] for path in self._folder.glob("*.checkpoint*.parquet"))
        base = min(
            (int(name) for name in names if name.isdecimal() and int(name) >= start - 1), default=start
        )
        for number in range(start, base + 1):
            version = self._read(number)
            if version is not None and version.commit is not None:
                self.commits.append(version.commit)
        return self._checkpoint(base)

    def _checkpoint(self, version: int) -> State:
        try:
            table = DeltaTable(str(self._table), version=version)
            schema = msgspec.json.decode(table.schema().to_json())
        except DeltaError as error:
            raise CorruptStoreError(
                f"The Delta table at {self._table} cannot be read: versions of its log are missing before "
                f"{version} ({error}). Restore its {FOLDER} from a copy of the store."
            ) from error
        described = table.metadata()
        metadata = MetaData(
            schema_string=msgspec.json.encode(schema).decode(),
            partition_columns=described.partition_columns,
            configuration=dict(described.configuration),
        )
        actions = pa.table(table.get_add_actions(flatten=False)).to_pylist()
        files = {}
        for action in actions:
            values = action.get("partition_values") or action.get("partition") or {}
            files[action["path"]] = Add(
                path=action["path"],
                partition_values={name: partition_text(value) for name, value in values.items()},
                size=action["size_bytes"],
                stats=msgspec.json.encode({"numRecords": action["num_records"] or 0}).decode(),
            )
        return State(version, files, metadata)

    def _read(self, number: int) -> Version | None:
        """Return one version; None if there is none yet."""
        file = self._folder / f"{number:020}.json"
        try:
            lines = file.read_bytes().splitlines()
        except FileNotFoundError:
            return None
        version, text = Version(number), None
        try:
            for action in (decode_action(line) for line in lines if line):
                if action.add is not None:
                    version.adds.append(action.add)
                elif action.remove is not None:
                    version.removes.append(action.remove)
                elif action.cdc is not None:
                    version.cdc.append(action.cdc)
                elif action.metaData is not None:
                    version.metadata = action.metaData
                elif action.protocol is not None:
                    self._check_readable(action.protocol)
                elif action.commitInfo is not None:
                    text = action.commitInfo.commit
                    if action.commitInfo.vacuum is not None:
                        version.vacuum = decode_vacuum(action.commitInfo.vacuum)
        except msgspec.MsgspecError as error:
            raise CorruptStoreError(f"The log file {file} cannot be read: {error}") from error
        if text is not None:
            commit = from_json(Commit, text, known=COMMIT_FORMAT, what=f"commit {number} in {file}")
            size_bytes = sum(add.size for add in version.adds)
            version.commit = msgspec.structs.replace(commit, number=number, size_bytes=size_bytes)
        return version

    def _check_readable(self, protocol: Protocol) -> None:
        unreadable = _UNREADABLE_FEATURES & set(protocol.reader_features or ())
        if unreadable:
            raise StoreError(
                f"The Delta table at {self._location!r} uses {', '.join(sorted(unreadable))}, set by another program: "
                f"reading its files directly would give wrong rows. Rewrite it without."
            )

    def _data_file(self, add: Add, types: dict[str, str]) -> DataFile:
        file = self._files.get(add.path)
        if file is None:
            try:
                stats = decode_stats(add.stats or "{}")
            except msgspec.MsgspecError as error:
                raise CorruptStoreError(
                    f"The statistics of {add.path!r} in the log of {self._location!r} cannot be read: {error}"
                ) from error
            file = self._files[add.path] = DataFile(
                path=self.path(add.path),
                n_rows=stats.num_records,
                size_bytes=add.size,
                ranges=dict(ranges(stats, types)),
                partition=partition(add.partition_values, types),
            )
        return file

    def _changes_of(self, version: Version, types: dict[str, str]) -> Iterator[ChangeFile]:
        commit = version.commit
        if commit is None:
            return
        files: list[tuple[str, Any, Add | Remove | Cdc]]
        if version.cdc:
            files = [("mixed", 0, cdc) for cdc in version.cdc]
        else:
            files = [
                ("delete", self._n_rows(file.path, types), file)
                for file in version.removes
                if file.data_change
            ]
            files += [
                ("put", self._data_file(file, types).n_rows, file)
                for file in version.adds
                if file.data_change
            ]
        for kind, n_rows, file in files:
            yield ChangeFile(
                path=self.path(file.path),
                commit=commit.number,
                committed_at_us=commit.committed_at_us,
                kind=kind,  # type: ignore[arg-type]
                n_rows=n_rows,
                size_bytes=file.size or 0,
                partition=partition(file.partition_values or {}, types),
            )

    def _n_rows(self, path: str, types: dict[str, str]) -> int:
        """Return how many rows a removed file had."""
        added = self._added.get(path)
        return self._data_file(added, types).n_rows if added is not None else 0

    def _missing(self) -> StoreError:
        return StoreError(
            f"The data of a feature group is missing: there is no Delta table at {self._table}. "
            f"Restore the folder, or delete the feature group."
        )

    def _incomplete(self, after: int, broken: int, cause: str) -> TimeTravelError:
        known = [commit for commit in self.commits if commit.number >= broken]
        first = f"commit {known[0].number} ({show(known[0].committed_at_us)})" if known else "the next commit"
        return TimeTravelError(
            f"The changes of {self._location!r} after commit {after} can no longer be read: {cause}. "
            f"Its history is whole from {first} on."
        )


def last_commit_before(commits: list[Commit], number: int) -> int:
    """Return the place of the last commit up to a number; -1: there is none."""
    return bisect_right(commits, number, key=lambda commit: commit.number) - 1
