"""Deployments are not here: a program may fetch the handle; its calls say what to use."""

from __future__ import annotations

from hopyard.compat.hopsworks.absent_apis import AbsentApi


class ModelServing(AbsentApi):
    """Of `project.get_model_serving()`."""
