"""`import hopsworks`, `hsfs`, `hsml` and `hops`, answered by the packages of the shim."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType

from hopyard.errors import ConfigError

SHIM = "hopyard.compat"
ROOTS = {
    "hopsworks": "hopsworks",
    "hopsworks_common": "hopsworks",
    "hsfs": "hsfs",
    "hsml": "hsml",
    "hops": "hops",
}
"""What a program imports, and the package of the shim that answers."""
_NESTED = ("hsfs", "hsml")
"""Packages that are also found below `hopsworks`."""


def shim_name(name: str) -> str | None:
    """Return the full name of the shim's module for what a program imports as `name`; None if it is not ours.

    The original has inner packages `core`, whose modules are public in fact; the shim keeps them one level higher.
    """
    root, *rest = name.split(".")
    if root not in ROOTS:
        return None
    package = ROOTS[root]
    if package == "hopsworks" and rest and rest[0] in _NESTED:
        package, *rest = rest
    if rest and rest[0] == "core" and importlib.util.find_spec(f"{SHIM}.{package}.core") is None:
        del rest[0]
    return ".".join([SHIM, package, *rest])


class _AliasLoader(Loader):
    """Hands out a module of the shim under a second name: the same object, so that its classes are the same too."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._target)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has written the alias's spec into the module, which would break its reload and its repr.
        module.__spec__ = self._spec


class _ShimFinder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        name = shim_name(fullname)
        if name is None:
            return None
        found = sys.modules.get(name) or importlib.util.find_spec(name)
        if found is None:
            raise ModuleNotFoundError(_no_module(fullname, name), name=fullname)
        is_package = hasattr(found, "__path__") or bool(getattr(found, "submodule_search_locations", None))
        return ModuleSpec(fullname, _AliasLoader(name), is_package=is_package)


def install(*, shadow: bool = False) -> None:
    """Make `hopsworks`, `hsfs`, `hsml`, `hopsworks.hsfs` and `hops` importable, backed by Hopyard.

    A second call changes nothing.

    Args:
        shadow: also where the real packages are installed; they are hidden for this process.
    Raises:
        ConfigError: one of the real packages is installed or imported, and `shadow` is False.
    """
    if is_installed():
        return
    refuse_real_packages(shadow=shadow)
    for name in [name for name in sys.modules if name.partition(".")[0] in ROOTS]:
        del sys.modules[name]
    sys.meta_path.insert(0, _ShimFinder())


def refuse_real_packages(*, shadow: bool) -> None:
    """Raise ConfigError if one of the real packages is installed or imported, and `shadow` is False."""
    real = {name: where for name in ROOTS if (where := _real_place(name)) is not None}
    if real and not shadow:
        found = ", ".join(f"{name} ({where})" for name, where in real.items())
        raise ConfigError(
            f"The real packages are installed here: {found}. The program would run on Hopyard instead of a cluster: "
            f"if that is what you want, call install(shadow=True), or give --shadow on the command line."
        )


def is_installed() -> bool:
    """Return whether this process imports the shim."""
    return any(isinstance(finder, _ShimFinder) for finder in sys.meta_path)


def uninstall() -> None:
    """Undo `install`: the names are free again; objects that a program holds go on working."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _ShimFinder)]
    for name in [name for name in sys.modules if name.partition(".")[0] in ROOTS]:
        del sys.modules[name]


def _real_place(name: str) -> str | None:
    """Return where the real package is; None if there is none. Plain folders of that name are no packages."""
    loaded = sys.modules.get(name)
    if loaded is not None:
        return str(getattr(loaded, "__file__", None) or "already imported")
    spec = PathFinder.find_spec(name)
    return None if spec is None or spec.origin is None else str(Path(spec.origin).parent)


def submodules(package: str) -> list[str]:
    """Return the names of the modules in a package of the shim; none, if there is no such package."""
    try:
        return [module.name for module in iter_modules(importlib.import_module(package).__path__)]
    except (ImportError, AttributeError):
        return []


def _no_module(asked: str, name: str) -> str:
    parent, _, last = name.rpartition(".")
    close = get_close_matches(last, submodules(parent), n=1)
    hint = f" Did you mean {asked.rpartition('.')[0]}.{close[0]}?" if close else ""
    return f"Hopyard has no module {asked!r}.{hint} See docs/coming-from-hopsworks.md."
