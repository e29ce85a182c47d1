"""What every file format of training data does: what it writes it reads back, to the same content hash.

A format that cannot keep a type refuses it in `check`, before anything is written.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hopyard.compute.hashing import ContentHasher
from hopyard.errors import TrainingDatasetError
from hopyard.model.arrow import to_arrow_schema
from hopyard.model.manifest import ContentHash
from hopyard.model.schema import Field, Schema
from hopyard.retrieve.formats import get_format

FORMATS = ("arrow", "csv", "parquet")
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32),
    "double": st.floats(),
    "string": st.text(max_size=6)
    | st.sampled_from(["", "007", "NaN", "null", "1e5", "a,b", 'a"b', "a\nb", "true"]),
    "decimal(12,3)": st.decimals(-(10**8), 10**8, places=3, allow_nan=False),
    "decimal(38,38)": st.decimals(Decimal("-0.99"), Decimal("0.99"), places=38, allow_nan=False),
    "timestamp": st.datetimes(timezones=st.just(UTC)),
    "date": st.dates(),
}
NESTED: dict[str, st.SearchStrategy[Any]] = {
    "binary": st.binary(max_size=6),
    "array<double>[2]": st.lists(st.none() | st.floats(), min_size=2, max_size=2),
    "array<string>": st.lists(st.none() | st.text(max_size=3), max_size=3),
    "struct<a:bigint,b:array<date>>": st.fixed_dictionaries(
        {"a": st.none() | st.integers(-5, 5), "b": st.none() | st.lists(st.dates(), max_size=2)}
    ),
}
KEPT = {"arrow": SCALARS | NESTED, "csv": SCALARS, "parquet": SCALARS | NESTED}


def content(schema: Schema, table: pa.Table) -> ContentHash:
    hasher = ContentHasher(schema)
    hasher.update(table)
    return hasher.result()


def table_of(types: Sequence[str], rows: Sequence[Sequence[Any]]) -> tuple[Schema, pa.Table]:
    schema = tuple(Field(name=f"column_{place}", type=type_) for place, type_ in enumerate(types))
    arrow = to_arrow_schema(schema)
    columns = [pa.array([row[place] for row in rows], field.type) for place, field in enumerate(arrow)]
    return schema, pa.table(columns, schema=arrow)


def assert_kept(data_format: str, folder: Path, schema: Schema, table: pa.Table) -> None:
    format_ = get_format(data_format)
    format_.check(schema)
    writer = format_.open(folder, to_arrow_schema(schema))
    writer.write(table)
    files = writer.close()
    assert files and all(path.is_file() and path.parent == folder for path in files)
    found = format_.read(files, schema)
    assert found.schema.equals(to_arrow_schema(schema))
    assert content(schema, found) == content(schema, table)
    parts = list(format_.batches(files, schema))
    assert all(part.schema.equals(found.schema) for part in parts)
    assert content(schema, pa.concat_tables([found.schema.empty_table(), *parts])) == content(schema, table)


@pytest.mark.parametrize("data_format", FORMATS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(data=st.data())
def test_any_rows_are_read_back_to_the_same_content(
    data_format: str, tmp_path: Path, data: st.DataObject
) -> None:
    kept = KEPT[data_format]
    types = data.draw(st.lists(st.sampled_from(sorted(kept)), min_size=1, max_size=4))
    rows = data.draw(st.lists(st.tuples(*(st.none() | kept[type_] for type_ in types)), max_size=6))
    assert_kept(data_format, tmp_path, *table_of(types, rows))


EDGES: dict[str, list[Any]] = {
    "boolean": [True, False, None],
    "bigint": [-(2**63), 2**63 - 1, 0, None],
    "float": [-0.0, 0.0, math.nan, math.inf, -math.inf, 2.0**-149, 1 / 3, None],
    "double": [-0.0, 0.0, math.nan, math.inf, -math.inf, 5e-324, 0.1, 1e22, 1.7976931348623157e308, None],
    "string": [
        None,
        "",
        " ",
        " a ",
        "NULL",
        "null",
        "nan",
        "N/A",
        "007",
        "1.0",
        "true",
        "2024-01-01",
        "\\N",
        "#",
    ],
    "decimal(38,0)": [Decimal(10**38 - 1), Decimal(-(10**38) + 1), Decimal(0), None],
    "timestamp": [
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2024, 3, 31, 1, 30, tzinfo=UTC),
        None,
    ],
    "date": [date(1, 1, 1), date(1969, 12, 31), date(9999, 12, 31), None],
}


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("type_", EDGES)
def test_values_at_the_edges_are_kept(data_format: str, tmp_path: Path, type_: str) -> None:
    assert_kept(data_format, tmp_path, *table_of([type_], [[value] for value in EDGES[type_]]))


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize(
    "text",
    [
        "a,b",
        'say "yes"',
        '"',
        '""',
        "a\nb",
        "a\r\nb",
        "a\rb",
        "\n",
        "\r",
        "tab\t",
        "\ufeffbom",
        "\x00",
        "\U0001d11e",
        "é",
    ],
)
def test_text_that_is_special_in_csv_is_kept(data_format: str, tmp_path: Path, text: str) -> None:
    rows = [[text, 1], ["plain", 2], [None, 3], ["", None], [text + text, 4]]
    assert_kept(data_format, tmp_path, *table_of(["string", "bigint"], rows))


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("type_", SCALARS)
def test_no_rows_and_rows_of_nulls_keep_their_types(data_format: str, tmp_path: Path, type_: str) -> None:
    for name, rows in {"none": [], "one_null": [[None]], "nulls": [[None]] * 3}.items():
        (tmp_path / name).mkdir()
        assert_kept(data_format, tmp_path / name, *table_of([type_], rows))


@pytest.mark.parametrize("data_format", FORMATS)
def test_a_table_of_many_batches_keeps_its_order(data_format: str, tmp_path: Path) -> None:
    n_rows = 200_000  # more than a block of either format
    schema, _ = table_of(["bigint", "string"], [])
    numbers = pa.array(range(n_rows), pa.int64())
    texts = pa.array([f'{n}, "quoted"\nline' if n % 3 else None for n in range(n_rows)])
    whole = pa.table([numbers, texts], schema=to_arrow_schema(schema))
    pieces = pa.concat_tables([whole.slice(0, 77_777), whole.slice(77_777)])
    assert_kept(data_format, tmp_path, schema, pieces)


@pytest.mark.parametrize("type_", [*NESTED, "array<array<int>>"])
def test_csv_refuses_what_it_cannot_keep_and_says_what_does(type_: str) -> None:
    schema = (Field(name="fine", type="bigint"), Field(name="odd", type=type_))
    with pytest.raises(TrainingDatasetError, match="'odd'.*parquet"):
        get_format("csv").check(schema)
    get_format("parquet").check(schema)


def test_an_unknown_format_names_the_known_ones() -> None:
    with pytest.raises(TrainingDatasetError, match="csv, parquet"):
        get_format("xlsx")


@pytest.mark.parametrize("data_format", FORMATS)
def test_how_rows_are_cut_into_calls_changes_no_byte(data_format: str, tmp_path: Path) -> None:
    schema, table = table_of(["bigint", "string"], [[n, str(n) * (n % 7)] for n in range(130_000)])
    written = []
    for number, cuts in enumerate([[], [1, 122_880], [50_000, 50_000, 122_879, 129_999]]):
        (tmp_path / str(number)).mkdir()
        writer = get_format(data_format).open(tmp_path / str(number), to_arrow_schema(schema))
        for start, end in pairwise([0, *cuts, table.num_rows]):
            writer.write(table.slice(start, end - start))
        written.append([path.read_bytes() for path in writer.close()])
    assert written[0] == written[1] == written[2]
