"""A feature group as programs for Hopsworks use it."""

from __future__ import annotations

from typing import Any, Self

from hopyard.compat.absent_feature_store import ABSENT
from hopyard.compat.errors import CompatError
from hopyard.compat.hsfs.client.exceptions import FeatureStoreException
from hopyard.compat.hsfs.core.explicit_provenance import Links
from hopyard.compat.hsfs.feature import Feature
from hopyard.compat.hsfs.group_read import ReadGroup
from hopyard.compat.hsfs.group_validation import ValidationGroup
from hopyard.compat.hsfs.group_write import WriteGroup, source_id
from hopyard.compat.hsfs.notes import change_notes
from hopyard.compat.hsfs.statistics import StatisticsGroup
from hopyard.compat.hsfs.tags import Noted


class FeatureGroup(WriteGroup, ReadGroup, StatisticsGroup, ValidationGroup, Noted):
    """A named, versioned table of features. Made by a feature store; stored by its first `save` or `insert`."""

    time_travel_format = "DELTA"
    stream = False
    hudi_precombine_key = None
    embedding_index = None
    storage_connector = None
    topic_name = None
    notification_topic_name = None

    @property
    def location(self) -> str:
        """The folder of the Delta table."""
        return self.stored.location

    @property
    def ttl(self) -> Any:
        """Seconds past which a row no longer matches; None: never."""
        span = self._core.ttl if self._core else self._draft.ttl
        return None if span is None else int(span.total_seconds())

    @property
    def ttl_enabled(self) -> bool:
        """Whether rows can be too old."""
        return self.ttl is not None

    @property
    def deprecated(self) -> bool:
        """Whether its owner advises against it."""
        return bool(self.notes.get("deprecated", False))

    @property
    def parents(self) -> list[Any]:
        """The groups that it was made from."""
        return list(self.get_parent_feature_groups().accessible)

    @property
    def transformation_functions(self) -> list[Any]:
        """The functions that compute features when rows are inserted."""
        return list(self._core.spec.transformations if self._core else self._draft.transformation_functions)

    def update_description(self, description: str) -> Self:
        """Change what the group says about itself."""
        if self._core is None:
            self._draft.description = description
        else:
            self._core.update_description(description)
        return self

    def update_feature_description(self, feature_name: str, description: str) -> Self:
        """Change what a feature says about itself."""
        name = self.get_feature(feature_name).name
        if self._core is None:
            for feature in self._draft.features:
                if feature.name == name:
                    feature.description = description
        else:
            self._core.update_feature_description(name, description)
        return self

    def update_features(self, features: Any) -> Self:
        """Change the descriptions of features; their types are fixed."""
        given = [features] if isinstance(features, Feature) else list(features)
        for feature in given:
            if feature.description is not None:
                self.update_feature_description(feature.name, feature.description)
        return self

    def update_deprecated(self, deprecate: bool = True) -> Self:
        """Say whether the group is advised against."""
        change_notes(self._project, self.notes_key, lambda own: own.update(deprecated=deprecate))
        return self

    def update_notification_topic_name(self, notification_topic_name: str) -> Self:
        """Raise CompatError: there is no Kafka."""
        raise CompatError(
            "FeatureGroup.update_notification_topic_name",
            ABSENT["FeatureGroup.update_notification_topic_name"],
        )

    def get_parent_feature_groups(self) -> Links:
        """Return the groups that it was made from, as they were named on creation."""
        accessible: list[Any] = []
        deleted: list[Any] = []
        for name, version in self.notes.get("parents", []):
            found = self._feature_store.find_feature_group(name, version)
            (deleted if found is None else accessible).append(found or f"{name}_{version}")
        return Links(accessible, deleted)

    def get_generated_feature_groups(self) -> Links:
        """Return the groups that name this one as a parent."""
        own = [self.name, self.version]
        return Links(
            [
                group
                for group in self._feature_store.get_feature_groups()
                if own in group.notes.get("parents", [])
            ]
        )

    def get_generated_feature_views(self) -> Links:
        """Return the feature views whose query reads this group."""
        id_ = self.stored.spec.id
        views = [
            self._feature_store.get_feature_view(view.name, view.spec.version)
            for view in self._feature_store._store.list_feature_views()
            if any(source_id(node.source) == id_ for node in view.query.plan.nodes)
        ]
        return Links(views)

    def get_storage_connector_provenance(self) -> Links:
        """Return nothing: the rows are in the store's own folder."""
        return Links()

    def get_data_source_provenance(self) -> Links:
        """Return nothing: the rows are in the store's own folder."""
        return Links()

    def get_storage_connector(self) -> None:
        """Return None: the rows are in the store's own folder."""

    def find_neighbors(
        self, embedding: Any, col: str | None = None, k: int = 10, filter: Any = None, options: Any = None
    ) -> Any:
        """Raise CompatError: there is no vector index."""
        raise CompatError("FeatureGroup.find_neighbors", ABSENT["FeatureGroup.find_neighbors"])

    def execute_odts(
        self,
        data: Any,
        online: bool | None = None,
        transformation_context: Any = None,
        request_parameters: Any = None,
        n_processes: int | None = None,
    ) -> Any:
        """Raise CompatError: a group's functions run when rows are inserted."""
        raise CompatError("FeatureGroup.execute_odts", ABSENT["FeatureGroup.execute_odts"])

    def get_complex_features(self) -> list[str]:
        """Return the features that are arrays, structs or bytes."""
        return [feature.name for feature in self.features if feature.is_complex()]

    def get_fg_name(self) -> str:
        """Return name and version in one."""
        return self.label

    def to_dict(self) -> dict[str, Any]:
        """The group as a dictionary, by the original's names."""
        return {
            "id": self.id,
            "name": self.name,
            "version": self.version,
            "description": self.description,
            "onlineEnabled": self.online_enabled,
            "timeTravelFormat": self.time_travel_format,
            "features": [feature.to_dict() for feature in self.features],
            "featurestoreId": self.feature_store_id,
            "featurestoreName": self.feature_store_name,
            "primaryKey": self.primary_key,
            "eventTime": self.event_time,
        }

    def __getitem__(self, name: str) -> Feature:
        return self.get_feature(name)

    def __getattr__(self, name: str) -> Feature:
        if name.startswith("_") or "_draft" not in self.__dict__:
            raise AttributeError(name)
        try:
            return self.get_feature(name)
        except FeatureStoreException as error:
            raise AttributeError(f"'FeatureGroup' object has no attribute '{name}'. {error}") from None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FeatureGroup) or self._core is None or other._core is None:
            return self is other
        return self._core.spec.id == other._core.spec.id

    def __hash__(self) -> int:
        return hash((self.name, self.version))

    def __repr__(self) -> str:
        return f"FeatureGroup({self.name!r}, {self.version!r}, {self.description!r}, {self.primary_key!r})"


def parent_names(parents: Any) -> list[list[Any]]:
    """Return groups named as parents, each as its name and version."""
    given = parents if isinstance(parents, list | tuple) else [parents]
    return [[parent.name, parent.version] for parent in given if parent is not None]


class SpineGroup(ReadGroup):
    """A dataframe in the place of the left-most group. Its rows are given anew each time, and never stored."""

    @property
    def dataframe(self) -> Any:
        """The rows."""
        return self._draft.notes.get("dataframe")

    @dataframe.setter
    def dataframe(self, frame: Any) -> None:
        self._draft.notes["dataframe"] = frame

    @property
    def is_lazy(self) -> bool:
        """False: a spine is never stored, and can be joined as it is."""
        return False

    @property
    def features(self) -> list[Feature]:
        """The columns of the rows."""
        return [
            Feature(
                field.name,
                field.type,
                primary=field.name in self.primary_key,
                foreign=field.name in self.foreign_key,
                feature_group=self,
            )
            for field in self.source().plan.root.source.fields
        ]

    def source(self) -> Any:
        """Return the query of the rows."""
        from hopyard.compat.hsfs.frames import event_time_unit, sanitized

        if self.dataframe is None:
            raise FeatureStoreException(
                f"Spine {self.name!r} has no rows yet: set spine.dataframe = df, or give dataframe= on creation."
            )
        frame = sanitized(self.dataframe)
        name = self.event_time
        return self._feature_store._store.spine(
            frame,
            event_time=name,
            event_time_unit=event_time_unit(frame, name) if name else None,
            primary_key=self.primary_key,
            foreign_key=self.foreign_key,
        )

    def __getitem__(self, name: str) -> Feature:
        return self.get_feature(name)

    def __repr__(self) -> str:
        return f"SpineGroup({self.name!r}, {self.version!r})"
