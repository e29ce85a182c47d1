"""The project's files as programs of the flat API reach them: they are in the store's folder."""

from __future__ import annotations

import getpass
import shutil
from pathlib import Path

from hopyard.compat.files import copy_atomically, path_below, remove, write_atomically
from hopyard.compat.hops.project import connected_project
from hopyard.compat.session import open_project


def project_name() -> str:
    """Return the project's name."""
    return open_project(connected_project()).name


def project_user() -> str:
    """Return who acts here, in the form project__user."""
    return f"{project_name()}__{getpass.getuser()}"


def project_path(project: str | None = None, exclude_nn_addr: bool = False) -> str:
    """Return the folder of the project's files, with a slash at its end."""
    return f"{_root(project)}/"


def get_plain_path(abs_path: str) -> str:
    """Return a path without the address of a name node."""
    return abs_path.removeprefix("hdfs://")


def abs_path(hdfs_path: str) -> str:
    """Return the full path of a file of the project."""
    return str(_place(hdfs_path))


def exists(hdfs_path: str, project: str | None = None) -> bool:
    """Whether there is such a file or folder."""
    return _place(hdfs_path, project).exists()


def isdir(hdfs_path: str, project: str | None = None) -> bool:
    """Whether it is a folder."""
    return _place(hdfs_path, project).is_dir()


def isfile(hdfs_path: str, project: str | None = None) -> bool:
    """Whether it is a file."""
    return _place(hdfs_path, project).is_file()


def ls(hdfs_path: str, recursive: bool = False, project: str | None = None) -> list[str]:
    """Return the full paths of what is in a folder, sorted."""
    folder = _place(hdfs_path, project)
    return sorted(str(path) for path in (folder.rglob("*") if recursive else folder.iterdir()))


def mkdir(hdfs_path: str, project: str | None = None) -> None:
    """Make a folder, and those above it."""
    _place(hdfs_path, project).mkdir(parents=True, exist_ok=True)


def rmr(hdfs_path: str, project: str | None = None) -> None:
    """Remove a file, or a folder with all that is in it."""
    remove(_place(hdfs_path, project))


def copy_to_hdfs(
    local_path: str, relative_hdfs_path: str, overwrite: bool = False, project: str | None = None
) -> None:
    """Copy a local file or folder into a folder of the project."""
    target = _place(relative_hdfs_path, project) / Path(local_path).name
    if target.exists():
        if not overwrite:
            raise FileExistsError(f"{target} exists. Give overwrite=True to replace it.")
        remove(target)
    copy_atomically(Path(local_path), target)


def copy_to_local(
    hdfs_path: str, local_path: str = "", overwrite: bool = False, project: str | None = None
) -> str:
    """Copy a file or folder of the project into a local folder, and return where it is."""
    source = _place(hdfs_path, project)
    target = Path(local_path or ".") / source.name
    if target.exists() and not overwrite:
        return str(target.resolve())
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)
    return str(target.resolve())


def dump(data: str | bytes, hdfs_path: str, project: str | None = None) -> None:
    """Write a file."""
    target = _place(hdfs_path, project)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, data.encode() if isinstance(data, str) else data)


def load(hdfs_path: str, project: str | None = None) -> bytes:
    """Return the content of a file."""
    return _place(hdfs_path, project).read_bytes()


def _root(project: str | None = None) -> Path:
    opened = open_project(project or connected_project())
    return Path(opened.location) / "projects" / opened.name / "files"


def _place(path: str, project: str | None = None) -> Path:
    root = _root(project)
    plain = get_plain_path(path)
    if plain.startswith(f"{root}"):
        plain = plain.removeprefix(f"{root}").lstrip("/")
    return path_below(root, root.parent.name, plain)
