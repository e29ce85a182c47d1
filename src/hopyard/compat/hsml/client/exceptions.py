"""The names under which programs catch errors of models; here all of them are Hopyard's own errors."""

from __future__ import annotations

from hopyard.compat.hopsworks.client.exceptions import (
    ModelRegistryException,
    ModelServingException,
    RestAPIError,
)

__all__ = ["ModelRegistryException", "ModelServingException", "RestAPIError"]
