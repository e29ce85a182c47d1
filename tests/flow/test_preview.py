"""`preview`: the newest rows of a few keys, offline and online side by side."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from typer.testing import CliRunner

from groups import make_group
from hopyard.cli import app
from hopyard.errors import QueryError
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.project import Project

FEATURES = {"origin": "string", "at": "timestamp", "temp": "double"}


def at(hour: int) -> datetime:
    return datetime(2024, 1, 1, hour, tzinfo=UTC)


@pytest.fixture
def group(fs: FeatureStore) -> FeatureGroup:
    rows = [("lga", at(1), 2.0), ("jfk", at(1), 1.0), ("jfk", at(2), 1.5)]
    return make_group(
        fs, "weather", FEATURES, rows, primary_key="origin", event_time="at", online_enabled=True
    )


def values(rows: Any, name: str) -> list[Any]:
    return [row[name] for row in rows]


def test_rows_that_are_the_same(group: FeatureGroup) -> None:
    shown = group.preview()
    assert shown.is_same and (shown.commit, shown.online_commit) == (1, 1)
    assert [row.offline for row in shown.rows] == [
        {"origin": "jfk", "at": at(2), "temp": 1.5},
        {"origin": "lga", "at": at(1), "temp": 2.0},
    ]
    assert [row.online for row in shown.rows] == [row.offline for row in shown.rows]
    assert shown.offline.equals(shown.online)
    assert str(shown).splitlines() == [
        "weather_1: offline at commit 1, online at commit 1, same rows",
        "origin  at                    temp",
        "jfk     2024-01-01T02:00:00Z  1.5",
        "lga     2024-01-01T01:00:00Z  2.0",
    ]


def test_rows_that_online_lacks_are_marked(group: FeatureGroup) -> None:
    group.insert(
        [{"origin": "jfk", "at": at(2), "temp": 9.0}, {"origin": "ewr", "at": at(3), "temp": 3.0}],
        online="later",
    )
    shown = group.preview()
    assert not shown.is_same and (shown.commit, shown.online_commit) == (2, 1)
    assert [(row.offline["origin"], row.differs) for row in shown.rows] == [
        ("ewr", ("origin", "at", "temp")),
        ("jfk", ("temp",)),
        ("lga", ()),
    ]
    assert [row.online and row.online["temp"] for row in shown.rows] == [None, 1.5, 2.0]
    assert "online at commit 1, 2 of 3 rows differ (offline | online)" in str(shown)
    assert "9.0 | 1.5" in str(shown) and "ewr | -" in str(shown)
    assert shown._repr_html_().count("<mark>") == 4
    assert list(shown.online["temp"].isna()) == [True, False, False]
    group.catch_up_online()
    assert group.preview().is_same


def test_as_many_keys_as_were_asked_for(fs: FeatureStore, group: FeatureGroup) -> None:
    assert len(group.preview(1).rows) == 1 and group.preview(1).rows[0].differs == ()
    assert group.preview(0).rows == () and len(group.preview(0).offline) == 0
    empty = make_group(fs, "empty", FEATURES, primary_key="origin", event_time="at", online_enabled=True)
    assert empty.preview().rows == () and len(empty.preview().online) == 0
    for n in (-1, 1.5, "3"):
        with pytest.raises(QueryError, match="whole number"):
            group.preview(n)  # type: ignore[arg-type]


def test_a_group_that_is_not_online(fs: FeatureStore) -> None:
    offline = make_group(
        fs, "g", FEATURES, [("a", at(1), 1.0), ("a", at(2), 2.0)], primary_key="origin", event_time="at"
    )
    shown = offline.preview()
    assert shown.online is None and values(shown.offline.to_dict("records"), "temp") == [2.0]
    assert "not online" in str(shown) and shown.is_same
    without_key = make_group(fs, "h", {"x": "double"}, [(1.0,), (1.0,)])
    assert values([row.offline for row in without_key.preview().rows], "x") == [1.0, 1.0]


def test_every_type_is_compared(fs: FeatureStore) -> None:
    features = {
        "id": "bigint", "f": "float", "d": "double", "n": "decimal(10,2)", "b": "binary", "on": "date", "t": "boolean",
        "l": "array<double>", "s": "struct<a:double,b:string>",
    }  # fmt: skip
    rows = [
        (1, 0.1, math.nan, Decimal("1.10"), b"\0", date(1960, 1, 1), True, [math.nan, None], {"a": math.nan, "b": "x"}),
        (2, None, None, None, None, None, None, None, None),
        (3, math.inf, -0.0, Decimal("-0.01"), b"", date(2024, 2, 29), False, [], {"a": None, "b": None}),
    ]  # fmt: skip
    group = make_group(fs, "types", features, rows, primary_key="id", online_enabled=True)
    shown = group.preview()
    assert len(shown.rows) == 3 and shown.is_same, [row.differs for row in shown.rows]


def test_a_long_key_and_a_composite_one(fs: FeatureStore) -> None:
    features = {"a": "string", "b": "bigint", "x": "double"}
    group = make_group(
        fs, "g", features, [("k" * 2000, 1, 1.0), ("k", 2, 2.0)], primary_key=["a", "b"], online_enabled=True
    )
    shown = group.preview()
    assert shown.is_same and len(shown.rows) == 2 and max(map(len, str(shown).splitlines())) < 120


def test_head_is_a_few_rows_as_stored(group: FeatureGroup) -> None:
    assert len(group.head(2)) == 2 and set(group.head()["temp"]) == {1.0, 1.5, 2.0}


def test_what_is_shown_cannot_be_markup_or_speak_to_a_terminal(fs: FeatureStore) -> None:
    group = make_group(fs, "g", {"a": "string"}, [("<b>\x1b[1m\n",)], primary_key="a")
    assert "<b>" not in group.preview()._repr_html_() and "\x1b" not in str(group.preview())


def test_the_command_line(store: Project, group: FeatureGroup) -> None:
    group.insert([{"origin": "jfk", "at": at(3), "temp": math.nan}], online="later")
    shown = CliRunner().invoke(app, ["--url", store.location, "preview", "weather", "-n", "1"])
    assert shown.exit_code == 0 and shown.output == f"{group.preview(1)}\n"
    answered = CliRunner().invoke(app, ["--url", store.location, "preview", "weather", "--json"])
    document = json.loads(answered.output)
    assert (document["commit"], document["online_commit"], document["is_same"]) == (2, 1, False)
    assert document["rows"][0] == {
        "offline": {"origin": "jfk", "at": "2024-01-01T03:00:00Z", "temp": "NaN"},
        "online": {"origin": "jfk", "at": "2024-01-01T02:00:00Z", "temp": 1.5},
        "differs": ["at", "temp"],
    }
