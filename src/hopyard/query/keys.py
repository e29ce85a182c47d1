"""Join keys: given by the user, or inferred from primary and foreign keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hopyard.errors import JoinKeyError
from hopyard.model.plan import FrameSource, JoinKey, Source
from hopyard.model.types import KEY_KINDS, FeatureType, parse_type

_INTEGERS = frozenset({"int", "bigint"})
_MAX_DIGITS = 38
"""Of a decimal."""


def choose_keys(
    left: Source,
    right: Source,
    *,
    on: Sequence[str] | None = None,
    left_on: Sequence[str] | None = None,
    right_on: Sequence[str] | None = None,
) -> tuple[tuple[JoinKey, ...], bool]:
    """Return the keys that join `right` to `left`, and whether they were inferred.

    Given keys win; they may cover only a part of the right primary key. Inferred keys are the left's primary and
    foreign keys that the right's primary key names, and they must cover all of it.

    Raises:
        JoinKeyError: keys that are missing, contradict each other, cannot be inferred, or can never be equal.
    """
    if not right.primary_key:
        raise JoinKeyError(
            f"{right.label!r} has no primary key, so nothing can be joined to it. "
            f"Use it as the left side, or create it with primary_key=[...]."
        )
    if on is not None or left_on is not None or right_on is not None:
        keys, inferred = _given(left, right, on, left_on, right_on), False
    else:
        keys, inferred = _infer(left, right), True
    for key in keys:
        _check_types(left, right, key)
    return keys, inferred


def _given(
    left: Source,
    right: Source,
    on: Sequence[str] | None,
    left_on: Sequence[str] | None,
    right_on: Sequence[str] | None,
) -> tuple[JoinKey, ...]:
    if on is not None and (left_on is not None or right_on is not None):
        raise JoinKeyError("Give either on=, or left_on= and right_on= together; both were given.")
    lefts = _names(left_on, "left_on") if on is None else _names(on, "on")
    rights = _names(right_on, "right_on") if on is None else lefts
    if len(lefts) != len(rights) or not lefts:
        raise JoinKeyError(
            f"left_on and right_on must name equally many columns, at least one: "
            f"left_on={list(lefts)}, right_on={list(rights)}."
        )
    for source, names in ((left, lefts), (right, rights)):
        known = [field.name for field in source.fields]
        missing = [name for name in names if name not in known]
        if missing:
            raise JoinKeyError(
                f"{source.label!r} has no column {missing[0]!r} to join on. It has: {', '.join(known)}."
            )
    outside = [name for name in rights if name not in right.primary_key]
    if outside:
        raise JoinKeyError(
            f"{right.label!r} can be joined on its primary key ({', '.join(right.primary_key)}) or a part of it; "
            f"{outside[0]!r} is no part of it."
        )
    if len(set(rights)) != len(rights):
        raise JoinKeyError(f"right_on names a column twice: {list(rights)}.")
    return tuple(JoinKey(left=a, right=b) for a, b in zip(lefts, rights, strict=True))


def _names(value: Sequence[str] | None, argument: str) -> tuple[str, ...]:
    if value is None:
        raise JoinKeyError(f"{argument}= is missing: left_on= and right_on= go together.")
    names = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, Iterable) else ()
    if not names or not all(isinstance(name, str) for name in names):
        raise JoinKeyError(
            f"{argument}={value!r} names no columns: give at least one name, or leave it out to have the keys "
            f"inferred."
        )
    return names


def _infer(left: Source, right: Source) -> tuple[JoinKey, ...]:
    offers: dict[str, set[str]] = {}
    for column in left.primary_key:
        offers.setdefault(column, set()).add(column)
    for foreign in left.foreign_key:
        offers.setdefault(foreign.references, set()).add(foreign.column)
    uncovered = [column for column in right.primary_key if column not in offers]
    if uncovered:
        raise JoinKeyError(
            f"No join keys can be inferred: the primary key of {right.label!r} is ({', '.join(right.primary_key)}), "
            f"and the keys of {left.label!r} ({show_keys(left)}) do not cover {', '.join(uncovered)}. "
            f"Give left_on=[...] and right_on=[...], or {_declare(left)}."
        )
    for column in right.primary_key:
        if len(offers[column]) > 1:
            raise JoinKeyError(
                f"Several columns of {left.label!r} could be joined to {right.label}.{column}: "
                f"{', '.join(sorted(offers[column]))}. Say which, with left_on=[...] and right_on=[{column!r}]."
            )
    return tuple(JoinKey(left=next(iter(offers[column])), right=column) for column in right.primary_key)


def _declare(source: Source) -> str:
    """Return how a user gives a source keys from which joins are inferred."""
    if isinstance(source, FrameSource):
        return "name its key columns in spine(df, primary_key=..., foreign_key=...)"
    return f"declare foreign_key= on {source.label!r}"


def show_keys(source: Source) -> str:
    foreign = [
        key.column if key.column == key.references else f"{key.column} -> {key.references}"
        for key in source.foreign_key
    ]
    parts = [f"primary: {', '.join(source.primary_key) or 'none'}"]
    if foreign:
        parts.append(f"foreign: {', '.join(foreign)}")
    return "; ".join(parts)


def _check_types(left: Source, right: Source, key: JoinKey) -> None:
    a, b = _type(left, key.left), _type(right, key.right)
    for source, name, type_ in ((left, key.left, a), (right, key.right, b)):
        if type_.kind not in KEY_KINDS:
            raise JoinKeyError(
                f"{source.label}.{name} is {type_} and cannot be a join key. "
                f"Keys are: {', '.join(sorted(KEY_KINDS))}."
            )
    if a.kind != b.kind and not (a.kind in _INTEGERS and b.kind in _INTEGERS):
        raise JoinKeyError(
            f"{left.label}.{key.left} is {a} and {right.label}.{key.right} is {b}: values of different types are "
            f"never equal, and nothing is converted silently. Store both with one type."
        )
    _check_digits(left, right, key, a, b)


def _check_digits(left: Source, right: Source, key: JoinKey, a: FeatureType, b: FeatureType) -> None:
    """Raise JoinKeyError if no decimal holds the values of both, so that an engine cannot compare them."""
    if a.kind != "decimal":
        return
    whole = max(a.precision - a.scale, b.precision - b.scale)
    digits = whole + max(a.scale, b.scale)
    if digits > _MAX_DIGITS:
        raise JoinKeyError(
            f"{left.label}.{key.left} is {a} and {right.label}.{key.right} is {b}: to compare them takes decimals of "
            f"{digits} digits, and there are at most {_MAX_DIGITS}. Store both with one type."
        )


def _type(source: Source, name: str) -> FeatureType:
    return next(parse_type(field.type) for field in source.fields if field.name == name)
