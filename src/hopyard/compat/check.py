"""Read programs without running them, and say which of their calls of the Hopsworks API are here."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

from hopyard.compat.cells import NotebookError, read_cells, read_notebook
from hopyard.compat.findings import CheckReport, Finding
from hopyard.compat.reading import Reader
from hopyard.compat.script import read_script

_SKIPPED_FOLDERS = {"site-packages", "node_modules", "__pycache__"}


def check_paths(paths: Sequence[Path]) -> CheckReport:
    """Return the uses of the API in scripts, notebooks, and those in folders.

    Raises:
        NotebookError: a path does not exist.
    """
    files = [file for path in paths for file in _files(path)]
    findings = [finding for file in files for finding in check_file(file)]
    return CheckReport([str(file) for file in files], findings)


def check_file(path: Path) -> list[Finding]:
    """Return the uses of the API in a script or a notebook; one finding `unreadable`, if it is neither."""
    try:
        parts = list(_parts(path))
    except (NotebookError, SyntaxError) as error:
        line = (error.lineno or 1) if isinstance(error, SyntaxError) else 1
        note = error.msg if isinstance(error, SyntaxError) else str(error)
        return [Finding(str(path), None, line, path.name, "unreadable", note)]
    reader = Reader()
    for _ in range(2):  # what functions take and return is known once their calls have been seen
        for _, tree in parts:
            reader.read(tree)
    found = []
    for cell, tree in parts:
        reader.uses.clear()
        reader.read(tree)
        # The key orders by line; the same use at the same place is told once.
        found += [
            Finding(str(path), cell, use.line, use.name, use.status, use.note)
            for use in sorted(dict.fromkeys(reader.uses), key=lambda use: use.line)
        ]
    return found


def _parts(path: Path) -> Iterator[tuple[int | None, ast.Module]]:
    """Yield the tree of a script, or those of a notebook's cells with their numbers."""
    if path.suffix == ".ipynb":
        for cell in read_cells(path, read_notebook(path)):
            try:
                yield cell.number, compile(cell.python, str(path), "exec", _FLAGS)
            except SyntaxError:  # a cell that is meant to fail
                continue
    else:
        yield None, ast.parse(read_script(path), str(path))


_FLAGS = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


def _files(path: Path) -> Iterator[Path]:
    """Yield a file, or the programs below a folder, without those that tools have put there."""
    if not path.exists():
        raise NotebookError(f"There is no file or folder {path}. Give scripts, notebooks or folders.")
    if not path.is_dir():
        yield path
        return
    for file in sorted(path.rglob("*")):
        inner = file.relative_to(path).parts
        if (
            file.suffix in (".py", ".ipynb")
            and not file.name.endswith(".run.ipynb")
            and not any(part.startswith(".") or part in _SKIPPED_FOLDERS for part in inner)
        ):
            yield file
