"""Files and folders forced to disk, so that what is acknowledged survives a power cut."""

from __future__ import annotations

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Force the content of a file, or the entries of a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_parents(path: Path, root: Path) -> None:
    """Force the entries of all folders above `path` to disk, up to `root`, which is one of them."""
    for folder in path.parents:
        sync(folder)
        if folder == root:
            return
