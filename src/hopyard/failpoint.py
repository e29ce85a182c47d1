"""Points in the code where a crash would hurt most; crash tests inject a function that kills the process there.

Whatever the disk shows of a write happens between two of them: every fsync, rename, commit and apply. A test reads the
source and fails where one is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Failpoint = Callable[[str], None]
"""Called with the name of each point that is reached."""


def never_fail(point: str) -> None:
    """Do nothing: the failpoint of every session outside of crash tests."""


@contextmanager
def around(failpoint: Failpoint, step: str) -> Iterator[None]:
    """Reach `before_<step>`, and `after_<step>` at the end of the with block, unless it raises."""
    failpoint(f"before_{step}")
    yield
    failpoint(f"after_{step}")
