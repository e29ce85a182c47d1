"""On-demand features: computed at each insert, and for each vector, from features and request parameters."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import hopyard
from hopyard import trust
from hopyard.cli import app
from hopyard.errors import (
    AlreadyExistsError,
    FeatureVectorError,
    HopyardError,
    NotFoundError,
    SchemaMismatchError,
    TrainingDatasetError,
    UntrustedCodeError,
    UserFunctionError,
)
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.feature_view import FeatureView
from hopyard.project import Project

START = datetime(2026, 1, 1, tzinfo=UTC)


@hopyard.udf("double", drop=["lat", "lon"])
def distance(lat: float | None, lon: float | None, home: float) -> float | None:
    return None if lat is None or lon is None else math.hypot(lat - home, lon)


@hopyard.udf(["boolean", "string"], mode="numpy")
def described(far: Any) -> Any:
    import numpy as np

    return far > 3, np.array([f"{value:.1f}" for value in far], object)


FUNCTIONS = [distance("lat", "lon", "home").alias("far"), described("far").alias("is_far", "text")]
ROWS = [
    {"rider": 1, "at": START, "home": 1.0, "lat": 4.0, "lon": 4.0},
    {"rider": 2, "at": START, "home": 0.5, "lat": 0.5, "lon": -0.0},
    {"rider": 3, "at": START, "home": -1.0, "lat": None, "lon": 2.0},
]


def make_group(fs: FeatureStore, **options: Any) -> FeatureGroup:
    options = {"transformation_functions": FUNCTIONS, "online_enabled": True, **options}
    return fs.create_feature_group("riders", primary_key="rider", event_time="at", **options)


@pytest.fixture
def group(fs: FeatureStore) -> FeatureGroup:
    made = make_group(fs)
    made.insert(ROWS)
    return made


@pytest.fixture
def view(fs: FeatureStore, group: FeatureGroup) -> FeatureView:
    rides = fs.create_feature_group("rides", primary_key="ride", event_time="at", foreign_key="rider")
    rides.insert(
        [{"ride": n, "rider": n, "at": START + timedelta(hours=1), "late": n > 1} for n in (1, 2, 3)]
    )
    query = rides.select(["late"]).join(group.select(["is_far", "home", "text", "far"]), prefix="r_")
    made = fs.create_feature_view(
        "late", query, labels="late", transformation_functions=hopyard.impute_constant("r_far", -1.0)
    )
    made.create_training_data()
    made.init_serving()
    return made


def test_features_are_computed_at_insert(group: FeatureGroup) -> None:
    assert [feature.name for feature in group.features] == ["rider", "at", "home", "far", "is_far", "text"]
    rows = group.read(dataframe_type="python", order_by=["rider"])
    assert [(row["far"], row["is_far"], row["text"]) for row in rows] == [
        (5.0, True, "5.0"),
        (0.0, False, "0.0"),
        (None, None, None),
    ]
    group.insert([{"rider": 1, "at": START + timedelta(days=1), "home": 0.0, "lat": 1, "lon": 0}])
    later = group.read(dataframe_type="python", order_by=["at"])[-1]
    assert (later["far"], later["is_far"]) == (1.0, False)


def test_a_stored_group_knows_them_too(fs: FeatureStore, group: FeatureGroup) -> None:
    found = fs.get_feature_group("riders")
    assert [(field.name, field.type) for field in found.spec.request_parameters] == [
        *(("lat", "double"), ("lon", "double")),
    ]
    assert found.insert([{**ROWS[0], "rider": 9}]).n_inserted == 1
    same = fs.get_or_create_feature_group("riders", transformation_functions=FUNCTIONS)
    assert same.spec.id == group.spec.id
    with pytest.raises(AlreadyExistsError, match="transformation_functions is .*distance"):
        fs.get_or_create_feature_group("riders", transformation_functions=FUNCTIONS[:1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lat": ...}, "lacks 'lat', from which distance computes 'far' of 'riders_1'"),
        ({"home": ...}, "lacks 'home', from which distance computes"),
        ({"lat": "north"}, "Column 'lat' must be double"),
        ({"far": 1.0}, "'far' of 'riders_1' is computed"),
        ({"other": 1.0}, "It has 'other', which the group does not have"),
        ({"home": "x"}, "Column 'home' must be double"),
    ],
)
def test_a_frame_that_does_not_fit_is_refused(
    group: FeatureGroup, change: dict[str, Any], message: str
) -> None:
    row = {name: value for name, value in {**ROWS[0], **change}.items() if value is not ...}
    with pytest.raises(SchemaMismatchError, match=message):
        group.insert([row])
    assert len(group.commit_details()) == 2


def test_a_function_that_fails_writes_nothing(fs: FeatureStore) -> None:
    @hopyard.udf("double")
    def inverse(x: float) -> float:
        return 1 / x

    @hopyard.udf("double", mode="pandas")
    def centered(x: Any) -> Any:
        return x - x.mean()

    for function, message in ((inverse, r"inverse\(x=0.0\) raised"), (centered, "for that row alone")):
        draft = fs.create_feature_group("g", primary_key="k", transformation_functions=function("x"))
        with pytest.raises(UserFunctionError, match=message):
            draft.insert([{"k": 1, "x": 0.0}, {"k": 2, "x": 1.0}])
    assert fs.list_feature_groups() == []


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"transformation_functions": hopyard.log("home")}, UserFunctionError),
        ({"transformation_functions": [distance]}, UserFunctionError),
        ({"transformation_functions": 3}, UserFunctionError),
        ({"transformation_functions": [FUNCTIONS[0], FUNCTIONS[0]]}, UserFunctionError),
        ({"transformation_functions": distance("a", "b", "c").alias("rider")}, SchemaMismatchError),
        ({"features": {"rider": "bigint", "at": "timestamp", "far": "float"}}, SchemaMismatchError),
    ],
)
def test_functions_that_cannot_be_of_a_group(
    fs: FeatureStore, options: dict[str, Any], error: type[HopyardError]
) -> None:
    with pytest.raises(error):
        make_group(fs, **options)


def test_declared_features_say_what_is_stored(fs: FeatureStore) -> None:
    features = {"rider": "bigint", "at": "timestamp", "home": "double", "lat": "double"}
    group = make_group(fs, features=features).save()
    with pytest.raises(TrainingDatasetError, match="The type of 'lon'"):
        fs.create_feature_view("early", group.select(["far"]))
    group.insert(ROWS)
    assert [feature.name for feature in group.features] == [*features, "far", "is_far", "text"]
    group = fs.get_feature_group("riders")
    assert [field.name for field in group.spec.request_parameters] == ["lon"]
    view = fs.create_feature_view("v", group.select(["far"]))
    view.init_serving()
    assert view.get_feature_vector({"rider": 1}, request_parameters={"lon": 4.0}) == [5.0]
    asked = {"lon": 4.0, "lat": 1.0, "home": 1}
    assert view.get_feature_vector({"rider": 1}, request_parameters=asked) == [4.0]


def test_vectors_are_what_was_inserted(view: FeatureView) -> None:
    expected = view.get_batch_data(dataframe_type="python")
    names = view.features
    asked = [{"lat": row["lat"], "lon": row["lon"]} for row in ROWS]
    vectors = view.get_feature_vectors([{"rider": n} for n in (1, 2, 3)], request_parameters=asked)
    assert [dict(zip(names, vector, strict=True)) for vector in vectors] == expected
    assert repr(vectors[1]) == "[False, 0.5, '0.0', 0.0]"
    moved = view.get_feature_vector({"rider": 1}, request_parameters={"r_lat": 1, "lat": 5.0, "lon": 2.0})
    assert moved == [False, 1.0, "2.0", 2.0]
    both = view.get_feature_vectors([{"rider": 1}, {"rider": 2}], request_parameters={"lat": 1.0, "lon": 7.0})
    assert both == [[True, 1.0, "7.0", 7.0], [True, 0.5, "7.0", math.hypot(0.5, 7.0)]]


def test_what_a_request_must_have(view: FeatureView) -> None:
    entry, asked = {"rider": 1}, {"lat": 1.0, "lon": 1.0}
    for wrong, message in (
        (None, "request parameter 'r_lat' .double. is missing, from which distance computes 'far'"),
        ({"lat": 1.0}, "request parameter 'r_lon'"),
        ({**asked, "late": 1}, "'late' is no request parameter of the view. It has: r_lat, lat, r_lon, lon"),
        ({**asked, "lat": "1"}, "'lat' is double"),
        ([asked, asked], "one for each of 1 entries"),
        ("lat", "must be a dict"),
        (5, "must be a dict"),
    ):
        with pytest.raises(FeatureVectorError, match=message):
            view.get_feature_vectors([entry], request_parameters=wrong)  # type: ignore[arg-type]
    # What is passed is not computed.
    passed = {"r_far": 9.0, "r_is_far": False, "r_text": "x"}
    assert view.get_feature_vector(entry, passed_features=passed) == [False, 1.0, "x", 9.0]
    passed = {"r_home": 4.0, "r_text": "x"}
    found = view.get_feature_vector(
        entry, passed_features=passed, request_parameters={"lat": 4.0, "lon": 4.0}
    )
    assert found == [True, 4.0, "x", 4.0]


def test_a_missing_row_stays_missing(view: FeatureView) -> None:
    asked = {"lat": 1.0, "lon": 1.0}
    with pytest.raises(FeatureVectorError, match="'riders_1' has no row online for .'rider': 7"):
        view.get_feature_vector({"rider": 7}, request_parameters=asked)
    missing = view.get_feature_vector({"rider": 7}, request_parameters=asked, allow_missing=True)
    assert missing == [None, None, None, -1.0]
    known = {**asked, "home": 1.0}  # everything that it takes
    found = view.get_feature_vector({"rider": 7}, request_parameters=known, allow_missing=True)
    assert found == [False, None, "1.0", 1.0]


def test_the_root_may_have_them_offline(fs: FeatureStore) -> None:
    group = make_group(fs, online_enabled=False)
    group.insert(ROWS)
    view = fs.create_feature_view("v", group.select(["far", "home"]))
    view.init_serving()
    asked = {"lat": 4.0, "lon": 4.0}
    assert view.get_feature_vector({}, passed_features={"home": 1.0}, request_parameters=asked) == [5.0, 1.0]
    assert view.get_feature_vector({"home": 1}, request_parameters=asked) == [5.0, 1.0]
    hidden = fs.create_feature_view("w", group.select(["is_far"]))
    hidden.init_serving()
    assert hidden.get_feature_vector({"home": 1}, request_parameters=asked) == [True]
    with pytest.raises(FeatureVectorError, match="'is_far' of the view's left-most group is missing"):
        hidden.get_feature_vector({}, request_parameters=asked)


def test_a_view_has_the_functions_that_it_needs(fs: FeatureStore, view: FeatureView) -> None:
    assert [(spec.node, spec.transformation.name) for spec in view.spec.on_demand] == [
        *((1, "distance"), (1, "described")),
    ]
    group = fs.get_feature_group("riders")
    assert fs.create_feature_view("w", group.select(["far"])).spec.on_demand[0].transformation == FUNCTIONS[0]
    labelled = fs.create_feature_view("x", group.select(["home", "far"]), labels="far")
    assert labelled.spec.on_demand == ()


def test_code_that_nobody_trusts_does_not_run(
    fs: FeatureStore, store: Project, view: FeatureView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust, "_trusted", set())
    monkeypatch.setenv("HOPYARD_TRUST_FILE", str(tmp_path / "trusted"))
    other = hopyard.login(store.location).get_feature_store()
    group, found = other.get_feature_group("riders"), other.get_feature_view("late")
    with pytest.raises(
        UntrustedCodeError, match="feature group 'riders_1' runs .*hopyard trust riders --kind g"
    ):
        group.insert(ROWS)
    assert len(group.commit_details()) == 2
    with pytest.raises(UntrustedCodeError, match="feature view 'late_1' runs 'distance'.*, 'described'"):
        found.init_serving()
    found.training_data()  # it has stored values
    asked = CliRunner().invoke(app, ["--url", store.location, "trust", "late"], input="n\n")
    assert "def distance(" in asked.output and "def described(" in asked.output
    arguments = ["--url", store.location, "trust", "riders", "--kind", "group", "--yes"]
    assert "Feature group riders_1 has this code" in CliRunner().invoke(app, arguments).output
    group.insert(ROWS)
    found.init_serving()


VALUES = st.none() | st.floats() | st.sampled_from([0.0, -0.0, math.nan, math.inf])
WHOLE = st.none() | st.integers(-(2**63), 2**63 - 1)


@hopyard.udf(["double", "bigint", "string"])
def by_row(x: float | None, n: int | None) -> tuple[float | None, int | None, str]:
    return (None if x is None else x * 3.7), (None if n is None else -n - 1), f"{x!r} {n!r}"


@hopyard.udf(["double", "bigint"], mode="numpy")
def by_numpy(x: Any, n: Any) -> tuple[Any, Any]:
    import numpy as np

    with np.errstate(all="ignore"):
        return x / n, n ^ 7


@hopyard.udf(["double", "boolean"], mode="pandas")
def by_pandas(x: Any, n: Any) -> tuple[Any, Any]:
    return x.where(n > 0, -x), x.isna()


@settings(max_examples=15)
@given(rows=st.lists(st.tuples(VALUES, WHOLE), min_size=1, max_size=20))
def test_a_vector_equals_the_inserted_row(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float | None, int | None]]
) -> None:
    fs = hopyard.login(tmp_path_factory.mktemp("store") / "s").get_feature_store()
    features = {"k": "bigint", "n": "bigint"}
    functions = [
        by_row("x", "n").alias("a", "b", "c"),
        by_numpy("a", "n").alias("d", "e"),
        by_pandas("d", "b").alias("f", "g"),
    ]
    group = fs.create_feature_group(
        "g", primary_key="k", online_enabled=True, features=features, transformation_functions=functions
    )
    import pyarrow as pa

    x, n = pa.array([row[0] for row in rows], pa.float64()), pa.array([row[1] for row in rows], pa.int64())
    group.insert(pa.table({"k": range(len(rows)), "x": x, "n": n}))
    view = fs.create_feature_view("v", group.select(list("abcdefg")))
    view.init_serving()
    stored = group.read(dataframe_type="python", order_by=["k"])
    vectors = view.get_feature_vectors(
        [{"k": k} for k in range(len(rows))], request_parameters=[{"x": row[0]} for row in rows]
    )
    bits = lambda value: value.hex() if isinstance(value, float) else repr(value)  # noqa: E731
    assert [[bits(row[name]) for name in "abcdefg"] for row in stored] == [
        [bits(value) for value in vector] for vector in vectors
    ]


def test_names_that_are_not_there(fs: FeatureStore, group: FeatureGroup) -> None:
    with pytest.raises(NotFoundError):
        group.select(["lat"])
