"""What a program imports as `hsfs`."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from hopyard.compat.hsfs.connection import Connection, connection
from hopyard.compat.hsfs.version import __version__

__all__ = ["Connection", "__version__", "connection"]


def __getattr__(name: str) -> Any:
    """Return a module of the package, importing it on first use, and `udf`, which stands beside them."""
    if name.startswith("_"):
        raise AttributeError(name)
    if name == "udf":
        return import_module("hopyard.compat.hsfs.hopsworks_udf").udf
    try:
        return import_module(f"hopyard.compat.hsfs.{name}")
    except ModuleNotFoundError as error:
        raise AttributeError(f"module 'hsfs' has no attribute {name!r}") from error
