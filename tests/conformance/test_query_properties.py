"""Random tables, joins, filters and commits: the engine answers what the oracle says, bit for bit.

Keys and times come from small pools, so that equal keys, equal times, ties, nulls, NaN, missing keys and ages of
exactly the ttl are frequent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from hopyard.errors import MultipleMatchesError, TimeTravelError
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.ingest.apply import rebuild
from hopyard.queries import Query
from hopyard.query.feature import Condition
from hopyard.testing.frames import assert_same_rows, frame
from hopyard.testing.oracle import answer
from hopyard.testing.store import ManualClock, open_store
from hopyard.time import EPOCH, from_micros
from variants import VARIANTS, in_variant

pytestmark = pytest.mark.filterwarnings("ignore::hopyard.errors.HopyardWarning")
EXAMPLES = settings(
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)

N_QUERIES = 3
"""How many queries are compared for each set of tables: to make the tables costs more. 300 in a normal run."""

DAY = timedelta(days=1)
DAY_US = 86_400_000_000
START_US = 20_000 * DAY_US  # some day in 2024
TIMES_US = [START_US + day * DAY_US + extra for day in range(3) for extra in (0, 1, -1, 3_600_000_000)]
TTLS = [timedelta(microseconds=1), timedelta(hours=1), DAY, 2 * DAY]

VALUES: dict[str, list[Any]] = {
    "boolean": [False, True],
    "int": [0, 1, -1, 2**31 - 1],
    "bigint": [0, 1, -1, 2**63 - 1, -(2**63)],
    "float": [0.0, -0.0, 1.5, float("nan"), float("inf"), 0.10000000149011612],
    "double": [0.0, -0.0, 1.5, -1.5, float("nan"), float("inf"), float("-inf"), 5e-324],
    "string": ["", "a", "A", "ä", "a\u0308", "a%b", "a_b", "a\\b", "'", "\U0001d4b3", "a\nb"],
    "binary": [b"", b"\x00", b"\xff", b"a"],
    "decimal(6,2)": [Decimal("0.00"), Decimal("0.10"), Decimal("-9999.99")],
    "timestamp": [from_micros(START_US), from_micros(START_US + 1), datetime(1969, 12, 31, 23, tzinfo=UTC)],
    "date": [date(2024, 10, 4), date(1969, 12, 31)],
    "array<double>": [[], [1.0, None], [float("nan"), -0.0]],
    "struct<a:bigint,b:string>": [{"a": 1, "b": None}, {"a": None, "b": "x"}],
}
KEY_TYPES = ["bigint", "string", "boolean", "binary", "date", "timestamp", "decimal(6,2)"]
COMPARABLE = [type_ for type_ in VALUES if not type_.startswith(("array", "struct"))]
Row = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """A group of a random store, and its rows as the oracle gets them."""

    features: dict[str, str]
    primary_key: tuple[str, ...]
    event_time: str | None = None
    unit: str | None = None
    ttl: timedelta | None = None
    rows: list[Row] = field(default_factory=list)

    @property
    def identity(self) -> tuple[str, ...]:
        return (*self.primary_key, *([self.event_time] if self.event_time else []))

    def frame(self, rows: list[Row] | None = None) -> Any:
        given = self.rows if rows is None else rows
        return frame(self.features, [[row[name] for name in self.features] for row in given])


@pytest.fixture(scope="module")
def clock() -> ManualClock:
    return ManualClock("2026-01-01")


@pytest.fixture(scope="module", params=VARIANTS)
def random_store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, clock: ManualClock
) -> FeatureStore:
    store = open_store(tmp_path_factory.mktemp("random") / "store", clock=clock)
    return in_variant(store.get_feature_store(), request.param)


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return count()


def store_table(fs: FeatureStore, numbers: Iterator[int], table: Table, **options: Any) -> FeatureGroup:
    group = fs.create_feature_group(
        f"g{next(numbers)}",
        primary_key=table.primary_key,
        event_time=table.event_time,
        event_time_unit=table.unit,  # type: ignore[arg-type]
        ttl=table.ttl,
        features=table.features,
        **options,
    )
    group.save()
    if table.rows:
        group.insert(table.frame())
    return group


def event_time(us: int, type_: str, unit: str | None) -> Any:
    """Return an instant as an event time of a type, rounded down."""
    if type_ == "timestamp":
        return from_micros(us)
    if type_ == "date":
        return date.fromordinal(EPOCH.toordinal() + us // DAY_US)
    return us // {"s": 1_000_000, "ms": 1_000, "us": 1}[unit or "us"]


TIME_TYPES = st.sampled_from(
    [
        ("timestamp", None),
        ("timestamp", None),
        ("date", None),
        ("bigint", "s"),
        ("bigint", "ms"),
        ("bigint", "us"),
    ]
)


def nullable(type_: str) -> st.SearchStrategy[Any]:
    return st.sampled_from([None, *VALUES[type_]])


@st.composite
def tables(draw: st.DrawFn, keys: dict[str, str], *, is_root: bool, max_rows: int = 8) -> Table:
    """Draw a group with the columns `rid`, all of `keys`, perhaps an event time, and a few features."""
    keys = {
        name: draw(st.sampled_from(["int", "bigint"])) if type_ == "bigint" else type_
        for name, type_ in keys.items()
    }
    features = {"rid": "bigint", **keys}
    if is_root:
        primary_key: tuple[str, ...] = ("rid",)
    else:
        primary_key = tuple(list(keys)[: draw(st.integers(1, len(keys)))])
        if draw(st.integers(0, 2)) == 0:  # a column that no join names: ties
            features["z"] = draw(st.sampled_from(KEY_TYPES))
            primary_key += ("z",)
    time, unit, ttl = None, None, None
    time_type = "timestamp"
    if draw(st.integers(0, 3)):
        time = "t"
        time_type, unit = draw(TIME_TYPES)
        features["t"] = time_type
        ttl = draw(st.sampled_from([None, None, *TTLS]))
    for name in ("x", "y")[: draw(st.integers(1, 2))]:
        features[name] = draw(st.sampled_from(list(VALUES)))
    rows: dict[tuple[object, ...], Row] = {}
    for number in range(draw(st.integers(0, max_rows))):
        row: Row = {}
        for name, type_ in features.items():
            if name == "rid":
                row[name] = number if is_root else draw(st.sampled_from([None, 0, 1, 2]))
            elif name == time:
                row[name] = event_time(draw(st.sampled_from(TIMES_US)), time_type, unit)
            elif name in primary_key:
                row[name] = draw(st.sampled_from(VALUES[type_][:3]))
            elif name in keys:
                row[name] = draw(st.sampled_from([None, *VALUES[type_][:3]]))
            else:
                row[name] = draw(nullable(type_))
        rows[tuple(row[name] for name in (*primary_key, *([time] if time else [])))] = row
    return Table(features, primary_key, time, unit, ttl, list(rows.values()))


@st.composite
def conditions(draw: st.DrawFn, query: Any, names: list[str], depth: int = 2) -> Condition:
    """Draw a condition on columns of a query or a group."""
    shape = draw(st.sampled_from(["leaf", "leaf", "not", "and", "or"])) if depth else "leaf"
    if shape == "not":
        return ~draw(conditions(query, names, depth - 1))
    if shape in ("and", "or"):
        left, right = draw(conditions(query, names, depth - 1)), draw(conditions(query, names, depth - 1))
        return left & right if shape == "and" else left | right
    feature = query[draw(st.sampled_from(names))]
    if feature.type not in COMPARABLE or draw(st.integers(0, 5)) == 0:
        return feature.is_null()
    values = VALUES[feature.type]
    if feature.type in ("int", "bigint", "float", "double", "decimal(6,2)"):
        values = [*values, 1, 0.5, float("nan"), float("inf"), float("-inf"), Decimal("0.1")]
    if feature.type == "timestamp":
        values = [*values, "2024-10-04", date(2024, 10, 4)]
    value = st.sampled_from(values)
    kind = draw(st.sampled_from(["isin", "between", "like", *["compare"] * 4]))
    if kind == "isin":
        return feature.isin(draw(st.lists(value, max_size=3)))
    if kind == "between":
        return feature.between(draw(value), draw(value))
    if kind == "like" and feature.type == "string":
        return feature.like(
            draw(st.sampled_from(["%", "_", "a%", "%b", "a\\%b", "a\\_b", "a\\\\b", "A", ""]))
        )
    op = draw(st.sampled_from(["__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"]))
    return getattr(feature, op)(draw(value))  # type: ignore[no-any-return]


@st.composite
def joined(
    draw: st.DrawFn, groups: list[tuple[FeatureGroup, Table]], *, with_filters: bool = True
) -> tuple[Query, bool]:
    """Draw a query over groups, the first its root; return it, and whether a plain join may meet several rows."""
    parents = [draw(st.integers(0, max(0, index))) for index in range(len(groups) - 1)]
    may_raise = False

    def build(index: int, *, may_multiply: bool = True) -> Query:
        nonlocal may_raise
        group, table = groups[index]
        # An inner join on a right side could not take back the rows that another join has made of one.
        may_drop = index == 0 or not may_multiply or draw(st.booleans())
        may_multiply = may_multiply and (index == 0 or not may_drop)
        query = group.select_all()
        if with_filters and draw(st.integers(0, 3)) == 0:
            query = group.filter(draw(conditions(group, list(table.features))))
        for child in [number + 1 for number, parent in enumerate(parents) if parent == index]:
            right = groups[child][1]
            usable = [name for name in right.primary_key if name != "z"]
            on = usable[: draw(st.integers(1, len(usable)))]
            is_plain = right.event_time is None
            is_partial = len(on) < len(right.primary_key)
            below = build(child, may_multiply=may_multiply)
            is_free = not any(join.parent == 0 and join.how == "inner" for join in below.plan.joins)
            allow_many = is_plain and is_partial and is_free and may_multiply and draw(st.integers(0, 4)) > 0
            may_raise = may_raise or (is_plain and is_partial and not allow_many)
            starts_with_time = groups[0][1].event_time is not None
            has_times = table.event_time is not None and starts_with_time and not is_plain
            query = query.join(
                below,
                on=on,
                join_type=draw(st.sampled_from(["left", "left", "inner"] if may_drop else ["left"])),
                prefix=f"p{child}_",
                max_age=draw(st.sampled_from([None, None, timedelta(0), *TTLS])) if has_times else None,
                allow_many=allow_many,
                include_event_time=draw(st.booleans()),
            )
        return query

    query = build(0)
    if with_filters and draw(st.integers(0, 2)) == 0:
        query = query.filter(draw(conditions(query, query.features)))
    return query, may_raise


@dataclass(frozen=True)
class Shown:
    """A query in a report of a failure; its SQL is made only there."""

    query: Query

    def __repr__(self) -> str:
        return f"{self.query.plan}\n{self.query.to_string()}"


def check(
    query: Query, rows_of: dict[str, list[Row]], *, may_raise: bool, root_rows: list[Row] | None = None
) -> bool:
    """Compare the engine's answer with the oracle's; return False if both had only an error to give.

    Args:
        rows_of: the rows of each group by its id.
        root_rows: the rows of the root, where they are not those that a join with its group sees.
    """
    note(Shown(query))
    sources = [node.source for node in query.plan.nodes]
    rows = [rows_of[source.id] for source in sources]  # type: ignore[union-attr]
    order = [name for name in ("rid", sources[0].event_time) if name]
    rows[0] = sorted(
        rows[0] if root_rows is None else root_rows, key=lambda row: tuple(row[name] for name in order)
    )
    try:
        expected = answer(query.plan, rows)
    except MultipleMatchesError:
        with pytest.raises(MultipleMatchesError):
            query.read(dataframe_type="arrow")
        return False
    try:
        found = query.read(dataframe_type="arrow", order_by=order)
    except MultipleMatchesError:
        # The engine asks before it knows which left rows an inner join drops.
        assert may_raise and any(join.how == "inner" for join in query.plan.joins)
        return False
    multiplies = any(join.allow_many for join in query.plan.joins)
    assert_same_rows(found.to_pylist(), expected, any_order=multiplies)
    assert found.schema.names == [out.name for out in query.plan.outputs]
    return True


@EXAMPLES
@given(data=st.data())
def test_joins_and_filters_answer_as_the_oracle(
    data: st.DataObject, random_store: FeatureStore, numbers: Iterator[int]
) -> None:
    keys = {
        f"k{index}": data.draw(st.sampled_from(KEY_TYPES)) for index in range(data.draw(st.integers(1, 3)))
    }
    root = data.draw(tables(keys, is_root=True))
    rights = [data.draw(tables(keys, is_root=False)) for _ in range(data.draw(st.integers(1, 3)))]
    stored = [(store_table(random_store, numbers, table), table) for table in (root, *rights)]
    for _ in range(N_QUERIES):
        places = [
            stored[0],
            *(data.draw(st.sampled_from(stored)) for _ in rights),
        ]  # self joins, repeated groups
        query, may_raise = data.draw(joined(places))
        check(query, {group.spec.id: table.rows for group, table in stored}, may_raise=may_raise)


@dataclass
class History:
    """A group's rows after each commit, by a dict of row identity: what the group is compared with."""

    table: Table
    group: FeatureGroup
    states: list[tuple[int, int, dict[tuple[object, ...], Row]]]

    def at(self, instant_us: int) -> list[Row]:
        return list([rows for _, time, rows in self.states if time <= instant_us][-1].values())


@st.composite
def changes(draw: st.DrawFn, table: Table) -> tuple[str, list[Row]]:
    """Draw one change of a table: an operation, and the rows for it (keys alone for a removal)."""
    operation = draw(
        st.sampled_from(["upsert", "upsert", "upsert", "overwrite", "remove_keys", "remove_rows"])
    )
    rows = []
    for _ in range(draw(st.integers(0, 5))):
        row: Row = {}
        for name, type_ in table.features.items():
            if name == table.event_time:
                row[name] = event_time(draw(st.sampled_from(TIMES_US[:6])), type_, table.unit)
            elif name in table.primary_key:
                row[name] = draw(st.sampled_from([0, 1, 2] if name == "rid" else VALUES[type_][:2]))
            else:
                row[name] = draw(nullable(type_))
        rows.append(row)
    if operation == "remove_keys" or (operation == "remove_rows" and not table.event_time):
        return "remove_keys", rows
    return operation, rows


def apply_change(history: History, operation: str, rows: list[Row], is_same: Any) -> None:
    """Change the group and the model of it, and compare the counts of the commit."""
    table, group = history.table, history.group
    state = dict(history.states[-1][2])
    if operation.startswith("remove"):
        columns = table.primary_key if operation == "remove_keys" else table.identity
        keys = {tuple(row[name] for name in columns) for row in rows}
        gone = [identity for identity, row in state.items() if tuple(row[name] for name in columns) in keys]
        for identity in gone:
            del state[identity]
        features = {name: table.features[name] for name in columns}
        commit = group.remove_rows(frame(features, [[row[name] for name in columns] for row in rows]))
        assert commit.n_deleted == len(gone)
    else:
        incoming = {tuple(row[name] for name in table.identity): row for row in rows}
        before = {} if operation == "overwrite" else state
        is_known = {identity: identity in before for identity in incoming}
        n_same = sum(
            is_same(before[identity], row) for identity, row in incoming.items() if is_known[identity]
        )
        commit = group.insert(table.frame(rows), overwrite=operation == "overwrite")
        state = {**before, **incoming}
        found = (
            commit.n_rows_in,
            commit.n_duplicates,
            commit.n_inserted,
            commit.n_updated,
            commit.n_unchanged,
        )
        n_known = sum(is_known.values())
        assert found == (
            len(rows), len(rows) - len(incoming), len(incoming) - n_known, n_known - n_same, n_same,
        )  # fmt: skip
    history.states.append((commit.number, commit.committed_at_us, state))


def same_row(left: Row, right: Row) -> bool:
    try:
        assert_same_rows([left], [right])
    except AssertionError:
        return False
    return True


@EXAMPLES
@given(data=st.data())
def test_commits_and_as_of_answer_as_the_oracle(
    data: st.DataObject, random_store: FeatureStore, numbers: Iterator[int], clock: ManualClock
) -> None:
    keys = {"k0": data.draw(st.sampled_from(KEY_TYPES))}
    histories = []
    for is_root in (True, False):
        table = replace(data.draw(tables(keys, is_root=is_root, max_rows=0)), rows=[])
        group = store_table(random_store, numbers, table, online_enabled=not is_root)
        first = group.commit_details()[-1]
        histories.append(History(table, group, [(first.number, first.committed_at_us, {})]))
    for _ in range(data.draw(st.integers(1, 4))):
        clock.advance(timedelta(microseconds=data.draw(st.sampled_from([0, 1, 1_000_000]))))
        history = histories[data.draw(st.integers(0, 1))]
        operation, rows = data.draw(changes(history.table))
        apply_change(history, operation, rows, same_row)
    times = sorted({time for history in histories for _, time, _ in history.states})
    for _ in range(N_QUERIES):
        instant_us = data.draw(st.sampled_from([*times, *(time - 1 for time in times), times[-1] + 1]))
        query, may_raise = data.draw(joined([(h.group, h.table) for h in histories], with_filters=False))
        query = query.as_of(from_micros(instant_us))
        if instant_us < max(history.states[0][1] for history in histories):
            with pytest.raises(TimeTravelError):
                query.read(dataframe_type="arrow")
        else:
            rows_of = {history.group.spec.id: history.at(instant_us) for history in histories}
            check(query, rows_of, may_raise=may_raise)
    for history in histories:
        number, _, state = data.draw(st.sampled_from(history.states))
        found = history.group.as_of(number).read(dataframe_type="python")
        assert_same_rows(found, state.values(), any_order=True)
    check_online(histories[1])


def check_online(history: History) -> None:
    """The online rows are as many as the keys, and what a rebuild from the snapshot makes of them."""
    session, spec = history.group._session, history.group.spec
    applied = list(session.online.scan(spec.id))
    state = history.states[-1][2]
    assert len(applied) == len({tuple(row[name] for name in spec.primary_key) for row in state.values()})
    rebuild(session, spec)
    assert list(session.online.scan(spec.id)) == applied
