"""What an expression of a program stands for, as far as the shim's annotations tell: the values of static reading."""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any, TypeVar

from hopyard.compat.finder import SHIM

_VIEW = "hopyard.compat.hsfs.feature_view.FeatureView"
_DATASET = "hopyard.compat.hsfs.training_dataset.TrainingDataset"
_FUNCTION = "hopyard.compat.hsfs.transformation_function.TransformationFunction"
_ANSWERS = {
    "FeatureStore.create_feature_view": _VIEW,
    "FeatureStore.get_feature_view": _VIEW,
    "FeatureStore.get_feature_views": f"list[{_VIEW}]",
    "FeatureStore.get_or_create_feature_view": _VIEW,
    "FeatureStore.create_training_dataset": _DATASET,
    "FeatureStore.get_training_dataset": _DATASET,
    "FeatureStore.get_training_datasets": f"list[{_DATASET}]",
    "FeatureStore.create_transformation_function": _FUNCTION,
    "FeatureStore.get_transformation_function": _FUNCTION,
    "FeatureStore.get_transformation_functions": f"list[{_FUNCTION}]",
}
"""What methods give whose own annotation is `Any`: their classes are in modules that theirs does not import."""
_COLLECTIONS = {"list", "List", "Sequence", "Iterable", "Iterator", "set", "dict", "Mapping", "Collection"}


@dataclass(frozen=True)
class Package:
    """A module of the shim."""

    module: ModuleType


@dataclass(frozen=True)
class Kind:
    """A class of the shim itself, not an object of it."""

    cls: type


@dataclass(frozen=True)
class Thing:
    """An object of a class of the shim; `parts` are the class's own parameters."""

    cls: type
    parts: tuple[Shape, ...] = ()


@dataclass(frozen=True)
class Routine:
    """A function or method of the shim, and the object that it belongs to."""

    function: Callable[..., Any]
    owner: Thing | None = None


@dataclass(frozen=True)
class Several:
    """A list, or the values of a dict, of one shape."""

    of: Shape


@dataclass(frozen=True)
class Row:
    """A tuple."""

    of: tuple[Shape, ...]


@dataclass(frozen=True)
class Own:
    """A function that the program defines."""

    node: ast.FunctionDef | ast.AsyncFunctionDef


Shape = Package | Kind | Thing | Routine | Several | Row | Own | None
"""None: not known, or nothing of the shim."""


def is_ours(value: object) -> bool:
    """Return whether a class, function or module is the shim's."""
    if isinstance(value, ModuleType):
        return value.__name__.startswith(f"{SHIM}.")
    return str(getattr(value, "__module__", "")).startswith(f"{SHIM}.")


def shape_of(value: object) -> Shape:
    """Return the shape of an attribute of a module."""
    if isinstance(value, ModuleType):
        return Package(value) if is_ours(value) else None
    if inspect.isclass(value):
        return Kind(value) if is_ours(value) else None
    if inspect.isroutine(value) and is_ours(value):
        return Routine(value)
    return Thing(type(value)) if is_ours(type(value)) else None


def result_of(routine: Routine) -> Shape:
    """Return the shape of what a call gives, by the annotation of the function."""
    function = inspect.unwrap(getattr(routine.function, "__func__", routine.function))
    annotation = getattr(function, "__annotations__", {}).get("return")
    module = sys.modules.get(getattr(function, "__module__", ""))
    if annotation in ("Any", Any) and routine.owner is not None:
        annotation = _ANSWERS.get(f"{routine.owner.cls.__name__}.{function.__name__}", annotation)
    return None if annotation is None or module is None else _read(annotation, module, routine.owner)


def attribute_of(thing: Thing, name: str) -> tuple[bool, Shape]:
    """Return whether objects of a class have an attribute, and its shape."""
    for cls in thing.cls.__mro__:
        if name not in vars(cls):
            continue
        found = inspect.getattr_static(cls, name)
        if isinstance(found, property) and found.fget is not None:
            return True, result_of(Routine(found.fget, thing))
        wrapped = getattr(found, "func", None)  # of a cached property
        if callable(wrapped) and not inspect.isroutine(found):
            return True, result_of(Routine(wrapped, thing))
        function = getattr(found, "__func__", found)
        return True, Routine(function, thing) if inspect.isroutine(function) else None
    if name in _assigned(thing.cls):
        return True, _annotated(thing, name)
    return False, None


def dynamic_attribute(thing: Thing) -> Shape:
    """Return the shape of what `__getattr__` gives, such as a feature of a group; None if there is no such method."""
    found = inspect.getattr_static(thing.cls, "__getattr__", None)
    return result_of(Routine(found, thing)) if inspect.isfunction(found) else None


def names_of(cls: type) -> list[str]:
    """Return the public names of a class's objects."""
    return sorted({name for name in dir(cls) if not name.startswith("_")} | _assigned(cls))


def _annotated(thing: Thing, name: str) -> Shape:
    for cls in thing.cls.__mro__:
        annotation = vars(cls).get("__annotations__", {}).get(name)
        if annotation is not None:
            return _read(annotation, sys.modules[cls.__module__], thing)
    return None


@cache
def _assigned(cls: type) -> frozenset[str]:
    """Return the public names that a class annotates, or that its methods assign to `self`."""
    names: set[str] = set()
    for one in cls.__mro__:
        if not is_ours(one):
            continue
        names.update(vars(one).get("__annotations__", {}))
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(one)))
        except (OSError, TypeError, SyntaxError):
            continue
        names.update(
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and isinstance(node.value, ast.Name)
            and node.value.id == "self"
        )
    return frozenset(name for name in names if not name.startswith("_"))


def _read(annotation: object, module: ModuleType, owner: Thing | None) -> Shape:
    """Return the shape that an annotation names: the first part of it that is the shim's."""
    if inspect.isclass(annotation):
        return Thing(annotation) if is_ours(annotation) else None
    try:
        tree = ast.parse(annotation if isinstance(annotation, str) else repr(annotation), mode="eval").body
    except SyntaxError:
        return None
    return _read_node(tree, module, owner)


def _read_node(node: ast.expr, module: ModuleType, owner: Thing | None) -> Shape:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _read(node.value, module, owner)
    if isinstance(node, ast.BinOp):  # A | B
        return _read_node(node.left, module, owner) or _read_node(node.right, module, owner)
    if isinstance(node, ast.Subscript):
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        parts = tuple(_read_node(part, module, owner) for part in inner)
        name = ast.unparse(node.value).rpartition(".")[2]
        if name in ("tuple", "Tuple"):
            return Row(parts)
        if name in _COLLECTIONS:
            return Several(parts[-1]) if parts[-1] is not None else None
        if name in ("Optional", "Union"):
            return next((part for part in parts if part is not None), None)
        found = _named(node.value, module)
        return Thing(found, parts) if inspect.isclass(found) and is_ours(found) else None
    if isinstance(node, ast.Name) and node.id == "Self":
        return owner
    found = _named(node, module)
    if isinstance(found, TypeVar):
        return owner.parts[0] if owner is not None and owner.parts else None
    return Thing(found) if inspect.isclass(found) and is_ours(found) else None


def _named(node: ast.expr, module: ModuleType) -> object:
    """Return what a name in an annotation stands for, also where it is imported for type checkers only."""
    home, _, last = ast.unparse(node).rpartition(".")
    if home.startswith(f"{SHIM}."):
        return _member(home, last)
    first, *rest = ast.unparse(node).split(".")
    found = vars(module).get(first) or _imported(module).get(first)
    if isinstance(found, tuple):
        found = _member(*found)
    for name in rest:
        found = getattr(found, name, None)
    return found


def _member(module: str, name: str) -> object:
    try:
        return getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None


@cache
def _imported(module: ModuleType) -> dict[str, tuple[str, str]]:
    """Return where the names that a module imports come from: its home and its name there."""
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError, SyntaxError):
        return {}
    return {
        alias.asname or alias.name: (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
