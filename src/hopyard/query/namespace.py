"""The flat namespace: features by their names alone, and the joins that their groups' keys allow."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from hopyard.errors import AmbiguousFeatureError, JoinKeyError, NotFoundError, QueryError
from hopyard.model.plan import Column, GroupSource, Plan
from hopyard.model.specs import FeatureGroupSpec, FeatureSpec
from hopyard.query.build import JoinOptions, group_source, join, scan, select
from hopyard.query.feature import Feature
from hopyard.query.keys import choose_keys, show_keys

_NAME = re.compile(r"(?:(?P<group>[^.@]+)(?:@(?P<version>[0-9]+))?\.)?(?P<feature>[^.@]+)")


@dataclass(frozen=True, slots=True)
class _Found:
    """A feature, the group that it is of, and the name by which it was asked for."""

    asked: str
    group: FeatureGroupSpec
    feature: FeatureSpec


@dataclass(slots=True)
class _Tree:
    """A group, and those that are joined to it, in order."""

    source: GroupSource
    joined: list[_Tree]


def find_feature(groups: Sequence[FeatureGroupSpec], name: str) -> Feature:
    """Return the feature called `name`, `group.name` or `group@version.name`, to be compared in filters.

    Args:
        groups: all groups of the project, ordered by name and version.
    Raises:
        NotFoundError, AmbiguousFeatureError, QueryError: see `plan_features`.
    """
    found = _find(groups, name)
    column = Column(feature=found.feature.name, group=found.group.label)
    return Feature(column, type=found.feature.type, description=found.feature.description)


def plan_features(groups: Sequence[FeatureGroupSpec], names: Sequence[str] | str) -> Plan:
    """Return the plan that reads features by their names, joined by inferred keys; see `FeatureStore.get_features`.

    Args:
        groups: all groups of the project, ordered by name and version.
    Raises:
        NotFoundError: no such feature, group or version.
        AmbiguousFeatureError: a name of several groups, or two features that would have one name.
        JoinKeyError: no group among them reaches all others.
        QueryError: no names, or one twice.
    """
    found = [_find(groups, name) for name in ((names,) if isinstance(names, str) else names)]
    _check_distinct(found)
    sources = {item.group.label: group_source(item.group) for item in found}
    wanted = {label: [item for item in found if item.group.label == label] for label in sources}
    plan = _build(_choose_root(list(sources.values())), wanted)
    places = {out.name: out for out in plan.outputs}
    return msgspec.structs.replace(plan, outputs=tuple(places[item.feature.name] for item in found))


def _find(groups: Sequence[FeatureGroupSpec], name: str) -> _Found:
    match = _NAME.fullmatch(name) if isinstance(name, str) else None
    if match is None:
        raise QueryError(
            f"{name!r} names no feature: write 'feature', 'group.feature' or 'group@2.feature' (version 2)."
        )
    feature = match["feature"]
    latest = {group.name: group for group in groups}  # the last one of a name is its latest version
    if match["group"] is not None:
        group = _group(groups, latest, match["group"], match["version"])
        return _Found(name, group, group.feature(feature))
    having = [group for group in latest.values() if _has(group, feature)]
    if not having:
        raise NotFoundError("feature", feature, {f.name for group in latest.values() for f in group.features})
    if len(having) > 1:
        raise AmbiguousFeatureError(
            f"{len(having)} feature groups have a feature {feature!r}. "
            f"Say which: {', '.join(repr(f'{group.name}.{feature}') for group in having)}."
        )
    return _Found(name, having[0], having[0].feature(feature))


def _group(
    groups: Sequence[FeatureGroupSpec], latest: dict[str, FeatureGroupSpec], name: str, version: str | None
) -> FeatureGroupSpec:
    if name not in latest:
        raise NotFoundError("feature group", name, latest)
    if version is None:
        return latest[name]
    versions = {str(group.version): group for group in groups if group.name == name}
    if version not in versions:
        raise NotFoundError(f"version of feature group {name!r}", version, versions)
    return versions[version]


def _has(group: FeatureGroupSpec, feature: str) -> bool:
    return any(known.name == feature for known in group.features)


def _check_distinct(found: Sequence[_Found]) -> None:
    if not found:
        raise QueryError("No features are named. Give their names, such as get_features(['age', 'city']).")
    seen: dict[str, _Found] = {}
    for item in found:
        other = seen.setdefault(item.feature.name, item)
        if other is item:
            continue
        if other.group.label == item.group.label:
            also = "" if other.asked == item.asked else f", as {other.asked!r} and as {item.asked!r}"
            raise QueryError(
                f"The feature {item.group.label}.{item.feature.name} is named twice{also}. Name it once."
            )
        raise AmbiguousFeatureError(
            f"Both {other.group.label}.{other.feature.name} and {item.group.label}.{item.feature.name} would be "
            f"called {item.feature.name!r}. Ask for one of them, or join the groups yourself and give one a prefix: "
            f"a.select([...]).join(b.select([{item.feature.name!r}]), prefix='{item.group.name}_')."
        )


def _choose_root(sources: Sequence[GroupSource]) -> _Tree:
    """Return the tree of joins under the group that reaches all others: the largest primary key, then the first."""
    reasons = []
    for source in sorted(
        sources, key=lambda source: -len(source.primary_key)
    ):  # stable: then the first named
        tree, obstacles = _reach(source, sources)
        if not obstacles:
            return tree
        reasons.append(f"from {source.label!r} ({show_keys(source)}): {' '.join(obstacles)}")
    causes = "".join(f"\n- {reason}" for reason in reasons)
    labels = ", ".join(repr(source.label) for source in sources)
    raise JoinKeyError(
        f"The features are of {labels}, and none of these groups reaches all the others by its keys, directly or "
        f"through another of them:{causes}\n"
        f"Declare foreign_key=, name a feature of a group that lies between, or join the groups yourself with "
        f"left_on=[...] and right_on=[...]."
    )


def _reach(root: GroupSource, sources: Iterable[GroupSource]) -> tuple[_Tree, list[str]]:
    """Return the joins from `root` on, each as near to it as keys allow, and why groups are not reached."""
    tree = _Tree(root, [])
    level = [tree]
    left = [source for source in sources if source is not root]
    obstacles = []
    while level and left:
        below, rest = [], []
        for source in left:
            parents = [parent for parent in level if _obstacle(parent.source, source) is None]
            if len(parents) == 1:
                parents[0].joined.append(_Tree(source, []))
                below.append(parents[0].joined[-1])
            elif parents:
                ways = " and ".join(repr(parent.source.label) for parent in parents)
                obstacles.append(f"{source.label!r} is reached from {ways}, which may differ.")
            else:
                rest.append(source)
        level, left = below, rest
    return tree, [*obstacles, *(f"{_obstacle(root, source)}." for source in left)]


def _obstacle(left: GroupSource, right: GroupSource) -> str | None:
    """Return why `right` cannot be joined to `left` by inferred keys; None: it can."""
    try:
        choose_keys(left, right)
    except JoinKeyError as error:
        return str(error).partition(". ")[0]  # what is the matter; the advice after it is for two groups
    return None


def _build(tree: _Tree, wanted: dict[str, list[_Found]]) -> Plan:
    plan = select(scan(tree.source), [item.feature.name for item in wanted[tree.source.label]])
    for child in tree.joined:
        plan = join(plan, _build(child, wanted), JoinOptions())
    return plan
