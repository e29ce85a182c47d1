"""Join keys, shapes of joins, columns and their order, plain joins, the order of rows."""

from __future__ import annotations

import pytest

from groups import column, make_group
from hopyard.errors import JoinKeyError, MultipleMatchesError, QueryError
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.project import Project
from hopyard.testing.frames import assert_same_rows, frame
from hopyard.testing.oracle import answer
from variants import VARIANTS, in_variant


@pytest.fixture(params=VARIANTS)
def fs(request: pytest.FixtureRequest, store: Project) -> FeatureStore:
    """Return a feature store that runs queries in one of the ways that must not differ."""
    return in_variant(store.get_feature_store(), request.param)


@pytest.fixture
def flights(fs: FeatureStore) -> FeatureGroup:
    features = {"id": "bigint", "origin": "string", "dest": "string", "t": "timestamp", "delay": "int"}
    rows = [
        (1, "ewr", "sfo", "2025-01-02", 5),
        (2, "jfk", None, "2025-01-02", 0),
        (3, "lga", "xyz", "2025-01-02", None),
    ]
    return make_group(
        fs, "flights", features, rows, primary_key=["id"], event_time="t", foreign_key={"dest": "faa"}
    )


@pytest.fixture
def airports(fs: FeatureStore) -> FeatureGroup:
    features = {"faa": "string", "name": "string", "region": "int"}
    rows = [("ewr", "Newark", 1), ("sfo", "San Francisco", 2)]
    return make_group(fs, "airports", features, rows, primary_key=["faa"], foreign_key="region")


@pytest.fixture
def regions(fs: FeatureStore) -> FeatureGroup:
    rows = [(1, "east", "2025-01-01"), (2, "west", "2025-02-01")]
    features = {"region": "bigint", "label": "string", "since": "timestamp"}
    return make_group(fs, "regions", features, rows, primary_key=["region"], event_time="since")


def test_keys_are_inferred_from_primary_and_foreign_keys(
    flights: FeatureGroup, airports: FeatureGroup
) -> None:
    query = flights.select_all().join(airports.select_all())
    assert [(key.left, key.right) for key in query.plan.joins[0].keys] == [("dest", "faa")]
    assert query.plan.joins[0].inferred
    assert column(query, "name") == ["San Francisco", None, None]


def test_explicit_keys_win_over_inferred_ones(flights: FeatureGroup, airports: FeatureGroup) -> None:
    query = flights.select_all().join(airports.select_all(), left_on=["origin"], right_on=["faa"])
    assert not query.plan.joins[0].inferred
    assert column(query, "name") == ["Newark", None, None]


def test_inferred_keys_cover_the_whole_right_key_explicit_ones_need_not(fs: FeatureStore) -> None:
    left = make_group(fs, "a", {"id": "bigint", "k": "bigint"}, [(1, 1)], primary_key=["id"], foreign_key="k")
    right = make_group(
        fs, "b", {"k": "bigint", "part": "bigint", "x": "int"}, [(1, 1, 7)], primary_key=["k", "part"]
    )
    with pytest.raises(JoinKeyError, match="part"):
        left.select_all().join(right.select_all())
    assert column(left.select_all().join(right.select_all(), on=["k"]), "x") == [7]


def test_a_second_join_is_to_the_root_and_a_nested_one_is_not(
    flights: FeatureGroup, airports: FeatureGroup, regions: FeatureGroup
) -> None:
    star = flights.select_all().join(airports.select_all()).join(
        regions.select_all(), left_on=["delay"], right_on=["region"], prefix="r_"
    )  # fmt: skip
    snowflake = flights.select_all().join(airports.select_all().join(regions.select_all()))
    assert [join.parent for join in star.plan.joins] == [0, 0]
    assert [join.parent for join in snowflake.plan.joins] == [0, 1]
    assert (
        snowflake.plan.joins[1].rule == "point_in_time"
    )  # by the root's event time, past a group that has none
    assert column(snowflake, "label") == [None, None, None]  # region 2 is known from February on


def test_an_inner_join_below_the_root_takes_its_parent_along(
    flights: FeatureGroup, airports: FeatureGroup, regions: FeatureGroup
) -> None:
    below = airports.select_all().join(regions.select_all(), join_type="inner")
    kept = flights.select_all().join(below, left_on=["origin"], right_on=["faa"])
    assert column(kept, "name") == ["Newark", None, None]
    assert column(flights.select_all().join(below), "name") == [None, None, None]  # region 2 is of February
    dropped = flights.select_all().join(below, left_on=["origin"], right_on=["faa"], join_type="inner")
    assert column(dropped, "id") == [1]


def test_join_keys_come_once_from_the_left(flights: FeatureGroup, regions: FeatureGroup) -> None:
    query = flights.select_all().join(regions.select_all(), left_on=["delay"], right_on=["region"])
    assert query.features == ["id", "origin", "dest", "t", "delay", "label"]


def test_naming_or_asking_returns_right_keys_and_event_time_under_the_prefix(
    flights: FeatureGroup, regions: FeatureGroup
) -> None:
    on = {"left_on": ["delay"], "right_on": ["region"]}
    left = flights.select(["id"])
    named = left.join(regions.select(["since", "region"]), **on, prefix="r_")  # type: ignore[arg-type]
    asked = left.join(regions.select_all(), **on, prefix="r_", include_event_time=True)  # type: ignore[arg-type]
    assert named.features == ["id", "r_since", "r_region"]
    assert asked.features == ["id", "r_label", "r_since"]
    assert left.join(regions.select_except(["label"]), **on).features == ["id"]  # type: ignore[arg-type]


def test_columns_come_left_first_then_in_call_order_and_prefixes_nest(
    flights: FeatureGroup, airports: FeatureGroup, regions: FeatureGroup
) -> None:
    nested = airports.select_all().join(regions.select(["label"]), prefix="r_")
    query = flights.select(["delay", "id"]).join(nested, prefix="a_").join(
        airports.select(["name"]), left_on=["origin"], right_on=["faa"], prefix="o_"
    )  # fmt: skip
    assert query.features == ["delay", "id", "a_name", "a_region", "a_r_label", "o_name"]


def test_integers_of_two_widths_are_one_kind_of_key(fs: FeatureStore) -> None:
    left = make_group(
        fs, "a", {"id": "bigint", "k": "bigint"}, [(1, 2**31 - 1), (2, 2**40)], primary_key=["id"]
    )
    right = make_group(fs, "b", {"k": "int", "x": "int"}, [(2**31 - 1, 7)], primary_key=["k"])
    assert column(left.select_all().join(right.select_all(), on=["k"]), "x") == [7, None]


def test_text_keys_are_compared_without_normalisation(fs: FeatureStore) -> None:
    texts = ["é", "e\u0301", "E", "e", " e", "", "\U0001d4b3", "it's", 'a"b', "a`b", "a\nb", "a\x00b"]
    left = make_group(fs, "a", {"id": "bigint", "k": "string"}, enumerate(texts), primary_key=["id"])
    right = make_group(
        fs, "b", {"k": "string", "x": "int"}, [(t, n) for n, t in enumerate(texts)], primary_key=["k"]
    )
    assert column(left.select_all().join(right.select_all(), on=["k"]), "x") == list(range(len(texts)))


@pytest.mark.parametrize(
    ("type_", "values"),
    [
        ("boolean", [True, False]),
        ("date", ["1960-01-01", "2025-01-01"]),
        ("timestamp", ["1960-01-01", "2025-01-01T00:00:00.000001"]),
        ("binary", [b"", b"\x00\xff"]),
        ("bigint", [2**63 - 1, -(2**63)]),
    ],
)
def test_every_key_type_joins(fs: FeatureStore, type_: str, values: list[object]) -> None:
    left = make_group(fs, "a", {"id": "bigint", "k": type_}, enumerate([*values, None]), primary_key=["id"])
    right = make_group(
        fs, "b", {"k": type_, "x": "int"}, [(v, n) for n, v in enumerate(values)], primary_key=["k"]
    )
    assert column(left.select_all().join(right.select_all(), on=["k"]), "x") == [0, 1, None]


def test_decimals_of_two_scales_join_by_value(fs: FeatureStore) -> None:
    from decimal import Decimal

    left = make_group(
        fs, "a", {"id": "bigint", "k": "decimal(10,1)"}, [(1, Decimal("1.5"))], primary_key=["id"]
    )
    right = make_group(fs, "b", {"k": "decimal(38,20)", "x": "int"}, [(Decimal("1.5"), 7)], primary_key=["k"])
    assert column(left.select_all().join(right.select_all(), on=["k"]), "x") == [7]


def test_plain_joins_are_unique_or_asked_for(fs: FeatureStore) -> None:
    left = make_group(
        fs, "a", {"id": "bigint", "k": "bigint"}, [(1, 1), (2, 2), (3, None)], primary_key=["id"]
    )
    features = {"k": "bigint", "part": "bigint", "x": "int"}
    rows = [(1, 1, 7), (1, 2, 8), (2, 1, 9)]
    right = make_group(fs, "b", features, rows, primary_key=["k", "part"])
    plain = left.select_all().join(right.select_all(), on=["k"])
    with pytest.raises(MultipleMatchesError, match="2 rows for {'k': 1}"):
        plain.read()
    one_part = left.select_all().join(right.filter(right["part"] == 1), on=["k"])
    assert column(one_part, "x") == [7, 9, None]  # what counts is what the filter leaves
    many = left.select_all().join(right.select_all(), on=["k"], allow_many=True)
    assert column(many, "x", ["id", "x"]) == [7, 8, 9, None]


def test_a_partial_match_that_no_left_row_meets_is_no_error(fs: FeatureStore) -> None:
    left = make_group(fs, "a", {"id": "bigint", "k": "bigint"}, [(1, 2)], primary_key=["id"])
    right = make_group(
        fs, "b", {"k": "bigint", "part": "bigint"}, [(1, 1), (1, 2), (2, 1)], primary_key=["k", "part"]
    )
    assert column(left.select_all().join(right.select_all(), on=["k"]), "part") == [1]


def test_an_inner_join_below_a_join_of_many_is_refused(fs: FeatureStore) -> None:
    left = make_group(fs, "a", {"id": "bigint", "k": "bigint"}, [(1, 1), (2, 2)], primary_key=["id"])
    features = {"k": "bigint", "part": "bigint", "f": "bigint"}
    middle = make_group(
        fs, "b", features, [(1, 1, 10), (1, 2, None), (2, 1, None)], primary_key=["k", "part"]
    )
    right = make_group(fs, "c", {"f": "bigint", "x": "int"}, [(10, 7)], primary_key=["f"])
    below = middle.select_all().join(right.select_all(), on=["f"], join_type="inner")
    with pytest.raises(QueryError, match="'b_1' .* allow_many=True .* inner join to 'c_1'.* Use a left join"):
        left.select_all().join(below, on=["k"], allow_many=True)
    outer = middle.select_all().join(right.select_all(), on=["f"])
    query = left.select_all().join(outer, on=["k"], allow_many=True)
    tables = [
        group.read(dataframe_type="python", order_by=[key])
        for group, key in ((left, "id"), (middle, "part"), (right, "f"))
    ]
    found = query.read(dataframe_type="python", order_by=["id", "part"])
    assert_same_rows(found, answer(query.plan, tables))


def test_rows_are_ordered_on_request_nulls_and_nan_last(fs: FeatureStore) -> None:
    nan = float("nan")
    features = {"id": "bigint", "x": "double"}
    group = make_group(fs, "a", features, primary_key=["id"])
    group.insert(frame(features, [(1, nan), (2, None), (3, float("inf")), (4, -1.0)]))
    rows = group.read(dataframe_type="python", order_by=["x"])
    assert [row["id"] for row in rows] == [4, 3, 1, 2]
    assert [row["id"] for row in group.read(dataframe_type="python", order_by=["id"], limit=2)] == [1, 2]


def test_empty_groups_join(fs: FeatureStore, flights: FeatureGroup) -> None:
    empty = make_group(
        fs, "empty", {"dest": "string", "t": "timestamp", "x": "int"}, primary_key=["dest"], event_time="t"
    )
    assert column(flights.select_all().join(empty.select_all(), on=["dest"]), "x") == [None, None, None]
    none = empty.select_all().join(
        flights.select_except(["dest"]), left_on=["x"], right_on=["id"], prefix="f_"
    )
    assert none.read(dataframe_type="arrow").num_rows == 0
