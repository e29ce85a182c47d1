"""Where the shim keeps its store."""

from __future__ import annotations

import os
import warnings

import hopyard
from hopyard.model.names import nearest_name

PROJECT_VARIABLE = "HOPSWORKS_PROJECT"


def open_project(name: str | None = None) -> hopyard.Project:
    """Open the project where the shim keeps its store, or make it: at HOPYARD_URL, else in ./.hopyard.

    Args:
        name: the project; None: the environment variable HOPSWORKS_PROJECT, else `default`. A name that Hopyard
            refuses, such as `Fraud-Demo`, becomes the nearest valid one, with a warning.
    """
    asked = name or os.environ.get(PROJECT_VARIABLE) or None
    return hopyard.login(project=None if asked is None else project_name(asked))


def project_name(asked: str) -> str:
    """Return a name that Hopyard takes for a project; warns if it is another one than `asked`."""
    valid = nearest_name(str(asked))
    if valid != asked:
        warnings.warn(
            f"Hopyard names projects in lower-case letters, digits and '_': {asked!r} is kept as {valid!r}.",
            stacklevel=4,
        )
    return valid
