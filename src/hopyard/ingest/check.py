"""Rows of a frame become rows of a group: typed, complete, one per identity; or an error before anything is written."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from hopyard.compute.event_time import event_times_us
from hopyard.compute.ordinals import may_repeat
from hopyard.errors import ConfigError, DuplicateRowsError, HopyardWarning, SchemaMismatchError
from hopyard.ingest.fit import fit
from hopyard.ingest.objects import shown
from hopyard.model.arrow import to_arrow_schema
from hopyard.model.schema import Field
from hopyard.model.specs import FeatureGroupSpec
from hopyard.model.types import FeatureType
from hopyard.time import show

N_EXAMPLES = 3
_NULL_PARTITIONS = ("", "__HIVE_DEFAULT_PARTITION__")
_MAX_FOLDER_NAME = 255
_ROW = "__row"
_NEEDS = {
    "boolean": "It takes true and false only; numbers and text are not turned into booleans.",
    "int": "It takes whole numbers from -2147483648 to 2147483647; text is not turned into numbers.",
    "bigint": "It takes whole numbers of 64 bits; text is not turned into numbers.",
    "float": "It takes numbers that 32 bits hold exactly: round them first, for example with astype('float32'), "
    "or use the type double in a new version.",
    "double": "It takes floats, and whole numbers up to 2^53, which it holds exactly; "
    "text and decimals are not turned into floats.",
    "string": "It takes text only: turn the values into text first.",
    "binary": "It takes bytes only: encode the values first.",
    "timestamp": "It takes timestamps and dates within 292,000 years of 1970: parse text and numbers first.",
    "date": "It takes dates, and timestamps at 00:00 UTC.",
}


@dataclass(frozen=True, slots=True)
class CheckedRows:
    """Rows that can be written as they are.

    Attributes:
        rows: the group's features in its order and stored types; one row per identity, in the order of the frame.
        n_rows_in: how many rows the frame had.
        n_duplicates: how many of them gave way to a later row of the same identity.
        places: where each row was in the frame, from 0; None: where it is in `rows`.
    """

    rows: pa.Table
    n_rows_in: int
    n_duplicates: int
    places: npt.NDArray[np.int64] | None = None


def check_rows(
    spec: FeatureGroupSpec,
    table: pa.Table,
    *,
    now_us: int,
    allow_future: bool = False,
    duplicates: Literal["last", "error"] = "last",
) -> CheckedRows:
    """Return a frame's rows as the group stores them.

    Warns (HopyardWarning) of truncated nanoseconds, and of duplicates: the last row of each identity wins.

    Args:
        table: what `to_arrow_table` returned; columns in any order. Row numbers in messages count its rows from 0.
        now_us: UTC microseconds; an online group refuses rows with a later event time, unless `allow_future`.
        duplicates: "error" refuses two rows of one identity. A group without primary key has no duplicates.
    Raises:
        SchemaMismatchError: missing or extra columns, values that do not fit, a null in a primary key or event time,
            a row dated later than now; names columns, counts and the first offending rows.
        DuplicateRowsError: two rows of one identity, with duplicates="error".
    """
    if duplicates not in ("last", "error"):
        raise ConfigError(f"duplicates={duplicates!r} is unknown: use 'last' or 'error'.")
    _check_columns(spec, table)
    rows = typed(spec, spec.schema, table)
    _check_nulls(spec, rows)
    _check_partitions(spec, rows)
    _check_times(spec, rows, now_us=now_us, allow_future=allow_future)
    is_last = _is_last(rows, spec.identity)
    n_duplicates = rows.num_rows - int(is_last.sum())
    if n_duplicates:
        _report_duplicates(spec, rows, is_last, duplicates)
        rows = rows.filter(pa.array(is_last))
    places = np.flatnonzero(is_last) if n_duplicates else None
    return CheckedRows(rows=rows, n_rows_in=table.num_rows, n_duplicates=n_duplicates, places=places)


def check_keys(spec: FeatureGroupSpec, table: pa.Table) -> pa.Table:
    """Return the keys of rows to remove, typed as stored, in the group's key order, each once.

    Args:
        table: the primary key alone, or the primary key and the event time; nothing else.
    Raises:
        SchemaMismatchError: other columns, values that do not fit, nulls; or the group has no primary key.
    """
    if not spec.primary_key:
        raise SchemaMismatchError(
            f"{spec.label!r} has no primary key, so no row of it can be named for removal. "
            f"Replace its content with insert(..., overwrite=True)."
        )
    given = set(table.column_names)
    names = next((key for key in (spec.primary_key, spec.identity) if set(key) == given), None)
    if names is None and (given or table.num_rows):
        has_more = spec.identity != spec.primary_key
        event_time = f", alone or with the event time {spec.event_time!r}" if has_more else ""
        raise SchemaMismatchError(
            f"Rows of {spec.label!r} are removed by the primary key {_quoted(spec.primary_key)}{event_time}; "
            f"the dataframe has the columns {_quoted(table.column_names)}. Select the key columns and nothing else."
        )
    keys = typed(spec, [spec.feature(name).field for name in names or spec.primary_key], table)
    _check_nulls(spec, keys)
    return keys.filter(pa.array(_is_last(keys, keys.column_names)))


def _check_columns(spec: FeatureGroupSpec, table: pa.Table) -> None:
    if not table.column_names and not table.num_rows:
        return  # no rows at all, such as an empty list
    known = [feature.name for feature in spec.features]
    missing = [name for name in known if name not in table.column_names]
    extra = [name for name in table.column_names if name not in known]
    sentences = []
    if missing:
        columns = ", ".join(f"{name!r} ({spec.feature(name).type})" for name in missing)
        sentences.append(f"It lacks {columns}: give every feature, null where a value is unknown.")
    if extra:
        sentences.append(
            f"It has {', '.join(_with_hint(name, missing) for name in extra)}, which the group does not have: "
            f"drop what is not needed, or add it to the group with append_features()."
        )
    if sentences:
        raise SchemaMismatchError(
            f"The columns do not fit {spec.label!r}. {' '.join(sentences)} Nothing was written."
        )


def _with_hint(name: str, missing: Sequence[str]) -> str:
    close = get_close_matches(name, missing, n=1)
    return f"{name!r} (did you mean {close[0]!r}?)" if close else repr(name)


def typed(spec: FeatureGroupSpec, fields: Sequence[Field], table: pa.Table) -> pa.Table:
    """Return the fields' columns in their stored types. Raises SchemaMismatchError that lists every misfit column."""
    schema = to_arrow_schema(tuple(fields))
    if not table.column_names:
        return schema.empty_table()
    columns, problems, truncated = [], [], []
    for field in fields:
        column = table.column(field.name)
        fitted = fit(column, field.feature_type)
        columns.append(fitted.values)
        if len(fitted.misfits):
            problems.append(
                f"Column {field.name!r} must be {field.type}, and {_count(fitted.misfits, table)} do not fit "
                f"(the column came as {column.type}): {_examples(column, fitted.misfits)}. "
                f"{_needs(field.feature_type)}"
            )
        if fitted.is_truncated:
            truncated.append(field.name)
    _raise_problems(spec, problems)
    if truncated:
        warnings.warn(
            f"Nanoseconds were cut off in {_quoted(truncated)} of {spec.label!r}: instants are kept in microseconds. "
            f"Truncate them yourself to silence this.",
            HopyardWarning,
            stacklevel=2,
        )
    return pa.Table.from_arrays(columns, schema=schema)


def _needs(type_: FeatureType) -> str:
    if type_.kind == "decimal":
        digits = type_.precision - type_.scale
        return (
            f"It takes decimals and whole numbers with up to {digits} digits before the point and {type_.scale} "
            f"after it: round them first; floats and text are not turned into decimals."
        )
    if type_.kind == "array":
        size = f"exactly {type_.size} elements" if type_.size is not None else "elements"
        return f"It takes lists with {size} of type {type_.element}."
    if type_.kind == "struct":
        return f"It takes structs with exactly the fields {_quoted([name for name, _ in type_.fields])} in these types."
    return _NEEDS[type_.kind]


def _check_nulls(spec: FeatureGroupSpec, rows: pa.Table) -> None:
    problems = []
    for name in dict.fromkeys((*spec.primary_key, spec.event_time)):
        if name in rows.column_names and rows.column(name).null_count:
            nulls = np.flatnonzero(np.asarray(rows.column(name).is_null()))
            part = "the event time" if name == spec.event_time else "part of the primary key"
            numbers = ", ".join(f"row {row}" for row in nulls[:N_EXAMPLES])
            problems.append(
                f"Column {name!r} is {part} and null in {_count(nulls, rows)}: {numbers}. Fill or drop these rows."
            )
    _raise_problems(spec, problems)


def _check_times(spec: FeatureGroupSpec, rows: pa.Table, *, now_us: int, allow_future: bool) -> None:
    if spec.event_time is None:
        return
    column = rows.column(spec.event_time)
    times = np.asarray(event_times_us(spec.feature(spec.event_time).field, spec.event_time_unit, column))
    if not spec.online_enabled or allow_future:
        return
    future = np.flatnonzero(times > now_us)
    if len(future):
        raise SchemaMismatchError(
            f"{_count(future, rows)} of {spec.label!r} are dated later than now ({show(now_us)}) in "
            f"{spec.event_time!r}: {_examples(column, future)}. Online, they would hide every fact until then. "
            f"Correct them (are they UTC?), or pass allow_future=True. Nothing was written."
        )


def _check_partitions(spec: FeatureGroupSpec, rows: pa.Table) -> None:
    """Raise SchemaMismatchError for text that cannot name a folder: Delta reads some of it back as null."""
    for name in spec.partition_key:
        column = rows.column(name)
        if not pa.types.is_string(column.type):
            continue
        refused = [
            value
            for value in pc.unique(column).to_pylist()
            if value is not None
            and (value in _NULL_PARTITIONS or len(f"{name}={quote(value, safe='')}") > _MAX_FOLDER_NAME)
        ]
        if refused:
            places = np.flatnonzero(pc.is_in(column, value_set=pa.array(refused, pa.string())).to_numpy())
            raise SchemaMismatchError(
                f"{_count(places, rows)} of {spec.label!r} have text in the partition key {name!r} that cannot name a "
                f"folder: {_examples(column, places)}. It must not be empty, {_NULL_PARTITIONS[1]!r} or longer than "
                f"{_MAX_FOLDER_NAME} bytes with its name (a character may count for several). Nothing was written."
            )


def _is_last(rows: pa.Table, identity: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Return for each row whether it is the last of its identity; without an identity, every row is."""
    if not identity or not may_repeat([rows.column(name) for name in identity]):
        return np.ones(rows.num_rows, np.bool_)
    numbered = rows.select(list(identity)).append_column(_ROW, pa.array(np.arange(rows.num_rows)))
    # One thread: it is faster here than two, and the greatest row number needs no order.
    last = numbered.group_by(list(identity), use_threads=False).aggregate([(_ROW, "max")])
    is_last = np.zeros(rows.num_rows, np.bool_)
    is_last[last.column(f"{_ROW}_max").to_numpy()] = True
    return is_last


def _report_duplicates(
    spec: FeatureGroupSpec,
    rows: pa.Table,
    is_last: npt.NDArray[np.bool_],
    duplicates: Literal["last", "error"],
) -> None:
    earlier = np.flatnonzero(~is_last)
    example = ", ".join(f"{name}={_shown(rows.column(name)[earlier[0]])}" for name in spec.identity)
    what = (
        f"{_count(earlier, rows)} of {spec.label!r} repeat the identity {_quoted(spec.identity)} of a later row, "
        f"such as row {earlier[0]} ({example})"
    )
    if duplicates == "error":
        raise DuplicateRowsError(
            f"{what}. Give one row per identity, or pass duplicates='last' to keep the last one. Nothing was written."
        )
    warnings.warn(
        f"{what}: the last one was kept. duplicates='error' refuses them.", HopyardWarning, stacklevel=3
    )


def _raise_problems(spec: FeatureGroupSpec, problems: Sequence[str]) -> None:
    if len(problems) == 1:
        raise SchemaMismatchError(f"The rows do not fit {spec.label!r}. {problems[0]} Nothing was written.")
    if problems:
        lines = "".join(f"\n- {problem}" for problem in problems)
        raise SchemaMismatchError(
            f"{len(problems)} columns do not fit {spec.label!r}. Nothing was written.{lines}"
        )


def _count(offending: Sequence[int] | npt.NDArray[np.int64], rows: pa.Table) -> str:
    return f"{len(offending)} of {rows.num_rows} rows"


def _examples(column: pa.ChunkedArray, offending: npt.NDArray[np.int64]) -> str:
    return ", ".join(f"row {row} ({_shown(column[int(row)])})" for row in offending[:N_EXAMPLES])


def _shown(scalar: pa.Scalar) -> str:
    if pa.types.is_timestamp(scalar.type):
        # By Arrow: Python's datetime ends at the year 9999 and at microseconds. Without its zone: it counts in UTC.
        naive = scalar.cast(pa.int64()).cast(pa.timestamp(scalar.type.unit)).cast(pa.string()).as_py()
        return naive if scalar.type.tz is None else f"{naive}Z"
    if pa.types.is_date(scalar.type):
        return str(scalar.cast(pa.string()).as_py())
    return shown(scalar.as_py())


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))
