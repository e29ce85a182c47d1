"""Errors of the flat API, by the names that programs catch."""

from __future__ import annotations

from hopyard.errors import HopyardError


class FeatureNameCollisionError(HopyardError):
    """A feature's name occurs in several groups."""


class InferJoinKeyError(HopyardError):
    """The groups of the features have no column in common."""


class FeatureNotFound(HopyardError):  # noqa: N818  # the original's name
    """No group has the feature."""


class FeaturegroupNotFound(HopyardError):  # noqa: N818  # the original's name
    """There is no such feature group."""


class TrainingDatasetNotFound(HopyardError):  # noqa: N818  # the original's name
    """There is no such training dataset."""
