"""Suites of expectations: kept with a group, and run where Great Expectations is installed."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from hopyard.compat.hsfs.client.exceptions import DataValidationException
from hopyard.compat.hsfs.ge_expectation import GeExpectation
from hopyard.compat.hsfs.util import ValidationWarning, warn
from hopyard.require import require

if TYPE_CHECKING:
    from hopyard.compat.hsfs.group_state import GroupState


class ExpectationSuite:
    """Named expectations, and whether rows that fail them are written."""

    def __init__(
        self,
        expectation_suite_name: str | None = None,
        expectations: list[Any] | None = None,
        meta: dict[str, Any] | None = None,
        id: int | None = None,
        run_validation: bool = True,
        validation_ingestion_policy: str = "always",
        feature_store_id: int | None = None,
        feature_group_id: int | None = None,
        **_: Any,
    ) -> None:
        self.expectation_suite_name = expectation_suite_name or "suite"
        self.expectations = [GeExpectation.from_ge_type(item) for item in expectations or []]
        for number, item in enumerate(self.expectations, start=1):
            item.id = item.id or number
        self.meta = dict(meta or {})
        self.id = id
        self.run_validation = run_validation
        self.validation_ingestion_policy = validation_ingestion_policy.upper()

    @classmethod
    def from_ge_type(
        cls,
        ge_expectation_suite: Any,
        run_validation: bool = True,
        validation_ingestion_policy: str = "ALWAYS",
        **_: Any,
    ) -> ExpectationSuite:
        """Return a suite of the shim from one of Great Expectations, or from its dictionary."""
        if isinstance(ge_expectation_suite, ExpectationSuite):
            return ge_expectation_suite
        found = (
            ge_expectation_suite
            if isinstance(ge_expectation_suite, dict)
            else ge_expectation_suite.to_json_dict()
        )
        return cls(
            found.get("expectation_suite_name") or found.get("name"),
            found.get("expectations"),
            found.get("meta"),
            run_validation=found.get("run_validation", run_validation),
            validation_ingestion_policy=found.get("validation_ingestion_policy", validation_ingestion_policy),
        )

    def to_ge_type(self) -> Any:
        """Return the suite as Great Expectations' own, which must be installed."""
        module = require("great_expectations", extra="great-expectations")
        items = [item.to_json_dict() for item in self.expectations]
        if hasattr(module, "from_pandas"):  # before 1.0
            return module.core.ExpectationSuite(
                expectation_suite_name=self.expectation_suite_name, expectations=items, meta=self.meta
            )
        renamed = [{"type": item.pop("expectation_type"), **item} for item in items]
        return module.ExpectationSuite(name=self.expectation_suite_name, expectations=renamed, meta=self.meta)

    def add_expectation(self, expectation: Any, ge_type: bool | None = None) -> GeExpectation:
        """Add an expectation and return it."""
        added = GeExpectation.from_ge_type(expectation)
        self.expectations.append(added)
        added.id = len(self.expectations)
        return added

    def replace_expectation(self, expectation: Any, ge_type: bool | None = None) -> GeExpectation:
        """Put an expectation in the place of the one with its id, else of its kind and column."""
        new = GeExpectation.from_ge_type(expectation)
        for index, old in enumerate(self.expectations):
            same = (old.expectation_type, old.kwargs.get("column")) == (
                new.expectation_type,
                new.kwargs.get("column"),
            )
            if (new.id is not None and old.id == new.id) or (new.id is None and same):
                self.expectations[index] = new
                return new
        raise ValueError(f"The suite has no expectation such as {new!r} to replace. Use add_expectation().")

    def remove_expectation(self, expectation_id: int | None = None) -> None:
        """Remove the expectation with an id."""
        self.expectations = [item for item in self.expectations if item.id != expectation_id]

    def get_expectation(self, expectation_id: int, ge_type: bool | None = None) -> GeExpectation:
        """Return the expectation with an id."""
        for item in self.expectations:
            if item.id == expectation_id:
                return item
        raise ValueError(f"The suite has no expectation with the id {expectation_id}.")

    def to_json_dict(self) -> dict[str, Any]:
        """The suite as a dictionary, by Great Expectations' names."""
        return {
            "expectation_suite_name": self.expectation_suite_name,
            "expectations": [item.to_dict() for item in self.expectations],
            "meta": self.meta,
            "run_validation": self.run_validation,
            "validation_ingestion_policy": self.validation_ingestion_policy,
        }

    def to_dict(self) -> dict[str, Any]:
        """The suite as a dictionary."""
        return self.to_json_dict()

    def __repr__(self) -> str:
        return f"ExpectationSuite({self.expectation_suite_name!r}, {len(self.expectations)} expectations)"


def suite_of(notes: dict[str, Any]) -> ExpectationSuite | None:
    """Return the suite that is noted of a group; None if there is none."""
    kept = notes.get("expectation_suite")
    return None if kept is None else ExpectationSuite.from_ge_type(kept)


def run_suite(group: GroupState, frame: Any, options: dict[str, Any] | None = None) -> Any:
    """Return the report on rows to be written, None where nothing was run.

    Raises:
        DataValidationException: the suite is strict and the rows fail it; nothing was written.
    """
    suite = suite_of(group.notes)
    asked = (options or {}).get("run_validation", suite.run_validation if suite else False)
    if suite is None or not asked:
        return None
    report = validated(frame, suite)
    if report is not None and suite.validation_ingestion_policy == "STRICT" and not report["success"]:
        raise DataValidationException(
            f"The rows fail the expectation suite {suite.expectation_suite_name!r} of feature group {group.label!r}, "
            f"whose validation_ingestion_policy is 'strict'. Nothing was written."
        )
    return report


def validated(frame: Any, suite: ExpectationSuite) -> Any:
    """Return Great Expectations' result for a frame; None, with a warning, where it is not installed."""
    if find_spec("great_expectations") is None:
        warn(
            f"The expectation suite {suite.expectation_suite_name!r} was not run, because Great Expectations is not "
            f"installed: pip install 'hopyard[great-expectations]'.",
            ValidationWarning,
        )
        return None
    # It would report its use over the network, which nobody asked for by writing rows.
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    module = require("great_expectations", extra="great-expectations")
    pandas = frame.to_pandas() if hasattr(frame, "to_pandas") else frame
    if hasattr(module, "from_pandas"):  # before 1.0
        result = module.from_pandas(pandas, expectation_suite=suite.to_ge_type()).validate()
    else:
        context = module.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False}
        result = context.data_sources.pandas_default.read_dataframe(pandas).validate(suite.to_ge_type())
    return result.to_json_dict()
