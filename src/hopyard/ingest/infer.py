"""What a new feature group is made of: the types that its features get, and whether its keys and times can be."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

import msgspec
import pyarrow as pa

from hopyard.errors import ConfigError, SchemaMismatchError
from hopyard.ingest.fit import fit
from hopyard.model.arrow import from_arrow
from hopyard.model.names import check_name
from hopyard.model.specs import FeatureGroupSpec, FeatureSpec
from hopyard.model.types import EVENT_TIME_KINDS, KEY_KINDS, FeatureType

MAX_PRECISION = 38
PARTITION_KINDS = ("string", "int", "bigint", "boolean", "date")


def infer_features(table: pa.Table, explicit: Sequence[FeatureSpec] | None = None) -> tuple[FeatureSpec, ...]:
    """Return the features that a new group gets from its first frame.

    Args:
        table: what `to_arrow_table` returned.
        explicit: what the user says about features: a type wins over the inferred one, an empty type is inferred,
            descriptions and defaults are kept. These come first, in their order; the frame's other columns follow.
    Raises:
        SchemaMismatchError: columns without a type, such as those with nothing but nulls (lists each, with what to
            do), a uint64 beyond a bigint, an explicit feature that the frame lacks.
    """
    given = {feature.name: feature for feature in explicit or ()}
    missing = [name for name in given if name not in table.column_names]
    if missing:
        raise SchemaMismatchError(
            f"The dataframe lacks {', '.join(map(repr, missing))}, declared as features. "
            f"It has: {', '.join(table.column_names)}."
        )
    names = [*given, *(name for name in table.column_names if name not in given)]
    features, problems = [], []
    for name in names:
        feature = given.get(name) or FeatureSpec(name=name, type="")
        try:
            type_ = feature.type or str(_infer(table.column(name), name))
        except SchemaMismatchError as error:
            problems.append(str(error))
        else:
            features.append(msgspec.structs.replace(feature, type=type_))
    if problems:
        raise SchemaMismatchError("\n".join(problems))
    return tuple(features)


def _infer(column: pa.ChunkedArray, name: str) -> FeatureType:
    type_ = from_arrow(column.type, column=name)
    if pa.types.is_uint64(column.type):
        misfits = fit(column, type_).misfits
        if len(misfits):
            row = int(misfits[0])
            raise SchemaMismatchError(
                f"Column {name!r} has type uint64, and {len(misfits)} of {len(column)} values are beyond a bigint "
                f"(64 bits with sign), the first in row {row}: {column[row].as_py()}. "
                f"Cast it to decimal(20,0), or to string if it is an identifier."
            )
    return type_


def check_group(spec: FeatureGroupSpec) -> None:
    """Return nothing if a group can be created from this spec.

    Raises:
        InvalidNameError: the group or a feature has an invalid name.
        SchemaMismatchError: features, keys, event time or types that cannot be.
        ConfigError: options that contradict each other: online_enabled, ttl, event_time_unit.
        NotFoundError: statistics of a column that the group does not have.
    """
    check_name("feature group", spec.name)
    _check_features(spec)
    _check_key(spec, "primary_key", spec.primary_key)
    _check_key(spec, "foreign_key", [key.column for key in spec.foreign_key])
    _check_key(spec, "partition_key", spec.partition_key)
    for name in spec.partition_key:
        if (type_ := spec.feature(name).field.feature_type).kind not in PARTITION_KINDS:
            raise SchemaMismatchError(
                f"{name!r} is {type_} and cannot be in the partition_key of {spec.name!r}, which takes columns of "
                f"{', '.join(PARTITION_KINDS)}. Partition by a date or a category made of it."
            )
    if spec.partition_key and len(spec.partition_key) == len(spec.features):
        raise SchemaMismatchError(
            f"Every feature of {spec.name!r} is in partition_key={list(spec.partition_key)}: leave out at least one."
        )
    _check_event_time(spec)
    if spec.online_enabled and not spec.primary_key:
        raise ConfigError(
            f"{spec.name!r} has online_enabled=True and no primary key, by which its rows would be looked up. "
            f"Give primary_key=[...], or online_enabled=False."
        )
    if spec.ttl_us is not None and spec.ttl_us <= 0:
        raise ConfigError(
            f"The ttl of {spec.name!r} is {spec.ttl_us / 1e6:g} seconds: it must be more than 0, or None for no limit."
        )
    spec.statistics_config.checked(tuple(feature.name for feature in spec.features))
    if spec.ttl_us is not None and spec.event_time is None:
        raise ConfigError(
            f"{spec.name!r} has a ttl and no event time, from which the age of a row is told. "
            f"Give event_time=..., or leave the ttl out."
        )


def _check_features(spec: FeatureGroupSpec) -> None:
    if not spec.features:
        raise SchemaMismatchError(
            f"The feature group {spec.name!r} has no features. Insert a dataframe with columns, or give features=[...]."
        )
    names = [feature.name for feature in spec.features]
    for feature in spec.features:
        check_name("feature", feature.name)
        _check_type(feature.name, feature.field.feature_type)
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise SchemaMismatchError(
            f"The feature group {spec.name!r} has several features named {', '.join(map(repr, repeated))}. "
            f"Rename or drop all but one."
        )


def _check_type(name: str, type_: FeatureType) -> None:
    if type_.kind == "decimal" and not (
        1 <= type_.precision <= MAX_PRECISION and type_.scale <= type_.precision
    ):
        raise SchemaMismatchError(
            f"Feature {name!r} has type {type_}: decimals have 1 to {MAX_PRECISION} digits and a scale from 0 to that."
        )
    if type_.kind == "array":
        assert type_.element is not None
        if type_.size == 0:
            raise SchemaMismatchError(f"Feature {name!r} has type {type_}: a fixed size must be at least 1.")
        _check_type(name, type_.element)
    if type_.kind == "struct":
        field_names = [field for field, _ in type_.fields]
        if not field_names or len(set(field_names)) < len(field_names):
            raise SchemaMismatchError(
                f"Feature {name!r} has type {type_}: a struct has at least one field, each with a name of its own."
            )
        for _, field in type_.fields:
            _check_type(name, field)


def _check_key(spec: FeatureGroupSpec, option: str, columns: Sequence[str]) -> None:
    """Refuse key columns that do not exist, come twice, or have values whose equality is in doubt."""
    for name in columns:
        _check_exists(spec, option, name)
        kind = spec.feature(name).field.feature_type.kind
        if kind not in KEY_KINDS:
            raise SchemaMismatchError(
                f"{option} of {spec.name!r} names {name!r}, which is a {kind}: keys are "
                f"{', '.join(sorted(KEY_KINDS))}. Cast it, for example to bigint or string."
            )
    if len(set(columns)) < len(columns):
        raise SchemaMismatchError(f"{option} of {spec.name!r} names a column twice: {list(columns)}.")


def _check_exists(spec: FeatureGroupSpec, option: str, name: str) -> None:
    names = [feature.name for feature in spec.features]
    if name not in names:
        close = get_close_matches(str(name), names, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(names)}."
        raise SchemaMismatchError(
            f"{option} of {spec.name!r} names {name!r}, which is no feature of it. {hint}"
        )


def _check_event_time(spec: FeatureGroupSpec) -> None:
    if spec.event_time is None:
        if spec.event_time_unit is not None:
            raise ConfigError(
                f"{spec.name!r} has event_time_unit={spec.event_time_unit!r} and no event time: give event_time too."
            )
        return
    _check_exists(spec, "event_time", spec.event_time)
    type_ = spec.feature(spec.event_time).type
    if type_ not in EVENT_TIME_KINDS:
        raise SchemaMismatchError(
            f"event_time of {spec.name!r} names {spec.event_time!r}, which is a {type_}: an event time is a "
            f"{', '.join(sorted(EVENT_TIME_KINDS))}. Parse it first, for example with pandas.to_datetime()."
        )
    if type_ == "bigint" and spec.event_time_unit not in ("s", "ms", "us"):
        raise ConfigError(
            f"The event time {spec.event_time!r} of {spec.name!r} is a bigint with "
            f"event_time_unit={spec.event_time_unit!r}: say what it counts since 1970, "
            f"with event_time_unit='s', 'ms' or 'us'."
        )
    if type_ != "bigint" and spec.event_time_unit is not None:
        raise ConfigError(
            f"The event time {spec.event_time!r} of {spec.name!r} is a {type_}, which has its unit: "
            f"leave out event_time_unit={spec.event_time_unit!r}."
        )
