"""What `mr.sklearn.create_model` returns."""

from __future__ import annotations

from typing import ClassVar

from hopyard.compat.hsml.model import Model as AnyModel


class Model(AnyModel):
    """A model of this framework."""

    FRAMEWORK: ClassVar[str] = "SKLEARN"
