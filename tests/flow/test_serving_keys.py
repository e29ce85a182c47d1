"""Which value of an entry opens which row: names that stand for several things, rows that are not there."""

from __future__ import annotations

import pytest

from hopyard.errors import FeatureVectorError, QueryError, SchemaMismatchError, ServingError
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.feature_view import FeatureView
from hopyard.queries import Query


def group(fs: FeatureStore, name: str, feature: str, *, first: int = 0) -> FeatureGroup:
    made = fs.create_feature_group(name, primary_key="id", online_enabled=True)
    made.insert([{"id": key, feature: first + key} for key in range(10)])
    return made


def view(fs: FeatureStore, query: Query) -> FeatureView:
    made = fs.create_feature_view("v", query)
    made.init_serving()
    return made


def test_two_joins_to_equal_key_names_need_two_keys(fs: FeatureStore) -> None:
    orders = fs.create_feature_group("orders", primary_key="number")
    orders.insert([{"number": 1, "customer_id": 7, "product_id": 2}])
    customers, products = group(fs, "customers", "v", first=100), group(fs, "products", "w", first=200)
    query = (
        orders.select(["number"])
        .join(customers.select_all(), left_on=["customer_id"], right_on=["id"])
        .join(products.select_all(), left_on=["product_id"], right_on=["id"])
    )
    served = view(fs, query)
    assert served.serving_keys == ["customer_id", "product_id"]
    vector = served.get_feature_vector({"customer_id": 7, "product_id": 2, "number": 1})
    offline = query.read(dataframe_type="python")[0]
    assert vector == list(offline.values()) == [1, 107, 202]
    with pytest.raises(FeatureVectorError, match="'id' is no serving key.*customer_id, product_id"):
        served.get_feature_vector({"id": 7})


def test_the_key_of_an_online_root_is_not_taken_for_that_of_a_joined_group(fs: FeatureStore) -> None:
    orders = fs.create_feature_group("orders", primary_key="id", online_enabled=True)
    orders.insert([{"id": 1, "customer_id": 7}])
    query = orders.select(["id"]).join(
        group(fs, "customers", "v", first=100).select_all(), left_on=["customer_id"], right_on=["id"]
    )
    served = view(fs, query)
    assert served.serving_keys == ["id"]
    assert served.get_feature_vector({"id": 1}) == [1, 107]


def test_a_prefix_names_the_key_and_the_column_of_the_root_does_too(fs: FeatureStore) -> None:
    orders = fs.create_feature_group("orders", primary_key="number")
    orders.insert([{"number": 1, "customer_id": 7}])
    customers = group(fs, "customers", "v", first=100)
    query = orders.select(["number"]).join(
        customers.select_all(), left_on=["customer_id"], right_on=["id"], prefix="c_"
    )
    served = view(fs, query)
    assert served.serving_keys == ["c_id"]
    for key in ("c_id", "customer_id"):
        assert served.get_feature_vector({key: 7}, passed_features={"number": 1}) == [1, 107]


def test_a_missing_root_row_makes_everything_missing(fs: FeatureStore) -> None:
    orders = fs.create_feature_group("orders", primary_key="number", online_enabled=True)
    orders.insert([{"number": 1, "id": 7, "amount": 2.5}])
    query = orders.select(["amount"]).join(group(fs, "customers", "v").select_all(), on=["id"])
    served = view(fs, query)
    assert served.get_feature_vector({"number": 1}) == [2.5, 7]
    assert served.get_feature_vector({"number": 5}, allow_missing=True) == [None, None]
    with pytest.raises(FeatureVectorError, match="'orders_1' has no row online for {'number': 5}"):
        served.get_feature_vector({"number": 5})


def test_a_snowflake_on_the_key_of_its_parent(fs: FeatureStore) -> None:
    orders = fs.create_feature_group("orders", primary_key="number", foreign_key={"customer": "id"})
    orders.insert([{"number": 1, "customer": 7}])
    nested = group(fs, "customers", "v", first=100).select_all().join(group(fs, "limits", "w").select_all())
    query = orders.select(["number"]).join(nested)
    offline = query.read(dataframe_type="python")[0]
    served = view(fs, query)
    entry = {"customer": 7, "number": 1}
    assert served.get_feature_vector(entry) == list(offline.values()) == [1, 107, 7]


def test_a_group_that_was_made_again_is_not_served_for_the_old_one(fs: FeatureStore) -> None:
    orders = fs.create_feature_group("orders", primary_key="number", foreign_key="id")
    orders.insert([{"number": 1, "id": 7}])
    customers = group(fs, "customers", "v")
    made = fs.create_feature_view("v", orders.select(["number"]).join(customers.select_all()))
    customers.delete(force=True)
    group(fs, "customers", "v", first=900)
    with pytest.raises(ServingError, match="deleted and made again"):
        made.init_serving()


@pytest.mark.parametrize("entries", [{"id": 1}, "id", iter([{"id": 1}])])
def test_vectors_take_a_list_of_entries(fs: FeatureStore, entries: object) -> None:
    served = view(fs, group(fs, "customers", "v").select_all())
    assert served.get_feature_vectors([{"id": 1}, {"id": 2}]) == [[1, 1], [2, 2]]
    with pytest.raises(FeatureVectorError, match="takes a list of entries"):
        served.get_feature_vectors(entries)  # type: ignore[arg-type]


def test_features_appended_twice_keep_the_type_of_the_first_try(fs: FeatureStore) -> None:
    """What an interrupted call left in the table decides, whatever the registry does not know yet."""
    customers = group(fs, "customers", "v")
    session, spec = fs._session, customers.spec
    customers.append_features({"age": "int"})
    stored = session.registry.get(spec.project, "feature_group", spec.name, spec.version)
    import msgspec

    from hopyard.model.codec import to_json

    session.registry.put(
        msgspec.structs.replace(stored, body=to_json(spec)), expected_revision=stored.revision
    )
    again = fs.get_feature_group("customers")
    with pytest.raises(SchemaMismatchError, match="'age' is in the table already, as int and not as string"):
        again.append_features({"age": "string"})
    assert again.append_features({"age": "int"}).read(dataframe_type="python")[0]["age"] is None


def test_max_age_inside_a_snowflake_needs_the_time_of_the_root(fs: FeatureStore) -> None:
    from datetime import UTC, datetime, timedelta

    timed = fs.create_feature_group("timed", primary_key="id", event_time="at")
    timed.insert([{"id": 1, "at": datetime(2024, 1, 1, tzinfo=UTC), "x": 1}])
    other = fs.create_feature_group("other", primary_key="id", event_time="at")
    other.insert([{"id": 1, "at": datetime(2024, 1, 1, tzinfo=UTC), "y": 1}])
    nested = timed.select_all().join(other.select_all(), max_age=timedelta(days=1))
    plain = group(fs, "plain", "v")
    query = plain.select_all().join(nested)
    for use in (query.read, lambda: fs.create_feature_view("v", query)):
        with pytest.raises(QueryError, match="'plain_1' has none"):
            use()
    timed_root = fs.create_feature_group("root", primary_key="id", event_time="at")
    timed_root.insert([{"id": 1, "at": datetime(2024, 1, 3, tzinfo=UTC)}])
    whole = timed_root.select_all().join(query)
    assert whole.read(dataframe_type="python")[0] == {
        "id": 1,
        "at": datetime(2024, 1, 3, tzinfo=UTC),
        "v": 1,
        "x": 1,
        "y": None,
    }
