"""Warnings that programs filter by these names, and the original's correction of names."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from types import FrameType
from typing import cast


class VersionWarning(Warning):
    """A version was left out, and one was chosen."""


class FeatureGroupWarning(Warning):
    """Something about a feature group that its owner should know, such as a corrected name."""


class StatisticsWarning(Warning):
    """Statistics that are not there."""


class ValidationWarning(Warning):
    """An expectation suite that was not run."""


class JobWarning(Warning):
    """Something about a job."""


class StorageWarning(Warning):
    """Something about where rows are kept."""


class FeatureViewWarning(Warning):
    """Something about a feature view."""


def autofix_feature_name(name: str) -> str:
    """Return a feature's name as the original stores it: lower-case, blanks as underscores."""
    return str(name).lower().replace(" ", "_")


def warn(message: str, category: type[Warning]) -> None:
    """Warn the program that called the shim."""
    level, frame = 2, cast("FrameType | None", sys._getframe(1))
    while frame is not None and frame.f_globals.get("__name__", "").startswith("hopyard."):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def names_of(value: object) -> list[str]:
    """Return feature names given as one name, a list of names, or of features."""
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    if isinstance(value, Iterable):
        return [item if isinstance(item, str) else str(getattr(item, "name", item)) for item in value]
    return [str(getattr(value, "name", value))]
