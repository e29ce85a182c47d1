"""How a run ended, in a few lines."""

from __future__ import annotations

from hopyard.compat.advice import Failure
from hopyard.compat.notebook import NotebookRun
from hopyard.compat.script import ScriptRun


def notebook_summary(run: NotebookRun) -> str:
    """Return the lines that follow the run of a notebook."""
    lines = [f"{run.path}: {run.n_run} of {run.n_cells} cells run, {run.seconds:.1f} s"]
    if run.failure is not None:
        lines += _failure(f"cell {run.failed}", run.failure)
    return "\n".join([*lines, f"  outputs   {run.output}"]) + "\n"


def script_summary(run: ScriptRun) -> str:
    """Return the lines that follow the run of a script; none, if it ended well and as quietly as it began."""
    if run.failure is None:
        return ""
    return "\n".join([f"{run.path}: failed after {run.seconds:.1f} s", *_failure("", run.failure)]) + "\n"


def _failure(where: str, failure: Failure) -> list[str]:
    line = "" if failure.line is None else f"line {failure.line}"
    place = ", ".join(part for part in (where, line) if part)
    first, *more = failure.error.splitlines()
    rows = [("failed in", place), ("call", failure.call), ("error", first)]
    shown = [f"  {name:<9} {value}" for name, value in rows if value]
    return [*shown, *(f"            {text}" for text in more[:5]), f"  to do     {failure.hint}"]
