"""Feature vectors in the form that the caller asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hopyard.errors import ConfigError
from hopyard.model.schema import Schema
from hopyard.require import require

RETURN_TYPES = ("list", "dict", "numpy", "pandas", "polars", "arrow")


def to_return_type(
    schema: Schema, vectors: Sequence[list[object]], return_type: str, *, is_single: bool
) -> Any:
    """Return vectors as lists, dicts, a numpy array, or a dataframe with a row per vector.

    Args:
        schema: name and type of each place of a vector.
        return_type: one of RETURN_TYPES.
        is_single: there is one vector, and not a list of one is wanted; dataframes have one row then.
    Raises:
        ConfigError: an unknown return type. MissingPackageError: pandas or polars is not installed.
    """
    if return_type == "list":
        return vectors[0] if is_single else vectors
    if return_type == "dict":
        names = [field.name for field in schema]
        named = [dict(zip(names, vector, strict=True)) for vector in vectors]
        return named[0] if is_single else named
    if return_type not in RETURN_TYPES:
        raise ConfigError(f"return_type={return_type!r} is unknown. There are: {', '.join(RETURN_TYPES)}.")
    if return_type in ("pandas", "polars"):
        require(return_type, extra=return_type)
    import pyarrow as pa  # not before somebody wants a frame: services that want lists start without it

    from hopyard.compute.convert import to_dataframe
    from hopyard.model.arrow import to_arrow_schema

    arrow_schema = to_arrow_schema(schema)
    columns = [
        pa.array([vector[at] for vector in vectors], field.type) for at, field in enumerate(arrow_schema)
    ]
    frame = to_dataframe(pa.Table.from_arrays(columns, schema=arrow_schema), return_type)
    return frame[0] if is_single and return_type == "numpy" else frame
