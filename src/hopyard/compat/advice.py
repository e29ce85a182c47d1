"""What to do about an error that ended a program: the line, the call, the error and a hint, as plain data."""

from __future__ import annotations

import linecache
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from urllib.error import URLError

from hopyard.compat.absent import PAGE
from hopyard.compat.absent_platform import ABSENT
from hopyard.compat.errors import CompatError
from hopyard.compat.finder import ROOTS, SHIM
from hopyard.errors import HopyardError

_SEE = f"See docs/{PAGE}."
_LONGEST = 160


@dataclass(frozen=True, slots=True)
class Failure:
    """How a program ended.

    Attributes:
        line: of the script or the cell, from 1; None: not of one line.
        call: the expression, as it is written there; empty: not known.
        error: the kind and the message.
        hint: what to do.
    """

    line: int | None
    call: str
    error: str
    hint: str


def failure_of(error: BaseException, *, is_users: Callable[[traceback.FrameSummary], bool]) -> Failure:
    """Return the failure that an error is.

    Args:
        is_users: whether a frame is of the script or the cell; the innermost such one is shown.
    """
    message = str(error).strip() or "(no message)"
    shown = f"{type(error).__name__}: {message}"
    if isinstance(error, SyntaxError):
        return Failure(
            error.lineno, (error.text or "").strip(), f"{type(error).__name__}: {error.msg}", advise(error)
        )
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_users(frame)]
    if not frames:
        return Failure(None, "", shown, advise(error))
    return Failure(frames[-1].lineno, _expression(frames[-1]), shown, advise(error))


def advise(error: BaseException) -> str:
    """Return what to do about an error, in a sentence or two."""
    if type(error).__name__ == "UsageError":  # IPython's, which need not be installed
        return "IPython does not know this magic or its arguments: leave the line out, or load what brings the magic."
    for kind, words in _ADVICE:
        if isinstance(error, kind):
            said = words(error)
            if said:
                return said
    return f"Look at the line: the error is of the program, or of a package that it uses. {_SEE}"


def _expression(frame: traceback.FrameSummary) -> str:
    """Return the expression that failed, on one line; the whole line, where Python does not know the expression."""
    first, last = frame.lineno, frame.end_lineno
    if first is None or last is None or frame.colno is None or frame.end_colno is None:
        return _shortened(frame.line or "")
    lines = [linecache.getline(frame.filename, number) for number in range(first, last + 1)]
    source = "".join(lines).encode()
    end = len(source) - len(lines[-1].encode()) + frame.end_colno
    # Offsets count bytes: of the first line, and of the last one.
    return _shortened(source[frame.colno : end].decode(errors="replace")) or _shortened(frame.line or "")


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def _of_attribute(error: BaseException) -> str:
    owner, name = getattr(error, "obj", None), getattr(error, "name", None) or ""
    if owner is None and str(error).startswith("'NoneType'"):
        return f"The object before .{name} is None: a feature group, a view or a secret that is not there. {_SEE}"
    module = owner.__name__ if isinstance(owner, ModuleType) else type(owner).__module__
    if not module.startswith(SHIM) or name.startswith("_"):  # a private name is no slip of the program
        return ""
    what = module.removeprefix(f"{SHIM}.") if isinstance(owner, ModuleType) else type(owner).__name__
    return f"Hopyard's {what} has no {name!r}.{_did_you_mean(name, dir(owner))} {_SEE}"


def _of_import(error: BaseException) -> str:
    name = getattr(error, "name", None) or ""
    if isinstance(error, HopyardError):
        return ""  # the message names what to install
    if name.startswith(SHIM):
        wanted = str(error).split("'")[1]
        close = _did_you_mean(wanted, dir(sys.modules.get(name)))
        return f"Hopyard's {name.removeprefix(f'{SHIM}.')} has no {wanted!r}.{close} {_SEE}"
    root = name.partition(".")[0]
    if root in ROOTS:
        return "The message says what is nearest. Take that, or leave the import out."
    if root in ABSENT:
        return f"{ABSENT[root].nearest} {_SEE}"
    if root in ("pyspark", "hdfs"):
        return "There is no Spark here: read the data with pandas or polars. " + _SEE
    return f"Install it before the run: {_pip(root)}." if root else ""


def _pip(root: str) -> str:
    return f"pip install {'scikit-learn' if root == 'sklearn' else root}"


def _of_file(error: BaseException) -> str:
    name = getattr(error, "filename", None)
    what = "A data file" if name is None else f"The data file {str(name)!r}"
    return f"{what} is not there. Paths are seen from {Path.cwd()}: put the file there, or mend the path."


def _of_address(error: BaseException) -> str:
    return "The program reads from an address that does not answer. Download the file elsewhere and read it from disk."


def _of_name(error: BaseException) -> str:
    name = getattr(error, "name", None)
    if name in ("spark", "sc", "sqlContext"):
        return f"{name!r} comes from a Spark kernel. There is no Spark here: read data with pandas or polars. {_SEE}"
    if name in ROOTS:
        return f"Import it first: import {name}."
    return "It is not defined before this line; a notebook's cells run from top to bottom."


def _of_type(error: BaseException) -> str:
    if "unexpected keyword argument" in str(error) or "positional argument" in str(error):
        return f"Compare the arguments with the signature, which help() shows. {_SEE}"
    return ""


def _of_syntax(error: BaseException) -> str:
    text = (getattr(error, "text", None) or "").lstrip()
    if text.startswith(("%", "!")):
        return "Lines that begin with % or ! are for notebooks: leave them out of a script, or save it as .ipynb."
    return "Mend the line; nothing of the program was run."


def _did_you_mean(name: str, known: list[str]) -> str:
    close = get_close_matches(name, [other for other in known if not other.startswith("_")], n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


_ADVICE: tuple[tuple[type[BaseException], Callable[[BaseException], str]], ...] = (
    (CompatError, lambda error: f"Take what the message names, or leave the call out. {_SEE}"),
    (SyntaxError, _of_syntax),
    (AttributeError, _of_attribute),
    (ImportError, _of_import),
    (HopyardError, lambda error: "Do what the message says."),
    (FileNotFoundError, _of_file),
    (URLError, _of_address),
    (NameError, _of_name),
    (TypeError, _of_type),
    (
        MemoryError,
        lambda error: "The data does not fit into memory: read less of it, or on a larger machine.",
    ),
)
"""Asked in this order; an empty answer passes on to the next kind."""
