"""Schemas of Pandera, translated: what they say is checked by the engine, and their package is not needed.

What has no equal here is refused with its name, rather than left out. Types are not translated: a group has its own,
and takes no other values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hopyard.errors import ConfigError
from hopyard.model.expectations import Expectation, InRange, InSet, Matches, NotNull, Unique
from hopyard.model.plan import Value, literal

Statistics = Mapping[str, Any]

_ADVICE = "Say it with hopyard.expectations, for example as sql()."


def from_schema(given: object) -> tuple[Expectation, ...] | None:
    """Return the expectations of a DataFrameSchema, or of a DataFrameModel, of Pandera; None: it is neither.

    Raises:
        ConfigError: a check, or another part of the schema, that has no equal; it lists the checks that have.
    """
    kind = given if isinstance(given, type) else type(given)
    if not any(base.__module__.partition(".")[0] == "pandera" for base in kind.__mro__):
        return None
    schema: Any = given.to_schema() if isinstance(given, type) and hasattr(given, "to_schema") else given
    if not isinstance(getattr(schema, "columns", None), Mapping):
        return None
    _refuse(
        {
            "checks of whole frames": schema.checks,
            "an index": schema.index is not None,
            "parsers": schema.parsers,
        }
    )
    found: list[Expectation] = []
    for name, column in schema.columns.items():
        _refuse(
            {
                f"regex=True, of the columns {name!r}": column.regex,
                f"parsers, of the column {name!r}": column.parsers,
                # Theirs takes nulls for equal to each other.
                f"unique=True with nullable=True, of the column {name!r}": column.unique and column.nullable,
            }
        )
        if not column.nullable:
            found.append(NotNull(columns=(name,)))
        if column.unique:
            found.append(Unique(columns=(name,)))
        found += (_from_check(name, check) for check in column.checks)
    if schema.unique:
        together = (schema.unique,) if isinstance(schema.unique, str) else tuple(schema.unique)
        known = {name: column.nullable for name, column in schema.columns.items()}
        _refuse(
            {
                f"unique={list(together)} with a nullable column": any(
                    known.get(name, True) for name in together
                )
            }
        )
        found.append(Unique(columns=together))
    return tuple(found)


def _refuse(parts: Mapping[str, object]) -> None:
    for what, is_there in parts.items():
        if is_there:
            raise ConfigError(f"The Pandera schema has {what}, which has no equal here. {_ADVICE}")


def _from_check(column: str, check: Any) -> Expectation:
    if check.name not in _TRANSLATIONS or not check.statistics:
        raise ConfigError(
            f"The Pandera check {check.name!r} of the column {column!r} has no equal here. There are: "
            f"{', '.join(_TRANSLATIONS)}. {_ADVICE}"
        )
    _refuse(
        {
            f"ignore_na=False, of a check of {column!r}": not check.ignore_na,
            f"groupby=, of a check of {column!r}": check.groupby,
            f"raise_warning=True, of a check of {column!r}": check.raise_warning,
        }
    )
    return _TRANSLATIONS[check.name](column, check.statistics)


def _in_range(column: str, found: Statistics) -> Expectation:
    return InRange(
        column=column,
        min=literal(found["min_value"]),
        max=literal(found["max_value"]),
        exclude_min=not found.get("include_min", True),
        exclude_max=not found.get("include_max", True),
    )


def _values(given: Iterable[object]) -> tuple[Value, ...]:
    return tuple(map(literal, given))


def _matches(column: str, found: Statistics) -> Expectation:
    """Theirs looks at the beginning of the text only."""
    return Matches(column=column, regex=f"(?:{_pattern(found['pattern'])})(?s:.*)")


def _contains(column: str, found: Statistics) -> Expectation:
    return Matches(column=column, regex=f"(?s:.*)(?:{_pattern(found['pattern'])})(?s:.*)")


def _pattern(given: str | re.Pattern[str]) -> str:
    if isinstance(given, str):
        return given
    _refuse({f"the flags of {given!r}": given.flags & ~re.UNICODE})
    return given.pattern


_TRANSLATIONS: dict[str, Callable[[str, Statistics], Expectation]] = {
    "greater_than": lambda name, x: InRange(column=name, min=literal(x["min_value"]), exclude_min=True),
    "greater_than_or_equal_to": lambda name, x: InRange(column=name, min=literal(x["min_value"])),
    "less_than": lambda name, x: InRange(column=name, max=literal(x["max_value"]), exclude_max=True),
    "less_than_or_equal_to": lambda name, x: InRange(column=name, max=literal(x["max_value"])),
    "in_range": _in_range,
    "equal_to": lambda name, x: InSet(column=name, values=_values([x["value"]])),
    "isin": lambda name, x: InSet(column=name, values=_values(x["allowed_values"])),
    "str_matches": _matches,
    "str_contains": _contains,
    "str_startswith": lambda name, x: Matches(column=name, regex=f"{re.escape(x['string'])}(?s:.*)"),
    "str_endswith": lambda name, x: Matches(column=name, regex=f"(?s:.*){re.escape(x['string'])}"),
}
