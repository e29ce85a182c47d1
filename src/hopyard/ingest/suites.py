"""Suites of Great Expectations, translated: what they say is checked by the engine, and their package is not needed.

What has no equal here is refused with its name, rather than left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hopyard.errors import ConfigError
from hopyard.model.expectations import Expectation, InRange, InSet, Matches, NotNull, RowCount, Unique
from hopyard.model.plan import literal

Arguments = Mapping[str, Any]

_PLAIN = {"mostly": 1, "row_condition": None, "condition_parser": None, "parse_strings_as_datetimes": None}
_IGNORED = {
    "result_format",
    "catch_exceptions",
    "meta",
    "notes",
    "severity",
    "description",
    "batch_id",
    "windows",
}
"""About how a report looks, not about rows."""


def from_suite(given: object) -> tuple[Expectation, ...] | None:
    """Return the expectations of a suite, or of one expectation, of Great Expectations; None: it is neither.

    Args:
        given: an object of theirs, or its dictionary.
    Raises:
        ConfigError: an expectation, or an argument of one, that has no equal; it lists those that have.
    """
    found = _dictionary(given)
    if found is None:
        return None
    if "expectations" in found:
        translated = [from_suite(item) for item in found["expectations"]]
        return tuple(expectation for items in translated for expectation in items or ())
    kind = found.get("expectation_type") or found.get("type")
    if not isinstance(kind, str):
        raise ConfigError(f"An expectation of Great Expectations needs a type, and {found!r} has none.")
    arguments = dict(found.get("kwargs") or {})
    if kind not in _TRANSLATIONS:
        raise ConfigError(
            f"{kind!r} of Great Expectations has no equal here. There are: {', '.join(_TRANSLATIONS)}. Say the rest "
            f"with hopyard.expectations.sql()."
        )
    for name, value in arguments.items():
        if name in _PLAIN and value not in (None, _PLAIN[name]):
            raise ConfigError(
                f"{name}={value!r} of {kind!r} has no equal here: an expectation is about all rows. Say it with "
                f"hopyard.expectations.sql()."
            )
    names, translate = _TRANSLATIONS[kind]
    stray = arguments.keys() - names - _PLAIN.keys() - _IGNORED
    if stray:
        raise ConfigError(
            f"{sorted(stray)[0]!r} of {kind!r} has no equal here. Its arguments are: {', '.join(names)}."
        )
    try:
        return (translate(arguments),)
    except KeyError as error:
        raise ConfigError(f"{kind!r} lacks the argument {error}.") from error


def _dictionary(given: object) -> Mapping[str, Any] | None:
    if isinstance(given, Mapping):
        return given if given.keys() & {"expectations", "expectation_type", "type"} else None
    described = getattr(given, "configuration", given)  # of an expectation since 1.0
    if hasattr(described, "to_json_dict"):
        found = described.to_json_dict()
        return found if isinstance(found, Mapping) else None
    return None


def _range(arguments: Arguments) -> Expectation:
    least, greatest = arguments.get("min_value"), arguments.get("max_value")
    return InRange(
        column=arguments["column"],
        min=None if least is None else literal(least),
        max=None if greatest is None else literal(greatest),
        exclude_min=bool(arguments.get("strict_min")),
        exclude_max=bool(arguments.get("strict_max")),
    )


def _count(arguments: Arguments) -> Expectation:
    return RowCount(min=arguments.get("min_value"), max=arguments.get("max_value"))


def _compound(arguments: Arguments) -> Expectation:
    ignored = arguments.get("ignore_row_if", "all_values_are_missing")
    if ignored != "any_value_is_missing":
        raise ConfigError(
            f"ignore_row_if={ignored!r} of 'expect_compound_columns_to_be_unique' has no equal here, where rows with a "
            f"null do not count: give 'any_value_is_missing', if that will do."
        )
    return Unique(columns=tuple(arguments["column_list"]))


_TRANSLATIONS: dict[str, tuple[set[str], Callable[[Arguments], Expectation]]] = {
    "expect_column_values_to_not_be_null": ({"column"}, lambda a: NotNull(columns=(a["column"],))),
    "expect_column_values_to_be_between": (
        {"column", "min_value", "max_value", "strict_min", "strict_max"},
        _range,
    ),
    "expect_column_values_to_be_in_set": (
        {"column", "value_set"},
        lambda a: InSet(column=a["column"], values=tuple(map(literal, a["value_set"]))),
    ),
    # Theirs looks for the expression anywhere in the text.
    "expect_column_values_to_match_regex": (
        {"column", "regex"},
        lambda a: Matches(column=a["column"], regex=f"(?s:.*)(?:{a['regex']})(?s:.*)"),
    ),
    "expect_column_values_to_be_unique": ({"column"}, lambda a: Unique(columns=(a["column"],))),
    "expect_compound_columns_to_be_unique": ({"column_list", "ignore_row_if"}, _compound),
    "expect_table_row_count_to_be_between": ({"min_value", "max_value"}, _count),
    "expect_table_row_count_to_equal": (
        {"value"},
        lambda a: RowCount(min=a["value"], max=a["value"]),
    ),
}
