"""What programs attach to groups and views and Hopyard's registry has no place for: one JSON file per project.

`<store>/projects/<project>/compat/notes.json` has, by `feature_group/<name>_<version>` and the like, keywords, tags,
expectation suites and the other arguments of the original that a program may read again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hopyard import Project
from hopyard.compat.files import write_atomically
from hopyard.locks import FolderLocks

_TIMEOUT_SECONDS = 30.0


def notes_path(project: Project) -> Path:
    """Return the file of a project's notes."""
    return Path(project.location) / "projects" / project.name / "compat" / "notes.json"


def read_notes(project: Project, key: str) -> dict[str, Any]:
    """Return what is noted of one thing; nothing noted is an empty dictionary."""
    found: dict[str, Any] = _all(project).get(key, {})
    return found


def read_all_notes(project: Project) -> dict[str, dict[str, Any]]:
    """Return all notes of a project, by what they are of."""
    return _all(project)


def change_notes(project: Project, key: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the notes of one thing; processes take turns. `change` gets them and edits them in place."""
    path = notes_path(project)
    with FolderLocks(Path(project.location) / "locks").hold("compat-notes", timeout_seconds=_TIMEOUT_SECONDS):
        notes = _all(project)
        own = notes.setdefault(key, {})
        change(own)
        if not own:
            del notes[key]
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(notes, indent=1, sort_keys=True).encode())


def forget_notes(project: Project, key: str) -> None:
    """Remove the notes of something that was deleted."""
    if key in _all(project):
        change_notes(project, key, lambda own: own.clear())


def _all(project: Project) -> dict[str, dict[str, Any]]:
    path = notes_path(project)
    if not path.exists():
        return {}
    found: dict[str, dict[str, Any]] = json.loads(path.read_text())
    return found
