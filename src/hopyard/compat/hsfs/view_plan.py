"""Plans of stored queries: read anew, and without some columns."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from hopyard.model.plan import Plan
from hopyard.queries import Query


def latest_plan(plan: Plan) -> Plan:
    """Return a plan that reads the last commits of its groups."""
    nodes = tuple(
        msgspec.structs.replace(
            node, as_of_us=None, commit=None, exclude_until_us=None, exclude_until_commit=None
        )
        for node in plan.nodes
    )
    return msgspec.structs.replace(plan, nodes=nodes)


def without_columns(query: Query, names: Collection[str]) -> Query:
    """Return a query without some of its columns."""
    outputs = tuple(out for out in query.plan.outputs if out.name not in names)
    return Query(query._session, msgspec.structs.replace(query.plan, outputs=outputs), query.frame)
