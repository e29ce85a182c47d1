"""A training dataset's life: made, deleted, made again, copied, damaged; and what `verify` says each time."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import hopyard
from hopyard.errors import NotFoundError, TrainingDatasetError
from hopyard.feature_view import FeatureView
from hopyard.project import Project
from hopyard.training_dataset import TrainingDataset
from variants import in_variant

START = datetime(2024, 1, 1, tzinfo=UTC)

Made = tuple[FeatureView, TrainingDataset]


@pytest.fixture
def made(store: Project) -> Made:
    fs = store.get_feature_store()
    prices = fs.create_feature_group("prices", primary_key="item", event_time="at")
    prices.insert(
        [
            {"item": item, "at": START + timedelta(hours=hour), "price": float(hour) if hour % 7 else None}
            for hour in range(48)
            for item in ("x", "y")
        ]
    )
    sales = fs.create_feature_group("sales", primary_key="sale", event_time="sold_at", foreign_key="item")
    sales.insert(
        [
            {"sale": n, "sold_at": START + timedelta(minutes=20 * n), "item": "xy"[n % 2], "n_sold": n % 5}
            for n in range(140)
        ]
    )
    view = fs.create_feature_view(
        "demand",
        sales.select(["sale", "n_sold"]).join(prices.select_all()),
        labels=["n_sold"],
        transformation_functions=[hopyard.standard_scaler("price")],
    )
    return view, view.create_train_test_split(0.3, seed=7)


def files(td: TrainingDataset) -> list[Path]:
    return [Path(td.location) / file.path for split in td.manifest.splits for file in split.files]


def hidden(store: Project) -> list[Path]:
    return [path for path in store.session.training_folder.rglob("*") if ".writing" in path.name]


def test_deleted_and_rebuilt_it_is_the_same(made: Made) -> None:
    view, td = made
    before = td.read("train", dataframe_type="arrow")
    td.delete()
    assert not Path(td.location).exists()
    assert view.get_training_datasets() == []
    td.rebuild()
    assert td.verify().status == "same"
    assert td.read("train", dataframe_type="arrow").equals(before)
    assert view.get_training_dataset(1).manifest == td.manifest


def test_rebuilt_over_what_is_there_it_is_the_same(made: Made, store: Project) -> None:
    view, td = made
    manifest = td.manifest
    files(td)[0].write_bytes(b"broken")
    assert td.verify().status == "different"
    td.rebuild()
    assert td.verify().status == "same"
    assert td.manifest == manifest == view.get_training_dataset(1).manifest
    assert hidden(store) == []


def test_another_process_later_says_the_same(made: Made, store: Project) -> None:
    again = (
        hopyard.login(store.location).get_feature_store().get_feature_view("demand").get_training_dataset()
    )
    assert again.verify().status == "same"


def change_a_value(td: TrainingDataset) -> None:
    path = files(td)[0]
    table = pq.read_table(path, partitioning=None)
    column = table.column("sale").to_pylist()
    pq.write_table(table.set_column(0, "sale", pa.array([column[0] + 1, *column[1:]])), path)


def drop_a_row(td: TrainingDataset) -> None:
    path = files(td)[1]
    pq.write_table(pq.read_table(path, partitioning=None).slice(1), path)


def cut_a_file(td: TrainingDataset) -> None:
    path = files(td)[0]
    path.write_bytes(path.read_bytes()[:-10])


def remove_a_file(td: TrainingDataset) -> None:
    files(td)[1].unlink()


def remove_all_files(td: TrainingDataset) -> None:
    shutil.rmtree(td.location)


@pytest.mark.parametrize("damage", [change_a_value, drop_a_row, cut_a_file, remove_a_file, remove_all_files])
def test_a_damaged_file_is_different_and_named(made: Made, damage: Callable[[TrainingDataset], None]) -> None:
    _, td = made
    names = [path.name for path in files(td)]
    damage(td)
    verification = td.verify()
    assert verification.status == "different"
    assert any(name in detail for detail in verification.details for name in names)
    assert not verification.is_same
    assert td.rebuild().verify().status == "same"


def test_an_edited_manifest_file_is_different(made: Made) -> None:
    _, td = made
    path = Path(td.location) / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["splits"][0]["before"]["sha256"] = "0" * 64
    path.write_text(json.dumps(manifest))
    verification = td.verify()
    assert verification.status == "different"
    assert "manifest.json" in str(verification)


def test_without_the_table_nobody_can_tell(made: Made, store: Project) -> None:
    _, td = made
    shutil.rmtree(store.get_feature_store().get_feature_group("prices").location)
    fresh = hopyard.login(store.location).get_feature_store().get_feature_view("demand")
    verification = fresh.get_training_dataset(1).verify()
    assert verification.status == "cannot tell"
    assert "prices" in str(verification)
    assert td.read("train") is not None


def test_without_a_data_file_of_the_table_nobody_can_tell(made: Made, store: Project) -> None:
    _, td = made
    table = Path(store.get_feature_store().get_feature_group("prices").location)
    for path in table.glob("*.parquet"):
        path.unlink()
    assert td.verify().status == "cannot tell"


def test_without_the_group_nobody_can_tell(made: Made, store: Project) -> None:
    _, td = made
    store.get_feature_store().get_feature_group("prices").delete(force=True)
    assert td.verify().status == "cannot tell"


def test_changed_rows_in_a_table_are_different_even_if_the_dataset_is_intact(
    made: Made, store: Project
) -> None:
    """Somebody rewrites a file of the feature group behind our back."""
    _, td = made
    table = Path(store.get_feature_store().get_feature_group("prices").location)
    for path in table.glob("*.parquet"):
        rows = pq.read_table(path, partitioning=None)
        place = rows.column_names.index("price")
        doubled = pa.array(
            [None if v is None else v * 3 + 1 for v in rows.column("price").to_pylist()], pa.float64()
        )
        pq.write_table(rows.set_column(place, rows.schema.field(place), doubled), path)
    verification = td.verify()
    assert verification.status == "different"
    assert "before transformation" in str(verification)
    with pytest.raises(TrainingDatasetError, match="cannot be rebuilt"):
        td.rebuild()
    assert td.read("test") is not None, "a refused rebuild leaves the old files"


def test_a_copied_store_says_the_same_and_rebuilds_the_same(
    made: Made, store: Project, tmp_path: Path
) -> None:
    view, td = made
    store.get_feature_store().get_feature_group("prices").insert([{"item": "x", "at": START, "price": -5.0}])
    shutil.copytree(store.location, tmp_path / "elsewhere", copy_function=shutil.copyfile)
    for path in (tmp_path / "elsewhere").rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    shutil.move(store.location, tmp_path / "gone")
    again = hopyard.login(tmp_path / "elsewhere").get_feature_store().get_feature_view("demand")
    copy = again.get_training_dataset(1)
    assert copy.verify().status == "same"
    copy.delete()
    assert copy.rebuild().manifest == td.manifest
    assert str(tmp_path / "elsewhere") in copy.location
    assert again.features == view.features


def test_a_write_that_fails_half_way_leaves_nothing_visible(made: Made, store: Project) -> None:
    view, td = made
    home = Path(td.location).parent
    before = sorted(path.name for path in home.iterdir())
    with files_of_at_most_a_kilobyte(), pytest.raises(TrainingDatasetError, match="Nothing of it was kept"):
        view.create_train_test_split(0.3)
    assert sorted(path.name for path in home.iterdir()) == before
    assert [found.version for found in view.get_training_datasets()] == [1]
    assert view.create_train_test_split(0.3).version == 2


def test_a_full_disk_leaves_nothing_half_written(made: Made, tmp_path: Path) -> None:
    """A disk of 64 MB, and a dataset that needs more."""
    view, _ = made
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("to mount a small disk needs more rights than this machine gives")
    try:
        rows = [{**SPINE[0], "note": os.urandom(500_000).hex()} for _ in range(100)]
        for data_format in ("parquet", "csv", "arrow"):
            with pytest.raises(TrainingDatasetError, match=r"No space left.*Nothing of it was kept"):
                view.create_training_data(spine=rows, data_format=data_format, location=disk / "data")
            assert list(disk.iterdir()) == []
        assert [found.version for found in view.get_training_datasets()] == [1]
        small = view.create_training_data(spine=SPINE, location=disk / "data")
        assert small.verify().status == "same"
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_bar_is_shown_on_a_terminal_alone(
    made: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    view, _ = made
    view.create_training_data()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    view.create_training_data()
    shown = capsys.readouterr()
    assert "training dataset demand_1" in shown.err and "140 rows" in shown.err
    assert shown.out == ""


@contextmanager
def files_of_at_most_a_kilobyte() -> Iterator[None]:
    """Let no file of this process grow further: to write more fails like a full disk."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_versions_count_up_and_are_not_used_twice(made: Made) -> None:
    view, td = made
    second = view.create_training_data(data_format="csv")
    assert (td.version, second.version) == (1, 2)
    assert second.splits == ["all"]
    assert [found.version for found in view.get_training_datasets()] == [1, 2]
    second.delete()
    with pytest.raises(NotFoundError):
        view.get_training_dataset(2)
    assert second.rebuild().version == 2
    assert view.create_training_data().version == 3


def test_a_version_is_never_given_twice(made: Made) -> None:
    view, td = made
    td.delete()
    later = view.create_training_data()
    assert later.version == 2
    later.delete()
    assert td.rebuild().version == 1
    assert view.create_training_data().version == 3
    assert [found.version for found in view.get_training_datasets()] == [1, 3]


@pytest.mark.parametrize("data_format", ["arrow", "csv", "parquet"])
def test_every_format_keeps_the_same_content(made: Made, data_format: str) -> None:
    view, td = made
    other = view.create_train_test_split(0.3, seed=7, data_format=data_format)
    for name in td.splits:
        assert other.read(name, dataframe_type="arrow").equals(td.read(name, dataframe_type="arrow"))
    assert [(s.before, s.after) for s in other.manifest.splits] == [
        (s.before, s.after) for s in td.manifest.splits
    ]
    assert other.verify().status == "same"


def test_an_unknown_split_is_named(made: Made) -> None:
    _, td = made
    with pytest.raises(NotFoundError, match="train"):
        td.read("trian")
    with pytest.raises(TrainingDatasetError, match="train, test"):
        td.read()


SPINE = [
    {"sold_at": START + timedelta(hours=5), "item": "y", "sale": 7, "n_sold": 3, "note": "b"},
    {"sold_at": START + timedelta(hours=4), "item": "x", "sale": 9, "n_sold": 1, "note": "a"},
    {"sold_at": START + timedelta(hours=3), "item": "z", "sale": 8, "n_sold": 2, "note": "c"},
]


def test_a_dataset_of_a_dataframe_keeps_its_rows_and_is_rebuilt_from_them(made: Made, store: Project) -> None:
    view, _ = made
    td = view.create_training_data(spine=SPINE)
    assert [row["note"] for row in td.read(dataframe_type="python")] == ["b", "a", "c"]
    assert td.manifest.rebuildable
    store.get_feature_store().get_feature_group("prices").insert([{"item": "x", "at": START, "price": -5.0}])
    assert td.verify().status == "same"
    before = td.manifest
    for path in files(td):
        path.unlink()
    assert td.verify().status == "different"
    assert td.rebuild().manifest == before
    assert td.verify().status == "same"
    assert view.create_train_test_split(1 / 3, spine=SPINE).verify().status == "same"
    (Path(td.location) / "spine.parquet").unlink()
    assert "spine.parquet" in str(td.verify())
    with pytest.raises(TrainingDatasetError, match="are gone"):
        td.rebuild()


def test_a_dataframe_that_is_not_kept_cannot_be_proven(made: Made) -> None:
    view, _ = made
    td = view.create_training_data(spine=SPINE, store_spine=False)
    assert (td.manifest.rebuildable, td.manifest.spine) == (False, None)
    assert (
        str(td.verify()) == "cannot tell: it cannot be made again: the rows of its dataframe were not stored"
    )
    with pytest.raises(TrainingDatasetError, match="rows of its dataframe were not stored"):
        td.rebuild()
    files(td)[0].write_bytes(b"")
    assert td.verify().status == "different"


def test_a_dataset_in_a_folder_of_the_users(
    made: Made, store: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view, _ = made
    monkeypatch.chdir(tmp_path)
    td = view.create_train_test_split(0.3, location="data/first")
    assert td.location == str(tmp_path / "data" / "first")
    assert sorted(path.name for path in (tmp_path / "data" / "first").iterdir()) == [
        "manifest.json",
        "test",
        "train",
    ]
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["first"]
    assert td.verify().status == "same"
    files(td)[0].unlink()
    assert td.rebuild().verify().status == "same"
    with pytest.raises(TrainingDatasetError, match=r"not empty: it has '.*'.*new or empty"):
        view.create_train_test_split(0.3, location=tmp_path / "data" / "first")
    with pytest.raises(TrainingDatasetError, match="is a file"):
        view.create_train_test_split(0.3, location=tmp_path / "data" / "first" / "manifest.json")
    assert [found.version for found in view.get_training_datasets()] == [1, 2]
    mine = tmp_path / "data" / "first" / "train" / "notes.txt"
    mine.write_text("mine")
    with pytest.raises(TrainingDatasetError, match="notes.txt is no file of the training dataset"):
        td.rebuild()
    td.delete()
    assert [path for path in (tmp_path / "data").rglob("*") if path.is_file()] == [mine]
    mine.unlink()
    assert view.create_train_test_split(0.3, location="data/second").delete() is None
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["first"]


def test_verify_names_the_group_the_commit_the_column_and_the_rows(made: Made, store: Project) -> None:
    _, td = made
    group = store.get_feature_store().get_feature_group("prices")
    (path,) = (Path(file.path) for file in group._session.offline.snapshot(group.spec.location).files)
    rows = pq.read_table(path)
    prices = [None if price is None else price + (price == 10.0) for price in rows["price"].to_pylist()]
    place = rows.schema.get_field_index("price")
    pq.write_table(rows.set_column(place, rows.schema.field(place), pa.array(prices, pa.float64())), path)
    found = td.verify()
    assert found.status == "different"
    assert "split 'train' has other values before transformation" in found.details
    (told,) = (detail for detail in found.details if "'price'" in detail and "'train'" in detail)
    changed = [
        row
        for row, sale in enumerate(td.read("train", dataframe_type="python"))
        if 600 <= sale["sale"] * 20 < 660
    ]
    assert told == (
        f"'price' (prices_1, commit 1) differs in {len(changed)} rows of split 'train', such as row "
        f"{', '.join(map(str, changed[:3]))}"
    )
    with pytest.raises(TrainingDatasetError, match="'train', 'test' would be different"):
        td.rebuild()


@hopyard.udf("double")
def halved(price):  # type: ignore[no-untyped-def]
    return None if price is None else price / 2


def test_verify_names_the_transformation_of_a_column(made: Made, store: Project) -> None:
    fs = store.get_feature_store()
    prices = fs.get_feature_group("prices")
    view = fs.create_feature_view(
        "halves", prices.select(["price", "item"]), transformation_functions=[halved("price").alias("half")]
    )
    td = view.create_training_data()
    (path,) = (Path(file.path) for file in prices._session.offline.snapshot(prices.spec.location).files)
    rows = pq.read_table(path)
    place = rows.schema.get_field_index("price")
    doubled = pc.multiply(rows["price"], 2.0)
    pq.write_table(rows.set_column(place, rows.schema.field(place), doubled), path)
    told = [detail for detail in td.verify().details if "differs in" in detail]
    assert [detail.partition(" differs")[0] for detail in told] == [
        "'price' (prices_1, commit 1)",
        "'half' (halved of price)",
    ]


def test_rows_that_come_in_many_small_parts_are_the_same_dataset(
    made: Made, store: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    view, td = made
    monkeypatch.setattr("hopyard.retrieve.assemble.rows_per_part", lambda *_: 9)
    monkeypatch.setattr("hopyard.retrieve.assemble.BATCH_ROWS", 4)
    monkeypatch.setattr("hopyard.engines.duckdb.BATCH_ROWS", 5)
    monkeypatch.setattr("hopyard.retrieve.training.KEPT_SHARE", 2**62)  # all that is kept goes to a file
    views = [view, in_variant(store.get_feature_store(), "late_features").get_feature_view("demand")]
    for other in views:
        again = other.create_train_test_split(0.3, seed=7).manifest
        assert (again.split, again.fitted, again.splits) == (
            td.manifest.split,
            td.manifest.fitted,
            td.manifest.splits,
        )
        direct = other.create_train_test_split(0.3, seed=7, exact=False)
        assert direct.verify().status == "same"
        assert sum(split.n_rows for split in direct.manifest.splits) == 140
