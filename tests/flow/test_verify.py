"""The store finds what was broken on purpose, says what to do, and what it says helps."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hopyard
from hopyard.compute.layout import online_table
from hopyard.config import load_config
from hopyard.connect import open_session
from hopyard.errors import NotFoundError
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.model.position import CommitPosition
from hopyard.observe.parity import MAX_EXAMPLES, compare
from hopyard.observe.report import Finding, Report
from hopyard.online.keys import key_encoder
from hopyard.ports import EncodedRows, RecordKind
from hopyard.project import Project
from hopyard.session import Session
from hopyard.testing.store import InjectedError, fail_at


def at(hour: int) -> datetime:
    return datetime(2024, 1, 1, hour, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a store with an online and an offline group, a view and a training dataset."""
    project = hopyard.login(tmp_path / "store")
    fs = project.get_feature_store()
    weather = fs.create_feature_group("weather", primary_key="origin", event_time="at", online_enabled=True)
    weather.insert(
        [{"origin": "jfk", "at": at(1), "temp": 1.5}, {"origin": "lga", "at": at(1), "temp": None}]
    )
    weather.insert([{"origin": "jfk", "at": at(2), "temp": 2.5}])
    flights = fs.create_feature_group("flights", primary_key="id", event_time="at", foreign_key="origin")
    flights.insert([{"id": n, "at": at(3), "origin": "jfk", "late": n > 2} for n in range(5)])
    view = fs.create_feature_view(
        "delays", flights.select_all().join(weather.select(["temp"])), labels="late"
    )
    view.create_train_test_split(0.4)
    project.session.online.close()
    return tmp_path / "store"


def opened(folder: Path) -> Project:
    """Return the store as another process would see it."""
    return hopyard.login(folder)


def group(folder: Path, name: str) -> FeatureGroup:
    return opened(folder).get_feature_store().get_feature_group(name)


def findings(folder: Path, *names: str) -> list[Finding]:
    return list(opened(folder).verify(names or None).findings)


def only(folder: Path, kind: str) -> Finding:
    """Return the one finding that there is."""
    found = findings(folder)
    assert [finding.kind for finding in found] == [kind], found
    assert found[0].advice.endswith(".") and len(found[0].advice) > 20
    return found[0]


def online_write(folder: Path, keys: list[str], rows: list[bytes | None]) -> None:
    """Put rows into the online table of weather, past everything that guards it."""
    session, spec = opened(folder).session, group(folder, "weather").spec
    encode = key_encoder(online_table(spec))
    encoded = EncodedRows(
        keys=pa.array([encode([key]) for key in keys], pa.binary()),
        rows=pa.array(rows, pa.binary()),
        is_final=True,
    )
    position = session.online.position(spec.id)
    assert position is not None
    session.online.write(online_table(spec), encoded, position)


def data_files(folder: Path, name: str) -> list[Path]:
    return [
        Path(file.path)
        for file in opened(folder).session.offline.snapshot(group(folder, name).spec.location).files
    ]


def test_a_sound_store_is_fine(folder: Path) -> None:
    report = opened(folder).verify()
    assert report.is_fine and report.findings == ()
    assert [(g.name, g.version, g.n_commits, g.n_rows, g.n_online_rows) for g in report.groups] == [
        ("flights", 1, 2, 5, None),
        ("weather", 1, 3, 3, 2),
    ]
    assert report.n_views == 1
    assert [(d.name, d.version, d.n_files) for d in report.datasets] == [("delays_1", 1, 2)]
    assert str(report).startswith("all fine: 2 feature group(s), 5 commit(s)")


def test_nothing_at_all_is_fine(tmp_path: Path) -> None:
    assert hopyard.login(tmp_path / "empty").verify() == Report("default")


def test_names_choose_groups_and_views(folder: Path) -> None:
    project = opened(folder)
    assert [g.name for g in project.verify(["weather"]).groups] == ["weather"]
    assert [g.name for g in project.verify(["weather_1", "flights"]).groups] == ["flights", "weather"]
    only_view = project.verify(["delays_1"])
    assert (only_view.groups, only_view.n_views, len(only_view.datasets)) == ((), 1, 1)
    with pytest.raises(
        NotFoundError, match="No feature group or feature view named 'wether'. Did you mean 'weather'?"
    ):
        project.verify(["wether"])


def test_all_kinds_of_keys_and_values_compare_equal(tmp_path: Path) -> None:
    """The expected bytes come from the snapshot, the stored ones from the inserts: in all types, long keys too."""
    fs = hopyard.login(tmp_path / "store").get_feature_store()
    wide = fs.create_feature_group(
        "wide",
        primary_key=["text", "number"],
        event_time="day",
        online_enabled=True,
        features={
            "text": "string", "number": "int", "day": "date", "flag": "boolean", "big": "bigint", "f": "float",
            "d": "double", "raw": "binary", "money": "decimal(12,2)", "seen": "timestamp", "list": "array<float>",
            "pair": "struct<a:bigint,b:string>",
        },
    )  # fmt: skip
    rows = [
        {
            "text": text, "number": number, "day": at(1).date(), "flag": None if number else True,
            "big": 2**62 + number, "f": float("nan"), "d": -0.0, "raw": b"\x00\xff", "money": None,
            "seen": datetime(1969, 1, 1, tzinfo=UTC), "list": [1.5, None], "pair": {"a": number, "b": text[:3]},
        }
        for text in ("", "a\x00b", "x" * 600, "x" * 599 + "y", "é😀")
        for number in (-5, 0, 7)
    ]  # fmt: skip
    wide.insert(rows)
    wide.insert([{**rows[0], "money": None, "d": 1.5}, rows[7]])
    wide.remove_rows([{"text": "", "number": 7}])
    wide.append_features({"late": "string", "level": "int"}, defaults={"level": 3})
    report = hopyard.login(tmp_path / "store").verify()
    assert report.is_fine, report
    assert report.groups[0].n_online_rows == 14


def test_a_missing_online_row(folder: Path) -> None:
    online_write(folder, ["jfk"], [None])
    found = only(folder, "online_differs")
    assert found.where == "weather_1"
    assert "1 key(s) missing online (such as origin=jfk)" in found.message
    assert "`hopyard online rebuild weather_1`" in found.advice


def test_extra_and_different_online_rows(folder: Path) -> None:
    session, spec = opened(folder).session, group(folder, "weather").spec
    row = dict(session.online.scan(spec.id))[key_encoder(online_table(spec))(["lga"])]
    online_write(folder, ["xyz", "lga"], [row, row[:-1] + bytes([row[-1] ^ 1])])
    message = only(folder, "online_differs").message
    assert "1 key(s) online only (such as origin=xyz)" in message
    assert "1 key(s) with another row online than offline (such as origin=lga)" in message
    assert "missing" not in message


def test_the_advice_to_rebuild_helps(folder: Path) -> None:
    online_write(folder, ["jfk"], [None])
    shutil.rmtree(folder / "projects" / "default" / "online")
    assert only(folder, "online_behind").message == "The online table lacks the last 3 commit(s)."
    group(folder, "weather").catch_up_online()
    assert findings(folder) == []


def test_an_online_table_that_is_behind(folder: Path) -> None:
    class CrashError(Exception):
        pass

    def crash(point: str) -> None:
        if point == "after_offline_commit":
            raise CrashError

    session = open_session(load_config(folder), failpoint=crash)
    with pytest.raises(CrashError):
        FeatureStore(session).get_feature_group("weather").insert(
            [{"origin": "ewr", "at": at(4), "temp": 9.0}]
        )
    found = only(folder, "online_behind")
    assert found.message == "The online table lacks the last 1 commit(s)."
    assert "`hopyard online catchup weather_1`" in found.advice
    assert group(folder, "weather").catch_up_online() == 1
    assert findings(folder) == []


def test_a_data_file_is_gone(folder: Path) -> None:
    data_files(folder, "flights")[0].unlink()
    found = only(folder, "file_damaged")
    assert found.where == "flights_1"
    assert (
        "cannot be opened (No such file or directory). It is a part of commit 1, the last one among them."
        in found.message
    )


def test_a_data_file_of_an_older_commit_is_gone(folder: Path) -> None:
    old = data_files(folder, "weather")
    group(folder, "weather").insert([{"origin": "ewr", "at": at(5), "temp": 1.0}], overwrite=True)
    old[0].unlink()
    found = only(folder, "file_damaged")
    assert "commits from" in found.message or "commit 2." in found.message
    assert "the later commits are intact" in found.advice


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda data: data[:-1], "bytes instead of"),
        (lambda data: b"\x00" * len(data), "is no readable Parquet file"),
    ],
)
def test_a_data_file_was_changed(folder: Path, damage: Callable[[bytes], bytes], what: str) -> None:
    file = data_files(folder, "flights")[0]
    file.write_bytes(damage(file.read_bytes()))
    assert what in only(folder, "file_damaged").message


def test_a_data_file_with_other_rows(folder: Path) -> None:
    """Of the right size, but with another number of rows: a swapped file."""
    file = data_files(folder, "flights")[0]
    size = file.stat().st_size
    for length in range(size):
        pq.write_table(pa.table({"id": ["", "x" * length]}), file, compression="none", use_dictionary=False,
                       write_statistics=False)  # fmt: skip
        if file.stat().st_size == size:
            break
    assert file.stat().st_size == size
    assert "has 2 rows instead of 5" in only(folder, "file_damaged").message


def test_a_damaged_file_of_an_online_group_stops_nothing_else(folder: Path) -> None:
    for file in data_files(folder, "weather"):
        file.unlink()
    kinds = [(finding.kind, finding.where) for finding in findings(folder)]
    assert ("online_unreadable", "weather_1") in kinds and ("file_damaged", "weather_1") in kinds
    assert all(where == "weather_1" for _, where in kinds)


def test_a_commit_is_gone_from_the_log(folder: Path) -> None:
    log = folder / group(folder, "weather").spec.location / "_delta_log"
    (log / f"{1:020}.json").unlink()
    kinds = {finding.kind for finding in findings(folder) if finding.where == "weather_1"}
    assert kinds & {"commit_unreadable", "missing_table"}


def test_a_commit_of_the_log_was_overwritten(folder: Path) -> None:
    log = folder / group(folder, "weather").spec.location / "_delta_log"
    (log / f"{1:020}.json").write_text("no json\n")
    kinds = {finding.kind for finding in findings(folder) if finding.where == "weather_1"}
    assert kinds & {"commit_unreadable", "missing_table"}


@pytest.mark.parametrize("name", ["stray", "weather_2-00000000", "x_1-1_2-3"])
def test_a_folder_without_a_group(folder: Path, name: str) -> None:
    (folder / "projects" / "default" / "groups" / name).mkdir()
    found = only(folder, "orphan_folder")
    assert found.where.endswith(name) and "no Delta table" in found.message
    assert findings(folder, "weather", "flights", "delays") == []


DIE_BEFORE_REGISTERING = """
import os, signal, sys
from hopyard.config import load_config
from hopyard.connect import open_session
from hopyard.feature_store import FeatureStore

def kill(point):
    if point == "group_before_register":
        os.kill(os.getpid(), signal.SIGKILL)

session = open_session(load_config(sys.argv[1]), failpoint=kill)
FeatureStore(session).create_feature_group("half", primary_key="id", features={"id": "int"}).save()
"""


def test_a_group_whose_creation_was_interrupted(folder: Path) -> None:
    died = subprocess.run([sys.executable, "-c", DIE_BEFORE_REGISTERING, str(folder)], check=False)
    assert died.returncode == -signal.SIGKILL
    found = only(folder, "orphan_folder")
    assert "/half_1-" in found.where and "(a Delta table)" in found.message
    shutil.rmtree(found.where)
    assert findings(folder) == []


def test_a_group_whose_creation_failed_leaves_nothing(folder: Path) -> None:
    session = open_session(load_config(folder), failpoint=fail_at("group_before_register"))
    with pytest.raises(InjectedError):
        FeatureStore(session).create_feature_group("half", primary_key="id", features={"id": "int"}).save()
    assert findings(folder) == []


def test_a_registry_row_is_gone(folder: Path) -> None:
    session = opened(folder).session
    session.registry.delete(session.registry.get("default", "feature_group", "weather", 1))
    kinds = {finding.kind: finding for finding in findings(folder)}
    assert set(kinds) == {"orphan_folder", "view_broken"}
    assert kinds["view_broken"].where == "delays_1"
    assert "feature group 'weather_1'" in kinds["view_broken"].message


def test_a_table_is_gone(folder: Path) -> None:
    shutil.rmtree(folder / group(folder, "flights").spec.location)
    found = only(folder, "missing_table")
    assert found.where == "flights_1" and "It is registered, and its table cannot be read" in found.message
    # What the advice says.
    group(folder, "flights").delete(force=True)
    assert {finding.kind for finding in findings(folder)} == {"view_broken"}


@pytest.mark.parametrize(
    ("kind", "name"),
    [("feature_group", "weather"), ("feature_view", "delays"), ("training_dataset", "delays_1")],
)
def test_a_registry_row_cannot_be_read(folder: Path, kind: RecordKind, name: str) -> None:
    session = opened(folder).session
    record = session.registry.get("default", kind, name, 1)
    session.registry.put(msgspec.structs.replace(record, body=b'{"format_version":1}'), expected_revision=1)
    found = [finding for finding in findings(folder) if finding.kind == "registry_row"]
    assert len(found) == 1 and "cannot be read" in found[0].message
    assert [finding.kind for finding in findings(folder) if finding.kind == "orphan_folder"] == []


def test_a_newer_registry_row(folder: Path) -> None:
    session = opened(folder).session
    record = session.registry.get("default", "feature_group", "flights", 1)
    body = record.body.replace(b'"format_version":1', b'"format_version":99', 1)
    session.registry.put(msgspec.structs.replace(record, body=body), expected_revision=1)
    assert "format version 99" in only(folder, "registry_row").message


def test_append_features_was_interrupted(folder: Path) -> None:
    """The table has the feature, the registry does not know it; the advice mends it."""
    weather = group(folder, "weather")
    spec = weather.spec
    wider = msgspec.structs.replace(
        spec, features=(*spec.features, msgspec.structs.replace(spec.features[-1], name="gust"))
    )
    opened(folder).session.offline.alter(spec.location, wider, None)
    found = only(folder, "spec_differs")
    assert "The table has the feature(s) gust, which the registry does not know" in found.message
    group(folder, "weather").append_features({"gust": "double"})
    assert findings(folder) == []


def test_registry_and_table_disagree(folder: Path) -> None:
    session = opened(folder).session
    record = session.registry.get("default", "feature_group", "flights", 1)
    spec = group(folder, "flights").spec
    changed = msgspec.structs.replace(
        spec,
        primary_key=("origin",),
        features=(*spec.features[:-1], msgspec.structs.replace(spec.features[-1], type="int")),
    )
    session.registry.put(
        msgspec.structs.replace(record, body=msgspec.json.encode(changed)), expected_revision=record.revision
    )
    message = only(folder, "spec_differs").message
    assert "primary_key is ('origin',) in the registry and ('id',) in the table" in message
    assert "feature 'late' is int in the registry and boolean in the table" in message


def test_descriptions_and_tags_are_the_registrys_alone(folder: Path) -> None:
    weather = group(folder, "weather")
    weather.update_description("hourly").add_tag("owner", "ops")
    weather.update_feature_description("temp", "Celsius")
    assert findings(folder) == []


def test_files_of_a_training_dataset(folder: Path) -> None:
    home = folder / "projects" / "default" / "training" / "delays_1" / "1"
    train, test = (next((home / split).iterdir()) for split in ("train", "test"))
    train.write_bytes(train.read_bytes()[:-1] + b"?")
    test.unlink()
    (home / "manifest.json").unlink()
    found = findings(folder)
    assert [finding.kind for finding in found] == ["dataset_damaged"] * 3
    text = " ".join(finding.message for finding in found)
    assert f"The file {train} was changed." in text and f"The file {test} is gone." in text
    assert "manifest.json" in text
    opened(folder).get_feature_store().get_feature_view("delays").get_training_dataset(1).rebuild()
    assert findings(folder) == []


def test_a_folder_without_a_training_dataset(folder: Path) -> None:
    home = folder / "projects" / "default" / "training" / "delays_1"
    (home / "7").mkdir()
    (home / ".writing-0000").mkdir()
    assert only(folder, "orphan_folder").where == str(home / "7")


def test_another_project_is_another_matter(folder: Path) -> None:
    online_write(folder, ["jfk"], [None])
    assert hopyard.login(folder, project="other").verify().is_fine


def test_writers_may_go_on(folder: Path) -> None:
    """Whatever moment a check looks at, it sees one state, and no writer's half-done work counts as damage."""
    failures: list[BaseException] = []
    is_done = threading.Event()

    def write() -> None:
        try:
            weather = group(folder, "weather")
            for n in range(25):
                weather.insert([{"origin": f"k{n % 7}", "at": at(5), "temp": float(n)}])
                if n % 5 == 4:
                    weather.remove_rows([{"origin": f"k{n % 7}"}])
                if n % 10 == 9:
                    weather.append_features({f"extra{n}": "double"})
                    weather = group(folder, "weather")
                    weather.append_features({f"filled{n}": "int"}, defaults={f"filled{n}": n})
                    break
            fs = opened(folder).get_feature_store()
            for _ in range(3):
                made = fs.create_feature_group("passing", primary_key="id", online_enabled=True)
                made.insert([{"id": 1}])
                made.delete()
                fs.get_feature_view("delays").create_training_data()
        except BaseException as error:
            failures.append(error)
        finally:
            is_done.set()

    thread = threading.Thread(target=write)
    thread.start()
    reports = [opened(folder).verify()]
    while not is_done.is_set():
        reports.append(opened(folder).verify())
    thread.join()
    assert failures == []
    assert [report for report in reports if not report.is_fine] == []
    assert opened(folder).verify().is_fine


def test_a_group_that_is_being_deleted_leaves_no_orphan(folder: Path) -> None:
    reports: list[Report] = []
    checks = threading.Thread(target=lambda: reports.append(opened(folder).verify()))

    def failpoint(point: str) -> None:
        if (
            point == "before_online_removal"
        ):  # the registry has forgotten the group, its folder is still there
            checks.start()
            checks.join(timeout=0.5)

    session = open_session(load_config(folder), failpoint=failpoint)
    made = Project(session).get_feature_store().create_feature_group("passing", primary_key="id")
    made.insert([{"id": 1}])
    made.delete()
    checks.join()
    assert [report.findings for report in reports] == [()]


PAIRS = st.dictionaries(
    st.binary(max_size=3) | st.sampled_from([b"k" * 511, b"k" * 511 + b"2", b"k" * 600]),
    st.binary(max_size=2),
    max_size=12,
)


@given(PAIRS, PAIRS, st.randoms())
def test_compare_counts_what_differs(
    expected: dict[bytes, bytes], found: dict[bytes, bytes], random: object
) -> None:
    def ordered(rows: dict[bytes, bytes]) -> list[tuple[bytes, bytes]]:
        plain = sorted((key, row) for key, row in rows.items() if len(key) <= 510)
        return plain + [(key, row) for key, row in rows.items() if len(key) > 510]  # those come in any order

    parity = compare(ordered(expected), ordered(found), CommitPosition(number=1))
    missing, extra = expected.keys() - found.keys(), found.keys() - expected.keys()
    different = {key for key in expected.keys() & found.keys() if expected[key] != found[key]}
    assert parity.n_rows == len(found)
    for keys, truth in ((parity.missing, missing), (parity.extra, extra), (parity.different, different)):
        assert keys.n == len(truth) and set(keys.examples) <= truth
        assert len(keys.examples) == min(len(truth), MAX_EXAMPLES)


def test_the_session_is_left_as_it_was(folder: Path) -> None:
    """Verification writes nothing: no file of the store changes, locks aside."""
    session: Session = opened(folder).session
    before = _state(folder)
    assert opened(folder).verify().is_fine
    assert _state(folder) == before
    assert session.root == folder


def _state(folder: Path) -> dict[str, int]:
    skipped = ("locks", "registry.db-shm", "registry.db-wal", "lock.mdb")
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and not any(name in path.parts for name in skipped)
    }
