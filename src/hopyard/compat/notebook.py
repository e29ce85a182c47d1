"""Run a notebook on Hopyard: its outputs, and how it ended."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hopyard
from hopyard.compat.advice import Failure
from hopyard.compat.cells import NotebookError, code_cells, read_cells, read_notebook
from hopyard.compat.files import write_atomically
from hopyard.compat.finder import refuse_real_packages
from hopyard.require import require

START_SECONDS = 120
"""A kernel on a busy machine takes its time to start."""
_LONGEST_SOCKET_FOLDER = 80
"""Of a path of 103 bytes, which is what the systems have in common."""
SUFFIX = ".run.ipynb"


@dataclass(frozen=True, slots=True)
class NotebookRun:
    """How a notebook was run.

    Attributes:
        n_run: code cells that ran to their end; empty ones are not counted.
        n_cells: code cells that are not empty.
        failed: the number of the cell that failed, among all code cells, from 1; None: none did.
        failure: how.
        output: the notebook with the outputs of this run.
    """

    path: Path
    n_run: int
    n_cells: int
    seconds: float
    failed: int | None
    failure: Failure | None
    output: Path


def run_notebook(
    path: Path,
    arguments: Sequence[str] = (),
    *,
    output: Path | None = None,
    timeout_seconds: float | None = None,
    shadow: bool = False,
) -> NotebookRun:
    """Run a notebook in its own folder, in a kernel of this interpreter, and write it with its outputs.

    Args:
        arguments: what the notebook finds in `sys.argv`.
        output: where to; None: `<name>.run.ipynb` beside it.
        timeout_seconds: for a cell; None: as long as it takes.
        shadow: see `install`.
    Raises:
        NotebookError: it cannot be run; nothing was.
        ConfigError: the real packages are installed, and `shadow` is False.
        MissingPackageError: the extra `compat` is not installed.
    """
    require("nbformat", extra="compat")  # nbclient needs it, and would name it less well
    nbclient = require("nbclient", extra="compat")
    require("ipykernel", extra="compat")
    refuse_real_packages(shadow=shadow)
    notebook = read_notebook(path)
    read_cells(path, notebook)  # all of them are looked at before the first one runs
    target = output or path.with_name(f"{path.stem}{SUFFIX}")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hopyard-compat-") as scratch:
        settings, failed_file = Path(scratch) / "settings.json", Path(scratch) / "failure.json"
        swallowed_file = Path(scratch) / "swallowed.json"
        given = {"failure": str(failed_file), "swallowed": str(swallowed_file)}
        settings.write_text(json.dumps({"shadow": shadow, "argv": [str(path), *arguments], **given}))
        begun: list[Any] = []
        manager = _kernel_manager(settings, Path(scratch))
        client = nbclient.NotebookClient(
            notebook,
            km=manager,
            timeout=timeout_seconds,
            startup_timeout=START_SECONDS,
            resources={"metadata": {"path": str(path.absolute().parent)}},
            on_cell_start=lambda cell, cell_index: begun.append(cell),
        )
        failure: Failure | None = None
        try:
            client.execute(env=_environment(), cleanup_kc=True)
        except nbclient.exceptions.CellExecutionError as error:
            failure = _failure(failed_file, f"{error.ename}: {error.evalue}")
        except nbclient.exceptions.CellTimeoutError:
            failure = Failure(
                None,
                "",
                f"The cell was not done after {timeout_seconds:g} seconds.",
                "Give it longer with --timeout SECONDS, or less to do.",
            )
        except nbclient.exceptions.DeadKernelError:
            failure = Failure(
                None,
                "",
                "The kernel died.",
                "It may have used up the machine's memory, or ended itself: run the cell with less data.",
            )
        except (RuntimeError, AssertionError) as error:  # nbclient's own way to say it is an assertion
            if begun:
                raise
            client.km = manager  # it has let go of it, and would miss it once more at the end of the process
            raise NotebookError(
                f"The kernel for {path} did not start. Nothing was run. What it said is above; try "
                f"`{sys.executable} -m ipykernel --version`."
            ) from error
        finally:
            if begun:
                write_atomically(target, require("nbformat", extra="compat").writes(notebook).encode())
        swallowed = json.loads(swallowed_file.read_text()) if swallowed_file.exists() else None
    all_cells = list(code_cells(notebook))
    ran = [cell for cell in begun if cell.cell_type == "code" and cell.source.strip()]
    bad = None if failure is None else begun[-1]
    if failure is None and swallowed is not None:  # a cell went on after its body had failed
        count, fields = swallowed
        failure, bad = Failure(**fields), next((c for c in ran if c.execution_count == count), ran[-1])
    failed = next((number for number, cell in enumerate(all_cells, start=1) if cell is bad), None)
    return NotebookRun(
        path=path,
        n_run=len(ran) - (failure is not None),
        n_cells=sum(bool(cell.source.strip()) for cell in all_cells),
        seconds=time.monotonic() - began,
        failed=failed,
        failure=failure,
        output=target,
    )


def _kernel_manager(settings: Path, folder: Path) -> Any:
    """Return a manager of our kernel: the one of this interpreter, whether Jupyter knows a kernel or not.

    It is spoken to by sockets in `folder`, which nobody else can reach, unless the path is too long for a socket's.
    """
    specs = require("jupyter_client.kernelspec", extra="compat")

    class Specs(specs.KernelSpecManager):  # type: ignore[name-defined, misc]
        def get_kernel_spec(self, kernel_name: str) -> Any:
            kernel = [sys.executable, "-m", "hopyard.compat.kernel", str(settings), "-f", "{connection_file}"]
            kernel += ["--HistoryManager.hist_file=:memory:"]  # the cells are not what the user has typed
            return specs.KernelSpec(
                argv=kernel,
                display_name="Hopyard",
                language="python",
            )

    manager = require("jupyter_client.manager", extra="compat").AsyncKernelManager
    return manager(
        kernel_name="hopyard",
        kernel_spec_manager=Specs(),
        connection_file=str(folder / "kernel.json"),
        transport="ipc" if len(str(folder)) <= _LONGEST_SOCKET_FOLDER else "tcp",
    )


def _environment() -> dict[str, str]:
    """Return the environment for the kernel, which runs in another folder: it finds this Hopyard all the same."""
    source = str(Path(hopyard.__file__).absolute().parents[1])
    paths = [
        str(Path(path).absolute()) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path
    ]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join([source, *paths])}
    if "HOPYARD_URL" in variables and "://" not in variables["HOPYARD_URL"]:
        variables["HOPYARD_URL"] = str(Path(variables["HOPYARD_URL"]).expanduser().absolute())
    return variables


def _failure(file: Path, otherwise: str) -> Failure:
    """Return what the kernel noted; a cell that ended the kernel's own bookkeeping left nothing."""
    if file.is_file():
        return Failure(**json.loads(file.read_text()))
    return Failure(None, "", otherwise, "Look at the cell's output.")
