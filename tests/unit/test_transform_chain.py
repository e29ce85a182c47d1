"""Transformations one after another: what each takes, what it leaves, and what it is fitted to."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopyard.compute.transform.builtin import (
    equal_width_binner,
    impute_mean,
    log,
    min_max_scaler,
    one_hot_encoder,
    standard_scaler,
    top_k_categorical,
)
from hopyard.compute.transform.chain import Transformer, check_all, fit_all
from hopyard.errors import NotFoundError, TrainingDatasetError
from hopyard.model.schema import Field, Schema
from hopyard.model.specs import TransformationSpec


def schema(**types: str) -> Schema:
    return tuple(Field(name=name, type=type_) for name, type_ in types.items())


def fitted_to(specs: Sequence[TransformationSpec], train: pa.Table, before: Schema) -> Transformer:
    return Transformer(specs, fit_all(specs, before, train.select), before)


def test_each_is_fitted_to_what_those_before_it_give() -> None:
    train = pa.table({"x": [0.0, None, 10.0], "y": [1, 2, 3]})
    specs = [impute_mean("x"), min_max_scaler("x"), equal_width_binner("x", n_bins=2)]
    transformer = fitted_to(specs, train, schema(x="double", y="bigint"))
    assert transformer.table(train).to_pydict() == {"x": [0, 1, 1], "y": [1, 2, 3]}
    assert transformer.schema == schema(x="bigint", y="bigint")
    assert transformer.row([None, 7]) == [1, 7]


def test_results_stand_where_the_feature_stood() -> None:
    train = pa.table({"a": [1.0, 2.0], "color": ["red", "blue"], "z": [5, 6]})
    specs = [one_hot_encoder("color"), min_max_scaler("a")]
    transformer = fitted_to(specs, train, schema(a="double", color="string", z="bigint"))
    assert [field.name for field in transformer.schema] == ["a", "color_blue", "color_red", "z"]
    assert transformer.table(train).to_pylist()[0] == {
        "a": 0.0,
        "color_blue": False,
        "color_red": True,
        "z": 5,
    }
    assert transformer.row([2.0, "green", 1]) == [1.0, False, False, 1]


def test_a_chain_may_change_the_type() -> None:
    train = pa.table({"c": ["a", "a", "b", "c"]})
    specs = [top_k_categorical("c", k=1), one_hot_encoder("c")]
    transformer = fitted_to(specs, train, schema(c="string"))
    assert [field.name for field in transformer.schema] == ["c_Other", "c_a"]
    with pytest.raises(TrainingDatasetError, match="standard_scaler cannot transform 'c', which is string"):
        check_all([top_k_categorical("c"), standard_scaler("c")], schema(c="string"))


def test_columns_that_are_not_of_the_schema_stay() -> None:
    train = pa.table({"x": [1.0, 3.0]})
    transformer = fitted_to([min_max_scaler("x")], train, schema(x="double"))
    rows = pa.table({"extra": [9], "x": [2.0]})
    assert transformer.table(rows).to_pydict() == {"x": [0.5], "extra": [9]}


def test_what_is_not_there_cannot_be_transformed() -> None:
    with pytest.raises(NotFoundError, match="'y'"):
        check_all([log("y")], schema(x="double"))
    with pytest.raises(NotFoundError, match="'c'"):
        check_all([one_hot_encoder("c"), one_hot_encoder("c")], schema(c="string"))


def test_a_name_that_is_taken_is_refused() -> None:
    train = pa.table({"c": ["a"], "c_a": [1]})
    with pytest.raises(
        TrainingDatasetError, match="one_hot_encoder of c gives 'c_a', and there is such a column"
    ):
        fit_all([one_hot_encoder("c")], schema(c="string", c_a="bigint"), train.select)


@given(
    numbers=st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=20).filter(
        lambda numbers: any(number is not None for number in numbers)
    ),
    labels=st.lists(st.none() | st.sampled_from("abc"), min_size=20, max_size=20).filter(any),
)
def test_a_row_alone_gives_what_the_table_gives(
    numbers: list[float | None], labels: list[str | None]
) -> None:
    train = pa.table(
        {"x": pa.array(numbers, pa.float64()), "c": pa.array(labels[: len(numbers)], pa.string())}
    )
    specs = [impute_mean("x"), standard_scaler("x")]
    if train.column("c").null_count < train.num_rows:
        specs.append(one_hot_encoder("c"))
    transformer = fitted_to(specs, train, schema(x="double", c="string"))
    rows = [list(row.values()) for row in transformer.table(train).to_pylist()]
    assert repr(rows) == repr([transformer.row(list(row.values())) for row in train.to_pylist()])
