"""Statistics of training datasets, per split, before and after transformation."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from hopyard.compute.profile import Rows
from hopyard.errors import NotFoundError, StoreError, TrainingDatasetError
from hopyard.ingest.kept_statistics import content_file, keep_statistics, read_statistics
from hopyard.ingest.statistics import covers, describe
from hopyard.model.arrow import to_arrow_schema
from hopyard.model.commit import DataFile, Snapshot
from hopyard.model.manifest import Manifest, SplitContent
from hopyard.model.schema import Schema
from hopyard.model.statistics import Stage, Statistics, StatisticsConfig
from hopyard.query.scan import read_files
from hopyard.retrieve.dataset import repeat, stored_recipe
from hopyard.retrieve.dataset_files import read_batches
from hopyard.retrieve.training import TrainingData
from hopyard.session import Session


def dataset_statistics(
    session: Session,
    manifest: Manifest,
    split: str | None,
    *,
    before_transformation: bool,
    config: StatisticsConfig | None = None,
    with_clusters: bool = False,
) -> Statistics:
    """Return the statistics of a split: those that are kept for its content, or computed now.

    After transformation they are those of the files; before, of the rows that the groups had, read again as committed.

    Raises:
        NotFoundError: no such split, or a column that it does not have.
        TrainingDatasetError: its files are gone, or its rows cannot be made again.
        TimeTravelError: its groups can no longer be read as they were.
    """
    content = _content(manifest, split)
    stage: Stage = "before" if before_transformation else "after"
    config = config or StatisticsConfig()
    file = content_file(session, (content.before if before_transformation else content.after).sha256)
    kept = read_statistics(file)
    names = {
        "name": manifest.label,
        "version": manifest.version,
        "split": content.name,
        "stage": stage,
    }
    if kept is not None and covers(kept, config, with_clusters=with_clusters):
        return msgspec.structs.replace(kept, **names)
    draft = Statistics(
        scope="split",
        name=manifest.label,
        version=manifest.version,
        split=content.name,
        stage=stage,
        computed_at_us=session.clock(),
        config=config,
        n_rows=content.n_rows,
        columns=(),
    )
    with _folder(session) as folder:
        if before_transformation:
            rows = _before(session, manifest, content, folder)
        else:
            rows = _after(session, manifest, content, folder)
        config.checked(tuple(field.name for field in rows.schema))
        found = describe(draft, rows, with_clusters=with_clusters)
    keep_statistics(file, found)
    return found


class _BeforeFile:
    """A sink that writes the rows of one split, as they were read, to a file."""

    def __init__(self, content: SplitContent, path: Path) -> None:
        self._name, self._path = content.name, path
        self._place = 0
        self._writer: pq.ParquetWriter | None = None
        self.schema: Schema = ()
        self.n_rows = 0

    def open(self, data: TrainingData) -> _BeforeFile:
        self._place, self.schema = data.names.index(self._name), data.before_schema
        self._writer = pq.ParquetWriter(self._path, to_arrow_schema(self.schema))
        return self

    def take(self, place: int, before: pa.Table, after: pa.Table) -> None:
        if place == self._place and self._writer is not None:
            self._writer.write_table(before.cast(to_arrow_schema(self.schema)))
            self.n_rows += before.num_rows

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def _before(session: Session, manifest: Manifest, content: SplitContent, folder: Path) -> Rows:
    path = folder / "rows.parquet"
    sink = _BeforeFile(content, path)
    try:
        repeat(session, manifest, stored_recipe(session, manifest), sink.open)
    finally:
        sink.close()
    if sink.n_rows != content.n_rows:
        raise TrainingDatasetError(
            f"Split {content.name!r} of {manifest.label} version {manifest.version} had {content.n_rows} rows, and its "
            f"groups give {sink.n_rows} now: verify() says where it differs."
        )
    return _rows(session, path, sink.schema, sink.n_rows)


def _after(session: Session, manifest: Manifest, content: SplitContent, folder: Path) -> Rows:
    path, schema = folder / "rows.parquet", manifest.schema
    n_rows = 0
    try:
        with pq.ParquetWriter(path, to_arrow_schema(schema)) as writer:
            parts: Iterable[pa.Table] = read_batches(session, manifest, content.name)
            for part in parts:
                writer.write_table(part.cast(to_arrow_schema(schema)))
                n_rows += part.num_rows
    except (OSError, pa.ArrowException) as error:
        raise TrainingDatasetError(
            f"The files of split {content.name!r} of {manifest.label} version {manifest.version} cannot be read: "
            f"{error}. Make them again with rebuild()."
        ) from error
    return _rows(session, path, schema, n_rows)


def _rows(session: Session, path: Path, schema: Schema, n_rows: int) -> Rows:
    file = DataFile(path=str(path), n_rows=n_rows, size_bytes=path.stat().st_size)
    columns = tuple(field.name for field in schema)
    state = Snapshot(
        location="", commit=0, table_version=0, committed_at_us=0, files=(file,), columns=columns
    )
    return Rows(
        source=lambda: read_files(state, schema),
        schema=schema,
        n_rows=n_rows,
        collect=session.engine.collect,
        run=session.engine.run,
    )


def _content(manifest: Manifest, split: str | None) -> SplitContent:
    names = [content.name for content in manifest.splits]
    if split is None:
        return manifest.splits[0]
    if split not in names:
        raise NotFoundError("split", split, names)
    return manifest.splits[names.index(split)]


@contextmanager
def _folder(session: Session) -> Iterator[Path]:
    """Give a folder where the engine may read, hidden from the check for orphans; it is removed at the end."""
    folder = session.training_folder / f".statistics-{secrets.token_hex(4)}"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise StoreError(f"The rows cannot be written to {folder}, to be counted: {error}.") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
