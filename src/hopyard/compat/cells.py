"""Notebooks as files: read, and refused with a reason where they cannot be run."""

from __future__ import annotations

import ast
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hopyard.errors import HopyardError
from hopyard.require import require

_PYTHON = {"python", "python2", "python3", "ipython", "pyspark", "pysparkkernel", ""}
"""Languages of kernels whose cells are Python."""
_EMPTY_PROGRAM = "pass\n"


class NotebookError(HopyardError):
    """A file that cannot be run as a notebook, or a cell that is no Python."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A code cell.

    Attributes:
        number: among the code cells, from 1, as people count them.
        source: as it is written.
        python: with magics and shell lines as the calls that IPython makes of them, line by line.
    """

    number: int
    source: str
    python: str


def read_notebook(path: Path) -> Any:
    """Return a notebook in nbformat 4, whatever its version.

    Raises:
        NotebookError: it is none, or of another language than Python.
        MissingPackageError: the extra `compat` is not installed.
    """
    nbformat = require("nbformat", extra="compat")
    text = _text(path)
    try:
        content = json.loads(text)
    except ValueError as error:
        raise NotebookError(
            f"{path} is not a notebook: it is not JSON ({error}). Open it in Jupyter and save it again; a file of "
            f"Python is run as .py."
        ) from error
    if not isinstance(content, dict) or not ({"cells", "worksheets"} & set(content)):
        raise NotebookError(
            f"{path} is not a notebook: it is JSON without cells. Give a file that Jupyter has saved."
        )
    try:
        with warnings.catch_warnings():  # ids that are missing are made, which is no news for who runs it
            warnings.simplefilter("ignore")
            notebook = nbformat.reads(text, as_version=4)
            _, notebook = nbformat.validator.normalize(notebook)
            nbformat.validate(notebook)
    except Exception as error:  # of many kinds, by what is missing in the file
        reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise NotebookError(
            f"{path} is not a valid notebook: {reason[0]}. Open it in Jupyter and save it again."
        ) from error
    _check_language(path, notebook.metadata)
    return notebook


def read_cells(path: Path, notebook: Any) -> list[Cell]:
    """Return the code cells that hold anything. Raises NotebookError: one of them is no Python."""
    transform = require("IPython.core.inputtransformer2", extra="compat").TransformerManager().transform_cell
    cells = []
    for number, cell in enumerate(code_cells(notebook), start=1):
        source = str(cell.source)
        # The body of a cell magic is another language, or Python that the magic runs by itself.
        python = transform(_inner_python(source)) if source.strip() else _EMPTY_PROGRAM
        if "raises-exception" not in cell.metadata.get("tags", []):
            _check_syntax(path, number, python, source)
        cells.append(Cell(number, source, python))
    return cells


def code_cells(notebook: Any) -> Iterator[Any]:
    """Yield the code cells."""
    return (cell for cell in notebook.cells if cell.cell_type == "code")


def _inner_python(source: str) -> str:
    """Return a cell whose magic runs its body as Python without the magic, so that the body is seen too."""
    first, _, body = source.partition("\n")
    words = first.split()
    return f"\n{body}" if words and words[0] in ("%%time", "%%timeit", "%%capture", "%%prun") else source


def _check_syntax(path: Path, number: int, python: str, source: str) -> None:
    try:
        compile(python, str(path), "exec", flags=ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError as error:
        lines = source.splitlines()
        line = error.lineno or 1
        shown = lines[line - 1].strip() if line <= len(lines) else ""
        raise NotebookError(
            f"{path}, cell {number}, line {line}: {error.msg}: {shown!r}. Nothing was run. Mend the line."
        ) from error


def _check_language(path: Path, metadata: Any) -> None:
    spec, info = metadata.get("kernelspec") or {}, metadata.get("language_info") or {}
    language = str(info.get("name") or spec.get("language") or "").lower()
    if language not in _PYTHON:
        raise NotebookError(
            f"{path} is a notebook of {language!r}, and Hopyard runs Python. Nothing was run. Translate its cells, or "
            f"choose a Python kernel in Jupyter if they are Python."
        )


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError as error:
        beside = sorted(entry.name for entry in path.absolute().parent.glob(f"*{path.suffix}"))
        there = f" There: {', '.join(beside)}." if beside else ""
        raise NotebookError(f"There is no file {path}.{there}") from error
    except UnicodeDecodeError as error:
        raise NotebookError(f"{path} is not text in UTF-8, which notebooks and programs are.") from error
    except OSError as error:
        raise NotebookError(f"{path} cannot be read: {error.strerror}. Give a file.") from error
