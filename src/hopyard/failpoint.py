"""Points in the code where a crash would hurt most; crash tests inject a function that kills the process there."""

from __future__ import annotations

from collections.abc import Callable

Failpoint = Callable[[str], None]
"""Called with the name of each point that is reached."""


def never_fail(point: str) -> None:
    """Do nothing: the failpoint of every session outside of crash tests."""
