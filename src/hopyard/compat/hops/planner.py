"""Which groups have the features that a program names, and on which column they are joined."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from hopyard.compat.hops.exceptions import FeatureNameCollisionError, FeatureNotFound, InferJoinKeyError
from hopyard.compat.statements import joined


def plan_sql(
    groups: Sequence[Any], features: Sequence[str], versions: Mapping[str, int], join_key: str | None
) -> str:
    """Return the SELECT of features by their names: their groups, joined on one column that all have.

    Args:
        groups: those of the store.
        features: `feature`, or `group_1.feature`.
        versions: the versions of groups to look in, by name; empty: all groups.
        join_key: the column; None: of the columns that all the groups have, the one that is most often a primary key.
    Raises:
        FeatureNotFound: no group has one.
        FeatureNameCollisionError: several groups have one, and it is not qualified.
        InferJoinKeyError: the groups have no column in common.
    """
    searched = [group for group in groups if not versions or versions.get(group.name) == group.version]
    found = [(_owner(searched or groups, feature), feature.rpartition(".")[2]) for feature in features]
    owners = list({group.label: group for group, _ in found}.values())
    key = None
    if len(owners) > 1:
        key = join_key or infer_join_key(owners)
    return joined([group.label for group in owners], [(group.label, name) for group, name in found], key)


def infer_join_key(groups: Sequence[Any]) -> str:
    """Return the column that all groups have and most of them as a primary key; of several, the first by name."""
    shared = set.intersection(*({feature.name for feature in group.features} for group in groups))
    if not shared:
        raise InferJoinKeyError(
            f"The feature groups {', '.join(group.label for group in groups)} have no column in common. "
            f"Give join_key=, or features of groups that share one."
        )
    primary = Counter(name for group in groups for name in group.primary_key if name in shared)
    names: list[str] = sorted(shared)
    return min(names, key=lambda name: (-primary[name], name))


def _owner(groups: Sequence[Any], feature: str) -> Any:
    place, _, name = feature.rpartition(".")
    named = [group for group in groups if not place or place in (group.label, group.name)]
    owners = [group for group in named if any(item.name == name for item in group.features)]
    if not owners:
        raise FeatureNotFound(
            f"No feature group has a feature {feature!r}. There are the groups: "
            f"{', '.join(group.label for group in groups) or 'none'}."
        )
    if len(owners) > 1:
        raise FeatureNameCollisionError(
            f"The feature {feature!r} is in several feature groups: {', '.join(group.label for group in owners)}. "
            f"Name its group, such as {owners[0].label}.{name}."
        )
    return owners[0]
