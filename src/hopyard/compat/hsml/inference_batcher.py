"""What a program imports as `hsml.inference_batcher`."""

from __future__ import annotations

from typing import NoReturn

from hopyard.compat.absent_platform import ABSENT
from hopyard.compat.errors import CompatError


class InferenceBatcher:
    """Can be imported; making one raises CompatError, because nothing is deployed from a folder."""

    def __new__(cls, *args: object, **kwargs: object) -> NoReturn:
        """Raise CompatError."""
        raise CompatError("InferenceBatcher", ABSENT["InferenceBatcher"])
