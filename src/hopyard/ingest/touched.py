"""Which keys a group's commits touched, from the files with their changes."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from sqlglot import exp

from hopyard.errors import QueryError, TimeTravelError
from hopyard.model.arrow import to_arrow_schema
from hopyard.model.commit import Commit
from hopyard.model.specs import FeatureGroupSpec
from hopyard.ports import Statement
from hopyard.query.scan import column, read_paths
from hopyard.session import Session

REBUILD_SHARE = 0.5
"""From this share of the table's rows on, to write all of them takes about as long as to write those that changed."""
FILE_ROWS = 100
"""To open a file with changes takes as long as to write so many rows."""
FEW_ROWS = 10_000
"""So few rows are written quickly either way."""


def is_worth_following(commits: Sequence[Commit], n_rows: int) -> bool:
    """Return whether it is cheaper to read and write the keys that commits touched than all rows of the table.

    Args:
        n_rows: how many rows it has after them.
    """
    n_touched = sum(commit.n_inserted + commit.n_updated + commit.n_deleted for commit in commits)
    return n_touched + FILE_ROWS * len(commits) <= max(REBUILD_SHARE * n_rows, FEW_ROWS)


def touched_keys(session: Session, spec: FeatureGroupSpec, after: int, upto: int) -> pa.Table | None:
    """Return the primary keys, each once, of the rows that the commits in (after, upto] inserted, updated or removed.

    None: the history is not there any more, or cannot be read.
    """
    key = tuple(spec.feature(name).field for name in spec.primary_key)
    schema = to_arrow_schema(key)
    try:
        changes = session.offline.changes(spec.location, after, upto)
        if not changes:
            return schema.empty_table()
        names = [column(field.name) for field in key]
        tree = exp.select(*names, copy=False).distinct(copy=False)
        tree = tree.from_(read_paths(changes, key, {}), copy=False)
        return session.engine.collect(Statement(tree=tree, schema=schema))
    except (QueryError, TimeTravelError):
        return None
