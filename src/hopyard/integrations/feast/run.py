"""The import from end to end: read, check everything, then create."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hopyard.errors import ConfigError
from hopyard.feature_store import FeatureStore
from hopyard.integrations.feast.apply import compare, create_group, create_view, newest
from hopyard.integrations.feast.definitions import Definitions, Finding
from hopyard.integrations.feast.group_plan import GroupPlan, plan_groups
from hopyard.integrations.feast.interpret import interpret
from hopyard.integrations.feast.read import read_definitions
from hopyard.integrations.feast.registry import read_registry
from hopyard.integrations.feast.service_plan import ViewPlan, plan_views
from hopyard.integrations.feast.settings import kind_of, read_settings, registry_file
from hopyard.model.names import nearest_name
from hopyard.time import Clock, system_clock


@dataclass(slots=True)
class FeastImport:
    """What an import would do, and after `apply` what it did.

    Attributes:
        problems: what must be mended first; while there are any, nothing is created.
        unreadable: what only running the repository could tell; it is left out.
        absent: what has no counterpart, with what to do.
        notes: what is imported in another form.
        renamed: names that Hopyard does not take, and the ones that were taken.
    """

    repository: Path
    settings: Mapping[str, Any]
    files: Sequence[str]
    groups: Sequence[GroupPlan]
    views: Sequence[ViewPlan]
    problems: list[Finding]
    unreadable: list[Finding]
    absent: list[Finding]
    notes: list[Finding]
    renamed: list[tuple[str, str, str]] = field(default_factory=list)
    done: dict[tuple[str, str], Mapping[str, object]] = field(default_factory=dict)

    def apply(self, fs: FeatureStore, *, with_data: bool = True) -> None:
        """Create what is missing. What is there is left as it is; rows that are there are not inserted again.

        Args:
            with_data: False: the groups stay empty.
        Raises:
            ConfigError: there are problems; the message lists them, and nothing was created.
        """
        if self.problems:
            lines = "".join(f"\n- {where_of(found)}{found.what}: {found.message}." for found in self.problems)
            raise ConfigError(f"{self.repository} cannot be imported; nothing was created.{lines}")
        for group in self.groups:
            self.done["group", group.name] = create_group(fs, group, with_data=with_data, notes=self.notes)
        for view in self.views:
            self.done["view", view.name] = create_view(fs, view)

    def document(self) -> dict[str, Any]:
        """Return all of it in the types of JSON."""
        return {
            "repository": str(self.repository),
            "is_applied": bool(self.done),
            "settings": {
                "project": kind_of(self.settings.get("project")),
                "provider": kind_of(self.settings.get("provider")),
                "offline_store": kind_of(self.settings.get("offline_store")),
                "online_store": kind_of(self.settings.get("online_store")),
                "registry": kind_of(self.settings.get("registry")),
                "entity_key_serialization_version": kind_of(
                    self.settings.get("entity_key_serialization_version")
                ),
            },
            "files": list(self.files),
            "feature_groups": [self._group(plan) for plan in self.groups],
            "feature_views": [self._view(plan) for plan in self.views],
            "renamed": [{"what": what, "from": old, "to": new} for what, old, new in self.renamed],
            "problems": [_finding(found) for found in self.problems],
            "not_readable": [_finding(found) for found in self.unreadable],
            "no_counterpart": [_finding(found) for found in self.absent],
            "notes": [_finding(found) for found in self.notes],
        }

    def _group(self, plan: GroupPlan) -> dict[str, Any]:
        done = self.done.get(("group", plan.name), {})
        return {
            "name": plan.name,
            "version": done.get("version"),
            "status": done.get("status", "planned"),
            "feature_view": plan.view.name,
            "where": str(plan.view.where),
            "source": str(plan.source.path),
            "primary_key": list(plan.primary_key),
            "event_time": plan.event_time,
            "ttl_seconds": None if plan.ttl is None else plan.ttl.total_seconds(),
            "is_online": plan.online,
            "features": dict(plan.features),
            "n_rows_in_file": plan.n_rows,
            "n_rows_written": done.get("n_rows_written", 0),
        }

    def _view(self, plan: ViewPlan) -> dict[str, Any]:
        done = self.done.get(("view", plan.name), {})
        return {
            "name": plan.name,
            "version": done.get("version"),
            "status": done.get("status", "planned"),
            "feature_service": plan.service.name,
            "where": str(plan.service.where),
            "spine_group": plan.root.name,
            "keys": list(plan.root.keys),
            "features": [f"{join.prefix or ''}{name}" for join in plan.joins for name in join.features],
        }


def plan_import(
    repository: str | os.PathLike[str], fs: FeatureStore | None = None, *, clock: Clock = system_clock
) -> FeastImport:
    """Return what importing a Feast repository would do. Nothing of the repository is run, and nothing is written.

    Args:
        repository: the folder with `feature_store.yaml`.
        fs: the feature store that it would go into; None: an empty one.
        clock: says what is later than now.
    Raises:
        ConfigError: the folder is no Feast repository.
        MissingPackageError: the extra `feast` is not installed.
    """
    folder = Path(repository).expanduser().resolve()
    settings = read_settings(folder)
    found = read_definitions(folder)
    registry = registry_file(settings, folder)
    project = kind_of(settings.get("project"))
    definitions = interpret(found, read_registry(registry, folder, project) if registry else [])
    groups = plan_groups(definitions, folder, clock)
    stored = {} if fs is None else newest(fs.list_feature_groups())
    views = plan_views(definitions, groups, stored.values())
    if fs is not None:
        compare(definitions, groups, views, fs)
    _tell_what_is_missing(definitions, settings, folder)
    return FeastImport(
        repository=folder,
        settings=settings,
        files=found.files,
        groups=groups,
        views=views,
        problems=definitions.problems,
        unreadable=definitions.unreadable,
        absent=definitions.absent,
        notes=definitions.notes,
        renamed=_renamed(groups, views),
    )


def import_feast(
    fs: FeatureStore, repository: str | os.PathLike[str], *, with_data: bool = True
) -> FeastImport:
    """Create the feature groups and feature views of a Feast repository, and return what was done.

    Raises:
        ConfigError: no Feast repository, or one with problems; the message lists them, and nothing was created.
    """
    plan = plan_import(repository, fs)
    plan.apply(fs, with_data=with_data)
    return plan


def where_of(found: Finding) -> str:
    """Return the line that a finding is about, as the start of a message."""
    return f"{found.where}: " if found.where else ""


def _finding(found: Finding) -> dict[str, Any]:
    return {
        "what": found.what,
        "where": None if found.where is None else str(found.where),
        "message": found.message,
    }


def _tell_what_is_missing(definitions: Definitions, settings: Mapping[str, Any], folder: Path) -> None:
    registry = registry_file(settings, folder)
    is_empty = not (definitions.views or definitions.absent or definitions.unreadable or definitions.problems)
    if is_empty:
        more = f" Its registry {registry} has none that can be read, either." if registry else ""
        definitions.problems.append(
            Finding("repository", None, f"no Python file in {folder} defines a feature view.{more}")
        )
    if definitions.views and not definitions.services:
        definitions.notes.append(
            Finding(
                "repository",
                None,
                "it has no feature service, so no feature view is created. "
                "fs.spine(df, event_time=...).join(group.select_features()) joins features to your rows",
            )
        )


def _renamed(groups: Sequence[GroupPlan], views: Sequence[ViewPlan]) -> list[tuple[str, str, str]]:
    pairs = [("feature view", plan.view.name, plan.name) for plan in groups]
    for plan in groups:
        pairs += [(f"join key of {plan.view.name}", *pair) for pair in plan.key_names.items()]
        pairs += [(f"feature of {plan.view.name}", *pair) for pair in plan.feature_names.items()]
        pairs += [(f"tag of {plan.view.name}", tag, nearest_name(tag)) for tag in plan.view.tags]
        time = plan.rows.event_time
        if plan.event_time == nearest_name(time):
            pairs.append((f"event time of {plan.view.name}", time, plan.event_time))
    pairs += [("feature service", view.service.name, view.name) for view in views]
    return [pair for pair in pairs if pair[1] != pair[2]]
