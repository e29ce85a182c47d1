"""Which state of each table a plan reads: decided once, before anything is read."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping

import msgspec

from hopyard.errors import QueryError, TimeTravelError
from hopyard.model.commit import Snapshot
from hopyard.model.plan import GroupSource, Node, Plan
from hopyard.session import Session
from hopyard.time import show

BEFORE_ALL = -1
"""The number of no commit: before the first."""


def resolve(session: Session, plan: Plan) -> tuple[Plan, dict[int, Snapshot]]:
    """Return the plan with the commit of every group, and the snapshots by node, with the changes that a node needs.

    A group that occurs several times is read in one state.

    Raises:
        QueryError: as_known() on a root without event time.
        TimeTravelError: an instant before the first commit of a group, a commit that is not there, or a history that is
            needed and no longer whole.
    """
    if plan.known_delay_us is not None and plan.root.source.event_time is None:
        raise QueryError(
            f"as_known() asks what was known at the event time of each row, and {plan.root.source.label!r} has none. "
            f"Start from a group that has one, or read one state with as_of()."
        )
    taken: dict[tuple[object, ...], Snapshot] = {}
    nodes: list[Node] = []
    snapshots: dict[int, Snapshot] = {}
    for index, node in enumerate(plan.nodes):
        source = node.source
        if not isinstance(source, GroupSource):
            nodes.append(node)
            continue
        is_known = plan.known_delay_us is not None and index > 0
        wanted = (source.location, node.as_of_us, node.commit)
        if wanted not in taken:
            taken[wanted] = _snapshot(session, node, source)
        snapshot = taken[wanted]
        node = _excluding(session, msgspec.structs.replace(node, commit=snapshot.commit), source)
        after = BEFORE_ALL if is_known else node.exclude_until_commit
        if after is not None:
            with_changes = (*wanted, after)
            if with_changes not in taken:
                changes = session.offline.changes(source.location, after, snapshot.commit)
                taken[with_changes] = msgspec.structs.replace(snapshot, changes=changes)
            snapshot = taken[with_changes]
        snapshots[index] = snapshot
        nodes.append(node)
    return msgspec.structs.replace(plan, nodes=tuple(nodes)), snapshots


def commit_at(session: Session, source: GroupSource, instant_us: int) -> int:
    """Return the number of the last commit at or before an instant (UTC microseconds).

    Raises:
        TimeTravelError: the group's first commit is later; the message names it.
    """
    commits = session.offline.commits(source.location)
    index = bisect_right(commits, instant_us, key=lambda commit: commit.committed_at_us)
    if index == 0:
        raise TimeTravelError(
            f"{source.label!r} did not exist at {show(instant_us)}: its first commit is number "
            f"{commits[0].number}, at {show(commits[0].committed_at_us)}."
        )
    return commits[index - 1].number


def existing_features(plan: Plan, snapshots: Mapping[int, Snapshot]) -> Plan:
    """Return the plan without the features that its tables did not have yet.

    Raises:
        TimeTravelError: one of them was asked for by name.
    """
    kept = []
    for out in plan.outputs:
        snapshot = snapshots.get(out.node)
        if snapshot is None or out.feature in snapshot.columns:
            kept.append(out)
        elif out.is_named:
            source = plan.nodes[out.node].source
            raise TimeTravelError(
                f"{source.label}.{out.feature} did not exist at commit {snapshot.commit} "
                f"({show(snapshot.committed_at_us)}): it was appended later. Leave it out, or read a later state."
            )
    return msgspec.structs.replace(plan, outputs=tuple(kept))


def _excluding(session: Session, node: Node, source: GroupSource) -> Node:
    """Return the node with both the instant and the commit until which rows are left out, where one is given."""
    if (node.exclude_until_commit is None) == (node.exclude_until_us is None):
        return node
    commits = session.offline.commits(source.location)
    if node.exclude_until_us is not None:
        index = bisect_right(commits, node.exclude_until_us, key=lambda commit: commit.committed_at_us)
        number = commits[index - 1].number if index else BEFORE_ALL
        return msgspec.structs.replace(node, exclude_until_commit=number)
    at = {commit.number: commit.committed_at_us for commit in commits}
    if node.exclude_until_commit not in at:
        raise TimeTravelError(
            f"There is no commit {node.exclude_until_commit} of {source.label!r} to leave out until. "
            f"The last is {commits[-1].number}."
        )
    return msgspec.structs.replace(node, exclude_until_us=at[node.exclude_until_commit])


def _snapshot(session: Session, node: Node, source: GroupSource) -> Snapshot:
    commit = node.commit
    if commit is None and node.as_of_us is not None:
        commit = commit_at(session, source, node.as_of_us)
    return session.offline.snapshot(source.location, commit)
