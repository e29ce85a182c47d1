"""One query joined to another, as it was asked for, and what Hopyard's join is told."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import msgspec

from hopyard.compat.absent_feature_store import ABSENT
from hopyard.compat.errors import CompatError
from hopyard.compat.hsfs.util import autofix_feature_name, names_of
from hopyard.model.names import MAX_NAME_LENGTH
from hopyard.model.plan import Output, Plan, Source
from hopyard.queries import Query as CoreQuery

if TYPE_CHECKING:
    from hopyard import Project
    from hopyard.compat.hsfs.constructor.query import Query

_log = logging.getLogger(__name__)


class Join:
    """A right side: its query, the keys, the kind of join and the prefix."""

    INNER: ClassVar = "INNER"
    LEFT: ClassVar = "LEFT"
    RIGHT: ClassVar = "RIGHT"
    FULL: ClassVar = "FULL"
    CROSS: ClassVar = "CROSS"
    LEFT_SEMI_JOIN: ClassVar = "LEFT_SEMI_JOIN"
    COMMA: ClassVar = "COMMA"

    def __init__(
        self,
        query: Query,
        on: object = None,
        left_on: object = None,
        right_on: object = None,
        join_type: str | None = "left",
        prefix: str | None = None,
    ) -> None:
        self.query = query
        self.on = _keys(on)
        self.left_on = _keys(left_on)
        self.right_on = _keys(right_on)
        self._is_told = False
        self.join_type = (join_type or "left").upper().replace("LEFT_OUTER", "LEFT")
        self.prefix = autofix_feature_name(prefix) if prefix else None
        if self.join_type not in (self.INNER, self.LEFT):
            raise CompatError(f"Query.join(join_type={join_type!r})", ABSENT["Query.join.join_type"])

    def attach(self, base: CoreQuery, project: Project) -> CoreQuery:
        """Return `base` with the right side joined to its left-most group."""
        right = self.query.core
        left_on, right_on = self.left_on or self.on, self.right_on or self.on
        root, joined = base.plan.root.source, right.plan.root.source
        if not left_on:
            left_on = right_on = _overlap(root, joined)
        covered = set(joined.primary_key) <= set(right_on)
        outputs, told = _named(
            self._kept(base, right.plan, left_on, right_on), base, right.plan, self.prefix or ""
        )
        if told and not self._is_told:
            self._is_told = True
            _log.warning(
                "Ambiguous features detected during query construction: %s. Give the join a prefix= to avoid it.",
                ", ".join(told),
            )
        plan = msgspec.structs.replace(right.plan, outputs=outputs)
        return base.join(
            CoreQuery(project.session, plan),
            left_on=left_on or None,
            right_on=right_on or None,
            join_type="inner" if self.join_type == self.INNER else "left",
            prefix=self.prefix,
            # The original's plain join returns every match; with an event time there is one anyhow.
            allow_many=not covered and bool(right_on) and joined.event_time is None,
        )

    def _kept(
        self, base: CoreQuery, right: Plan, left_on: Sequence[str], right_on: Sequence[str]
    ) -> list[Output]:
        """Return the right side's columns without keys that the left side returns under the same name."""
        pairs = set(zip(left_on, right_on, strict=False))
        prefix = self.prefix or ""
        return [
            out
            for out in right.outputs
            if not (
                out.node == 0
                and (out.feature, out.feature) in pairs
                and not prefix
                and out.name in base.features
            )
        ]

    def __repr__(self) -> str:
        return f"Join({self.query!r}, on={self.on}, left_on={self.left_on}, right_on={self.right_on}, {self.join_type})"


def _keys(value: object) -> list[str]:
    return [autofix_feature_name(name) for name in names_of(value)]


def _overlap(left: Source, right: Source) -> list[str]:
    """Return the columns of the right primary key that are keys of the left side, too."""
    known = {*left.primary_key, *(key.column for key in left.foreign_key)}
    return [column for column in right.primary_key if column in known]


def _named(
    outputs: Sequence[Output], base: CoreQuery, right: Plan, prefix: str
) -> tuple[tuple[Output, ...], list[str]]:
    """Return the right side's columns, those that would be ambiguous under their full names, and a word on each."""
    taken = set(base.features)
    source = right.root.source
    dropped = {*source.primary_key, source.event_time}
    found, told = [], []
    for out in outputs:
        is_left_out = out.node == 0 and not out.is_named and out.feature in dropped
        if prefix + out.name in taken and not is_left_out:
            group = right.nodes[out.node].source
            owner = f"{getattr(group, 'project', 'frame')}_{group.label}"
            full = f"{owner}_{out.feature}"[: MAX_NAME_LENGTH - len(prefix)]
            told.append(f"{out.feature!r} of {group.label} is returned as {prefix + full!r}")
            found.append(msgspec.structs.replace(out, name=full))
        else:
            found.append(out)
    return tuple(found), told
