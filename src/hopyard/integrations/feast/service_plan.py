"""A feature service of Feast as a feature view: rows that a spine brings, and groups joined to them by their keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hopyard.feature_group import FeatureGroup
from hopyard.integrations.feast.definitions import Definitions, Finding, Part, ServiceDefinition
from hopyard.integrations.feast.group_plan import GroupPlan
from hopyard.model.names import MAX_NAME_LENGTH, nearest_name

EVENT_TIME = "event_timestamp"
"""What Feast calls the event time of an entity dataframe."""


@dataclass(frozen=True, slots=True)
class Joinable:
    """What a service has to know of a feature group, of this import or of the project."""

    name: str
    key_names: Mapping[str, str]
    """Join keys as Feast calls them, and the columns."""
    feature_names: Mapping[str, str]
    """Likewise of features."""
    types: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class JoinPlan:
    """One join of a view: features of a group, by these columns of the rows."""

    group: str
    features: tuple[str, ...]
    left_on: tuple[str, ...]
    right_on: tuple[str, ...]
    prefix: str | None


@dataclass(frozen=True, slots=True)
class RootPlan:
    """An empty feature group with the keys and the event time that a spine brings."""

    name: str
    keys: Mapping[str, str]
    """Types by name."""


@dataclass(frozen=True, slots=True)
class ViewPlan:
    """A feature view to be."""

    name: str
    service: ServiceDefinition
    root: RootPlan
    joins: tuple[JoinPlan, ...]


def joinable(plan: GroupPlan) -> Joinable:
    """Return what services have to know of a group of this import."""
    return Joinable(plan.name, plan.key_names, plan.feature_names, plan.features)


def stored_joinable(group: FeatureGroup) -> Joinable:
    """Return what services have to know of a group that somebody made by hand."""
    spec = group.spec
    names = {feature.name: feature.name for feature in spec.features}
    keys = {name: name for name in spec.primary_key}
    features = {name: name for name in names if name not in keys and name != spec.event_time}
    return Joinable(spec.name, keys, features, {feature.name: feature.type for feature in spec.features})


def plan_views(
    definitions: Definitions, groups: Sequence[GroupPlan], stored: Iterable[FeatureGroup]
) -> list[ViewPlan]:
    """Return the feature views of a repository; what is wrong with them is added to the definitions' problems.

    Args:
        stored: the groups of the project: one with the name of a view that has no counterpart stands in for it.
    """
    known = {view.view.name: joinable(view) for view in groups}
    there = {group.name: stored_joinable(group) for group in stored if group.primary_key}
    taken = {group.name for group in groups}
    planned: list[ViewPlan] = []
    for service in definitions.services:
        plan = _plan(service, known, there, definitions)
        if plan is None:
            continue
        same = next((other for other in planned if other.name == plan.name), None)
        if same is not None:
            _problem(
                definitions,
                service,
                f"its feature view would be {plan.name!r}, as that of the service at {same.service.where}: rename one",
            )
        if plan.root.name in taken:
            _problem(
                definitions,
                service,
                f"the rows that it is asked for need a feature group {plan.root.name!r}, and a feature view is called "
                "so: rename that",
            )
        planned.append(plan)
    return _with_shared_roots(planned, definitions)


def _with_shared_roots(plans: Sequence[ViewPlan], definitions: Definitions) -> list[ViewPlan]:
    """Return the plans, those with equal keys on one group whose types fit all of them."""
    roots: dict[str, RootPlan] = {}
    for plan in plans:
        keys: dict[str, str] = {}
        for name, type_ in (*roots.get(plan.root.name, plan.root).keys.items(), *plan.root.keys.items()):
            _add_key(plan.service, keys, name, type_, definitions)
        if set(keys) != set(plan.root.keys):  # long names that were cut
            _problem(
                definitions,
                plan.service,
                f"the group of its rows would be {plan.root.name!r}, as that of other keys: use shorter join keys",
            )
        roots[plan.root.name] = RootPlan(plan.root.name, keys)
    return [replace(plan, root=roots[plan.root.name]) for plan in plans]


def _plan(
    service: ServiceDefinition,
    known: Mapping[str, Joinable],
    there: Mapping[str, Joinable],
    definitions: Definitions,
) -> ViewPlan | None:
    parts: list[tuple[Part, Joinable]] = []
    missing = []
    for part in service.parts:
        group = known.get(part.view) or there.get(nearest_name(part.view))
        if group is None:
            missing.append(part.view)
        else:
            parts.append((part, group))
    if missing and not definitions.problems:
        definitions.absent.append(
            Finding(
                f"feature service {service.name!r}",
                service.where,
                f"it is not created, since it needs what is not imported: {', '.join(missing)}. Make "
                f"{'that feature group' if len(missing) == 1 else 'those feature groups'} by hand, and import again.",
            )
        )
    if service.on_demand and not service.parts:
        definitions.absent.append(
            Finding(
                f"feature service {service.name!r}",
                service.where,
                "it is not created, since it has only on-demand views. Write them with hopyard.udf.",
            )
        )
    elif service.on_demand:
        definitions.absent.append(
            Finding(
                f"feature service {service.name!r}",
                service.where,
                f"the features of the on-demand view{'s' if len(service.on_demand) > 1 else ''} "
                f"{', '.join(service.on_demand)} are left out. Write them with hopyard.udf, and create the next "
                "version of the feature view with transformation_functions=.",
            )
        )
    if missing or not parts:
        return None
    return _joined(service, parts, definitions)


def _joined(
    service: ServiceDefinition, parts: Sequence[tuple[Part, Joinable]], definitions: Definitions
) -> ViewPlan | None:
    keys: dict[str, str] = {}
    joins: list[JoinPlan] = []
    n_problems = len(definitions.problems)
    for part, group in parts:
        features = _features(service, part, group, definitions)
        left_on = []
        for key, column in group.key_names.items():
            left = nearest_name(part.join_key_map.get(key, key))
            _add_key(service, keys, left, group.types[column], definitions)
            left_on.append(left)
        right_on = tuple(group.key_names.values())
        joins.append(JoinPlan(group.name, features, tuple(left_on), right_on, None))
    names = [name for join in joins for name in join.features]
    if len(set(names)) < len(names) or {*keys, EVENT_TIME} & set(names):
        joins = _prefixed(service, parts, joins, definitions)
    if len(definitions.problems) > n_problems:
        return None
    root = RootPlan(nearest_name("entities_" + "_".join(keys)), keys)
    return ViewPlan(nearest_name(service.name), service, root, tuple(joins))


def _features(
    service: ServiceDefinition, part: Part, group: Joinable, definitions: Definitions
) -> tuple[str, ...]:
    if part.features is None:
        return tuple(group.feature_names.values())
    unknown = [name for name in part.features if name not in group.feature_names]
    if unknown:
        _problem(
            definitions,
            service,
            f"{part.view!r} has no feature {', '.join(map(repr, unknown))}; it has: {', '.join(group.feature_names)}",
        )
    return tuple(group.feature_names[name] for name in part.features if name in group.feature_names)


def _add_key(
    service: ServiceDefinition, keys: dict[str, str], name: str, type_: str, definitions: Definitions
) -> None:
    known = keys.setdefault(name, type_)
    if known == type_:
        return
    if {known, type_} == {"int", "bigint"}:
        keys[name] = "bigint"
    else:
        _problem(
            definitions,
            service,
            f"the key {name!r} is {known} in one feature view and {type_} in another: they never match",
        )


def _prefixed(
    service: ServiceDefinition,
    parts: Sequence[tuple[Part, Joinable]],
    joins: Sequence[JoinPlan],
    definitions: Definitions,
) -> list[JoinPlan]:
    """Return the joins with full feature names, as Feast gives them with full_feature_names=True."""
    labels = [nearest_name(part.alias or part.view) for part, _ in parts]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        _problem(
            definitions, service, f"it has {', '.join(twice)} twice: give one of them a name, .with_name(...)"
        )
    long = [
        f"{label}__{name}"
        for label, join in zip(labels, joins, strict=True)
        for name in join.features
        if len(f"{label}__{name}") > MAX_NAME_LENGTH
    ]
    if long:
        _problem(
            definitions, service, f"{long[0]!r} is too long a name: at most {MAX_NAME_LENGTH} characters"
        )
    definitions.notes.append(
        Finding(
            f"feature service {service.name!r}",
            service.where,
            "features of different views have one name: all are called view__feature, as with full_feature_names=True",
        )
    )
    return [
        JoinPlan(join.group, join.features, join.left_on, join.right_on, f"{label}__")
        for label, join in zip(labels, joins, strict=True)
    ]


def _problem(definitions: Definitions, service: ServiceDefinition, message: str) -> None:
    definitions.problems.append(Finding(f"feature service {service.name!r}", service.where, message))
