"""Bad input: what was wrong, the value, and what to do are in the message, and nothing was written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import hopyard
from hopyard.errors import (
    AlreadyExistsError,
    AmbiguousFeatureError,
    ConfigError,
    DuplicateRowsError,
    ExistingRowsError,
    HopyardError,
    HopyardWarning,
    InvalidNameError,
    JoinKeyError,
    MultipleMatchesError,
    NotFoundError,
    QueryError,
    SchemaMismatchError,
    TimeTravelError,
)
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.ports import RecordKind
from hopyard.testing.frames import frame
from hopyard.testing.store import ManualClock, open_store

ACCOUNTS = {"id": "bigint", "owner": "string", "t": "timestamp", "balance": "double", "n": "int"}
RATES = {"city": "string", "tier": "bigint", "rate": "double"}
OWNERS = {"name": "string", "t": "timestamp", "age": "int", "tags": "array<string>", "born": "date"}


class World:
    """A store with three groups: `accounts` (online), `rates` (a key of two columns, no event time), `owners`."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock("2026-01-01")
        self.fs: FeatureStore = open_store(folder, clock=self.clock).get_feature_store()
        self.accounts = self.fs.create_feature_group(
            "accounts",
            primary_key=["id"],
            event_time="t",
            foreign_key={"owner": "name"},
            online_enabled=True,
            features=ACCOUNTS,
        )
        self.accounts.insert(
            frame(ACCOUNTS, [(1, "ann", "2025-01-01", 1.0, 1), (2, "bob", "2025-01-02", 2.0, 2)])
        )
        self.rates = self.fs.create_feature_group("rates", primary_key=["city", "tier"], features=RATES)
        self.rates.insert(frame(RATES, [("oslo", 1, 0.1), ("oslo", 2, 0.2)]))
        self.owners = self.fs.create_feature_group(
            "owners", primary_key=["name"], event_time="t", features=OWNERS, ttl=timedelta(days=400)
        )
        self.owners.insert(frame(OWNERS, [("ann", "2024-12-31", 40, ["a"], "1984-01-01")]))

    def state(self) -> object:
        """Everything that a refused call must leave as it was."""
        session = self.fs._session
        kinds: tuple[RecordKind, ...] = get_args(RecordKind)
        records = [
            (record.kind, record.id, record.revision)
            for kind in kinds
            for record in session.registry.list(session.project, kind)
        ]
        commits = {
            group.spec.location: [commit.number for commit in session.offline.commits(group.spec.location)]
            for group in self.fs.list_feature_groups()
        }
        positions = [session.online.position(group.spec.id) for group in self.fs.list_feature_groups()]
        files = sorted(str(path) for path in session.root.rglob("*.parquet"))
        return records, commits, positions, files

    @contextmanager
    def refuses(self, error: type[HopyardError], *parts: str) -> Iterator[None]:
        """Check that the block raises `error` with all these parts in its message, and leaves no trace."""
        before = self.state()
        with pytest.raises(error) as caught:
            yield
        assert type(caught.value) is error
        for part in parts:
            assert part in str(caught.value), f"{part!r} is missing in: {caught.value}"
        assert self.state() == before


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "store")


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world for calls that are all refused: it stays as it is."""
    return World(tmp_path_factory.mktemp("still") / "store")


# --- 2. Names and versions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("Accounts", "accounts"),
        ("my accounts", "my_accounts"),
        ("1st", "st"),
        ("", "x"),
        ("größe", "gr_e"),
        ("a" * 64, "a" * 63),
        ("a; drop table b", "a_drop_table_b"),
        ("a\u202eb", "a_b"),
        ("a\n", "a"),
    ],
)
def test_2_an_invalid_name_shows_the_nearest_valid_one(still: World, name: str, nearest: str) -> None:
    for kind, make in {
        "feature group": lambda: still.fs.create_feature_group(name),
        "feature view": lambda: still.fs.create_feature_view(name, still.rates.select_all()),
        "feature": lambda: still.accounts.append_features({name: "int"}),
        "prefix": lambda: still.rates.select_all().join(
            still.rates.select_all(), on=["city"], prefix=name or " "
        ),
    }.items():
        with still.refuses(InvalidNameError, f"cannot name a {kind}", "start with a letter", repr(nearest)):
            make()


def test_2_an_invalid_column_or_project_is_refused(still: World, tmp_path: Path) -> None:
    group = still.fs.create_feature_group("named", primary_key=["id"])
    with still.refuses(InvalidNameError, "'My Column'", "cannot name a feature", "'my_column'"):
        group.insert(pa.table({"id": [1], "My Column": [2]}))
    with pytest.raises(InvalidNameError, match="'My Project' cannot name a project: .* 'my_project'"):
        hopyard.login(tmp_path / "other", project="My Project")
    assert not (tmp_path / "other").exists()


def test_2_something_missing_is_an_error_with_close_names(still: World) -> None:
    with still.refuses(NotFoundError, "No feature group named 'acounts'. Did you mean 'accounts'?"):
        still.fs.get_feature_group("acounts")
    with still.refuses(NotFoundError, "'zzz'", "There are: accounts, owners, rates."):
        still.fs.get_feature_group("zzz")
    with still.refuses(NotFoundError, "version of feature group 'accounts'", "'7'", "1"):
        still.fs.get_feature_group("accounts", 7)
    with still.refuses(NotFoundError, "No feature view named 'churn'. There are none yet."):
        still.fs.get_feature_view("churn")
    with still.refuses(NotFoundError, "feature of 'accounts_1'", "Did you mean 'balance'?"):
        still.accounts.select(["balanse"])
    with still.refuses(NotFoundError, "Did you mean 'balance'?"):
        still.accounts.filter(still.accounts["balanse"] > 1)
    with still.refuses(NotFoundError, "Did you mean 'balance'?"):
        still.accounts.read(order_by=["balanse"])
    with still.refuses(NotFoundError, "tag of 'accounts_1'", "'pii'"):
        still.accounts.get_tag("pii")
    with pytest.raises(AttributeError, match="Did you mean 'balance'"):
        _ = still.accounts.balanse


def test_2_get_or_create_lists_each_difference(still: World) -> None:
    parts = ("primary_key", "['owner']", "online_enabled is True, not False", "Leave these arguments out")
    with still.refuses(AlreadyExistsError, "'accounts' version 1 exists and differs", *parts):
        still.fs.get_or_create_feature_group("accounts", primary_key=["owner"], online_enabled=False)
    same = still.fs.get_or_create_feature_group("accounts", primary_key=["id"], event_time="t")
    assert same.version == 1


def test_2_a_stored_version_cannot_be_created_again(world: World) -> None:
    with world.refuses(AlreadyExistsError, "'accounts' version 1 exists", "get_feature_group('accounts', 1)"):
        world.fs.create_feature_group("accounts", 1)
    late = world.fs.create_feature_group("accounts", 2, primary_key=["id"], features=ACCOUNTS)
    world.fs.create_feature_group("accounts", 2, primary_key=["id"], features=ACCOUNTS).save()
    with world.refuses(AlreadyExistsError, "'accounts' version 2 exists"):
        late.save()


@pytest.mark.parametrize("version", [0, -1, True, "1", 1.0])
def test_2_a_version_is_a_whole_number_from_1(still: World, version: Any) -> None:
    for call in (
        still.fs.create_feature_group,
        still.fs.get_feature_group,
        still.fs.get_or_create_feature_group,
    ):
        with still.refuses(ConfigError, f"version={version!r}", "from 1"):
            call("accounts", version)


def test_2_a_group_that_is_not_stored_cannot_be_read(still: World) -> None:
    group = still.fs.create_feature_group("lazy", primary_key=["id"], features={"id": "bigint"})
    for call in (group.read, group.select_all, group.commit_details, lambda: group.remove_rows([{"id": 1}])):
        with still.refuses(ConfigError, "'lazy' is not stored yet", "insert() rows or save() it first"):
            call()


# --- 3. Writing ------------------------------------------------------------------------------------------------------


def test_3_1_what_is_no_dataframe_is_refused(still: World) -> None:
    for thing in (5, "rows", None, object()):
        with still.refuses(SchemaMismatchError, "dataframe"):
            still.accounts.insert(thing)
    with still.refuses(SchemaMismatchError, "row 1 is 7", "dict"):
        still.accounts.insert([{"id": 1}, 7])


def test_3_3_insert_promises_new_rows(still: World) -> None:
    rows = frame(ACCOUNTS, [(9, "cy", "2025-01-01", 1.0, 1), (2, "bob", "2025-01-02", 5.0, 2)])
    parts = ("1 of 2", "accounts_1", "'id': 2", "2025", "Nothing was written", "operation='upsert'")
    with still.refuses(ExistingRowsError, *parts):
        still.accounts.insert(rows, operation="insert")
    with still.refuses(ConfigError, "operation='merge'", "'upsert' or 'insert'"):
        still.accounts.insert(rows, operation="merge")  # type: ignore[arg-type]


def test_3_4_duplicates_can_be_refused_and_are_warned_of(world: World) -> None:
    rows = frame(ACCOUNTS, [(7, "cy", "2025-01-01", 1.0, 1), (7, "cy", "2025-01-01", 2.0, 1)])
    parts = ("1 of 2 rows", "'id', 't'", "row 0", "id=7", "duplicates='last'", "Nothing was written")
    with world.refuses(DuplicateRowsError, *parts):
        world.accounts.insert(rows, duplicates="error")
    with world.refuses(ConfigError, "duplicates='first'", "'last' or 'error'"):
        world.accounts.insert(rows, duplicates="first")  # type: ignore[arg-type]
    with pytest.warns(HopyardWarning, match=re.escape("1 of 2 rows of 'accounts_1' repeat")):
        world.accounts.insert(rows)


def test_3_5_a_row_of_the_future_is_refused_online(world: World) -> None:
    rows = frame(ACCOUNTS, [(7, "cy", "2026-01-01 00:00:00.001", 1.0, 1)])
    parts = (
        "1 of 1 rows",
        "later than now (2026-01-01T00:00:00Z)",
        "row 0 (2026-01-01 00:00:00.001",
        "allow_future=True",
    )
    with world.refuses(SchemaMismatchError, *parts):
        world.accounts.insert(rows)
    assert world.accounts.insert(rows, allow_future=True).n_inserted == 1
    world.owners.insert(frame(OWNERS, [("zed", "2030-01-01", 1, [], "2000-01-01")]))  # offline: allowed


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"id": [None, 1]}, ("'id' is part of the primary key and null in 1 of 2 rows", "row 0")),
        ({"t": [datetime(2025, 1, 1), None]}, ("'t' is the event time and null in 1 of 2 rows", "row 1")),
        ({"n": [1, 2**40]}, ("'n' must be int", "1 of 2 rows do not fit", f"row 1 ({2**40})")),
        ({"n": [1.5, 2.0]}, ("'n' must be int", "row 0 (1.5)", "whole numbers")),
        ({"n": ["1", "2"]}, ("'n' must be int", "2 of 2 rows", "text is not turned into numbers")),
        ({"balance": [2**53 + 1, 0]}, ("'balance' must be double", f"row 0 ({2**53 + 1})", "2^53")),
        ({"balance": ["x", None]}, ("'balance' must be double", "row 0 ('x')")),
        ({"owner": [1, 2]}, ("'owner' must be string", "text")),
        ({"t": ["2025-01-01", "2025-01-02"]}, ("'t' must be timestamp", "parse text")),
        ({"id": [True, False]}, ("'id' must be bigint",)),
        ({"extra": [1, 2]}, ("'extra'", "append_features()")),
        ({"balanse": [1.0, 2.0], "balance": ...}, ("lacks 'balance' (double)", "'balanse' (did you mean 'balance'?)")),
        ({"owner": ..., "n": ...}, ("lacks 'owner' (string), 'n' (int)", "null where a value is unknown")),
    ],
)  # fmt: skip
def test_3_6_rows_that_do_not_fit_are_pointed_at(
    still: World, change: dict[str, Any], parts: tuple[str, ...]
) -> None:
    columns: dict[str, Any] = {
        "id": [8, 9],
        "owner": ["a", "b"],
        "t": [datetime(2025, 1, 1), datetime(2025, 1, 2)],
        "balance": [1.0, 2.0],
        "n": [1, 2],
    }
    columns = {name: values for name, values in {**columns, **change}.items() if values is not ...}
    with still.refuses(SchemaMismatchError, "'accounts_1'", "Nothing was written", *parts):
        still.accounts.insert(columns)
    with still.refuses(SchemaMismatchError, *parts):
        still.accounts.insert(columns, overwrite=True)


def test_3_7_a_feature_that_cannot_be_appended(still: World) -> None:
    with still.refuses(AlreadyExistsError, "'balance'", "never changes its type", "new version"):
        still.accounts.append_features({"balance": "bigint"})
    with still.refuses(SchemaMismatchError, "'number' is no feature type", "bigint"):
        still.accounts.append_features({"gust": "number"})
    with still.refuses(SchemaMismatchError, "default 'x' of 'gust' is no double"):
        still.accounts.append_features({"gust": "double"}, defaults={"gust": "x"})
    with still.refuses(SchemaMismatchError, "defaults= names 'gist'"):
        still.accounts.append_features({"gust": "double"}, defaults={"gist": 1.0})
    with still.refuses(SchemaMismatchError, "no features"):
        still.accounts.append_features({})


@pytest.mark.parametrize(
    ("array", "advice"),
    [
        (pa.array([time(1)]), "seconds since midnight"),
        (pa.array([timedelta(1)]), "such as seconds"),
        (pa.array([None]), "give the column a type"),
        (pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())), "array<struct"),
        (pa.array([2**63], pa.uint64()), "decimal(20,0)"),
    ],
)
def test_3_7_a_type_that_is_no_feature_type_gets_advice(still: World, array: pa.Array, advice: str) -> None:
    group = still.fs.create_feature_group("odd", primary_key=["id"])
    with still.refuses(SchemaMismatchError, "Column 'x' has type", advice):
        group.insert(pa.table({"id": [1], "x": array}))


@pytest.mark.parametrize(
    ("keys", "parts"),
    [
        ([{"id": 1, "n": 2}], ("primary key 'id'", "event time 't'", "'id', 'n'")),
        ([{"t": datetime(2025, 1, 1)}], ("primary key 'id'", "Select the key columns")),
        ([{"id": "1"}], ("'id' must be bigint", "row 0 ('1')")),
        ([{"id": None}, {"id": 1}], ("'id' is part of the primary key and null", "row 0")),
    ],
)
def test_3_8_rows_are_removed_by_key(still: World, keys: Any, parts: tuple[str, ...]) -> None:
    with still.refuses(SchemaMismatchError, *parts):
        still.accounts.remove_rows(keys)


@pytest.mark.parametrize(
    ("options", "error", "parts"),
    [
        ({"primary_key": ["nid"]}, SchemaMismatchError, ("primary_key of 'fresh' names 'nid'", "Did you mean 'id'?")),
        ({"primary_key": ["x"]}, SchemaMismatchError, ("'x', which is a double", "Cast it")),
        ({"primary_key": ["id", "id"]}, SchemaMismatchError, ("twice",)),
        ({"foreign_key": {"no": "faa"}}, SchemaMismatchError, ("foreign_key of 'fresh' names 'no'",)),
        ({"event_time": "s"}, SchemaMismatchError, ("event_time of 'fresh' names 's', which is a string", "Parse")),
        ({"event_time": "id"}, ConfigError, ("bigint", "event_time_unit='s', 'ms' or 'us'")),
        ({"event_time": "t", "event_time_unit": "s"}, ConfigError, ("timestamp", "leave out")),
        ({"event_time_unit": "s"}, ConfigError, ("no event time",)),
        ({"online_enabled": True}, ConfigError, ("no primary key", "online_enabled=False")),
        ({"ttl": timedelta(1)}, ConfigError, ("ttl and no event time",)),
        ({"event_time": "t", "ttl": timedelta(0)}, ConfigError, ("0 seconds", "more than 0")),
    ],
)  # fmt: skip
def test_3_a_group_that_cannot_be(
    still: World, options: dict[str, Any], error: type[HopyardError], parts: tuple[str, ...]
) -> None:
    group = still.fs.create_feature_group("fresh", **options)
    rows = pa.table({"id": [1], "s": ["a"], "x": [1.0], "t": [datetime(2025, 1, 1)]})
    with still.refuses(error, *parts):
        group.insert(rows)


def test_3_a_new_group_whose_first_rows_do_not_fit_is_not_stored(still: World) -> None:
    """`create_*` is lazy, and an insert is all or nothing: also the first one."""
    group = still.fs.create_feature_group("fresh", primary_key=["id"])
    with still.refuses(SchemaMismatchError, "'id' is part of the primary key and null"):
        group.insert(pa.table({"id": [1, None], "x": [1.0, 2.0]}))
    online = still.fs.create_feature_group("fresh", primary_key=["id"], event_time="t", online_enabled=True)
    with still.refuses(SchemaMismatchError, "later than now"):
        online.insert(pa.table({"id": [1], "t": [datetime(2099, 1, 1)]}))
    typed = still.fs.create_feature_group("fresh", primary_key=["id"], features={"id": "bigint"})
    with still.refuses(SchemaMismatchError, "'id' must be bigint"):
        typed.insert(pa.table({"id": ["1"]}))
    with still.refuses(DuplicateRowsError, "repeat the identity"):
        typed.insert(pa.table({"id": [1, 1]}), duplicates="error")


def test_3_the_callers_frame_is_never_changed(world: World) -> None:
    rows = pd.DataFrame(
        {"id": [3.0, np.nan], "owner": ["a", None], "t": pd.to_datetime(["2025-01-01"] * 2), "balance": 1.0, "n": 1}
    )  # fmt: skip
    copy = rows.copy(deep=True)
    with world.refuses(SchemaMismatchError, "null in 1 of 2 rows"):
        world.accounts.insert(rows)
    pd.testing.assert_frame_equal(rows, copy)


# --- 5. Joins --------------------------------------------------------------------------------------------------------


def keyless(world: World) -> FeatureGroup:
    group = world.fs.get_or_create_feature_group("log", features={"line": "string", "id": "bigint"})
    return group if group.version else group.save()


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({}, ("No join keys can be inferred", "(city, tier)", "primary: id", "owner -> name", "cover city, tier")),
        ({"on": ["city"]}, ("'accounts_1' has no column 'city'", "It has: id, owner")),
        ({"on": ["id"]}, ("'rates_1' has no column 'id'",)),
        ({"left_on": ["id"], "right_on": ["rate"]}, ("'rate' is no part of it", "city, tier")),
        ({"left_on": ["id"], "right_on": ["city"]}, ("accounts_1.id is bigint", "rates_1.city is string", "equal")),
        ({"left_on": ["balance"], "right_on": ["tier"]}, ("accounts_1.balance is double", "cannot be a join key")),
        ({"left_on": ["owner"]}, ("right_on= is missing",)),
        ({"right_on": ["city"]}, ("left_on= is missing",)),
        ({"on": ["city"], "left_on": ["owner"]}, ("both were given",)),
        ({"left_on": ["owner"], "right_on": ["city", "tier"]}, ("equally many", "['city', 'tier']")),
        ({"on": []}, ("at least one",)),
        ({"left_on": ["owner", "owner"], "right_on": ["city", "city"]}, ("twice",)),
    ],
)  # fmt: skip
def test_5_1_join_keys_that_cannot_be(still: World, options: dict[str, Any], parts: tuple[str, ...]) -> None:
    with still.refuses(JoinKeyError, *parts):
        still.accounts.select_all().join(still.rates.select_all(), **options)


def test_5_1_two_left_columns_for_one_right_column(world: World) -> None:
    flights = {"id": "bigint", "origin": "string", "dest": "string"}
    group = world.fs.create_feature_group(
        "flights", primary_key=["id"], foreign_key={"origin": "name", "dest": "name"}, features=flights
    ).save()
    parts = ("owners_1.name", "dest, origin", "right_on=['name']")
    with world.refuses(JoinKeyError, *parts):
        group.select_all().join(world.owners.select_all())


def test_5_1_a_keyless_group_is_never_a_right_side(world: World) -> None:
    group = keyless(world)
    with world.refuses(JoinKeyError, "'log_1' has no primary key", "Use it as the left side"):
        world.accounts.select_all().join(group.select_all(), on=["id"])


@pytest.mark.parametrize("join_type", ["right", "full", "cross", "outer"])
def test_5_2_other_join_types_are_refused_with_the_reason(still: World, join_type: Any) -> None:
    with still.refuses(QueryError, f"join_type={join_type!r}", "'left' or 'inner'", "multiply"):
        still.accounts.select_all().join(still.owners.select_all(), join_type=join_type)


def test_5_2_max_age_needs_two_event_times(still: World) -> None:
    left, owners, rates = still.accounts.select_all(), still.owners.select_all(), still.rates.select_all()
    with still.refuses(QueryError, "max_age=", "'rates_1' has none"):
        left.join(rates, left_on=["owner"], right_on=["city"], max_age=timedelta(1))
    with still.refuses(QueryError, "max_age=", "'rates_1' has none"):
        rates.join(owners, left_on=["city"], right_on=["name"], max_age=timedelta(1))
    with still.refuses(QueryError, "negative"):
        left.join(owners, prefix="o_", max_age=timedelta(-1))


def test_5_4_a_plain_join_never_multiplies_unasked(world: World) -> None:
    cities = world.fs.create_feature_group("cities", primary_key=["city"], features={"city": "string"})
    cities.insert([{"city": "oslo"}, {"city": "rome"}])
    query = cities.select_all().join(world.rates.select_all(), on=["city"])
    parts = ("'rates_1' has 2 rows for {'city': 'oslo'}", "open: tier", "allow_many=True")
    with world.refuses(MultipleMatchesError, *parts):
        query.read(dataframe_type="arrow")
    many = cities.select_all().join(world.rates.select_all(), on=["city"], allow_many=True)
    assert many.read(dataframe_type="arrow").num_rows == 3


def test_5_4_a_root_without_event_time_is_warned_of(still: World) -> None:
    query = still.rates.select_all().join(still.owners.select_all(), left_on=["city"], right_on=["name"])
    with pytest.warns(HopyardWarning, match="'rates_1' has no event time.*'owners_1'.*as of now"):
        query.read(dataframe_type="arrow")


def test_5_5_equal_names_need_a_prefix(still: World) -> None:
    other = still.accounts.select_all()
    parts = ("accounts_1.balance", "would be called 'balance'", "prefix=", "select_except")
    with still.refuses(AmbiguousFeatureError, *parts):
        still.accounts.select(["balance"]).join(other, on=["id"])
    with still.refuses(QueryError, "'id' twice"):
        still.accounts.select(["id", "id"])


FILTERS: list[tuple[str, Callable[[World], object], tuple[str, ...]]] = [
    ("text for a number", lambda w: w.accounts["n"] == "1", ("'n' is int", "'1' is string", "never equal")),
    ("a number for text", lambda w: w.accounts["owner"] == 1, ("'owner' is string", "1 is bigint")),
    ("a boolean for a number", lambda w: w.accounts["n"] == True, ("'n' is int", "True is boolean")),  # noqa: E712
    ("in a list", lambda w: w.accounts["n"].isin([1, "2"]), ("'n' is int", "'2' is string")),
    ("no instant", lambda w: w.accounts["t"] > "soon", ("'t' is a timestamp", "'soon' is no instant")),
    ("a time for a date", lambda w: w.owners["born"] == datetime(2020, 1, 1, 12), ("'born' is a date", "give a date")),
    ("its text", lambda w: w.owners["born"] == "2020-01-01 12:00", ("'born' is a date", "give a date")),
    ("None", lambda w: w.accounts["n"] == None, ("'n' == None", "is_null()")),  # noqa: E711
    ("None in a list", lambda w: w.accounts["n"].isin([None]), ("'n' is compared with None", "is_null()")),
    ("an array", lambda w: w.owners["tags"] == "a", ("'tags' is array<string>", "is_null()")),
    ("like on a number", lambda w: w.accounts["n"].like("1%"), ("like() is for text", "'n' is int")),
    ("a text for a list", lambda w: w.accounts["owner"].isin("ann"), ("list of values", "['ann']")),
    ("another feature", lambda w: w.accounts["n"] == w.accounts["id"], ("another feature, 'id'",)),
    ("an object", lambda w: w.accounts["n"] == object(), ("cannot be compared",)),
    ("beyond 64 bits", lambda w: w.accounts["n"] == 2**63, (f"{2**63}", "64 bits")),
    ("an endless decimal", lambda w: w.accounts["n"] == pa.scalar(1), ("cannot be compared",)),
    ("and", lambda w: (w.accounts["n"] == 1) and (w.accounts["n"] == 2), ("&, | and ~", "brackets")),
    ("a chained comparison", lambda w: 1 < w.accounts["n"] < 2, ("between(low, high)",)),
    ("& with no condition", lambda w: (w.accounts["n"] == 1) & 5, ("5 is none", "brackets")),  # type: ignore[operator]
]  # fmt: skip


@pytest.mark.parametrize(("make", "parts"), [case[1:] for case in FILTERS], ids=[case[0] for case in FILTERS])
def test_5_6_filters_that_cannot_be(
    still: World, make: Callable[[World], object], parts: tuple[str, ...]
) -> None:
    with still.refuses(QueryError, *parts):
        made: Any = make(still)
        group = still.owners if "born" in str(made) or "tags" in str(made) else still.accounts
        group.filter(made)


def test_5_6_filters_name_groups_of_the_query(still: World) -> None:
    with still.refuses(NotFoundError, "feature group of the query", "'owners_1'"):
        still.accounts.filter(still.owners["age"] > 1)
    twice = still.accounts.select_all().join(still.accounts.select_all(), on=["id"], prefix="again_")
    with still.refuses(AmbiguousFeatureError, "accounts_1.balance occurs 2 times", "query['balance']"):
        twice.filter(still.accounts["balance"] > 1)
    filtered = twice.filter(twice["again_balance"] > 1)
    with still.refuses(QueryError, "no meaning there", "Filter each group before"):
        still.owners.select_all().join(filtered, left_on=["age"], right_on=["id"], prefix="x_")


# --- 4. Time travel, and reading -------------------------------------------------------------------------------------


def test_4_instants_that_cannot_be_read(still: World) -> None:
    with still.refuses(TimeTravelError, "'yesterday' is no instant", "2026-11-23"):
        still.accounts.as_of("yesterday")
    with still.refuses(TimeTravelError, "5.5 is no instant"):
        still.accounts.as_of(5.5)  # type: ignore[arg-type]
    with still.refuses(
        TimeTravelError, "'accounts_1' did not exist at 2020-01-01T00:00:00Z", "first commit is number 0"
    ):
        still.accounts.as_of("2020-01-01").read()
    with still.refuses(TimeTravelError, "no commit 99", "the last is 1"):
        still.accounts.as_of(99).read()
    with still.refuses(TimeTravelError, "no commit -1"):
        still.accounts.as_of(-1).read()
    query = still.accounts.select_all().join(still.owners.select_all(), prefix="o_")
    with still.refuses(TimeTravelError, "as_of(1) is a commit number", "Give an instant"):
        query.as_of(1)


def test_4_a_feature_that_was_appended_later(world: World) -> None:
    world.clock.advance(timedelta(hours=1))
    before = world.clock.now
    world.clock.advance(timedelta(hours=1))
    world.owners.append_features({"height": "double"})
    assert "height" not in world.owners.as_of(before).read(dataframe_type="arrow").column_names
    with world.refuses(TimeTravelError, "owners_1.height did not exist at commit 1", "appended later"):
        world.owners.select(["name", "height"]).as_of(before).read()


def test_reading_options_that_are_unknown(still: World) -> None:
    with still.refuses(ConfigError, "'spark'", "polars"):
        still.accounts.read(dataframe_type="spark")
    with still.refuses(QueryError, "limit=-1"):
        still.accounts.read(limit=-1)


def test_a_group_that_a_view_reads_is_not_deleted(world: World) -> None:
    world.fs.create_feature_view("churn", world.accounts.select_all())
    with world.refuses(QueryError, "churn"):
        world.accounts.delete()


def test_dates_are_dates(still: World) -> None:
    rows = still.owners.filter(still.owners["born"] == date(1984, 1, 1)).read(dataframe_type="python")
    assert [row["name"] for row in rows] == ["ann"]
