"""Expectation suites of a feature group of the shim."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hopyard.compat.hsfs.expectation_suite import ExpectationSuite, suite_of, validated
from hopyard.compat.hsfs.ge_expectation import GeExpectation
from hopyard.compat.hsfs.group_state import GroupState
from hopyard.compat.hsfs.notes import change_notes

_KEPT_REPORTS = 100


class ValidationGroup(GroupState):
    """The suite of a group, and reports."""

    @property
    def expectation_suite(self) -> ExpectationSuite | None:
        """The suite that rows are checked with; None if there is none."""
        return suite_of(self.notes)

    @expectation_suite.setter
    def expectation_suite(self, suite: Any) -> None:
        self.save_expectation_suite(suite)

    def get_expectation_suite(self, ge_type: bool = False) -> Any:
        """Return the suite, as Great Expectations' own if asked to; None if there is none."""
        suite = self.expectation_suite
        return suite.to_ge_type() if suite is not None and ge_type else suite

    def save_expectation_suite(
        self,
        expectation_suite: Any,
        run_validation: bool = True,
        validation_ingestion_policy: str = "always",
        overwrite: bool = False,
    ) -> ExpectationSuite:
        """Keep a suite with the group and return it."""
        suite = ExpectationSuite.from_ge_type(expectation_suite, run_validation, validation_ingestion_policy)
        self._note("expectation_suite", suite.to_json_dict())
        return suite

    def delete_expectation_suite(self) -> None:
        """Remove the suite."""
        self._note("expectation_suite", None)

    def validate(
        self,
        dataframe: Any = None,
        expectation_suite: Any = None,
        save_report: bool | None = False,
        validation_options: dict[str, Any] | None = None,
        ingestion_result: str = "unknown",
        ge_type: bool = True,
    ) -> Any:
        """Return the report on a frame, or on the group's rows; None where Great Expectations is not installed."""
        given = self.expectation_suite if expectation_suite is None else expectation_suite
        if given is None:
            return None
        frame = self.stored.read(dataframe_type="pandas") if dataframe is None else dataframe
        report = validated(frame, ExpectationSuite.from_ge_type(given))
        if report is not None and save_report:
            self.save_validation_report(report)
        return report

    def save_validation_report(self, validation_report: Any, ingestion_result: str = "unknown") -> Any:
        """Keep a report with the group and return it."""
        kept = validation_report if isinstance(validation_report, dict) else validation_report.to_json_dict()
        entry = {"report": kept, "validation_time": datetime.now(UTC).isoformat()}
        reports = [*self.notes.get("validation_reports", []), entry]
        self._note("validation_reports", reports[-_KEPT_REPORTS:])
        return validation_report

    def get_latest_validation_report(self, ge_type: bool = True) -> Any:
        """Return the newest kept report; None if there is none."""
        reports = self.get_all_validation_reports()
        return reports[0] if reports else None

    def get_all_validation_reports(self, ge_type: bool = True) -> list[Any]:
        """Return the kept reports, the newest first."""
        return [entry["report"] for entry in reversed(self.notes.get("validation_reports", []))]

    def get_validation_history(
        self,
        expectation_id: int,
        start_validation_time: Any = None,
        end_validation_time: Any = None,
        filter_by: list[str] | None = None,
        ge_type: bool = True,
    ) -> list[Any]:
        """Return an expectation's results in the kept reports, the newest first."""
        suite = self.expectation_suite
        if suite is None:
            return []
        wanted = suite.get_expectation(expectation_id)
        return [
            result
            for report in self.get_all_validation_reports()
            for result in report.get("results", [])
            if _is_of(result.get("expectation_config", {}), wanted)
        ]

    def _note(self, name: str, value: Any) -> None:
        def change(own: dict[str, Any]) -> None:
            if value is None:
                own.pop(name, None)
            else:
                own[name] = value

        if self._core is None:
            change(self._draft.notes)
        else:
            change_notes(self._project, self.notes_key, change)


def _is_of(config: dict[str, Any], wanted: GeExpectation) -> bool:
    kind = config.get("expectation_type") or config.get("type")
    column = config.get("kwargs", {}).get("column")
    return kind == wanted.expectation_type and column == wanted.kwargs.get("column")
