"""Each statistic against numpy, scipy or a count in Python, on values that are hard: no store, only rows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from sqlglot import exp

import hopyard.compute.written
from hopyard.compute.association import clusters, correlations
from hopyard.compute.fixed_point import root, to_float
from hopyard.compute.percentiles import percentiles
from hopyard.compute.profile import Rows, profile
from hopyard.compute.written import written
from hopyard.engines.duckdb import DuckDBEngine
from hopyard.errors import ConfigError, NotFoundError
from hopyard.model.arrow import schema_from_arrow
from hopyard.model.codec import from_json, to_json
from hopyard.model.statistics import ColumnStatistics, Statistics, StatisticsConfig, config_of
from hopyard.time import from_micros

EXACT = StatisticsConfig(exact_uniqueness=True)
LIMITS = [2**63 - 1, -(2**63), 0, 1, -1, 2**53 + 1]


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckDBEngine]:
    engine = DuckDBEngine(n_threads=2)
    yield engine
    engine.close()


def rows_of(
    engine: DuckDBEngine, table: pa.Table, identity: Sequence[str] = (), percentile_rows: int = 1_000_000
) -> Rows:
    return Rows(
        source=lambda: exp.to_table("given"),
        schema=schema_from_arrow(table.schema),
        n_rows=table.num_rows,
        identity=identity,
        percentile_rows=percentile_rows,
        collect=engine.collect,
        run=engine.run,
        frames={"given": table},
    )


def describe(
    engine: DuckDBEngine, values: Any, type_: pa.DataType | None = None, config: StatisticsConfig = EXACT
) -> ColumnStatistics:
    table = pa.table({"x": pa.array(values, type_)})
    return profile(rows_of(engine, table), config)[0]


def check_numbers(found: ColumnStatistics, values: Sequence[float | None]) -> None:
    """Compare what is known of doubles with numpy's and Python's answers."""
    known = np.array([value for value in values if value is not None and not math.isnan(value)])
    assert found.count == len(values)
    assert found.n_nulls == sum(value is None for value in values)
    assert found.n_nans == sum(value is not None and math.isnan(value) for value in values)
    assert found.n_infinities == int(np.isinf(known).sum())
    assert found.n_values == len(known)
    counts = Counter(known.tolist())
    assert found.n_distinct == len(counts)
    assert found.n_once == sum(n == 1 for n in counts.values())
    if not len(known):
        assert (found.min, found.max, found.sum, found.mean, found.std_dev) == (None,) * 5
        assert found.percentiles == [] and found.bins == () and found.entropy is None
        return
    assert (found.min, found.max) == (known.min(), known.max())
    assert found.entropy == pytest.approx(scipy_stats.entropy(list(counts.values())), abs=1e-12)
    if np.isinf(known).any():
        with np.errstate(invalid="ignore"):
            assert found.sum == pytest.approx(float(known.sum()), nan_ok=True)
            assert found.mean == pytest.approx(float(known.mean()), nan_ok=True)
        if len(known) > 1:
            assert math.isnan(found.std_dev)
    else:
        exact = sum(map(Fraction, known.tolist()), Fraction(0))
        assert found.sum == pytest.approx(
            to_float(exact), rel=1e-15, abs=len(known) * 2**-89 * max(abs(known))
        )
        mean = exact / len(known)
        assert found.mean == pytest.approx(to_float(mean), rel=1e-15, abs=2**-89 * max(abs(known)))
        if len(known) > 1:
            squares = sum(((Fraction(value) - mean) ** 2 for value in known.tolist()), Fraction(0))
            std = root(squares / (len(known) - 1))
            # The distance from the mean is a float of values that have 53 bits themselves.
            assert found.std_dev == pytest.approx(std, rel=1e-9, abs=max(abs(known)) * 2e-16)
            assert found.percentiles[0] == known.min() and found.percentiles[100] == known.max()
    finite = known[np.isfinite(known)]
    assert sum(bin_.count for bin_ in found.bins) == len(finite)


numbers = st.one_of(
    st.none(),
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(min_value=-1e6, max_value=1e6),
    st.sampled_from([0.0, -0.0, 5e-324, -5e-324, 1.7976931348623157e308, -1.7976931348623157e308, 1.0]),
)


@settings(max_examples=60)
@given(values=st.lists(numbers, max_size=40))
def test_doubles_of_any_kind(engine: DuckDBEngine, values: list[float | None]) -> None:
    check_numbers(describe(engine, values, pa.float64()), values)


@pytest.mark.parametrize(
    "values",
    [
        [],
        [None],
        [None, None, None],
        [math.nan],
        [math.nan, None],
        [math.inf, -math.inf, 1.0],
        [math.inf],
        [-math.inf, -math.inf],
        [7.25],
        [7.25] * 50,
        [0.0, -0.0],
        [1.7976931348623157e308] * 3,
        [1.7976931348623157e308, -1.7976931348623157e308],
        [5e-324, 1e-323, 0.0],
        [1e16, 1.0, -1e16],
        [1e15 + k / 8 for k in range(20)],
    ],
)
def test_doubles_at_the_edges(engine: DuckDBEngine, values: list[float | None]) -> None:
    check_numbers(describe(engine, values, pa.float64()), values)


@settings(max_examples=40)
@given(
    values=st.lists(
        st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.sampled_from(LIMITS)), max_size=40
    )
)
def test_whole_numbers_of_any_size(engine: DuckDBEngine, values: list[int | None]) -> None:
    found = describe(engine, values, pa.int64())
    known = [value for value in values if value is not None]
    assert (found.count, found.n_nulls) == (len(values), len(values) - len(known))
    assert found.n_distinct == len(set(known))
    if known:
        assert (found.min, found.max, found.sum) == (min(known), max(known), sum(known))
        assert found.mean == float(Fraction(sum(known), len(known)))
        assert found.percentiles[0] == min(known) and found.percentiles[100] == max(known)
        assert sum(bin_.count for bin_ in found.bins) == len(known)
    if len(known) > 1:
        mean = Fraction(sum(known), len(known))
        variance = sum(((value - mean) ** 2 for value in known), Fraction(0)) / (len(known) - 1)
        assert found.std_dev == pytest.approx(root(variance), rel=1e-12)


def test_half_of_a_column_is_null(engine: DuckDBEngine) -> None:
    found = describe(engine, [1.0, None, 3.0, None], pa.float64())
    assert (found.count, found.n_nulls, found.completeness) == (4, 2, 0.5)
    assert (found.n_values, found.mean) == (2, 2.0)


@pytest.mark.parametrize("size", [1, 2, 3, 100, 1_001])
def test_percentiles_are_numpys(size: int) -> None:
    random = np.random.default_rng(size)
    values = random.normal(size=size) * 1e3
    found = percentiles(pa.chunked_array([pa.array(values)]))
    assert found == pytest.approx(np.percentile(values, range(101)).tolist(), rel=1e-13)


def test_all_hundred_and_one_percentiles_are_filled(engine: DuckDBEngine) -> None:
    found = describe(engine, list(range(1, 102)))
    assert found.percentiles == list(range(1, 102))


@pytest.mark.parametrize("bins", [1, 7, 20, 100])
def test_histograms_are_numpys(engine: DuckDBEngine, bins: int) -> None:
    values = np.random.default_rng(bins).integers(0, 50, 2_000) / 4
    found = describe(engine, values, config=StatisticsConfig(histogram_bins=bins))
    counts, edges = np.histogram(values, bins=bins)
    assert [bin_.start for bin_ in found.bins] == pytest.approx(edges[:-1].tolist())
    # A value on an edge belongs to the bin that begins there, by the very edges that are given.
    own = [bin_.start for bin_ in found.bins] + [found.bins[-1].end]
    assert [bin_.count for bin_ in found.bins] == np.histogram(values, bins=own)[0].tolist()
    assert sum(bin_.count for bin_ in found.bins) == counts.sum()


def test_instants_before_1970_are_shown_as_instants(engine: DuckDBEngine) -> None:
    start = datetime(1912, 4, 14, 23, 40, tzinfo=UTC)
    values = [start + timedelta(days=k, microseconds=k) for k in range(21)]
    found = describe(engine, [*values, None], pa.timestamp("us", "UTC"))
    assert (found.min, found.max) == (values[0], values[-1])
    assert found.mean == values[10]
    assert found.percentiles[50] == values[10]
    assert found.std_dev == pytest.approx(np.std(np.arange(21) * (86400 + 1e-6), ddof=1))
    assert found.sum is None
    assert (found.bins[0].start, found.bins[-1].end) == (values[0], values[-1])
    assert sum(bin_.count for bin_ in found.bins) == 21


def test_infinite_instants_are_counted_apart(engine: DuckDBEngine) -> None:
    us = pa.timestamp("us", "UTC")
    ends = [2**63 - 1, -(2**63) + 1]
    found = describe(engine, [*ends, 0, 10, None], us)
    assert (found.n_infinities, found.n_values, found.n_nulls, found.n_distinct) == (2, 4, 1, 4)
    assert (found.min, found.max) == (datetime(1970, 1, 1, tzinfo=UTC), from_micros(10))
    assert (found.mean, found.std_dev) == (from_micros(5), pytest.approx(50**0.5 / 1e6))
    assert sum(bin_.count for bin_ in found.bins) == 2 and found.percentiles[100] == from_micros(10)
    alone = describe(engine, ends, us)
    assert (alone.n_infinities, alone.min, alone.mean, alone.std_dev) == (2, None, None, None)
    assert alone.percentiles == [] and alone.bins == ()


def test_dates_before_1970(engine: DuckDBEngine) -> None:
    days = [date(1899, 12, 31) + timedelta(days=k) for k in range(5)]
    found = describe(engine, days, pa.date32())
    assert (found.min, found.max) == (days[0], days[-1])
    assert found.mean == datetime(1900, 1, 2, tzinfo=UTC)
    assert found.std_dev == pytest.approx(np.std(range(5), ddof=1) * 86400)


def test_strings(engine: DuckDBEngine) -> None:
    values = ["b"] * 3 + ["a"] * 3 + ["", "𝄞", None, "ä"]
    found = describe(engine, values)
    assert (found.count, found.n_nulls, found.n_distinct, found.n_once) == (10, 1, 5, 3)
    assert (found.min, found.max) == ("", "𝄞")
    assert [(item.value, item.count) for item in found.frequent] == [
        *(("a", 3), ("b", 3)),
        *(("", 1), ("ä", 1), ("𝄞", 1)),
    ]
    assert found.mean is None and found.bins == () and found.percentiles == []


def test_only_the_most_frequent_strings_are_listed(engine: DuckDBEngine) -> None:
    values = [f"v{k:03d}" for k in range(100) for _ in range(k + 1)]
    found = describe(engine, values, config=StatisticsConfig(histogram_bins=3))
    assert [(item.value, item.count) for item in found.frequent] == [
        ("v099", 100),
        ("v098", 99),
        ("v097", 98),
    ]


def test_booleans_decimals_and_nested_values(engine: DuckDBEngine) -> None:
    boolean = describe(engine, [True, False, True, None])
    assert [(item.value, item.count) for item in boolean.frequent] == [(True, 2), (False, 1)]
    price = describe(engine, [Decimal("0.10"), Decimal("0.20"), None], pa.decimal128(20, 2))
    assert (price.min, price.max) == (Decimal("0.10"), Decimal("0.20"))
    assert price.mean == pytest.approx(0.15)
    nested = describe(engine, [[1.0], None, [2.0, 3.0]])
    assert (nested.count, nested.n_nulls, nested.n_distinct, nested.min) == (3, 1, None, None)
    binary = describe(engine, [b"\x00", b"\xff", b"\x00"])
    assert (binary.n_distinct, binary.min, binary.max) == (2, b"\x00", b"\xff")


def test_floats_of_32_bits_keep_their_values(engine: DuckDBEngine) -> None:
    values = np.array([0.1, 0.2, 0.3], np.float32)
    found = describe(engine, values)
    assert found.min == float(values[0])
    assert found.sum == float(values.astype(np.float64).sum())


def hard_table(n: int) -> pa.Table:
    random = np.random.default_rng(5)
    doubles = random.normal(size=n) * 10.0 ** random.integers(-12, 12, n)
    doubles[::97] = np.nan
    return pa.table(
        {
            "id": np.arange(n),
            "x": pa.array(doubles, mask=random.random(n) < 0.1),
            "i": random.integers(-(2**62), 2**62, n),
            "s": [f"s{k}" for k in random.integers(0, 200, n)],
            "t": pa.array(random.integers(-(2**50), 2**50, n), pa.timestamp("us", "UTC")),
        }
    )


def test_the_order_of_rows_their_files_and_the_threads_do_not_show(tmp_path: Path) -> None:
    """Percentiles are sampled here: the sample is the same, too."""
    n = 20_000
    table = hard_table(n)
    order = np.random.default_rng(1).permutation(n)
    found = []
    for n_threads, rows in ((1, table), (2, table.take(order)), (4, table.take(order[::-1]))):
        engine = DuckDBEngine(n_threads=n_threads)
        parts = pa.concat_tables([rows.slice(k, 777) for k in range(0, n, 777)])
        found.append(profile(rows_of(engine, parts, ("id",), 5_000), EXACT))
        engine.close()
    assert found[0] == found[1] == found[2]
    path = tmp_path / "rows.parquet"
    pq.write_table(table, path, row_group_size=1_000)
    engine = DuckDBEngine()
    read = exp.Table(
        this=exp.ReadParquet(expressions=[exp.Array(expressions=[exp.Literal.string(str(path))])])
    )
    of_file = Rows(
        source=read.copy,
        schema=schema_from_arrow(table.schema),
        n_rows=n,
        identity=("id",),
        percentile_rows=5_000,
        collect=engine.collect,
        run=engine.run,
    )
    assert profile(of_file, EXACT) == found[0]
    engine.close()


def test_sampled_percentiles_and_distinct_values_keep_their_bounds(engine: DuckDBEngine) -> None:
    n = 400_000
    values = np.random.default_rng(3).permutation(n)
    table = pa.table({"x": values, "few": values % 90_000})
    many, few = profile(rows_of(engine, table, percentile_rows=20_000), StatisticsConfig(histograms=False))
    assert few.n_distinct == 90_000 and few.distinct_error == 0
    assert many.distinct_error > 0 and many.n_distinct is not None
    assert abs(many.n_distinct - n) <= many.distinct_error * n
    assert 0 < many.percentiles_error < 0.02
    for percent, value in enumerate(many.percentiles):
        assert abs(value / (n - 1) - percent / 100) <= many.percentiles_error
    assert (many.percentiles[0], many.percentiles[100]) == (0, n - 1)


def test_correlations_are_numpys_over_the_rows_that_have_both(engine: DuckDBEngine) -> None:
    random = np.random.default_rng(8)
    x = random.normal(size=3_000) + 1e7
    y = 0.3 * x + random.normal(size=3_000)
    y[::5] = np.nan
    z = pa.array(random.integers(0, 9, 3_000), mask=random.random(3_000) < 0.3)
    table = pa.table({"x": x, "y": y, "z": z, "c": np.full(3_000, 0.1), "s": ["a"] * 3_000})
    rows = rows_of(engine, table)
    found = correlations(rows, profile(rows, StatisticsConfig()))
    assert found.columns == ("x", "y", "z", "c")
    numbers = {name: table.column(name).to_pandas().to_numpy(np.float64) for name in found.columns[:3]}
    for left, a in numbers.items():
        for right, b in numbers.items():
            both = np.isfinite(a) & np.isfinite(b)
            expected = np.corrcoef(a[both], b[both])[0, 1]
            assert found.between(left, right) == pytest.approx(expected, abs=1e-12)
    assert found.between("x", "c") is None and found.between("c", "c") is None
    with pytest.raises(NotFoundError, match="x, y, z"):
        found.between("x", "s")


def test_clusters_are_found_and_are_the_same_in_any_order(engine: DuckDBEngine) -> None:
    random = np.random.default_rng(2)
    group = random.permutation(np.repeat([0, 1, 2], [600, 300, 100]))
    centres = np.array([[0, 0, 0], [20, 0, 5], [0, 30, -5]])
    values = centres[group] + random.normal(size=(1_000, 3))
    table = pa.table(
        {"id": [f"k{k}" for k in range(1_000)], **{n: values[:, k] for k, n in enumerate("abc")}}
    )
    found = []
    for rows in (table, table.take(random.permutation(1_000))):
        source = rows_of(engine, rows, identity=("id",))
        found.append(clusters(source, profile(source, StatisticsConfig()), 3))
    first, second = found
    assert first is not None and second is not None
    assert first.columns == ("a", "b", "c") and first.sizes == second.sizes == (600, 300, 100)
    assert sum(first.explained) <= 1 and first.explained[0] >= first.explained[1] > 0
    assert np.allclose(first.centres, second.centres)
    assert Counter(point.cluster for point in first.points) == {0: 600, 1: 300, 2: 100}


def test_clusters_need_two_columns_that_vary(engine: DuckDBEngine) -> None:
    table = pa.table({"x": np.arange(100), "c": np.ones(100)})
    rows = rows_of(engine, table)
    assert clusters(rows, profile(rows, StatisticsConfig())) is None


def test_columns_are_chosen_and_many_are_done(engine: DuckDBEngine) -> None:
    table = pa.table({f"f{k}": np.arange(10) + k for k in range(40)})
    found = profile(rows_of(engine, table), StatisticsConfig())
    assert [(column.name, column.min) for column in found] == [(f"f{k}", k) for k in range(40)]
    chosen = profile(rows_of(engine, table), StatisticsConfig(columns=("f7", "f3")))
    assert [column.name for column in chosen] == ["f3", "f7"]


def test_columns_may_be_called_as_they_like(engine: DuckDBEngine) -> None:
    names = ["n", "m", "value", "groups", "counts", "c0_n", "given", "file_index", "hash"]
    table = pa.table({name: [f"{name}{k % 3}" for k in range(10)] for name in names})
    numbers = pa.table({name: [k % (place + 2) for k in range(10)] for place, name in enumerate(names)})
    for column in profile(rows_of(engine, table), EXACT):
        assert column.n_distinct == 3
        assert column.frequent[0].value == f"{column.name}0" and column.frequent[0].count == 4
    for place, column in enumerate(profile(rows_of(engine, numbers), EXACT)):
        assert column.n_distinct == place + 2 and column.max == place + 1
    rows = rows_of(engine, numbers)
    assert correlations(rows, profile(rows, EXACT)).between("n", "value") is not None


@pytest.mark.parametrize("few_rows", [0, 100_000])
def test_what_an_insert_tells_equals_what_the_rows_say(
    engine: DuckDBEngine, monkeypatch: pytest.MonkeyPatch, few_rows: int
) -> None:
    monkeypatch.setattr(hopyard.compute.written, "FEW_ROWS", few_rows)
    table = hard_table(500)
    full = profile(rows_of(engine, table), StatisticsConfig())
    for cheap, whole in zip(written(table, schema_from_arrow(table.schema)), full, strict=True):
        facts = ("name", "type", "count", "n_nulls", "n_nans", "min", "max")
        assert [getattr(cheap, fact) for fact in facts] == [getattr(whole, fact) for fact in facts]


@pytest.mark.parametrize(
    "values",
    [[], [None], [math.nan], [math.nan, None, math.nan], [math.nan, math.inf], [-math.inf, 1.0, math.nan]],
)
def test_an_insert_of_few_values_tells_the_same(engine: DuckDBEngine, values: list[float | None]) -> None:
    table = pa.table({"x": pa.array(values, pa.float64())})
    cheap = written(table, schema_from_arrow(table.schema))[0]
    whole = describe(engine, values, pa.float64())
    assert (cheap.min, cheap.max, cheap.n_nans, cheap.n_nulls) == (
        whole.min,
        whole.max,
        whole.n_nans,
        whole.n_nulls,
    )


def test_statistics_survive_json(engine: DuckDBEngine) -> None:
    columns = profile(rows_of(engine, hard_table(300)), EXACT)
    columns += (describe(engine, [math.inf, 1.0, math.nan], pa.float64()),)
    stored = Statistics(
        scope="group", name="a", version=1, computed_at_us=0, config=EXACT, n_rows=300, columns=columns
    )
    assert from_json(Statistics, to_json(stored), known=1, what="statistics") == stored


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"corelations": True}, "correlations"),
        ({"histogram_bins": 0}, "from 1 to"),
        ({"histogram_bins": "many"}, "histogram_bins"),
        ({"at_insert": "yes"}, "at_insert"),
        (StatisticsConfig(columns=(1,)), "columns"),  # type: ignore[arg-type]
        (3, "must be a StatisticsConfig"),
    ],
)
def test_a_config_that_cannot_be_is_refused_when_it_is_made(given_: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config_of(given_)


def test_a_config_is_what_its_short_forms_mean() -> None:
    assert config_of(False).enabled is False
    assert config_of({"columns": ["a"], "correlations": True}) == StatisticsConfig(
        columns=("a",), correlations=True
    )
