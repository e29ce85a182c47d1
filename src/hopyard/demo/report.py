"""What the demo says while it runs: plain lines, with progress bars where there is a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Step:
    """A step that is done: how many rows it handled, and how long it took."""

    name: str
    n_rows: int
    seconds: float

    @property
    def rows_per_second(self) -> float:
        return self.n_rows / self.seconds if self.seconds else 0.0


class Work:
    """A step under way, which tells its bar how far it is."""

    def __init__(self, bar: Progress, task: TaskID) -> None:
        self._bar = bar
        self._task = task
        self.n_rows = 0

    def advance(self, n_rows: int) -> None:
        """Count rows that are done."""
        self.n_rows += n_rows
        self._bar.advance(self._task, n_rows)


class Report:
    """Says what happens, on a console, and keeps the steps for the table at the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.steps: list[Step] = []

    def chapter(self, title: str) -> None:
        """Begin a part of the story."""
        self._console.print()
        self._console.print(title, style="bold", markup=False, highlight=False, soft_wrap=True)

    def say(self, text: str, *, style: str | None = None) -> None:
        """Print one line, unbroken whatever the width."""
        self._console.print(f"  {text}", style=style, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def step(self, name: str, *, total: int | None = None) -> Iterator[Work]:
        """Yield the work of a step, and print its rows and seconds at its end. `total`: how many it will be."""
        columns = (SpinnerColumn(), TextColumn("{task.description}"))
        counted = () if total is None else (BarColumn(), MofNCompleteColumn())
        is_hidden = not self._console.is_terminal
        with Progress(*columns, *counted, console=self._console, transient=True, disable=is_hidden) as bar:
            work = Work(bar, bar.add_task(name, total=total))
            started = time.perf_counter()
            yield work
            seconds = time.perf_counter() - started
        self.steps.append(Step(name, work.n_rows, seconds))
        self.say(f"{name:<26} {work.n_rows:>9,} rows {seconds:7.2f} s")

    def table(self) -> None:
        """Print all steps, and their sum."""
        table = Table(title="Steps", title_justify="left")
        table.add_column("step")
        for name in ("rows", "seconds", "rows/s"):
            table.add_column(name, justify="right")
        for step in self.steps:
            speed = f"{step.rows_per_second:,.0f}"
            table.add_row(step.name, f"{step.n_rows:,}", f"{step.seconds:.2f}", speed)
        table.add_section()
        table.add_row("all", "", f"{sum(step.seconds for step in self.steps):.2f}", "")
        self._console.print()
        self._console.print(table)
