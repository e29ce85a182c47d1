"""The project's files, as `project.get_dataset_api()` gives them."""

from __future__ import annotations

import builtins
import os
import shutil
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from hopyard.compat.absent_platform import ABSENT
from hopyard.compat.errors import CompatError
from hopyard.compat.files import PART, copy_atomically, path_below, remove
from hopyard.errors import AlreadyExistsError, ConfigError, NotFoundError
from hopyard.session import Session

DATASETS = ("Resources", "Models", "Jupyter", "Logs")
"""Folders that every project of the original has; programs write into them without making them."""


class Inode:
    """A file or folder of a project."""

    def __init__(self, path: str, place: Path) -> None:
        status = place.stat()
        self.path = path
        self.name = place.name
        self.dir = place.is_dir()
        self.size = status.st_size
        self.modification_time = datetime.fromtimestamp(status.st_mtime, UTC).isoformat()

    def __repr__(self) -> str:
        return f"Inode({self.path!r})"


class DatasetApi:
    """Uploads, downloads and lists files below the project's folder."""

    def __init__(self, session: Session) -> None:
        self._project = session.project
        self._root = session.root / "projects" / session.project / "files"
        for name in DATASETS:
            (self._root / name).mkdir(parents=True, exist_ok=True)

    def upload(
        self,
        local_path: str | os.PathLike[str],
        upload_path: str | os.PathLike[str],
        overwrite: bool = False,
        chunk_size: int = 1048576,
        simultaneous_uploads: int = 3,
        max_chunk_retries: int = 1,
        chunk_retry_interval: int = 1,
        simultaneous_chunks: int = 3,
    ) -> str:
        """Copy a local file or folder into a folder of the project, and return its path there.

        Raises:
            NotFoundError: there is no such local file.
            AlreadyExistsError: it is there, and `overwrite` is False.
        """
        source = Path(local_path).expanduser()
        if not source.exists():
            raise NotFoundError("local file", str(source), _names(source.absolute().parent))
        target = self._place(upload_path) / source.absolute().name
        self._clear(target, overwrite=overwrite)
        copy_atomically(source, target)
        return self._shown(target)

    def download(
        self,
        path: str | os.PathLike[str],
        local_path: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
        chunk_size: int = 1048576,
    ) -> str:
        """Copy a file or folder of the project to `local_path`, or the current folder, and return where it is."""
        source = self._existing(path)
        target = Path.cwd() if local_path is None else Path(local_path).expanduser().absolute()
        if target.is_dir():
            target = target / source.name
        if target.exists() and not overwrite:
            raise AlreadyExistsError(
                f"{target} is there already. Give overwrite=True to replace it, or another local_path."
            )
        remove(target)
        copy_atomically(source, target)
        return str(target)

    def exists(self, path: str | os.PathLike[str]) -> bool:
        """Return whether there is such a file or folder."""
        return self._place(path).exists()

    def path_exists(self, remote_path: str | os.PathLike[str]) -> bool:
        """Return whether there is such a file or folder; the older name."""
        return self.exists(remote_path)

    def mkdir(self, path: str | os.PathLike[str]) -> str:
        """Make a folder, with those above it, and return its path. Raises AlreadyExistsError."""
        place = self._place(path)
        if place.exists():
            raise AlreadyExistsError(f"{os.fspath(path)!r} is there already. Ask with exists() before.")
        place.mkdir(parents=True)
        return self._shown(place)

    def remove(self, path: str | os.PathLike[str]) -> None:
        """Remove a file, or a folder with all that is in it. Raises NotFoundError."""
        place = self._existing(path)
        if place == self._root:
            raise ConfigError("The folder of all files is not removed. Give a path such as 'Resources/data'.")
        remove(place)

    def delete(self, path: str | os.PathLike[str]) -> None:
        """Remove a file or folder; another name of `remove`."""
        self.remove(path)

    def rm(self, remote_path: str | os.PathLike[str]) -> None:
        """Remove a file or folder; another name of `remove`."""
        self.remove(remote_path)

    def list(
        self,
        path: str | os.PathLike[str] = "",
        sort_by: str | None = None,
        offset: int = 0,
        limit: int = 1000,
    ) -> list[str]:
        """Return the paths of what is in a folder, by name."""
        return [self._shown(place) for place in self._inside(path)[offset : offset + limit]]

    def list_files(
        self, path: str | os.PathLike[str], offset: int = 0, limit: int = 1000
    ) -> tuple[int, builtins.list[Inode]]:
        """Return how many entries a folder has, and those from `offset` on."""
        places = self._inside(path)
        return len(places), [Inode(self._shown(place), place) for place in places[offset : offset + limit]]

    def get(self, path: str | os.PathLike[str]) -> Inode:
        """Return what is known of a file or folder. Raises NotFoundError."""
        place = self._existing(path)
        return Inode(self._shown(place), place)

    def copy(
        self,
        source_path: str | os.PathLike[str],
        destination_path: str | os.PathLike[str],
        overwrite: bool = False,
    ) -> None:
        """Copy a file or folder within the project; the destination is its new path."""
        source, target = self._existing(source_path), self._place(destination_path)
        self._refuse_inside(source, target)
        self._clear(target, overwrite=overwrite)
        copy_atomically(source, target)

    def move(
        self,
        source_path: str | os.PathLike[str],
        destination_path: str | os.PathLike[str],
        overwrite: bool = False,
    ) -> None:
        """Move a file or folder within the project; the destination is its new path."""
        source, target = self._existing(source_path), self._place(destination_path)
        self._refuse_inside(source, target)
        self._clear(target, overwrite=overwrite)
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)

    def read_content(self, path: str | os.PathLike[str], dataset_type: str = "DATASET") -> bytes:
        """Return the content of a file. Raises NotFoundError."""
        return self._existing(path).read_bytes()

    def zip(
        self,
        remote_path: str | os.PathLike[str],
        destination_path: str | os.PathLike[str] | None = None,
        block: bool = False,
        timeout: int | None = 120,
    ) -> bool:
        """Compress a file or folder into `<name>.zip` beside it, or in the folder `destination_path`."""
        source = self._existing(remote_path)
        folder = source.parent if destination_path is None else self._place(destination_path)
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{PART}{source.name}"
        made = shutil.make_archive(str(part), "zip", root_dir=source.parent, base_dir=source.name)
        Path(made).replace(folder / f"{source.name}.zip")
        return True

    def unzip(
        self, remote_path: str | os.PathLike[str], block: bool = False, timeout: int | None = 120
    ) -> bool:
        """Unpack a zip file into a folder of its name beside it; entries cannot leave that folder."""
        source = self._existing(remote_path)
        with zipfile.ZipFile(source) as archive:
            archive.extractall(source.with_suffix(""))
        return True

    def add(self, path: str, name: str, value: str) -> NoReturn:
        """Raise CompatError: files have no tags."""
        raise CompatError("DatasetApi.add", ABSENT["DatasetApi.add"])

    def get_tags(self, path: str, name: str | None = None) -> NoReturn:
        """Raise CompatError: files have no tags."""
        raise CompatError("DatasetApi.get_tags", ABSENT["DatasetApi.get_tags"])

    def delete_tag(self, path: str, name: str) -> NoReturn:
        """Raise CompatError: files have no tags."""
        raise CompatError("DatasetApi.delete_tag", ABSENT["DatasetApi.delete_tag"])

    def _place(self, path: str | os.PathLike[str]) -> Path:
        return path_below(self._root, self._project, path)

    def _existing(self, path: str | os.PathLike[str]) -> Path:
        place = self._place(path)
        if not place.exists():
            raise NotFoundError("file", os.fspath(path), _names(place.parent))
        return place

    def _inside(self, path: str | os.PathLike[str]) -> builtins.list[Path]:
        place = self._existing(path)
        return [place / name for name in _names(place)] if place.is_dir() else [place]

    def _shown(self, place: Path) -> str:
        return place.relative_to(self._root).as_posix()

    def _clear(self, target: Path, *, overwrite: bool) -> None:
        if target.exists():
            if not overwrite:
                raise AlreadyExistsError(
                    f"{self._shown(target)!r} is in the project already. Give overwrite=True to replace it."
                )
            if target.is_dir():
                remove(target)

    def _refuse_inside(self, source: Path, target: Path) -> None:
        if target.is_relative_to(source):
            raise ConfigError(
                f"{self._shown(source)!r} cannot be put into itself, as {self._shown(target)!r}. Give another path."
            )


def _names(folder: Path) -> list[str]:
    """Return the sorted names in a folder, without those of files that are being written."""
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith(PART))
