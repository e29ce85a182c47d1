"""A user's own SELECT over feature groups: parsed, checked part by part, and run as a tree, never as text.

Each group is read in one state, decided before anything runs. `permitted` lists what a statement may contain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import pyarrow as pa
import sqlglot
from sqlglot import TokenType, exp
from sqlglot.errors import ErrorLevel, SqlglotError

from hopyard.errors import AmbiguousFeatureError, NotFoundError, QueryError, TimeTravelError
from hopyard.model.arrow import to_arrow
from hopyard.model.codec import from_json
from hopyard.model.specs import GROUP_FORMAT, FeatureGroupSpec
from hopyard.model.types import FeatureType
from hopyard.ports import Record, Statement
from hopyard.query.build import group_source
from hopyard.query.permitted import FUNCTIONS, NODES, REFUSED_FUNCTIONS, TABLE_FUNCTIONS, TABLE_PARTS
from hopyard.query.resolve import commit_at
from hopyard.query.scan import column, read_files
from hopyard.session import Session
from hopyard.time import Instant, to_micros

DIALECT = "duckdb"
_BEGINNINGS = frozenset({TokenType.SELECT, TokenType.WITH, TokenType.FROM, TokenType.L_PAREN})
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS = re.compile(r"[A-Za-z0-9_]+( [A-Za-z0-9_]+)*")
_DESCRIPTION = ("column_name", "column_type", "null", "key", "default", "extra")
_ADVICE = "Hopyard's SQL reads feature groups and nothing else."

_INTEGERS = {"TINYINT", "SMALLINT", "INT", "UTINYINT", "USMALLINT"}
_BIGINTS = {"BIGINT", "UINT"}
_HUGE = {"UBIGINT", "INT128", "UINT128"}
_TIMESTAMPS = {"TIMESTAMP", "TIMESTAMPNTZ", "TIMESTAMPTZ", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"}
_TEXTS = {"VARCHAR", "TEXT", "CHAR", "JSON", "UUID", "ENUM", "NULL"}
_OTHERS = {"BOOLEAN": "boolean", "FLOAT": "float", "DOUBLE": "double", "DATE": "date"}


def sql(session: Session, text: str, *, as_of: Instant | None = None) -> pa.Table:
    """Return the rows of a SELECT over the project's feature groups, in feature types.

    A group is named `name_version`, or `name` for its latest version; unquoted or quoted, in any case. Whole numbers
    beyond 64 bits (such as the sum of a bigint) come as decimal(38,0), enums and UUIDs as text.

    Args:
        text: one SELECT in DuckDB's dialect, with CTEs, subqueries, joins and set operations as needed.
        as_of: read every group as committed at this instant; None: its last commit.
    Raises:
        QueryError: no SELECT, more than one, anything beyond reading groups, or a statement that fails.
        NotFoundError: no such group; with close matches.
        AmbiguousFeatureError: a name that means two groups, or two columns of one name.
        TimeTravelError: a group did not exist at `as_of`.
    """
    tree = read_select(text)
    _put_rows(session, tree, None if as_of is None else to_micros(as_of))
    schema = _result_schema(session, tree)
    return _run(session, tree, schema)


def bind(
    session: Session, text: str, given: Mapping[str, exp.Select], frames: Mapping[str, pa.Table]
) -> Statement:
    """Return the statement of a user's SELECT that may also read from given tables.

    Args:
        given: the rows of a table by its name in lower case, which comes before that of a feature group.
        frames: what these read from.
    Raises: as `sql`.
    """
    tree = read_select(text)
    _put_rows(session, tree, None, given)
    return Statement(tree=tree, schema=_result_schema(session, tree, frames), frames=frames)


def run(session: Session, statement: Statement) -> pa.Table:
    """Return the result of a user's statement. Raises QueryError in words that do not show how it was lowered."""
    return _run(session, statement.tree, statement.schema, statement.frames)


def _run(
    session: Session, tree: exp.Expr, schema: pa.Schema, frames: Mapping[str, pa.Table] | None = None
) -> pa.Table:
    """Return a statement's result. Raises QueryError, without the lowered statement, which its author never wrote."""
    try:
        return session.engine.collect(Statement(tree=tree, schema=schema, frames=frames or {}))
    except RecursionError as error:
        raise QueryError("The statement is nested too deeply to be run. Write it in CTEs.") from error
    except QueryError as error:
        raise QueryError(str(error).split("\n\nLINE ")[0]) from error


def read_select(text: str) -> exp.Query:
    """Return a statement as a tree that is known to read feature groups only, without its comments.

    Raises:
        QueryError: it cannot be parsed, is no SELECT, is more than one, or contains what is not permitted.
    """
    if not isinstance(text, str):
        raise QueryError(
            f"sql() takes the text of a SELECT, such as 'select * from my_group', and was given {text!r}."
        )
    try:
        tokens = list(sqlglot.tokenize(text, dialect=DIALECT))
        while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
            tokens.pop()
        if not tokens:
            raise QueryError(
                "The statement is empty. Write a SELECT, such as: select * from my_group limit 10"
            )
        if any(token.token_type == TokenType.SEMICOLON for token in tokens):
            raise QueryError("There are several statements, separated by ';'. Give one SELECT at a time.")
        if tokens[0].token_type not in _BEGINNINGS:
            raise QueryError(f"The statement begins with {tokens[0].text!r} and is no SELECT. {_ADVICE}")
        tree = sqlglot.parse_one(text, dialect=DIALECT)
    except SqlglotError as error:
        raise QueryError(f"The SQL cannot be read: {_why(error)}.") from error
    except RecursionError as error:
        raise QueryError("The SQL cannot be read: it is nested too deeply.") from error
    if not isinstance(tree, exp.Query):
        raise QueryError(f"The statement is no SELECT. {_ADVICE}")
    for node in tree.walk():
        node.pop_comments()
        _check(node)
    _check_rendered(tree)
    return tree


def _check_rendered(tree: exp.Query) -> None:
    """Raise QueryError unless a statement is as harmless in the text that the engine gets.

    The parser keeps some texts as words of the language, such as the unit in date_trunc('day', x), and they are written
    as they are: a unit that contains a quote could bring in anything. So what is written is read and checked again, and
    must read from the same tables.
    """
    refused = "The SQL cannot be read in one way only. Write names, units and collations plainly."
    try:
        text = tree.sql(dialect=DIALECT, unsupported_level=ErrorLevel.IGNORE)
        again = sqlglot.parse(text, dialect=DIALECT)
    except SqlglotError as error:
        raise QueryError(refused) from error
    except RecursionError as error:
        raise QueryError("The SQL cannot be read: it is nested too deeply.") from error
    if len(again) != 1 or not isinstance(again[0], exp.Query) or _tables(again[0]) != _tables(tree):
        raise QueryError(refused)
    for node in again[0].walk():
        _check(node)


def _tables(tree: exp.Expr) -> list[str]:
    return sorted(table.name for table in tree.find_all(exp.Table))


def _why(error: SqlglotError) -> str:
    first = next(iter(getattr(error, "errors", [])), None)
    if first is None:
        return str(error).splitlines()[0].rstrip(".")
    return f"{first['description'].rstrip('.')}, in line {first['line']}, column {first['col']}"


def _check(node: exp.Expr) -> None:
    """Raise QueryError unless a node is permitted where it stands."""
    if isinstance(node, exp.Func):
        _check_function(node)
    elif not isinstance(node, NODES):
        raise QueryError(f"{_shown(node)} is not allowed here. {_ADVICE}")
    if isinstance(node, exp.Table):
        _check_table(node)
    elif isinstance(node, exp.Lateral) and not isinstance(node.this, (exp.Subquery, *TABLE_FUNCTIONS)):
        raise _refused_table(node.this)
    elif isinstance(node, exp.DataType) and node.this == exp.DType.USERDEFINED:
        raise QueryError(f"There is no type {node.args.get('kind')!r}: use DuckDB's built-in types.")
    elif isinstance(node, exp.Var) and not _WORDS.fullmatch(node.name):
        raise QueryError(f"{_shown(node)} is no word of SQL. Write units, types and collations plainly.")
    elif isinstance(node, exp.CTE) and not _PLAIN_NAME.fullmatch(node.alias):
        raise QueryError(f"The CTE name {node.alias!r} is not allowed: use letters, digits and '_'.")


def _check_function(node: exp.Func) -> None:
    name = node.name if isinstance(node, exp.Anonymous) else node.sql_name()
    permitted = (
        name.lower() in FUNCTIONS
        if isinstance(node, (exp.Anonymous, exp.AnonymousAggFunc))
        else not isinstance(node, REFUSED_FUNCTIONS)
    )
    if not permitted:
        raise QueryError(f"The function {name.lower()!r} is not allowed, or there is none. {_ADVICE}")


def _check_table(table: exp.Table) -> None:
    beside = {part for part, value in table.args.items() if value} - TABLE_PARTS
    if beside & {"db", "catalog"}:
        raise QueryError(
            f"{_shown(table)} names a schema. Name a feature group, such as my_group or my_group_1."
        )
    if beside & {"version", "when"}:
        raise QueryError(f"{_shown(table)} travels in time. Read the state of an instant with as_of instead.")
    if beside:
        raise QueryError(f"{_shown(table)} is not allowed here. {_ADVICE}")
    if not isinstance(table.this, (exp.Identifier, *TABLE_FUNCTIONS)):
        raise _refused_table(table.this)


def _refused_table(node: exp.Expr) -> QueryError:
    return QueryError(
        f"{_shown(node)} cannot be read from: of the table functions, only range, generate_series and unnest are "
        f"allowed. {_ADVICE}"
    )


def _shown(node: exp.Expr) -> str:
    text = node.sql(dialect=DIALECT, comments=False)
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _put_rows(
    session: Session, tree: exp.Query, as_of_us: int | None, given: Mapping[str, exp.Select] | None = None
) -> None:
    """Replace every table that names a group, or is among the given ones, by its rows."""
    given = given or {}
    tables = [table for table in tree.find_all(exp.Table) if isinstance(table.this, exp.Identifier)]
    tables = [table for table in tables if not _is_cte(table)]
    stored = [table.name for table in tables if table.name.lower() not in given]
    records = session.registry.list(session.project, "feature_group") if stored else []
    specs = {name: _group(records, name) for name in stored}
    rows = {spec.id: _rows(session, spec, as_of_us) for spec in specs.values()}
    for table in tables:
        found = given.get(table.name.lower()) or rows[specs[table.name].id]
        chosen = exp.Subquery(this=found.copy())
        for part in TABLE_PARTS - {"this"}:
            chosen.set(part, table.args.get(part))
        if not chosen.args.get("alias"):
            chosen.set("alias", exp.TableAlias(this=exp.to_identifier(table.name, quoted=True)))
        table.replace(chosen)


def _is_cte(table: exp.Table) -> bool:
    """Return whether a table's name is that of a CTE which its place can see."""
    name = table.name.lower()
    below: exp.Expr = table
    cte: exp.CTE | None = None
    while below.parent is not None:
        node = below.parent
        if isinstance(below, exp.CTE):
            cte = below
        if isinstance(node, exp.With):
            if name in (other.alias.lower() for other in _visible(node, cast(exp.CTE, cte))):
                return True
            assert node.parent is not None
            below = node.parent  # what a WITH belongs to sees its CTEs; its own CTEs were just asked
            continue
        with_ = node.args.get("with_")
        if with_ is not None and name in (other.alias.lower() for other in with_.expressions):
            return True
        below = node
    return False


def _visible(with_: exp.With, inside: exp.CTE) -> Iterator[exp.CTE]:
    """Yield the CTEs that one of them can see: those before it, and itself where it is recursive."""
    for other in with_.expressions:
        if other is inside:
            if with_.args.get("recursive") and isinstance(inside.this, exp.SetOperation):
                yield other
            return
        yield other


def _group(records: Sequence[Record], name: str) -> FeatureGroupSpec:
    """Return the group that a table's name means. Raises NotFoundError, AmbiguousFeatureError."""
    wanted = name.lower()
    latest = {record.name: record for record in records}  # ordered by version
    meant = [record for record in records if f"{record.name}_{record.version}" == wanted]
    if wanted in latest:
        meant.append(latest[wanted])
    if not meant:
        raise NotFoundError("feature group", name, {*latest, *(f"{r.name}_{r.version}" for r in records)})
    if len(meant) > 1:
        labels = " or ".join(f"{record.name!r} version {record.version}" for record in meant)
        raise AmbiguousFeatureError(
            f"{name!r} means feature group {labels}. Write {meant[-1].name}_{meant[-1].version} for the latter; the "
            f"former can be read through get_feature_group()."
        )
    what = f"feature group {meant[0].name!r} version {meant[0].version}"
    return from_json(FeatureGroupSpec, meant[0].body, known=GROUP_FORMAT, what=what)


def _rows(session: Session, spec: FeatureGroupSpec, as_of_us: int | None) -> exp.Select:
    """Return the SELECT of a group's features, and of nothing that the engine would add, such as file names."""
    commit = None if as_of_us is None else commit_at(session, group_source(spec), as_of_us)
    snapshot = session.offline.snapshot(spec.location, commit)
    fields = tuple(field for field in spec.schema if field.name in snapshot.columns)
    if not fields:
        raise TimeTravelError(
            f"{spec.label!r} had no features at commit {snapshot.commit}. Read a later state."
        )
    tree = exp.select(*(column(field.name, "t") for field in fields), copy=False)
    return tree.from_(exp.alias_(read_files(snapshot, fields), "t", table=True), copy=False)


def _result_schema(
    session: Session, tree: exp.Query, frames: Mapping[str, pa.Table] | None = None
) -> pa.Schema:
    """Return names and types of a statement's result. Raises QueryError, AmbiguousFeatureError."""
    description = pa.schema([(name, pa.string()) for name in _DESCRIPTION])
    found = _run(session, exp.Describe(this=tree.copy()), description, frames)
    names, types = found.column("column_name").to_pylist(), found.column("column_type").to_pylist()
    twice = next((name for at, name in enumerate(names) if name in names[:at]), None)
    if twice is not None:
        raise AmbiguousFeatureError(
            f"The result has two columns named {twice!r}. Name one of them otherwise: {twice} as other_name."
        )
    return pa.schema([(name, _arrow_type(name, type_)) for name, type_ in zip(names, types, strict=True)])


def _arrow_type(name: str, text: str) -> pa.DataType:
    """Return the Arrow type of a column. Raises QueryError: none that a feature can have."""
    if text == '"NULL"':
        return pa.string()
    try:
        return to_arrow(_feature_type(exp.DataType.build(text, dialect=DIALECT)))
    except (SqlglotError, LookupError):
        raise QueryError(
            f"The column {name!r} of the result has type {text}, which no feature can have. Cast it: {name}::varchar."
        ) from None


def _feature_type(type_: exp.DataType) -> FeatureType:
    """Return the feature type of a type of the engine. Raises LookupError: there is none."""
    kind = type_.this.value
    if kind == "DECIMAL":
        precision, scale = (int(param.this.name) for param in type_.expressions)
        return FeatureType("decimal", precision=precision, scale=scale)
    if kind in ("ARRAY", "LIST"):
        return FeatureType("array", element=_feature_type(type_.expressions[0]))
    if kind == "STRUCT":
        return FeatureType(
            "struct", fields=tuple((f.name, _feature_type(f.args["kind"])) for f in type_.expressions)
        )
    if kind in _INTEGERS:
        return FeatureType("int")
    if kind in _BIGINTS:
        return FeatureType("bigint")
    if kind in _HUGE:
        return FeatureType("decimal", precision=38, scale=0)
    if kind in _TIMESTAMPS:
        return FeatureType("timestamp")
    if kind in _TEXTS:
        return FeatureType("string")
    if kind in ("VARBINARY", "BLOB"):
        return FeatureType("binary")
    return FeatureType(_OTHERS[kind])  # type: ignore[arg-type]
