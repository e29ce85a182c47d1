"""Which state of each table a plan reads: decided once, before anything is read."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping

import msgspec

from hopyard.errors import TimeTravelError
from hopyard.model.commit import Snapshot
from hopyard.model.plan import GroupSource, Node, Plan
from hopyard.session import Session
from hopyard.time import show


def resolve(session: Session, plan: Plan) -> tuple[Plan, dict[int, Snapshot]]:
    """Return the plan with the commit of every group, and the snapshots by node.

    A group that occurs several times is read in one state.

    Raises:
        TimeTravelError: an instant before the first commit of a group, or a commit that is not there.
    """
    taken: dict[tuple[str, int | None, int | None], Snapshot] = {}
    nodes: list[Node] = []
    snapshots: dict[int, Snapshot] = {}
    for index, node in enumerate(plan.nodes):
        if not isinstance(node.source, GroupSource):
            nodes.append(node)
            continue
        wanted = (node.source.location, node.as_of_us, node.commit)
        if wanted not in taken:
            taken[wanted] = _snapshot(session, node, node.source)
        snapshots[index] = taken[wanted]
        nodes.append(msgspec.structs.replace(node, commit=taken[wanted].commit))
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


def _snapshot(session: Session, node: Node, source: GroupSource) -> Snapshot:
    commit = node.commit
    if commit is None and node.as_of_us is not None:
        commit = commit_at(session, source, node.as_of_us)
    return session.offline.snapshot(source.location, commit)
