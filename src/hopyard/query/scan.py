"""SQL trees of the leaves: the rows of a snapshot's files, types, literals and conditions.

Nothing here is SQL as text: names are quoted identifiers and values are literals of the tree.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

from sqlglot import exp

from hopyard.model.commit import ChangeFile, DataFile, Snapshot
from hopyard.model.plan import And, Compare, IsIn, IsNull, Like, Not, Or, Predicate, Value
from hopyard.model.schema import Field, Schema
from hopyard.model.types import FeatureType, parse_type
from hopyard.query.values import convert, exact_bound
from hopyard.time import US_PER_DAY, US_PER_UNIT, from_micros

_SQL_TYPES = {
    "boolean": "BOOLEAN",
    "int": "INTEGER",
    "bigint": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "string": "VARCHAR",
    "binary": "BLOB",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "date": "DATE",
}
_FLOATS = frozenset({"float", "double"})
_EXACT = frozenset({"int", "bigint", "decimal"})
_OPERATORS: dict[str, type[exp.Binary]] = {
    "==": exp.EQ,
    "!=": exp.NEQ,
    "<": exp.LT,
    "<=": exp.LTE,
    ">": exp.GT,
    ">=": exp.GTE,
}

File = DataFile | ChangeFile

ADDRESS = "__address"
FILE_INDEX = exp.cast(exp.column("file_index"), "BIGINT")
FILE_ROW = exp.column("file_row_number")
ADDRESS_BITS = 40
ADDRESS_OF_ROW = exp.BitwiseOr(
    this=exp.Paren(this=exp.BitwiseLeftShift(this=FILE_INDEX, expression=exp.Literal.number(ADDRESS_BITS))),
    expression=FILE_ROW,
)
"""The place of a row's file in the list that is read, and of the row in its file, in one whole number."""
_VIRTUAL = frozenset({"filename", "file_index", "file_row_number"})
"""Columns that the engine gives to every file."""

_NOTHING = Field(name="__nothing", type="boolean")
"""A column that is in no file: null."""

ColumnOf = Callable[[int, str], exp.Expr]
"""Returns the SQL column of a node's feature."""


def sql_type(type_: FeatureType) -> str:
    """Return a feature type as a DuckDB type."""
    if type_.kind == "decimal":
        return f"DECIMAL({type_.precision}, {type_.scale})"
    if type_.kind == "array":
        assert type_.element is not None
        return f"{sql_type(type_.element)}[]"
    if type_.kind == "struct":
        fields = (f"{name(field).sql('duckdb')} {sql_type(inner)}" for field, inner in type_.fields)
        return f"STRUCT({', '.join(fields)})"
    return _SQL_TYPES[type_.kind]


def tree_type(type_: FeatureType) -> exp.DataType:
    """Return a feature type as a type of the tree, which each dialect writes in its own words."""
    return exp.DataType.build(sql_type(type_), dialect="duckdb")


def name(text: str) -> exp.Identifier:
    """Return a quoted identifier."""
    return exp.to_identifier(text, quoted=True)


def column(text: str, table: str | None = None) -> exp.Column:
    """Return a quoted column."""
    return exp.Column(this=name(text), table=name(table) if table else None)


def read_files(snapshot: Snapshot, fields: Schema, *, with_address: bool = False) -> exp.Expr:
    """Return a FROM item with these features of a snapshot; a feature that a file lacks is null there.

    Args:
        with_address: also give each row's `__address`: the place of its file in `snapshot.files`, and in the file.
    """
    return read_paths(snapshot.files, fields, {ADDRESS: ADDRESS_OF_ROW} if with_address else {})


def read_paths(files: Sequence[File], fields: Schema, extra: Mapping[str, exp.Expr]) -> exp.Expr:
    """Return a FROM item with these features of files, and with more columns that may use FILE_INDEX, FILE_ROW.

    Args:
        extra: expressions by column name; of a row's own columns they may use those that no feature is called like.
    """
    if not files:
        typed = [(field.name, field.feature_type) for field in fields]
        nulls = [
            exp.alias_(exp.cast(exp.Null(), tree_type(type_)), name, quoted=True) for name, type_ in typed
        ]
        nulls += [exp.alias_(exp.cast(exp.Null(), "BIGINT"), name, quoted=True) for name in extra]
        return exp.select(*(nulls or [exp.Null()])).where(exp.false()).subquery("empty")
    partitioned = set(files[0].partition)
    stored = [field for field in fields if field.name not in partitioned]
    paths = exp.Array(expressions=[exp.Literal.string(file.path) for file in files])
    # Without a schema, a feature called file_index would be taken for the engine's column; an empty one is refused.
    entries = [_schema_entry(field) for field in stored or [_NOTHING]]
    schema = exp.EQ(this=exp.column("schema"), expression=exp.ToMap(this=exp.Struct(expressions=entries)))
    table = exp.Table(this=exp.ReadParquet(expressions=[paths, schema]))
    if not partitioned and not extra and not any(field.name in _VIRTUAL for field in fields):
        return table
    values = {
        field.name: _partition_value(field, files)
        if field.name in partitioned
        else column(_read_as(field.name))
        for field in fields
    }
    shown = [exp.alias_(value.copy(), name, quoted=True) for name, value in {**values, **extra}.items()]
    return exp.select(*(shown or [exp.Null()]), copy=False).from_(table, copy=False).subquery("files")


def read_table(snapshot: Snapshot, fields: Schema) -> exp.Expr:
    """Return a FROM item with these features of a snapshot, for engines that read Delta tables themselves.

    A feature that the table did not have yet is null.
    """
    table = exp.Table(this=name(snapshot.uri), db=exp.to_identifier("delta"))
    version = exp.Literal.number(snapshot.table_version)
    table.set("version", exp.Version(this="VERSION", kind="AS OF", expression=version))
    if all(field.name in snapshot.columns for field in fields):
        return table
    values = (
        column(field.name)
        if field.name in snapshot.columns
        else exp.cast(exp.Null(), tree_type(field.feature_type))
        for field in fields
    )
    shown = [exp.alias_(value, field.name, quoted=True) for field, value in zip(fields, values, strict=True)]
    return exp.select(*shown, copy=False).from_(table, copy=False).subquery("files")


def by_file(values: Sequence[exp.Expr]) -> exp.Expr:
    """Return the value that belongs to the file of a row; to be used in `read_paths(extra=...)`."""
    place = exp.Add(this=FILE_INDEX.copy(), expression=exp.Literal.number(1))
    return exp.Anonymous(this="list_extract", expressions=[exp.Array(expressions=list(values)), place])


def _partition_value(field: Field, files: Sequence[File]) -> exp.Expr:
    """Return a partition column, which stands in no file: its value is known per file."""
    found = (file.partition[field.name] for file in files)
    values = [exp.Null() if value is None else sql_literal(value.to_python()) for value in found]
    return exp.cast(by_file(values), tree_type(field.feature_type))


def _read_as(feature: str) -> str:
    """Return the name under which a file's column is read: some are taken by the engine's own columns."""
    return f"__{feature}" if feature in _VIRTUAL else feature


def _schema_entry(field: Field) -> exp.Expr:
    facts = {
        "name": exp.Literal.string(_read_as(field.name)),
        "type": exp.Literal.string(sql_type(field.feature_type)),
        "default_value": exp.Null(),
    }
    entries = [exp.PropertyEQ(this=exp.to_identifier(key), expression=value) for key, value in facts.items()]
    return exp.PropertyEQ(this=exp.Literal.string(field.name), expression=exp.Struct(expressions=entries))


def event_micros(field: Field, unit: str | None, value: exp.Expr) -> exp.Expr:
    """Return an event-time column as UTC microseconds."""
    kind = field.feature_type.kind
    if kind == "timestamp":
        return exp.UnixMicros(this=value)
    if kind == "date":
        return exp.Mul(
            this=exp.cast(exp.UnixDate(this=value), "BIGINT"), expression=exp.Literal.number(US_PER_DAY)
        )
    return exp.Mul(this=value, expression=exp.Literal.number(US_PER_UNIT[unit or "us"]))


def stored_time(field: Field, unit: str | None, micros: int) -> object:
    """Return the last event time at or before an instant, as it is stored; None: beyond what can be written.

    Rows before it are before the instant, too: good for either bound of a range that may be too wide.
    """
    kind = field.feature_type.kind
    try:
        if kind == "timestamp":
            return from_micros(micros)
        if kind == "date":
            return from_micros(micros).date()
    except OverflowError:
        return None
    count = micros // US_PER_UNIT[unit or "us"]
    return count if -(2**63) <= count < 2**63 else None


def is_not_null(value: exp.Expr) -> exp.Expr:
    """Return whether a value is there."""
    return exp.Not(this=exp.Is(this=value, expression=exp.Null()))


def count_where(test: exp.Expr) -> exp.Expr:
    """Return how often a test holds; 0 without rows, where an engine's own count of a condition may be null."""
    return exp.Count(this=exp.Case(ifs=[exp.If(this=test, true=exp.Literal.number(1))]))


def sql_literal(value: object) -> exp.Expr:
    """Return a Python value as a typed SQL literal."""
    if isinstance(value, bool):
        return exp.true() if value else exp.false()
    if isinstance(value, int):
        return exp.cast(exp.Literal.string(str(value)), "BIGINT")
    if isinstance(value, float):
        return exp.cast(exp.Literal.string(repr(value)), "DOUBLE")
    if isinstance(value, datetime):
        return exp.cast(exp.Literal.string(value.isoformat(sep=" ")), "TIMESTAMPTZ")
    if isinstance(value, date):
        return exp.cast(exp.Literal.string(value.isoformat()), "DATE")
    if isinstance(value, bytes):
        return exp.Unhex(this=exp.Literal.string(value.hex()))
    if isinstance(value, Decimal):
        scale = max(0, -int(value.as_tuple().exponent))
        return exp.cast(exp.Literal.string(format(value, "f")), f"DECIMAL(38, {scale})")
    return exp.Literal.string(str(value))


def condition(predicate: Predicate, column_of: ColumnOf, type_of: Callable[[int, str], str]) -> exp.Expr:
    """Return a filter as a SQL condition, with SQL's null and IEEE's NaN."""
    if isinstance(predicate, (And, Or)):
        both = (condition(side, column_of, type_of) for side in (predicate.left, predicate.right))
        return exp.Paren(this=(exp.And if isinstance(predicate, And) else exp.Or)(
            **dict(zip(("this", "expression"), both, strict=True))))  # fmt: skip
    if isinstance(predicate, Not):
        return exp.Not(this=exp.Paren(this=condition(predicate.operand, column_of, type_of)))
    place = predicate.column
    value = column_of(place.node, place.feature)
    if isinstance(predicate, IsNull):
        return exp.Is(this=value, expression=exp.Null())
    type_ = parse_type(type_of(place.node, place.feature))
    if isinstance(predicate, Like):
        pattern = exp.Like(this=value, expression=exp.Literal.string(_pattern(predicate.pattern)))
        return exp.Escape(this=pattern, expression=exp.Literal.string("\\"))
    if isinstance(predicate, IsIn):
        return _any(value, [_compare(place.feature, type_, value, "==", item) for item in predicate.values])
    assert isinstance(predicate, Compare)
    return _compare(place.feature, type_, value, predicate.op, predicate.value)


def _pattern(pattern: str) -> str:
    """Return a pattern without the escapes that need not be there: some engines refuse them."""
    return re.sub(r"\\(.)", lambda x: x[0] if x[1] in "%_\\" else x[1], pattern, flags=re.DOTALL)


def _any(value: exp.Expr, options: Sequence[exp.Expr]) -> exp.Expr:
    """Return whether one of several comparisons with `==` holds; those that never do are left out."""
    literals = [option.expression for option in options if isinstance(option, exp.EQ)]
    if not literals:
        return _constant(value, answer=False)
    return exp.In(this=value.copy(), expressions=literals)


def _compare(feature: str, type_: FeatureType, value: exp.Expr, op: str, with_: Value) -> exp.Expr:
    python = convert(feature, type_, with_)
    if type_.kind in _EXACT:
        bound = exact_bound(op, python, type_)  # type: ignore[arg-type]
        if isinstance(bound, bool):
            return _constant(value, answer=bound)
        op, python = bound
    if type_.kind in _FLOATS:
        python = float(python)  # type: ignore[arg-type]
        if math.isnan(python):
            return _constant(value, answer=op == "!=")
        python += 0.0  # 0.0 for -0.0: an engine that looks for it in a file's statistics takes the two for different
    compared = _OPERATORS[op](this=value.copy(), expression=sql_literal(python))
    if type_.kind in _FLOATS and op in (">", ">="):  # the engine sorts NaN above every number
        is_nan = exp.IsNan(this=value.copy())
        return exp.Paren(this=exp.And(this=compared, expression=exp.Not(this=is_nan)))
    return compared


def _constant(value: exp.Expr, *, answer: bool) -> exp.Expr:
    """Return null for null, else always `answer`."""
    is_null = exp.Is(this=value.copy(), expression=exp.Null())
    return exp.Case(
        ifs=[exp.If(this=is_null, true=exp.Null())], default=exp.true() if answer else exp.false()
    )
