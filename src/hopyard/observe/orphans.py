"""Folders of a project that nothing in the registry stands for."""

from __future__ import annotations

from pathlib import Path

from hopyard.errors import HopyardError
from hopyard.ingest.create import load_group
from hopyard.observe.report import Finding
from hopyard.ports import RecordKind
from hopyard.session import Session


def is_registered(session: Session, kind: RecordKind, name: str, version: int, id: str | None = None) -> bool:
    """Return whether the registry has this thing now; with `id`, this very one."""
    record = session.registry.find(session.project, kind, name, version)
    return record is not None and id in (None, record.id)


def find_orphans(session: Session) -> list[Finding]:
    """Return a finding for each folder that no feature group and no training dataset owns.

    Folders come before their registry rows and go after them, so what looks like an orphan is looked at again under
    the locks under which it would be made or deleted. Hidden folders are datasets that are being written.
    """
    folders = session.root / "projects" / session.project
    return [
        *(_group_finding(path) for path in _children(folders / "groups") if _is_no_group(session, path)),
        *(
            _dataset_finding(path)
            for home in _children(session.training_folder)
            for path in _children(home)
            if _is_no_dataset(session, path)
        ),
    ]


def _children(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _is_no_group(session: Session, path: Path) -> bool:
    def is_known() -> bool:
        return str(path.relative_to(session.root)) in _locations(session)

    label, _, id_ = path.name.rpartition("-")
    name = label.rpartition("_")[0]
    seconds = session.config.lock_timeout_seconds
    if is_known():
        return False
    with (
        session.locks.hold(f"create.{session.project}.{name}", timeout_seconds=seconds),
        session.locks.hold(f"group.{id_}", timeout_seconds=seconds),
    ):
        return path.exists() and not is_known()


def _locations(session: Session) -> set[str]:
    """Return where the registered groups are; a record that cannot be read is a finding of its own."""
    found = set()
    for record in session.registry.list(session.project, "feature_group"):
        try:
            found.add(load_group(record).location)
        except HopyardError:
            found.add(f"projects/{session.project}/groups/{record.name}_{record.version}-{record.id}")
    return found


def _is_no_dataset(session: Session, path: Path) -> bool:
    def is_known() -> bool:
        version = path.name
        return version.isdecimal() and is_registered(
            session, "training_dataset", path.parent.name, int(version)
        )

    if is_known():
        return False
    with session.locks.hold(
        f"training.{session.project}.{path.parent.name}",
        timeout_seconds=session.config.lock_timeout_seconds,
    ):
        return path.exists() and not is_known()


def _group_finding(path: Path) -> Finding:
    content = "a Delta table" if (path / "_delta_log").is_dir() else "no Delta table"
    return Finding(
        "orphan_folder",
        str(path),
        f"No feature group is registered for this folder ({content}): a create or delete was interrupted, or the "
        f"registry was set back.",
        "Nothing reads it. Restore registry.db if the group should be there; else copy out what you want to keep, and "
        "remove the folder.",
    )


def _dataset_finding(path: Path) -> Finding:
    return Finding(
        "orphan_folder",
        str(path),
        "No training dataset is registered for this folder: a delete was interrupted, or the registry was set back.",
        "Nothing reads it. Restore registry.db if the dataset should be there; else remove the folder.",
    )
