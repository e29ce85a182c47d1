"""The command line, as its users run it: answers, JSON, pipes, errors, exit codes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

import hopyard
from hopyard.cli import app
from hopyard.cli.lookup import parse_pairs, parse_value
from hopyard.cli.text import cell, one_line, to_json, to_rows
from hopyard.errors import ConfigError
from hopyard.model.types import parse_type

SECONDS_FOR_A_PROCESS = 120


def at(hour: int) -> datetime:
    return datetime(2024, 1, 1, hour, tzinfo=UTC)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the folder of a store that is only read: two groups, an empty one, a view, a training dataset."""
    folder = tmp_path_factory.mktemp("cli") / "store"
    fs = hopyard.login(folder).get_feature_store()
    weather = fs.create_feature_group(
        "weather",
        description="Hourly\nweather",
        primary_key="origin",
        event_time="at",
        online_enabled=True,
        ttl=timedelta(days=100_000),
    )
    weather.insert(
        [{"origin": "jfk", "at": at(1), "temp": 1.5}, {"origin": "lga", "at": at(1), "temp": None}]
    )
    weather.insert([{"origin": "jfk", "at": at(2), "temp": 2.5}])
    weather.update_feature_description("temp", "Celsius").add_tag("owner", "ops")
    flights = fs.create_feature_group("flights", primary_key="id", event_time="at", foreign_key="origin")
    flights.insert(
        [
            {
                "id": n,
                "at": at(3),
                "origin": "jfk",
                "late": n > 2,
                "note": "[red]\x1b[31m a\nb",
                "raw": b"\x00\xff",
            }
            for n in range(5)
        ]
    )
    fs.create_feature_group("empty", primary_key="id", features={"id": "bigint", "on": "date"}).save()
    view = fs.create_feature_view(
        "delays",
        flights.select(["id", "at", "late"]).join(weather.select(["temp"])),
        labels="late",
        transformation_functions=[hopyard.min_max_scaler("temp")],
    )
    view.create_train_test_split(0.4, description="first")
    return str(folder)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), prog_name="hopyard")


def answer(url: str, *arguments: str) -> Any:
    """Return the one JSON document that a command prints, and nothing else."""
    result = run("--url", url, *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    return json.loads(result.stdout)


def lines(url: str, *arguments: str) -> list[str]:
    result = run("--url", url, *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "\x1b" not in result.stdout
    return result.stdout.splitlines()


def error(*arguments: str) -> str:
    """Return the error line of a command: red where that shows, without traceback, nothing on stdout."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ") and result.stderr.count("\n") == 1
    assert isinstance(result.exception, SystemExit)
    return result.stderr


def test_version() -> None:
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"hopyard {hopyard.__version__}\n")


def test_help_lists_all_commands() -> None:
    text = run("--help").stdout
    for command in (
        "demo",
        "ls",
        "show",
        "head",
        "commits",
        "changes",
        "vector",
        "sql",
        "verify",
        "parity",
        "maintain",
    ):
        assert f" {command} " in text
        assert run(command, "--help").exit_code == 0
        assert ("--json" in run(command, "--help").stdout) == (command != "demo")


@pytest.mark.parametrize(
    "arguments", [["lss"], ["ls", "--nope"], ["head"], ["head", "x", "-n", "many"], ["sql"]]
)
def test_unknown_commands_and_options_are_usage_errors(arguments: list[str]) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error" in result.stderr


# Stores that are not there


@pytest.mark.parametrize(
    "arguments",
    [
        ["ls"],
        ["show", "x"],
        ["head", "x"],
        ["commits", "x"],
        ["changes", "x"],
        ["vector", "x"],
        ["sql", "select 1"],
        ["verify"],
    ],
)
def test_no_command_makes_a_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "There is no store at" in error("--url", str(tmp_path / "nowhere"), *arguments)
    assert "Give its folder with --url, or set HOPYARD_URL" in error(*arguments)
    assert list(tmp_path.iterdir()) == []


def test_no_command_makes_a_project(url: str) -> None:
    assert "No project named 'other'." in error("--url", url, "--project", "other", "ls")
    assert not (Path(url) / "projects" / "other").exists()


def test_the_store_comes_from_the_environment_too(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOPYARD_URL", url)
    assert json.loads(run("ls", "--json").stdout)["location"] == url
    assert "There is no store at" in error("--url", "elsewhere", "ls")


def test_a_url_that_cannot_be_served() -> None:
    assert "A store cannot be opened at 's3://bucket/x'" in error("--url", "s3://bucket/x", "ls")


# ls, show


def test_ls(url: str) -> None:
    document = answer(url, "ls")
    assert list(document) == ["project", "location", "feature_groups", "feature_views", "training_datasets"]
    groups = {group["name"]: group for group in document["feature_groups"]}
    assert list(groups) == ["empty", "flights", "weather"]
    committed_at = groups["weather"].pop("committed_at")
    assert datetime.fromisoformat(committed_at).tzinfo is not None
    assert groups["weather"] == {
        "name": "weather",
        "version": 1,
        "n_features": 3,
        "n_rows": 3,
        "last_commit": 2,
        "is_online": True,
        "description": "Hourly\nweather",
        "problem": None,
    }
    assert document["feature_views"] == [
        {
            "name": "delays",
            "version": 1,
            "n_features": 3,
            "labels": ["late"],
            "n_training_datasets": 1,
            "description": "",
        }
    ]
    dataset = document["training_datasets"][0]
    assert (dataset["view"], dataset["version"], dataset["n_rows"]) == ("delays", 1, 5)
    assert dataset["splits"] == {"train": 3, "test": 2}


def test_ls_as_text(url: str) -> None:
    text = lines(url, "ls")
    assert text[0] == f"Project default in {url}"
    head = next(line for line in text if line.startswith("name") and "rows" in line)
    weather = next(line for line in text if line.startswith("weather"))
    # Columns are aligned: names to the left, numbers to the right.
    assert weather[head.index("rows") : head.index("rows") + 4] == "   3"
    assert "Hourly weather" in weather and "yes" in weather
    assert all(line == line.rstrip() for line in text)


def test_ls_of_an_empty_store(tmp_path: Path) -> None:
    hopyard.login(tmp_path / "new")
    assert answer(str(tmp_path / "new"), "ls")["feature_groups"] == []
    assert "No feature groups yet." in lines(str(tmp_path / "new"), "ls")


def test_ls_shows_a_damaged_group_among_the_others(tmp_path: Path) -> None:
    fs = hopyard.login(tmp_path / "store").get_feature_store()
    for name in ("good", "lost"):
        fs.create_feature_group(name, primary_key="id", features={"id": "int"}).save()
    log = Path(fs.get_feature_group("lost").location) / "_delta_log"
    for file in log.iterdir():
        file.unlink()
    good, lost = answer(str(tmp_path / "store"), "ls")["feature_groups"]
    assert good["problem"] is None and good["n_rows"] == 0
    assert lost["n_rows"] is None and "missing" in lost["problem"]
    assert any("unreadable" in line for line in lines(str(tmp_path / "store"), "ls"))


def test_show_a_group(url: str) -> None:
    document = answer(url, "show", "weather")
    assert document["kind"] == "feature_group"
    assert document["primary_key"] == ["origin"] and document["event_time"] == "at"
    assert document["ttl_seconds"] == 100_000 * 86_400
    assert document["tags"] == {"owner": "ops"}
    assert document["features"][2] == {
        "name": "temp",
        "type": "double",
        "description": "Celsius",
        "tags": {},
        "keywords": [],
        "default": None,
    }
    assert [commit["number"] for commit in document["commits"]] == [2, 1, 0]
    online = document["online"]
    assert list(online) == [
        "commit", "n_behind", "behind_seconds", "commit_to_readable", "event_to_readable"
    ]  # fmt: skip
    assert (online["commit"], online["n_behind"], online["behind_seconds"]) == (2, 0, 0)
    assert list(online["commit_to_readable"]) == [
        "n", "p50_seconds", "p95_seconds", "p99_seconds", "max_seconds"
    ]  # fmt: skip
    assert (online["commit_to_readable"]["n"], online["event_to_readable"]["n"]) == (2, 3)
    assert document["n_rows"] == 3
    assert Path(document["location"]).is_dir()
    assert answer(url, "show", "flights")["foreign_key"] == [{"column": "origin", "references": "origin"}]
    assert answer(url, "show", "flights")["online"] is None
    text = "\n".join(lines(url, "show", "weather"))
    for part in (
        "weather version 1",
        "Hourly weather",
        "owner=ops",
        "at commit 2, 0 behind",
        "after the commit (p50)",
        "Celsius",
        "100000 days",
    ):
        assert part in text


def test_show_a_view(url: str) -> None:
    document = answer(url, "show", "delays", "--version", "1")
    assert (
        document["kind"] == "feature_view"
        and document["labels"] == ["late"]
        and document["root"] == "flights_1"
    )
    columns = {column["name"]: column for column in document["columns"]}
    assert columns["late"]["role"] == "label"
    assert columns["temp"] == {
        "name": "temp",
        "type": "double",
        "role": "feature",
        "group": "weather_1",
        "feature": "temp",
        "transformation": "min_max_scaler",
    }
    join = document["joins"][0]
    assert (join["group"], join["to"], join["rule"], join["type"]) == (
        "weather_1",
        "flights_1",
        "point_in_time",
        "left",
    )
    assert join["keys"] == [{"left": "origin", "right": "origin"}] and join["keys_are_inferred"] is True
    assert document["training_datasets"][0]["description"] == "first"
    text = "\n".join(lines(url, "show", "delays"))
    assert "origin (inferred)" in text and "point_in_time" in text and "train: 3, test: 2" in text


def test_lineage(url: str) -> None:
    shown = lines(url, "lineage", "weather")
    assert shown[0] == "feature group weather_1"
    assert "    from feature group weather_1, commit 2" in shown
    assert lines(url, "lineage", "weather", "--mermaid")[0] == "flowchart LR"
    document = answer(url, "lineage", "weather")
    assert document["of"] == "feature group weather_1"
    kinds = {node["kind"] for node in document["nodes"]}
    assert kinds == {"feature group", "feature view", "training dataset"}


def test_a_training_dataset_is_verified_and_rebuilt(url: str, tmp_path: Path) -> None:
    copy = str(shutil.copytree(url, tmp_path / "store"))
    assert lines(copy, "td", "verify", "delays")[0] == "delays_1 version 1: same"
    document = answer(copy, "td", "verify", "delays_1", "--version", "1")
    assert (document["status"], document["details"]) == ("same", [])
    (tmp_path / "store/projects/default/training/delays_1/1/train/part-00000.parquet").unlink()
    result = run("--url", copy, "td", "verify", "delays")
    assert result.exit_code == 1
    assert "delays_1 version 1: different" in result.stdout and "is gone" in result.stdout
    assert "with the same content" in lines(copy, "td", "rebuild", "delays")[0]
    assert lines(copy, "td", "verify", "delays")[0] == "delays_1 version 1: same"
    missing = run("--url", copy, "td", "verify", "delay")
    assert missing.exit_code == 1
    assert "delays_1" in missing.stderr
    assert "version" in run("--url", copy, "td", "verify", "delays", "--version", "7").stderr


def test_show_what_is_not_there(url: str) -> None:
    assert "No feature group or feature view named 'wether'. Did you mean 'weather'?" in error(
        "--url", url, "show", "wether"
    )
    assert "No version of feature group 'weather' named '9'" in error(
        "--url", url, "show", "weather", "--version", "9"
    )


def test_show_a_name_of_both_kinds(tmp_path: Path) -> None:
    fs = hopyard.login(tmp_path / "store").get_feature_store()
    group = fs.create_feature_group("both", primary_key="id", features={"id": "int", "x": "int"}).save()
    fs.create_feature_view("both", group.select_all())
    store = str(tmp_path / "store")
    assert "'both' is a feature group and a feature view" in error("--url", store, "show", "both")
    assert answer(store, "show", "both", "--kind", "group")["kind"] == "feature_group"
    assert answer(store, "show", "both", "--kind", "view")["kind"] == "feature_view"


# head, commits


def test_head(url: str) -> None:
    document = answer(url, "head", "weather")
    assert document["columns"] == [
        {"name": "origin", "type": "string"},
        {"name": "at", "type": "timestamp"},
        {"name": "temp", "type": "double"},
    ]
    rows = sorted(document["rows"], key=lambda row: (row["origin"], row["at"]))
    assert rows[1:] == [
        {"origin": "jfk", "at": "2024-01-01T02:00:00Z", "temp": 2.5},
        {"origin": "lga", "at": "2024-01-01T01:00:00Z", "temp": None},
    ]
    assert len(answer(url, "head", "weather", "-n", "1")["rows"]) == 1
    assert answer(url, "head", "weather", "-n", "0")["rows"] == []


def test_head_travels_in_time(url: str) -> None:
    commits = answer(url, "commits", "weather")["commits"]
    first = commits[1]["committed_at"]
    assert len(answer(url, "head", "weather", "--as-of", first)["rows"]) == 2
    assert len(answer(url, "head", "weather", "--as-of", "1")["rows"]) == 2
    assert len(answer(url, "head", "weather", "--as-of", "2")["rows"]) == 3
    assert "did not exist at 2020-01-01" in error("--url", url, "head", "weather", "--as-of", "20200101")
    assert "'someday' is no instant" in error("--url", url, "head", "weather", "--as-of", "someday")
    assert "There is no commit 77" in error("--url", url, "head", "weather", "--as-of", "77")


def test_head_of_an_empty_group_shows_its_columns(url: str) -> None:
    assert lines(url, "head", "empty") == ["id  on"]


def test_values_never_speak_to_the_terminal(url: str) -> None:
    text = lines(url, "head", "flights", "-n", "1")
    assert len(text) == 2
    assert "[red]\\x1b[31m a b" in text[1]
    assert answer(url, "head", "flights")["rows"][0]["note"] == "[red]\x1b[31m a\nb"
    assert answer(url, "head", "flights")["rows"][0]["raw"] == "AP8="


def test_commits(url: str) -> None:
    document = answer(url, "commits", "weather")
    assert (document["name"], document["version"]) == ("weather", 1)
    newest = document["commits"][0]
    assert list(newest) == [
        "number", "committed_at", "operation", "n_rows_in", "n_inserted", "n_updated", "n_unchanged", "n_deleted",
        "n_duplicates", "size_bytes", "actor", "commit_id",
    ]  # fmt: skip
    assert (newest["number"], newest["operation"], newest["n_rows_in"], newest["n_inserted"]) == (
        2,
        "upsert",
        1,
        1,
    )
    assert newest["size_bytes"] > 0
    assert [commit["number"] for commit in answer(url, "commits", "weather", "--limit", "2")["commits"]] == [
        2,
        1,
    ]
    text = lines(url, "commits", "weather")
    assert len(text) == 5 and text[0].split()[:2] == ["number", "committed"]
    disk = document["disk"]
    assert (disk["n_live_files"], disk["n_history_files"], disk["history_bytes"]) == (2, 0, 0)
    assert disk["live_bytes"] == sum(commit["size_bytes"] for commit in document["commits"])
    assert text[-1].startswith(f"{disk['live_bytes']} bytes in 2 file(s) now, and 0 bytes in 0 file(s)")
    assert "No feature group named 'nope'" in error("--url", url, "commits", "nope")


def test_maintain(tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    fs = hopyard.login(store).get_feature_store()
    assert lines(store, "maintain")[-1] == "No feature groups yet."
    for name in ("a", "b"):
        group = fs.create_feature_group(name, primary_key="id")
        for id_ in range(3):
            group.insert([{"id": id_, "x": 1.5}])
    with_files = {"n_merged_files": 3, "is_checkpointed": False}
    assert answer(store, "maintain", "a") == {"groups": [{"group": "a_1", **with_files}]}
    text = [line.split() for line in lines(store, "maintain")]
    assert text[1:] == [["a_1", "0", "not", "due"], ["b_1", "3", "not", "due"]]
    assert answer(store, "commits", "b")["disk"]["n_history_files"] == 3
    assert [group["group"] for group in answer(store, "maintain", "b_1")["groups"]] == ["b_1"]
    assert "No feature group named 'bb'. Did you mean 'b'?" in error("--url", store, "maintain", "bb")
    assert len(answer(store, "head", "a")["rows"]) == 3


# changes


def test_changes(url: str) -> None:
    document = answer(url, "changes", "weather", "--from", "1")
    assert {key: value for key, value in document.items() if key not in ("columns", "rows")} == {
        "name": "weather",
        "version": 1,
        "from_commit": 1,
        "to_commit": 2,
        "n_inserted": 1,
        "n_updated": 0,
        "n_deleted": 0,
    }
    assert [column["name"] for column in document["columns"]] == ["origin", "at", "temp", "_change_type"]
    row = {"origin": "jfk", "at": "2024-01-01T02:00:00Z", "temp": 2.5, "_change_type": "insert"}
    assert document["rows"] == [row]
    assert lines(url, "changes", "weather", "--from", "1") == [
        "After commit 1, up to commit 2: 1 inserted, 0 updated, 0 deleted",
        "change  origin  at                    temp",
        "insert  jfk     2024-01-01T02:00:00Z   2.5",
    ]


def test_changes_between_instants(url: str) -> None:
    first = answer(url, "commits", "weather")["commits"][1]["committed_at"]
    document = answer(url, "changes", "weather", "--to", first)
    assert (document["from_commit"], document["to_commit"], document["n_inserted"]) == (None, 1, 2)
    assert lines(url, "changes", "weather", "--from", "20200101", "--to", "1", "-n", "0") == [
        "From the beginning, up to commit 1: 2 inserted, 0 updated, 0 deleted",
        "change  origin  at  temp",
    ]
    assert len(answer(url, "changes", "weather", "-n", "1")["rows"]) == 1
    assert "start=2 is later than end=1" in error(
        "--url", url, "changes", "weather", "--from", "2", "--to", "1"
    )
    assert "There is no commit 77" in error("--url", url, "changes", "weather", "--from", "77")


# vector


def test_vector(url: str) -> None:
    document = answer(
        url, "vector", "delays", "origin=jfk", "--passed", "id=7", "--passed", "at=2024-01-02T00:00:00Z"
    )
    assert (document["view"], document["version"]) == ("delays", 1)
    # Training saw the newest temp of each hour, one value: a constant is scaled to 0.
    assert document["features"] == {"id": 7, "at": "2024-01-02T00:00:00Z", "temp": 0.0}
    assert document["lookup_us"] > 0
    text = lines(url, "vector", "delays", "origin=jfk", "id=7", "at=20240102")
    assert text[0].split() == ["feature", "value"]
    assert text[-1].startswith("Looked up in ") and text[-1].endswith(" us")


def test_vector_with_missing_features(url: str) -> None:
    assert "has no row online for {'origin': 'xyz'}" in error(
        "--url", url, "vector", "delays", "origin=xyz", "id=1", "at=20240101"
    )
    document = answer(url, "vector", "delays", "origin=xyz", "id=1", "--allow-missing")
    assert document["features"] == {"id": 1, "at": None, "temp": None}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["origin"], "'origin' is no pair of name and value. Write it as name=value."),
        (["=jfk"], "'=jfk' is no pair"),
        (["origin=a", "origin=b"], "'origin' is given twice"),
        (["origin=jfk", "id=one"], "'id' is bigint, and 'one' is none. Give a whole number, or null."),
        (["origin=jfk", "at=noon"], "'at' is timestamp, and 'noon' is none. Give an instant"),
        (["nope=1"], "'nope' is no serving key of feature view 'delays_1'. Required: origin."),
        (["id=1"], "The entry lacks the serving key 'origin'"),
        (["origin=jfk", "--passed", "x=1"], "passed_features has 'x', which is no feature"),
        (
            ["origin=jfk", "--training-dataset-version", "9"],
            "No training dataset of feature view 'delays_1' named '9'",
        ),
        (["origin=jfk", "--version", "3"], "No version of feature view 'delays' named '3'"),
    ],
)
def test_vector_errors(url: str, arguments: list[str], message: str) -> None:
    assert message in error("--url", url, "vector", "delays", *arguments)


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        ("bigint", "-5", -5),
        ("int", "7", 7),
        ("double", "1e-3", 0.001),
        ("float", "2.5", 2.5),
        ("boolean", "True", True),
        ("boolean", "false", False),
        ("decimal(10,2)", "1.50", Decimal("1.50")),
        ("date", "2024-02-29", date(2024, 2, 29)),
        ("timestamp", "2024-02-29 12:30", datetime(2024, 2, 29, 12, 30, tzinfo=UTC)),
        ("binary", "AP8=", b"\x00\xff"),
        ("array<int>", "[1, null]", [1, None]),
        ("struct<a:int>", '{"a": 1}', {"a": 1}),
        ("string", "12", "12"),
        ("string", "", ""),
        ("string", "null", None),
        ("string", '"null"', "null"),
        ("string", '"', '"'),
        ("string", "a=b", "a=b"),
        ("bigint", "null", None),
    ],
)
def test_values_are_parsed_by_type(type_: str, text: str, value: object) -> None:
    assert parse_value("x", parse_type(type_), text) == value
    assert parse_pairs([f"x={text}"], {"x": parse_type(type_)}) == {"x": value}


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        ("bigint", "1.5"), ("bigint", ""), ("boolean", "yes"), ("double", "x"), ("decimal(3,1)", "x"),
        ("date", "2024-13-01"), ("timestamp", "x"), ("binary", "?"),
        ("array<int>", "{}"), ("array<int>", "[1"), ("struct<a:int>", "[]"),
    ],
)  # fmt: skip
def test_other_texts_are_errors(type_: str, text: str) -> None:
    with pytest.raises(ConfigError, match="'x' is .* is none. Give .*, or null."):
        parse_value("x", parse_type(type_), text)


# sql, verify


def test_sql(url: str) -> None:
    document = answer(
        url, "sql", "select origin, max(temp) as t, count(*) as n from weather_1 group by 1 order by 1"
    )
    assert document["columns"][1] == {"name": "t", "type": "double"}
    assert document["rows"] == [{"origin": "jfk", "t": 2.5, "n": 2}, {"origin": "lga", "t": None, "n": 1}]
    assert lines(url, "sql", "select origin, max(temp) as t from weather group by 1 order by 1") == [
        "origin     t",
        "jfk      2.5",
        "lga     null",
    ]
    first = answer(url, "commits", "weather")["commits"][1]["committed_at"]
    assert answer(url, "sql", "select count(*) as n from weather", "--as-of", first)["rows"] == [{"n": 2}]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("drop table weather", "begins with 'drop' and is no SELECT"),
        ("select getenv('HOME')", "The function 'getenv' is not allowed"),
        ("from read_csv('/etc/passwd')", "cannot be read from"),
        ("select * from wether", "Did you mean 'weather'?"),
        ("select\nnope\nfrom weather", "nope"),
    ],
)
def test_sql_errors(url: str, query: str, message: str) -> None:
    assert message in error("--url", url, "sql", query)


def test_verify(url: str) -> None:
    document = answer(url, "verify")
    assert document["is_fine"] is True and document["findings"] == []
    assert [(g["name"], g["n_online_rows"]) for g in document["feature_groups"]] == [
        ("empty", None),
        ("flights", None),
        ("weather", 2),
    ]
    assert lines(url, "verify")[-1] == "All fine: online rows, commits, files, registry and folders agree."
    assert len(answer(url, "verify", "weather", "delays")["feature_groups"]) == 1
    assert "No feature group or feature view named 'x'" in error("--url", url, "verify", "x")


def test_verify_with_findings(tmp_path: Path) -> None:
    fs = hopyard.login(tmp_path / "store").get_feature_store()
    group = fs.create_feature_group("lost", primary_key="id")
    group.insert([{"id": 1}])
    for file in Path(group.location).glob("*.parquet"):
        file.unlink()
    result = run("--url", str(tmp_path / "store"), "verify", "--json")
    assert (result.exit_code, result.stderr) == (1, "")
    document = json.loads(result.stdout)
    assert document["is_fine"] is False
    assert list(document["findings"][0]) == ["kind", "where", "message", "advice"]
    assert document["feature_groups"][0]["n_findings"] == 1
    result = run("--url", str(tmp_path / "store"), "verify")
    assert result.exit_code == 1
    assert "lost_1: The data file" in result.stdout and result.stdout.endswith("1 finding.\n")


# The online store


@pytest.fixture
def lagging(tmp_path: Path) -> str:
    """Return the folder of a store with two online groups, of which one lacks two commits, and a view."""
    folder = tmp_path / "store"
    fs = hopyard.login(folder).get_feature_store()
    fs.create_feature_group("offline", primary_key="id").insert([{"id": 1}])
    fs.create_feature_group("shops", primary_key="id", online_enabled=True).insert([{"id": 1, "x": 1.5}])
    levels = fs.create_feature_group("levels", primary_key="id", online_enabled=True)
    levels.insert([{"id": 1, "x": 1.5}])
    levels.insert([{"id": 1, "x": 2.5}, {"id": 2, "x": 3.5}], online="later")
    levels.remove_rows([{"id": 2}], online="later")
    fs.create_feature_view("v", levels.select(["x"]))
    return str(folder)


def test_online_catchup(lagging: str) -> None:
    assert answer(lagging, "show", "levels")["online"]["n_behind"] == 2
    applied = {"name": "levels", "version": 1, "commit": 3, "n_applied": 2}
    assert answer(lagging, "online", "catchup") == {
        "groups": [applied, {"name": "shops", "version": 1, "commit": 1, "n_applied": 0}]
    }
    for arguments in (["levels"], ["levels_1"], ["levels", "--version", "1"]):
        document = answer(lagging, "online", "catchup", *arguments)
        assert document == {"groups": [applied | {"n_applied": 0}]}
    assert [line.split() for line in lines(lagging, "online", "catchup")][1] == ["levels_1", "0", "3"]
    assert "'offline_1' is offline only" in error("--url", lagging, "online", "catchup", "offline")
    assert "Did you mean 'levels'?" in error("--url", lagging, "online", "catchup", "level")
    assert answer(lagging, "show", "levels")["online"]["n_behind"] == 0


def test_online_catchup_without_groups(tmp_path: Path) -> None:
    hopyard.login(tmp_path / "store")
    assert lines(str(tmp_path / "store"), "online", "catchup")[-1] == "No online feature groups yet."


def test_online_catchup_after_the_online_store_was_removed(lagging: str) -> None:
    shutil.rmtree(Path(lagging) / "projects" / "default" / "online")
    groups = answer(lagging, "online", "catchup")["groups"]
    assert [(group["name"], group["n_applied"]) for group in groups] == [("levels", 4), ("shops", 2)]
    assert answer(lagging, "verify")["is_fine"]


def test_online_rebuild(lagging: str) -> None:
    assert answer(lagging, "online", "rebuild", "levels") == {"name": "levels", "version": 1, "commit": 3}
    assert lines(lagging, "online", "rebuild", "levels_1") == [
        "levels_1: online rows written anew, at commit 3"
    ]
    assert answer(lagging, "verify")["is_fine"]
    assert "'offline_1' is offline only" in error("--url", lagging, "online", "rebuild", "offline")


def test_parity(lagging: str) -> None:
    document = answer(lagging, "parity", "v")
    assert list(document) == [
        "view", "at", "is_equal", "n_keys", "n_different", "causes", "differences", "lagging", "feature_groups",
        "text",
    ]  # fmt: skip
    assert (document["view"], document["is_equal"], document["n_keys"]) == ("v_1", True, 1)
    assert document["causes"] == {"online lag": 1}
    assert document["lagging"] == [
        {
            "entry": {"id": 1},
            "feature": "x",
            "group": "levels_1",
            "online": 1.5,
            "offline": 2.5,
            "cause": "online lag",
            "because": "the commits that change it are not online yet",
        }
    ]
    assert document["feature_groups"] == [{"group": "levels_1", "commit": 1, "last_commit": 3, "n_behind": 2}]
    first = hopyard.login(lagging).get_feature_store().get_feature_group("levels").commit_details()[-1]
    assert lines(lagging, "parity", "v", "--sample", "10", "--version", "1")[0].endswith(
        "1 key(s), online equals offline"
    )
    result = run("--url", lagging, "parity", "v", "--at", first.committed_at.isoformat())
    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout.splitlines()[0].startswith("v_1: 1 of 1 key(s) differ between online and offline at")
    assert "late commit: it was committed or changed after" in result.stdout
    assert "later than now" in error("--url", lagging, "parity", "v", "--at", "2999-01-01")


# Text and JSON


@given(st.text())
def test_a_cell_is_one_line_of_printable_text(text: str) -> None:
    for shown in (cell(text), one_line(text)):
        assert len(shown.splitlines()) <= 1
        assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in shown)


JSONABLE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.dates()
    | st.datetimes(timezones=st.just(UTC)) | st.decimals(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(JSONABLE)
def test_every_value_is_strict_json(value: object) -> None:
    text = json.dumps(to_json(value), allow_nan=False)
    assert json.loads(text) == to_json(value)


def test_values_in_json() -> None:
    assert to_json([float("nan"), float("inf"), float("-inf")]) == ["NaN", "Infinity", "-Infinity"]
    assert to_json(Decimal("1.50")) == "1.50" and to_json(Decimal(10**30)) == 10**30
    assert to_json(at(1)) == "2024-01-01T01:00:00Z"


def test_instants_beyond_pythons_calendar_are_shown() -> None:
    table = pa.table({"at": pa.array([0, None, 2**60], pa.timestamp("us", "UTC"))})
    shown = [row["at"] for row in to_rows(table)]
    assert shown == ["1970-01-01T00:00:00Z", None, f"{2**60} us since 1970"]


# Processes


def process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    source = str(Path(hopyard.__file__).parents[1])
    return subprocess.run(
        [sys.executable, "-c", "from hopyard.cli import main; main()", *arguments],
        env={**os.environ, "PYTHONPATH": source, **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS_FOR_A_PROCESS,
        check=False,
    )


def test_a_process_answers_in_clean_json(url: str) -> None:
    done = process("ls", "--json", HOPYARD_URL=url)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["location"] == url


def test_a_process_fails_with_one_line(url: str) -> None:
    done = process("--url", url, "show", "wether")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: No feature group or feature view named 'wether'. Did you mean 'weather'?\n"


def test_the_command_line_starts_without_the_heavy_packages() -> None:
    program = "import hopyard.cli, sys; sys.stdout.write(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(Path(hopyard.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=SECONDS_FOR_A_PROCESS,
        check=True,
    )
    assert {"duckdb", "pyarrow", "deltalake", "sqlglot", "sqlalchemy", "pandas", "numpy"}.isdisjoint(
        done.stdout.split()
    )
