"""The project as programs of the flat API name it."""

from __future__ import annotations

from typing import Any

from hopyard.compat.session import open_project

_connected: dict[str, str | None] = {"project": None}


def connect(project: str | None = None, host: str | None = None, port: int = 443, *_: Any, **__: Any) -> None:
    """Choose the project that later calls work in; hosts and keys are not needed."""
    _connected["project"] = project


def connected_project() -> str | None:
    """Return the project that `connect` chose; None if it was not called."""
    return _connected["project"]


def project_name() -> str:
    """Return the project's name."""
    return open_project(connected_project()).name
