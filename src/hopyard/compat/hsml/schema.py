"""The columns or the tensor that a model takes or gives."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hopyard.errors import SchemaMismatchError


class Schema:
    """Described by an example: a dataframe, a series, a numpy array, or a list of `{"name": ..., "type": ...}`.

    Attributes:
        columnar_schema: a name and a type per column; None for a tensor.
        tensor_schema: the type and the shape, with None for the number of rows; None for columns.
    """

    def __init__(self, object: Any = None) -> None:
        self.columnar_schema: list[dict[str, str]] | None = None
        self.tensor_schema: dict[str, Any] | None = None
        if object is None:
            return
        if hasattr(object, "dtypes") and hasattr(object, "columns"):  # pandas and polars
            kinds = list(object.dtypes)
            self.columnar_schema = [
                {"name": str(name), "type": str(kind)}
                for name, kind in zip(object.columns, kinds, strict=True)
            ]
        elif hasattr(object, "dtype") and hasattr(object, "name"):  # a series
            self.columnar_schema = [{"name": str(object.name), "type": str(object.dtype)}]
        elif hasattr(object, "dtype") and hasattr(object, "shape"):  # an array, of numpy or a framework
            self.tensor_schema = {"type": str(object.dtype), "shape": _shape(tuple(object.shape))}
        elif hasattr(object, "features") and not isinstance(
            object, Mapping
        ):  # of a training dataset or a group
            self.columnar_schema = [
                {"name": feature.name, "type": str(feature.type)} for feature in object.features
            ]
        elif isinstance(object, list):
            self._take(object)
        else:
            raise SchemaMismatchError(
                f"A schema cannot be read from {type(object).__name__}. Give a dataframe, a series, a numpy array, or "
                f"a list such as [{{'name': 'amount', 'type': 'double'}}]."
            )

    def _take(self, entries: list[Any]) -> None:
        if all(isinstance(entry, Mapping) and {"name", "type"} <= set(entry) for entry in entries):
            self.columnar_schema = [{key: str(value) for key, value in entry.items()} for entry in entries]
        elif len(entries) == 1 and isinstance(entries[0], Mapping) and {"type", "shape"} <= set(entries[0]):
            self.tensor_schema = {**entries[0], "type": str(entries[0]["type"])}
        else:
            raise SchemaMismatchError(
                f"A schema is a list of columns, {{'name': ..., 'type': ...}}, or of one tensor, "
                f"{{'type': ..., 'shape': ...}}, and this was given: {entries!r:.200}."
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the schema as a dict that JSON can hold."""
        if self.columnar_schema is not None:
            return {"columnar_schema": self.columnar_schema}
        return {"tensor_schema": self.tensor_schema}

    def json(self) -> str:
        """Return the schema as JSON."""
        return json.dumps(self.to_dict())

    def __repr__(self) -> str:
        return f"Schema({self.json()})"


def _shape(shape: tuple[int, ...]) -> list[int | None]:
    return [None, *shape[1:]] if shape else []
