"""What the registry keeps of feature groups and feature views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from hopyard.errors import NotFoundError, UserFunctionError
from hopyard.model.codec import Frozen
from hopyard.model.expectations import Expectation, Policy
from hopyard.model.names import check_name
from hopyard.model.plan import ForeignKey, Plan, Value
from hopyard.model.schema import Field, Schema
from hopyard.model.statistics import StatisticsConfig

PROJECT_FORMAT = 1
GROUP_FORMAT = 1
VIEW_FORMAT = 1
FUNCTION_FORMAT = 1

EventTimeUnit = Literal["s", "ms", "us"]
FunctionMode = Literal["python", "numpy", "pandas"]


def row_identity(primary_key: tuple[str, ...], event_time: str | None) -> tuple[str, ...]:
    """Return the columns that identify a row offline; the event time may be a part of the primary key."""
    if not primary_key or event_time is None or event_time in primary_key:
        return primary_key
    return (*primary_key, event_time)


class ProjectSpec(Frozen, frozen=True, kw_only=True):
    """A project. `online` is the URL of its online store without a password; empty: the one in its folder."""

    format_version: int = PROJECT_FORMAT
    name: str
    online: str = ""


class FeatureSpec(Frozen, frozen=True, kw_only=True):
    """One feature of a group. `default` stands in the rows that are older than the feature."""

    name: str
    type: str
    description: str = ""
    default: Value | None = None
    tags: dict[str, Any] = {}
    keywords: tuple[str, ...] = ()

    @property
    def field(self) -> Field:
        return Field(name=self.name, type=self.type)


class FunctionSpec(Frozen, frozen=True, kw_only=True):
    """A function that a user wrote: everything that decides its results. `drop` names parameters."""

    name: str
    parameters: tuple[str, ...]
    returns: tuple[str, ...]
    mode: FunctionMode = "python"
    drop: tuple[str, ...] = ()
    source: str

    @property
    def sha256(self) -> str:
        """The hash by which it is trusted: of all its fields, as compact JSON with sorted keys."""
        import hashlib  # takes 3 ms to load, and most readers have no such function

        facts = {
            "drop": self.drop,
            "mode": self.mode,
            "name": self.name,
            "parameters": self.parameters,
            "returns": self.returns,
            "source": self.source,
        }
        return hashlib.sha256(msgspec.json.encode(facts)).hexdigest()


class StoredFunctionSpec(Frozen, frozen=True, kw_only=True):
    """A function under its name and a version, bound to no features."""

    format_version: int = FUNCTION_FORMAT
    project: str
    version: int
    id: str
    function: FunctionSpec


class TransformationSpec(Frozen, frozen=True, kw_only=True):
    """A transformation bound to features of a view: its kernel's name, its source's hash, its columns.

    A user's has its `function`, and the names of its results in `outputs`; a built-in one has neither.
    """

    name: str
    features: tuple[str, ...]
    source_hash: str
    parameters: dict[str, float | int | str | bool] = {}
    function: FunctionSpec | None = None
    outputs: tuple[str, ...] = ()

    @property
    def dropped(self) -> frozenset[str]:
        """The features that do not stay beside the results: all of a built-in one, which replaces them."""
        if self.function is None:
            return frozenset(self.features)
        pairs = zip(self.function.parameters, self.features, strict=True)
        return frozenset(feature for parameter, feature in pairs if parameter in self.function.drop)

    def alias(self, *names: str) -> TransformationSpec:
        """Return the transformation with other names for its results; for functions of users only.

        Raises:
            UserFunctionError: not one name for each result, one twice, or the transformation is built in.
            InvalidNameError: a name that cannot name a feature.
        """
        n_results = 0 if self.function is None else len(self.function.returns)
        if len(names) != n_results or len(set(names)) < len(names):
            takes = f"takes {n_results} different name(s)" if n_results else "is for functions of your own"
            raise UserFunctionError(f"{self.name}(...).alias{names!r}: alias() {takes}, one for each result.")
        for name in names:
            check_name("feature", name)
        return msgspec.structs.replace(self, outputs=names)


class FeatureGroupSpec(Frozen, frozen=True, kw_only=True):
    """A named, versioned, typed table of features.

    `id` is opaque and never reused; `location` is relative to the store's root, so that a copied folder still works.
    `transformations` compute features when rows are inserted; what they take is a feature or a request parameter, whose
    type is known since the first insert. `expectations` are checked on every insert; the policy says what
    becomes of rows that fail.
    """

    format_version: int = GROUP_FORMAT
    project: str
    name: str
    version: int
    id: str
    location: str
    description: str = ""
    features: tuple[FeatureSpec, ...]
    primary_key: tuple[str, ...] = ()
    foreign_key: tuple[ForeignKey, ...] = ()
    partition_key: tuple[str, ...] = ()
    event_time: str | None = None
    event_time_unit: EventTimeUnit | None = None
    ttl_us: int | None = None
    online_enabled: bool = False
    tags: dict[str, Any] = {}
    keywords: tuple[str, ...] = ()
    transformations: tuple[TransformationSpec, ...] = ()
    request_parameters: Schema = ()
    expectations: tuple[Expectation, ...] = ()
    expectation_policy: Policy = "strict"
    statistics_config: StatisticsConfig = StatisticsConfig()

    @property
    def label(self) -> str:
        """How messages and SQL call it: `weather_1`; `weather` while its version is not decided."""
        return f"{self.name}_{self.version}" if self.version else self.name

    @property
    def schema(self) -> Schema:
        return tuple(feature.field for feature in self.features)

    @property
    def identity(self) -> tuple[str, ...]:
        """The columns that identify a row offline: primary key, and event time when there is one."""
        return row_identity(self.primary_key, self.event_time)

    @property
    def row_order(self) -> tuple[str, ...]:
        """The columns by which rows are sorted in a file: event time, then key; none without a key."""
        if not self.primary_key or self.event_time is None:
            return self.primary_key
        return (self.event_time, *(name for name in self.primary_key if name != self.event_time))

    def feature(self, name: str) -> FeatureSpec:
        """Return one feature. Raises NotFoundError."""
        for feature in self.features:
            if feature.name == name:
                return feature
        raise NotFoundError(f"feature of {self.label!r}", name, [f.name for f in self.features])


class OnDemandSpec(Frozen, frozen=True, kw_only=True):
    """A function that computes on-demand features of a node of a view, as its group had it; and what it takes."""

    node: int
    transformation: TransformationSpec
    takes: Schema


class FeatureViewSpec(Frozen, frozen=True, kw_only=True):
    """A query, its labels and its transformations: the contract of one model."""

    format_version: int = VIEW_FORMAT
    project: str
    name: str
    version: int
    id: str
    description: str = ""
    plan: Plan
    labels: tuple[str, ...] = ()
    training_helper_columns: tuple[str, ...] = ()
    inference_helper_columns: tuple[str, ...] = ()
    transformations: tuple[TransformationSpec, ...] = ()
    on_demand: tuple[OnDemandSpec, ...] = ()
    tags: dict[str, Any] = {}
    keywords: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return f"{self.name}_{self.version}"


def functions_of(transformations: Sequence[TransformationSpec]) -> tuple[FunctionSpec, ...]:
    """Return the users' functions among transformations, each once."""
    found = (spec.function for spec in transformations)
    return tuple(dict.fromkeys(function for function in found if function is not None))
