"""The type that a column gets: what its file has, compared with what Feast's definition declares."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from hopyard.model.arrow import from_arrow
from hopyard.model.types import FeatureType, parse_type

_WIDER = {("int", "bigint"), ("float", "double"), ("int", "double"), ("date", "timestamp")}
"""Types in a file, and declared ones that have all their values."""
_NARROWER = {("bigint", "int"), ("double", "float")}
"""Feast keeps such columns as they are offline; so does this import."""
_PERHAPS = {
    ("double", "bigint"),
    ("double", "int"),
    ("float", "int"),
    ("float", "bigint"),
    ("bigint", "double"),
    ("bigint", "float"),
    ("int", "float"),
}
"""What a look at the values decides. Integers with nulls are often doubles in Parquet files that pandas wrote."""


def decide(
    arrow: pa.DataType, declared: str | None, *, column: str, casts: Callable[[str], bool]
) -> tuple[str | None, str]:
    """Return the type of a column, and a note; without a type, the note says why there is none.

    Args:
        arrow: its type in the file.
        declared: the feature type that the definition asks for; None: it does not say.
        casts: whether all values of the column are exactly of a feature type.
    Raises:
        SchemaMismatchError: the type of the file has no counterpart.
    """
    if pa.types.is_null(arrow):
        return (declared, "") if declared else (None, "it has only nulls, and no type is declared")
    if pa.types.is_map(arrow):
        entries = pa.list_(pa.struct([("key", arrow.key_type), ("value", arrow.item_type)]))
        return str(
            from_arrow(entries, column=column)
        ), "it is a map in the file, and kept as an array of its entries"
    own = from_arrow(arrow, column=column)
    if declared is None or str(own) == declared:
        return str(own), ""
    return _between(own, parse_type(declared), casts)


def _between(own: FeatureType, declared: FeatureType, casts: Callable[[str], bool]) -> tuple[str | None, str]:
    pair = (own.kind, declared.kind)
    if pair in _WIDER:
        return str(declared), ""
    if pair in _NARROWER:
        return str(
            own
        ), f"it is {own} in the file and declared {declared}: {own} is kept, so that nothing is lost"
    if pair in _PERHAPS:
        if casts(str(declared)):
            return str(declared), ""
        return None, f"it is {own} in the file and declared {declared}, and has values that are no {declared}"
    if own.kind == declared.kind == "array":
        assert own.element is not None and declared.element is not None
        if own.element == declared.element:
            return str(own), ""
        inner = (own.element.kind, declared.element.kind)
        if inner in _WIDER:
            return str(declared), ""
        if inner in _NARROWER:
            return str(own), f"it is {own} in the file and declared {declared}: {own} is kept"
    return None, f"it is {own} in the file and declared {declared}"
