"""Optional packages, each named in one place."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from hopyard.errors import MissingPackageError


def require(package: str, *, extra: str) -> ModuleType:
    """Return an optional package, imported.

    Args:
        package: the module to import, such as `pandas` or `sklearn.ensemble`.
        extra: the extra of Hopyard that installs it.
    Raises:
        MissingPackageError: it is not installed; the message names the extra.
    """
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        missing = error.name or package
        if package == missing or package.startswith(f"{missing}."):
            raise MissingPackageError(package, extra) from error
        raise  # it is installed, and something that it needs itself is not: the first error says more
