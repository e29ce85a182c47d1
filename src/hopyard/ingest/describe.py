"""Descriptions and tags of feature groups: changes of the registry alone."""

from __future__ import annotations

import msgspec

from hopyard.errors import NotFoundError
from hopyard.ingest.create import change_group
from hopyard.model.names import check_name
from hopyard.model.specs import FeatureGroupSpec
from hopyard.session import Session


def describe_group(session: Session, spec: FeatureGroupSpec, description: str) -> FeatureGroupSpec:
    """Return the group with another description."""
    return change_group(
        session, spec, lambda stored: msgspec.structs.replace(stored, description=description)
    )


def describe_feature(
    session: Session, spec: FeatureGroupSpec, feature_name: str, description: str
) -> FeatureGroupSpec:
    """Return the group with another description of a feature. Raises NotFoundError."""
    spec.feature(feature_name)

    def change(stored: FeatureGroupSpec) -> FeatureGroupSpec:
        features = tuple(
            msgspec.structs.replace(feature, description=description)
            if feature.name == feature_name
            else feature
            for feature in stored.features
        )
        return msgspec.structs.replace(stored, features=features)

    return change_group(session, spec, change)


def add_tag(session: Session, spec: FeatureGroupSpec, name: str, value: str) -> FeatureGroupSpec:
    """Return the group with a tag set."""
    check_name("tag", name)
    return change_group(
        session, spec, lambda stored: msgspec.structs.replace(stored, tags={**stored.tags, name: value})
    )


def remove_tag(session: Session, spec: FeatureGroupSpec, name: str) -> FeatureGroupSpec:
    """Return the group without a tag. Raises NotFoundError."""
    if name not in spec.tags:
        raise NotFoundError(f"tag of {spec.label!r}", name, spec.tags)

    def change(stored: FeatureGroupSpec) -> FeatureGroupSpec:
        tags = {key: value for key, value in stored.tags.items() if key != name}
        return msgspec.structs.replace(stored, tags=tags)

    return change_group(session, spec, change)
