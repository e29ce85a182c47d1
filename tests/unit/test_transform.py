"""Transformations: exact fits, and one kernel for columns and single values."""

from __future__ import annotations

import math
import random
import statistics
import struct
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hopyard.compute.transform import builtin
from hopyard.compute.transform.builtin import (
    declare,
    equal_width_binner,
    impute_constant,
    impute_mean,
    impute_median,
    impute_mode,
    l2_norm,
    label_encoder,
    log,
    min_max_scaler,
    one_hot_encoder,
    quantile_binner,
    rank_normalizer,
    robust_scaler,
    source_hash,
    standard_scaler,
    top_k_categorical,
    winsorize,
)
from hopyard.compute.transform.columns import percentiles
from hopyard.compute.transform.kind import Transform
from hopyard.errors import TrainingDatasetError
from hopyard.model.arrow import from_arrow, to_arrow
from hopyard.model.codec import from_json, to_json
from hopyard.model.manifest import FittedStatistics
from hopyard.model.schema import Field
from hopyard.model.specs import TransformationSpec
from hopyard.model.types import parse_type

SCALERS = [min_max_scaler, standard_scaler, robust_scaler]
NUMBER_KINDS = [
    *SCALERS,
    equal_width_binner,
    impute_mean,
    impute_median,
    log,
    quantile_binner,
    rank_normalizer,
    winsorize,
]
"""All that take a number."""
FITTED = [kind for kind in NUMBER_KINDS if kind is not log]
FITTABLE = st.floats(-1e140, 1e140)
NUMBERS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any], st.SearchStrategy[Any]]] = {
    # what to fit to, what to transform
    "double": (
        pa.float64(),
        st.none() | FITTABLE | st.just(math.nan) | st.just(math.inf),
        st.none() | st.floats(),
    ),
    "float": (pa.float32(), st.none() | st.floats(width=32), st.none() | st.floats(width=32)),
    "bigint": (
        pa.int64(),
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.integers(-(2**63), 2**63 - 1),
    ),
    "int": (pa.int32(), st.none() | st.integers(-9, 9), st.none() | st.integers(-(2**31), 2**31 - 1)),
    "decimal": (pa.decimal128(38, 9), *(st.none() | st.decimals(-(10**28), 10**28, places=9),) * 2),
}


@dataclass
class Bound:
    """A transformation of one column to one column."""

    transform: Transform

    @property
    def output_type(self) -> str:
        return self.transform.outputs[0].type

    def column(self, values: pa.ChunkedArray) -> pa.ChunkedArray:
        (found,) = self.transform.columns([values])
        return found

    def value(self, value: object) -> object:
        (found,) = self.transform.values([value])
        return found


def fit(spec: TransformationSpec, column: pa.ChunkedArray) -> FittedStatistics:
    return builtin.fit(spec, [column])


def bind(spec: TransformationSpec, fitted: FittedStatistics) -> Bound:
    return Bound(builtin.bind(spec, (Field(name="x", type="double"),), fitted))


def chunked(values: list[Any], type_: pa.DataType | None = None, *, cut: int = 0) -> pa.ChunkedArray:
    array = pa.array(values, type_)
    return pa.chunked_array([array.slice(0, cut), array.slice(cut)], array.type)


def bits(value: object) -> object:
    """Return a float as its bits, every NaN as one."""
    if not isinstance(value, float):
        return value
    return "nan" if math.isnan(value) else struct.pack("<d", value)


def values_of(fitted: FittedStatistics) -> dict[str, object]:
    return {name: value.to_python() for name, value in fitted.values.items()}


@pytest.mark.parametrize("scaler", NUMBER_KINDS)
@pytest.mark.parametrize("kind", NUMBERS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_value_is_transformed_to_the_same_bits_alone_and_in_a_column(
    scaler: Any, kind: str, data: st.DataObject
) -> None:
    type_, to_fit, to_scale = NUMBERS[kind]
    train = [*data.draw(st.lists(to_fit, max_size=6)), data.draw(to_fit.filter(_is_finite))]
    numbers = data.draw(st.lists(to_scale, max_size=6))
    transform = bind(scaler("x"), fit(scaler("x"), chunked(train, type_)))
    column = transform.column(chunked(numbers, type_, cut=2))
    assert column.type == to_arrow(parse_type(transform.output_type))
    assert [bits(value) for value in column.to_pylist()] == [
        bits(transform.value(number)) for number in numbers
    ]
    assert transform.output_type == ("bigint" if "binner" in scaler.__name__ else "double")


def _is_finite(number: Any) -> bool:
    return number is not None and math.isfinite(number)


@pytest.mark.parametrize("scaler", FITTED)
@settings(max_examples=60, deadline=None)
@given(numbers=st.lists(FITTABLE, min_size=1, max_size=30), seed=st.integers(), cut=st.integers(0, 30))
def test_a_fit_depends_neither_on_order_nor_on_chunks(
    scaler: Any, numbers: list[float], seed: int, cut: int
) -> None:
    shuffled = random.Random(seed).sample(numbers, len(numbers))
    spec = scaler("x")
    assert to_json(fit(spec, chunked(numbers))) == to_json(fit(spec, chunked(shuffled, cut=cut)))


@given(numbers=st.lists(st.integers(-(10**6), 10**6), min_size=2, max_size=30))
def test_mean_and_sample_standard_deviation(numbers: list[int]) -> None:
    found = values_of(fit(standard_scaler("x"), chunked(numbers)))
    assert found["mean"] == pytest.approx(statistics.mean(numbers), rel=1e-15)
    assert found["std"] == pytest.approx(statistics.stdev(numbers), rel=1e-12, abs=1e-9)


def test_a_fit_survives_json_with_all_its_bits() -> None:
    fitted = fit(standard_scaler("x"), chunked([0.1, 0.2, 0.7, 1 / 3]))
    again = from_json(FittedStatistics, to_json(fitted), known=1, what="The statistics")
    assert again == fitted
    assert values_of(again)["mean"] == math.fsum([0.1, 0.2, 0.7, 1 / 3]) / 4


def test_min_max_scaler() -> None:
    transform = bind(min_max_scaler("x"), fit(min_max_scaler("x"), chunked([2, None, 6, 4])))
    assert transform.column(chunked([2, 3, None, 6, 8])).to_pylist() == [0.0, 0.25, None, 1.0, 1.5]


def test_standard_scaler() -> None:
    transform = bind(standard_scaler("x"), fit(standard_scaler("x"), chunked([1.0, 2.0, 3.0])))
    assert transform.column(chunked([1.0, 2.0, None, 4.0])).to_pylist() == [-1.0, 0.0, None, 2.0]


def test_null_nan_and_infinities_are_left_out_of_a_fit() -> None:
    odd = [math.inf, 1.0, math.nan, None, 3.0, -math.inf]
    for kind in FITTED:
        assert fit(kind("x"), chunked(odd)) == fit(kind("x"), chunked([1.0, 3.0]))


@pytest.mark.parametrize("scaler", SCALERS)
@pytest.mark.parametrize("train", [[5.0], [0.1] * 3, [0.1] * 1001, [-0.0, 0.0]])
def test_a_constant_becomes_zero_and_leaves_nan_and_infinities(scaler: Any, train: list[float]) -> None:
    transform = bind(scaler("x"), fit(scaler("x"), chunked(train)))
    numbers = [train[0], -7.5, None, math.nan, math.inf, -math.inf]
    expected = [bits(x) for x in (0.0, 0.0, None, math.nan, math.inf, -math.inf)]
    assert [bits(x) for x in transform.column(chunked(numbers)).to_pylist()] == expected
    assert [bits(transform.value(x)) for x in numbers] == expected


@pytest.mark.parametrize("scaler", SCALERS)
def test_nan_and_infinities_stay_what_they_are(scaler: Any) -> None:
    transform = bind(scaler("x"), fit(scaler("x"), chunked([1.0, 3.0])))
    assert [bits(transform.value(x)) for x in (math.nan, math.inf, -math.inf)] == [
        bits(x) for x in (math.nan, math.inf, -math.inf)
    ]


@pytest.mark.parametrize(
    ("type_", "train", "labels", "expected"),
    [
        (
            pa.string(),
            ["b", "a", None, "é", "b", "Z"],
            ["Z", "a", "b", "é", "", None],
            [0, 1, 2, 3, -1, None],
        ),
        (pa.large_string(), ["b", "a"], ["b", "c"], [1, -1]),
        (pa.dictionary(pa.int8(), pa.string()), ["b", "a", None], ["a", None, "c"], [0, None, -1]),
        (pa.int64(), [30, 4, 30, -2], [-2, 4, 30, 31, None], [0, 1, 2, -1, None]),
        (pa.int32(), [2, 1], [1, 2, 3], [0, 1, -1]),
        (pa.bool_(), [True, None, False], [False, True, None], [0, 1, None]),
    ],
)
def test_label_encoder(type_: pa.DataType, train: list[Any], labels: list[Any], expected: list[Any]) -> None:
    spec = label_encoder("x")
    fitted = fit(spec, chunked(train, type_, cut=1))
    assert fitted == fit(spec, chunked(train[::-1], type_))
    transform = bind(spec, from_json(FittedStatistics, to_json(fitted), known=1, what="The statistics"))
    column = transform.column(chunked(labels, type_, cut=1))
    assert column.type == pa.int64()
    assert column.to_pylist() == [transform.value(label) for label in labels] == expected
    assert transform.output_type == "bigint"


@given(train=st.lists(st.text(), min_size=1), labels=st.lists(st.none() | st.text()))
def test_labels_are_encoded_alike_alone_and_in_a_column(train: list[str], labels: list[str | None]) -> None:
    transform = bind(label_encoder("x"), fit(label_encoder("x"), chunked(train, pa.string())))
    column = transform.column(chunked(labels + train, pa.string()))
    assert column.to_pylist() == [transform.value(label) for label in labels + train]


@pytest.mark.parametrize(
    ("spec", "train"),
    [
        (min_max_scaler("temp"), pa.chunked_array([], pa.float64())),
        (standard_scaler("temp"), chunked([None, math.nan, math.inf], pa.float64())),
        (label_encoder("temp"), chunked([None], pa.string())),
    ],
)
def test_a_train_split_without_values_is_refused(spec: TransformationSpec, train: pa.ChunkedArray) -> None:
    with pytest.raises(
        TrainingDatasetError, match=r"'temp': none of the \d rows of the train split .* Give the train"
    ):
        fit(spec, train)


@pytest.mark.parametrize("scaler", SCALERS)
def test_values_whose_squares_overflow_are_refused_in_any_order(scaler: Any) -> None:
    for train in ([1e308, 1e308, -1e308, -1e308], [1e308, -1e308, 1e308, -1e308]):
        with pytest.raises(TrainingDatasetError, match=r"'x': it has a value of size 1e\+308"):
            fit(scaler("x"), chunked(train))


@pytest.mark.parametrize(
    ("spec", "fine", "refused"),
    [
        (
            min_max_scaler("x"),
            ["int", "bigint", "float", "double", "decimal(5,2)"],
            ["string", "boolean", "timestamp"],
        ),
        (standard_scaler("x"), ["int", "double"], ["date", "array<double>"]),
        (label_encoder("x"), ["string", "bigint", "int", "boolean"], ["double", "binary", "date"]),
    ],
)
def test_types_that_transformations_take(
    spec: TransformationSpec, fine: list[str], refused: list[str]
) -> None:
    for type_ in fine:
        declare(spec, (Field(name="x", type=type_),))
    for type_ in refused:
        with pytest.raises(
            TrainingDatasetError, match=f"{spec.name} cannot transform 'x', which is {type_}: it takes"
        ):
            declare(spec, (Field(name="x", type=type_),))


def test_unknown_kinds_and_foreign_statistics_are_refused() -> None:
    with pytest.raises(
        TrainingDatasetError,
        match=r"'log_odds'\. There are: equal_width_binner, impute_constant, impute_mean",
    ):
        source_hash("log_odds")
    fitted = fit(min_max_scaler("x"), chunked([1, 2]))
    with pytest.raises(TrainingDatasetError, match="fitted for min_max_scaler of 'x'"):
        bind(standard_scaler("x"), fitted)


def test_specs_carry_the_hash_of_their_kernel() -> None:
    for constructor in (
        *NUMBER_KINDS,
        label_encoder,
        one_hot_encoder,
        top_k_categorical,
        impute_mode,
        l2_norm,
    ):
        spec = constructor("temp")
        assert spec.features == ("temp",)
        assert spec.source_hash == source_hash(spec.name)
        assert len(spec.source_hash) == 64


def test_decimals_are_scaled_as_python_rounds_them() -> None:
    numbers = [Decimal("0.1"), Decimal("12345678901234567.89"), None]
    transform = bind(
        min_max_scaler("x"), fit(min_max_scaler("x"), chunked([Decimal("0.00"), Decimal("1.00")]))
    )
    assert transform.column(chunked(numbers, pa.decimal128(19, 2))).to_pylist() == [
        0.1,
        float(numbers[1] or 0),
        None,
    ]


def test_large_integers_round_alike_in_numpy_and_python() -> None:
    numbers = [2**53 + 1, 2**53 + 3, 2**63 - 1, -(2**63), -(2**62) - 257]
    assert np.array(numbers).astype(np.float64).tolist() == [float(number) for number in numbers]


def transformed(
    spec: TransformationSpec, train: list[Any], type_: pa.DataType, values: list[Any]
) -> list[Any]:
    """Return values transformed as a column, after a check that each alone gives the same."""
    arguments = (Field(name="x", type=str(from_arrow(type_, column="x"))),)
    found = builtin.bind(spec, arguments, builtin.fit(spec, [chunked(train, type_, cut=1)]))
    columns = found.columns([chunked(values, type_, cut=1)])
    assert [field.name for field in found.outputs] == list(dict.fromkeys(f.name for f in found.outputs))
    rows = [list(row) for row in zip(*(column.to_pylist() for column in columns), strict=True)]
    assert [[bits(v) for v in row] for row in rows] == [[bits(v) for v in found.values([x])] for x in values]
    for column, field in zip(columns, found.outputs, strict=True):
        assert column.type == to_arrow(parse_type(field.type))
    return [row[0] for row in rows] if len(columns) == 1 else rows


DOUBLE, LONG, TEXT = pa.float64(), pa.int64(), pa.string()


def test_robust_scaler() -> None:
    assert transformed(robust_scaler("x"), [1.0, 2.0, 3.0, 4.0, 100.0], DOUBLE, [3.0, 5.0, None]) == [
        0.0,
        1.0,
        None,
    ]


def test_log_has_no_value_at_zero_and_below() -> None:
    found = transformed(log("x"), [], DOUBLE, [1.0, math.e, math.inf, None])
    assert found == [0.0, 1.0, math.inf, None]
    assert [bits(x) for x in transformed(log("x"), [], DOUBLE, [0.0, -0.0, -1.0, math.nan, -math.inf])] == [
        "nan"
    ] * 5


def test_winsorize_clips_to_percentiles() -> None:
    train = [float(x) for x in range(101)]
    assert transformed(winsorize("x"), train, DOUBLE, [-5.0, 50.5, 100.0, None]) == [1.0, 50.5, 99.0, None]
    wide = winsorize("x", p_low=0.5, p_high=100)
    assert transformed(wide, train, DOUBLE, [-5.0, 200.0, math.inf]) == [0.5, 100.0, 100.0]


def test_bins_of_equal_width() -> None:
    found = transformed(
        equal_width_binner("x"), [0.0, 10.0], DOUBLE, [-3.0, 0.0, 1.0, 9.9, 10.0, 99.0, None, math.nan]
    )
    assert found == [0, 0, 1, 9, 9, 9, None, None]
    assert transformed(equal_width_binner("x", n_bins=2), [5.0, 5.0], DOUBLE, [4.0, 5.0]) == [0, 1]


def test_bins_of_equal_shares() -> None:
    train = [float(x) for x in range(1, 101)]
    assert transformed(quantile_binner("x"), train, DOUBLE, [1.0, 25.0, 26.0, 60.0, 100.0]) == [0, 0, 1, 2, 3]


def test_ranks_are_shares_of_the_percentiles() -> None:
    train = [float(x) for x in range(101)]
    found = transformed(rank_normalizer("x"), train, DOUBLE, [-1.0, 0.0, 50.0, 100.0, math.inf, None])
    assert found == [0.0, 1 / 101, 51 / 101, 1.0, 1.0, None]


@given(
    numbers=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40),
    percent=st.sampled_from([0, 0.5, 1, 25, 50, 75, 99, 100]),
)
def test_percentiles_are_those_of_numpy(numbers: list[float], percent: float) -> None:
    (found,) = percentiles([np.array(numbers[:3]), np.array(numbers[3:])], [percent])
    assert found == pytest.approx(np.percentile(numbers, percent), rel=1e-12, abs=1e-9)


def test_a_column_for_each_category() -> None:
    found = transformed(one_hot_encoder("x"), ["b", "a", None, "b"], TEXT, ["a", "b", "c", None])
    assert found == [[True, False], [False, True], [False, False], [False, False]]
    spec = one_hot_encoder("x")
    for type_, train, names in [
        (pa.bool_(), [True, False], ["x_false", "x_true"]),
        (LONG, [10, -2], ["x_-2", "x_10"]),
        (TEXT, ["", "x y"], ["x_", "x_x y"]),
    ]:
        bound = builtin.bind(spec, (Field(name="x", type="string"),), fit(spec, chunked(train, type_)))
        assert [field.name for field in bound.outputs] == names
    with pytest.raises(TrainingDatasetError, match=r"would make 1,001 columns.*top_k_categorical"):
        fit(spec, chunked([str(n) for n in range(1001)], TEXT))


def test_the_most_frequent_categories() -> None:
    train = ["b", "b", "c", "a", "c", None, "d"]
    assert transformed(top_k_categorical("x", k=3), train, TEXT, ["a", "b", "c", "d", "?", None]) == [
        *("a", "b", "c", "Other", "Other"),
        None,
    ]
    assert transformed(top_k_categorical("x", k=1, other=""), train, TEXT, ["a", "b"]) == ["", "b"]


def test_what_is_missing_is_filled() -> None:
    odd = [None, math.nan, 7.0]
    assert transformed(impute_mean("x"), [1.0, None, 5.0, math.nan], DOUBLE, odd) == [3.0, 3.0, 7.0]
    assert transformed(impute_median("x"), [1, 2, 9, None], LONG, [None, 4]) == [2.0, 4.0]
    assert transformed(impute_mode("x"), [2.0, 1.0, math.nan, None, None], DOUBLE, odd) == [1.0, 1.0, 7.0]
    assert transformed(impute_mode("x"), ["b", "a", "b"], TEXT, [None, "z"]) == ["b", "z"]
    assert transformed(impute_mode("x"), [True, None], pa.bool_(), [None, False]) == [True, False]
    assert transformed(impute_constant("x", 0), [], DOUBLE, odd) == [0.0, 0.0, 7.0]
    assert transformed(impute_constant("x", 0.1), [], pa.float32(), [None, 7.0]) == [
        float(np.float32(0.1)),
        7.0,
    ]
    assert transformed(impute_constant("x", "?"), [], TEXT, [None, "a"]) == ["?", "a"]
    assert transformed(impute_constant("x", 3.0), [], LONG, [None, 4]) == [3, 4]


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        ("a", "double"),
        (1, "string"),
        (1.5, "bigint"),
        (2**31, "int"),
        (1e39, "float"),
        (1, "boolean"),
        (True, "double"),
    ],
)
def test_a_constant_of_another_type_is_refused(value: Any, type_: str) -> None:
    with pytest.raises(TrainingDatasetError, match=f"cannot fill 'x', which is {type_}, with"):
        declare(impute_constant("x", value), (Field(name="x", type=type_),))


@settings(max_examples=80, deadline=None)
@given(
    rows=st.lists(st.none() | st.lists(st.none() | st.floats(width=32), max_size=4), max_size=6),
    type_=st.sampled_from([pa.list_(pa.float64()), pa.list_(pa.float32()), pa.large_list(pa.float64())]),
)
def test_arrays_are_normalized_alike_alone_and_in_a_column(rows: list[Any], type_: pa.DataType) -> None:
    bound = builtin.bind(
        l2_norm("x"), (Field(name="x", type="array<double>"),), fit(l2_norm("x"), chunked([]))
    )
    (column,) = bound.columns([chunked(rows, type_, cut=2)])
    alone = [bound.values([row])[0] for row in rows]
    assert repr(column.to_pylist()) == repr(alone)
    assert column.type == pa.list_(pa.field("item", pa.float64()))


def test_an_array_gets_the_length_one() -> None:
    fixed = pa.list_(pa.float64(), 2)
    bound = builtin.bind(
        l2_norm("x"), (Field(name="x", type="array<double>"),), fit(l2_norm("x"), chunked([]))
    )
    (column,) = bound.columns([chunked([[3.0, 4.0], None, [0.0, 0.0]], fixed, cut=1)])
    assert column.to_pylist() == [[0.6, 0.8], None, [0.0, 0.0]]
    with pytest.raises(TrainingDatasetError, match=r"takes array<double>"):
        declare(l2_norm("x"), (Field(name="x", type="array<string>"),))


@pytest.mark.parametrize(
    "make",
    [
        lambda: winsorize("x", p_low=60, p_high=40),
        lambda: winsorize("x", p_low=-1),
        lambda: winsorize("x", p_high="99"),  # type: ignore[arg-type]
        lambda: equal_width_binner("x", n_bins=1),
        lambda: quantile_binner("x", n_bins=2.5),  # type: ignore[arg-type]
        lambda: top_k_categorical("x", k=0),
        lambda: top_k_categorical("x", k=True),
        lambda: top_k_categorical("x", other=None),  # type: ignore[arg-type]
        lambda: impute_constant("x", None),  # type: ignore[arg-type]
        lambda: impute_constant("x", math.nan),
        lambda: impute_mean(["x"]),  # type: ignore[arg-type]
    ],
)
def test_parameters_that_cannot_be_are_refused(make: Any) -> None:
    with pytest.raises(TrainingDatasetError):
        make()
