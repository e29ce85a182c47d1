"""Feature groups that are described but not stored yet, and what stores them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pyarrow as pa

from hopyard.errors import AlreadyExistsError, ConfigError, SchemaMismatchError
from hopyard.ingest.create import KIND, already_exists, create_group
from hopyard.ingest.on_demand import draft_on_demand
from hopyard.model.arrow import to_arrow
from hopyard.model.names import check_name
from hopyard.model.plan import ForeignKey, Value, literal
from hopyard.model.specs import EventTimeUnit, FeatureGroupSpec, FeatureSpec, TransformationSpec
from hopyard.model.statistics import StatisticsConfig, config_of
from hopyard.model.tags import checked_keywords, with_keywords, with_tags
from hopyard.model.types import parse_type
from hopyard.session import Session


def draft_group(
    session: Session,
    name: str,
    version: int | None,
    *,
    description: str = "",
    primary_key: Sequence[str] | str = (),
    event_time: str | None = None,
    event_time_unit: EventTimeUnit | None = None,
    foreign_key: Sequence[str] | Mapping[str, str] | str = (),
    partition_key: Sequence[str] | str = (),
    ttl: timedelta | None = None,
    online_enabled: bool = False,
    features: Mapping[str, str] | None = None,
    transformation_functions: Sequence[TransformationSpec] | TransformationSpec = (),
    statistics_config: StatisticsConfig | Mapping[str, object] | bool = True,
    tags: Mapping[str, object] | None = None,
    keywords: Sequence[str] | str = (),
) -> FeatureGroupSpec:
    """Return the spec of a group that is not stored yet: version 0 stands for the next one; no id, no location.

    Raises:
        InvalidNameError: the name.
        AlreadyExistsError: this version is stored.
        ConfigError: a version below 1, a tag or a keyword that cannot be.
        UserFunctionError, SchemaMismatchError: functions that cannot compute features of this group.
    """
    check_name("feature group", name)
    check_version(version)
    if ttl is not None and not isinstance(ttl, timedelta):
        raise ConfigError(f"ttl={ttl!r} must be a datetime.timedelta, such as timedelta(days=30).")
    _check_types(features or {})
    if version is not None and session.registry.find(session.project, KIND, name, version) is not None:
        raise already_exists(name, version)
    spec = FeatureGroupSpec(
        project=session.project,
        name=name,
        version=version or 0,
        id="",
        location="",
        description=description,
        features=tuple(
            FeatureSpec(name=feature, type=str(parse_type(type_)))
            for feature, type_ in (features or {}).items()
        ),
        primary_key=_names("primary_key", primary_key),
        foreign_key=_foreign_keys(foreign_key),
        partition_key=_names("partition_key", partition_key),
        event_time=event_time,
        event_time_unit=event_time_unit,
        ttl_us=None if ttl is None else ttl // timedelta(microseconds=1),
        online_enabled=online_enabled,
        statistics_config=config_of(statistics_config).checked(tuple(features or ())),
    )
    spec = with_keywords(with_tags(spec, tags or {}), keywords, keep=False)
    return draft_on_demand(spec, transformation_functions)


def check_version(version: int | None) -> None:
    """Raise ConfigError unless a version is None or a whole number from 1."""
    if version is not None and (isinstance(version, bool) or not isinstance(version, int) or version < 1):
        raise ConfigError(f"version={version!r} must be a whole number from 1, or None for the next one.")


def check_same(stored: FeatureGroupSpec, asked: Mapping[str, Any]) -> None:
    """Raise AlreadyExistsError if arguments of get_or_create contradict the stored group; it lists each difference.

    Args:
        asked: the arguments that were given, as `draft_group` takes them.
    """
    found: dict[str, Any] = {
        "description": stored.description,
        "primary_key": stored.primary_key,
        "event_time": stored.event_time,
        "event_time_unit": stored.event_time_unit,
        "foreign_key": stored.foreign_key,
        "partition_key": stored.partition_key,
        "ttl": None if stored.ttl_us is None else timedelta(microseconds=stored.ttl_us),
        "online_enabled": stored.online_enabled,
        "features": {feature.name: feature.type for feature in stored.features},
        "transformation_functions": stored.transformations,
        "statistics_config": stored.statistics_config,
        "tags": stored.tags,
        "keywords": stored.keywords,
    }
    differences = []
    for argument, value in asked.items():
        wanted = value
        if argument in ("primary_key", "partition_key"):
            wanted = _names(argument, value)
        elif argument == "foreign_key":
            wanted = _foreign_keys(value)
        elif argument == "transformation_functions":
            wanted = (value,) if isinstance(value, TransformationSpec) else tuple(value)
        elif argument == "statistics_config":
            wanted = config_of(value)
        elif argument == "keywords":
            wanted = checked_keywords(value)
        elif argument == "features":
            computed = {name for item in stored.transformations for name in item.outputs}
            found["features"] = {
                name: type_
                for name, type_ in found["features"].items()
                if name in value or name not in computed
            }
        if wanted != found[argument]:
            differences.append(f"{argument} is {_plain(found[argument])}, not {_plain(wanted)}")
    if differences:
        raise AlreadyExistsError(
            f"Feature group {stored.name!r} version {stored.version} exists and differs: {'; '.join(differences)}. "
            f"Leave these arguments out, or create another version."
        )


def store_empty(session: Session, draft: FeatureGroupSpec) -> FeatureGroupSpec:
    """Return the group of a draft after storing it without rows.

    Raises:
        SchemaMismatchError: nothing says what its columns are. The others: see `create_group`.
    """
    if not draft.features:
        raise SchemaMismatchError(
            f"Nothing says what the columns of {draft.name!r} are: save a dataframe, or create the group with "
            f"features={{'name': 'type', ...}}."
        )
    return create_group(session, draft)


def append_spec(
    spec: FeatureGroupSpec, features: Mapping[str, str], defaults: Mapping[str, object]
) -> tuple[FeatureSpec, ...]:
    """Return the specs of features to append.

    Raises:
        AlreadyExistsError: the group has one of them.
        InvalidNameError, SchemaMismatchError: a name, type or default that cannot be.
    """
    _check_types(features)
    if not features:
        raise SchemaMismatchError("append_features() was given no features: give {'name': 'type', ...}.")
    known = [feature.name for feature in spec.features]
    stray = [name for name in defaults if name not in features]
    if stray:
        raise SchemaMismatchError(f"defaults= names {stray[0]!r}, which is not among the features to append.")
    added = []
    for name, type_ in features.items():
        check_name("feature", name)
        if name in known:
            raise AlreadyExistsError(
                f"{spec.label!r} has a feature {name!r} already. A stored feature never changes its type: "
                f"make a new version of the group for that."
            )
        parsed = str(parse_type(type_))
        added.append(FeatureSpec(name=name, type=parsed, default=_default(name, parsed, defaults.get(name))))
    return tuple(added)


def _check_types(features: object) -> None:
    if isinstance(features, Mapping) and all(isinstance(type_, str) for type_ in features.values()):
        return
    raise ConfigError(
        f"features={features!r} must map names to feature types, such as {{'city': 'string', 'rain': 'double'}}."
    )


def _default(name: str, type_: str, value: object) -> Value | None:
    if value is None:
        return None
    arrow = to_arrow(parse_type(type_))
    try:
        typed = pa.scalar(value, arrow).as_py()
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise SchemaMismatchError(f"The default {value!r} of {name!r} is no {type_}: {error}") from error
    return literal(typed)


def _names(argument: str, names: object) -> tuple[str, ...]:
    if isinstance(names, str):
        return (names,)
    if isinstance(names, Iterable):
        return tuple(names)
    raise ConfigError(f"{argument}={names!r} must be the name of a column, or a list of names.")


def _foreign_keys(keys: Sequence[str] | Mapping[str, str] | str) -> tuple[ForeignKey, ...]:
    pairs = (
        keys.items() if isinstance(keys, Mapping) else ((name, name) for name in _names("foreign_key", keys))
    )
    return tuple(ForeignKey(column=column, references=references) for column, references in pairs)


def _plain(value: object) -> str:
    if isinstance(value, tuple) and any(isinstance(item, TransformationSpec) for item in value):
        return str([f"{item.name}({', '.join(item.features)}) {item.source_hash[:12]}" for item in value])
    if isinstance(value, tuple):
        return str(
            [f"{key.column} -> {key.references}" if isinstance(key, ForeignKey) else key for key in value]
        )
    return repr(value)
