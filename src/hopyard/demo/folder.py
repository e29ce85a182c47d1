"""The folder of the demo's store: made anew by each run, and nobody else's."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hopyard.errors import ConfigError
from hopyard.project import Project
from hopyard.testing.store import open_store
from hopyard.time import Clock

MARKER = "made-by-hopyard-demo.txt"


def make_store(folder: Path, clock: Clock) -> Project:
    """Return the project of a new store in `folder`; the store that an earlier demo left there is removed.

    Args:
        clock: what the store takes for now. `hopyard.login(folder)` opens a store with the real time; the demo replays
            two days of 2013, so that it needs a clock that it can set.
    Raises:
        ConfigError: the folder holds something that no demo made.
    """
    folder = folder.resolve()
    remove_store(folder)
    project = open_store(folder, clock=clock)
    (folder / MARKER).write_text("`hopyard demo` made this store, and removes it when it runs here again.\n")
    return project


def remove_store(folder: Path) -> None:
    """Remove the store of an earlier demo; a folder that is empty or not there is left as it is.

    Raises:
        ConfigError: the folder holds something that no demo made.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not (folder / MARKER).is_file():
        raise ConfigError(
            f"{folder} holds something that the demo did not make, so it is left alone. "
            f"Name another folder: hopyard demo --folder ./another-demo"
        )
    # Out of the way in one step, so that an interrupted removal leaves no half of a store.
    old = folder.with_name(f".{folder.name}-removed-{os.getpid()}")
    folder.rename(old)
    shutil.rmtree(old)
