"""SQL trees of the leaves: the rows of a snapshot's files, types, literals and conditions.

Nothing here is SQL as text: names are quoted identifiers and values are literals of the tree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal

from sqlglot import exp

from hopyard.model.commit import Snapshot
from hopyard.model.plan import And, Compare, IsIn, IsNull, Like, Not, Or, Predicate, Value
from hopyard.model.schema import Field, Schema
from hopyard.model.types import FeatureType, parse_type
from hopyard.query.values import convert, exact_bound
from hopyard.time import US_PER_DAY, US_PER_UNIT

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


def name(text: str) -> exp.Identifier:
    """Return a quoted identifier."""
    return exp.to_identifier(text, quoted=True)


def column(text: str, table: str | None = None) -> exp.Column:
    """Return a quoted column."""
    return exp.Column(this=name(text), table=name(table) if table else None)


def read_files(snapshot: Snapshot, fields: Schema) -> exp.Expr:
    """Return a FROM item with these features of a snapshot; a feature that a file lacks is null there."""
    if not snapshot.files:
        typed = (
            (field.name, exp.cast(exp.Null(), sql_type(field.feature_type), dialect="duckdb"))
            for field in fields
        )
        nulls = [exp.alias_(value, name, quoted=True) for name, value in typed]
        return exp.select(*(nulls or [exp.Null()])).where(exp.false()).subquery("empty")
    files = exp.Array(expressions=[exp.Literal.string(file.path) for file in snapshot.files])
    schema = exp.ToMap(this=exp.Struct(expressions=[_schema_entry(field) for field in fields]))
    option = exp.EQ(this=exp.column("schema"), expression=schema)
    return exp.Table(this=exp.ReadParquet(expressions=[files, option]))


def _schema_entry(field: Field) -> exp.Expr:
    facts = {
        "name": exp.Literal.string(field.name),
        "type": exp.Literal.string(sql_type(field.feature_type)),
        "default_value": exp.Null(),
    }
    entries = [exp.PropertyEQ(this=exp.to_identifier(key), expression=value) for key, value in facts.items()]
    return exp.PropertyEQ(this=exp.Literal.string(field.name), expression=exp.Struct(expressions=entries))


def event_micros(field: Field, unit: str | None, value: exp.Expr) -> exp.Expr:
    """Return an event-time column as UTC microseconds."""
    kind = field.feature_type.kind
    if kind == "timestamp":
        return exp.Anonymous(this="epoch_us", expressions=[value])
    if kind == "date":
        days = exp.Sub(this=value, expression=exp.cast(exp.Literal.string("1970-01-01"), "DATE"))
        return exp.Mul(
            this=exp.cast(exp.Paren(this=days), "BIGINT"), expression=exp.Literal.number(US_PER_DAY)
        )
    return exp.Mul(this=value, expression=exp.Literal.number(US_PER_UNIT[unit or "us"]))


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
        return exp.Anonymous(this="from_hex", expressions=[exp.Literal.string(value.hex())])
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
        pattern = exp.Like(this=value, expression=exp.Literal.string(predicate.pattern))
        return exp.Escape(this=pattern, expression=exp.Literal.string("\\"))
    if isinstance(predicate, IsIn):
        return _any(value, [_compare(place.feature, type_, value, "==", item) for item in predicate.values])
    assert isinstance(predicate, Compare)
    return _compare(place.feature, type_, value, predicate.op, predicate.value)


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
    compared = _OPERATORS[op](this=value.copy(), expression=sql_literal(python))
    if type_.kind in _FLOATS and op in (">", ">="):  # the engine sorts NaN above every number
        is_nan = exp.Anonymous(this="isnan", expressions=[value.copy()])
        return exp.Paren(this=exp.And(this=compared, expression=exp.Not(this=is_nan)))
    return compared


def _constant(value: exp.Expr, *, answer: bool) -> exp.Expr:
    """Return null for null, else always `answer`."""
    is_null = exp.Is(this=value.copy(), expression=exp.Null())
    return exp.Case(
        ifs=[exp.If(this=is_null, true=exp.Null())], default=exp.true() if answer else exp.false()
    )
