"""What goes into a model and what comes out of it."""

from __future__ import annotations

import json
from typing import Any

from hopyard.compat.hsml.schema import Schema


class ModelSchema:
    """Two schemas, each of which may be missing."""

    def __init__(self, input_schema: Schema | None = None, output_schema: Schema | None = None) -> None:
        self.input_schema = input_schema
        self.output_schema = output_schema

    def to_dict(self) -> dict[str, Any]:
        """Return both schemas as a dict that JSON can hold."""
        found = {"input_schema": self.input_schema, "output_schema": self.output_schema}
        return {name: schema.to_dict() for name, schema in found.items() if schema is not None}

    def json(self) -> str:
        """Return both schemas as JSON."""
        return json.dumps(self.to_dict())

    def __repr__(self) -> str:
        return f"ModelSchema({self.json()})"
