"""The job that a write returns: it has ended when it is returned."""

from __future__ import annotations

import sys
from typing import Any

from hopyard.compat.absent_feature_store import ABSENT
from hopyard.compat.errors import CompatError


class Execution:
    """A run that has ended."""

    def __init__(self, job_name: str) -> None:
        self.job_name = job_name
        self.id = 1
        self.state = "FINISHED"
        self.final_status = "SUCCEEDED"
        self.success = True

    def await_termination(self, timeout: float | None = None) -> None:
        """Return at once."""

    def __repr__(self) -> str:
        return f"Execution({self.state!r}, {self.final_status!r}, {self.job_name!r})"


class Job:
    """The work of a write, which was done when the call returned."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.id = 1
        self.job_type = "PYTHON"
        self.href = ""
        self.config: dict[str, Any] = {}

    @property
    def executions(self) -> list[Execution]:
        """The one run."""
        return [Execution(self.name)]

    @property
    def final_status(self) -> str:
        """How the run ended."""
        return "SUCCEEDED"

    def run(self, args: Any = None, await_termination: bool = True, **_: Any) -> Execution:
        """Return the run that there was: everything is written already."""
        return Execution(self.name)

    def get_executions(self) -> list[Execution]:
        """Return the one run."""
        return self.executions

    def get_state(self) -> str:
        """Return the state of the run."""
        return "FINISHED"

    def get_final_status(self) -> str:
        """Return how the run ended."""
        return "SUCCEEDED"

    def get_url(self) -> str:
        """Return an empty address: there is no page for it."""
        return ""

    def schedule(self, cron_expression: str, start_time: Any = None, end_time: Any = None, **_: Any) -> None:
        """Raise CompatError: nothing runs by itself."""
        raise CompatError("Job.schedule", ABSENT["Job.schedule"])

    def _wait_for_job(self, await_termination: bool = True) -> None:
        """Return at once: programs of 2022 call it."""

    def __repr__(self) -> str:
        return f"Job({self.name!r}, {self.job_type!r})"


class Ingestion:
    """Rows on their way to the online store; they have arrived when a write returns."""

    def __init__(self, rows_upserted: int | None) -> None:
        self.id = 1
        self.num_entries = rows_upserted
        self.results = [{"status": "UPSERTED", "rows": rows_upserted}]

    def wait_for_completion(self, options: dict[str, Any] | None = None) -> None:
        """Return at once."""

    def refresh(self) -> None:
        """Do nothing: nothing is under way."""

    def print_logs(self, *_: Any, **__: Any) -> None:
        """Write what became of the rows to the standard output."""
        sys.stdout.write(f"{self.num_entries} rows are readable online.\n")
