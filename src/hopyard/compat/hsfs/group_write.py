"""Rows in and out of a feature group of the shim."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Self

import hopyard
from hopyard.compat.absent_feature_store import ABSENT
from hopyard.compat.errors import CompatError
from hopyard.compat.hsfs.client.exceptions import FeatureStoreException
from hopyard.compat.hsfs.core.job import Ingestion, Job
from hopyard.compat.hsfs.expectation_suite import run_suite
from hopyard.compat.hsfs.feature import Feature, are_features
from hopyard.compat.hsfs.frames import column_names, event_time_unit, sanitized
from hopyard.compat.hsfs.group_state import GroupState, translated
from hopyard.compat.hsfs.notes import change_notes, forget_notes
from hopyard.compat.hsfs.tags import adopt_notes
from hopyard.compat.hsfs.util import FeatureGroupWarning, VersionWarning, autofix_feature_name, names_of, warn
from hopyard.errors import HopyardError


class Written:
    """What a write returns: a pair (job, report). Asked for anything else it answers as the group, which 2020's was."""

    def __init__(self, job: Job | None, report: Any, group: Any) -> None:
        self.job = job
        self.report = report
        self.group = group

    def __iter__(self) -> Iterator[Any]:
        return iter((self.job, self.report))

    def __len__(self) -> int:
        return 2

    def __getitem__(self, key: Any) -> Any:
        return self.group[key] if isinstance(key, str) else (self.job, self.report)[key]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["group"], name)

    def __repr__(self) -> str:
        return f"({self.job!r}, {self.report!r})"


_FROM_TEXT: dict[str, Callable[[str], Any]] = {
    "int": int,
    "bigint": int,
    "float": float,
    "double": float,
    "boolean": lambda text: {"true": True, "false": False}[text.lower()],
}


class WriteGroup(GroupState):
    """Inserting, removing, and storing a group for the first time."""

    _report: Any = None

    def save(
        self,
        features: Any = None,
        write_options: dict[str, Any] | None = None,
        validation_options: dict[str, Any] | None = None,
        wait: bool = False,
        n_processes: int | None = None,
    ) -> Written:
        """Store the group, with the rows of a frame, or with a list of features alone.

        Returns:
            (job, report); for programs of 2020, which expect the group, it answers as the group, too.
        """
        if features is None or are_features(features):
            self._draft.features = list(features or self._draft.features)
            self._store_empty()
            return Written(None, None, self)
        return self.insert(features, write_options=write_options, validation_options=validation_options)

    def insert(
        self,
        features: Any,
        overwrite: bool = False,
        operation: str | None = "upsert",
        storage: str | None = None,
        write_options: dict[str, Any] | None = None,
        validation_options: dict[str, Any] | None = None,
        wait: bool = False,
        transformation_context: dict[str, Any] | None = None,
        transform: bool = True,
        n_processes: int | None = None,
    ) -> Written:
        """Insert rows, offline and online; return (job, report). The job has ended when it is returned.

        Args:
            operation: both `upsert` and `insert` replace rows of the same primary key and event time.
            storage: checked, and otherwise without effect: online rows follow from the table.
        """
        if (operation or "upsert").lower() not in ("upsert", "insert"):
            raise ValueError(f"operation={operation!r} is none: use 'upsert' or 'insert'.")
        self._check_storage(storage)
        frame = sanitized(features)
        self._report = run_suite(self, frame, validation_options)
        is_new = self._core is None
        try:
            core = self._core or self._drafted(frame)
            core.insert(frame, overwrite=overwrite, allow_future=True)
        except HopyardError as error:
            raise translated(error) from error
        if is_new:
            self._now_stored(core)
        return Written(self.materialization_job, self._report, self)

    def multi_part_insert(
        self,
        features: Any = None,
        overwrite: bool = False,
        operation: str | None = "upsert",
        storage: str | None = None,
        write_options: dict[str, Any] | None = None,
        validation_options: dict[str, Any] | None = None,
        transformation_context: dict[str, Any] | None = None,
        transform: bool = True,
        n_processes: int | None = None,
    ) -> Any:
        """Insert one of several parts; without a part, return what a with block inserts through."""
        if features is None:
            return _parts(self)
        return self.insert(features, overwrite, operation, storage, write_options, validation_options)

    def finalize_multi_part_insert(self) -> None:
        """Do nothing: each part was written when its call returned."""

    def insert_stream(
        self,
        features: Any,
        query_name: str | None = None,
        output_mode: str | None = "append",
        await_termination: bool = False,
        timeout: int | None = None,
        checkpoint_dir: str | None = None,
        write_options: dict[str, Any] | None = None,
        transformation_context: dict[str, Any] | None = None,
        transform: bool = True,
    ) -> None:
        """Raise CompatError: there is no streaming engine."""
        raise CompatError("FeatureGroup.insert_stream", ABSENT["FeatureGroup.insert_stream"])

    def remove_rows(
        self, delete_df: Any, write_options: dict[str, Any] | None = None, storage: str | None = None
    ) -> None:
        """Remove the rows with the keys of a frame, and with its event times if it has them."""
        self._check_storage(storage)
        group = self.stored
        frame = sanitized(delete_df)
        wanted = list(dict.fromkeys([*group.primary_key, *([group.event_time] if group.event_time else [])]))
        kept = [name for name in wanted if name in column_names(frame)]
        try:
            group.remove_rows(_only(frame, kept))
        except HopyardError as error:
            raise translated(error) from error

    def commit_delete_record(self, delete_df: Any, write_options: dict[str, Any] | None = None) -> None:
        """Remove the rows with the keys of a frame; the older name of `remove_rows`."""
        self.remove_rows(delete_df, write_options)

    def delete(self, force: bool = False, delete_feature_views: bool = False) -> None:
        """Delete the group with its rows and history, and its views if asked to."""
        group = self.stored
        key = self.notes_key
        if delete_feature_views:
            for view in self._feature_store._store.list_feature_views():
                if any(source_id(node.source) == group.spec.id for node in view.query.plan.nodes):
                    view.delete()
        try:
            group.delete(force=force)
        except HopyardError as error:
            raise FeatureStoreException(str(error)) from error
        forget_notes(self._project, key)

    @property
    def materialization_job(self) -> Job:
        """The job of the last write, which has ended."""
        return Job(f"{self.label}_offline_fg_materialization")

    def get_latest_online_ingestion(self) -> Ingestion:
        """Return the last write to the online store, which has arrived."""
        commits = self.stored.commit_details(limit=1)
        return Ingestion(commits[0].n_rows_in if commits else None)

    def append_features(self, features: Any) -> Self:
        """Add features; rows that exist read null, or the default."""
        added = [features] if isinstance(features, Feature) else list(features)
        if self._core is None:
            self._draft.features += added
            return self
        types = {feature.name: feature.core_type or "string" for feature in added}
        defaults = {feature.name: _default(feature) for feature in added if feature.default_value is not None}
        try:
            self._core.append_features(types, defaults=defaults)
            self._describe_features(self._core, added)
        except HopyardError as error:
            raise FeatureStoreException(str(error)) from error
        return self

    def _store_empty(self) -> None:
        if self._core is not None:
            return
        try:
            core = self._drafted(None)
            core.save()
        except HopyardError as error:
            raise translated(error) from error
        self._now_stored(core)

    def _drafted(self, frame: Any) -> hopyard.FeatureGroup:
        """Return Hopyard's description of the group, which is not stored yet."""
        draft = self._draft
        return self._feature_store._store.create_feature_group(
            draft.name,
            draft.version,
            description=draft.description,
            primary_key=draft.primary_key,
            foreign_key=draft.foreign_key,
            partition_key=draft.partition_key,
            event_time=draft.event_time,
            event_time_unit=self._unit(frame),
            ttl=draft.ttl,
            online_enabled=draft.online_enabled,
            features=self._declared(frame),
            transformation_functions=_on_demand_features(draft.transformation_functions)
            if draft.transformation_functions
            else (),
        )

    def _declared(self, frame: Any) -> dict[str, str] | None:
        """Return the types that were declared; those of a frame win where only names were."""
        features = self._draft.features
        if not features or (frame is not None and any(feature.core_type is None for feature in features)):
            return None
        return {feature.name: feature.core_type or "string" for feature in features}

    def _unit(self, frame: Any) -> Any:
        """Return what a whole-number event time counts: told by its digits, milliseconds without rows."""
        name = self._draft.event_time
        if name is None:
            return None
        declared = {feature.name: feature.core_type for feature in self._draft.features}
        if frame is None:
            return "ms" if declared.get(name) in ("bigint", "int") else None
        return event_time_unit(frame, name)

    def _now_stored(self, core: hopyard.FeatureGroup) -> None:
        asked = self._draft.version
        self._core = core
        if asked is None:
            warn(
                f"No version provided for creating feature group `{core.name}`, incremented version to "
                f"`{core.version}`.",
                VersionWarning,
            )
        self._describe_features(core, self._draft.features)
        if self._draft.notes:
            change_notes(self._project, self.notes_key, lambda own: own.update(self._draft.notes))
            adopt_notes(self._project, self.notes_key)

    def _describe_features(self, core: hopyard.FeatureGroup, features: list[Feature]) -> None:
        for feature in features:
            if feature.description:
                core.update_feature_description(feature.name, feature.description)

    def _check_storage(self, storage: str | None) -> None:
        if storage is None or storage.lower() == "offline":
            return
        if storage.lower() != "online":
            raise FeatureStoreException(
                f"Invalid storage: {storage}. Use None (both), 'offline' or 'online'."
            )
        if not self.online_enabled:
            raise FeatureStoreException("Online storage is not enabled for this feature group.")


def _default(feature: Feature) -> Any:
    """Return the default in the feature's type: programs give it as text."""
    value, kind = feature.default_value, feature.core_type or "string"
    if not isinstance(value, str) or kind not in _FROM_TEXT:
        return value
    try:
        return _FROM_TEXT[kind](value)
    except (KeyError, ValueError, ArithmeticError):
        return value  # and let the store say that it does not fit


def _on_demand_features(functions: list[Any]) -> Any:
    module = import_module("hopyard.compat.hsfs.transformation_function")
    return module.on_demand_features(functions)


def source_id(source: Any) -> str | None:
    """Return the id of the group that a node of a plan reads; None for a dataframe."""
    return getattr(source, "id", None)


def fixed_names(value: Any, what: str) -> list[str]:
    """Return key columns as they are stored: lower-case, with a warning where they were not."""
    names = [name for name in names_of(value) if name]
    fixed = [autofix_feature_name(name) for name in names]
    changed = [name for name, valid in zip(names, fixed, strict=True) if name != valid]
    if changed:
        warn(
            f"The {what} contains upper case letters or spaces: `{changed}`. Feature names are sanitized to lower case "
            f"and underscore in the feature store.",
            FeatureGroupWarning,
        )
    return fixed


@contextmanager
def _parts(group: WriteGroup) -> Iterator[WriteGroup]:
    yield group


def _only(frame: Any, names: list[str]) -> Any:
    if isinstance(frame, list):
        return [{name: row[name] for name in names} for row in frame]
    return frame.select(names) if hasattr(frame, "select") else frame[names]
