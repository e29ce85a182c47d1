"""What every offline store does: the rules of `ports.OfflineStore`, each as a test. A new store adds a line here.

Some tests look at the store through another object on the same folder: that is what another process has.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from hopyard.errors import ConflictError, StoreError, TimeTravelError
from hopyard.model.commit import Commit, Operation, Snapshot
from hopyard.model.specs import FeatureGroupSpec, FeatureSpec
from hopyard.offline.delta import DeltaOfflineStore
from hopyard.ports import Change, OfflineStore

Factory = Callable[[Path], OfflineStore]

STORES: dict[str, Factory] = {"delta": DeltaOfflineStore}
SPAWN = multiprocessing.get_context("spawn")
SPEC = FeatureGroupSpec(
    project="shop",
    name="prices",
    version=1,
    id="0a1b2c3d",
    location="projects/shop/groups/prices_1-0a1b2c3d",
    features=(
        FeatureSpec(name="item", type="string"),
        FeatureSpec(name="day", type="bigint"),
        FeatureSpec(name="price", type="double"),
    ),
    primary_key=("item",),
)
WIDER = FeatureGroupSpec(
    project=SPEC.project,
    name=SPEC.name,
    version=1,
    id=SPEC.id,
    location=SPEC.location,
    features=(
        *SPEC.features,
        FeatureSpec(name="tags", type="array<string>"),
        FeatureSpec(name="rank", type="int"),
    ),
    primary_key=("item",),
)
AT = SPEC.location
KEY = ("item", "day")

Row = tuple[str, int, float | None]


@pytest.fixture(params=STORES)
def factory(request: pytest.FixtureRequest) -> Factory:
    return STORES[request.param]


@pytest.fixture
def store(factory: Factory, tmp_path: Path) -> OfflineStore:
    made = factory(tmp_path)
    made.create(SPEC, draft("create"))
    return made


def draft(operation: Operation = "upsert", at_us: int = 1_000, **more: int) -> Commit:
    return Commit(number=0, committed_at_us=at_us, operation=operation, actor="tester", **more)  # type: ignore[arg-type]


def rows(*values: Row) -> pa.Table:
    items, days, prices = zip(*values, strict=True) if values else ((), (), ())
    return pa.table(
        {
            "item": pa.array(items, pa.string()),
            "day": pa.array(days, pa.int64()),
            "price": pa.array(prices, pa.float64()),
        }
    )


def put(store: OfflineStore, change: Change, at_us: int = 1_000) -> Commit:
    return store.write(AT, store.snapshot(AT), change, draft(at_us=at_us))


def append(store: OfflineStore, *values: Row, at_us: int = 1_000) -> Commit:
    return put(store, Change("append", rows(*values)), at_us)


def read(snapshot: Snapshot) -> list[Row]:
    """Return the rows of a snapshot as any other program would read them: file by file."""
    found = [
        tuple(row[name] for name in ("item", "day", "price"))
        for file in snapshot.files
        for row in pq.read_table(file.path, partitioning=None).to_pylist()
    ]
    return sorted(found)  # type: ignore[return-value, arg-type]


class TestCreate:
    def test_a_new_table_is_empty_and_has_the_commit_of_its_creation(self, store: OfflineStore) -> None:
        (commit,) = store.commits(AT)
        assert (commit.number, commit.operation, commit.actor) == (0, "create", "tester")
        snapshot = store.snapshot(AT)
        assert (snapshot.commit, snapshot.files, snapshot.n_rows) == (0, (), 0)
        assert snapshot.columns == ("item", "day", "price")

    def test_the_spec_is_in_the_table(self, store: OfflineStore, factory: Factory, tmp_path: Path) -> None:
        assert store.spec(AT) == SPEC == factory(tmp_path).spec(AT)

    def test_a_table_is_not_created_over_another(self, store: OfflineStore) -> None:
        append(store, ("a", 1, 1.0))
        with pytest.raises(Exception, match="exist"):
            store.create(SPEC, draft("create"))
        assert store.snapshot(AT).n_rows == 1

    def test_two_processes_create_it_once(self, tmp_path: Path) -> None:
        with ProcessPoolExecutor(2, mp_context=SPAWN) as pool:
            made = list(pool.map(_create, [tmp_path] * 2))
        assert sorted(made) == [False, True]
        assert [commit.operation for commit in DeltaOfflineStore(tmp_path).commits(AT)] == ["create"]


def _create(folder: Path) -> bool:
    try:
        DeltaOfflineStore(folder).create(SPEC, draft("create"))
    except Exception:
        return False
    return True


class TestWrite:
    def test_append_adds_rows(self, store: OfflineStore) -> None:
        append(store, ("a", 1, 1.0))
        append(store, ("b", 1, None))
        assert read(store.snapshot(AT)) == [("a", 1, 1.0), ("b", 1, None)]

    def test_merge_replaces_rows_with_the_same_columns_and_adds_the_others(self, store: OfflineStore) -> None:
        append(store, ("a", 1, 1.0), ("a", 2, 2.0), ("b", 1, 3.0))
        put(store, Change("merge", rows(("a", 2, None), ("c", 1, 5.0)), KEY))
        assert read(store.snapshot(AT)) == [("a", 1, 1.0), ("a", 2, None), ("b", 1, 3.0), ("c", 1, 5.0)]

    def test_delete_removes_the_rows_that_equal_in_the_columns(self, store: OfflineStore) -> None:
        append(store, ("a", 1, 1.0), ("a", 2, 2.0), ("b", 1, 3.0))
        put(store, Change("delete", rows(("b", 1, None), ("zzz", 1, None)).select(KEY), KEY))
        assert read(store.snapshot(AT)) == [("a", 1, 1.0), ("a", 2, 2.0)]
        put(store, Change("delete", pa.table({"item": ["a"]}), ("item",)))
        assert read(store.snapshot(AT)) == []

    def test_overwrite_replaces_everything(self, store: OfflineStore) -> None:
        append(store, ("a", 1, 1.0))
        put(store, Change("overwrite", rows(("z", 9, 9.0))))
        assert read(store.snapshot(AT)) == [("z", 9, 9.0)]
        put(store, Change("overwrite", rows()))
        assert read(store.snapshot(AT)) == []

    @pytest.mark.parametrize("kind", ["append", "merge", "delete"])
    def test_a_change_of_no_rows_is_a_commit_all_the_same(self, store: OfflineStore, kind: str) -> None:
        append(store, ("a", 1, 1.0))
        frame = rows().select(KEY) if kind == "delete" else rows()
        commit = put(store, Change(kind, frame, KEY if kind != "append" else ()))  # type: ignore[arg-type]
        assert store.commits(AT)[-1].number == commit.number == 2
        assert read(store.snapshot(AT)) == [("a", 1, 1.0)]

    def test_the_commit_comes_back_as_stored(self, store: OfflineStore) -> None:
        commit = store.write(
            AT,
            store.snapshot(AT),
            Change("append", rows(("a", 1, 1.0))),
            draft(at_us=77_000, n_rows_in=3, n_inserted=1, n_duplicates=2),
        )
        assert (commit.number, commit.committed_at_us) == (1, 77_000)
        assert (commit.n_rows_in, commit.n_inserted, commit.n_duplicates) == (3, 1, 2)
        assert commit.size_bytes == sum(file.size_bytes for file in store.snapshot(AT).files) > 0
        assert store.commits(AT)[-1] == commit

    @pytest.mark.parametrize(
        "name", ["it's", 'a "quoted" one', "a`b", "日本語 𝄞", "", "a\nb", "NULL", "%", "a\\b"]
    )
    def test_any_text_is_a_key(self, store: OfflineStore, name: str) -> None:
        append(store, (name, 1, 1.0), ("other", 1, 2.0))
        put(store, Change("merge", rows((name, 1, 3.0)), KEY))
        assert (name, 1, 3.0) in read(store.snapshot(AT))
        put(store, Change("delete", pa.table({"item": [name]}), ("item",)))
        assert read(store.snapshot(AT)) == [("other", 1, 2.0)]


class TestCommits:
    @pytest.mark.parametrize("now_us", [1_000, 999, 0, -5_000_000])
    def test_times_strictly_increase_even_when_the_clock_goes_back(
        self, store: OfflineStore, now_us: int
    ) -> None:
        times = [append(store, ("a", day, 1.0), at_us=now_us).committed_at_us for day in range(3)]
        assert times == [1_001, 1_002, 1_003]
        assert [commit.committed_at_us for commit in store.commits(AT)] == [1_000, *times]

    def test_they_are_listed_oldest_first_with_increasing_numbers(self, store: OfflineStore) -> None:
        for day in range(5):
            append(store, ("a", day, 1.0))
        assert [commit.number for commit in store.commits(AT)] == list(range(6))

    def test_another_store_object_sees_the_same(
        self, store: OfflineStore, factory: Factory, tmp_path: Path
    ) -> None:
        other = factory(tmp_path)
        assert len(other.commits(AT)) == 1
        append(store, ("a", 1, 1.0))
        assert other.commits(AT) == store.commits(AT)
        assert other.snapshot(AT) == store.snapshot(AT)

    def test_a_stale_base_is_a_conflict_and_writes_nothing(
        self, store: OfflineStore, factory: Factory, tmp_path: Path
    ) -> None:
        other = factory(tmp_path)
        base = other.snapshot(AT)
        append(store, ("a", 1, 1.0))
        for change in (
            Change("append", rows(("b", 1, 2.0))),
            Change("merge", rows(("a", 1, 2.0)), KEY),
            Change("delete", pa.table({"item": ["a"]}), ("item",)),
            Change("overwrite", rows()),
        ):
            with pytest.raises(ConflictError, match="version"):
                other.write(AT, base, change, draft())
        assert read(store.snapshot(AT)) == [("a", 1, 1.0)]
        assert len(store.commits(AT)) == 2
        other.write(AT, other.snapshot(AT), Change("append", rows(("b", 1, 2.0))), draft())
        assert store.snapshot(AT).n_rows == 2

    def test_of_writers_in_several_processes_each_base_has_one_winner(self, tmp_path: Path) -> None:
        DeltaOfflineStore(tmp_path).create(SPEC, draft("create"))
        with ProcessPoolExecutor(3, mp_context=SPAWN) as pool:
            won = list(pool.map(_append_with_retry, [tmp_path] * 3, range(3)))
        numbers = [number for of_one in won for number in of_one]
        assert sorted(numbers) == list(range(1, 3 * 8 + 1))
        found = read(DeltaOfflineStore(tmp_path).snapshot(AT))
        assert found == sorted((f"w{writer}", day, float(number)) for writer, of_one in enumerate(won)
                               for day, number in enumerate(of_one))  # fmt: skip


def _append_with_retry(folder: Path, writer: int) -> list[int]:
    """Append 8 rows, a commit each, whose price is the number of the commit that the base allows for."""
    store, numbers = DeltaOfflineStore(folder), []
    for day in range(8):
        while True:
            base = store.snapshot(AT)
            change = Change("append", rows((f"w{writer}", day, float(base.commit + 1))))
            try:
                numbers.append(store.write(AT, base, change, draft()).number)
                break
            except ConflictError:
                continue
    return numbers


class TestSnapshot:
    def test_an_old_commit_reads_as_it_was_after_later_ones(self, store: OfflineStore) -> None:
        append(store, ("a", 1, 1.0))
        put(store, Change("merge", rows(("a", 1, 2.0)), KEY))
        put(store, Change("overwrite", rows(("z", 1, 9.0))))
        put(store, Change("delete", pa.table({"item": ["z"]}), ("item",)))
        wanted = [[], [("a", 1, 1.0)], [("a", 1, 2.0)], [("z", 1, 9.0)], []]
        for number, content in enumerate(wanted):
            snapshot = store.snapshot(AT, number)
            assert (snapshot.commit, read(snapshot)) == (number, content)
            assert snapshot.committed_at_us == store.commits(AT)[number].committed_at_us

    def test_files_are_sorted_absolute_and_counted(self, store: OfflineStore) -> None:
        for day in range(6):
            append(store, *(("a", 10 * day + n, 1.0) for n in range(day + 1)))
        snapshot = store.snapshot(AT)
        paths = [file.path for file in snapshot.files]
        assert paths == sorted(paths)
        assert len(paths) == 6
        assert all(Path(path).is_absolute() for path in paths)
        assert snapshot.n_rows == sum(range(1, 7))
        for file in snapshot.files:
            assert file.size_bytes == Path(file.path).stat().st_size
            assert file.n_rows == pq.read_metadata(file.path).num_rows

    @pytest.mark.parametrize("number", [-1, 3, 99, 2**40])
    def test_a_commit_that_is_not_there_is_an_error_that_names_the_nearest(
        self, store: OfflineStore, number: int
    ) -> None:
        append(store, ("a", 1, 1.0))
        append(store, ("a", 2, 1.0))
        with pytest.raises(TimeTravelError, match="the last is 2"):
            store.snapshot(AT, number)

    def test_a_table_that_is_gone_is_an_error_that_says_so(self, store: OfflineStore, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="missing"):
            store.snapshot("projects/shop/groups/none")
        shutil.rmtree(tmp_path / AT)
        with pytest.raises(StoreError):
            store.snapshot(AT)

    @pytest.mark.parametrize("folder", ["with space", "plus+", "ünï", "a'b", "a#b"])
    def test_folders_with_unusual_names_work(self, factory: Factory, tmp_path: Path, folder: str) -> None:
        store = factory(tmp_path / folder)
        store.create(SPEC, draft("create"))
        append(store, ("a", 1, 1.0))
        put(store, Change("merge", rows(("a", 1, 2.0)), KEY))
        assert read(store.snapshot(AT)) == [("a", 1, 2.0)]
        assert read(store.snapshot(AT, 1)) == [("a", 1, 1.0)]


class TestAlter:
    def test_columns_are_added_in_one_commit_and_old_files_lack_them(self, store: OfflineStore) -> None:
        append(store, ("a", 1, 1.0))
        commit = store.alter(AT, WIDER, draft("append_features"))
        assert commit is not None
        assert store.commits(AT)[-1] == commit
        assert commit.operation == "append_features"
        assert store.spec(AT) == WIDER
        assert store.snapshot(AT).columns == ("item", "day", "price", "tags", "rank")
        assert store.snapshot(AT).commit == commit.number
        assert store.snapshot(AT, 1).columns == ("item", "day", "price")
        assert read(store.snapshot(AT)) == [("a", 1, 1.0)]

    def test_without_a_commit_the_next_one_is_what_is_listed(self, store: OfflineStore) -> None:
        append(store, ("a", 1, 1.0))
        assert store.alter(AT, WIDER, None) is None
        assert [commit.number for commit in store.commits(AT)] == [0, 1]
        assert store.snapshot(AT).commit == 1
        wide = rows(("b", 1, 2.0)).append_column("tags", pa.array([["x", None]])).append_column(
            "rank", pa.array([3], pa.int32())
        )  # fmt: skip
        commit = put(store, Change("merge", wide, KEY))
        assert store.commits(AT)[-1].number == commit.number > 1
        assert read(store.snapshot(AT)) == [("a", 1, 1.0), ("b", 1, 2.0)]

    def test_repeated_it_is_one_more_commit_that_can_be_read(self, store: OfflineStore) -> None:
        """The first call's caller died before it knew."""
        store.alter(AT, WIDER, draft("append_features"))
        again = store.alter(AT, WIDER, draft("append_features"))
        assert store.commits(AT)[-1] == again
        assert again is not None
        assert store.snapshot(AT, again.number).columns == ("item", "day", "price", "tags", "rank")

    def test_rows_that_lack_a_column_are_null_in_it(self, store: OfflineStore) -> None:
        store.alter(AT, WIDER, None)
        append(store, ("a", 1, 1.0))
        put(store, Change("merge", rows(("a", 1, 2.0), ("b", 1, 3.0)), KEY))
        assert read(store.snapshot(AT)) == [("a", 1, 2.0), ("b", 1, 3.0)]


class TestDurability:
    def test_what_fails_half_way_leaves_nothing(self, store: OfflineStore) -> None:
        append(store, ("a", 1, 1.0))
        base = store.snapshot(AT)
        before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))  # to write more fails, as on a full disk
        try:
            with pytest.raises(StoreError, match="failed"):
                store.write(AT, base, Change("append", rows(("b", 1, 1.0))), draft())
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)
        assert len(store.commits(AT)) == 2
        assert read(store.snapshot(AT)) == [("a", 1, 1.0)]
        append(store, ("b", 1, 1.0))

    def test_history_survives_checkpoints(
        self, store: OfflineStore, factory: Factory, tmp_path: Path
    ) -> None:
        for day in range(125):
            append(store, ("a", day, float(day)), at_us=day)
        log = tmp_path / AT / "_delta_log"
        assert list(log.glob("*.checkpoint.parquet")), "125 commits make a checkpoint"
        os.utime(next(iter(log.glob("*01.json"))), (0, 0))
        for other in (store, factory(tmp_path)):
            assert len(other.commits(AT)) == 126
            assert read(other.snapshot(AT, 1)) == [("a", 0, 0.0)]
            assert other.snapshot(AT, 60).n_rows == 60
            assert other.snapshot(AT).n_rows == 125

    def test_a_copy_with_other_file_times_answers_the_same(
        self, store: OfflineStore, factory: Factory, tmp_path: Path
    ) -> None:
        for day in range(3):
            append(store, ("a", day, 1.0), at_us=10_000 * day)
        shutil.copytree(tmp_path / AT, tmp_path / "copy" / AT, copy_function=shutil.copyfile)
        for age, path in enumerate(sorted((tmp_path / "copy").rglob("*"))):
            os.utime(path, (2_000_000_000 - age, 2_000_000_000 - age))
        copy = factory(tmp_path / "copy")
        assert copy.commits(AT) == store.commits(AT)
        for number in range(4):
            assert read(copy.snapshot(AT, number)) == read(store.snapshot(AT, number))
            assert str(tmp_path / "copy") in "".join(file.path for file in copy.snapshot(AT, 3).files)


class TestDrop:
    def test_drop_removes_the_table_and_does_nothing_if_it_is_not_there(
        self, store: OfflineStore, tmp_path: Path
    ) -> None:
        append(store, ("a", 1, 1.0))
        store.drop(AT)
        assert not (tmp_path / AT).exists()
        with pytest.raises(StoreError):
            store.snapshot(AT)
        store.drop(AT)
        store.create(SPEC, draft("create"))
        assert store.snapshot(AT).n_rows == 0


class TestMaintenanceByOthers:
    """Versions of the table that no Hopyard made. They are Delta's own, so they are tested on Delta alone."""

    @pytest.fixture
    def delta(self, tmp_path: Path) -> DeltaOfflineStore:
        store = DeltaOfflineStore(tmp_path)
        store.create(SPEC, draft("create"))
        for day in range(4):
            append(store, ("a", day, float(day)))
        return store

    def test_a_compaction_is_no_commit(self, delta: DeltaOfflineStore, tmp_path: Path) -> None:
        before, commits = delta.snapshot(AT), delta.commits(AT)
        DeltaTable(str(tmp_path / AT)).optimize.compact()
        for store in (delta, DeltaOfflineStore(tmp_path)):
            after = store.snapshot(AT)
            assert store.commits(AT) == commits
            assert (after.commit, after.committed_at_us) == (before.commit, before.committed_at_us)
            assert after.table_version > before.table_version
            assert len(after.files) == 1
            assert read(after) == read(before) == read(store.snapshot(AT, before.commit))
        with pytest.raises(TimeTravelError):
            delta.snapshot(AT, after.table_version)

    def test_a_write_on_a_base_before_a_compaction_is_a_conflict(
        self, delta: DeltaOfflineStore, tmp_path: Path
    ) -> None:
        base = delta.snapshot(AT)
        DeltaTable(str(tmp_path / AT)).optimize.compact()
        with pytest.raises(ConflictError):
            delta.write(AT, base, Change("append", rows(("b", 1, 1.0))), draft())
        commit = append(delta, ("b", 1, 1.0))
        assert commit.number == base.commit + 2
        assert delta.snapshot(AT).n_rows == 5

    def test_a_table_that_hopyard_did_not_make_is_refused(
        self, delta: DeltaOfflineStore, tmp_path: Path
    ) -> None:
        write_deltalake(str(tmp_path / "projects/shop/groups/foreign"), rows(("a", 1, 1.0)))
        with pytest.raises(StoreError):
            delta.spec("projects/shop/groups/foreign")
        with pytest.raises(StoreError, match="no commit of Hopyard"):
            delta.snapshot("projects/shop/groups/foreign")

    def test_a_table_with_deletion_vectors_is_refused(self, tmp_path: Path) -> None:
        """Read by its file list, it would return deleted rows. Another program may turn them on after we opened it."""
        store = DeltaOfflineStore(tmp_path)
        store.create(SPEC, draft("create"))
        append(store, ("a", 1, 1.0))
        action = (
            '{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"],'
            '"writerFeatures":["deletionVectors","changeDataFeed","appendOnly","invariants"]}}\n'
        )
        (tmp_path / AT / "_delta_log" / f"{2:020}.json").write_text(action)
        with pytest.raises(StoreError, match="deletionVectors"):
            DeltaOfflineStore(tmp_path).snapshot(AT)
        with pytest.raises(StoreError, match="deletionVectors"):
            store.snapshot(AT)
