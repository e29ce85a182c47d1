"""The form of an entry in the tables of calls that the shim does not have."""

from __future__ import annotations

from typing import NamedTuple

PAGE = "coming-from-hopsworks.md"


class Absent(NamedTuple):
    """Why a call cannot work, told as what to use in its place."""

    nearest: str
    """A sentence or two: what to use instead, or that there is nothing like it."""
    page: str = PAGE
    """Below docs/."""
