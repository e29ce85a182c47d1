"""Files and folders that are there as a whole or not at all, and paths that stay where they belong."""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import suppress
from pathlib import Path, PurePosixPath

from hopyard.durable import sync
from hopyard.errors import ConfigError

PART = ".part-"
"""Begins the name of what is being written; a leftover of a crash is never listed."""


def write_atomically(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write a file so that a reader sees the old content or the new one, also after a power cut."""
    part = _part(path)
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        sync(part)
        part.replace(path)
        sync(path.parent)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def copy_atomically(source: Path, target: Path) -> None:
    """Copy a file or a folder beside the target and rename it. An existing file is replaced, a folder must be new."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = _part(target)
    try:
        if source.is_dir():
            shutil.copytree(source, part, ignore=shutil.ignore_patterns(f"{PART}*"))
            for file in part.rglob("*"):
                sync(file)
        else:
            shutil.copyfile(source, part)
        sync(part)
        part.replace(target)
        sync(target.parent)
    finally:
        remove(part)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; nothing, if it is not there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def path_below(root: Path, project: str, asked: str | os.PathLike[str]) -> Path:
    """Return where a path of a project is: `Resources/x`, or `/Projects/<project>/Resources/x`, below `root`.

    Raises:
        ConfigError: it leads out of the project.
    """
    text = os.fspath(asked).removeprefix("hdfs://").replace("\\", "/")
    parts = [part for part in PurePosixPath(text).parts if part != "/"]
    if parts and parts[0] == "Projects" and text.startswith("/"):
        if len(parts) < 2 or parts[1].lower() != project.lower():
            raise ConfigError(f"The path {text!r} is not in the project {project!r}. Give a path below it.")
        parts = parts[2:]
    path = root.joinpath(*parts)
    if ".." in parts or "\0" in text or not path.resolve().is_relative_to(root.resolve()):
        raise ConfigError(
            f"The path {text!r} leads out of the project's files. Give one such as 'Resources/data.csv'."
        )
    return path


def _part(path: Path) -> Path:
    return path.with_name(f"{PART}{uuid.uuid4().hex}")
