"""Validation reports, kept in a folder per group: one small file each, the oldest removed when there are many."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from hopyard.durable import sync
from hopyard.errors import StoreError
from hopyard.failpoint import around
from hopyard.model.codec import from_json, to_json
from hopyard.model.specs import FeatureGroupSpec
from hopyard.model.validation import REPORT_FORMAT, ValidationReport
from hopyard.session import Session

MAX_REPORTS = 1_000


def keep_report(session: Session, spec: FeatureGroupSpec, report: ValidationReport) -> None:
    """Keep a report with its group, on disk on return.

    Raises:
        StoreError: its file cannot be written.
    """
    folder = _folder(session, spec)
    file = folder / f"{report.at_us:020d}-{report.id}.json"
    written = folder / f".{file.name}.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written.write_bytes(to_json(report))
        sync(written)
        with around(session.failpoint, "report_rename"):
            written.replace(file)
        sync(folder)
    except OSError as error:
        raise StoreError(
            f"The validation report of {spec.label!r} cannot be kept at {file}: {error.strerror}. Check that the disk "
            f"is not full."
        ) from error
    for old in _files(folder)[MAX_REPORTS:]:
        with suppress(OSError):
            old.unlink()


def list_reports(
    session: Session, spec: FeatureGroupSpec, limit: int | None = None
) -> list[ValidationReport]:
    """Return the kept reports of a group, newest first. Raises CorruptStoreError, FormatVersionError."""
    reports = []
    for file in _files(_folder(session, spec))[:limit]:
        with suppress(FileNotFoundError):  # another process has just removed the oldest
            reports.append(
                from_json(ValidationReport, file.read_bytes(), known=REPORT_FORMAT, what=f"the report {file}")
            )
    return reports


def forget_reports(session: Session, spec: FeatureGroupSpec) -> None:
    """Remove the reports of a group."""
    shutil.rmtree(_folder(session, spec), ignore_errors=True)


def _folder(session: Session, spec: FeatureGroupSpec) -> Path:
    return session.root / "projects" / spec.project / "validation" / spec.id


def _files(folder: Path) -> list[Path]:
    """Return the files of reports, newest first: their names begin with the time."""
    return sorted((path for path in folder.glob("*.json") if not path.name.startswith(".")), reverse=True)
