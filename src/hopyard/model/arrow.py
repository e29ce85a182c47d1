"""Feature types and Arrow types. The only module of the model that imports pyarrow; nothing of the model imports it."""

from __future__ import annotations

import pyarrow as pa

from hopyard.errors import SchemaMismatchError
from hopyard.model.schema import Field, Schema
from hopyard.model.types import FeatureType

_TO_ARROW = {
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
    "timestamp": pa.timestamp("us", "UTC"),
    "date": pa.date32(),
}
_ADVICE = {
    "map": "store its entries as array<struct<key:...,value:...>>",
    "time": "store it as an int, such as seconds since midnight",
    "duration": "store it as a bigint, such as seconds",
    "null": "give the column a type: every value is null, so none can be told",
}


def to_arrow(type_: FeatureType) -> pa.DataType:
    """Return the Arrow type in which a feature type is stored: UTC microseconds, lists without fixed size."""
    if type_.kind == "decimal":
        return pa.decimal128(type_.precision, type_.scale)
    if type_.kind == "array":
        assert type_.element is not None
        return pa.list_(to_arrow(type_.element))
    if type_.kind == "struct":
        return pa.struct([(name, to_arrow(field)) for name, field in type_.fields])
    return _TO_ARROW[type_.kind]


def to_arrow_schema(schema: Schema) -> pa.Schema:
    """Return the Arrow schema of stored data with these fields."""
    return pa.schema([pa.field(field.name, to_arrow(field.feature_type)) for field in schema])


def from_arrow(type_: pa.DataType, *, column: str) -> FeatureType:
    """Return the feature type that a column of this Arrow type gets when a feature group is created.

    Raises:
        SchemaMismatchError: there is none; the message says what to do.
    """
    is_ = pa.types
    if is_.is_dictionary(type_):
        return from_arrow(type_.value_type, column=column)
    if is_.is_boolean(type_):
        return FeatureType("boolean")
    if (
        is_.is_int8(type_)
        or is_.is_int16(type_)
        or is_.is_int32(type_)
        or is_.is_uint8(type_)
        or is_.is_uint16(type_)
    ):
        return FeatureType("int")
    if is_.is_integer(type_):
        return FeatureType("bigint")
    if is_.is_float16(type_) or is_.is_float32(type_):
        return FeatureType("float")
    if is_.is_float64(type_):
        return FeatureType("double")
    if is_.is_string(type_) or is_.is_large_string(type_) or is_.is_string_view(type_):
        return FeatureType("string")
    if (
        is_.is_binary(type_)
        or is_.is_large_binary(type_)
        or is_.is_binary_view(type_)
        or is_.is_fixed_size_binary(type_)
    ):
        return FeatureType("binary")
    if is_.is_decimal(type_):
        if type_.precision <= 38 and 0 <= type_.scale <= type_.precision:
            return FeatureType("decimal", precision=type_.precision, scale=type_.scale)
        raise SchemaMismatchError(
            f"Column {column!r} has type {type_}: decimals have at most 38 digits and a scale from 0 to that."
        )
    if is_.is_timestamp(type_):
        return FeatureType("timestamp")
    if is_.is_date(type_):
        return FeatureType("date")
    if is_.is_fixed_size_list(type_):
        return FeatureType("array", element=from_arrow(type_.value_type, column=column), size=type_.list_size)
    if (
        is_.is_list(type_)
        or is_.is_large_list(type_)
        or is_.is_list_view(type_)
        or is_.is_large_list_view(type_)
    ):
        return FeatureType("array", element=from_arrow(type_.value_type, column=column))
    if is_.is_struct(type_):
        return FeatureType(
            "struct", fields=tuple((field.name, from_arrow(field.type, column=column)) for field in type_)
        )
    advice = next(
        (text for word, text in _ADVICE.items() if str(type_).startswith(word)), "cast it to a supported type"
    )
    raise SchemaMismatchError(f"Column {column!r} has type {type_}, which is no feature type: {advice}.")


def schema_from_arrow(schema: pa.Schema) -> Schema:
    """Return the fields that a frame with this Arrow schema gets. Raises SchemaMismatchError."""
    return tuple(
        Field(name=field.name, type=str(from_arrow(field.type, column=field.name))) for field in schema
    )
