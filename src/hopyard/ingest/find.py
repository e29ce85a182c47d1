"""Stored feature groups by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hopyard.errors import NotFoundError
from hopyard.ingest.create import KIND, load_group
from hopyard.ingest.draft import check_same, check_version, draft_group
from hopyard.model.specs import FeatureGroupSpec
from hopyard.session import Session


def get_group(session: Session, name: str, version: int | None) -> FeatureGroupSpec:
    """Return a stored group; None: its latest version. Raises NotFoundError with close matches."""
    check_version(version)
    record = session.registry.find(session.project, KIND, name, version)
    if record is not None:
        return load_group(record)
    others = session.registry.list(session.project, KIND, name)
    if others and version is not None:
        raise NotFoundError(
            f"version of feature group {name!r}", str(version), [str(r.version) for r in others]
        )
    known = {record.name for record in session.registry.list(session.project, KIND)}
    raise NotFoundError("feature group", name, known)


def get_or_draft_group(
    session: Session, name: str, version: int | None, asked: Mapping[str, Any]
) -> tuple[FeatureGroupSpec, bool]:
    """Return the stored group and True, or a draft of it and False.

    Args:
        asked: the arguments that were given, as `draft_group` takes them.
    Raises:
        AlreadyExistsError: they contradict what is stored.
    """
    check_version(version)
    record = session.registry.find(session.project, KIND, name, version)
    if record is None:
        return draft_group(session, name, version, **asked), False
    stored = load_group(record)
    check_same(stored, asked)
    return stored, True


def list_groups(session: Session, name: str | None) -> list[FeatureGroupSpec]:
    """Return the stored groups, ordered by name and version."""
    return [load_group(record) for record in session.registry.list(session.project, KIND, name)]
