"""The functions that compute the on-demand features of a view: frozen with it when it is made."""

from __future__ import annotations

from collections.abc import Sequence

from hopyard.errors import TrainingDatasetError
from hopyard.ingest.create import KIND as GROUP_KIND
from hopyard.ingest.create import load_group
from hopyard.model.plan import GroupSource, Output, Plan
from hopyard.model.schema import Schema
from hopyard.model.specs import FeatureGroupSpec, OnDemandSpec
from hopyard.session import Session


def on_demand_of(session: Session, plan: Plan, outputs: Sequence[Output]) -> tuple[OnDemandSpec, ...]:
    """Return the functions that give on-demand features of a view, as their groups have them now.

    Args:
        outputs: the columns that a model sees.
    Raises:
        TrainingDatasetError: nothing was inserted yet, so that the types of request parameters are unknown.
    """
    found: list[OnDemandSpec] = []
    for index, node in enumerate(plan.nodes):
        source = node.source
        if not isinstance(source, GroupSource):
            continue
        record = session.registry.find(source.project, GROUP_KIND, source.name, source.version)
        if record is None or (group := load_group(record)).id != source.id:
            continue
        wanted = {out.feature for out in outputs if out.node == index}
        needed = []
        for item in reversed(group.transformations):
            if wanted & set(item.outputs):
                wanted |= set(item.features)
                needed.append(
                    OnDemandSpec(node=index, transformation=item, takes=_takes(group, item.features))
                )
        found += reversed(needed)
    return tuple(found)


def _takes(group: FeatureGroupSpec, names: Sequence[str]) -> Schema:
    fields = {field.name: field for field in (*group.request_parameters, *group.schema)}
    for name in names:
        if name not in fields:
            raise TrainingDatasetError(
                f"The type of {name!r}, from which features of {group.label!r} are computed, is not known before the "
                f"first rows are inserted. Insert them, then make the view."
            )
    return tuple(fields[name] for name in names)
