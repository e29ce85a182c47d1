"""The files of a training dataset: written into a hidden folder, moved to their place when all of them are on disk."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from hopyard.durable import sync, sync_parents
from hopyard.errors import CorruptStoreError, NotFoundError, TrainingDatasetError
from hopyard.failpoint import around
from hopyard.model.codec import from_json, to_json
from hopyard.model.manifest import MANIFEST_FORMAT, Manifest, TrainingFile
from hopyard.retrieve.formats import get_format
from hopyard.session import Session

MANIFEST_FILE = "manifest.json"
SPINE_FILE = "spine.parquet"


def dataset_folder(session: Session, manifest: Manifest) -> Path:
    """Return the folder of a dataset."""
    if manifest.location:
        return Path(manifest.location)
    return session.training_folder / manifest.label / str(manifest.version)


def full_path(location: str | os.PathLike[str]) -> str:
    """Return a folder that a user named as an absolute path; empty: none was named."""
    return str(Path(location).expanduser().absolute()) if os.fspath(location) else ""


def check_location(location: str) -> None:
    """Raise TrainingDatasetError unless a dataset can be put at a place that the user chose."""
    folder = Path(location)
    if folder.exists() and not folder.is_dir():
        raise TrainingDatasetError(f"location={location!r} is a file. Name a folder that is new or empty.")
    if folder.is_dir() and (found := next(folder.iterdir(), None)) is not None:
        raise TrainingDatasetError(
            f"location={location!r} is not empty: it has {found.name!r}, for example. A training dataset overwrites "
            f"nothing. Name a folder that is new or empty."
        )


def check_own(session: Session, manifest: Manifest) -> None:
    """Raise TrainingDatasetError if there are files in a dataset's folder that are not its own: they would be lost."""
    folder = dataset_folder(session, manifest)
    own = {folder / path for path in _own_files(manifest)}
    for path in sorted(folder.rglob("*")):
        if not path.is_dir() and path not in own:
            raise TrainingDatasetError(
                f"{path} is no file of the training dataset, and would be lost. Move it elsewhere. Nothing was written."
            )


def remove_files(session: Session, manifest: Manifest) -> None:
    """Remove the files of a dataset, and its folder if nothing else is in it."""
    folder = dataset_folder(session, manifest)
    for name in _own_files(manifest):
        (folder / name).unlink(missing_ok=True)
    for path in sorted([folder, *(path for path in folder.rglob("*") if path.is_dir())], reverse=True):
        with suppress(OSError):  # it is not empty, or gone already
            path.rmdir()


def _own_files(manifest: Manifest) -> list[str]:
    files = [file.path for split in manifest.splits for file in split.files]
    return [MANIFEST_FILE, *files, *([manifest.spine.path] if manifest.spine else [])]


@contextmanager
def hidden_folder(session: Session, manifest: Manifest) -> Iterator[Path]:
    """Give a new folder on the disk of the dataset's place; it is removed at the end, unless `publish` moved it.

    Raises:
        TrainingDatasetError: the disk is full, or cannot be written; nothing of the dataset remains.
    """
    home = dataset_folder(session, manifest).parent
    folder = home / f".writing-{secrets.token_hex(4)}"
    try:
        folder.mkdir(parents=True)
        yield folder
    except OSError as error:
        raise TrainingDatasetError(
            f"The training dataset could not be written to {home}: {error}. Nothing of it was kept. Make room, or "
            f"choose another place with location=; temporary files are in the folder that TMPDIR names."
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def training_file(path: Path, folder: Path) -> TrainingFile:
    """Return what a manifest says of a file in the dataset's folder."""
    return TrainingFile(
        path=str(path.relative_to(folder)), size_bytes=path.stat().st_size, sha256=_sha256(path)
    )


def write_spine(rows: pa.Table, folder: Path) -> TrainingFile:
    """Write the rows of a dataframe that stood in the place of the root."""
    path = folder / SPINE_FILE
    pq.write_table(rows, path, compression="zstd")
    return training_file(path, folder)


def read_spine(session: Session, manifest: Manifest) -> pa.Table:
    """Return the stored rows of a dataset's spine. Raises TrainingDatasetError: they are gone, or were changed."""
    assert manifest.spine is not None
    path = dataset_folder(session, manifest) / manifest.spine.path
    if not path.is_file():
        raise TrainingDatasetError(f"the rows of the dataframe that it was made from are gone ({path})")
    if _sha256(path) != manifest.spine.sha256:
        raise TrainingDatasetError(f"the rows of the dataframe that it was made from were changed ({path})")
    return pq.read_table(path, partitioning=None)


def publish(session: Session, manifest: Manifest, written: Path) -> None:
    """Put the manifest into the written folder and move it to its place, everything on disk before it shows."""
    (written / MANIFEST_FILE).write_bytes(msgspec.json.format(to_json(manifest), indent=2) + b"\n")
    with around(session.failpoint, "dataset_files_sync"):
        for path in sorted(written.rglob("*")):
            sync(path)
        sync(written)
    target = dataset_folder(session, manifest)
    old = written.with_name(written.name + "-old")
    if target.exists():
        with around(session.failpoint, "old_dataset_rename"):
            target.rename(old)
    with around(session.failpoint, "dataset_rename"):
        written.rename(target)
    with around(session.failpoint, "dataset_folder_sync"):
        if manifest.location:
            sync(target.parent)
        else:
            sync_parents(target, session.root)
    shutil.rmtree(old, ignore_errors=True)


def read_split(session: Session, manifest: Manifest, split: str | None) -> pa.Table:
    """Return the stored rows of a split, in order. Raises TrainingDatasetError, NotFoundError."""
    files = _files_of(session, manifest, split)
    for path in files:
        if not path.is_file():
            raise TrainingDatasetError(
                f"The file {path} of the training dataset is gone. Make it again with rebuild()."
            )
    return get_format(manifest.data_format).read(files, manifest.schema)


def read_batches(session: Session, manifest: Manifest, split: str) -> Iterator[pa.Table]:
    """Yield the stored rows of a split, in order, a part at a time. Raises OSError, pyarrow.ArrowException."""
    files = _files_of(session, manifest, split)
    return get_format(manifest.data_format).batches(files, manifest.schema)


def _files_of(session: Session, manifest: Manifest, split: str | None) -> list[Path]:
    names = [content.name for content in manifest.splits]
    if split is None:
        if len(names) > 1:
            raise TrainingDatasetError(f"This dataset has the splits {', '.join(names)}: say which to read.")
        split = names[0]
    if split not in names:
        raise NotFoundError("split", split, names)
    folder = dataset_folder(session, manifest)
    return [folder / file.path for file in manifest.splits[names.index(split)].files]


def broken_files(session: Session, manifest: Manifest) -> list[str]:
    """Return what is wrong with a dataset's files, a clause each: gone, or not what their checksums say."""
    folder = dataset_folder(session, manifest)
    broken = _broken_manifest(folder / MANIFEST_FILE, manifest)
    files = [file for content in manifest.splits for file in content.files]
    for file in [*files, *([manifest.spine] if manifest.spine else [])]:
        path = folder / file.path
        if not path.is_file():
            broken.append(f"the file {path} is gone")
        elif _sha256(path) != file.sha256:
            broken.append(f"the file {path} was changed")
    return broken


def _broken_manifest(path: Path, manifest: Manifest) -> list[str]:
    """Return what is wrong with the manifest beside the files; older ones may lack fields that have defaults."""
    if not path.is_file():
        return [f"the file {path} is gone"]
    try:
        stored = from_json(Manifest, path.read_bytes(), known=MANIFEST_FORMAT, what=str(path))
    except CorruptStoreError:
        stored = None
    if stored is not None:  # these may have changed since
        stored = msgspec.structs.replace(
            stored, description=manifest.description, tags=manifest.tags, keywords=manifest.keywords
        )
    return [] if stored == manifest else [f"the file {path} was changed"]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
