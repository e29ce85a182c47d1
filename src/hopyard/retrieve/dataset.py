"""Training datasets on disk: files first, the manifest last, then the registry row; verify and rebuild."""

from __future__ import annotations

import hashlib
import importlib.metadata
import secrets
import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import msgspec
import pyarrow as pa

from hopyard.durable import sync, sync_parents
from hopyard.errors import (
    CorruptStoreError,
    NotFoundError,
    QueryError,
    StoreError,
    TimeTravelError,
    TrainingDatasetError,
)
from hopyard.model.codec import from_json, to_json
from hopyard.model.manifest import (
    MANIFEST_FORMAT,
    DataFormat,
    FittedStatistics,
    GroupCommit,
    Manifest,
    SplitContent,
    TrainingFile,
)
from hopyard.model.plan import GroupSource, Plan
from hopyard.model.specs import FeatureViewSpec
from hopyard.ports import Record, RecordKind
from hopyard.retrieve.formats import get_format
from hopyard.retrieve.training import SplitRequest, TrainingData, compute, content_hash, label_balance
from hopyard.retrieve.view import KIND as VIEW_KIND
from hopyard.retrieve.view import load_view
from hopyard.session import Session

KIND: RecordKind = "training_dataset"
MANIFEST_FILE = "manifest.json"
_DELETED = ".deleted-"
LIBRARIES = ("hopyard", "numpy", "pyarrow", "duckdb", "deltalake")


@dataclass(frozen=True, slots=True)
class Verification:
    """The answer of `TrainingDataset.verify()`.

    Attributes:
        status: `same`: the files are intact, and the tables give the same content again. `different`: they do not.
            `cannot tell`: what the dataset was made from is gone.
        details: what differs or what is gone, a sentence each.
    """

    status: Literal["same", "different", "cannot tell"]
    details: tuple[str, ...] = ()

    @property
    def is_same(self) -> bool:
        return self.status == "same"

    def __str__(self) -> str:
        return self.status if not self.details else f"{self.status}: {'; '.join(self.details)}"


def create_dataset(
    session: Session,
    view: FeatureViewSpec,
    request: SplitRequest | None,
    *,
    data_format: str,
    description: str,
    start_us: int | None = None,
    end_us: int | None = None,
) -> Manifest:
    """Materialise training data as the view's next dataset version, and return its manifest."""
    format_ = get_format(data_format)
    data = compute(session, view, request, start_us=start_us, end_us=end_us)
    format_.check(data.schema)
    commits = {
        node.source.location: node.commit for node in data.plan.nodes if isinstance(node.source, GroupSource)
    }
    times = {
        location: next(c.committed_at_us for c in session.offline.commits(location) if c.number == number)
        for location, number in commits.items()
    }
    draft = Manifest(
        project=view.project,
        view=view.name,
        view_version=view.version,
        version=0,
        description=description,
        created_at_us=session.clock(),
        created_by=session.actor,
        plan=data.plan,
        groups=_groups(data.plan, times),
        labels=view.labels,
        split=data.split,
        event_time_start_us=start_us,
        event_time_end_us=end_us,
        transformations=view.transformations,
        fitted=data.fitted,
        data_format=cast(DataFormat, data_format),
        schema=data.schema,
        splits=contents(data, view.labels),
        libraries=libraries(),
        notes=data.notes,
    )
    folder, splits = _write(session, draft, data, draft.splits)
    try:
        with _hold(session, draft):
            version = _next_version(session, draft)
            manifest = msgspec.structs.replace(draft, version=version, splits=splits)
            _publish(session, manifest, folder)
            session.registry.put(_record(session, manifest), expected_revision=0)
            return manifest
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def get_manifest(session: Session, view: FeatureViewSpec, version: int | None) -> Manifest:
    """Return the manifest of a view's training dataset; None: the latest. Raises NotFoundError."""
    name = dataset_name(view.name, view.version)
    if version is None:
        record = session.registry.find(view.project, KIND, name)
    else:
        record = session.registry.find(view.project, KIND, name, version)
    if record is None:
        known = [str(other.version) for other in session.registry.list(view.project, KIND, name)]
        hint = "" if known else " (create_training_data() or create_train_test_split() makes one)"
        kind = f"training dataset of feature view {view.label!r}{hint}"
        raise NotFoundError(kind, str(version or "latest"), known)
    return load_manifest(record)


def load_manifest(record: Record) -> Manifest:
    """Return the manifest in a record of the registry."""
    return from_json(
        Manifest,
        record.body,
        known=MANIFEST_FORMAT,
        what=f"training dataset {record.name!r} version {record.version}",
    )


def read_split(session: Session, manifest: Manifest, split: str | None) -> pa.Table:
    """Return the stored rows of a split, in order. Raises TrainingDatasetError, NotFoundError."""
    names = [content.name for content in manifest.splits]
    if split is None:
        if len(names) > 1:
            raise TrainingDatasetError(f"This dataset has the splits {', '.join(names)}: say which to read.")
        split = names[0]
    if split not in names:
        raise NotFoundError("split", split, names)
    content = manifest.splits[names.index(split)]
    folder = dataset_folder(session, manifest)
    files = [folder / file.path for file in content.files]
    for path in files:
        if not path.is_file():
            raise TrainingDatasetError(
                f"The file {path} of the training dataset is gone. Make it again with rebuild()."
            )
    return get_format(manifest.data_format).read(files, manifest.schema)


def verify(session: Session, manifest: Manifest) -> Verification:
    """Return whether the files are intact and the tables still give the same content; see `Verification`."""
    broken = broken_files(session, manifest)
    try:
        data = _recompute(session, manifest)
    except (QueryError, StoreError, TimeTravelError, NotFoundError) as error:
        return Verification("different" if broken else "cannot tell", (*broken, str(error)))
    different = _differences(manifest, contents(data, manifest.labels))
    return Verification("different" if broken or different else "same", (*broken, *different))


def rebuild(session: Session, manifest: Manifest) -> Manifest:
    """Write a dataset's files again from the tables as they were, and return its manifest.

    Raises:
        TrainingDatasetError: the content is not the same; nothing was written.
    """
    data = _recompute(session, manifest)
    found = contents(data, manifest.labels)
    different = _differences(manifest, found)
    if different:
        raise TrainingDatasetError(
            f"The dataset cannot be rebuilt to the same content: {'; '.join(different)}."
        )
    folder, splits = _write(session, manifest, data, found)
    try:
        with _hold(session, manifest):
            again = msgspec.structs.replace(manifest, splits=splits)
            name = dataset_name(manifest.view, manifest.view_version)
            stored = session.registry.find(manifest.project, KIND, name, manifest.version)
            _publish(session, again, folder)
            record = _record(session, again)
            if stored is not None:
                record = msgspec.structs.replace(stored, body=record.body)
            session.registry.put(record, expected_revision=stored.revision if stored else 0)
            return again
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def delete_dataset(session: Session, manifest: Manifest) -> None:
    """Remove a dataset: its registry row, then its files. Its version is not given again. Raises NotFoundError."""
    name = dataset_name(manifest.view, manifest.view_version)
    record = session.registry.get(manifest.project, KIND, name, manifest.version)
    folder = dataset_folder(session, manifest)
    with _hold(session, manifest):
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.with_name(f"{_DELETED}{manifest.version}").touch()
        session.registry.delete(record)
        shutil.rmtree(folder, ignore_errors=True)


def contents(data: TrainingData, labels: Sequence[str]) -> tuple[SplitContent, ...]:
    """Return rows, balance of labels and hashes of each split, without files."""
    return tuple(
        SplitContent(
            name=split.name,
            n_rows=split.before.num_rows,
            balance=label_balance(split.before, labels),
            before=content_hash(split.before, data.before_schema),
            after=content_hash(split.after, data.schema),
        )
        for split in data.splits
    )


def dataset_name(view: str, view_version: int) -> str:
    """Return the name under which a view's datasets are registered."""
    return f"{view}_{view_version}"


def dataset_folder(session: Session, manifest: Manifest) -> Path:
    """Return the folder of a dataset."""
    return (
        session.training_folder / dataset_name(manifest.view, manifest.view_version) / str(manifest.version)
    )


def libraries() -> dict[str, str]:
    """Return the versions of the libraries that could change a value."""
    return {name: importlib.metadata.version(name) for name in LIBRARIES}


def _recompute(session: Session, manifest: Manifest) -> TrainingData:
    view = load_view(session.registry.get(manifest.project, VIEW_KIND, manifest.view, manifest.view_version))
    outputs = [(out.name, out.node, out.feature) for out in view.plan.outputs]
    if (outputs, view.labels, view.transformations) != (
        [(out.name, out.node, out.feature) for out in manifest.plan.outputs],
        manifest.labels,
        manifest.transformations,
    ):
        raise QueryError(f"feature view {view.label!r} was deleted and made again with other features since")
    return compute(
        session,
        view,
        manifest.split,
        plan=manifest.plan,
        start_us=manifest.event_time_start_us,
        end_us=manifest.event_time_end_us,
        fitted=manifest.fitted,
    )


def _differences(manifest: Manifest, found: Sequence[SplitContent]) -> list[str]:
    differences = []
    other = {
        name: version
        for name, version in libraries().items()
        if manifest.libraries.get(name, version) != version
    }
    for old, new in zip(manifest.splits, found, strict=True):
        if old.before != new.before:
            differences.append(
                f"split {old.name!r} had {old.n_rows} rows with content {old.before.sha256[:12]} before "
                f"transformation, and now has {new.n_rows} rows with {new.before.sha256[:12]}"
            )
        elif old.after != new.after:
            because = f" (other library versions now: {other})" if other else ""
            differences.append(
                f"split {old.name!r} is the same before transformation, but not after it{because}"
            )
    return differences


def broken_files(session: Session, manifest: Manifest) -> list[str]:
    """Return what is wrong with a dataset's files, a clause each: gone, or not what their checksums say."""
    folder = dataset_folder(session, manifest)
    broken = _broken_manifest(folder / MANIFEST_FILE, manifest)
    for content in manifest.splits:
        for file in content.files:
            path = folder / file.path
            if not path.is_file():
                broken.append(f"the file {path} is gone")
            elif _sha256(path) != file.sha256:
                broken.append(f"the file {path} was changed")
    return broken


def _broken_manifest(path: Path, manifest: Manifest) -> list[str]:
    """Return what is wrong with the manifest beside the files; older ones may lack fields that have defaults."""
    if not path.is_file():
        return [f"the file {path} is gone"]
    try:
        stored = from_json(Manifest, path.read_bytes(), known=MANIFEST_FORMAT, what=str(path))
    except CorruptStoreError:
        stored = None
    return [] if stored == manifest else [f"the file {path} was changed"]


def _write(
    session: Session, manifest: Manifest, data: TrainingData, found: Sequence[SplitContent]
) -> tuple[Path, tuple[SplitContent, ...]]:
    """Write all splits into a new hidden folder beside the datasets; return it and the splits with their files."""
    home = session.training_folder / dataset_name(manifest.view, manifest.view_version)
    folder = home / f".writing-{secrets.token_hex(4)}"
    format_ = get_format(manifest.data_format)
    splits = []
    try:
        for split, content in zip(data.splits, found, strict=True):
            (folder / split.name).mkdir(parents=True)
            paths = format_.write(split.after, folder / split.name)
            files = tuple(
                TrainingFile(
                    path=str(path.relative_to(folder)), size_bytes=path.stat().st_size, sha256=_sha256(path)
                )
                for path in paths
            )
            splits.append(msgspec.structs.replace(content, files=files))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder, tuple(splits)


def _publish(session: Session, manifest: Manifest, written: Path) -> None:
    """Put the manifest into the written folder and move it to its place, everything on disk before it shows."""
    (written / MANIFEST_FILE).write_bytes(msgspec.json.format(to_json(manifest), indent=2) + b"\n")
    for path in sorted(written.rglob("*")):
        sync(path)
    sync(written)
    target = dataset_folder(session, manifest)
    old = written.with_name(written.name + "-old")
    if target.exists():
        target.rename(old)
    written.rename(target)
    sync_parents(target, session.root)
    shutil.rmtree(old, ignore_errors=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _next_version(session: Session, manifest: Manifest) -> int:
    name = dataset_name(manifest.view, manifest.view_version)
    latest = session.registry.find(manifest.project, KIND, name)
    home = session.training_folder / name
    names = (path.name.removeprefix(_DELETED) for path in home.iterdir())
    taken = [int(name) for name in names if name.isdecimal()]
    return max([latest.version if latest else 0, *taken]) + 1


def _groups(plan: Plan, committed_at_us: dict[str, int]) -> tuple[GroupCommit, ...]:
    found = {
        node.source.location: GroupCommit(
            name=node.source.name,
            version=node.source.version,
            commit=node.commit or 0,
            committed_at_us=committed_at_us[node.source.location],
        )
        for node in plan.nodes
        if isinstance(node.source, GroupSource)
    }
    return tuple(found.values())


def _record(session: Session, manifest: Manifest) -> Record:
    return Record(
        project=manifest.project,
        kind="training_dataset",
        name=dataset_name(manifest.view, manifest.view_version),
        version=manifest.version,
        id=secrets.token_hex(4),
        body=to_json(manifest),
        actor=session.actor,
    )


def _hold(session: Session, manifest: Manifest) -> AbstractContextManager[None]:
    name = dataset_name(manifest.view, manifest.view_version)
    return session.locks.hold(
        f"training.{manifest.project}.{name}", timeout_seconds=session.config.lock_timeout_seconds
    )


def list_manifests(session: Session, view: FeatureViewSpec) -> list[Manifest]:
    """Return the manifests of all datasets of a view, oldest first."""
    name = dataset_name(view.name, view.version)
    return [load_manifest(record) for record in session.registry.list(view.project, KIND, name)]


def fitted_statistics(
    session: Session, view: FeatureViewSpec, training_dataset_version: int | None
) -> tuple[FittedStatistics, ...]:
    """Return the statistics that a training dataset was fitted with; nothing if the view has no transformations."""
    if not view.transformations and training_dataset_version is None:
        return ()
    return get_manifest(session, view, training_dataset_version).fitted
