"""A feature store as programs for Hopsworks use it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zlib import crc32

import hopyard
from hopyard.compat.hsfs.callers import expects_error
from hopyard.compat.hsfs.client.exceptions import RestAPIError
from hopyard.compat.hsfs.expectation_suite import ExpectationSuite
from hopyard.compat.hsfs.feature import Feature, are_features
from hopyard.compat.hsfs.feature_group import FeatureGroup, SpineGroup, parent_names
from hopyard.compat.hsfs.frames import in_form, read_form
from hopyard.compat.hsfs.group_state import Draft
from hopyard.compat.hsfs.group_write import fixed_names
from hopyard.compat.hsfs.statistics_config import config_of
from hopyard.compat.hsfs.store_absent import AbsentOfStore
from hopyard.compat.hsfs.store_search import SearchStore
from hopyard.compat.hsfs.store_views import ViewStore
from hopyard.compat.hsfs.util import ValidationWarning, VersionWarning, autofix_feature_name, warn
from hopyard.compat.statements import in_own_words
from hopyard.errors import NotFoundError


class FeatureStore(ViewStore, SearchStore, AbsentOfStore):
    """The feature groups, views and training datasets of a project."""

    def __init__(self, project: hopyard.Project) -> None:
        self._project = project
        self._store = project.get_feature_store()

    @property
    def id(self) -> int:
        """A number that stands for the store."""
        return crc32(self._project.name.encode()) % 1_000_000

    @property
    def name(self) -> str:
        """The project's name and `_featurestore`."""
        return f"{self._project.name}_featurestore"

    @property
    def project_name(self) -> str:
        """The project's name."""
        return self._project.name

    @property
    def project_id(self) -> int:
        """A number that stands for the project."""
        return self.id

    @property
    def description(self) -> str:
        """What the store is."""
        return f"Feature store of project {self._project.name}"

    @property
    def offline_featurestore_name(self) -> str:
        """The name in SQL."""
        return self.name

    @property
    def online_featurestore_name(self) -> str:
        """The name online."""
        return self._project.name

    @property
    def online_enabled(self) -> bool:
        """True: every project has an online store."""
        return True

    def find_feature_group(self, name: str, version: int | None) -> FeatureGroup | None:
        """Return a stored group; None for the latest version; None if there is none."""
        try:
            core = self._store.get_feature_group(_group_name(name), version)
        except NotFoundError:
            return None
        return FeatureGroup(self, core=core)

    def get_feature_group(self, name: str, version: int | None = None) -> FeatureGroup | None:
        """Return a stored group, None if there is none. Without a version: version 1, with a warning.

        Raises:
            RestAPIError: there is none, and the program creates it in the `except` of this call.
        """
        if version is None:
            warn(
                f"No version provided for getting feature group `{name}`, defaulting to `1`.", VersionWarning
            )
            version = 1
        found = self.find_feature_group(name, version)
        if found is None and expects_error("create_feature_group"):
            raise RestAPIError(f"Feature group {name!r} version {version} does not exist.")
        return found

    def get_feature_groups(self, name: str | None = None) -> list[FeatureGroup]:
        """Return the stored groups, or all versions of one."""
        wanted = None if name is None else _group_name(name)
        return [FeatureGroup(self, core=core) for core in self._store.list_feature_groups(wanted)]

    def create_feature_group(
        self,
        name: str,
        version: int | None = None,
        description: str | None = "",
        online_enabled: bool = False,
        time_travel_format: str | None = None,
        partition_key: list[str] | None = None,
        primary_key: list[str] | None = None,
        foreign_key: Any = None,
        embedding_index: Any = None,
        hudi_precombine_key: str | None = None,
        features: list[Any] | None = None,
        statistics_config: Any = None,
        event_time: str | None = None,
        stream: bool | None = False,
        expectation_suite: Any = None,
        parents: Any = None,
        topic_name: str | None = None,
        notification_topic_name: str | None = None,
        transformation_functions: Any = None,
        online_config: Any = None,
        offline_backfill_every_hr: Any = None,
        storage_connector: Any = None,
        path: str | None = None,
        data_source: Any = None,
        ttl: Any = None,
        ttl_enabled: bool | None = None,
        online_disk: bool | None = None,
        sink_enabled: bool = False,
        sink_job_conf: Any = None,
        sink_job: Any = None,
        tags: Any = None,
        partitioned_by: Any = None,
        online_partition_columns: bool = False,
        zorder_by: Any = None,
        clustered_by: Any = None,
        bucket_index: Any = None,
        sort_order: Any = None,
        validation_type: str | None = None,
        expectations: list[Any] | None = None,
    ) -> FeatureGroup:
        """Return a new group; nothing is stored until its first save or insert.

        The positional order of 2020 (features after the primary key), of 2.1 (the precombine key there) and today's are
        told apart by what is given: features are Feature objects, configs are configs.
        """
        moved = _by_kind(
            foreign_key=foreign_key,
            embedding_index=embedding_index,
            hudi_precombine_key=hudi_precombine_key,
            features=features,
            statistics_config=statistics_config,
            event_time=event_time,
        )
        event_time = moved["event_time"]
        self._refuse_absent(
            "create_feature_group",
            embedding_index=moved["embedding_index"],
            data_source=data_source,
            sink_enabled=sink_enabled or None,
            sink_job=sink_job,
        )
        warn_of_rules(expectations)
        notes: dict[str, Any] = {}
        if moved["statistics_config"] is not None:
            notes["statistics_config"] = config_of(moved["statistics_config"]).to_dict()
        if expectation_suite is not None:
            notes["expectation_suite"] = ExpectationSuite.from_ge_type(expectation_suite).to_json_dict()
        if parents:
            notes["parents"] = parent_names(parents)
        if tags:
            notes["tags"] = _tags(tags)
        draft = Draft(
            _group_name(name),
            version,
            description or "",
            primary_key=fixed_names(primary_key, "primary key"),
            foreign_key=fixed_names(moved["foreign_key"], "foreign key"),
            partition_key=fixed_names(partition_key or partitioned_by, "partition key"),
            event_time=autofix_feature_name(getattr(event_time, "name", event_time)) if event_time else None,
            online_enabled=bool(online_enabled),
            features=_features(moved["features"]),
            ttl=_span(ttl) if ttl_enabled is not False else None,
            transformation_functions=_listed(transformation_functions),
            notes=notes,
        )
        _add_keys_of_features(draft)
        return FeatureGroup(self, draft=draft)

    def get_or_create_feature_group(
        self,
        name: str,
        version: int | None = None,
        description: str | None = "",
        online_enabled: bool = False,
        time_travel_format: str | None = None,
        partition_key: list[str] | None = None,
        primary_key: list[str] | None = None,
        foreign_key: Any = None,
        embedding_index: Any = None,
        hudi_precombine_key: str | None = None,
        features: list[Any] | None = None,
        statistics_config: Any = None,
        event_time: str | None = None,
        stream: bool | None = False,
        expectation_suite: Any = None,
        parents: Any = None,
        topic_name: str | None = None,
        notification_topic_name: str | None = None,
        transformation_functions: Any = None,
        online_config: Any = None,
        offline_backfill_every_hr: Any = None,
        storage_connector: Any = None,
        path: str | None = None,
        data_source: Any = None,
        ttl: Any = None,
        ttl_enabled: bool | None = None,
        online_disk: bool | None = None,
        sink_enabled: bool = False,
        sink_job_conf: Any = None,
        sink_job: Any = None,
        tags: Any = None,
        partitioned_by: Any = None,
        online_partition_columns: bool = False,
        zorder_by: Any = None,
        clustered_by: Any = None,
        bucket_index: Any = None,
        sort_order: Any = None,
    ) -> FeatureGroup:
        """Return the stored group as it is, or a new one as `create_feature_group` does."""
        found = self.find_feature_group(name, 1 if version is None else version)
        if found is not None:
            return found
        return self.create_feature_group(
            name,
            version,
            description,
            online_enabled,
            time_travel_format,
            partition_key,
            primary_key,
            foreign_key,
            embedding_index,
            hudi_precombine_key,
            features,
            statistics_config,
            event_time,
            stream,
            expectation_suite,
            parents,
            transformation_functions=transformation_functions,
            data_source=data_source,
            ttl=ttl,
            ttl_enabled=ttl_enabled,
            sink_enabled=sink_enabled,
            sink_job=sink_job,
            tags=tags,
            partitioned_by=partitioned_by,
        )

    def get_or_create_spine_group(
        self,
        name: str,
        version: int | None = None,
        description: str | None = "",
        primary_key: list[str] | None = None,
        foreign_key: list[str] | None = None,
        event_time: str | None = None,
        features: list[Any] | None = None,
        dataframe: Any = None,
    ) -> SpineGroup:
        """Return a dataframe in the place of the left-most group; it is not stored."""
        draft = Draft(
            _group_name(name),
            version or 1,
            description or "",
            primary_key=fixed_names(primary_key, "primary key"),
            foreign_key=fixed_names(foreign_key, "foreign key"),
            event_time=autofix_feature_name(event_time) if event_time else None,
            notes={"dataframe": dataframe},
        )
        return SpineGroup(self, draft=draft)

    def sql(
        self,
        query: str,
        dataframe_type: str = "default",
        online: bool = False,
        read_options: dict[str, Any] | None = None,
    ) -> Any:
        """Return the rows of a SELECT over groups, each named `name_version`."""
        kind = (dataframe_type or "default").lower()
        own = in_own_words(query, self.name)
        return in_form(self._store.sql(own, dataframe_type=read_form(kind)), kind)

    def __repr__(self) -> str:
        return f"FeatureStore({self.name!r})"


def warn_of_rules(expectations: Any) -> None:
    """Warn that the rules of 2021's validation are not run; its service has ended in the original, too."""
    if expectations:
        warn(
            "The rules of expectations= are not run: give an expectation_suite= instead.",
            ValidationWarning,
        )


def _by_kind(**given: Any) -> dict[str, Any]:
    """Return arguments whose order has changed over the years, each where its kind belongs."""
    found: dict[str, Any] = dict.fromkeys(given)
    is_older = are_features(
        given["embedding_index"]
    )  # 2.1 to 3.x: precombine key, features, config, event time
    for slot, value in given.items():
        if value is None or (isinstance(value, list | tuple) and not value):
            continue
        name = slot
        if are_features(value):
            name = "features"
        elif hasattr(value, "histograms") or isinstance(value, bool | dict):
            name = "statistics_config"
        elif isinstance(value, str) and slot == "features":
            name = "event_time"
        elif isinstance(value, str) and slot == "foreign_key" and is_older:
            name = "hudi_precombine_key"
        if found[name] is None:
            found[name] = value
    return found


def _group_name(name: str) -> str:
    return str(name).lower()


def _features(given: Any) -> list[Feature]:
    return [Feature(**item) if isinstance(item, dict) else item for item in given or []]


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _span(ttl: Any) -> timedelta | None:
    """Return a time to live, given as seconds or as a span of time."""
    if ttl is None or isinstance(ttl, timedelta):
        return ttl
    return timedelta(seconds=float(ttl))


def _tags(tags: Any) -> dict[str, Any]:
    if isinstance(tags, dict):
        return {tags["name"]: tags["value"]} if set(tags) == {"name", "value"} else dict(tags)
    found: dict[str, Any] = {}
    for tag in _listed(tags):
        name, value = (tag["name"], tag["value"]) if isinstance(tag, dict) else (tag.name, tag.value)
        found[name] = value
    return found


def _add_keys_of_features(draft: Draft) -> None:
    """Take keys from the features that say to be one, where the arguments do not name them."""
    for names, role in (
        (draft.primary_key, "primary"),
        (draft.foreign_key, "foreign"),
        (draft.partition_key, "partition"),
    ):
        names += [item.name for item in draft.features if getattr(item, role) and item.name not in names]
