"""From a feature view to its serving plan, or every reason why it cannot be served as it was trained."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from hopyard.compute.layout import online_table
from hopyard.errors import ConfigError, ServingError
from hopyard.ingest.create import KIND as GROUP_KIND
from hopyard.ingest.create import load_group
from hopyard.model.codec import to_json
from hopyard.model.manifest import FittedStatistics
from hopyard.model.plan import GroupSource, Node, Plan
from hopyard.model.specs import FeatureViewSpec, OnDemandSpec
from hopyard.online.reader import VectorReader
from hopyard.online.serving_plan import ServingFunction, ServingKey, ServingNode, ServingOutput, ServingPlan
from hopyard.retrieve.dataset import fitted_statistics
from hopyard.retrieve.trust import require_view_trust
from hopyard.retrieve.view import feature_outputs
from hopyard.session import Session


def serving_plan(session: Session, view: FeatureViewSpec, fitted: Sequence[FittedStatistics]) -> ServingPlan:
    """Return the serving plan of a view.

    Raises:
        ServingError: the view cannot be served as it was trained; the message lists every reason.
    """
    plan = _as_online_now(session, view.plan)
    outputs = feature_outputs(view)
    reasons = [reason for index in range(1, len(plan.nodes)) for reason in _obstacles(plan, index)]
    if (plan.known_delay_us or 0) < 0:
        reasons.append(
            "Its query sees only what was committed some time before each row, and the online store has all that is "
            "committed: leave out the negative delay of as_known()."
        )
    if reasons:
        raise ServingError(
            f"Feature view {view.label!r} cannot be served as it was trained: {' '.join(reasons)}"
        )
    reads: list[set[str]] = [set() for _ in plan.nodes]
    for out in outputs:
        reads[out.node].add(out.feature)
    for join in plan.joins:
        reads[join.parent].update(key.left for key in join.keys)
    functions = tuple(_function(plan, spec) for spec in view.on_demand)
    for function in functions:
        reads[function.node].update(function.stored)
    names = _key_names(plan)
    nodes = tuple(_node(session, plan, index, reads[index], names) for index in range(1, len(plan.nodes)))
    source = plan.root.source
    root = None
    if isinstance(source, GroupSource) and source.online_enabled:
        root = _node(session, plan, 0, reads[0], names)
    return ServingPlan(
        view=view.label,
        outputs=tuple(
            ServingOutput(
                name=out.name, node=out.node, feature=out.feature, type=plan.field(out.node, out.feature).type
            )
            for out in outputs
        ),
        nodes=nodes,
        root=root,
        root_fields=tuple(field for field in source.fields if field.name in reads[0]),
        on_demand=functions,
        transformations=view.transformations,
        fitted=tuple(fitted),
    )


def _as_online_now(session: Session, plan: Plan) -> Plan:
    """Return the plan with what is online by now: groups come online, or go offline, after a view was made of them."""

    def now(node: Node) -> Node:
        source = node.source
        assert isinstance(source, GroupSource)
        record = session.registry.find(source.project, GROUP_KIND, source.name, source.version)
        if record is None or record.id != source.id:
            return node
        is_online = load_group(record).online_enabled
        return msgspec.structs.replace(node, source=msgspec.structs.replace(source, online_enabled=is_online))

    return msgspec.structs.replace(plan, nodes=tuple(map(now, plan.nodes)))


def _function(plan: Plan, spec: OnDemandSpec) -> ServingFunction:
    features = {field.name for field in plan.nodes[spec.node].source.fields}
    return ServingFunction(
        node=spec.node,
        prefix=plan.join_of(spec.node).prefix if spec.node else "",
        transformation=spec.transformation,
        takes=spec.takes,
        stored=tuple(field.name for field in spec.takes if field.name in features),
    )


def _obstacles(plan: Plan, index: int) -> list[str]:
    node, source = plan.nodes[index], plan.nodes[index].source
    found = []
    assert isinstance(source, GroupSource)
    if not source.online_enabled:
        found.append(f"{source.label!r} is offline only: call its enable_online().")
    if node.filter is not None:
        found.append(
            f"{source.label!r} is filtered before the join, and the online store keeps one row per key, filtered or "
            f"not: write the filtered rows to a group of their own."
        )
    join = plan.join_of(index)
    if join.parent > 0 and join.how == "inner":
        parent = plan.nodes[join.parent].source.label
        found.append(
            f"{source.label!r} is joined to {parent!r} by an inner join, which in training leaves out the rows of "
            f"{parent!r} that have no match, and the online store has them: use join_type='left'."
        )
    remaining = plan.remaining_key(index)
    if remaining:
        found.append(
            f"{source.label!r} is joined on a part of its primary key ({', '.join(remaining)} is open), so no single "
            f"key can be looked up: make a group with the join key as its primary key."
        )
    return found


def _key_names(plan: Plan) -> dict[tuple[int, str], str]:
    """Return the name in an entry of each right key, by node and column.

    It is the join's prefix and the key's own name, or the root's column where there is no prefix and the two differ. A
    name that stands for something else already, in the root or in another join, gives way to the root's column, too.
    """
    meanings = {field.name: field.name for field in plan.root.source.fields}
    names = {}
    for index, join in enumerate(plan.joins, start=1):
        for key in join.keys:
            name = join.prefix + key.right if join.prefix or join.parent > 0 else key.left
            if join.parent == 0 and meanings.setdefault(name, key.left) != key.left:
                name = key.left
            names[index, key.right] = name
    return names


def _node(
    session: Session, plan: Plan, index: int, reads: set[str], names: dict[tuple[int, str], str]
) -> ServingNode:
    source = plan.nodes[index].source
    assert isinstance(source, GroupSource)
    stored = load_group(session.registry.get(source.project, GROUP_KIND, source.name, source.version))
    if stored.id != source.id:
        raise ServingError(
            f"{source.label!r} was deleted and made again since the view was created, which reads the old one. "
            f"Create the feature view again."
        )
    table = online_table(stored)
    decodable = {field.name for field in table.values} | ({table.event_time} if table.event_time else set())
    if index == 0:
        keys = tuple(ServingKey(name=name, alias=name, column=name) for name in source.primary_key)
        parent = -1
        limit = source.ttl_us
    else:
        join = plan.join_of(index)
        by_right = {key.right: key.left for key in join.keys}
        keys = tuple(
            ServingKey(name=names[index, right], alias=by_right[right], column=by_right[right])
            for right in source.primary_key
        )
        parent = join.parent
        limit = plan.age_limit_us(index)
    return ServingNode(
        node=index,
        group=source.label,
        table=table,
        keys=keys,
        parent=parent,
        reads=tuple(name for name in (field.name for field in source.fields) if name in reads & decodable),
        age_limit_us=limit,
    )


def open_reader(
    session: Session, view: FeatureViewSpec, training_dataset_version: int | None
) -> VectorReader:
    """Return the reader of a view's vectors; see `FeatureView.init_serving`."""
    require_view_trust(session, view, is_serving=True)
    fitted = fitted_statistics(session, view, training_dataset_version)
    return VectorReader(serving_plan(session, view, fitted), session.online, session.clock)


def export_plan(
    session: Session, view: FeatureViewSpec, path: Path, training_dataset_version: int | None
) -> None:
    """Write a view's serving plan into a file; see `FeatureView.export_serving_plan`."""
    fitted = fitted_statistics(session, view, training_dataset_version)
    plan = msgspec.structs.replace(serving_plan(session, view, fitted), online=session.online.url)
    written = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        written.write_bytes(to_json(plan) + b"\n")
        written.replace(path)
    except OSError as error:
        raise ConfigError(
            f"The serving plan cannot be written to {path}: {error.strerror}. Give a file in a folder that is there."
        ) from error
