"""A plan compared with what a project has, and carried out. Everything is created by the public API."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from datetime import timedelta

from hopyard.errors import HopyardWarning
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.integrations.feast.definitions import Definitions, Finding
from hopyard.integrations.feast.group_plan import GroupPlan
from hopyard.integrations.feast.service_plan import EVENT_TIME, RootPlan, ViewPlan
from hopyard.model.names import nearest_name
from hopyard.queries import Query

Document = dict[str, object]


def newest(groups: Sequence[FeatureGroup]) -> dict[str, FeatureGroup]:
    """Return the latest version of each group, by name."""
    return {group.name: group for group in groups}  # they are ordered by version


def compare(
    definitions: Definitions,
    groups: Sequence[GroupPlan],
    views: Sequence[ViewPlan],
    fs: FeatureStore,
) -> None:
    """Add to the problems where a project has something else under a name that the import needs."""
    there = newest(fs.list_feature_groups())
    different: set[str] = set()
    for plan in groups:
        if plan.name in there:
            found = _differences(there[plan.name], plan.features, plan.primary_key, plan.event_time, plan.ttl)
            if found:
                different.add(plan.name)
                definitions.problems.append(
                    Finding(
                        f"feature view {plan.view.name!r}",
                        plan.view.where,
                        _conflict(there[plan.name], found),
                    )
                )
    for view in views:
        where, what = view.service.where, f"feature service {view.service.name!r}"
        root = there.get(view.root.name)
        if root is not None and root.name not in different:
            features = _like_stored(_root_features(view.root), root)
            found = _differences(root, features, tuple(view.root.keys), EVENT_TIME, None)
            if found:
                different.add(root.name)
                definitions.problems.append(Finding(what, where, _conflict(root, found)))
        needed = {view.root.name, *(join.group for join in view.joins)}
        stored = fs.list_feature_views(view.name)
        if not stored or different & needed:
            continue
        latest = stored[-1]
        if needed - set(there) or latest.query.plan != build_query(fs, view).plan or latest.labels:
            definitions.problems.append(
                Finding(
                    what,
                    where,
                    f"the project has a feature view {latest.name}_{latest.version} already, with other features or "
                    "joins. Delete it, or import into another project",
                )
            )


def build_query(fs: FeatureStore, view: ViewPlan) -> Query:
    """Return the query of a view: no columns of the root, which a spine brings, and the features of its groups."""
    query = fs.get_feature_group(view.root.name).select([])
    for join in view.joins:
        right = fs.get_feature_group(join.group).select(list(join.features))
        query = query.join(
            right, left_on=list(join.left_on), right_on=list(join.right_on), prefix=join.prefix
        )
    return query


def create_group(fs: FeatureStore, plan: GroupPlan, *, with_data: bool, notes: list[Finding]) -> Document:
    """Create a feature group and insert its rows, as far as that is not done, and return what was done."""
    group = newest(fs.list_feature_groups(plan.name)).get(plan.name)
    is_new = group is None
    if group is None:
        group = fs.create_feature_group(
            plan.name,
            description=plan.view.description,
            primary_key=list(plan.primary_key),
            event_time=plan.event_time,
            ttl=plan.ttl,
            online_enabled=plan.online,
            features=plan.features,
        ).save()
        for column in plan.rows.columns:
            if column.description:
                group.update_feature_description(column.name, column.description)
        for tag, value in plan.view.tags.items():
            group.add_tag(nearest_name(tag), value)
    n_changed = _insert(group, plan, notes) if with_data else 0
    return {
        "name": group.name,
        "version": group.version,
        "status": "created" if is_new else "rows added" if n_changed else "unchanged",
        "n_rows_written": n_changed,
    }


def create_view(fs: FeatureStore, plan: ViewPlan) -> Document:
    """Create a feature view and the empty group of its rows, unless they are there, and return what was done."""
    if not fs.list_feature_groups(plan.root.name):
        fs.create_feature_group(
            plan.root.name,
            description="The rows that features are asked for: a spine brings them. It stays empty.",
            primary_key=list(plan.root.keys),
            event_time=EVENT_TIME,
            features=_root_features(plan.root),
        ).save()
    is_new = not fs.list_feature_views(plan.name)
    service = plan.service
    view = fs.get_or_create_feature_view(plan.name, build_query(fs, plan), description=service.description)
    if is_new:
        for tag, value in service.tags.items():
            view.add_tag(nearest_name(tag), value)
    return {"name": view.name, "version": view.version, "status": "created" if is_new else "unchanged"}


def _root_features(root: RootPlan) -> dict[str, str]:
    return {**root.keys, EVENT_TIME: "timestamp"}


def _like_stored(features: Mapping[str, str], group: FeatureGroup) -> dict[str, str]:
    """Return types, those of whole numbers as a group has them: an int and a bigint match each other."""
    stored = {feature.name: feature.type for feature in group.spec.features}
    whole = {"int", "bigint"}
    return {
        name: stored[name] if {type_, stored.get(name)} <= whole else type_
        for name, type_ in features.items()
    }


def _insert(group: FeatureGroup, plan: GroupPlan, notes: list[Finding]) -> int:
    """Insert the rows of a file in pieces, and return how many rows of the group were written.

    Each piece has an id, made of the file's content: a piece that is there is not inserted again, also after an
    import that was cut short.
    """
    fingerprint = plan.source.fingerprint(plan.rows)
    known = {commit.commit_id for commit in group.commit_details()}
    n_changed = n_left_out = 0
    for index, (table, n_incomplete) in enumerate(plan.source.tables(plan.rows)):
        n_left_out += n_incomplete
        commit_id = f"feast-{fingerprint}-{index}"
        if commit_id in known or not table.num_rows:
            continue
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", HopyardWarning)
            commit = group.insert(table, commit_id=commit_id)
        n_changed += commit.n_inserted + commit.n_updated
        for warning in caught:
            notes.append(_note(plan, str(warning.message)))
    if n_left_out:
        notes.append(
            _note(plan, f"{n_left_out} rows without a key or an event time were left out: they match nothing")
        )
    return n_changed


def _note(plan: GroupPlan, message: str) -> Finding:
    return Finding(f"feature view {plan.view.name!r}", plan.view.where, message)


def _differences(
    group: FeatureGroup,
    features: Mapping[str, str],
    primary_key: tuple[str, ...],
    event_time: str,
    ttl: timedelta | None,
) -> list[str]:
    found = []
    if tuple(group.primary_key) != primary_key:
        found.append(f"primary_key is {', '.join(group.primary_key) or 'none'}, not {', '.join(primary_key)}")
    if group.event_time != event_time:
        found.append(f"event_time is {group.event_time}, not {event_time}")
    if group.ttl != ttl:
        found.append(f"ttl is {group.ttl}, not {ttl}")
    types = {feature.name: feature.type for feature in group.spec.features}
    for name, type_ in features.items():
        if name not in types:
            found.append(f"it has no {name!r}")
        elif types[name] != type_:
            found.append(f"{name!r} is {types[name]}, not {type_}")
    found += [f"it has {name!r}, too" for name in types if name not in features]
    return found


def _conflict(group: FeatureGroup, differences: Sequence[str]) -> str:
    return (
        f"the project has a feature group {group.name}_{group.version} already, and it differs: "
        f"{'; '.join(differences)}. Import into another project, or change or delete that group"
    )
