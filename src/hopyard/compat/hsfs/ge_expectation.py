"""One expectation of a suite."""

from __future__ import annotations

from inspect import signature
from typing import Any

from hopyard.require import require


class GeExpectation:
    """What rows must satisfy: the kind, by Great Expectations' name, and its arguments."""

    def __init__(
        self,
        expectation_type: str,
        kwargs: dict[str, Any] | None = None,
        meta: dict[str, Any] | None = None,
        id: int | None = None,
        **_: Any,
    ) -> None:
        self.expectation_type = expectation_type
        self.kwargs = dict(kwargs or {})
        self.meta = dict(meta or {})
        self.id = id

    @classmethod
    def from_ge_type(cls, expectation: Any) -> GeExpectation:
        """Return an expectation of the shim from one of Great Expectations, or from its dictionary."""
        if isinstance(expectation, GeExpectation):
            return expectation
        given = getattr(expectation, "configuration", expectation)  # of an expectation since 1.0
        found = given if isinstance(given, dict) else given.to_json_dict()
        kind = found.get("expectation_type") or found.get("type")
        if not kind:
            raise ValueError(f"An expectation needs an expectation_type, and {found!r} has none.")
        return cls(kind, found.get("kwargs"), found.get("meta"), found.get("id"))

    def to_ge_type(self) -> Any:
        """Return the expectation as Great Expectations' own, which must be installed."""
        require("great_expectations", extra="great-expectations")
        module = require(
            "great_expectations.expectations.expectation_configuration", extra="great-expectations"
        )
        if "type" in signature(module.ExpectationConfiguration).parameters:
            return module.ExpectationConfiguration(
                type=self.expectation_type, kwargs=self.kwargs, meta=self.meta
            )
        return module.ExpectationConfiguration(
            expectation_type=self.expectation_type, kwargs=self.kwargs, meta=self.meta
        )

    def to_json_dict(self) -> dict[str, Any]:
        """The expectation as a dictionary, by Great Expectations' names."""
        return {"expectation_type": self.expectation_type, "kwargs": self.kwargs, "meta": self.meta}

    def to_dict(self) -> dict[str, Any]:
        """The expectation as a dictionary."""
        return {**self.to_json_dict(), "id": self.id}

    def __repr__(self) -> str:
        return f"GeExpectation({self.expectation_type!r}, {self.kwargs!r})"
