"""The arguments of Feast's constructors, by name or by place, checked as they are taken."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from datetime import timedelta

from hopyard.integrations.feast.values import Made, Projection, Symbol, Unreadable

VIEWS = frozenset({"FeatureView", "BatchFeatureView", "StreamFeatureView", "LabelView"})
_POSITIONAL = {
    "Entity": ("name", "value_type", "description", "join_key"),
    "FeatureView": ("name", "entities", "ttl"),
    "Feature": ("name", "dtype"),
    "Field": ("name", "dtype"),
    "FeatureService": ("name", "features"),
    "PushSource": ("name", "schema", "batch_source"),
}


class CannotUseError(Exception):
    """An argument that cannot be used; the message says which and why."""


def argument(made: Made, name: str) -> object:
    """Return an argument by its name or its place; None: it is not given."""
    if name in made.kwargs:
        return made.kwargs[name]
    names = _POSITIONAL.get("FeatureView" if made.kind in VIEWS else made.kind, ())
    index = names.index(name) if name in names else len(made.args)
    return made.args[index] if index < len(made.args) else None


def text(made: Made, *names: str, required: bool = False) -> str:
    """Return the first of these arguments that is given, which must be text; empty: none of them."""
    value = next((found for name in names if (found := argument(made, name)) is not None), None)
    if value is None and not required:
        return ""
    if isinstance(value, str) and (value or not required):
        return value
    raise CannotUseError(f"{names[0]}= cannot be used: {why(value)}")


def flag(made: Made, name: str, *, default: bool) -> bool:
    value = made.given(name)
    if value is None:
        return default
    if isinstance(value, bool):
        return value
    raise CannotUseError(f"{name}= cannot be used: {why(value)}")


def ttl_of(made: Made) -> timedelta | None:
    """Return the ttl; none and zero mean that rows of any age count."""
    value = argument(made, "ttl")
    if value is None or value == 0:
        return None
    if not isinstance(value, timedelta):
        raise CannotUseError(f"ttl= cannot be used: {why(value)}")
    if value < timedelta(0):
        raise CannotUseError(f"ttl= is {value}, which is negative: no row would count")
    return value or None


def texts(made: Made, name: str) -> Mapping[str, str]:
    value = made.given(name)
    if value is None:
        return {}
    if not isinstance(value, dict) or not is_texts([*value, *value.values()]):
        raise CannotUseError(f"{name}= of {what(made)} at {made.where} cannot be used: {why(value)}")
    return dict(value)


def tags_of(made: Made) -> Mapping[str, str]:
    owner = text(made, "owner")
    return {**texts(made, "tags"), **({"owner": owner} if owner else {})}


def format_of(source: Made, path: str) -> str:
    given = source.given("file_format")
    if isinstance(given, Made):
        format_ = given.kind.removesuffix("Format").lower()
        if format_ not in ("parquet", "delta", "csv"):
            raise CannotUseError(f"the format {given.kind} of its source at {source.where} is not read here")
        return format_
    return "csv" if path.lower().endswith((".csv", ".csv.gz")) else "parquet"


def _is_foreign(value: object) -> bool:
    return isinstance(value, Symbol) and value.package not in ("feast", "builtins")


def has_unreadable(value: object) -> bool:
    """Return whether a value, or something that it is made of, cannot be read."""
    seen: set[int] = set()
    stack = [value]
    while stack:
        found = stack.pop()
        if isinstance(found, Unreadable) or _is_foreign(found):
            return True
        if id(found) in seen:
            continue
        seen.add(id(found))
        if isinstance(found, Made):
            stack += [*found.args, *found.kwargs.values()]
        elif isinstance(found, Projection):
            stack.append(found.view)
        elif isinstance(found, dict):
            stack += found.values()
        elif isinstance(found, (list, tuple)):
            stack += found
    return False


def is_texts(values: object) -> bool:
    return (
        isinstance(values, Sequence)
        and not isinstance(values, str)
        and all(isinstance(value, str) for value in values)
    )


def what(made: Made) -> str:
    name = argument(made, "name")
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in made.kind).strip()
    return f"{words} {name!r}" if isinstance(name, str) else words


def why(value: object) -> str:
    """Return why a value cannot be used."""
    if isinstance(value, Unreadable):
        return f"{value.reason.removeprefix('!')} ({value.where}). Write the value itself there"
    if isinstance(value, Symbol):
        return f"it is {value.path}, of a package that is not read"
    if value is None:
        return "it is not given"
    if isinstance(value, (Made, Projection)):
        kind = value.kind if isinstance(value, Made) else "projection"
        return f"it is a {kind}"
    items = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    for item in items:
        if isinstance(item, Unreadable) or _is_foreign(item):
            return why(item)
    return f"it is {reprlib.repr(value)}"
