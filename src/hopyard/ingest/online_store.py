"""Which online store a project has, and how its rows are moved to another one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import quote

import msgspec

from hopyard.errors import ConfigError
from hopyard.ingest.find import list_groups
from hopyard.ingest.online import catch_up_online, rebuild_online
from hopyard.model.codec import from_json, to_json
from hopyard.model.commit import Commit
from hopyard.model.specs import PROJECT_FORMAT, FeatureGroupSpec, ProjectSpec
from hopyard.online.network import without_password
from hopyard.online.stores import open_online_store
from hopyard.ports import Record
from hopyard.session import Session

PROJECT_KIND: Final = "project"


def embedded_url(root: Path, project: str) -> str:
    """Return the URL of the online store in a project's own folder."""
    return f"lmdb://{quote(str(root / 'projects' / project / 'online'))}"


def stored_url(root: Path, project: str, url: str) -> str:
    """Return a URL as a project remembers it: without a password; empty for the store in its own folder."""
    shown = without_password(url)
    return "" if shown in ("", embedded_url(root, project)) else shown


def load_project(record: Record) -> ProjectSpec:
    """Return a project. Raises FormatVersionError."""
    return from_json(ProjectSpec, record.body, known=PROJECT_FORMAT, what=f"project {record.name!r}")


def move_online_store(
    session: Session, url: str, *, remove_old: bool = False
) -> list[tuple[FeatureGroupSpec, Commit]]:
    """Bring the online rows of a project into another store, from its offline tables, and remember that store.

    Args:
        remove_old: remove the rows from the store where they were.
    Returns:
        The groups, each with the commit that its table has.
    Raises:
        ConfigError: the project has that store already, or nobody serves such a URL.
        StoreError: the new store cannot be written; the project keeps the old one.
    """
    record = session.registry.get(session.project, PROJECT_KIND, session.project, 1)
    spec = load_project(record)
    target = stored_url(session.root, session.project, url)
    if target == spec.online:
        raise ConfigError(f"Project {session.project!r} has its online rows in {session.online.url} already.")
    moved = replace(
        session,
        online=open_online_store(
            url, timeout_seconds=session.config.online_timeout_seconds, failpoint=session.failpoint
        ),
    )
    groups = [group for group in list_groups(session, None) if group.online_enabled]
    commits = [rebuild_online(moved, group) for group in groups]
    body = to_json(msgspec.structs.replace(spec, online=target))
    session.registry.put(msgspec.structs.replace(record, body=body), expected_revision=record.revision)
    for group in groups:  # what was written in the meantime
        catch_up_online(moved, group)
        if remove_old:
            session.online.drop(group.id)
    moved.online.close()
    return list(zip(groups, commits, strict=True))
