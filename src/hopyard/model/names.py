"""Names of projects, feature groups, views and features."""

from __future__ import annotations

import re

from hopyard.errors import InvalidNameError

MAX_NAME_LENGTH = 63
_VALID = re.compile(r"[a-z][a-z0-9_]{0,62}")


def check_name(kind: str, name: str) -> str:
    """Return `name` if it is valid: lower-case letters, digits and `_`, a letter first, at most 63 characters.

    Raises:
        InvalidNameError: it is not; the message shows the nearest valid name.
    """
    if isinstance(name, str) and _VALID.fullmatch(name):
        return name
    raise InvalidNameError(
        f"{name!r} cannot name a {kind}: use lower-case letters, digits and '_', start with a letter, "
        f"at most {MAX_NAME_LENGTH} characters. For example: {nearest_name(str(name))!r}."
    )


def nearest_name(name: str) -> str:
    """Return the valid name that is closest to `name`."""
    lowered = re.sub(r"[^a-z0-9_]+", "_", name.strip().lower())
    lettered = re.sub(r"^[^a-z]+", "", lowered).rstrip("_")[:MAX_NAME_LENGTH]
    return lettered or "x"
