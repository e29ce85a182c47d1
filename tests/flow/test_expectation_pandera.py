"""Schemas of Pandera are translated: rows pass if Pandera itself lets them pass."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from hopyard import expectations as e
from hopyard.errors import ConfigError
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore

pandas = pytest.importorskip("pandas")
pandera = pytest.importorskip("pandera.pandas", reason="Pandera is not installed")

TYPES = {"id": "bigint", "level": "double", "name": "string"}
LEVELS = [None, -1.0, 0.0, 1.0, 1.5, 2.0, 1e300]
NAMES = [None, "", "a", "ab", "ba", "a\nb", "a.b", "xa", "b|a", "A"]


@pytest.fixture
def group(fs: FeatureStore) -> FeatureGroup:
    return fs.create_feature_group("levels", primary_key="id", features=TYPES).save()


CHECKS: list[tuple[str, Callable[[], Any]]] = [
    ("level", lambda: pandera.Check.gt(0)),
    ("level", lambda: pandera.Check.ge(0)),
    ("level", lambda: pandera.Check.lt(1.5)),
    ("level", lambda: pandera.Check.le(1.5)),
    ("level", lambda: pandera.Check.in_range(0, 2)),
    ("level", lambda: pandera.Check.in_range(0, 2, include_min=False, include_max=False)),
    ("level", lambda: pandera.Check.eq(1)),
    ("level", lambda: pandera.Check.isin([1, 1.5])),
    ("name", lambda: pandera.Check.isin(["a", "b|a"])),
    ("name", lambda: pandera.Check.str_matches("a")),
    ("name", lambda: pandera.Check.str_matches("b|a$")),
    ("name", lambda: pandera.Check.str_matches(re.compile("a.b"))),
    ("name", lambda: pandera.Check.str_contains("a.")),
    ("name", lambda: pandera.Check.str_startswith("a.")),
    ("name", lambda: pandera.Check.str_endswith("|a")),
]


@pytest.mark.parametrize(("column", "check"), CHECKS, ids=range(len(CHECKS)))
def test_a_check_says_the_same(group: FeatureGroup, column: str, check: Callable[[], Any]) -> None:
    schema = pandera.DataFrameSchema({column: pandera.Column(None, check(), nullable=True)})
    values = LEVELS if column == "level" else NAMES
    frame = pandas.DataFrame({column: pandas.Series(values, dtype="float64" if column == "level" else "str")})
    try:
        schema.validate(frame, lazy=True)
        expected = 0
    except pandera.errors.SchemaErrors as errors:
        expected = len(errors.failure_cases)
    group.expect(schema)
    rows = [
        {"id": number, "level": 0.0, "name": "a"} | {column: value} for number, value in enumerate(values)
    ]
    assert group.validate(rows).n_failed == expected
    assert 0 < expected < len(values)


def test_nulls_uniqueness_and_models(group: FeatureGroup) -> None:
    class Levels(pandera.DataFrameModel):
        id: int
        level: float = pandera.Field(ge=0, nullable=True)
        name: str = pandera.Field(unique=True)

        class Config:
            unique = ["id", "name"]

    group.expect(Levels)
    assert group.expectations == [
        e.not_null("id"),
        e.in_range("level", min=0),
        e.not_null("name"),
        e.unique("name"),
        e.unique("id", "name"),
    ]


def refused() -> list[tuple[Any, str]]:
    column, check = pandera.Column, pandera.Check
    return [
        (
            {"level": column(float, check(lambda x: x > 1))},
            "'<lambda>' of the column 'level' has no equal here. There are",
        ),
        ({"level": column(float, check.ne(1))}, "'not_equal_to'"),
        ({"level": column(float, check.gt(1, ignore_na=False))}, "ignore_na=False"),
        ({"level": column(float, check.gt(1, raise_warning=True))}, "raise_warning=True"),
        ({"level": column(float, unique=True, nullable=True)}, "unique=True with nullable=True"),
        ({"le.*": column(float, regex=True)}, "regex=True"),
        ({"name": column(str, check.str_matches(re.compile("a", re.IGNORECASE)))}, "the flags of"),
    ]


@pytest.mark.parametrize("number", range(7))
def test_what_has_no_equal_is_refused(group: FeatureGroup, number: int) -> None:
    columns, message = refused()[number]
    with pytest.raises(ConfigError, match=message):
        group.expect(pandera.DataFrameSchema(columns))
    assert group.expectations == []


def test_checks_of_frames_and_an_index_are_refused(group: FeatureGroup) -> None:
    for options in ({"checks": pandera.Check(lambda x: True)}, {"index": pandera.Index(int)}):
        with pytest.raises(ConfigError, match="The Pandera schema has .* which has no equal here"):
            group.expect(pandera.DataFrameSchema({"level": pandera.Column(float)}, **options))
