"""What was made from what: feature groups, the views that read them, the training datasets of those."""

from __future__ import annotations

from typing import Literal

from hopyard.model.codec import Frozen

Kind = Literal["feature group", "feature view", "training dataset"]


class LineageNode(Frozen, frozen=True, kw_only=True):
    """A feature group, a feature view or a training dataset; `is_deleted` if only what was made from it knows it."""

    kind: Kind
    name: str
    version: int
    is_deleted: bool = False

    @property
    def id(self) -> str:
        """How edges call it: `feature group weather_1`, `training dataset delays_1 version 2`."""
        if self.kind == "training dataset":
            return f"{self.kind} {self.name} version {self.version}"
        return f"{self.kind} {self.name}_{self.version}"


class LineageEdge(Frozen, frozen=True, kw_only=True):
    """`target` was made from `source`, two ids of nodes; of a feature group that a dataset read, its `commit`."""

    source: str
    target: str
    commit: int | None = None


class Lineage(Frozen, frozen=True, kw_only=True):
    """Nodes and edges, from feature groups to training datasets. `str()` shows them as text."""

    nodes: tuple[LineageNode, ...]
    edges: tuple[LineageEdge, ...]

    def sources(self, node: str) -> list[LineageEdge]:
        """Return the edges from what a node was made from."""
        return [edge for edge in self.edges if edge.target == node]

    def around(self, node: str) -> Lineage:
        """Return the part with a node, all that it was made from, and all that was made from it."""
        kept = _reached(node, [(edge.target, edge.source) for edge in self.edges])
        kept |= _reached(node, [(edge.source, edge.target) for edge in self.edges])
        return Lineage(
            nodes=tuple(other for other in self.nodes if other.id in kept),
            edges=tuple(edge for edge in self.edges if edge.source in kept and edge.target in kept),
        )

    def to_mermaid(self) -> str:
        """Return a flowchart in Mermaid's language, which Markdown pages of many tools draw."""
        places = {node.id: f"n{place}" for place, node in enumerate(self.nodes)}
        lines = ["flowchart LR"]
        for node in self.nodes:
            gone = " (deleted)" if node.is_deleted else ""
            lines.append(f'    {places[node.id]}["{node.id}{gone}"]')
        for edge in self.edges:
            commit = "" if edge.commit is None else f'|"commit {edge.commit}"|'
            lines.append(f"    {places[edge.source]} -->{commit} {places[edge.target]}")
        return "\n".join(lines)

    def __str__(self) -> str:
        lines = []
        for node in self.nodes:
            gone = " (deleted)" if node.is_deleted else ""
            lines.append(f"{node.id}{gone}")
            for edge in self.sources(node.id):
                commit = "" if edge.commit is None else f", commit {edge.commit}"
                lines.append(f"    from {edge.source}{commit}")
        return "\n".join(lines)


def _reached(start: str, pairs: list[tuple[str, str]]) -> set[str]:
    found, pending = {start}, [start]
    while pending:
        here = pending.pop()
        for source, target in pairs:
            if source == here and target not in found:
                found.add(target)
                pending.append(target)
    return found
