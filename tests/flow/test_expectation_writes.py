"""What becomes of a write whose rows fail: refused without a trace, written with a report, or kept apart."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hopyard.config import Config
from hopyard.connect import open_session
from hopyard.errors import (
    ConfigError,
    ExistingRowsError,
    HopyardWarning,
    OnlineBehindError,
    QueryError,
    SchemaMismatchError,
    ValidationError,
)
from hopyard.expectations import foreign_key, in_range, in_set, matches, not_null, row_count, sql, unique
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.project import Project
from hopyard.testing.store import InjectedError, ManualClock, fail_at, open_store
from parity import online_lock

DAY = datetime(2026, 1, 1, tzinfo=UTC)


def row(id_: int, **values: Any) -> dict[str, Any]:
    return {"id": id_, "at": DAY, "level": 1.0, "seat": id_, **values}


@pytest.fixture
def group(fs: FeatureStore) -> FeatureGroup:
    group = fs.create_feature_group("levels", primary_key="id", event_time="at", online_enabled=True)
    group.insert([row(1), row(2)])
    return group.expect(not_null("level"), in_range("level", min=0, max=10))


def ids(frame: Any) -> list[int]:
    return sorted(frame.column("id").to_pylist())


def stored(group: FeatureGroup) -> list[int]:
    return ids(group.read(dataframe_type="arrow"))


def apart(group: FeatureGroup) -> list[int]:
    return ids(group.quarantined(dataframe_type="arrow"))


def everything(store: Project, group: FeatureGroup) -> tuple[Any, ...]:
    """Return all there is of a group: its commits, its files, its online rows and how far these are."""
    session, spec = store.session, group.spec
    folder = Path(group.location)
    return (
        session.offline.commits(spec.location),
        sorted((str(path), path.read_bytes()) for path in folder.rglob("*") if path.is_file()),
        list(session.online.scan(spec.id)),
        session.online.position(spec.id),
        session.registry.get(session.project, "feature_group", spec.name, spec.version),
    )


def test_a_refused_write_leaves_everything_as_it_was(store: Project, group: FeatureGroup) -> None:
    before = everything(store, group)
    with pytest.raises(ValidationError) as caught:
        group.insert([row(1, level=5.0), row(3, level=11.0), row(4, level=None), row(5, level=-1.0)])
    assert everything(store, group) == before
    text = str(caught.value)
    assert text.startswith(
        "3 of 4 rows fail what 'levels_1' expects, whose policy is 'strict'. Nothing was written."
    )
    assert (
        "- level is not null: 1 row(s) fail, such as row 2 (id=4, at='2026-01-01 00:00:00.000000Z', level=None)"
        in text
    )
    assert "- level is >= 0 and <= 10: 2 row(s) fail, such as row 1 (id=3" in text
    (report,) = group.validation_reports()
    assert report == caught.value.report
    assert (report.outcome, report.commit, report.n_rows, report.n_failed) == ("refused", None, 4, 3)


@pytest.mark.parametrize("options", [{"overwrite": True}, {"operation": "insert"}, {"commit_id": "a"}])
def test_every_way_to_insert_is_refused(store: Project, group: FeatureGroup, options: dict[str, Any]) -> None:
    before = everything(store, group)
    with pytest.raises(ValidationError):
        group.insert([row(3, level=11.0)], **options)
    assert everything(store, group) == before


def test_a_first_insert_that_is_refused_stores_no_group(fs: FeatureStore) -> None:
    draft = fs.create_feature_group("levels", primary_key="id").expect(in_range("level", min=0))
    with pytest.raises(ValidationError, match="1 of 2 rows fail"):
        draft.insert([{"id": 1, "level": 1.0}, {"id": 2, "level": -1.0}])
    assert fs.list_feature_groups() == []
    draft.insert([{"id": 1, "level": 1.0}])
    assert fs.get_feature_group("levels").expectations == [in_range("level", min=0)]


def test_a_draft_learns_its_columns_with_its_first_rows(fs: FeatureStore) -> None:
    draft = fs.create_feature_group("levels", primary_key="id").expect(matches("level", "a"))
    with pytest.raises(SchemaMismatchError, match="'level' of 'levels' is double, and only text"):
        draft.insert([{"id": 1, "level": 1.0}])
    assert fs.list_feature_groups() == []


def test_always_writes_warns_and_keeps_a_report(group: FeatureGroup) -> None:
    group.set_expectations(group.expectations, policy="always")
    with pytest.warns(HopyardWarning, match="level is >= 0 and <= 10: 1 row.*because the policy is 'always'"):
        commit = group.insert([row(3, level=11.0)])
    assert stored(group) == [1, 2, 3]
    (report,) = group.validation_reports()
    assert (report.outcome, report.commit, report.n_failed) == ("written", commit.number, 1)
    assert not report.is_met
    assert [result.status for result in report.results] == ["met", "failed"]


def test_rows_that_pass_are_reported_too_and_the_newest_comes_first(
    fs: FeatureStore, group: FeatureGroup
) -> None:
    commits = [group.insert([row(number)]) for number in (3, 4)]
    reports = fs.get_feature_group("levels").validation_reports()
    assert [report.commit for report in reports] == [commit.number for commit in reversed(commits)]
    assert all(report.is_met for report in reports)
    assert group.validation_reports(1) == reports[:1]


def test_a_group_that_expects_nothing_makes_no_report(group: FeatureGroup) -> None:
    group.set_expectations([])
    group.insert([row(3, level=-1.0)])
    assert group.validation_reports() == []
    assert group.validate().is_met


def test_places_are_those_of_the_frame_though_rows_gave_way(group: FeatureGroup) -> None:
    frame = [row(9), row(3, level=99.0), row(9, level=2.0), row(4, level=50.0), row(3), row(5, level=12.0)]
    with pytest.warns(HopyardWarning, match="repeat the identity"):
        report = group.validate(frame)
    assert [(example.place, example.values["id"]) for example in report.failures[0].examples] == [
        (3, 4),
        (5, 5),
    ]


def test_validate_writes_nothing(store: Project, group: FeatureGroup) -> None:
    before = everything(store, group)
    assert not group.validate([row(3, level=11.0)]).is_met
    assert group.validate().commit == 1
    assert everything(store, group) == before
    assert group.validation_reports() == []
    kept = group.validate(save_report=True)
    assert group.validation_reports() == [kept]
    with pytest.raises(SchemaMismatchError, match="It lacks 'seat'"):
        group.validate([{"id": 1, "at": DAY, "level": 1.0}])


def test_stored_rows_are_counted_and_named_by_their_key(group: FeatureGroup) -> None:
    group.set_expectations([])
    group.insert([row(number, level=-float(number)) for number in range(10, 20)])
    group.expect(in_range("level", min=0), sql("select * from new_rows where level < -15", name="deep"))
    low, deep = group.validate().results
    assert (low.n_failed, deep.n_failed) == (10, 4)
    assert [example.values["id"] for example in low.examples] == [10, 11, 12]
    assert low.examples[0].place is None


def test_quarantine_keeps_failing_rows_and_writes_the_others(store: Project, group: FeatureGroup) -> None:
    frame = [row(3, level=11.0), row(4), row(5, level=None), row(1, level=-5.0)]
    with pytest.warns(HopyardWarning, match="3 of 4 rows are kept apart"):
        commit = group.insert(frame, quarantine=True)
    assert stored(group) == [1, 2, 4]
    assert apart(group) == [1, 3, 5]
    assert len(list(store.session.online.scan(group.spec.id))) == 3
    rows = {found["id"]: found for found in group.quarantined(dataframe_type="python")}
    assert rows[5]["_reason"] == "level is not null"
    assert rows[3]["_reason"] == "level is >= 0 and <= 10"
    (report,) = group.validation_reports()
    assert {found["_report"] for found in rows.values()} == {report.id}
    assert (report.outcome, report.commit, report.n_quarantined) == ("quarantined", commit.number, 3)
    assert group.read(dataframe_type="python", order_by=["id"])[0]["level"] == 1.0
    with pytest.warns(HopyardWarning, match="1 of 1 rows are kept apart"):
        group.insert([row(7, level=77.0)], quarantine=True)
    assert apart(group) == [1, 3, 5, 7]
    group.clear_quarantine()
    assert apart(group) == []
    assert group.insert([row(8)], quarantine=True).n_inserted == 1


def test_quarantine_of_a_first_insert_and_after_a_feature_was_appended(fs: FeatureStore) -> None:
    group = fs.create_feature_group("levels", primary_key="id").expect(in_range("level", min=0))
    with pytest.warns(HopyardWarning, match="kept apart"):
        group.insert([{"id": 1, "level": 1.0}, {"id": 2, "level": -1.0}], quarantine=True)
    group.append_features({"note": "string"})
    assert apart(group) == [2]
    with pytest.warns(HopyardWarning, match="kept apart"):
        group.insert([{"id": 3, "level": -2.0, "note": "deep"}], quarantine=True)
    found = group.quarantined(dataframe_type="arrow")
    assert found.column("note").to_pylist() == [None, "deep"]
    assert found.column_names == ["id", "level", "note", "_reason", "_quarantined_at", "_report"]


def test_what_no_row_is_to_blame_for_is_refused_with_quarantine_too(
    store: Project, group: FeatureGroup
) -> None:
    group.expect(row_count(min=3))
    before = everything(store, group)
    with pytest.raises(ValidationError, match="no rows can be kept apart for it"):
        group.insert([row(3), row(4, level=-1.0)], quarantine=True)
    assert everything(store, group) == before
    assert apart(group) == []


def test_rows_that_fail_without_those_that_were_left_out_are_left_out_as_well(fs: FeatureStore) -> None:
    """Each refers to the one before it: without the first, whose level is wrong, none of them can stay."""
    types = {"id": "bigint", "parent": "bigint", "level": "bigint"}
    group = fs.create_feature_group("nodes", primary_key="id", features=types)
    group.expect(foreign_key("parent", "nodes"), in_range("level", max=9))
    frame = [{"id": n, "parent": n - 1 or None, "level": 99 if n == 1 else 1} for n in range(1, 6)]
    frame.append({"id": 50, "parent": None, "level": 1})
    with pytest.warns(HopyardWarning, match="5 of 6 rows are kept apart"):
        group.insert(frame, quarantine=True)
    assert stored(group) == [50]
    reasons = group.quarantined(dataframe_type="arrow").column("_reason").to_pylist()
    assert reasons == ["level is <= 9", *["fails once other failing rows are left out"] * 4]
    group.insert([{"id": 7, "parent": 8, "level": 1}, {"id": 8, "parent": 50, "level": 1}])
    assert group.validate().is_met


def test_a_row_that_stays_because_its_successor_was_left_out_counts_for_uniqueness(
    group: FeatureGroup,
) -> None:
    group.expect(unique("seat"))
    frame = [row(1, seat=77, level=-1.0), row(3, seat=1)]  # seat 1 would be free if row 1 moved
    with pytest.warns(HopyardWarning, match="2 of 2 rows are kept apart"):
        group.insert(frame, quarantine=True)
    assert group.validate().is_met
    group.insert([row(1, seat=77), row(3, seat=1)])
    assert group.validate().is_met


def test_unique_looks_at_the_rows_that_stay(group: FeatureGroup) -> None:
    group.set_expectations([unique("seat")])
    group.insert([row(1, seat=2), row(2, seat=1)])  # they change seats
    with pytest.raises(ValidationError, match=r"seat is unique: 1 row\(s\) fail, such as row 0 \(id=9"):
        group.insert([row(9, seat=1)])
    group.insert([row(9, seat=1)], overwrite=True)
    assert stored(group) == [9]


def test_a_keyless_group(fs: FeatureStore) -> None:
    log = fs.create_feature_group("log", features={"id": "bigint", "seat": "bigint"}).save()
    log.expect(unique("seat"), not_null("id"))
    log.insert([{"id": 1, "seat": 1}])
    with pytest.raises(ValidationError, match=r"such as row 1 \(seat=1\)"):
        log.insert([{"id": 2, "seat": 2}, {"id": 1, "seat": 1}])


def test_a_write_that_is_refused_for_another_reason_keeps_nothing_apart(group: FeatureGroup) -> None:
    with pytest.warns(HopyardWarning, match="kept apart"), pytest.raises(ExistingRowsError):
        group.insert([row(1), row(3, level=-1.0)], operation="insert", quarantine=True)
    assert apart(group) == []
    assert group.validation_reports() == []


def test_a_known_commit_id_writes_nothing_again(group: FeatureGroup) -> None:
    frame = [row(3), row(4, level=-1.0)]
    with pytest.warns(HopyardWarning, match="kept apart"):
        first = group.insert(frame, quarantine=True, commit_id="once")
    assert group.insert(frame, quarantine=True, commit_id="once") == first
    assert apart(group) == [4]
    assert len(group.validation_reports()) == 1


@pytest.mark.parametrize(
    ("point", "is_written"),
    [
        ("rows_set_apart", False),
        ("before_offline_commit", False),
        ("after_offline_commit", True),
        ("before_report_rename", True),
        ("after_report_rename", True),
    ],
)
def test_a_crash_loses_no_row(tmp_path: Path, point: str, *, is_written: bool) -> None:
    def opened(**options: Any) -> FeatureStore:
        return open_store(tmp_path / "store", clock=ManualClock("2026-02-01"), **options).get_feature_store()

    group = opened().create_feature_group("levels", primary_key="id", event_time="at")
    group.insert([row(1)])
    group.expect(in_range("level", min=0))
    with pytest.warns(HopyardWarning, match="kept apart"), pytest.raises(InjectedError):
        opened(failpoint=fail_at(point)).get_feature_group("levels").insert(
            [row(3), row(4, level=-1.0)], quarantine=True
        )
    again = opened().get_feature_group("levels")
    assert stored(again) == ([1, 3] if is_written else [1])
    assert apart(again) == [4]
    with pytest.warns(HopyardWarning, match="kept apart"):
        again.insert([row(3), row(4, level=-1.0)], quarantine=True)
    assert stored(again) == [1, 3]
    assert set(apart(again)) == {4}


def test_a_commit_that_is_not_online_yet_has_its_report(tmp_path: Path) -> None:
    session = open_session(Config(root=tmp_path / "store", actor="test", online_timeout_seconds=0.01))
    group = FeatureStore(session).create_feature_group("levels", primary_key="id", online_enabled=True)
    group.insert([{"id": 1, "level": 1.0}])
    group.expect(in_range("level", min=0))
    with online_lock(session, timeout_seconds=60), pytest.raises(OnlineBehindError) as behind:
        group.insert([{"id": 2, "level": 2.0}])
    (report,) = group.validation_reports()
    assert (report.commit, report.outcome) == (behind.value.commit, "written")


def test_expectations_stay_with_the_group_and_go_with_it(fs: FeatureStore, group: FeatureGroup) -> None:
    group.expect(
        in_range("level", min=0, max=10), in_set("seat", [1, 2, 3, 4, 5])
    )  # the first one is there already
    again = fs.get_feature_group("levels")
    assert len(again.expectations) == 3
    assert again.expectation_policy == "strict"
    with pytest.warns(HopyardWarning, match="kept apart"):
        again.insert([row(3), row(40)], quarantine=True)
    group.append_features({"note": "string"})
    assert len(fs.get_feature_group("levels").expectations) == 3
    again.delete()
    anew = fs.create_feature_group("levels", primary_key="id")
    anew.insert([{"id": 1}])
    assert (anew.expectations, anew.validation_reports(), apart(anew)) == ([], [], [])


def test_a_foreign_key_to_a_group_that_is_gone_or_made_anew_is_an_error(
    fs: FeatureStore, group: FeatureGroup
) -> None:
    other = fs.create_feature_group("seats", primary_key="seat")
    other.insert([{"seat": 3}])
    group.set_expectations([foreign_key("seat", other)])
    group.insert([row(3)])
    other.delete()
    gone = "seat is in seats_1 .seat., and that group has been deleted"
    with pytest.raises(QueryError, match=gone):
        group.insert([row(3)])
    fs.create_feature_group("seats", 1, primary_key="seat").insert([{"seat": 3}])
    with pytest.raises(QueryError, match=gone):
        group.insert([row(3)])
    group.set_expectations([foreign_key("seat", "seats")])
    group.insert([row(3)])


def test_a_group_that_is_not_stored_has_no_reports(fs: FeatureStore) -> None:
    draft = fs.create_feature_group("levels", primary_key="id")
    for call in (draft.validate, draft.validation_reports, draft.quarantined, draft.clear_quarantine):
        with pytest.raises(ConfigError, match="not stored yet"):
            call()


@pytest.mark.parametrize("seed", range(3))
def test_a_random_history_never_breaks_what_is_expected_of_all_rows(fs: FeatureStore, seed: int) -> None:
    """A dictionary decides which inserts are refused, whatever files the rows are in."""
    chance = random.Random(seed)
    types = {"id": "bigint", "seat": "bigint", "parent": "bigint"}
    group = fs.create_feature_group("people", primary_key="id", features=types).save()
    group.expect(unique("seat"), foreign_key("parent", "people"), row_count(max=14, of="group"))
    rows: dict[int, dict[str, Any]] = {}
    outcomes = set()
    for _ in range(25):
        frame = {
            number: {
                "id": number,
                "seat": chance.choice([None, *range(40)]),
                "parent": chance.choice([None, None, *rows, number, 99]) if chance.random() < 0.5 else None,
            }
            for number in chance.sample(range(20), chance.randint(1, 3))
        }
        overwrite = chance.random() < 0.1
        after = frame if overwrite else rows | frame
        seats = [person["seat"] for person in after.values() if person["seat"] is not None]
        is_met = (
            all(seats.count(person["seat"]) < 2 for person in frame.values())
            and all(person["parent"] is None or person["parent"] in after for person in frame.values())
            and len(after) <= 14
        )
        outcomes.add(is_met)
        if is_met:
            group.insert(list(frame.values()), overwrite=overwrite)
            rows = after
        else:
            with pytest.raises(ValidationError):
                group.insert(list(frame.values()), overwrite=overwrite)
        expected = [rows[number] for number in sorted(rows)]
        assert group.read(dataframe_type="python", order_by=["id"]) == expected
    assert outcomes == {True, False}
    assert group.validate().is_met
