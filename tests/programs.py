"""Programs for the shim: run in a process of their own, as a user does."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[1]


def compat(*arguments: object, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m hopyard.compat` in a folder, with the store in that folder."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HOPYARD_")}
    return subprocess.run(
        [sys.executable, "-m", "hopyard.compat", *map(str, arguments)],
        cwd=folder,
        env={
            **environment,
            "PYTHONPATH": str(ROOT / "src"),
            "HOPYARD_TRUST_FILE": str(folder / "trusted"),  # not the developer's own
            **variables,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def write_script(path: Path, source: str) -> Path:
    """Write a script, dedented."""
    path.write_text(textwrap.dedent(source))
    return path


def write_notebook(path: Path, *cells: str, **metadata: object) -> Path:
    """Write a notebook of code cells, dedented, as Jupyter saves it."""
    notebook = nbformat.v4.new_notebook(metadata=metadata)
    notebook.cells = [nbformat.v4.new_code_cell(textwrap.dedent(cell).strip("\n")) for cell in cells]
    nbformat.write(notebook, path)
    return path


def texts(path: Path) -> list[str]:
    """Return what each cell of a notebook that was run has printed."""
    return [
        "".join(output.text for output in cell.outputs if output.get("name") == "stdout")
        for cell in nbformat.read(path, as_version=4).cells
    ]
