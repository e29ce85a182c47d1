"""Who reads what."""

from __future__ import annotations

from hopyard.errors import QueryError, TrainingDatasetError
from hopyard.model.plan import GroupSource
from hopyard.model.specs import FeatureGroupSpec, FeatureViewSpec
from hopyard.retrieve.dataset import KIND as DATASET_KIND
from hopyard.retrieve.dataset import dataset_name, delete_dataset, load_manifest
from hopyard.retrieve.view import KIND as VIEW_KIND
from hopyard.retrieve.view import load_view
from hopyard.session import Session


def views_of(session: Session, spec: FeatureGroupSpec) -> list[FeatureViewSpec]:
    """Return the feature views that read a group."""
    views = (load_view(record) for record in session.registry.list(session.project, VIEW_KIND))
    return [
        view
        for view in views
        if any(isinstance(node.source, GroupSource) and node.source.id == spec.id for node in view.plan.nodes)
    ]


def check_unused(session: Session, spec: FeatureGroupSpec, *, force: bool) -> None:
    """Raise QueryError if feature views read a group, unless forced."""
    users = views_of(session, spec)
    if users and not force:
        raise QueryError(
            f"{spec.label!r} is read by the feature view(s) {', '.join(view.label for view in users)}. "
            f"Delete them first, or pass force=True: then they stop working."
        )


def delete_view(session: Session, view: FeatureViewSpec, *, force: bool) -> list[str]:
    """Remove a view, and return what was removed; its training datasets must be gone, or go with it if forced.

    Raises:
        TrainingDatasetError: it has training datasets.
        NotFoundError: it is gone already.
    """
    record = session.registry.get(view.project, VIEW_KIND, view.name, view.version)
    datasets = session.registry.list(view.project, DATASET_KIND, dataset_name(view.name, view.version))
    if datasets and not force:
        versions = ", ".join(str(dataset.version) for dataset in datasets)
        raise TrainingDatasetError(
            f"Feature view {view.label!r} has training datasets (versions {versions}), which could not be verified or "
            f"rebuilt without it. Delete them first, or pass force=True: then they go with it."
        )
    for dataset in datasets:
        delete_dataset(session, load_manifest(dataset))
    session.registry.delete(record)
    went = [f"training dataset {dataset.version} of {view.label}" for dataset in datasets]
    return [*went, f"feature view {view.label}"]
