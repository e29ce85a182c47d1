"""Upkeep changes no answer: small files merged, checkpoints, and a history that ends where it was asked to end."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, QueryBuilder

from groups import make_group
from hopyard.compute.row_hash import row_hashes
from hopyard.errors import ConfigError, StoreError, TimeTravelError, TrainingDatasetError
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.ingest.maintain import MAX_SMALL_FILES
from hopyard.model.arrow import schema_from_arrow
from hopyard.project import Project
from hopyard.testing.frames import frame
from hopyard.testing.store import ManualClock, open_store
from parity import assert_online_equals_offline

FEATURES = {"id": "bigint", "at": "timestamp", "place": "string", "x": "double"}
START = datetime(2024, 1, 1, 0, 0, 0, 123_456, UTC)
Rows = list[tuple[Any, ...]]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock("2026-01-01")


@pytest.fixture
def project(tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("HOPYARD_MAINTENANCE", "off")
    return open_store(tmp_path / "store", clock=clock)


@pytest.fixture
def fs(project: Project) -> FeatureStore:
    return project.get_feature_store()


def new(fs: FeatureStore, **options: Any) -> FeatureGroup:
    return make_group(fs, "g", FEATURES, primary_key="id", event_time="at", **options)


def row(id_: int, hour: int, x: float | None = 0.0, place: str | None = "a") -> tuple[Any, ...]:
    return (id_, START + timedelta(hours=hour), place, x)


def add(group: FeatureGroup, *rows: tuple[Any, ...]) -> int:
    return group.insert(frame(FEATURES, rows)).number


def content(group: FeatureGroup, commit: int | None = None) -> Rows:
    found = group.read(as_of=commit, dataframe_type="python")
    return sorted(tuple(values.values()) for values in found)


def files(group: FeatureGroup) -> list[str]:
    session = group._session
    return [file.path for file in session.offline.snapshot(group.spec.location).files]


def history(group: FeatureGroup) -> dict[int, Rows]:
    return {commit.number: content(group, commit.number) for commit in group.commit_details()}


def change_at_random(random_: random.Random, group: FeatureGroup) -> None:
    keys = sorted({(random_.randrange(6), random_.randrange(5)) for _ in range(random_.randrange(1, 6))})
    rows = [row(*key, random_.choice([None, 1.0, 2.0]), random_.choice(["a", "b", None])) for key in keys]
    if random_.random() < 0.2:
        group.remove_rows([{"id": id_} for id_ in {key[0] for key in keys}])
    else:
        group.insert(frame(FEATURES, rows), overwrite=random_.random() < 0.1)


class TestCompaction:
    @pytest.mark.parametrize("partition_key", [(), "place"])
    @pytest.mark.parametrize("seed", range(2))
    def test_between_commits_it_changes_no_answer(
        self, fs: FeatureStore, project: Project, seed: int, partition_key: str | tuple[()]
    ) -> None:
        random_ = random.Random(seed)
        group = new(fs, partition_key=partition_key, online_enabled=True)
        for _ in range(6):
            for _ in range(random_.randrange(1, 6)):
                change_at_random(random_, group)
            before, commits = history(group), group.commit_details()
            changes = changed(group)
            merged = group.maintain().n_merged_files
            assert history(group) == before
            assert group.commit_details() == commits
            assert changed(group) == changes
            assert_online_equals_offline(project, group)
            if merged and not partition_key:
                assert len(files(group)) == 1
        other = open_store(group._session.root).get_feature_store().get_feature_group("g")
        assert history(other) == before

    def test_rows_are_in_order_of_time_and_key_in_the_new_file(self, fs: FeatureStore) -> None:
        group = new(fs)
        for hour in (5, 1, 9, 3):
            add(group, *(row(id_, hour + id_ % 2) for id_ in (7, 2, 5)))
        assert group.maintain().n_merged_files == 4
        (path,) = files(group)
        found = pq.read_table(path, partitioning=None).select(["at", "id"]).to_pylist()
        stored = [(values["at"], values["id"]) for values in found]
        assert stored == sorted(stored)
        assert len(stored) == 12

    def test_it_is_no_commit_and_the_next_one_has_the_next_number(self, fs: FeatureStore) -> None:
        group = new(fs)
        numbers = [add(group, row(1, hour)) for hour in range(3)]
        assert group.maintain().n_merged_files == 3
        assert group.maintain().n_merged_files == 0
        assert add(group, row(1, 99)) == numbers[-1] + 2
        assert [commit.number for commit in group.commit_details()] == [5, 3, 2, 1, 0]

    def test_other_programs_read_the_table(self, fs: FeatureStore) -> None:
        group = new(fs, partition_key="place")
        for hour in range(4):
            add(group, row(1, hour, 1.0, "a b/c"), row(2, hour, None, None))
        group.maintain()
        table = DeltaTable(group.location)
        assert len(table.file_uris()) == 2
        read = (
            QueryBuilder()
            .register("t", table)
            .execute("select id, at, place, x from t order by id, at")
            .read_all()
        )
        assert [tuple(values.values()) for values in pa.table(read).to_pylist()] == content(group)
        assert DeltaTable(group.location, version=4).version() == 4

    def test_merged_rows_are_upserted_and_removed(self, fs: FeatureStore, project: Project) -> None:
        group = new(fs, online_enabled=True)
        for hour in range(5):
            add(group, row(1, hour), row(2, hour))
        group.maintain()
        commit = group.insert(frame(FEATURES, [row(1, 4, 9.0), row(3, 0, 1.0)]))
        assert (commit.n_updated, commit.n_inserted) == (1, 1)
        assert group.remove_rows([{"id": 2}]).n_deleted == 5
        assert len(content(group)) == 6
        assert_online_equals_offline(project, group)

    def test_values_of_every_type_stay_what_they_are(self, fs: FeatureStore) -> None:
        columns: dict[str, pa.Array] = {
            "id": pa.array(range(4), pa.int64()),
            "b": pa.array([True, False, None, True]),
            "i": pa.array([2**31 - 1, -(2**31), None, 0], pa.int32()),
            "f": pa.array([-0.0, float("nan"), float("inf"), None], pa.float32()),
            "d": pa.array([-0.0, float("nan"), float("-inf"), 5e-324]),
            "s": pa.array(["", "𝄞", None, "x" * 100]),
            "bin": pa.array([b"", b"\0\xff", None, b"a"]),
            "dec": pa.array([1, -1, None, 0]).cast(pa.decimal128(38, 5)),
            "t": pa.array([-1, 2**62, None, -(2**62)], pa.int64()).cast(pa.timestamp("us", "UTC")),
            "day": pa.array([date(1, 1, 1), date(9999, 12, 31), None, date(1969, 12, 31)]),
            "a": pa.array([[1.5, None], [], None, [float("nan")]], pa.list_(pa.float64())),
            "v": pa.array([[1.0, 2.0], None, [3.0, 4.0], [-0.0, 0.0]], pa.list_(pa.float32(), 2)),
            "st": pa.array([{"p": 1, "q": ["a"]}, {"p": None, "q": None}, None, {"p": 2, "q": []}]),
        }
        table = pa.table(columns)
        group = fs.create_feature_group("types", primary_key="id")
        for place in range(4):
            group.insert(table.slice(place, 1), allow_future=True)
        before = group.select_all().read(dataframe_type="arrow", order_by=["id"])
        assert group.maintain().n_merged_files == 4
        after = group.select_all().read(dataframe_type="arrow", order_by=["id"])
        assert bits(after) == bits(before)
        assert len(files(group)) == 1

    def test_rows_older_than_a_feature_stay_null_in_it(self, fs: FeatureStore) -> None:
        group = new(fs)
        add(group, row(1, 0))
        group.append_features({"y": "bigint", "tags": "array<string>"})
        wide = {**FEATURES, "y": "bigint", "tags": "array<string>"}
        group.insert(frame(wide, [(*row(2, 0), 5, ["t"])]))
        assert group.maintain().n_merged_files == 2
        assert [found[4:] for found in content(group)] == [(None, None), (5, ["t"])]
        assert [len(found) for found in content(group, 1)] == [4]

    def test_groups_without_a_key_keep_their_rows(self, fs: FeatureStore) -> None:
        group = make_group(fs, "keyless", {"x": "bigint"})
        for _ in range(3):
            group.insert([{"x": 1}, {"x": 1}, {"x": 2}])
        assert group.maintain().n_merged_files == 3
        assert content(group) == [(1,)] * 6 + [(2,)] * 3

    def test_large_files_are_left_alone(self, fs: FeatureStore) -> None:
        group = make_group(fs, "large", {"id": "bigint", "blob": "binary"}, primary_key="id")
        group.insert([{"id": 0, "blob": random.Random(0).randbytes(9_000_000)}])
        for id_ in range(1, 4):
            group.insert([{"id": id_, "blob": b"x"}])
        large = max(files(group), key=lambda path: Path(path).stat().st_size)
        assert group.maintain().n_merged_files == 3
        assert large in files(group) and len(files(group)) == 2

    def test_a_writer_that_was_faster_wins(self, fs: FeatureStore, project: Project) -> None:
        """Whatever happens between merging and switching: the merged file is dropped if a source is no longer live."""
        group = new(fs)
        for hour in range(3):
            add(group, row(1, hour))

        def hold() -> nullcontext[None]:
            add(group, row(1, 1, 5.0))
            return nullcontext()

        n_merged = project.session.upkeep.compact(
            group.spec.location, ["at", "id"], at_least=2, now_us=0, hold=hold, is_stopping=lambda: False
        )
        assert n_merged == 0
        assert [found[3] for found in content(group)] == [0.0, 5.0, 0.0]
        on_disk = {str(path) for path in Path(group.location).glob("*.parquet")}
        changes = project.session.offline.changes(group.spec.location, -1, 99)
        assert on_disk == {*files(group), *(change.path for change in changes if change.kind == "put")}

    def test_rows_that_are_missing_in_a_file_are_noticed(self, fs: FeatureStore) -> None:
        group = new(fs)
        for hour in range(3):
            add(group, row(1, hour), row(2, hour))
        path = files(group)[0]
        pq.write_table(pq.read_table(path).slice(0, 1), path)
        before = files(group)
        with pytest.raises(StoreError, match="5 rows, and the table's log says 6"):
            group.maintain()
        assert files(group) == before
        assert len(list(Path(group.location).glob("*.parquet"))) == 3


def bits(table: pa.Table) -> tuple[pa.Schema, list[list[int]]]:
    """Return the schema, and a hash of each row, to the bit; Arrow's own bytes have anything where a value is null."""
    return table.schema, row_hashes(table, schema_from_arrow(table.schema)).tolist()


def changed(group: FeatureGroup) -> list[tuple[str, int, str]]:
    changes = group._session.offline.changes(group.spec.location, -1, group.commit_details()[0].number)
    return [(change.path, change.commit, change.kind) for change in changes]


class TestInTheBackground:
    def test_many_small_commits_are_merged_while_they_come(self, tmp_path: Path) -> None:
        project = open_store(tmp_path / "store")
        group = new(project.get_feature_store(), online_enabled=True)
        for hour in range(3 * MAX_SMALL_FILES):
            add(group, row(hour % 7, hour))
        assert project.session.background.wait(timeout_seconds=60)
        assert len(files(group)) < 2.5 * MAX_SMALL_FILES, "merged at least once"
        add(group, *(row(1, 1000 + n) for n in range(3)))
        assert len(content(group)) == 3 * MAX_SMALL_FILES + 3
        assert len(content(group, 5)) == 5
        assert_online_equals_offline(project, group)

    def test_it_can_be_turned_off(self, fs: FeatureStore) -> None:
        group = new(fs)
        for hour in range(MAX_SMALL_FILES + 10):
            add(group, row(1, hour))
        assert group._session.background.wait(timeout_seconds=5)
        assert len(files(group)) == MAX_SMALL_FILES + 10

    @pytest.mark.parametrize("text", ["on", "1", "OFF"])
    def test_another_word_is_an_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
    ) -> None:
        monkeypatch.setenv("HOPYARD_MAINTENANCE", text)
        with pytest.raises(ConfigError, match="HOPYARD_MAINTENANCE"):
            open_store(tmp_path / "store")

    def test_an_insert_does_not_fail_by_it(self, tmp_path: Path) -> None:
        def fail(point: str) -> None:
            if point == "files_merged":
                raise OSError("the disk is full")

        project = open_store(tmp_path / "store", failpoint=fail)
        group = new(project.get_feature_store())
        for hour in range(MAX_SMALL_FILES + 5):
            add(group, row(1, hour))
        assert project.session.background.wait(timeout_seconds=60)
        assert len(files(group)) == MAX_SMALL_FILES + 5
        assert len(list(Path(group.location).glob("*.parquet"))) == MAX_SMALL_FILES + 5, (
            "what was merged is gone"
        )


def test_an_old_table_with_many_commits_is_read_from_its_first_commit(
    fs: FeatureStore, tmp_path: Path
) -> None:
    group = new(fs)
    for hour in range(75):
        add(group, row(1, hour))
    long_ago = (datetime.now(UTC) - timedelta(days=400)).timestamp()
    for path in Path(group.location).rglob("*"):
        os.utime(path, (long_ago, long_ago))
    group.maintain()
    for hour in range(75, 150):
        add(group, row(1, hour))
    for reader in (group, open_store(tmp_path / "store").get_feature_store().get_feature_group("g")):
        assert len(content(reader, 1)) == 1
        assert len(content(reader, 60)) == 60
        assert len(content(reader)) == 150
    assert (Path(group.location) / "_delta_log" / f"{0:020}.json").exists()
    assert list((Path(group.location) / "_delta_log").glob("*.checkpoint.parquet"))


def test_a_copied_store_with_other_file_times_answers_the_same(fs: FeatureStore, tmp_path: Path) -> None:
    group = new(fs)
    for hour in range(6):
        add(group, row(1, hour))
    group.maintain()
    add(group, row(1, 0, 5.0))
    group.vacuum(keep=4)
    shutil.copytree(tmp_path / "store", tmp_path / "copy", copy_function=shutil.copyfile)
    for age, path in enumerate(sorted((tmp_path / "copy").rglob("*"))):
        os.utime(path, (2_000_000_000 - age, 2_000_000_000 - age))
    copy = open_store(tmp_path / "copy").get_feature_store().get_feature_group("g")
    assert copy.commit_details() == group.commit_details()
    for commit in group.commit_details(4):
        assert content(copy, commit.number) == content(group, commit.number)
    with pytest.raises(TimeTravelError, match="vacuum"):
        content(copy, 1)


def test_a_checkpoint_is_written_where_one_is_due(fs: FeatureStore) -> None:
    group = new(fs)
    for hour in range(3):
        add(group, row(1, hour))
    assert not group.maintain().is_checkpointed
    for hour in range(3, 60):
        add(group, row(1, hour))
    for path in (Path(group.location) / "_delta_log").glob("*checkpoint*"):
        path.unlink()
    assert group.maintain().is_checkpointed
    assert not group.maintain().is_checkpointed
    assert len(content(group)) == 60


class TestVacuum:
    @pytest.fixture
    def group(self, fs: FeatureStore, clock: ManualClock) -> FeatureGroup:
        """Commits 1 to 6, a day apart from the 1st of January on; each replaces a row and adds one."""
        group = new(fs)
        for number in range(1, 7):
            add(group, row(0, 0, float(number)), row(number, 0, float(number)))
            clock.advance(timedelta(days=1))
        return group

    @pytest.mark.parametrize(
        ("keep", "first"),
        [
            (3, 4),
            (1, 6),
            (99, 0),
            (timedelta(days=2), 5),  # now is the 7th; commit 5 was made on the 5th, at 00:00
            (timedelta(days=2, hours=1), 4),  # the latest when that time began
            (timedelta(0), 6),
            (timedelta(days=999), 0),
            (None, 0),
        ],
    )
    def test_what_is_kept_can_be_read_and_the_rest_is_an_error(
        self, group: FeatureGroup, keep: timedelta | int | None, first: int
    ) -> None:
        wanted = history(group)
        changes = changed(group)
        freed = group.vacuum(keep=keep)
        assert freed.n_commits == first
        assert (freed.n_files > 0) == (first > 1)
        for reader in (group, open_store(group._session.root).get_feature_store().get_feature_group("g")):
            for number in range(7):
                if number >= first:
                    assert content(reader, number) == wanted[number]
                else:
                    with pytest.raises(TimeTravelError, match=f"vacuum .*The first that is left is {first} "):
                        content(reader, number)
            assert [c.number for c in reader.commit_details() if not c.is_vacuumed] == list(
                range(6, first - 1, -1)
            )
            later = reader._session.offline.changes(reader.spec.location, first, 6)
            assert [(c.path, c.commit, c.kind) for c in later] == [c for c in changes if c[1] > first]
            if first:
                with pytest.raises(TimeTravelError, match=f"whole from commit {first} "):
                    reader._session.offline.changes(reader.spec.location, first - 1, 6)

    def test_what_was_freed_is_what_the_history_took(self, group: FeatureGroup) -> None:
        before = group.disk_usage()
        freed = group.vacuum(keep=1)
        after = group.disk_usage()
        assert (before.n_live_files, before.live_bytes) == (after.n_live_files, after.live_bytes)
        assert before.history_bytes - after.history_bytes == freed.size_bytes > 0
        assert before.n_history_files - after.n_history_files == freed.n_files
        assert group.vacuum(keep=1) == type(freed)()

    def test_it_goes_on(self, group: FeatureGroup, project: Project) -> None:
        group.vacuum(keep=2)
        group.maintain()
        number = add(group, row(0, 0, 99.0), row(50, 0, 1.0))
        assert group.vacuum(keep=1).n_commits == 2
        assert len(content(group)) == 8
        with pytest.raises(TimeTravelError, match=f"left is {number} "):
            content(group, 6)
        assert project.verify().findings == ()

    def test_what_killed_writers_left_is_removed(self, group: FeatureGroup) -> None:
        wanted = history(group)
        strays = [
            Path(group.location) / "part-0-stray.parquet",
            Path(group.location) / "_delta_log" / ".x.draft",
        ]
        for stray in strays:
            stray.write_bytes(b"torn")
        freed = group.vacuum()
        assert (freed.n_files, freed.size_bytes, freed.n_commits) == (2, 8, 0)
        assert not any(stray.exists() for stray in strays)
        assert history(group) == wanted

    @pytest.mark.parametrize("keep", [0, -1, True, "7 days", 1.5, timedelta(seconds=-1)])
    def test_a_keep_that_says_nothing_is_an_error(self, group: FeatureGroup, keep: Any) -> None:
        wanted = history(group)
        with pytest.raises(ConfigError, match="keep="):
            group.vacuum(keep=keep)
        assert history(group) == wanted

    def test_after_a_compaction_the_merged_files_stand_for_the_commit_before(self, fs: FeatureStore) -> None:
        group = new(fs)
        for hour in range(5):
            add(group, row(1, hour))
        group.maintain()
        add(group, row(1, 9))
        wanted = {number: content(group, number) for number in (5, 7)}
        assert group.vacuum(keep=2).n_files == 5
        assert {number: content(group, number) for number in (5, 7)} == wanted

    def test_a_merge_that_was_being_made_is_dropped(self, fs: FeatureStore, project: Project) -> None:
        group = new(fs)
        for hour in range(3):
            add(group, row(1, hour))

        def hold() -> nullcontext[None]:
            group.vacuum()
            return nullcontext()

        merged = project.session.upkeep.compact(
            group.spec.location, ["at", "id"], at_least=2, now_us=0, hold=hold, is_stopping=lambda: False
        )
        assert merged == 0
        assert len(content(group)) == 3

    def test_a_log_that_another_program_cleaned_is_left_alone(self, group: FeatureGroup) -> None:
        log = Path(group.location) / "_delta_log"
        DeltaTable(group.location).create_checkpoint()
        for number in range(6):
            (log / f"{number:020}.json").unlink()
        other = open_store(group._session.root).get_feature_store().get_feature_group("g")
        before = sorted(Path(group.location).rglob("*.parquet"))
        with pytest.raises(StoreError, match="cleaned its log"):
            other.vacuum(keep=1)
        assert sorted(Path(group.location).rglob("*.parquet")) == before


def labels(fs: FeatureStore) -> FeatureGroup:
    features = {"id": "bigint", "when": "timestamp", "y": "int"}
    rows = [(n, datetime(2030, 1, 1, tzinfo=UTC), n % 2) for n in range(3)]
    return make_group(fs, "labels", features, rows, primary_key="id", event_time="when")


class TestTrainingDatasets:
    @pytest.fixture
    def group(self, fs: FeatureStore) -> FeatureGroup:
        group = new(fs)
        for number in range(1, 5):
            add(group, row(0, 0, float(number)), row(number, 0))
        return group

    def make(self, fs: FeatureStore, group: FeatureGroup, prepare: Callable[[Any], Any]) -> Any:
        query = prepare(labels(fs).select_all().join(group.select(["x"])))
        return fs.create_feature_view("v", query, labels="y").create_training_data()

    def test_a_commit_that_one_needs_is_kept_and_the_message_names_it(
        self, fs: FeatureStore, group: FeatureGroup
    ) -> None:
        made = self.make(fs, group, lambda query: query)
        number = add(group, row(9, 9))
        wanted = history(group)
        with pytest.raises(TrainingDatasetError, match=f"v_1 version {made.version} .commit {number - 1}."):
            group.vacuum(keep=1)
        assert history(group) == wanted
        assert group.vacuum(keep=2).n_commits == number - 1
        assert made.verify().is_same
        assert group.vacuum(keep=1, force=True).n_commits == 1
        with pytest.raises(TimeTravelError):
            content(group, number - 1)
        assert len(content(group)) == 6

    def test_as_known_needs_all_commits(self, fs: FeatureStore, group: FeatureGroup) -> None:
        made = self.make(fs, group, lambda query: query.as_known())
        with pytest.raises(TrainingDatasetError, match="all commits"):
            group.vacuum(keep=4)
        assert group.vacuum(keep=99).n_commits == 0
        assert made.verify().is_same

    def test_a_deleted_one_needs_nothing(self, fs: FeatureStore, group: FeatureGroup) -> None:
        made = self.make(fs, group, lambda query: query)
        number = add(group, row(9, 9))
        made.delete()
        assert group.vacuum(keep=1).n_commits == number
