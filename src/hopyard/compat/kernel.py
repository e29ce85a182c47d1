"""The kernel in which `run` executes a notebook: IPython's own, with the shim installed before the first cell.

Started as `python -m hopyard.compat.kernel SETTINGS -f CONNECTION`. SETTINGS is a JSON file: `shadow`, `argv`, and
the files to which the kernel writes how a cell failed. So the notebook needs no cell of ours.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
import traceback
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from hopyard.compat.advice import Failure, advise, failure_of
from hopyard.compat.finder import ROOTS, install
from hopyard.require import require

SKIPPED = "hopyard_skipped"
_TIMED = ("<timed exec>", "<timed eval>")
"""What IPython calls the body of a cell that it times."""
_PIP = re.compile(
    r"^(?P<indent>\s*)(?P<mark>[!%]\s*)?"
    r"(?P<pip>(?:\S+ +-m +)?(?:\S*/)?pip3? +install)\s+(?P<rest>.*?)\s*$"
)

_NAME = re.compile(r"^[A-Za-z0-9_.-]+")
_OPTIONS_WITH_VALUE = {
    "-r",
    "-c",
    "-i",
    "-f",
    "-t",
    "--index-url",
    "--extra-index-url",
    "--find-links",
    "--target",
}


def main(arguments: list[str]) -> None:
    """Serve a notebook until it is told to end."""
    settings = json.loads(Path(arguments[0]).read_text())
    install(shadow=settings["shadow"])
    application = require("ipykernel.kernelapp", extra="compat").IPKernelApp.instance()
    application.initialize(arguments[1:])
    shell = application.shell
    shell.input_transformers_cleanup.append(without_shim_packages)
    shell.register_magic_function(_say_skipped, "line", SKIPPED)
    notes = _Notes(shell, Path(settings["failure"]), Path(settings["swallowed"]))
    shell.events.register("pre_run_cell", notes.begin)
    shell.events.register("post_run_cell", notes.end)
    sys.argv = settings["argv"]
    sys.path[:0] = [""] if "" not in sys.path else []
    application.start()
    # Objects that the notebook leaves open make libraries complain while the process ends, under the summary.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stderr__.fileno() if sys.__stderr__ else 2)


def without_shim_packages(lines: list[str]) -> list[str]:
    """Return the lines of a cell, where those that would install what the shim stands for install the rest only."""
    in_shell = (
        bool(lines)
        and lines[0].split() != []
        and lines[0].split()[0] in ("%%bash", "%%sh", "%%!", "%%system")
    )
    return [_mended(line, in_shell=in_shell) for line in lines]


def _mended(line: str, *, in_shell: bool) -> str:
    found = _PIP.match(line)
    if found is None or bool(found["mark"]) == in_shell:
        return line
    try:
        words = shlex.split(found["rest"], comments=True)
    except ValueError:  # such as an open quote: for pip to complain of
        return line
    ours = [word for word in words if _package(word) in ROOTS]
    if not ours:
        return line
    rest = [word for word in words if word not in ours]
    if _installs_something(rest):
        command = f"{found['mark'] or ''}{found['pip']} {shlex.join(rest)}"
    elif in_shell:
        command = f"echo {shlex.quote(_skipped(ours))}"
    else:
        command = f"%{SKIPPED} {' '.join(ours)}"
    return f"{found['indent']}{command}\n"


def _installs_something(words: list[str]) -> bool:
    """Return whether pip's arguments name a package or a file of packages, not only options."""
    before = ["", *words]
    return any(
        word in ("-r", "-e") or (not word.startswith("-") and previous not in _OPTIONS_WITH_VALUE)
        for previous, word in zip(before, words, strict=False)
    )


def _package(word: str) -> str:
    found = _NAME.match(word)
    return found.group().lower().replace("-", "_") if found else ""


def _skipped(names: list[str]) -> str:
    return f"Not installed: {', '.join(names)}. Hopyard stands in for it."


def _say_skipped(line: str) -> None:
    sys.stdout.write(f"{_skipped(line.split())}\n")


class _Notes:
    """Writes down how cells failed."""

    def __init__(self, shell: Any, failed: Path, swallowed: Path) -> None:
        self._shell = shell
        self._failed = failed
        self._swallowed = swallowed
        self._depth = 0

    def begin(self, info: Any) -> None:
        """Count the cells that are running: `%%capture` runs its body as a cell within the cell."""
        self._depth += 1

    def end(self, result: Any) -> None:
        """Note a failure. That of a body is not the cell's own, and would be lost."""
        self._depth -= 1
        error = result.error_before_exec or result.error_in_exec
        if error is None:
            return
        failure = _inside_magic(error, result.info.raw_cell) or failure_of(error, is_users=_is_of_cell)
        if self._depth == 0:
            self._failed.write_text(json.dumps(asdict(failure)))
        elif not self._swallowed.exists():
            below = replace(
                failure, line=None if failure.line is None else failure.line + 1
            )  # the magic's line
            self._swallowed.write_text(json.dumps([self._shell.execution_count, asdict(below)]))


def _inside_magic(error: BaseException, cell: str) -> Failure | None:
    """Return the failure in the body of a cell that `%%time` ran, whose lines no file has; None: in no such cell."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in _TIMED]
    if not frames or frames[0].lineno is None:
        return None
    lines = cell.splitlines()
    number = frames[0].lineno + 1  # below the magic
    call = lines[number - 1].strip() if number <= len(lines) else ""
    return Failure(number, call, f"{type(error).__name__}: {error}", advise(error))


def _is_of_cell(frame: traceback.FrameSummary) -> bool:
    """Return whether a frame is the cell's own code, not that of a function which an earlier cell defined."""
    return "ipykernel_" in frame.filename and (frame.name == "<module>" or frame.name.startswith("<cell"))


if __name__ == "__main__":
    main(sys.argv[1:])
