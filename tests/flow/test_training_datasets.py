"""A training dataset's life: made, deleted, made again, copied, damaged; and what `verify` says each time."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import hopyard
from hopyard.errors import NotFoundError, TrainingDatasetError
from hopyard.feature_view import FeatureView
from hopyard.project import Project
from hopyard.training_dataset import TrainingDataset

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
    with files_of_at_most_a_kilobyte(), pytest.raises(OSError, match="arge"):
        view.create_train_test_split(0.3)
    assert sorted(path.name for path in home.iterdir()) == before
    assert [found.version for found in view.get_training_datasets()] == [1]
    assert view.create_train_test_split(0.3).version == 2


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
