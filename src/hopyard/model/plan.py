"""A query as frozen data: a tree of nodes, each a feature group or a frame, and the rule of each join.

`nodes[0]` is the root (spine). `joins[i]` attaches `nodes[i + 1]` to an earlier node, its parent; so stars,
snowflakes and self joins are the same thing, and a node's identity is its place.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal

from hopyard.errors import QueryError
from hopyard.model.codec import Frozen
from hopyard.model.schema import Field, Schema
from hopyard.time import EPOCH, from_micros, to_micros

PLAN_FORMAT = 1

JoinType = Literal["left", "inner"]
JoinRule = Literal["point_in_time", "newest", "equal"]
"""point_in_time: the newest right row at or before the root's event time. newest: the newest right row, whatever its
time (the root has none). equal: the right side has no event time."""

CompareOp = Literal["==", "!=", "<", "<=", ">", ">="]


class Value(Frozen, frozen=True, kw_only=True):
    """A typed value that survives JSON exactly.

    `value` is a bool, an int (also microseconds of a timestamp, days of a date), text, the hexadecimal form of a
    float, the decimal text of a decimal, the base64 of a binary, or null.
    """

    type: str
    value: bool | int | str | None

    def to_python(self) -> object:
        """Return the value as a Python object: aware datetime, date, Decimal, bytes, float, ..."""
        value, kind = self.value, self.type.partition("(")[0]
        if value is None:
            return None
        if kind in ("float", "double"):
            return float.fromhex(str(value))
        if kind == "timestamp":
            return from_micros(int(value))
        if kind == "date":
            return date.fromordinal(EPOCH.toordinal() + int(value))
        if kind == "decimal":
            return Decimal(str(value))
        if kind == "binary":
            return base64.b64decode(str(value))
        return value


def literal(value: object) -> Value:
    """Return a Python value as a typed literal.

    Raises:
        QueryError: its type cannot be compared with a feature.
    """
    if type(value).__module__ == "numpy":
        value = _from_numpy(value)
    if value is None or (value != value and isinstance(value, datetime)):  # pandas.NaT
        return Value(type="string", value=None)
    if isinstance(value, bool):
        return Value(type="boolean", value=value)
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise QueryError(f"{value!r} does not fit a bigint (64 bits), so no feature can equal it.")
        return Value(type="bigint", value=value)
    if isinstance(value, float):
        return Value(type="double", value=value.hex())
    if isinstance(value, str):
        return Value(type="string", value=value)
    if isinstance(value, bytes):
        return Value(type="binary", value=base64.b64encode(value).decode())
    if isinstance(value, datetime):
        return Value(type="timestamp", value=to_micros(value if value.tzinfo else value.replace(tzinfo=UTC)))
    if isinstance(value, date):
        return Value(type="date", value=value.toordinal() - EPOCH.toordinal())
    if isinstance(value, Decimal) and value.is_finite():
        text = format(value, "f")
        whole, _, fraction = text.lstrip("-").partition(".")
        precision = len(whole.lstrip("0")) + len(fraction)
        if precision <= 38:
            return Value(type=f"decimal({max(precision, 1)},{len(fraction)})", value=text)
    raise QueryError(f"{value!r} ({type(value).__name__}) cannot be compared with a feature.")


def _from_numpy(scalar: Any) -> object:
    """Return a numpy scalar as the Python value that it stands for: datetime64 has no item() at nanoseconds."""
    value = scalar.item()
    if scalar.dtype.kind == "M" and isinstance(value, int):
        return scalar.astype("datetime64[us]").item()
    return value


class Column(Frozen, frozen=True, kw_only=True):
    """A feature of a node. `node` is -1 until a query has resolved the reference by `group` (as `name_version`)."""

    feature: str
    group: str = ""
    node: int = -1


class Compare(Frozen, frozen=True, kw_only=True, tag="compare"):
    """Null on either side: not matched. NaN: every comparison false but `!=`."""

    column: Column
    op: CompareOp
    value: Value


class IsIn(Frozen, frozen=True, kw_only=True, tag="is_in"):
    column: Column
    values: tuple[Value, ...]


class Like(Frozen, frozen=True, kw_only=True, tag="like"):
    """SQL LIKE: `%` any text, `_` any character, `\\` escapes."""

    column: Column
    pattern: str


class IsNull(Frozen, frozen=True, kw_only=True, tag="is_null"):
    column: Column


class And(Frozen, frozen=True, kw_only=True, tag="and"):
    left: Predicate
    right: Predicate


class Or(Frozen, frozen=True, kw_only=True, tag="or"):
    left: Predicate
    right: Predicate


class Not(Frozen, frozen=True, kw_only=True, tag="not"):
    operand: Predicate


Predicate = Compare | IsIn | Like | IsNull | And | Or | Not


class ForeignKey(Frozen, frozen=True, kw_only=True):
    """A column whose values are keys of another group; `references` is the name of that key column there."""

    column: str
    references: str


class GroupSource(Frozen, frozen=True, kw_only=True, tag="group"):
    """The facts about a feature group that a plan needs, as they were when it was built."""

    project: str
    name: str
    version: int
    id: str
    location: str
    fields: Schema
    primary_key: tuple[str, ...] = ()
    foreign_key: tuple[ForeignKey, ...] = ()
    event_time: str | None = None
    event_time_unit: Literal["s", "ms", "us"] | None = None
    ttl_us: int | None = None
    online_enabled: bool = False

    @property
    def label(self) -> str:
        return f"{self.name}_{self.version}"


class FrameSource(Frozen, frozen=True, kw_only=True, tag="frame"):
    """A dataframe in the place of the root, handed over when the plan runs."""

    fields: Schema
    primary_key: tuple[str, ...] = ()
    foreign_key: tuple[ForeignKey, ...] = ()
    event_time: str | None = None
    event_time_unit: Literal["s", "ms", "us"] | None = None

    @property
    def label(self) -> str:
        return "spine"


Source = GroupSource | FrameSource


class Node(Frozen, frozen=True, kw_only=True):
    """A source, the filter on its rows before any join, and the time travel of its table.

    Only rows that were last changed after `exclude_until_us` are read. `commit` and `exclude_until_commit` are what the
    instants resolve to; a resolved plan has `commit` on every group. -1 stands for before the first commit.
    """

    source: Source
    filter: Predicate | None = None
    as_of_us: int | None = None
    commit: int | None = None
    exclude_until_us: int | None = None
    exclude_until_commit: int | None = None


class JoinKey(Frozen, frozen=True, kw_only=True):
    """`left` is a column of the parent node, `right` one of the joined node."""

    left: str
    right: str


class Join(Frozen, frozen=True, kw_only=True):
    """How a node is attached to its parent, and why these keys (`inferred` or given).

    An `inner` join below the root: without a match, its parent has no match either.
    `max_age_us` is the user's; it wins over the group's ttl (see `Plan.age_limit_us`).
    """

    parent: int
    keys: tuple[JoinKey, ...]
    rule: JoinRule
    how: JoinType = "left"
    prefix: str = ""
    max_age_us: int | None = None
    allow_many: bool = False
    inferred: bool = False


class Output(Frozen, frozen=True, kw_only=True):
    """A column of the result: its name, and the node and feature that it comes from.

    `is_named`: the user asked for it by name, so it must exist at the commit that is read.
    """

    name: str
    node: int
    feature: str
    is_named: bool = False


class Plan(Frozen, frozen=True, kw_only=True):
    """A whole query. `filter` applies to the joined rows, `outputs` give names and order.

    `known_delay_us`: a row of the root sees of the other groups only what was committed so long after its event time or
    earlier, as it was then; None: it sees the state that is read, whenever that was committed.
    """

    format_version: int = PLAN_FORMAT
    nodes: tuple[Node, ...]
    joins: tuple[Join, ...] = ()
    outputs: tuple[Output, ...] = ()
    filter: Predicate | None = None
    known_delay_us: int | None = None

    @property
    def root(self) -> Node:
        return self.nodes[0]

    def field(self, node: int, feature: str) -> Field:
        """Return the field of a node's feature."""
        source = self.nodes[node].source
        for field in source.fields:
            if field.name == feature:
                return field
        raise QueryError(f"{source.label!r} has no feature {feature!r}.")

    @property
    def schema(self) -> Schema:
        """Names and types of the result, in order."""
        return tuple(
            Field(name=out.name, type=self.field(out.node, out.feature).type) for out in self.outputs
        )

    def join_of(self, node: int) -> Join:
        """Return the join that attaches `node` (not the root)."""
        return self.joins[node - 1]

    def age_limit_us(self, node: int) -> int | None:
        """Return how old the row of `node` may be: the join's `max_age`, else the group's ttl, where times count."""
        join, source = self.joins[node - 1], self.nodes[node].source
        if join.rule != "point_in_time":
            return None
        if join.max_age_us is not None:
            return join.max_age_us
        return source.ttl_us if isinstance(source, GroupSource) else None

    def remaining_key(self, node: int) -> tuple[str, ...]:
        """Return the primary-key columns of `node` that its join leaves open: they decide ties."""
        used = {key.right for key in self.joins[node - 1].keys}
        return tuple(column for column in self.nodes[node].source.primary_key if column not in used)

    def children(self, node: int) -> Iterator[int]:
        """Yield the nodes attached to `node`, in join order."""
        return (index + 1 for index, join in enumerate(self.joins) if join.parent == node)
