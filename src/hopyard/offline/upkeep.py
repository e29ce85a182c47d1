"""Upkeep of Delta tables: small files merged, checkpoints, the end of history on request, and what all of it takes."""

from __future__ import annotations

import shutil
from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from urllib.parse import unquote

import msgspec
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from hopyard.errors import StoreError
from hopyard.failpoint import Failpoint, around, never_fail
from hopyard.model.commit import DiskUsage, Freed
from hopyard.offline.actions import VACUUM_KEY, Vacuum
from hopyard.offline.compact import Merged, actions, batches, merge
from hopyard.offline.delta import DeltaOfflineStore
from hopyard.offline.log import FOLDER, Log
from hopyard.offline.publish import DRAFT_SUFFIX, publish

CHECKPOINT_EVERY = 50


class DeltaUpkeep:
    """Implements `ports.OfflineUpkeep` on the tables of a `DeltaOfflineStore`."""

    def __init__(self, store: DeltaOfflineStore, *, failpoint: Failpoint = never_fail) -> None:
        self._store, self._failpoint = store, failpoint

    def compact(
        self,
        location: str,
        order: Sequence[str],
        *,
        at_least: int,
        now_us: int,
        hold: Callable[[], AbstractContextManager[None]],
        is_stopping: Callable[[], bool],
    ) -> int:
        table = self._store.folder(location)
        with self._store.opened(location) as opened:
            state, metadata = opened.log.latest, opened.log.latest.metadata
            of_path = {file.path: file for file in opened.log.data_files(state)}
            files = [(add, of_path[opened.log.path(path)]) for path, add in state.files.items()]
        assert metadata is not None
        todo = batches(files, order[0] if order else None)
        if sum(map(len, todo)) < at_least:
            return 0
        n_merged = 0
        for batch in todo:
            if is_stopping():
                break
            merged = merge(table, batch, metadata, order, self._failpoint)
            try:
                with hold():
                    is_current = self._switch(location, merged, now_us)
            except BaseException:
                self._remove_unused(location, merged)
                raise
            if not is_current:
                _remove(table, merged)
                break
            n_merged += len(batch)
        return n_merged

    def checkpoint(self, location: str) -> bool:
        table = self._store.folder(location)
        names = (path.name.partition(".")[0] for path in (table / FOLDER).glob("*.checkpoint*.parquet"))
        last = max((int(name) for name in names if name.isdecimal()), default=-1)
        with self._store.opened(location) as opened:
            if opened.log.latest.version < last + CHECKPOINT_EVERY:
                return False
        try:
            with around(self._failpoint, "checkpoint"):
                DeltaTable(str(table)).create_checkpoint()
        except DeltaError as error:
            raise StoreError(f"No checkpoint could be written for {location!r}: {error}") from error
        return True

    def end_history(self, location: str, *, before: int, now_us: int) -> None:
        with self._store.opened(location) as opened:
            vacuum = Vacuum(first=before, at_us=now_us)
            publish(
                self._store.folder(location),
                opened.log.latest.version + 1,
                "VACUUM START",
                now_us=now_us,
                failpoint=self._failpoint,
                facts={VACUUM_KEY: msgspec.json.encode(vacuum).decode()},
            )
            opened.log.update()

    def sweep(self, location: str) -> Freed:
        table = self._store.folder(location)
        n_files = size_bytes = 0
        with self._store.opened(location) as opened:
            if opened.log.base_version >= 0:
                raise StoreError(
                    f"Nothing can be removed from {location!r}: another program has cleaned its log up to version "
                    f"{opened.log.base_version}, so it is not known what the files of before are needed for. "
                    f"Restore the table's {FOLDER} from a copy of the store."
                )
            needed = {opened.log.path(name) for name in _needed(opened.log)}
            for path in sorted(table.rglob("*")):
                if not _is_ours(path, table) or str(path) in needed:
                    continue
                size_bytes += path.stat().st_size
                n_files += 1
                path.unlink()
        return Freed(n_files=n_files, size_bytes=size_bytes)

    def usage(self, location: str) -> DiskUsage:
        with self._store.opened(location) as opened:
            log = opened.log
            live = log.latest.files
            past: dict[str, int] = {}
            for version in log.versions:
                past.update((add.path, add.size) for add in version.adds if add.path not in live)
                past.update((cdc.path, cdc.size) for cdc in version.cdc)
            sizes = [size for name, size in past.items() if Path(log.path(name)).exists()]
            return DiskUsage(
                n_live_files=len(live),
                live_bytes=sum(add.size for add in live.values()),
                n_history_files=len(sizes),
                history_bytes=sum(sizes),
            )

    def _remove_unused(self, location: str, merged: Merged) -> None:
        """Remove a merged file, unless it is a part of the table already, or nobody can say: then a sweep decides."""
        table = self._store.folder(location)
        with suppress(StoreError, OSError):
            if (table / FOLDER).exists():
                with self._store.opened(location) as opened:
                    if merged.added.path in opened.log.latest.files:
                        return
            _remove(table, merged)

    def _switch(self, location: str, merged: Merged, now_us: int) -> bool:
        """Put the merged file in the place of the others, if they are still a part of the table."""
        with self._store.opened(location) as opened:
            log = opened.log
            is_there = Path(log.path(merged.added.path)).exists()  # a vacuum removes what no version names
            if not is_there or any(file.path not in log.latest.files for file in merged.replaced):
                return False
            publish(
                self._store.folder(location),
                log.latest.version + 1,
                "OPTIMIZE",
                now_us=now_us,
                failpoint=self._failpoint,
                actions=actions(merged, now_us=now_us),
            )
            log.update()
            return True


def _needed(log: Log) -> set[str]:
    """Return the names of all files that a commit needs which was not vacuumed, for its rows or its changes."""
    first = log.first_kept
    index = bisect_left(log.commits, first, key=lambda commit: commit.number)
    states = [log.version_of(place) for place in range(index, len(log.commits))] + [log.latest.version]
    added = dict.fromkeys(log.base_files, log.base_version)
    needed: set[str] = set(log.latest.files)
    for version in log.versions:
        added.update((add.path, version.number) for add in version.adds)
        for removed in version.removes:
            since = added.get(removed.path, -1)
            place = bisect_left(states, since)
            if place < len(states) and states[place] < version.number:
                needed.add(removed.path)
        if version.commit is not None and version.number > first:
            needed.update(log.names_changed_by(version))
    return needed


def _is_ours(path: Path, table: Path) -> bool:
    """Return whether a path is a file of data, or what a killed writer left of a version."""
    if path.parent == table / FOLDER:
        return path.name.endswith(DRAFT_SUFFIX)
    return path.suffix == ".parquet" and path.is_file() and table / FOLDER not in path.parents


def _remove(table: Path, merged: Merged) -> None:
    (table / unquote(merged.added.path)).unlink(missing_ok=True)
    if not (table / FOLDER).exists():  # the group was deleted meanwhile
        shutil.rmtree(table, ignore_errors=True)
