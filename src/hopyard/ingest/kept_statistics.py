"""The files in which statistics are kept, beside the tables: one per commit, small, and no data.

A file can be computed again as long as its commit can be read. So it is not forced to disk; one that cannot be written
is left as it is, and one that cannot be read counts as absent. Statistics of training datasets are kept by the hash of
their content (docs/decisions/0020-statistics-in-files.md).
"""

from __future__ import annotations

import os
import shutil
import threading
from contextlib import suppress
from pathlib import Path

import msgspec

from hopyard.errors import CorruptStoreError, FormatVersionError
from hopyard.model.codec import from_json
from hopyard.model.specs import FeatureGroupSpec
from hopyard.model.statistics import STATISTICS_FORMAT, Statistics
from hopyard.session import Session

_WRITTEN = ".written"


def group_file(session: Session, spec: FeatureGroupSpec, number: int) -> Path:
    """Return where the statistics of a group as of a commit are kept."""
    return _folder(session, spec) / f"{number}.json"


def written_file(session: Session, spec: FeatureGroupSpec, number: int) -> Path:
    """Return where the statistics of the rows that a commit brought are kept."""
    return _folder(session, spec) / f"{number}{_WRITTEN}.json"


def kept_files(session: Session, spec: FeatureGroupSpec) -> list[Path]:
    """Return all files with statistics of a group."""
    return [file for file in _folder(session, spec).glob("*.json") if not file.name.startswith(".")]


def forget_statistics(session: Session, spec: FeatureGroupSpec) -> None:
    """Remove the statistics of a group."""
    shutil.rmtree(_folder(session, spec), ignore_errors=True)


def forget_written(session: Session, spec: FeatureGroupSpec, before: int) -> None:
    """Remove what is known of the rows of commits that can no longer be read; statistics of the group stay."""
    for file in _folder(session, spec).glob(f"*{_WRITTEN}.json"):
        number = file.name.removesuffix(f"{_WRITTEN}.json")
        if number.isdecimal() and int(number) < before:
            with suppress(OSError):
                file.unlink(missing_ok=True)


def content_file(session: Session, sha256: str) -> Path:
    """Return where the statistics of a training dataset's content are kept."""
    return session.root / "projects" / session.project / "statistics" / "content" / f"{sha256}.json"


def forget_content(session: Session, sha256: str) -> None:
    """Remove the statistics of a content; whoever still has it computes them again."""
    with suppress(OSError):
        content_file(session, sha256).unlink(missing_ok=True)


def read_statistics(file: Path) -> Statistics | None:
    """Return the statistics in a file; None: it is not there, is damaged, or a newer Hopyard's."""
    try:
        return from_json(Statistics, file.read_bytes(), known=STATISTICS_FORMAT, what=str(file))
    except (OSError, CorruptStoreError, FormatVersionError):
        return None


def keep_statistics(file: Path, found: Statistics) -> None:
    """Replace a file with statistics. One that cannot be written is left as it is: they are computed again."""
    replace_file(file, msgspec.json.encode(found))


def profile_file(session: Session, spec: FeatureGroupSpec) -> Path:
    """Return where the profile of a group is kept, of which the statistics of its next commits are made."""
    return _folder(session, spec) / "profile.npz"


def replace_file(file: Path, content: bytes | memoryview) -> None:
    """Replace a file as a whole, if that can be done."""
    written = file.with_name(f".{file.name}.{os.getpid()}-{threading.get_ident()}")
    with suppress(OSError):
        try:
            written.write_bytes(content)
        except FileNotFoundError:
            file.parent.mkdir(parents=True, exist_ok=True)
            written.write_bytes(content)
        written.replace(file)


def _folder(session: Session, spec: FeatureGroupSpec) -> Path:
    return session.root / "projects" / spec.project / "statistics" / spec.id
