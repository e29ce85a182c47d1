"""What `Query.explain` says: the join tree, why each join is as it is, what is read, and what became of the rows."""

from __future__ import annotations

from collections.abc import Iterator

from hopyard.model.codec import Frozen
from hopyard.time import show

EXPLANATION_FORMAT = 1


class KeyReason(Frozen, frozen=True, kw_only=True):
    """A pair of join-key columns and why it was chosen."""

    left: str
    right: str
    reason: str


class StepCounts(Frozen, frozen=True, kw_only=True):
    """What became of the left rows in one join; the causes add up to `n_rows_in - n_matched`.

    Each unmatched row counts once, with the first cause that fits: its parent has no match, its key is null, no stored
    row has the key, all rows with the key that are early enough were filtered out, were not known by then, or are too
    old; or all rows with the key are later.
    """

    n_rows_in: int
    n_matched: int
    n_parent_unmatched: int = 0
    n_null_key: int = 0
    n_no_key: int = 0
    n_filtered: int = 0
    n_not_known: int = 0
    n_too_old: int = 0
    n_only_later: int = 0

    @property
    def match_rate(self) -> float | None:
        """The share of the left rows that have a match; None without rows."""
        return self.n_matched / self.n_rows_in if self.n_rows_in else None

    def causes(self) -> dict[str, int]:
        """Return the number of unmatched rows by cause, without the causes that did not occur."""
        named = {
            "no match of its parent": self.n_parent_unmatched,
            "null key": self.n_null_key,
            "no row with the key": self.n_no_key,
            "filtered out": self.n_filtered,
            "not known yet": self.n_not_known,
            "too old": self.n_too_old,
            "only later rows": self.n_only_later,
        }
        return {cause: count for cause, count in named.items() if count}


class ExplainedNode(Frozen, frozen=True, kw_only=True):
    """A group (or the spine) in its place in the query.

    Attributes:
        node: its number in the plan; 0 is the root.
        parent: the node that it is joined to; None: the root.
        rule: point_in_time, newest or equal; None: the root. `rule_text` says it in words.
        n_files, size_bytes, n_rows: the group as it is read; `*_read`: after the files that cannot matter are left out.
        n_rows_kept: after the group's own filters; only with analyze.
        is_late: its features are read afterwards, and only those of the rows that match.
        counts: only with analyze, and not for the root.
    """

    node: int
    name: str
    version: int | None = None
    commit: int | None = None
    committed_at_us: int | None = None
    parent: int | None = None
    join_type: str | None = None
    rule: str | None = None
    rule_text: str = ""
    keys: tuple[KeyReason, ...] = ()
    filter: str = ""
    prefix: str = ""
    max_age_us: int | None = None
    open_key: tuple[str, ...] = ()
    n_files: int = 0
    n_files_read: int = 0
    size_bytes: int = 0
    size_bytes_read: int = 0
    n_rows: int = 0
    n_rows_read: int = 0
    n_rows_kept: int | None = None
    is_late: bool = False
    counts: StepCounts | None = None


class ExplainedFeature(Frozen, frozen=True, kw_only=True):
    """A column of the result; `null_rate` is known only with analyze (None also for a result without rows)."""

    name: str
    node: int
    feature: str
    type: str
    null_rate: float | None = None


class Explanation(Frozen, frozen=True, kw_only=True):
    """A query explained. `str()` of it is for reading, `msgspec.json.encode` or `to_json` for programs.

    Attributes:
        n_rows: rows of the result; only with analyze.
    """

    format_version: int = EXPLANATION_FORMAT
    nodes: tuple[ExplainedNode, ...]
    features: tuple[ExplainedFeature, ...]
    filter: str = ""
    as_known_delay_us: int | None = None
    is_analyzed: bool = False
    n_rows: int | None = None
    notes: tuple[str, ...] = ()
    sql: str = ""

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def _lines(shown: Explanation) -> Iterator[str]:
    yield from _tree(shown, 0, "", "")
    if shown.filter:
        yield f"then only rows where {shown.filter}"
    if shown.n_rows is not None:
        yield f"result: {shown.n_rows:,} rows"
    yield from (f"note: {note}" for note in shown.notes)
    yield ""
    yield "feature" + (", share of nulls" if shown.is_analyzed else "")
    names = {node.node: node.name for node in shown.nodes}
    width = max((len(feature.name) for feature in shown.features), default=0)
    for feature in shown.features:
        rate = f"  {feature.null_rate:7.2%}" if feature.null_rate is not None else ""
        yield f"  {feature.name:<{width}}{rate}  {names[feature.node]}.{feature.feature} ({feature.type})"
    yield ""
    yield shown.sql


def _tree(shown: Explanation, node: int, first: str, rest: str) -> Iterator[str]:
    explained = shown.nodes[node]
    children = [other.node for other in shown.nodes if other.parent == node]
    below = rest + ("│ " if children else "  ")
    yield first + _title(explained)
    yield from (below + line for line in _details(explained))
    for child in children:
        is_last = child == children[-1]
        yield from _tree(
            shown, child, rest + ("└─ " if is_last else "├─ "), rest + ("   " if is_last else "│  ")
        )


def _title(node: ExplainedNode) -> str:
    at = "" if node.committed_at_us is None else f", commit {node.commit} of {show(node.committed_at_us)}"
    if node.parent is None:
        return f"{node.name} (root){at}"
    keys = ", ".join(key.left if key.left == key.right else f"{key.left} = {key.right}" for key in node.keys)
    return f"{node.join_type} join {node.name} on {keys}{at}"


def _details(node: ExplainedNode) -> Iterator[str]:
    for key in node.keys:
        yield f"key {key.right}: {key.reason}"
    if node.rule_text:
        yield node.rule_text
    if node.filter:
        yield f"only its rows where {node.filter}"
    if node.n_files:
        yield (
            f"reads {node.n_files_read} of {node.n_files} files, {_size(node.size_bytes_read)} of "
            f"{_size(node.size_bytes)}, {node.n_rows_read:,} of {node.n_rows:,} rows"
            + (", its features for the rows that match only" if node.is_late else "")
        )
    elif node.commit is None:
        yield f"a dataframe of {node.n_rows:,} rows"
    else:
        yield "empty"
    if node.n_rows_kept is not None and node.n_rows_kept != node.n_rows:
        yield f"{node.n_rows_kept:,} rows take part"
    if node.counts is not None:
        counts = node.counts
        rate = "" if counts.match_rate is None else f" ({counts.match_rate:.2%})"
        yield f"{counts.n_matched:,} of {counts.n_rows_in:,} rows match{rate}"
        yield from (f"  without: {count:,} {cause}" for cause, count in counts.causes().items())


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.2f} MB" if size_bytes >= 1_000_000 else f"{size_bytes / 1e3:,.1f} kB"
