"""Run a script on Hopyard, as `python script.py` would."""

from __future__ import annotations

import ast
import runpy
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hopyard.compat.advice import Failure, failure_of
from hopyard.compat.cells import NotebookError
from hopyard.compat.finder import install


@dataclass(frozen=True, slots=True)
class ScriptRun:
    """How a script ended: the failure, or None, and the exit code that it asked for."""

    path: Path
    seconds: float
    failure: Failure | None
    exit_code: int


def run_script(path: Path, arguments: Sequence[str] = (), *, shadow: bool = False) -> ScriptRun:
    """Run a script as `__main__` in this process, with its folder first in `sys.path`.

    Raises:
        NotebookError: there is no such file, or it is no text.
        ConfigError: the real packages are installed, and `shadow` is False.
    """
    began = time.monotonic()
    source = read_script(path)
    install(shadow=shadow)
    shown, exit_code = str(path), 0
    failure: Failure | None = None
    try:
        ast.parse(source, shown)
        sys.argv = [shown, *arguments]
        # `python -m` has put the current folder there, which a script does not have.
        sys.path[0] = str(path.absolute().parent)
        runpy.run_path(shown, run_name="__main__")
    except SystemExit as end:
        exit_code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if end.code is not None and not isinstance(end.code, int):
            sys.stderr.write(f"{end.code}\n")
    except Exception as error:
        _show(error, shown)
        failure = failure_of(error, is_users=lambda frame: frame.filename == shown)
        exit_code = 1
    return ScriptRun(path, time.monotonic() - began, failure, exit_code)


def read_script(path: Path) -> str:
    """Return the text of a script. Raises NotebookError."""
    try:
        return path.read_text()
    except FileNotFoundError as error:
        raise NotebookError(f"There is no file {path}. Give a script or a notebook.") from error
    except UnicodeDecodeError as error:
        raise NotebookError(f"{path} is not text in UTF-8. Give a script or a notebook.") from error
    except OSError as error:
        raise NotebookError(
            f"{path} cannot be read: {error.strerror}. Give a script or a notebook."
        ) from error


def _show(error: Exception, path: str) -> None:
    """Write the traceback, from the script's own frame on."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != path:
        trace = trace.tb_next
    sys.stderr.write("".join(traceback.format_exception(type(error), error, trace or error.__traceback__)))
