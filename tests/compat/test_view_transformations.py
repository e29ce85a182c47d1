"""Formulas of the built-in transformations against numpy, and functions with @udf."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from hopyard.compat.hsfs import builtin_transformations as built_in
from hopyard.compat.hsfs.client.exceptions import FeatureStoreException
from hopyard.compat.hsfs.hopsworks_udf import udf
from hopyard.compat.hsfs.transformation_chain import Chain
from hopyard.compat.hsfs.transformation_statistics import TransformationStatistics

pytestmark = pytest.mark.filterwarnings("ignore::Warning")
X = np.array([0.5, 3.0, -2.0, 10.0, 7.25, 3.0, 100.0])
WORDS = ["b", "a", None, "c", "a", "b", "a"]


def applied(function, values=X):
    table = pa.table({"x": pa.array(list(values)), "kept": pa.array(range(len(values)))})
    chain = Chain([function("x")], table.column_names)
    fits = chain.fit(table)
    whole = chain.apply(table, fits)
    for place, value in enumerate(table["x"].to_pylist()):
        row = chain.row({"x": value, "kept": place}, fits)
        assert [repr(item) for item in row.values()] == [
            repr(item) for item in whole.slice(place, 1).to_pylist()[0].values()
        ]
    return whole


def column(function, values=X):
    whole = applied(function, values)
    assert whole.column_names == ["kept", f"{function.function_name}_x_"]
    return whole[1].to_pylist()


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (built_in.min_max_scaler, (X - X.min()) / (X.max() - X.min())),
        (built_in.standard_scaler, (X - X.mean()) / X.std(ddof=1)),
        (
            built_in.robust_scaler,
            (X - np.percentile(X, 50)) / (np.percentile(X, 75) - np.percentile(X, 25)),
        ),
        (built_in.log_transform, np.log(np.where(X > 0, X, np.nan))),
        (built_in.winsorize, np.clip(X, np.percentile(X, 1), np.percentile(X, 99))),
        (
            built_in.rank_normalizer,
            np.searchsorted(np.percentile(X, range(101)), X, side="right") / 101,
        ),
        (
            built_in.quantile_transformer,
            np.interp(X, np.percentile(X, range(1, 101)), np.linspace(0, 1, 100)),
        ),
        (
            built_in.equal_width_binner,
            np.clip(np.digitize(X, np.linspace(X.min(), X.max(), 11)) - 1, 0, 9),
        ),
        (
            built_in.quantile_binner,
            np.clip(np.digitize(X, np.percentile(X, [0, 25, 50, 75, 100])) - 1, 0, 3),
        ),
        (
            built_in.equal_frequency_binner,
            np.clip(np.digitize(X, np.percentile(X, [0, 25, 50, 75, 100])) - 1, 0, 3),
        ),
    ],
    ids=lambda value: getattr(value, "function_name", ""),
)
def test_formulas_equal_numpy(function, expected):
    np.testing.assert_allclose(column(function), expected, rtol=1e-12)


def test_categories():
    assert column(built_in.label_encoder, WORDS) == [1, 0, None, 2, 0, 1, 0]
    assert column(built_in.impute_category, WORDS)[2] == "__MISSING__"
    assert column(built_in.impute_mode, WORDS)[2] == "a"
    top = built_in.top_k_categorical_binner("x")
    top.transformation_context = {"top_n": 1}
    table = pa.table({"x": pa.array(["a", "b", "a"])})
    chain = Chain([top], ["x"])
    assert chain.apply(table, chain.fit(table))[0].to_pylist() == ["a", "Other", "a"]


def test_an_unknown_category_is_minus_one():
    table = pa.table({"x": pa.array(["a", "b"])})
    chain = Chain([built_in.label_encoder("x")], ["x"])
    assert chain.row({"x": "new"}, chain.fit(table)) == {"label_encoder_x_": -1}


def test_imputing_of_numbers():
    values = [1.0, None, 3.0, 8.0]
    assert column(built_in.impute_mean, values)[1] == 4
    assert column(built_in.impute_median, values)[1] == 3
    assert column(built_in.impute_constant, values)[1] == 0


def test_one_hot():
    whole = applied(built_in.one_hot_encoder, WORDS)
    assert whole.column_names == ["kept", *(f"one_hot_encoder_x_{place}" for place in range(3))]
    assert whole[1].to_pylist() == [word == "a" for word in WORDS]


def test_kinds_of_functions():
    @udf(float)
    def plain(a):
        return a + 1

    @udf([float, str], mode="pandas")
    def two(a, b):
        return a * 2, b.astype(str)

    @udf(int, drop="b", mode="python")
    def by_value(a, b):
        return int(a) if b > 1 else -int(a)

    table = pa.table({"a": [1.0, 2.0], "b": [1, 2]})
    chain = Chain([two, by_value("a", "b").alias("signed"), plain("a")], table.column_names)
    whole = chain.apply(table, chain.fit(table))
    assert whole.to_pydict() == {
        "a": [1.0, 2.0],
        "plain_a_": [2.0, 3.0],
        "signed": [-1, 2],
        "two_a_b_0": [2.0, 4.0],
        "two_a_b_1": ["1", "2"],
    }
    assert list(chain.row({"a": 1.0, "b": 1}, chain.fit(table)).values()) == [1.0, 2.0, -1, 2.0, "1"]


def test_chains_of_results():
    @udf(float, drop=["a"])
    def doubled(a):
        return a * 2

    table = pa.table({"a": [1.0, 3.0]})
    chain = Chain([built_in.min_max_scaler("doubled_a_"), doubled("a")], ["a"])
    fits = chain.fit(table)
    assert chain.apply(table, fits).to_pydict() == {"min_max_scaler_doubled_a__": [0.0, 1.0]}
    assert chain.row({"a": 2.0}, fits) == {"min_max_scaler_doubled_a__": 0.5}


def test_functions_of_series_run_on_one_value():
    @udf(int)
    def hour_of(at):
        return at.dt.hour

    @udf(float)
    def filled(a):
        return a.fillna(0.0)

    table = pa.table(
        {"at": pd.to_datetime(["2026-01-01 05:00"], utc=True), "a": pa.array([None], pa.float64())}
    )
    chain = Chain([hour_of, filled], table.column_names)
    fits = chain.fit(table)
    assert chain.apply(table, fits).to_pydict()["hour_of_at_"] == [5]
    assert chain.row(table.to_pylist()[0], fits)["hour_of_at_"] == 5


def test_execute_and_statistics_in_tests():
    stats = TransformationStatistics("a")

    @udf(float)
    def scaled(a, b, statistics=stats):
        return (a - statistics.a.mean) / statistics.a.stddev + b

    found = scaled.executor(statistics={"a": {"mean": 1.0, "stddev": 2.0}}).execute(
        pd.Series([3.0]), pd.Series([1.0])
    )
    assert found.tolist() == [2.0]
    assert scaled.transformation_features == ["a", "b"]
    assert scaled.output_column_names == ["scaled_a_b_"]
    assert scaled("x", "y").statistics_features == ["a"]


def test_what_is_wrong_with_a_function_is_told():
    with pytest.raises(FeatureStoreException, match="execution mode"):
        udf(float, mode="spark")
    with pytest.raises(FeatureStoreException, match="not supported"):

        @udf(bytes)
        def f(a):
            return a

    with pytest.raises(FeatureStoreException, match="Cannot drop"):

        @udf(float, drop=["b"])
        def g(a):
            return a

    @udf(float)
    def h(a):
        return a

    with pytest.raises(FeatureStoreException, match="Number of features"):
        h("x", "y")
    with pytest.raises(FeatureStoreException, match="at most 63"):
        h("x").alias("y" * 64)
    with pytest.raises(FeatureStoreException, match="number of output"):
        h("x").alias("y", "z")
    with pytest.raises(FeatureStoreException, match="neither a feature"):
        Chain([h("nothing")], ["a"])


def test_long_names_are_cut_with_a_warning():
    @udf(float)
    def a_function_with_a_rather_long_name(a):
        return a

    with pytest.warns(Warning, match="63"):
        names = a_function_with_a_rather_long_name("a_feature_with_a_long_name_as_well").output_column_names
    assert len(names[0]) == 63
