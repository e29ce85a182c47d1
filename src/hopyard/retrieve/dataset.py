"""Training datasets: files first, the manifest last, then the registry row; made, found, made again, removed."""

from __future__ import annotations

import importlib.metadata
import secrets
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import cast

import msgspec

from hopyard.errors import AlreadyExistsError, NotFoundError, TrainingDatasetError
from hopyard.ingest.create import may_be_stored
from hopyard.ingest.draft import check_version
from hopyard.ingest.kept_statistics import forget_content
from hopyard.ingest.stored import change_stored
from hopyard.model.codec import from_json, to_json
from hopyard.model.manifest import (
    MANIFEST_FORMAT,
    DataFormat,
    FittedStatistics,
    GroupCommit,
    Manifest,
    Split,
    SplitContent,
)
from hopyard.model.plan import GroupSource, Plan
from hopyard.model.specs import FeatureViewSpec
from hopyard.ports import Record, RecordKind
from hopyard.retrieve.contents import Contents
from hopyard.retrieve.dataset_files import (
    check_location,
    check_own,
    dataset_folder,
    hidden_folder,
    publish,
    read_spine,
    remove_files,
    write_spine,
)
from hopyard.retrieve.formats import get_format
from hopyard.retrieve.layout import Recipe, recipe_of_manifest
from hopyard.retrieve.progress import progress
from hopyard.retrieve.spine import Spine
from hopyard.retrieve.split_request import RandomRequest
from hopyard.retrieve.training import Sink, TrainingData, produce
from hopyard.session import Session

KIND: RecordKind = "training_dataset"
_DELETED = ".deleted-"
MAX_TRIES = 100
LIBRARIES = ("hopyard", "numpy", "pyarrow", "duckdb", "deltalake")
"""Those whose versions could change a value."""


@dataclass(frozen=True, slots=True)
class Target:
    """How a dataset is registered and kept.

    Attributes:
        view: the feature view that it is of; None: it has the `name`.
        version: None: the next one.
        location: a folder of the user's; empty: in the store.
        keep_spine: whether the rows of a dataframe are stored with it, so that it can be rebuilt.
    """

    view: FeatureViewSpec | None = None
    name: str = ""
    version: int | None = None
    data_format: str = "parquet"
    description: str = ""
    location: str = ""
    keep_spine: bool = True


def check_target(session: Session, target: Target) -> None:
    """Raise the errors of `create_dataset` that show before there are any rows."""
    get_format(target.data_format)
    if target.location:
        check_location(target.location)
    if target.view is None:  # the versions of a view are counted at the end
        _check_free(session, target.name, target.version or 0, view="")
        for record in session.registry.list(session.project, "feature_view"):
            if dataset_name(record.name, record.version) == target.name:
                raise AlreadyExistsError(
                    f"The name {target.name!r} is that of the training datasets of feature view {record.name!r} "
                    f"version {record.version}. Choose another name."
                )


def create_dataset(
    session: Session,
    target: Target,
    recipe: Recipe,
    request: RandomRequest | Split | None,
    *,
    start_us: int | None = None,
    end_us: int | None = None,
) -> Manifest:
    """Materialise training data, and return its manifest.

    Raises:
        TrainingDatasetError: nothing of the dataset was kept; the message says why.
        AlreadyExistsError: its name and version are taken.
    """
    check_target(session, target)
    format_ = get_format(target.data_format)
    draft = _draft(session, target, recipe, start_us, end_us)
    with hidden_folder(session, draft) as folder:
        with (
            progress(f"training dataset {draft.label}") as tell,
            Contents(recipe.labels, format_=format_, folder=folder, tell=tell) as contents,
        ):
            data = produce(session, recipe, request, contents.open, start_us=start_us, end_us=end_us)
            splits = contents.finish()
        spine = recipe.spine if target.keep_spine else None
        manifest = msgspec.structs.replace(
            draft,
            plan=data.plan,
            groups=_groups(session, data.plan),
            split=data.split,
            fitted=data.fitted,
            schema=data.schema,
            splits=splits,
            spine=None if spine is None else write_spine(spine.rows, folder),
            notes=data.notes,
        )
        with _hold(session, manifest):
            _check_free(session, manifest.label, manifest.version, view=manifest.view)
            if not manifest.version:
                manifest = msgspec.structs.replace(manifest, version=_next_version(session, manifest))
            if manifest.location:
                check_location(manifest.location)
            record = _record(session, manifest)
            publish(session, manifest, folder)
            try:
                session.registry.put(record, expected_revision=0)
            except BaseException:
                if may_be_stored(session, record):
                    raise
                shutil.rmtree(dataset_folder(session, manifest), ignore_errors=True)
                raise
            return manifest


def rebuild(session: Session, manifest: Manifest) -> Manifest:
    """Write a dataset's files again from the tables as they were, and return its manifest.

    Raises:
        TrainingDatasetError: the content is not the same, or cannot be made again; nothing was written.
    """
    recipe = stored_recipe(session, manifest)
    check_own(session, manifest)
    with hidden_folder(session, manifest) as folder:
        format_ = get_format(manifest.data_format)
        with (
            progress(f"training dataset {manifest.label}") as tell,
            Contents(manifest.labels, format_=format_, folder=folder, tell=tell) as contents,
        ):
            repeat(session, manifest, recipe, contents.open)
            splits = contents.finish()
        different = [
            old.name for old, new in zip(manifest.splits, splits, strict=True) if not is_same(old, new)
        ]
        if different:
            raise TrainingDatasetError(
                f"The dataset cannot be rebuilt to the same content: {', '.join(map(repr, different))} would be "
                f"different. verify() says where."
            )
        spine = None if recipe.spine is None else write_spine(recipe.spine.rows, folder)
        again = msgspec.structs.replace(manifest, splits=splits, spine=spine)
        with _hold(session, manifest):
            stored = session.registry.find(manifest.project, KIND, manifest.label, manifest.version)
            publish(session, again, folder)
            record = _record(session, again)
            if stored is not None:
                again = _described_as(again, load_manifest(stored))
                record = msgspec.structs.replace(stored, body=to_json(again))
            session.registry.put(record, expected_revision=stored.revision if stored else 0)
            return again


def repeat(
    session: Session, manifest: Manifest, recipe: Recipe, open_sink: Callable[[TrainingData], Sink]
) -> TrainingData:
    """Bring the rows that the tables give now for a dataset to a sink; see `produce`."""
    return produce(
        session,
        recipe,
        manifest.split,
        open_sink,
        start_us=manifest.event_time_start_us,
        end_us=manifest.event_time_end_us,
        fitted=manifest.fitted,
    )


def stored_recipe(session: Session, manifest: Manifest) -> Recipe:
    """Return what a dataset was made of. Raises TrainingDatasetError: it cannot be made again, or its spine is gone."""
    if not manifest.rebuildable:
        raise TrainingDatasetError(f"it cannot be made again: {manifest.not_rebuildable_because}")
    if manifest.spine is None:
        return recipe_of_manifest(manifest)
    rows = read_spine(session, manifest)
    return recipe_of_manifest(manifest, Spine(manifest.plan, rows, manifest.spine_identity))


def is_same(old: SplitContent, new: SplitContent) -> bool:
    """Return whether two contents of a split are equal, before and after transformation."""
    return (old.n_rows, old.before, old.after) == (new.n_rows, new.before, new.after)


def get_manifest(session: Session, view: FeatureViewSpec, version: int | None) -> Manifest:
    """Return the manifest of a view's training dataset; None: the latest. Raises NotFoundError."""
    record = session.registry.find(session.project, KIND, dataset_name(view.name, view.version), version)
    if record is not None:
        return load_manifest(record)
    known = [str(manifest.version) for manifest in list_manifests(session, view.label)]
    hint = "" if known else " (create_training_data() or create_train_test_split() makes one)"
    kind = f"training dataset of feature view {view.label!r}{hint}"
    raise NotFoundError(kind, str(version or "latest"), known)


def find_dataset(session: Session, name: str, version: int | None) -> Manifest:
    """Return the manifest of a dataset by its name (`delays_1` for one of view `delays` version 1); None: the latest.

    The name of a view stands for its latest version that has datasets.

    Raises:
        NotFoundError: there is no such dataset.
    """
    check_version(version)
    everything = list_manifests(session)
    named = [manifest for manifest in everything if manifest.label == name]
    if not named:
        of_view = [manifest for manifest in everything if manifest.view == name]
        latest = max((manifest.view_version for manifest in of_view), default=0)
        named = [manifest for manifest in of_view if manifest.view_version == latest]
    if not named:
        raise NotFoundError("training dataset", name, {manifest.label for manifest in everything})
    found = [manifest for manifest in named if version in (None, manifest.version)]
    if not found:
        known = [str(manifest.version) for manifest in named]
        raise NotFoundError(f"version of training dataset {name!r}", str(version), known)
    return found[-1]


def list_manifests(session: Session, name: str | None = None) -> list[Manifest]:
    """Return the manifests of all datasets, or of those with a name, ordered by name and version."""
    return [load_manifest(record) for record in session.registry.list(session.project, KIND, name)]


def load_manifest(record: Record) -> Manifest:
    """Return the manifest in a record of the registry."""
    return from_json(
        Manifest,
        record.body,
        known=MANIFEST_FORMAT,
        what=f"training dataset {record.name!r} version {record.version}",
    )


def change_manifest(session: Session, manifest: Manifest, change: Callable[[Manifest], Manifest]) -> Manifest:
    """Return the manifest with a changed description, tags or keywords; the dataset's files stay as they are.

    Raises:
        NotFoundError: the dataset is gone.
        ConflictError: others were faster every time.
    """
    return change_stored(
        session,
        lambda: session.registry.get(manifest.project, KIND, manifest.label, manifest.version),
        load_manifest,
        change,
        label=manifest.label,
        max_tries=MAX_TRIES,
    )


def delete_dataset(session: Session, manifest: Manifest) -> None:
    """Remove a dataset: its registry row, then its files. Its version is not given again. Raises NotFoundError."""
    record = session.registry.get(manifest.project, KIND, manifest.label, manifest.version)
    home = session.training_folder / manifest.label
    with _hold(session, manifest):
        home.mkdir(parents=True, exist_ok=True)
        (home / f"{_DELETED}{manifest.version}").touch()
        session.registry.delete(record)
        remove_files(session, manifest)
        for content in manifest.splits:
            forget_content(session, content.before.sha256)
            forget_content(session, content.after.sha256)


def dataset_name(view: str, view_version: int) -> str:
    """Return the name under which a view's datasets are registered."""
    return f"{view}_{view_version}"


def libraries() -> dict[str, str]:
    """Return the versions of the libraries that could change a value."""
    return {name: importlib.metadata.version(name) for name in LIBRARIES}


def fitted_statistics(
    session: Session, view: FeatureViewSpec, training_dataset_version: int | None
) -> tuple[FittedStatistics, ...]:
    """Return the statistics that a training dataset was fitted with; nothing if the view has no transformations."""
    if not view.transformations and training_dataset_version is None:
        return ()
    return get_manifest(session, view, training_dataset_version).fitted


def _described_as(manifest: Manifest, other: Manifest) -> Manifest:
    return msgspec.structs.replace(
        manifest, description=other.description, tags=other.tags, keywords=other.keywords
    )


def _draft(
    session: Session, target: Target, recipe: Recipe, start_us: int | None, end_us: int | None
) -> Manifest:
    """Return the manifest as far as it is known before any row is read."""
    view = target.view
    is_lost = recipe.spine is not None and not target.keep_spine
    return Manifest(
        project=session.project,
        name="" if view else target.name,
        view=view.name if view else "",
        view_version=view.version if view else 0,
        version=target.version or 0,
        description=target.description,
        created_at_us=session.clock(),
        created_by=session.actor,
        plan=recipe.plan,
        groups=(),
        labels=recipe.labels,
        event_time_start_us=start_us,
        event_time_end_us=end_us,
        transformations=recipe.transformations,
        location=target.location,
        data_format=cast(DataFormat, target.data_format),
        spine_identity=recipe.spine.identity if recipe.spine else (),
        schema=(),
        splits=(),
        libraries=libraries(),
        rebuildable=not is_lost,
        not_rebuildable_because="the rows of its dataframe were not stored" if is_lost else "",
    )


def _check_free(session: Session, name: str, version: int, *, view: str) -> None:
    """Raise AlreadyExistsError if another dataset has the version, or the name belongs to others."""
    if version and session.registry.find(session.project, KIND, name, version):
        raise AlreadyExistsError(
            f"Training dataset {name!r} version {version} exists. Give another version, or none for the next one."
        )
    latest = session.registry.find(session.project, KIND, name)
    if latest is not None and load_manifest(latest).view != view:
        raise AlreadyExistsError(
            f"The name {name!r} is that of training datasets of {'a query' if view else 'a feature view'}. Choose "
            f"another name."
        )


def _next_version(session: Session, manifest: Manifest) -> int:
    latest = session.registry.find(manifest.project, KIND, manifest.label)
    home = session.training_folder / manifest.label
    names = (path.name.removeprefix(_DELETED) for path in home.iterdir()) if home.is_dir() else ()
    taken = [int(name) for name in names if name.isdecimal()]
    return max([latest.version if latest else 0, *taken]) + 1


def _groups(session: Session, plan: Plan) -> tuple[GroupCommit, ...]:
    found: dict[str, GroupCommit] = {}
    for node in plan.nodes:
        if isinstance(node.source, GroupSource):
            times = {c.number: c.committed_at_us for c in session.offline.commits(node.source.location)}
            commit = node.commit or 0
            found[node.source.location] = GroupCommit(
                name=node.source.name,
                version=node.source.version,
                commit=commit,
                committed_at_us=times[commit],
            )
    return tuple(found.values())


def _record(session: Session, manifest: Manifest) -> Record:
    return Record(
        project=manifest.project,
        kind=KIND,
        name=manifest.label,
        version=manifest.version,
        id=secrets.token_hex(4),
        body=to_json(manifest),
        actor=session.actor,
    )


def _hold(session: Session, manifest: Manifest) -> AbstractContextManager[None]:
    return session.locks.hold(
        f"training.{manifest.project}.{manifest.label}", timeout_seconds=session.config.lock_timeout_seconds
    )
