"""Expectations that can never be checked are refused when they are given; suites of others; the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import hopyard
from hopyard import expectations as e
from hopyard.cli import app
from hopyard.errors import (
    ConfigError,
    HopyardError,
    NotFoundError,
    QueryError,
    SchemaMismatchError,
    ValidationError,
)
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.model.expectations import KINDS, kind_of

TYPES = {"id": "bigint", "level": "double", "name": "string", "on": "date", "many": "array<bigint>"}


@pytest.fixture
def group(fs: FeatureStore) -> FeatureGroup:
    fs.create_feature_group("sites", primary_key="site", features={"site": "string", "n": "bigint"}).save()
    fs.create_feature_group("log", features={"text": "string"}).save()
    return fs.create_feature_group("levels", primary_key="id", features=TYPES).save()


COLUMNS = "Its features are: id, level, name, on, many."

BAD: list[tuple[Callable[[], object], type[HopyardError], str]] = [
    (lambda: e.not_null("levle"), NotFoundError, f"not_null: No feature .*Did you mean 'level'. {COLUMNS}"),
    (
        lambda: e.in_range("x", min=1),
        NotFoundError,
        f"in_range: No feature of 'levels_1' named 'x'.*{COLUMNS}",
    ),
    (lambda: e.in_set("x", [1]), NotFoundError, COLUMNS),
    (lambda: e.matches("x", "a"), NotFoundError, COLUMNS),
    (lambda: e.unique("id", "x"), NotFoundError, COLUMNS),
    (lambda: e.fresh(timedelta(1), column="x"), NotFoundError, COLUMNS),
    (lambda: e.foreign_key("x", "sites"), NotFoundError, COLUMNS),
    (lambda: "not_null", ConfigError, f"'not_null' is no expectation.*{', '.join(KINDS)}"),
    (lambda: e.not_null, ConfigError, "is no expectation"),
    (lambda: e.not_null(), ConfigError, "one or more columns"),
    (lambda: e.unique("id", "id"), ConfigError, "named twice"),
    (lambda: e.in_range("level"), ConfigError, "give min=, max= or both"),
    (lambda: e.in_range("level", min=2, max=1), ConfigError, "'level is >= 2 and <= 1' is empty"),
    (lambda: e.in_range("level", min=1, max=1, exclude_max=True), ConfigError, "is empty"),
    (lambda: e.in_range("level", min=float("nan")), ConfigError, "NaN is no bound"),
    (lambda: e.in_range("level", min="1"), QueryError, "'level' is double and '1' is string"),
    (lambda: e.in_range("on", min="2024-13-01"), QueryError, "'on' is a date"),
    (lambda: e.in_range("many", min=1), QueryError, "'many' is array<bigint>"),
    (lambda: e.in_range("id", max=2**63), QueryError, "does not fit a bigint"),
    (lambda: e.in_set("name", []), ConfigError, "the set is empty"),
    (lambda: e.in_set("name", "abc"), ConfigError, "give a list"),
    (lambda: e.in_set("name", ["a", None]), ConfigError, "leave out None"),
    (lambda: e.in_set("name", ["a", 1]), QueryError, "'name' is string and 1 is bigint"),
    (
        lambda: e.matches("name", "a("),
        ConfigError,
        r"'a\('\): the regular expression does not compile: .*missing",
    ),
    (lambda: e.matches("name", "a)(b"), ConfigError, "does not compile"),
    (lambda: e.matches("name", "(?=a)"), ConfigError, "does not compile"),
    (lambda: e.matches("level", "a"), SchemaMismatchError, "'level' of 'levels_1' is double"),
    (lambda: e.row_count(), ConfigError, "give min=, max= or both"),
    (lambda: e.row_count(min=2, max=1), ConfigError, "min=2 is more than max=1"),
    (lambda: e.row_count(min=-1), ConfigError, "min=-1 must be a whole number"),
    (lambda: e.row_count(min=1.5), ConfigError, "min=1.5 must be a whole number"),  # type: ignore[arg-type]
    (lambda: e.row_count(min=1, of="table"), ConfigError, "of='table' is unknown"),  # type: ignore[arg-type]
    (lambda: e.fresh(timedelta(1)), ConfigError, "has no event time"),
    (lambda: e.fresh(timedelta(0), column="on"), ConfigError, "more than nothing"),
    (lambda: e.fresh(60), ConfigError, "give a datetime.timedelta"),  # type: ignore[arg-type]
    (lambda: e.fresh(timedelta(1), column="level"), SchemaMismatchError, "'level' of 'levels_1' is double"),
    (lambda: e.foreign_key("name", "sties"), NotFoundError, "Did you mean 'sites'"),
    (lambda: e.foreign_key("name", "sites", version=7), NotFoundError, "version of feature group 'sites'"),
    (lambda: e.foreign_key("name", "sites", references="nme"), NotFoundError, "Its features are: site, n."),
    (
        lambda: e.foreign_key(["name", "id"], "sites"),
        ConfigError,
        r"2 column\(s\) \(name, id\) cannot refer to 1",
    ),
    (lambda: e.foreign_key("id", "sites"), SchemaMismatchError, "'id' of 'levels_1' is bigint and 'site'"),
    (lambda: e.foreign_key("name", "log"), ConfigError, "'log_1' has no primary key"),
    (lambda: e.sql("select * from new_rows where levle > 1"), QueryError, "(?s)sql: .*levle"),
    (lambda: e.sql("selct 1"), QueryError, "is no SELECT"),
    (lambda: e.sql("select * from stes"), NotFoundError, "Did you mean 'sites'.*the table new_rows"),
    (lambda: e.sql("select * from read_csv('/etc/passwd')"), QueryError, "not allowed|cannot be read from"),
    (lambda: e.sql("delete from new_rows"), QueryError, "is no SELECT"),
]


@pytest.mark.parametrize(("make", "error", "message"), BAD, ids=[message[:40] for _, _, message in BAD])
def test_what_can_never_be_checked_is_refused_when_it_is_given(
    group: FeatureGroup, make: Callable[[], object], error: type[HopyardError], message: str
) -> None:
    with pytest.raises(error, match=message):
        group.expect(e.not_null("id"), make())
    assert group.expectations == []


def test_an_unknown_policy_is_refused(group: FeatureGroup) -> None:
    with pytest.raises(ConfigError, match="policy='warn' is unknown: use 'strict'"):
        group.expect(e.not_null("level"), policy="warn")  # type: ignore[arg-type]
    assert (group.expectations, group.expectation_policy) == ([], "strict")


def test_lists_are_taken_apart_and_each_expectation_counts_once(group: FeatureGroup) -> None:
    group.expect([e.not_null("level"), [e.unique("name")]], e.not_null("level"), policy="always")
    assert group.expectations == [e.not_null("level"), e.unique("name")]
    assert group.expectation_policy == "always"
    group.set_expectations(e.not_null("name"))
    assert (group.expectations, group.expectation_policy) == ([e.not_null("name")], "always")


def test_every_kind_has_a_function_and_survives_being_stored(fs: FeatureStore, group: FeatureGroup) -> None:
    given = [
        e.not_null("level"),
        e.in_range("on", min="2024-01-01"),
        e.in_set("name", ["a"]),
        e.matches("name", "a.*"),
        e.unique("name", "on"),
        e.row_count(max=3),
        e.fresh(timedelta(days=1), column="on"),
        e.foreign_key("name", "sites"),
        e.sql("select * from new_rows where level > 3", name="high"),
    ]
    assert [kind_of(expectation) for expectation in given] == list(KINDS)
    assert set(KINDS) <= set(e.__all__)
    group.expect(given)
    stored = fs.get_feature_group("levels").expectations
    assert [kind_of(expectation) for expectation in stored] == list(KINDS)
    assert len({str(expectation) for expectation in stored}) == len(KINDS)


SUITE = {
    "expectation_suite_name": "levels",
    "expectations": [
        {"expectation_type": "expect_column_values_to_not_be_null", "kwargs": {"column": "name"}},
        {
            "type": "expect_column_values_to_be_between",
            "kwargs": {"column": "level", "min_value": 0, "max_value": 10, "strict_max": True, "mostly": 1.0},
        },
        {
            "type": "expect_column_values_to_be_in_set",
            "kwargs": {"column": "name", "value_set": ["ab", "xaby", "c"]},
        },
        {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "name", "regex": "a|c"}},
        {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "name"}},
        {
            "type": "expect_compound_columns_to_be_unique",
            "kwargs": {"column_list": ["name", "on"], "ignore_row_if": "any_value_is_missing"},
        },
        {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1, "max_value": 3}},
    ],
    "meta": {},
}


class Suite:
    """Has the method that suites of Great Expectations are read by."""

    def to_json_dict(self) -> dict[str, Any]:
        return SUITE


@pytest.mark.parametrize("suite", [SUITE, Suite()], ids=["dictionary", "object"])
def test_suites_of_great_expectations_are_translated(group: FeatureGroup, suite: object) -> None:
    group.expect(suite)
    assert group.expectations[:2] == [
        e.not_null("name"),
        e.in_range("level", min=0, max=10, exclude_max=True),
    ]
    good = [
        {"id": n, "level": 9.0, "name": name, "on": None, "many": []}
        for n, name in enumerate(["ab", "xaby", "c"])
    ]
    group.insert(good)
    for changed in ({"name": None}, {"level": 10.0}, {"name": "b"}, {"name": "xaby"}):
        with pytest.raises(ValidationError):
            group.insert([{**good[0], **changed}])


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"type": "expect_column_mean_to_be_between", "kwargs": {}}, "has no equal here. There are: expect_"),
        (
            {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "name", "mostly": 0.9}},
            "mostly=0.9 of .* has no equal here",
        ),
        (
            {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "name", "odd": 1}},
            "'odd' of .* has no equal here",
        ),
        ({"type": "expect_column_values_to_not_be_null", "kwargs": {}}, "lacks the argument 'column'"),
        (
            {"type": "expect_compound_columns_to_be_unique", "kwargs": {"column_list": ["name", "on"]}},
            "ignore_row_if='all_values_are_missing' of .* has no equal here",
        ),
    ],
)
def test_what_has_no_equal_is_refused_and_not_left_out(
    group: FeatureGroup, item: object, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        group.expect({"name": "levels", "expectations": [*SUITE["expectations"], item]})
    assert group.expectations == []


def test_a_suite_of_great_expectations_itself(group: FeatureGroup) -> None:
    gx = pytest.importorskip("great_expectations", reason="Great Expectations is not installed")
    between = gx.expectations.ExpectColumnValuesToBeBetween(column="level", min_value=0, strict_min=True)
    matched = gx.expectations.ExpectColumnValuesToMatchRegex(column="name", regex="a|b")
    group.expect(gx.ExpectationSuite(name="levels", expectations=[between]), matched)
    assert group.expectations == [
        e.in_range("level", min=0.0, exclude_min=True),
        e.matches("name", "(?s:.*)(?:a|b)(?s:.*)"),
    ]


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["--url", str(folder), "validate", *arguments], prog_name="hopyard")
    return result.exit_code, result.stdout or result.stderr


def test_the_command_line(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    group = hopyard.login(folder).get_feature_store().create_feature_group("levels", primary_key="id")
    group.insert([{"id": n, "level": float(n)} for n in range(5)])
    code, text = run(folder, "levels")
    assert (code, "Nothing is expected of it yet" in text) == (0, True)
    group.expect(e.in_range("level", max=4), e.row_count(max=5))
    code, text = run(folder, "levels_1")
    assert code == 0
    assert "5 row(s), checked: all expectations are met" in text
    assert "the frame has at most 5 rows: not checked" in text
    group.set_expectations(e.in_range("level", max=2))
    code, text = run(folder, "levels", "--save", "--json")
    assert code == 1
    document = json.loads(text)
    assert (document["group"], document["is_met"], document["n_rows"], document["commit"]) == (
        "levels_1",
        False,
        5,
        1,
    )
    (found,) = document["expectations"]
    assert found | {"examples": 0} == {
        "kind": "in_range",
        "columns": ["level"],
        "text": "level is <= 2",
        "status": "failed",
        "n_failed": 2,
        "found": "",
        "examples": 0,
    }
    assert found["examples"] == [
        {"place": None, "values": {"id": 3, "level": 3.0}},
        {"place": None, "values": {"id": 4, "level": 4.0}},
    ]
    with pytest.raises(ValidationError):
        group.insert([{"id": 9, "level": 9.0}])
    code, text = run(folder, "levels", "--last")
    assert (code, "refused: 1 expectation(s) failed" in text) == (1, True)
    assert len(group.validation_reports()) == 2
    code, text = run(folder, "levles")
    assert (code, "Did you mean 'levels'" in text) == (1, True)


def test_a_group_without_reports_has_no_last_one(tmp_path: Path) -> None:
    hopyard.login(tmp_path / "store").get_feature_store().create_feature_group(
        "levels", primary_key="id", features=TYPES
    ).save()
    code, text = run(tmp_path / "store", "levels", "--last")
    assert (code, "No validation report" in text) == (1, True)
