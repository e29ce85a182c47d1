"""Lineage as the registry has it: implicit, nobody has to declare it."""

from __future__ import annotations

import msgspec

from hopyard.ingest.create import KIND as GROUP_KIND
from hopyard.ingest.create import load_group
from hopyard.model.lineage import Lineage, LineageEdge, LineageNode
from hopyard.model.manifest import Manifest
from hopyard.model.plan import GroupSource, Plan
from hopyard.model.specs import FeatureGroupSpec, FeatureViewSpec
from hopyard.retrieve.dataset import list_manifests
from hopyard.retrieve.view import KIND as VIEW_KIND
from hopyard.retrieve.view import load_view
from hopyard.session import Session


def project_lineage(session: Session) -> Lineage:
    """Return what was made from what in the whole project."""
    groups = {spec.id: spec for spec in map(load_group, session.registry.list(session.project, GROUP_KIND))}
    views = [load_view(record) for record in session.registry.list(session.project, VIEW_KIND)]
    nodes = {node.id: node for node in map(group_node, groups.values())}
    edges: dict[LineageEdge, None] = {}
    for view in views:
        for node in _groups(view.plan, groups):
            nodes.setdefault(node.id, node)
            edges[LineageEdge(source=node.id, target=view_node(view).id)] = None
    nodes |= {node.id: node for node in map(view_node, views)}
    for manifest in list_manifests(session):
        lineage = dataset_lineage(manifest, groups, nodes)
        nodes |= {node.id: node for node in lineage.nodes if node.id not in nodes}
        edges |= dict.fromkeys(lineage.edges)
    return Lineage(nodes=tuple(nodes.values()), edges=tuple(edges))


def provenance(session: Session, manifest: Manifest) -> Lineage:
    """Return what a training dataset was made from: its view, its feature groups and their commits."""
    whole = project_lineage(session)
    node = dataset_node(manifest)
    if any(other.id == node.id for other in whole.nodes):
        return whole.around(node.id)
    groups = {spec.id: spec for spec in map(load_group, session.registry.list(session.project, GROUP_KIND))}
    return dataset_lineage(manifest, groups, {other.id: other for other in whole.nodes})


def dataset_lineage(
    manifest: Manifest, groups: dict[str, FeatureGroupSpec], known: dict[str, LineageNode]
) -> Lineage:
    """Return the lineage that a manifest tells.

    Args:
        groups: the stored ones by their ids; others are deleted.
        known: the nodes that there are, by id; a view that is not among them is deleted.
    """
    node = dataset_node(manifest)
    sources = _groups(manifest.plan, groups)
    commits = {
        found.id: plan_node.commit
        for plan_node in manifest.plan.nodes
        for found in _groups_of(plan_node.source, groups)
    }
    nodes, edges = [*sources], []
    if manifest.view:
        view = LineageNode(kind="feature view", name=manifest.view, version=manifest.view_version)
        nodes.append(known.get(view.id) or msgspec.structs.replace(view, is_deleted=True))
        edges = [LineageEdge(source=view.id, target=node.id)]
        edges += [LineageEdge(source=source.id, target=view.id) for source in sources]
    edges += [LineageEdge(source=source.id, target=node.id, commit=commits[source.id]) for source in sources]
    return Lineage(nodes=(*nodes, node), edges=tuple(edges))


def group_node(spec: FeatureGroupSpec) -> LineageNode:
    """Return the node of a feature group."""
    return LineageNode(kind="feature group", name=spec.name, version=spec.version)


def view_node(spec: FeatureViewSpec) -> LineageNode:
    """Return the node of a feature view."""
    return LineageNode(kind="feature view", name=spec.name, version=spec.version)


def dataset_node(manifest: Manifest) -> LineageNode:
    """Return the node of a training dataset."""
    return LineageNode(kind="training dataset", name=manifest.label, version=manifest.version)


def parents(session: Session, view: FeatureViewSpec) -> list[FeatureGroupSpec]:
    """Return the stored feature groups that a view reads, the root first, each once."""
    groups = {spec.id: spec for spec in map(load_group, session.registry.list(session.project, GROUP_KIND))}
    ids = [node.source.id for node in view.plan.nodes if isinstance(node.source, GroupSource)]
    return [groups[id_] for id_ in dict.fromkeys(ids) if id_ in groups]


def _groups(plan: Plan, groups: dict[str, FeatureGroupSpec]) -> list[LineageNode]:
    found = [node for plan_node in plan.nodes for node in _groups_of(plan_node.source, groups)]
    return list({node.id: node for node in found}.values())


def _groups_of(source: object, groups: dict[str, FeatureGroupSpec]) -> list[LineageNode]:
    if not isinstance(source, GroupSource):
        return []
    is_deleted = source.id not in groups
    return [
        LineageNode(kind="feature group", name=source.name, version=source.version, is_deleted=is_deleted)
    ]
