"""Training datasets stay what they are, whatever becomes of their groups; and when something is gone, they say what."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from hashes.datasets import CLOCK, EVENTS, READINGS, datasets, event, hashes, make, reading
from hopyard.errors import HopyardError, TimeTravelError, TrainingDatasetError
from hopyard.feature_store import FeatureStore
from hopyard.model.codec import to_json
from hopyard.model.manifest import Manifest
from hopyard.testing import ManualClock, exact, frame, open_store
from hopyard.training_dataset import TrainingDataset


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("over_time") / "store"
    make(folder)
    return folder


@pytest.fixture
def fs(made: Path, tmp_path: Path) -> FeatureStore:
    """Return the feature store of a copy of its own, a day later."""
    clock = ManualClock(CLOCK)
    clock.advance(timedelta(days=1))
    return open_store(shutil.copytree(made, tmp_path / "store"), clock=clock).get_feature_store()


def upsert(fs: FeatureStore) -> None:
    updates = [(*event(n)[:4], *event(n, 1)[4:]) for n in range(0, 120, 2)]
    added = [event(n, 2) for n in range(200, 230)]
    commit = fs.get_feature_group("events").insert(frame(EVENTS, updates + added))
    assert commit.n_updated > 50 and commit.n_inserted >= 30
    readings = [(*reading(n)[:3], 99.0, "later") for n in range(0, 90, 2)]
    assert fs.get_feature_group("readings").insert(frame(READINGS, readings)).n_updated == 45


def delete(fs: FeatureStore) -> None:
    keys = [{"part": event(n)[1], "id": n} for n in range(0, 120, 3)]
    fs.get_feature_group("events").remove_rows(keys)
    fs.get_feature_group("towns").remove_rows([{"city": "oslo"}])
    assert fs.get_feature_group("towns").read(dataframe_type="arrow").num_rows == 2


def overwrite(fs: FeatureStore) -> None:
    fs.get_feature_group("readings").insert(frame(READINGS, [reading(0)]), overwrite=True)


def append(fs: FeatureStore) -> None:
    for name in ("events", "readings", "towns"):
        fs.get_feature_group(name).append_features({"more": "double"})


def merge(fs: FeatureStore) -> None:
    merged = [group.maintain().n_merged_files for group in fs.list_feature_groups()]
    assert any(merged)


def vacuum(fs: FeatureStore) -> None:
    """End the history of each group before the commit that the datasets need."""
    needed = {group.name: group.commit for group in datasets(fs)[0].manifest.groups}
    needed |= {group.name: group.commit for group in datasets(fs)[2].manifest.groups}
    n_removed = 0
    for group in fs.list_feature_groups():
        later = [commit for commit in group.commit_details() if commit.number >= needed[group.name]]
        n_removed += group.vacuum(keep=len(later)).n_commits
        assert min(c.number for c in group.commit_details() if not c.is_vacuumed) == needed[group.name]
    assert n_removed


CHANGES: list[Callable[[FeatureStore], None]] = [upsert, delete, overwrite, append, merge, vacuum]


def assert_unchanged(fs: FeatureStore) -> None:
    """Check that each dataset verifies, and is rebuilt with the same manifest after it was deleted."""
    for dataset in datasets(fs):
        assert str(dataset.verify()) == "same"
        manifest = dataset.manifest
        dataset.delete()
        assert dataset.rebuild().manifest == manifest
        assert str(dataset.verify()) == "same"


@pytest.mark.parametrize("change", CHANGES)
def test_a_dataset_is_the_same_after(change: Callable[[FeatureStore], None], fs: FeatureStore) -> None:
    change(fs)
    assert_unchanged(fs)


def test_a_dataset_is_the_same_after_everything(fs: FeatureStore, tmp_path: Path) -> None:
    wanted = hashes(datasets(fs))
    for change in CHANGES:
        change(fs)
    assert_unchanged(fs)
    again = open_store(tmp_path / "store").get_feature_store()
    assert hashes(datasets(again)) == wanted
    assert_unchanged(again)


def test_what_came_later_would_make_another_dataset(fs: FeatureStore) -> None:
    """Or the tests above would prove nothing."""
    upsert(fs)
    before, _, _ = datasets(fs)
    after = fs.get_feature_view("joined").create_train_validation_test_split(0.2, 0.2, seed=3)
    assert all(
        old.before != new.before
        for old, new in zip(before.manifest.splits, after.manifest.splits, strict=True)
    )


def assert_gone(dataset: TrainingDataset, *words: str) -> None:
    """Check that a dataset cannot tell and says what is gone, keeps its files, and cannot be rebuilt."""
    verification = dataset.verify()
    assert verification.status == "cannot tell"
    (detail,) = verification.details
    for word in words:
        assert word in detail
    rows = exact(dataset.read("train", dataframe_type="python"))
    with pytest.raises(HopyardError, match=words[0]):
        dataset.rebuild()
    assert exact(dataset.read("train", dataframe_type="python")) == rows


def test_without_a_group_it_cannot_tell_and_names_it(fs: FeatureStore) -> None:
    by_hash, by_time, keyless = datasets(fs)
    fs.get_feature_group("readings").delete(force=True)
    assert_gone(by_hash, "readings")
    assert_gone(by_time, "readings")
    assert str(keyless.verify()) == "same", "it does not read that group"


def test_a_group_of_the_same_name_is_not_taken_for_the_one_that_is_gone(fs: FeatureStore) -> None:
    by_hash, _, _ = datasets(fs)
    fs.get_feature_group("readings").delete(force=True)
    again = fs.create_feature_group(
        "readings", features=READINGS, primary_key=["city", "sensor"], event_time="at", event_time_unit="s"
    ).save()
    for start in (0, 1):
        again.insert(frame(READINGS, [reading(n) for n in range(start, 90, 2)]))
    assert_gone(by_hash, "readings")


def test_after_a_forced_vacuum_it_cannot_tell_and_names_commit_and_group(fs: FeatureStore) -> None:
    by_hash, _, keyless = datasets(fs)
    upsert(fs)
    events = fs.get_feature_group("events")
    number = next(group.commit for group in by_hash.manifest.groups if group.name == "events")
    with pytest.raises(TrainingDatasetError, match=f"joined_1 version 1 .commit {number}."):
        events.vacuum(keep=1)
    assert str(by_hash.verify()) == "same"
    assert events.vacuum(keep=1, force=True).n_commits == number + 1
    assert_gone(by_hash, "vacuum", f"Commit {number}", "events")
    with pytest.raises(TimeTravelError):
        events.as_of(number).read()
    assert str(keyless.verify()) == "same"


def stored_otherwise(dataset: TrainingDataset, manifest: Manifest) -> TrainingDataset:
    """Return the dataset with another manifest in the registry and beside its files, as if it had been made with it."""
    session = dataset._session
    record = session.registry.get(manifest.project, "training_dataset", dataset.name, manifest.version)
    session.registry.put(
        msgspec.structs.replace(record, body=to_json(manifest)), expected_revision=record.revision
    )
    (Path(dataset.location) / "manifest.json").write_bytes(to_json(manifest))
    return TrainingDataset(session, manifest)


def test_other_values_after_transformation_name_the_libraries_that_differ(fs: FeatureStore) -> None:
    """As if numpy had rounded a logarithm otherwise in an older version."""
    by_hash, _, _ = datasets(fs)
    manifest = by_hash.manifest
    splits = [
        msgspec.structs.replace(split, after=msgspec.structs.replace(split.after, sha256="0" * 64))
        for split in manifest.splits
    ]
    older = {**manifest.libraries, "numpy": "1.0.0"}
    made_before = msgspec.structs.replace(manifest, splits=tuple(splits), libraries=older)
    verification = stored_otherwise(by_hash, made_before).verify()
    assert verification.status == "different"
    numpy = manifest.libraries["numpy"]
    assert f"numpy is {numpy} now, and was 1.0.0" in verification.details
    assert not any(detail.startswith(("duckdb", "pyarrow", "deltalake")) for detail in verification.details)
    assert "split 'train' is the same before transformation, but not after it" in verification.details


def test_other_libraries_alone_make_no_difference(fs: FeatureStore) -> None:
    by_hash, _, _ = datasets(fs)
    older = {**by_hash.manifest.libraries, "numpy": "1.0.0"}
    stored = stored_otherwise(by_hash, msgspec.structs.replace(by_hash.manifest, libraries=older))
    assert str(stored.verify()) == "same"
