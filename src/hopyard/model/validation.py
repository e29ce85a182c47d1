"""What a validation found: one result per expectation, and what became of the rows."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from hopyard.model.codec import Frozen
from hopyard.model.expectations import Expectation, Policy
from hopyard.time import from_micros, show

REPORT_FORMAT = 1

Plain = bool | int | float | str | None
"""A value of a row as JSON can hold it: instants, decimals and the like are text."""

Status = Literal["met", "failed", "skipped"]
"""skipped: it is about a frame that is written, and none was."""

Outcome = Literal["checked", "written", "refused", "quarantined"]
"""checked: nothing was to be written. quarantined: failing rows were kept apart, the others written."""


class FailingRow(Frozen, frozen=True, kw_only=True):
    """A row that fails: its place in the frame (from 0; None: a stored row), its key and the columns in question."""

    place: int | None = None
    values: dict[str, Plain] = {}

    def __str__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in self.values.items())
        return f"({values})" if self.place is None else f"row {self.place} ({values})"


class ExpectationResult(Frozen, frozen=True, kw_only=True):
    """What became of one expectation.

    `n_failed` counts rows. `found` says what there is instead, of an expectation about all rows together. `examples`
    are the first failing rows: by their place, or by the key.
    """

    expectation: Expectation
    status: Status
    n_failed: int = 0
    found: str = ""
    examples: tuple[FailingRow, ...] = ()

    def __str__(self) -> str:
        if self.status == "skipped":
            return f"{self.expectation}: not checked, nothing is written"
        if self.status == "met":
            return f"{self.expectation}: met"
        what = self.found or f"{self.n_failed} row(s) fail"
        first = f", such as {', '.join(map(str, self.examples))}" if self.examples else ""
        return f"{self.expectation}: {what}{first}"


class ValidationReport(Frozen, frozen=True, kw_only=True):
    """The results of all expectations of a group on a frame, or on the group's rows.

    `commit` is the one that wrote the rows, or that was looked at. `n_failed` counts rows that fail at least one
    expectation, where these are known (None: of a whole group they are counted per expectation only).
    """

    format_version: int = REPORT_FORMAT
    id: str
    group: str
    at_us: int
    actor: str = ""
    policy: Policy
    outcome: Outcome
    commit: int | None = None
    n_rows: int
    n_failed: int | None = None
    n_quarantined: int = 0
    results: tuple[ExpectationResult, ...] = ()

    @property
    def at(self) -> datetime:
        """When it was made, as an aware datetime in UTC."""
        return from_micros(self.at_us)

    @property
    def is_met(self) -> bool:
        """Whether no expectation failed."""
        return not self.failures

    @property
    def failures(self) -> tuple[ExpectationResult, ...]:
        """The results of those that failed."""
        return tuple(result for result in self.results if result.status == "failed")

    def __str__(self) -> str:
        n_failures = len(self.failures)
        verdict = "all expectations are met" if not n_failures else f"{n_failures} expectation(s) failed"
        lines = [f"{self.group} at {show(self.at_us)}, {self.n_rows} row(s), {self.outcome}: {verdict}"]
        return "\n".join([*lines, *(f"- {result}" for result in self.results)])
