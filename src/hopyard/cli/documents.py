"""What the commands answer, in the types of JSON. The keys are stable: docs/reference/cli.md lists them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from hopyard.cli.text import to_json, to_rows
from hopyard.errors import ConfigError, HopyardError, NotFoundError
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.ingest.find import get_group, list_groups
from hopyard.ingest.maintain import maintain
from hopyard.ingest.online import freshness
from hopyard.model.arrow import from_arrow
from hopyard.model.commit import Commit
from hopyard.model.manifest import Manifest
from hopyard.model.plan import Plan
from hopyard.model.specs import FeatureGroupSpec, FeatureViewSpec
from hopyard.observe.vector_parity import check_vectors
from hopyard.observe.vector_report import VectorDifference
from hopyard.observe.verify import verify
from hopyard.query import sql as query_sql
from hopyard.retrieve.changes import CHANGE_TYPE, between, changes_table
from hopyard.retrieve.dataset import find_dataset, list_manifests, rebuild
from hopyard.retrieve.dataset_files import dataset_folder
from hopyard.retrieve.lineage import group_node, project_lineage, view_node
from hopyard.retrieve.proof import verify as verify_dataset
from hopyard.retrieve.view import get_view, list_views
from hopyard.session import Session
from hopyard.time import show

if TYPE_CHECKING:
    import pyarrow as pa

Document = dict[str, Any]
LAST_COMMITS = 5
DIGITS_OF_A_DATE = 8


def project(session: Session) -> Document:
    """Return the groups, views and training datasets of a project."""
    views = list_views(session, None)
    datasets = list_manifests(session)
    n_datasets = Counter(manifest.label for manifest in datasets)
    return {
        "project": session.project,
        "location": str(session.root),
        "feature_groups": [_group_line(session, spec) for spec in list_groups(session, None)],
        "feature_views": [
            {
                "name": view.name,
                "version": view.version,
                "n_features": len(view.plan.outputs) - len(_hidden(view)),
                "labels": list(view.labels),
                "n_training_datasets": n_datasets[view.label],
                "description": view.description,
            }
            for view in views
        ],
        "training_datasets": [_dataset(manifest) for manifest in datasets],
    }


def group_or_view(
    session: Session, name: str, version: int | None, kind: Literal["group", "view"] | None
) -> Document:
    """Return all about a feature group or a feature view. Raises NotFoundError, ConfigError (both are there)."""
    found = _find(session, name, version, kind)
    return _group(session, found) if isinstance(found, FeatureGroupSpec) else _view(session, found)


def lineage(
    session: Session, name: str, version: int | None, kind: Literal["group", "view"] | None
) -> Document:
    """Return what a feature group or a view was made from, and what was made from it. Raises as `group_or_view`."""
    found = _find(session, name, version, kind)
    node = group_node(found) if isinstance(found, FeatureGroupSpec) else view_node(found)
    part = project_lineage(session).around(node.id)
    return {
        "of": node.id,
        "nodes": [{"id": other.id, **msgspec.to_builtins(other)} for other in part.nodes],
        "edges": msgspec.to_builtins(part.edges),
        "mermaid": part.to_mermaid(),
        "text": str(part),
    }


def dataset_verification(session: Session, name: str, version: int | None) -> Document:
    """Return whether a training dataset is the same when it is made again. Raises NotFoundError."""
    manifest = find_dataset(session, name, version)
    found = verify_dataset(session, manifest)
    return {
        "name": manifest.label,
        "version": manifest.version,
        "status": found.status,
        "details": list(found.details),
        "splits": [
            {
                "name": split.name,
                "n_rows": split.n_rows,
                "before": split.before.sha256,
                "after": split.after.sha256,
            }
            for split in manifest.splits
        ],
    }


def dataset_rebuilt(session: Session, name: str, version: int | None) -> Document:
    """Write the files of a training dataset again. Raises NotFoundError, TrainingDatasetError."""
    manifest = rebuild(session, find_dataset(session, name, version))
    return {
        "name": manifest.label,
        "version": manifest.version,
        "location": str(dataset_folder(session, manifest)),
        "n_rows": sum(split.n_rows for split in manifest.splits),
    }


def _find(
    session: Session, name: str, version: int | None, kind: Literal["group", "view"] | None
) -> FeatureGroupSpec | FeatureViewSpec:
    groups = {spec.name for spec in list_groups(session, None)}
    views = {spec.name for spec in list_views(session, None)}
    if kind is None:
        if name in groups and name in views:
            raise ConfigError(
                f"{name!r} is a feature group and a feature view. Say which with --kind group or --kind view."
            )
        if name not in groups | views:
            raise NotFoundError("feature group or feature view", name, groups | views)
        kind = "group" if name in groups else "view"
    return get_group(session, name, version) if kind == "group" else get_view(session, name, version)


def head(session: Session, name: str, version: int | None, n: int, as_of: str | None) -> Document:
    """Return a few rows of a group; `as_of` is an instant, or a commit number (fewer than 8 digits)."""
    group = FeatureStore(session).get_feature_group(name, version)
    return _table(group.read(as_of=_when(as_of), dataframe_type="arrow", limit=n))


def sql(session: Session, query: str, as_of: str | None) -> Document:
    """Return the rows of a SELECT over feature groups."""
    return _table(query_sql.sql(session, query, as_of=as_of))


def commits(session: Session, name: str, version: int | None, limit: int) -> Document:
    """Return the last commits of a group, newest first."""
    group = FeatureStore(session).get_feature_group(name, version)
    return {
        "name": group.name,
        "version": group.version,
        "commits": [_commit(commit) for commit in group.commit_details(limit)],
        "disk": msgspec.to_builtins(group.disk_usage()),
    }


def maintenance(session: Session, names: Sequence[str] | None) -> Document:
    """Maintain groups, all or by name, and return what was done."""
    groups = list_groups(session, None)
    for name in names or ():
        if not any(name in (spec.name, spec.label) for spec in groups):
            raise NotFoundError("feature group", name, {spec.name for spec in groups})
    chosen = [spec for spec in groups if names is None or {spec.name, spec.label} & set(names)]
    return {"groups": [msgspec.to_builtins(maintain(session, spec)) for spec in chosen]}


def changes(
    session: Session, name: str, version: int | None, start: str | None, end: str | None, n: int
) -> Document:
    """Return how many rows of a group changed between two instants or commit numbers, and the first of them."""
    spec = get_group(session, name, version)
    states = between(session, spec, _when(start), _when(end))
    table = changes_table(session, spec, states)
    kinds = Counter(table.column(CHANGE_TYPE).to_pylist())
    return {
        "name": spec.name,
        "version": spec.version,
        "from_commit": states.start_commit,
        "to_commit": states.end_commit,
        "n_inserted": kinds["insert"],
        "n_updated": kinds["update"],
        "n_deleted": kinds["delete"],
        **_table(table.slice(0, n)),
    }


def verification(session: Session, names: Sequence[str] | None) -> Document:
    """Return what the store finds when it checks itself."""
    report = verify(session, names)
    return {
        "project": report.project,
        "is_fine": report.is_fine,
        "feature_groups": [
            {
                "name": check.name,
                "version": check.version,
                "n_commits": check.n_commits,
                "n_files": check.n_files,
                "n_rows": check.n_rows,
                "n_online_rows": check.n_online_rows,
                "n_findings": check.n_findings,
            }
            for check in report.groups
        ],
        "n_feature_views": report.n_views,
        "training_datasets": [
            {
                "name": check.name,
                "version": check.version,
                "n_files": check.n_files,
                "n_findings": check.n_findings,
            }
            for check in report.datasets
        ],
        "findings": [
            {"kind": found.kind, "where": found.where, "message": found.message, "advice": found.advice}
            for found in report.findings
        ],
    }


def parity(
    session: Session, name: str, version: int | None, sample: int, at: str | None, dataset_version: int | None
) -> Document:
    """Return how the vectors of a view compare with its point-in-time rows."""
    found = check_vectors(
        session,
        get_view(session, name, version),
        sample=sample,
        at=at,
        training_dataset_version=dataset_version,
    )
    return {
        "view": found.view,
        "at": show(found.at_us),
        "is_equal": found.is_equal,
        "n_keys": found.n_keys,
        "n_different": found.n_different,
        "causes": dict(found.causes),
        "differences": list(map(_difference, found.differences)),
        "lagging": list(map(_difference, found.lagging)),
        "feature_groups": [
            {
                "group": position.group,
                "commit": position.commit,
                "last_commit": position.last_commit,
                "n_behind": position.n_behind,
            }
            for position in found.positions
        ],
        "text": str(found),
    }


def _difference(found: VectorDifference) -> Document:
    return {
        "entry": to_json(dict(found.entry)),
        "feature": found.feature,
        "group": found.group,
        "online": to_json(found.online),
        "offline": to_json(found.offline),
        "cause": found.cause,
        "because": found.because,
    }


def _when(text: str | None) -> str | int | None:
    """Return an instant as it is, a commit number (fewer digits than a date) as a number."""
    is_number = text is not None and text.isdecimal() and len(text) < DIGITS_OF_A_DATE
    return int(text) if text is not None and is_number else text


def _table(table: pa.Table) -> Document:
    return {
        "columns": [
            {"name": field.name, "type": str(from_arrow(field.type, column=field.name))}
            for field in table.schema
        ],
        "rows": to_rows(table),
    }


def _group_line(session: Session, spec: FeatureGroupSpec) -> Document:
    """Return a group's line of `ls`. A table that cannot be read is no reason to hide the others."""
    line: Document = {
        "name": spec.name,
        "version": spec.version,
        "n_features": len(spec.features),
        "n_rows": None,
        "last_commit": None,
        "committed_at": None,
        "is_online": spec.online_enabled,
        "description": spec.description,
        "problem": None,
    }
    try:
        snapshot = session.offline.snapshot(spec.location)
    except (HopyardError, OSError) as error:
        return line | {"problem": str(error)}
    return line | {
        "n_rows": snapshot.n_rows,
        "last_commit": snapshot.commit,
        "committed_at": show(snapshot.committed_at_us),
    }


def _group(session: Session, spec: FeatureGroupSpec) -> Document:
    group = FeatureGroup(session, spec, is_stored=True)
    newest = [_commit(commit) for commit in group.commit_details(LAST_COMMITS)]
    return {
        "kind": "feature_group",
        "name": spec.name,
        "version": spec.version,
        "description": spec.description,
        "location": group.location,
        "primary_key": list(spec.primary_key),
        "foreign_key": [{"column": key.column, "references": key.references} for key in spec.foreign_key],
        "event_time": spec.event_time,
        "event_time_unit": spec.event_time_unit,
        "ttl_seconds": None if spec.ttl_us is None else spec.ttl_us / 1_000_000,
        "tags": dict(spec.tags),
        "keywords": list(spec.keywords),
        "expectations": list(map(str, spec.expectations)),
        "expectation_policy": spec.expectation_policy,
        "statistics_config": msgspec.to_builtins(spec.statistics_config),
        "features": [
            {
                "name": feature.name,
                "type": feature.type,
                "description": feature.description,
                "tags": dict(feature.tags),
                "keywords": list(feature.keywords),
                "default": None if feature.default is None else to_json(feature.default.to_python()),
            }
            for feature in spec.features
        ],
        "n_rows": session.offline.snapshot(spec.location).n_rows,
        "commits": newest,
        "online": _online(session, spec) if spec.online_enabled else None,
    }


def _online(session: Session, spec: FeatureGroupSpec) -> Document:
    fresh = freshness(session, spec)
    return {
        "commit": fresh.applied_commit,
        "n_behind": fresh.n_behind,
        "behind_seconds": fresh.behind_seconds,
        "commit_to_readable": msgspec.to_builtins(fresh.commit_to_readable),
        "event_to_readable": msgspec.to_builtins(fresh.event_to_readable),
    }


def _view(session: Session, spec: FeatureViewSpec) -> Document:
    plan = spec.plan
    return {
        "kind": "feature_view",
        "name": spec.name,
        "version": spec.version,
        "description": spec.description,
        "tags": dict(spec.tags),
        "keywords": list(spec.keywords),
        "columns": [
            {
                "name": out.name,
                "type": plan.field(out.node, out.feature).type,
                "role": _hidden(spec).get(out.name, "feature"),
                "group": plan.nodes[out.node].source.label,
                "feature": out.feature,
                "transformation": ", ".join(t.name for t in spec.transformations if out.name in t.features)
                or None,
            }
            for out in plan.outputs
        ],
        "labels": list(spec.labels),
        "root": plan.root.source.label,
        "joins": [_join(plan, node) for node in range(1, len(plan.nodes))],
        "training_datasets": [_dataset(manifest) for manifest in list_manifests(session, spec.label)],
    }


def _hidden(spec: FeatureViewSpec) -> dict[str, str]:
    """Return the role of each column that is no feature."""
    return (
        dict.fromkeys(spec.inference_helper_columns, "inference helper")
        | dict.fromkeys(spec.training_helper_columns, "training helper")
        | dict.fromkeys(spec.labels, "label")
    )


def _join(plan: Plan, node: int) -> Document:
    join, limit = plan.join_of(node), plan.age_limit_us(node)
    return {
        "group": plan.nodes[node].source.label,
        "to": plan.nodes[join.parent].source.label,
        "keys": [{"left": key.left, "right": key.right} for key in join.keys],
        "keys_are_inferred": join.inferred,
        "type": join.how,
        "rule": join.rule,
        "prefix": join.prefix,
        "max_age_seconds": None if limit is None else limit / 1_000_000,
    }


def _dataset(manifest: Manifest) -> Document:
    return {
        "name": manifest.label,
        "view": manifest.view,
        "view_version": manifest.view_version,
        "version": manifest.version,
        "n_rows": sum(split.n_rows for split in manifest.splits),
        "splits": {split.name: split.n_rows for split in manifest.splits},
        "data_format": manifest.data_format,
        "created_at": show(manifest.created_at_us),
        "created_by": manifest.created_by,
        "description": manifest.description,
        "tags": dict(manifest.tags),
        "keywords": list(manifest.keywords),
    }


def _commit(commit: Commit) -> Document:
    return {
        "number": commit.number,
        "committed_at": show(commit.committed_at_us),
        "operation": commit.operation,
        "n_rows_in": commit.n_rows_in,
        "n_inserted": commit.n_inserted,
        "n_updated": commit.n_updated,
        "n_unchanged": commit.n_unchanged,
        "n_deleted": commit.n_deleted,
        "n_duplicates": commit.n_duplicates,
        "size_bytes": commit.size_bytes,
        "actor": commit.actor,
        "commit_id": commit.commit_id,
    }
