"""Filters: every operator on every type, SQL's null, IEEE's NaN, and values that look like code."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hopyard
from groups import column, make_group
from hopyard.errors import ConfigError, QueryError
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.query.feature import Condition
from hopyard.testing.frames import assert_same_rows, frame
from hopyard.testing.oracle import answer

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("kind", ["group", "compacted group", "dataframe"])
@pytest.mark.parametrize("held", [[0.5], [0.5, 1.5], [-1.0, 0.0, 0.5]])
def test_a_nan_counts_though_the_statistics_of_a_file_do_not_know_it(
    fs: FeatureStore, held: list[float], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every operator, negated or not, with values below, at and above the least and the largest number of a file."""
    types = {"id": "bigint", "x": "double", "f": "float"}
    given = [(n, x, x) for n, x in enumerate([*held, NAN, None])]
    rows = frame(types, given)
    if kind == "dataframe":
        every = fs.spine(rows, primary_key=["id"])
    else:
        group = fs.create_feature_group("numbers", primary_key=["id"], features=types)
        group.insert(rows.slice(0, 1))
        group.insert(rows.slice(1))
        if kind == "compacted group":
            monkeypatch.setattr("hopyard.ingest.maintain.MAX_SMALL_FILES", 1)
            assert group.maintain().n_merged_files == 2
        every = group.select_all()
    for name in ("x", "f"):
        for value in {value + step for value in held for step in (-1.0, 0.0, 1.0)}:
            x = every[name]
            asked = [x == value, x != value, x < value, x <= value, x > value, x >= value]
            asked += [x.isin([value]), x.isin([value, value + 1]), x.between(value, value)]
            for condition in [*asked, *(~one for one in asked), *((~one) | (x == 7) for one in asked)]:
                query = every.filter(condition)
                found = query.read(dataframe_type="arrow", order_by=["id"]).to_pylist()
                assert_same_rows(found, answer(query.plan, [rows.to_pylist()]))


def test_sql_finds_a_nan(fs: FeatureStore) -> None:
    types = {"id": "bigint", "x": "double", "s": "struct<a:double>"}
    rows = [(1, 0.5, {"a": 0.5}), (2, NAN, {"a": NAN})]
    make_group(fs, "numbers", types, rows, primary_key=["id"])
    for condition in ("isnan(x)", "x > 1", "x = 'nan'::double", "isnan(s.a)", "s.a > 1"):
        found = fs.sql(f"select id from numbers_1 where {condition}", dataframe_type="python")
        assert found == [{"id": 2}], condition


def numbers(fs: FeatureStore) -> FeatureGroup:
    """Rows 1 to 6: -inf, 0, 5, inf, NaN, null."""
    values = [float("-inf"), 0.0, 5.0, INF, NAN, None]
    rows = [(n, x, x) for n, x in enumerate(values, start=1)]
    return make_group(fs, "numbers", {"id": "bigint", "x": "double", "f": "float"}, rows, primary_key=["id"])


@pytest.mark.parametrize(
    ("make", "ids"),
    [
        (lambda x: x > 5, [4]),
        (lambda x: x >= 5, [3, 4]),
        (lambda x: x < 5, [1, 2]),
        (lambda x: x <= 5, [1, 2, 3]),
        (lambda x: x == 5, [3]),
        (lambda x: x != 5, [1, 2, 4, 5]),
        (lambda x: x >= INF, [4]),
        (lambda x: x <= INF, [1, 2, 3, 4]),
        (lambda x: x == INF, [4]),
        (lambda x: x == NAN, []),
        (lambda x: x != NAN, [1, 2, 3, 4, 5]),
        (lambda x: x < NAN, []),
        (lambda x: x >= NAN, []),
        (lambda x: x.isin([NAN, 5]), [3]),
        (lambda x: ~x.isin([NAN, 5]), [1, 2, 4, 5]),
        (lambda x: x.between(0, 5), [2, 3]),
        (lambda x: ~x.between(0, 5), [1, 4, 5]),
        (lambda x: ~(x > 5), [1, 2, 3, 5]),
        (lambda x: x == 0.0, [2]),
        (lambda x: x == -0.0, [2]),
        (lambda x: x.is_null(), [6]),
        (lambda x: ~x.is_null(), [1, 2, 3, 4, 5]),
        (lambda x: x.isin([]), []),
        (lambda x: ~x.isin([]), [1, 2, 3, 4, 5]),
        (lambda x: (x > 5) | x.is_null(), [4, 6]),
        (lambda x: ~((x > 5) | x.is_null()), [1, 2, 3, 5]),
        (lambda x: (x > 5) & ~x.is_null(), [4]),
    ],
)
def test_null_follows_sql_and_nan_follows_ieee(
    fs: FeatureStore, make: Callable[[Any], Condition], ids: list[int]
) -> None:
    group = numbers(fs)
    for name in ("x", "f"):
        assert column(group.filter(make(group[name])), "id") == ids
    joined = group.select_all().join(group.select_all(), on=["id"], prefix="again_")
    assert column(joined.filter(make(joined["again_x"])), "id") == ids


@pytest.mark.parametrize(
    ("type_", "values", "make", "ids"),
    [
        ("bigint", [1, 2, None], lambda x: x > 1.5, [1]),
        ("bigint", [1, 2, None], lambda x: x == 1.0, [0]),
        ("bigint", [1, 2, None], lambda x: x != 1.5, [0, 1]),
        ("bigint", [1, 2, None], lambda x: ~(x == 1.5), [0, 1]),
        ("bigint", [2**53, 2**53 + 1], lambda x: x == float(2**53), [0]),
        ("bigint", [2**53, 2**53 + 1], lambda x: x > 2**53, [1]),
        ("bigint", [2**63 - 1, -(2**63)], lambda x: x < 1e300, [0, 1]),
        ("bigint", [2**63 - 1, -(2**63)], lambda x: x >= 2.0**63, []),
        ("bigint", [2**63 - 1, -(2**63)], lambda x: x == -(2**63), [1]),
        ("int", [1, -1], lambda x: x == Decimal("-1.0"), [1]),
        ("int", [1, -1], lambda x: x < 2**40, [0, 1]),
        ("int", [1, -1], lambda x: x.isin([np.int64(1), np.int8(7)]), [0]),
        ("float", [0.1, 0.5], lambda x: x == 0.5, [1]),
        ("float", [0.10000000149011612, 0.5], lambda x: x == 0.1, []),
        ("float", [0.10000000149011612, 0.5], lambda x: x > 0.1, [0, 1]),
        ("double", [0.1, 0.5], lambda x: x == np.float64(0.1), [0]),
        ("double", [5e-324, 0.0], lambda x: x > 0, [0]),
        ("decimal(10,2)", [Decimal("0.10"), Decimal("9.99")], lambda x: x == 0.1, [0]),
        ("decimal(10,2)", [Decimal("0.10"), Decimal("9.99")], lambda x: x > Decimal("0.1"), [1]),
        ("decimal(10,2)", [Decimal("0.10"), Decimal("9.99")], lambda x: x < 10**15, [0, 1]),
        ("decimal(10,2)", [Decimal("0.10"), Decimal("9.99")], lambda x: x < Decimal("0.100000000000000000001"), [0]),
        ("decimal(10,2)", [Decimal("0.10"), Decimal("9.99")], lambda x: x < INF, [0, 1]),
        ("decimal(38,0)", [Decimal(10**37), Decimal(1)], lambda x: x > Decimal("0.5"), [0, 1]),
        ("decimal(38,30)", [Decimal("1.5"), Decimal("0.1")], lambda x: x < 10**12, [0, 1]),
        ("string", ["a", "A", "", None], lambda x: x == "a", [0]),
        ("string", ["a", "A", "", None], lambda x: x == "", [2]),
        ("string", ["a", "Z", "\u00e9", "\U0001d4b3"], lambda x: x > "z", [2, 3]),
        ("string", ["abc", "a%c", "a_c", "a\\c", "a\nc", None], lambda x: x.like("a_c"), [0, 1, 2, 3, 4]),
        ("string", ["abc", "a%c", "a_c", "a\\c", "a\nc", None], lambda x: x.like("a\\%c"), [1]),
        ("string", ["abc", "a%c", "a_c", "a\\c", "a\nc", None], lambda x: x.like("a\\_c"), [2]),
        ("string", ["abc", "a%c", "a_c", "a\\c", "a\nc", None], lambda x: x.like("a\\\\c"), [3]),
        ("string", ["abc", "a%c", "a_c", "a\\c", "a\nc", None], lambda x: ~x.like("%b%"), [1, 2, 3, 4]),
        ("string", ["\U0001d4b3x"], lambda x: x.like("_x"), [0]),
        ("boolean", [True, False, None], lambda x: x == True, [0]),  # noqa: E712
        ("boolean", [True, False, None], lambda x: x != True, [1]),  # noqa: E712
        ("boolean", [True, False, None], lambda x: x.isin([True, np.False_]), [0, 1]),
        ("binary", [b"", b"\x00", b"'"], lambda x: x == b"\x00", [1]),
        ("binary", [b"", b"\x00", b"'"], lambda x: x > b"", [1, 2]),
        ("date", ["1960-01-01", "2025-01-01"], lambda x: x < date(1970, 1, 1), [0]),
        ("date", ["1960-01-01", "2025-01-01"], lambda x: x == "2025-01-01", [1]),
        ("timestamp", ["1960-01-01", "2025-01-01T00:00:00.000001"], lambda x: x > date(2025, 1, 1), [1]),
        ("timestamp", ["1960-01-01", "2025-01-01T00:00:00.000001"], lambda x: x < "19700101", [0]),
        ("timestamp", ["1960-01-01", "2025-01-01"], lambda x: x == datetime(2025, 1, 1), [1]),
        ("timestamp", ["1960-01-01", "2025-01-01"], lambda x: x == datetime(1960, 1, 1, tzinfo=UTC), [0]),
        ("timestamp", ["1960-01-01", "2025-01-01"], lambda x: x == np.datetime64("2025-01-01"), [1]),
        ("array<int>", [[], [1], None], lambda x: x.is_null(), [2]),
    ],
)  # fmt: skip
def test_values_compare_exactly(
    fs: FeatureStore, type_: str, values: list[Any], make: Callable[[Any], Condition], ids: list[int]
) -> None:
    features = {"id": "bigint", "x": type_}
    group = make_group(fs, "g", features, primary_key=["id"])
    if type_ == "float":
        group.insert(frame(features, [(n, float(np.float32(x))) for n, x in enumerate(values)]))
    else:
        group.insert(frame(features, enumerate(values)))
    query = group.filter(make(group["x"]))
    assert column(query, "id") == ids
    rows = group.read(dataframe_type="python", order_by=["id"])
    assert_same_rows(query.read(dataframe_type="python", order_by=["id"]), answer(query.plan, [rows]))


HOSTILE = [
    "'",
    "''",
    '"',
    "`",
    "\\",
    "\\'",
    "a\nb",
    "a\r\nb",
    "\t",
    "'; drop table x; --",
    "/* */ --",
    "$1 ? :x {x} %s",
    "\u202eevil\u202c",
    "\ufeff\u200b",
    "\x00",
    "a\x00b",
    "𝒳" * 20,
    "x" * 100_000,
    "NULL",
    "nan",
]


def test_hostile_values_are_values(fs: FeatureStore) -> None:
    group = make_group(fs, "g", {"id": "bigint", "s": "string"}, enumerate(HOSTILE), primary_key=["id"])
    for number, text in enumerate(HOSTILE):
        assert column(group.filter(group["s"] == text), "id") == [number], repr(text)
        assert column(group.filter(group["s"].isin([text])), "id") == [number], repr(text)
        escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        assert column(group.filter(group["s"].like(escaped)), "id") == [number], repr(text)
    everything = column(group.filter(~group["s"].isin(HOSTILE[:3])), "s")
    assert everything == HOSTILE[3:]
    assert column(group, "s") == HOSTILE


def test_hostile_keys_are_keys(fs: FeatureStore) -> None:
    features = {"k": "string", "x": "bigint"}
    rows = [(text, n) for n, text in enumerate(HOSTILE)]
    group = make_group(fs, "g", features, rows, primary_key=["k"], online_enabled=True)
    commit = group.insert(frame(features, rows))
    assert (commit.n_unchanged, commit.n_inserted) == (len(rows), 0)
    view = fs.create_feature_view("v", group.select_all())
    view.init_serving()
    assert view.get_feature_vectors([{"k": text} for text in HOSTILE]) == [list(row) for row in rows]
    assert group.remove_rows([{"k": text} for text in HOSTILE]).n_deleted == len(rows)
    assert group.read(dataframe_type="arrow").num_rows == 0


def test_hostile_struct_fields_survive(fs: FeatureStore) -> None:
    names = ["it's", 'a"b', "a`b", "a b", "a,b:c>", "Ä", "select", "a\nb", "x; drop table y", "\u202e"]
    type_ = "struct<" + ",".join(f"`{name.replace('`', '``')}`:bigint" for name in names) + ">"
    features = {"id": "bigint", "s": type_}
    value = {name: n for n, name in enumerate(names)}
    rows = [(1, value), (2, None), (3, dict.fromkeys(names))]
    group = make_group(fs, "g", features, rows, primary_key=["id"])
    assert column(group, "s") == [value, None, dict.fromkeys(names)]
    assert group.insert(frame(features, rows)).n_unchanged == 3
    assert column(group.filter(group["s"].is_null()), "id") == [2]
    assert column(fs.get_feature_group("g"), "s")[0] == value


@pytest.mark.parametrize(
    "folder",
    ["it's", 'a"b', "a`b", "a b", "a;drop table x", "ä\u202eb", "a#b=c", "{x}", "<a>", "a'+'b", "a&b", "$x"],
)
def test_hostile_store_folders_work(tmp_path: Path, folder: str) -> None:
    fs = hopyard.login(tmp_path / folder / "store").get_feature_store()
    features = {"id": "bigint", "t": "timestamp", "x": "double"}
    group = make_group(
        fs, "g", features, [(1, "2025-01-01", 1.0)], primary_key=["id"], event_time="t", online_enabled=True
    )
    group.insert(frame(features, [(1, "2025-01-01", 2.0), (2, "2025-01-01", 3.0)]))
    joined = group.select_all().join(group.select(["x"]), on=["id"], prefix="r_")
    assert column(joined, "r_x") == [2.0, 3.0]
    assert [commit.n_updated for commit in group.commit_details()] == [1, 0, 0]
    assert column(group.as_of(1), "x") == [1.0]


@pytest.mark.parametrize("folder", ["a*b", "a?b", "[c]", "a%20b", "a'||'b", "a^b", "a\\b"])
def test_folders_that_could_be_taken_for_others_are_refused(tmp_path: Path, folder: str) -> None:
    with pytest.raises(ConfigError, match="Delta tables .* Give a path without"):
        hopyard.login(tmp_path / folder / "store")
    assert not (tmp_path / folder).exists()


def test_a_list_of_many_values(fs: FeatureStore) -> None:
    group = numbers(fs)
    assert column(group.filter(group["id"].isin(range(3, 2_000))), "id") == [3, 4, 5, 6]
    assert column(group.filter(~group["x"].isin(range(5, 1_000))), "id") == [1, 2, 4, 5]
    assert column(group.filter(group["f"].isin([-0.0, NAN, INF, *range(1, 500)])), "id") == [2, 3, 4]


def test_hostile_descriptions_and_tags_survive(fs: FeatureStore) -> None:
    group = make_group(fs, "g", {"id": "bigint"}, [(1,)], primary_key=["id"], description=HOSTILE[9])
    for number, text in enumerate(HOSTILE):
        group.add_tag(f"t{number}", text)
    again = fs.get_feature_group("g")
    assert [again.get_tag(f"t{number}") for number in range(len(HOSTILE))] == HOSTILE
    assert again.description == HOSTILE[9]


def test_a_pattern_that_ends_in_an_escape_is_refused(fs: FeatureStore) -> None:
    group = make_group(fs, "g", {"id": "bigint", "s": "string"}, [(1, "a\\")], primary_key=["id"])
    with pytest.raises(QueryError, match="escape"):
        group.filter(group["s"].like("a\\")).read(dataframe_type="arrow")


def test_filters_are_kept_with_the_plan_as_typed_values(fs: FeatureStore) -> None:
    group = numbers(fs)
    query = group.filter((group["x"] > 0.1) & (group["id"] < 4))
    left, right = query.plan.root.filter.left, query.plan.root.filter.right  # type: ignore[union-attr]
    assert (left.value.type, left.value.value) == ("double", (0.1).hex())
    assert (right.value.type, right.value.value) == ("bigint", 4)
