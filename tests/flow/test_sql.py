"""A user's own SELECT: what it gives, and that it reaches nothing but feature groups."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hopyard.config import load_config
from hopyard.connect import open_session
from hopyard.errors import AmbiguousFeatureError, HopyardError, NotFoundError, QueryError, TimeTravelError
from hopyard.feature_store import FeatureStore
from hopyard.query.permitted import FUNCTIONS
from hopyard.query.sql import sql
from hopyard.session import Session

HOUR = 3_600_000_000


def at(hour: int) -> datetime:
    return datetime(2024, 1, 1, hour, tzinfo=UTC)


def new_store(folder: Path) -> Session:
    """Return a store whose clock goes on an hour per look, with two versions of weather, and flights."""
    ticks = iter(range(0, 10_000 * HOUR, HOUR))
    opened = open_session(load_config(folder), clock=lambda: next(ticks) + 1_700_000_000_000_000)
    fs = FeatureStore(opened)
    weather = fs.create_feature_group("weather", primary_key="origin", event_time="at")
    weather.insert(
        [{"origin": "jfk", "at": at(1), "temp": 1.5}, {"origin": "lga", "at": at(1), "temp": None}]
    )
    weather.insert([{"origin": "jfk", "at": at(2), "temp": 2.5}])
    newer = fs.create_feature_group("weather", primary_key="origin", event_time="at")
    newer.insert([{"origin": "jfk", "at": at(1), "temp": 7.5}])
    flights = fs.create_feature_group("flights", primary_key="id", event_time="at")
    flights.insert([{"id": 1, "origin": "jfk", "at": at(3)}, {"id": 2, "origin": "lga", "at": at(3)}])
    return opened


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Return a store that is only read from."""
    opened = new_store(tmp_path_factory.mktemp("sql") / "store")
    yield opened
    opened.engine.close()
    opened.registry.close()


@pytest.fixture
def own(tmp_path: Path) -> Session:
    """Return a store that the test may change."""
    return new_store(tmp_path / "store")


def test_groups_by_name_and_version(session: Session) -> None:
    assert sql(session, "select count(*) as n from weather_1").to_pylist() == [{"n": 3}]
    assert sql(session, "select temp from weather").to_pylist() == [{"temp": 7.5}]
    assert sql(session, 'select temp from "weather_2" where "weather_2".temp > 1').to_pylist() == [
        {"temp": 7.5}
    ]
    assert sql(session, "FROM Weather_2 W SELECT W.Temp AS temp;").to_pylist() == [{"temp": 7.5}]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (
            "select f.id, temp from flights f asof join weather_1 w on f.origin = w.origin and f.at >= w.at order by 1",
            [(1, 2.5), (2, None)],
        ),
        (
            "with a as (select * from weather_1), b as (select temp from a) select max(temp) as m from b",
            [(2.5,)],
        ),
        ("with a as (select 1 as x) select x from a union all select x + 1 from a order by x", [(1,), (2,)]),
        (
            "with recursive t as (select 1 as x union all select x + 1 from t where x < 3) select max(x) from t",
            [(3,)],
        ),
        ("with weather_1 as (select 9 as x) select x from weather_1", [(9,)]),
        ("select i from range(2) r(i) union select unnest([5]) order by i", [(0,), (1,), (5,)]),
        ("select y from weather_2, lateral (select temp + 1 as y)", [(8.5,)]),
        (
            "select x from (values (1), (2)) t(x) where x in (select id from flights) order by x desc",
            [(2,), (1,)],
        ),
        (
            "select origin, list(temp order by at) from weather_1 group by 1 order by 1",
            [("jfk", [1.5, 2.5]), ("lga", [None])],
        ),
        ("select list_transform([1, 2], lambda x: x + 1) as l", [([2, 3],)]),
        ("select epoch_us(at) as us from weather_2", [(int(at(1).timestamp()) * 1_000_000,)]),
        (
            "select 'it''s -- ; /* no comment */' as s -- a comment */ with an end",
            [("it's -- ; /* no comment */",)],
        ),
        ("select * from (select count(*) c from flights) natural join (select 2::bigint c)", [(2,)]),
        (
            "select id from flights where exists (select 1 from weather_2 w where w.origin = flights.origin)",
            [(1,)],
        ),
    ],
)
def test_what_a_select_can_say(session: Session, query: str, expected: list[tuple[object, ...]]) -> None:
    table = sql(session, query)
    assert [tuple(row.values()) for row in table.to_pylist()] == expected


def test_columns_come_in_feature_types(session: Session) -> None:
    table = sql(
        session,
        "select 1::tinyint a, 1::uinteger b, sum(1::bigint) c, 1.50 d, timestamp '2024-01-01 10:00' e, at f, "
        "null g, 'x'::enum('x') h, [1::smallint]::smallint[1] i, {'p': 1, 'q r': date '2024-01-02'} j, 'a'::blob k "
        "from weather_2 group by at",
    )
    utc = pa.timestamp("us", "UTC")
    assert table.schema.types == [
        pa.int32(), pa.int64(), pa.decimal128(38, 0), pa.decimal128(3, 2), utc, utc, pa.string(), pa.string(),
        pa.list_(pa.int32()), pa.struct([("p", pa.int32()), ("q r", pa.date32())]), pa.binary(),
    ]  # fmt: skip
    row = table.to_pylist()[0]
    assert (row["c"], row["d"], row["e"], row["h"]) == (Decimal(1), Decimal("1.50"), at(10), "x")


@pytest.mark.parametrize("expression", ["interval 1 day", "time '10:00'", "map {'a': 1}"])
def test_other_types_are_an_error_that_says_to_cast(session: Session, expression: str) -> None:
    with pytest.raises(QueryError, match="column 'x' of the result has type .* no feature can have. Cast it"):
        sql(session, f"select {expression} as x")


def test_as_of_reads_every_group_as_it_was(session: Session) -> None:
    first, second = session.offline.commits(_location(session, "weather", 1))[1:3]
    moment = datetime.fromtimestamp(first.committed_at_us / 1e6, UTC)
    assert sql(session, "select count(*) n from weather_1", as_of=moment).to_pylist() == [{"n": 2}]
    later = datetime.fromtimestamp(second.committed_at_us / 1e6, UTC)
    assert sql(session, "select count(*) n from weather_1", as_of=later).to_pylist() == [{"n": 3}]
    with pytest.raises(TimeTravelError, match="'flights_1' did not exist at"):
        sql(session, "select count(*) n from weather_1, flights_1", as_of=moment)


@pytest.mark.parametrize(
    "query",
    [
        "select * from flights",
        'select * from "Flights_1"',
        "select w.temp from weather_1 w left join flights f on f.origin = w.origin",
        "with f as (select * from flights) select count(*) as n from weather_1",
        "select temp from weather_1 where origin in (select origin from flights)",
        "select (select max(id) from flights) as x from weather_1",
        "select origin from weather_1 union all select origin from flights",
        "select t.* from weather_1 w, lateral (select * from flights f where f.origin = w.origin) t",
        "select * from (select * from flights) where false",
    ],
)
def test_a_group_that_was_created_later_is_an_error_wherever_it_stands(session: Session, query: str) -> None:
    moment = session.offline.commits(_location(session, "weather", 1))[2].committed_at
    assert sql(session, "select 1 as x from weather_1", as_of=moment).num_rows == 3
    with pytest.raises(TimeTravelError, match="'flights_1' did not exist at"):
        sql(session, query, as_of=moment)


def test_a_name_means_its_latest_version_at_any_instant(session: Session) -> None:
    moment = session.offline.commits(_location(session, "weather", 1))[2].committed_at
    with pytest.raises(TimeTravelError, match="'weather_2' did not exist at"):
        sql(session, "select * from weather", as_of=moment)
    later = session.offline.commits(_location(session, "flights", 1))[-1].committed_at
    joined = "select count(*) as n from weather_1 join weather_2 using (origin) join flights_1 using (origin)"
    assert sql(session, joined, as_of=later).to_pylist() == sql(session, joined).to_pylist() == [{"n": 2}]


def test_as_of_before_everything_after_everything_and_no_instant(session: Session) -> None:
    with pytest.raises(TimeTravelError, match="'weather_1' did not exist at 2001-01-01"):
        sql(session, "select * from weather_1", as_of="2001-01-01")
    assert sql(session, "select 1 as x", as_of="2001-01-01").to_pylist() == [{"x": 1}]
    assert sql(session, "select * from weather_1", as_of="2999-01-01").num_rows == 3
    for wrong in ("yesterday", 1, 1.5):
        with pytest.raises(TimeTravelError, match="is no instant"):
            sql(session, "select * from weather_1", as_of=wrong)  # type: ignore[arg-type]


def test_a_group_is_read_in_one_state_wherever_it_stands(own: Session) -> None:
    group = FeatureStore(own).get_feature_group("weather", 1)
    before = group.commit_details()[0].committed_at
    group.insert([{"origin": "sfo", "at": at(5), "temp": 9.5}])
    query = "select (select count(*) from weather_1) as a, count(*) as b from weather_1 where temp is null or temp < 99"
    assert sql(own, query).to_pylist() == [{"a": 4, "b": 4}]
    assert sql(own, query, as_of=before).to_pylist() == [{"a": 3, "b": 3}]


def test_a_feature_does_not_exist_before_it_was_appended(own: Session) -> None:
    fs = FeatureStore(own)
    group = fs.get_feature_group("flights")
    before = group.commit_details()[0].committed_at
    group.append_features({"gate": "string"})
    assert sql(own, "select gate from flights").num_rows == 2
    with pytest.raises(QueryError, match="gate"):
        sql(own, "select gate from flights", as_of=before)


def test_the_facade_delegates(session: Session) -> None:
    fs = FeatureStore(session)
    assert fs.sql("select temp from weather", dataframe_type="python") == [{"temp": 7.5}]
    assert list(fs.sql("select temp from weather").columns) == ["temp"]


def test_unknown_groups_and_columns(session: Session) -> None:
    with pytest.raises(NotFoundError, match="No feature group named 'wether_1'. Did you mean 'weather_1'?"):
        sql(session, "select * from wether_1")
    with pytest.raises(QueryError, match="nope") as caught:
        sql(session, "select nope from weather_1")
    assert "read_parquet" not in str(caught.value).lower() and str(session.root) not in str(caught.value)
    with pytest.raises(AmbiguousFeatureError, match="two columns named 'origin'.*as other_name"):
        sql(session, "select * from weather_1 join flights_1 using (at) join weather_2 using (at)")


def test_a_name_that_means_two_groups(own: Session) -> None:
    fs = FeatureStore(own)
    fs.create_feature_group("weather_1", primary_key="id", features={"id": "int"}).save()
    with pytest.raises(
        AmbiguousFeatureError, match="'weather_1' means .*'weather' version 1 or 'weather_1' version 1"
    ):
        sql(own, "select * from weather_1")
    assert sql(own, "select * from weather_1_1").num_rows == 0


def test_an_empty_group_has_its_columns(own: Session) -> None:
    FeatureStore(own).create_feature_group(
        "empty", primary_key="id", features={"id": "int", "x": "double"}
    ).save()
    assert sql(own, "select * from empty").schema.names == ["id", "x"]


# What must not be possible


@pytest.mark.parametrize(
    "query",
    [
        "",
        "  ;; ",
        "-- nothing",
        "insert into weather_1 values (1)",
        "update weather_1 set temp = 1",
        "delete from weather_1",
        "drop table weather_1",
        "create table x as select 1",
        "create or replace macro f() as 1",
        "alter table weather_1 add x int",
        "attach 'x.db'",
        "detach x",
        "copy weather_1 to 'x.csv'",
        "copy (select 1) to 'x.csv'",
        "export database 'x'",
        "import database 'x'",
        "install httpfs",
        "load httpfs",
        "pragma database_list",
        "pragma version",
        "set threads = 1",
        "reset threads",
        "use main",
        "call pragma_version()",
        "explain select 1",
        "explain analyze select 1",
        "describe weather_1",
        "describe select 1",
        "summarize weather_1",
        "show tables",
        "show all tables",
        "values (1)",
        "table weather_1",
        "vacuum",
        "checkpoint",
        "begin",
        "prepare p as select 1",
        "execute p",
        "pivot weather_1 on origin",
        "select 1; select 2",
        "select 1; drop table weather_1",
        "select * into x from weather_1",
        "select $1",
        "select ?",
        "select * from (describe weather_1)",
        "select * from (show tables)",
        "select * from (summarize weather_1)",
        "select * from weather_1 at (version => 0)",
        "select * from weather_1 for update",
        "selec 1",
        "select (",
        "select 'a",
        "with x as (delete from weather_1 returning *) select * from x",
        "with x as (insert into weather_1 values (1)) select 1",
        "select cast(1 as mytype)",
        "select 'weather_1'::regclass",
        "from (values (1)) insert into weather_1",
    ],
)
def test_only_one_select(session: Session, query: str) -> None:
    with pytest.raises((QueryError, NotFoundError)):
        sql(session, query)


@pytest.mark.parametrize(
    "query", ["drop table weather_1", "pragma version", "explain select 1", "attach 'x'"]
)
def test_a_statement_is_refused_by_its_first_word(
    session: Session, query: str, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(QueryError, match=f"begins with '{query.split()[0]}' and"),
    ):
        sql(session, query)
    assert caplog.records == []


FILES = (
    "read_parquet('{}')",
    "read_csv('{}')",
    "read_text('{}')",
    "read_blob('{}')",
    "parquet_scan('{}')",
    "glob('{}')",
)
WAYS = (
    "select * from {}",
    "select * from {} as t",
    "select * from weather_1, {}",
    "select * from weather_1 join {} on true",
    "select * from weather_1, lateral {}",
    "select (select count(*) from {})",
    "with x as (select * from {}) select * from x",
    "select * from (from {})",
    "select * from weather_1 where exists (from {})",
    "select 1 union all select count(*) from {}",
    "select {} from weather_1",
    "select * from main.{}",
    "select * from system.main.{}",
)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("function", FILES)
def test_no_function_reads_a_file(session: Session, tmp_path: Path, way: str, function: str) -> None:
    file = tmp_path / "secret.parquet"
    pq.write_table(pa.table({"secret": [1]}), file)
    with pytest.raises((QueryError, NotFoundError)):
        sql(session, way.format(function.format(file)))


@pytest.mark.parametrize(
    "query",
    [
        "select * from '{}'",
        'select * from "{}"',
        "select * from '{}' t join weather_1 on true",
        'with "{0}" as (select 1 as x) select * from "{0}"',
        'with recursive "{0}" as (select * from "{0}") select * from "{0}"',
        'with recursive "{0}" as (select 1 as x union all select * from "{0}") select * from "{0}"',
        'select (with "{0}" as (select 1 as x) select x from "{0}"), * from "{0}"',
        'with a as (select * from "{0}"), "{0}" as (select 1 as x) select * from a',
        "select * from query('from ''{}''')",
        "select * from query_table('{}')",
        "select * from query_table(['{}'])",
        "select json_serialize_plan('from ''{}''')",
        "select * from json_execute_serialized_sql('{}')",
    ],
)
def test_no_name_reads_a_file(session: Session, tmp_path: Path, query: str) -> None:
    file = tmp_path / "secret.parquet"
    pq.write_table(pa.table({"secret": [1]}), file)
    with pytest.raises((QueryError, NotFoundError)) as caught:
        sql(session, query.format(file))
    assert "secret'" not in str(caught.value).replace(str(file), "")


@pytest.mark.parametrize(
    "expression",
    [
        "getenv('HOME')",
        "\"getenv\"('HOME')",
        "GetEnv('HOME')",
        "main.getenv('HOME')",
        "system.main.getenv('HOME')",
        "'HOME'.getenv()",
        "getenv/* */('HOME')",
        "current_setting('threads')",
        "current_database()",
        "current_schema()",
        "current_schemas(true)",
        "current_user",
        "session_user",
        "version()",
        "current_query()",
        "getvariable('x')",
        "nextval('x')",
        "currval('x')",
        "txid_current()",
        "write_log('x')",
        "sleep_ms(1)",
        "pg_sleep(1)",
        "set_config('a','b')",
        "in_search_path('a', 'b')",
        "pg_get_viewdef(1)",
        "list_transform(['HOME'], lambda x: getenv(x))",
        "[getenv(x) for x in ['HOME']]",
        "case when true then getenv('HOME') end",
        "(select getenv('HOME'))",
        "count(*) filter (where getenv('HOME') = 'x')",
        "struct_pack(a := getenv('HOME'))",
        "max(getenv('HOME')) over ()",
        "coalesce(null, getenv('HOME'))",
        "getenv('HO' || 'ME')::varchar",
        "-- */ getenv('HOME') /*\n getenv('HOME')",
    ],
)
def test_no_function_reads_the_environment_or_settings(session: Session, expression: str) -> None:
    with pytest.raises(QueryError, match="The function '.*' is not allowed|cannot be read"):
        sql(session, f"select {expression} as x from weather_1")


def test_no_view_of_the_catalogue(session: Session) -> None:
    connection = duckdb.connect()
    views = connection.execute("select distinct view_name from duckdb_views()").fetchall()
    assert len(views) > 20
    for (view,) in views:
        for query in (f"from {view}", f"with recursive {view} as (select * from {view}) from {view}"):
            with pytest.raises(NotFoundError):
                sql(session, query)
    for schema in ("information_schema", "pg_catalog", "main", "temp.main", "system.main"):
        with pytest.raises(QueryError, match="names a schema. Name a feature group"):
            sql(session, f"select * from {schema}.tables")


def test_no_table_function_of_the_engine(session: Session) -> None:
    """Every table function that the engine has, now or in a later release, but for the few that only compute."""
    connection = duckdb.connect()
    found = connection.execute(
        "select distinct function_name from duckdb_functions() "
        "where function_type in ('table', 'table_macro', 'pragma')"
    ).fetchall()
    names = {name for (name,) in found} - {"unnest", "range", "generate_series"}
    assert {"read_csv", "read_text", "query", "duckdb_settings"} <= names
    refused = "cannot be read|not allowed|No feature group named"  # and not what the engine says
    for name in names:
        for arguments in ("", "'x'", "'x', 'y'"):
            for query in (
                f"select * from {name}({arguments})",
                f"from weather_1, lateral {name}({arguments})",
            ):
                with pytest.raises(HopyardError, match=refused):
                    sql(session, query)


def test_the_functions_that_are_allowed_exist_and_are_no_table_functions() -> None:
    connection = duckdb.connect()
    found = connection.execute(
        "select function_type, lower(function_name) from duckdb_functions()"
    ).fetchall()
    known = {name for kind, name in found}
    built_in = {
        "coalesce",
        "columns",
        "grouping",
        "grouping_id",
        "ifnull",
        "list",
        "try",
    }  # of the parser, not the catalogue
    assert FUNCTIONS - known - built_in == set()


COMPUTING = {"current_date", "current_localtimestamp", "json_remove", "json_set", "json_strip_nulls"}
"""Functions that the parser has a class of its own for, and that only compute."""


def test_no_function_but_those_that_are_allowed(session: Session) -> None:
    """Every function and macro of the engine, now or in a later release, with every way to call it."""
    connection = duckdb.connect()
    found = connection.execute(
        "select distinct lower(function_name) from duckdb_functions() "
        "where function_type in ('scalar', 'aggregate', 'macro')"
    ).fetchall()
    names = {name for (name,) in found if name.isidentifier()} - FUNCTIONS - COMPUTING
    assert len(names) > 50 and {"current_setting", "write_log", "getvariable"} <= names
    refused = "not allowed|cannot be read|is no word of SQL"  # and not what the engine says
    for name in names:
        for arguments in ("", "'x'", "'x', 'y'", "temp"):
            for query in (
                f"select {name}({arguments}) as x from weather_1",
                f'select "{name}"({arguments}) as x from weather_1',
                f"select list_transform([1], lambda a: {name}({arguments})) as x from weather_1",
                f"select temp from weather_1 where {name}({arguments}) is null",
            ):
                with pytest.raises(QueryError, match=refused):
                    sql(session, query)


REFUSED_TEXT = "is no word of SQL|in one way only|is not allowed|cannot be read from|names a schema"


@pytest.mark.parametrize(
    ("way", "inside"),
    [
        ("select 'a' collate '{}' from weather_1", "nocase as a, (select max(secret) from '{}') as x"),
        (
            "select 'a' collate '{}' as y from weather_1",
            "nocase as a, (select max(x) from read_text('{}')) as x",
        ),
        (
            "select 'a' collate '{}' from weather_1",
            "nocase as y from weather_1 union all select secret from '{}'",
        ),
        (
            "select date_trunc('{}', at) as y from weather_1",
            "day', at) as a, (select 1 from '{}') as b, lower('",
        ),
        (
            "select date_diff('{}', at, at) as y from weather_1",
            "day', at, at), (select 1 from '{}'), lower('",
        ),
        ("select timestamp_trunc(at, '{}') as y from weather_1", "day', at), (select 1 from '{}'), lower('"),
        ("select last_day(at, '{}') as y from weather_1", "day), (select max(secret) from '{}'), (1"),
        ("select convert('a' using \"{}\") as y from weather_1", "utf8), (select 1 from '{}'), (1"),
        (
            "select extract('{}' from at) as y from weather_1",
            "day from at), (select 1 from '{}'), extract(day",
        ),
        ("select interval '1 {}' as y", "day', (select 1 from '{}'), interval '1 day"),
        ("select interval '1' '{}' as y", "day, (select 1 from '{}'), interval '1' day"),
        ('select * from weather_1 tablesample "{}"(10)', "x, '{}' as t --"),
    ],
)
def test_no_text_becomes_sql(session: Session, tmp_path: Path, way: str, inside: str) -> None:
    """Text in places where the language has words: what it says is never run."""
    file = tmp_path / "secret.parquet"
    pq.write_table(pa.table({"secret": [4711]}), file)
    text = inside.format(file)
    query = way.format(text if '"{}"' in way else text.replace("'", "''"))
    with pytest.raises(QueryError) as caught:
        sql(session, query)
    assert "4711" not in str(caught.value) and "No files found" not in str(caught.value)


@pytest.mark.parametrize(
    "query",
    [
        "select 'a' collate 'nocase as y, getvariable(''x'') as z' as x",
        "select 'a' collate 'nocase as y, (select 1 from weather_2) as z' as x from weather_1",
        "select 'a' collate 'nocase; drop table weather_1' as x",
    ],
)
def test_text_that_would_change_a_statement_is_refused(session: Session, query: str) -> None:
    with pytest.raises(QueryError, match=REFUSED_TEXT):
        sql(session, query)


def test_of_a_quoted_type_only_the_type_is_read(session: Session) -> None:
    assert sql(
        session, """select cast(1 as "int), (select 1 from 'x'), cast(1 as int") as y"""
    ).to_pylist() == [{"y": 1}]


def test_words_of_sql_may_be_written_as_text(session: Session) -> None:
    query = (
        "select extract('hour' from at) as h, date_trunc('day', at) as d, date_diff('hour', at, at) as n, "
        "at + interval '1 day 2 hours' as t, 'a' collate nocase = 'A' as same from weather_2"
    )
    assert sql(session, query).to_pylist() == [
        {"h": 1, "d": at(0), "n": 0, "t": datetime(2024, 1, 2, 3, tzinfo=UTC), "same": True}
    ]


@pytest.mark.parametrize(
    "name",
    [
        "file.parquet",
        "file.csv",
        "*.json",
        "/etc/passwd",
        "http://localhost:1/x.parquet",
        "https://localhost:1/x.csv",
        "s3://bucket/x.parquet",
        "hf://datasets/x/y.csv",
        "file:///etc/passwd",
        "sqlite_master",
        "duckdb_settings",
        "pragma_version",
    ],
)
def test_no_name_of_a_file_or_an_address_is_a_table(session: Session, name: str) -> None:
    for query in (
        f"select * from '{name}'",
        f'select * from "{name}"',
        f"from '{name}' select *",
        f"select * from weather_1 join '{name}' on true",
        f"select * from weather_1, '{name}'",
        f"select * from weather_1 where origin in (from '{name}')",
        f"select * from weather_1 union all by name from '{name}'",
    ):
        with pytest.raises((NotFoundError, QueryError), match="No feature group named|cannot be read"):
            sql(session, query)


def test_no_variable_of_the_program_is_a_table(session: Session) -> None:
    secret_rows = pa.table({"x": [1]})
    assert secret_rows.num_rows == 1
    for query in (
        "select * from secret_rows",
        "with a as (select * from secret_rows) select * from a",
        "with recursive secret_rows as (select * from secret_rows) select * from secret_rows",
    ):
        with pytest.raises(NotFoundError, match="'secret_rows'"):
            sql(session, query)


def test_columns_are_those_of_the_group_alone(session: Session) -> None:
    for query in ("select columns(*) from weather_2", "select * from weather_2", "from weather_2"):
        assert sql(session, query).schema.names == ["origin", "at", "temp"]
    assert sql(session, "select columns('^t') from weather_2").to_pylist() == [{"temp": 7.5}]
    assert sql(session, "select columns(lambda c: c like 't%') from weather_2").to_pylist() == [{"temp": 7.5}]
    assert sql(session, "select columns('file.*|.*row.*|at') from weather_2").schema.names == ["at"]
    for query in (
        "select columns(lambda c: getenv(c) = 'x') from weather_2",
        "select * replace (getenv('HOME') as temp) from weather_2",
        "select columns(*) filter (where getenv('HOME') = '') from weather_2",
        "select * exclude (temp), current_setting('threads') as x from weather_2",
    ):
        with pytest.raises(QueryError, match="is not allowed|cannot be read"):
            sql(session, query)


def test_no_file_of_the_store_shows(session: Session) -> None:
    for column in ("filename", "file_row_number", "file_index", "rowid", "t.filename", "weather_1.filename"):
        with pytest.raises(QueryError):
            sql(session, f"select {column} from weather_1")


def test_names_and_text_are_never_pasted(session: Session) -> None:
    """Quotes in names, aliases and text stay where they are."""
    table = sql(
        session, """select temp as "a"" from flights; drop table x; --", '''; select 1' as t from weather"""
    )
    assert table.to_pylist() == [{'a" from flights; drop table x; --': 7.5, "t": "'; select 1"}]


def test_deep_nesting_is_an_error(session: Session) -> None:
    query = "select 1 as x"
    for _ in range(3000):
        query = f"select * from ({query})"
    with pytest.raises(HopyardError):
        sql(session, query)


def _location(session: Session, name: str, version: int) -> str:
    return FeatureStore(session).get_feature_group(name, version).spec.location
