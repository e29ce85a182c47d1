"""The SELECTs that the shim runs, as trees: names reach them as identifiers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlglot import exp

DIALECT = "duckdb"
_TEXT_OR_NAME = re.compile(r"'(?:[^']|'')*'|`([^`]*)`")


def in_own_words(query: str, store: str) -> str:
    """Return a program's own SELECT with names in double quotes for backticks, and without the store's name."""
    quoted = _TEXT_OR_NAME.sub(lambda part: part[0] if part[1] is None else f'"{part[1]}"', query)
    return re.sub(rf"""(?<![\w"])"?{re.escape(store)}"?\s*\.\s*""", "", quoted)


def newest_rows(table: str, primary_key: Sequence[str], event_time: str | None) -> str:
    """Return the SELECT of the newest row of each primary key; without an event time there is only one."""
    rows = exp.select("*").from_(exp.to_table(table, quoted=True))
    if event_time is not None and event_time not in primary_key:
        number = exp.Window(
            this=exp.RowNumber(),
            partition_by=[_column(name) for name in primary_key],
            order=exp.Order(
                expressions=[exp.Ordered(this=_column(event_time), desc=True, nulls_first=False)]
            ),
        )
        rows.set("qualify", exp.Qualify(this=exp.EQ(this=number, expression=exp.Literal.number(1))))
    return rows.sql(dialect=DIALECT)


def joined(tables: Sequence[str], columns: Sequence[tuple[str, str]], key: str | None) -> str:
    """Return the SELECT of columns, each with its table, of tables that are joined on one column.

    Args:
        key: the column; None where there is one table.
    """
    places = {table: f"t{index}" for index, table in enumerate(tables)}
    rows = exp.select(*(_column(name, places[table]) for table, name in columns)).from_(
        _place(tables[0], places[tables[0]])
    )
    for table in tables[1:]:
        on = exp.EQ(this=_column(key or "", "t0"), expression=_column(key or "", places[table]))
        rows = rows.join(_place(table, places[table]), on=on)
    return rows.sql(dialect=DIALECT)


def _column(name: str, place: str | None = None) -> exp.Column:
    return exp.column(name, table=place, quoted=True)


def _place(table: str, place: str) -> exp.Expr:
    return exp.alias_(exp.to_table(table, quoted=True), place, table=True)
