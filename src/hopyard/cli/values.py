"""What `hopyard stats` and `hopyard plot` are about: a feature group, or a training dataset."""

from __future__ import annotations

from hopyard.errors import ConfigError, NotFoundError
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.ingest.find import list_groups
from hopyard.retrieve.dataset import find_dataset, list_manifests
from hopyard.session import Session
from hopyard.training_dataset import TrainingDataset


def group_or_dataset(
    session: Session, name: str, version: int | None, *, of_dataset: bool, at: str | None
) -> FeatureGroup | TrainingDataset:
    """Return what a name stands for: a group before a dataset, unless options are given that only datasets have.

    Args:
        of_dataset: such options are given.
        at: an instant or a commit, which only groups have.
    Raises:
        NotFoundError: there is neither.
        ConfigError: `at` is given for a dataset.
    """
    groups = {spec.name for spec in list_groups(session, None)}
    if name in groups and not of_dataset:
        return FeatureStore(session).get_feature_group(name, version)
    datasets = {
        known for manifest in list_manifests(session) for known in (manifest.label, manifest.view)
    } - {""}
    if name not in datasets and not of_dataset:
        raise NotFoundError("feature group or training dataset", name, groups | datasets)
    if at is not None:
        raise ConfigError(f"--at {at!r} is for feature groups: a training dataset never changes.")
    return TrainingDataset(session, find_dataset(session, name, version))
