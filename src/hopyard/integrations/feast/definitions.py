"""What a Feast repository defines, in the words of Feast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from hopyard.integrations.feast.values import Where


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to tell about one definition."""

    what: str
    """Such as `feature view 'driver_stats'`."""
    where: Where | None
    message: str


@dataclass(frozen=True, slots=True)
class EntityDefinition:
    """What rows are about, and the columns that name it: one, and from Feast 0.55 on perhaps several."""

    name: str
    join_keys: tuple[str, ...]
    type: str | None
    """As a feature type of Hopyard; None: not declared."""
    description: str
    where: Where


@dataclass(frozen=True, slots=True)
class SourceDefinition:
    """A file of rows."""

    path: str
    format: str
    """parquet, csv or delta."""
    timestamp: str | None
    created: str | None
    field_mapping: Mapping[str, str]
    """Names of the file's columns to names of features."""
    where: Where


@dataclass(frozen=True, slots=True)
class FieldDefinition:
    """A feature: its type is one of Hopyard's; None: a type of Feast's that is not known here."""

    name: str
    type: str | None
    feast_type: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class ViewDefinition:
    """A feature view with a file source; a feature group here."""

    name: str
    entities: tuple[EntityDefinition, ...]
    fields: tuple[FieldDefinition, ...]
    """Empty: all columns of the file."""
    source: SourceDefinition
    ttl: timedelta | None
    online: bool
    description: str
    tags: Mapping[str, str]
    where: Where


@dataclass(frozen=True, slots=True)
class Part:
    """A feature view as a service takes it; `features` None: all."""

    view: str
    features: tuple[str, ...] | None
    alias: str | None
    join_key_map: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ServiceDefinition:
    """A feature service; a feature view here."""

    name: str
    parts: tuple[Part, ...]
    on_demand: tuple[str, ...]
    """On-demand views in it, which are functions."""
    description: str
    tags: Mapping[str, str]
    where: Where


@dataclass(slots=True)
class Definitions:
    """All that was understood, and what was not."""

    views: list[ViewDefinition] = field(default_factory=list)
    services: list[ServiceDefinition] = field(default_factory=list)
    problems: list[Finding] = field(default_factory=list)
    """What must be mended before anything is imported."""
    unreadable: list[Finding] = field(default_factory=list)
    """What only running a file could tell; it is left out."""
    absent: list[Finding] = field(default_factory=list)
    """What has no counterpart, with what to do."""
    notes: list[Finding] = field(default_factory=list)
    """What is imported in another form."""
