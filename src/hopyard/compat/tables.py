"""The tables of what is absent and of what differs, put together from those of the parts."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from hopyard.compat.absent import Absent

_ABSENT = (
    ("hopyard.compat.absent_feature_store", "ABSENT"),
    ("hopyard.compat.absent_view", "ABSENT"),
    ("hopyard.compat.absent_platform", "ABSENT"),
)
_DIFFERENCES = (
    ("hopyard.compat.differences", "DIFFERENCES"),
    ("hopyard.compat.absent_view", "VIEW_DIFFERENCES"),
    ("hopyard.compat.absent_platform", "PLATFORM_DIFFERENCES"),
)


def absent_calls() -> dict[str, Absent]:
    """Return all calls that cannot work, such as `FeatureGroup.find_neighbors`, and what is nearest."""
    return {name: entry for table in _ABSENT for name, entry in _table(*table).items()}


def differences() -> dict[str, str]:
    """Return what works in another way: a short title, and a sentence or two."""
    return {title: text for table in _DIFFERENCES for title, text in _table(*table).items()}


def _table(module: str, name: str) -> dict[str, Any]:
    return dict(getattr(import_module(module), name, {})) if find_spec(module) else {}
