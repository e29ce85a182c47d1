"""How far an online table has come: a commit of the offline table, or a place in a stream ahead of it."""

from __future__ import annotations

from hopyard.model.codec import Frozen


class CommitPosition(Frozen, frozen=True, kw_only=True, tag="commit"):
    """The online table holds exactly the state after this commit."""

    number: int


class StreamPosition(Frozen, frozen=True, kw_only=True, tag="stream"):
    """The online table holds rows of a stream up to here, ahead of their commit."""

    topic: str
    partition: int
    offset: int


Position = CommitPosition | StreamPosition
