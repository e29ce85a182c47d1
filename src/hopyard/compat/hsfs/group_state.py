"""What a feature group of the shim is made of: a description that waits for its first rows, or a stored group."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zlib import crc32

import hopyard
from hopyard.compat.hsfs.client.exceptions import FeatureStoreException, RestAPIError
from hopyard.compat.hsfs.feature import Feature
from hopyard.compat.hsfs.notes import read_notes
from hopyard.compat.hsfs.times import EPOCH, instant
from hopyard.compat.hsfs.util import autofix_feature_name
from hopyard.compat.statements import newest_rows
from hopyard.errors import AlreadyExistsError, HopyardError, SchemaMismatchError
from hopyard.queries import Query as CoreQuery
from hopyard.time import US_PER_UNIT

if TYPE_CHECKING:
    from hopyard.compat.hsfs.feature_store import FeatureStore


@dataclass
class Draft:
    """A group as it was asked for. Nothing is stored until its first save or insert."""

    name: str
    version: int | None = None
    description: str = ""
    primary_key: list[str] = field(default_factory=list)
    foreign_key: list[str] = field(default_factory=list)
    partition_key: list[str] = field(default_factory=list)
    event_time: str | None = None
    online_enabled: bool = False
    features: list[Feature] = field(default_factory=list)
    ttl: timedelta | None = None
    transformation_functions: list[Any] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    """What is noted beside the group once it is stored: suite, statistics config, tags and so on."""


class GroupState:
    """Name, version, keys and features, whether stored or not."""

    def __init__(
        self, store: FeatureStore, *, core: hopyard.FeatureGroup | None = None, draft: Draft | None = None
    ) -> None:
        self._feature_store = store
        self._core = core
        self._draft = draft or Draft("")

    @property
    def core(self) -> hopyard.FeatureGroup | None:
        """The group in Hopyard's words; None while nothing is stored."""
        return self._core

    @property
    def stored(self) -> hopyard.FeatureGroup:
        """The stored group. Raises FeatureStoreException while there is none."""
        if self._core is None:
            raise FeatureStoreException(
                f"Feature group {self.name!r} is not saved yet: insert() rows or save() it first."
            )
        return self._core

    @property
    def is_lazy(self) -> bool:
        """Whether nothing is stored yet."""
        return self._core is None

    @property
    def _project(self) -> hopyard.Project:
        return self._feature_store._project

    @property
    def label(self) -> str:
        """Name and version in one."""
        return f"{self.name}_{self.version}" if self.version else self.name

    @property
    def notes_key(self) -> str:
        """Where the group's notes are."""
        if self._core is None:
            raise FeatureStoreException(
                f"Feature group {self.name!r} is not saved yet: insert() rows or save() it first."
            )
        return f"feature_group/{self.label}"

    @property
    def notes(self) -> dict[str, Any]:
        """What is noted of the group, or will be once it is stored."""
        return self._draft.notes if self._core is None else read_notes(self._project, self.notes_key)

    @property
    def feature_store(self) -> FeatureStore:
        """The feature store."""
        return self._feature_store

    @property
    def feature_store_id(self) -> int:
        """The feature store's number: there is one."""
        return self._feature_store.id

    @property
    def feature_store_name(self) -> str:
        """The feature store's name."""
        return self._feature_store.name

    @property
    def id(self) -> int | None:
        """A number that stands for the stored group; None while nothing is stored."""
        return None if self._core is None else crc32(self._core.spec.id.encode())

    @property
    def name(self) -> str:
        """The group's name."""
        return self._core.name if self._core else self._draft.name

    @property
    def version(self) -> int | None:
        """The group's version; None while none was given or decided."""
        return self._core.version if self._core else self._draft.version

    @property
    def description(self) -> str:
        """What the group is about."""
        return self._core.description if self._core else self._draft.description

    @description.setter
    def description(self, value: str) -> None:
        self._draft.description = value

    @property
    def primary_key(self) -> list[str]:
        """The columns that name an entity."""
        return self._core.primary_key if self._core else list(self._draft.primary_key)

    @property
    def foreign_key(self) -> list[str]:
        """The columns that hold keys of other groups."""
        if self._core:
            return [key.column for key in self._core.spec.foreign_key]
        return list(self._draft.foreign_key)

    @property
    def partition_key(self) -> list[str]:
        """The columns by whose values the files are divided."""
        return self._core.partition_key if self._core else list(self._draft.partition_key)

    @property
    def event_time(self) -> str | None:
        """The column that says when a row held."""
        return self._core.event_time if self._core else self._draft.event_time

    @property
    def online_enabled(self) -> bool:
        """Whether the newest row per key is served online."""
        return self._core.online_enabled if self._core else self._draft.online_enabled

    @property
    def features(self) -> list[Feature]:
        """The features, in order."""
        if self._core is None:
            return list(self._draft.features)
        computed = {name for item in self._core.spec.transformations for name in item.outputs}
        return [
            Feature(
                item.name,
                item.type,
                item.description or None,
                primary=item.name in self.primary_key,
                foreign=item.name in self.foreign_key,
                partition=item.name in self.partition_key,
                default_value=item.default,
                feature_group_id=self.id,
                feature_group=self,
                on_demand=item.name in computed,
            )
            for item in self._core.spec.features
        ]

    @property
    def schema(self) -> list[Feature]:
        """The features, in order."""
        return self.features

    def has_feature(self, name: str) -> bool:
        """Whether there is a feature of this name."""
        return any(feature.name == name for feature in self.features)

    def get_feature(self, name: str) -> Feature:
        """Return a feature. Raises FeatureStoreException."""
        fixed = autofix_feature_name(name)
        for feature in self.features:
            if feature.name == fixed:
                feature.feature_group = self
                return feature
        raise FeatureStoreException(
            f"'FeatureGroup' object has no feature called '{name}'. Feature group {self.label!r} has: "
            f"{', '.join(feature.name for feature in self.features) or 'none yet; insert() rows first'}."
        )

    def source(self) -> CoreQuery:
        """Return the query of all features."""
        return self.stored.select_all()

    def online_source(self) -> CoreQuery:
        """Return the query of the rows that the online store serves: the newest of each primary key.

        Hopyard's online rows are a function of the table, so they are read from there.
        """
        if not self.online_enabled:
            raise FeatureStoreException("Online storage is not enabled for this feature group.")
        group = self.stored
        rows = self._feature_store._store.sql(
            newest_rows(self.label, group.primary_key, group.event_time), dataframe_type="arrow"
        )
        return self._feature_store._store.spine(
            rows, primary_key=group.primary_key, foreign_key=self.foreign_key
        )

    def between(self, query: CoreQuery, start_time: Any, end_time: Any) -> CoreQuery:
        """Return a query of the rows whose event time is from the start on and before the end."""
        start, end = instant(start_time), instant(end_time)
        if start is None and end is None:
            return query
        name = self.event_time
        if name is None:
            raise FeatureStoreException(
                f"Feature group {self.label!r} has no event time, so start_time and end_time mean nothing. "
                f"Filter a column instead: group.filter(group.x >= value)."
            )
        column = self.stored[name]
        if start is not None:
            query = query.filter(column >= self._in_event_time(start))
        if end is not None:
            query = query.filter(column < self._in_event_time(end))
        return query

    def _in_event_time(self, moment: datetime) -> Any:
        """Return a point in time as the group's event time has it."""
        spec = self.stored.spec
        type_ = next(item.type for item in spec.features if item.name == spec.event_time)
        if type_ == "date":
            # A date is its first instant: one that began before `moment` is before it.
            return moment.date() + timedelta(days=int(moment.time() != time.min))
        if type_ == "timestamp":
            return moment
        micros = (moment - EPOCH) // timedelta(microseconds=1)
        return -(-micros // US_PER_UNIT[spec.event_time_unit or "us"])


def translated(error: HopyardError) -> Exception:
    """Return an error of Hopyard as the one that programs catch."""
    if isinstance(error, AlreadyExistsError):
        return RestAPIError(str(error))
    if isinstance(error, SchemaMismatchError):
        return FeatureStoreException(f"Features are not compatible with Feature Group schema: \n - {error}")
    return error
