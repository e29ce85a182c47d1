"""The failpoints of Hopyard, read from its source: which there are, and which step on the disk has none.

A step is a call after which a crash would leave something else than before it. It is covered if it stands in a with
block of `around(failpoint, "step")`, or if a statement around it stands between the calls `failpoint("before_step")`
and `failpoint("after_step")`; what is committed at the end of a with block has the first of them as its last line.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "hopyard"

_STEPS = {
    "fsync",
    "fdatasync",
    "sync",
    "sync_parents",
    "rename",
    "renames",
    "link",
    "symlink",
    "move",
    "commit",
    "write_deltalake",
    "create_checkpoint",
    "add_columns",
    "set_table_properties",
    "optimize",
    "restore",
}
"""Names of functions and methods that force to disk, give a name to a file, or commit to a Delta table or database."""

_IN_PLACE_OF_STEPS = {
    ("durable.py", "fsync"): "`sync` is a step itself, wherever it is called",
    ("durable.py", "sync"): "`sync_parents` is a step itself, wherever it is called",
    ("offline/change.py", "write_deltalake"): "`apply` is a step itself, wherever the offline store calls it",
    ("offline/change.py", "execute"): "`apply` is a step itself, wherever the offline store calls it",
    ("ingest/online_store.py", "online.drop"): "nobody reads the store that a project has left",
    ("online/mysql.py", "commit"): "the transaction of `SqlOnlineStore`, which has the points",
    (
        "retrieve/serving.py",
        "replace",
    ): "a file for services, outside of the store, that can be written again",
    ("online/sorted_copy.py", "begin"): "a temporary file, in which the rows of a scan are sorted",
    ("trust.py", "sync"): "a file of the user outside of every store, of lines that are appended",
    ("demo/folder.py", "rename"): "the demo makes room for itself before it opens its store",
    ("compat/files.py", "sync"): "files of programs: each is replaced as a whole, and no row depends on one",
    (
        "compat/files.py",
        "replace",
    ): "files of programs: each is replaced as a whole, and no row depends on one",
    ("compat/hopsworks/dataset_api.py", "rename"): "a program moves a file of its own",
    ("compat/hsfs/frames.py", "rename"): "columns of a dataframe",
    ("ingest/kept_statistics.py", "replace"): "statistics are computed again where a file is missing",
    ("plots/plot.py", "replace"): "a page that a user asked for, outside of the store",
    ("ingest/reports.py", "sync"): "a report tells of a commit, and no row depends on it",
    ("registry/search_index.py", "add_columns"): "columns of a SELECT",
    ("query/sql.py", "replace"): "a part of a SQL tree takes the place of another one",
}
"""Calls that need no points where they stand, and why."""

_ON_SERVERS = {"online/mysql.py", "online/postgresql.py", "online/redis.py", "online/sql.py"}
"""Modules whose points are reached where there is a server; operations of the embedded store never come there."""

_REACHED_ELSEWHERE = {"ingest/judge.py", "ingest/reports.py"}
"""Modules whose points need a group with expectations: tests/flow/test_expectation_writes.py stops at each of them."""


@dataclass(frozen=True, slots=True)
class Step:
    """A call that changes what a crash would leave."""

    file: str
    line: int
    name: str
    is_covered: bool

    @property
    def shown(self) -> str:
        return f"{self.file}:{self.line} {self.name}()"


def failpoints(source: Path = SOURCE) -> list[str]:
    """Return the names of all failpoints in the code, sorted, but for those of network stores."""
    found: set[str] = set()
    for file, tree in _trees(source):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and file not in _ON_SERVERS | _REACHED_ELSEWHERE:
                found |= _points_of(node)
    return sorted(found)


def steps(source: Path = SOURCE) -> list[Step]:
    """Return every call that is to have a failpoint before and after it."""
    found = []
    for file, tree in _trees(source):
        for node, ancestors in _with_ancestors(tree, ()):
            name = _step(file, node) if isinstance(node, ast.Call) else None
            if name is not None and (file, name) not in _IN_PLACE_OF_STEPS:
                found.append(Step(file, node.lineno, name, _is_covered(node, ancestors)))
    return found


def unused_exceptions(source: Path = SOURCE) -> list[tuple[str, str]]:
    """Return exceptions for which there is no call."""
    seen = {
        (file, _step(file, node))
        for file, tree in _trees(source)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    }
    return sorted(set(_IN_PLACE_OF_STEPS) - seen)


def _trees(source: Path) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(source.rglob("*.py")):
        yield str(path.relative_to(source)), ast.parse(path.read_text(encoding="utf-8"))


def _with_ancestors(
    node: ast.AST, ancestors: tuple[ast.AST, ...]
) -> Iterator[tuple[ast.AST, tuple[ast.AST, ...]]]:
    yield node, ancestors
    for child in ast.iter_child_nodes(node):
        yield from _with_ancestors(child, (*ancestors, node))


def _step(file: str, call: ast.Call) -> str | None:
    """Return the name of a call that is a step; None: it is none."""
    function = call.func
    name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", None)
    owner = function.value if isinstance(function, ast.Attribute) else None
    owner_name = getattr(owner, "attr", getattr(owner, "id", None))
    n_arguments, keywords = len(call.args), {keyword.arg for keyword in call.keywords}
    if name in _STEPS:
        return name
    if name == "replace" and owner_name == "os":
        return name
    if name == "replace" and n_arguments == 1 and not keywords and owner_name not in ("structs", None):
        return name  # of a Path: text has two arguments, datetimes and structs have keywords
    if name == "begin" and ("write" in keywords or file.startswith("registry/")):
        return name
    if name == "create" and owner_name == "DeltaTable":
        return name
    if file.startswith("offline/") and (name == "apply" or name == "execute"):
        return name
    if owner_name == "online" and name in ("write", "replace", "ensure", "drop"):
        return f"online.{name}"
    return None


def _is_covered(node: ast.AST, ancestors: tuple[ast.AST, ...]) -> bool:
    """Return whether there is a point before and after the call."""
    chain = (*ancestors, node)
    for parent, child in zip(reversed(chain[:-1]), reversed(chain[1:]), strict=True):
        if (
            isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            and child not in parent.body
        ):
            return False
        items = parent.items if isinstance(parent, ast.With) and child in parent.body else []
        if any(_called(item.context_expr) == "around" for item in items):
            return True
        for block in (getattr(parent, name, None) for name in ("body", "orelse", "finalbody")):
            if isinstance(block, list) and child in block and _is_between(block, block.index(child)):
                return True
        if isinstance(parent, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return False
    return False


def _is_between(block: list[ast.stmt], place: int) -> bool:
    """Return whether the statement at a place has the two points of one step around it."""
    following = _points_in(block[place + 1]) if place + 1 < len(block) else set()
    preceding = _points_in(block[place - 1]) if place else set()
    statement = block[place]
    if isinstance(statement, ast.With):
        preceding = preceding | _points_in(statement.body[-1])
    before = {point.removeprefix("before_") for point in preceding if point.startswith("before_")}
    after = {point.removeprefix("after_") for point in following if point.startswith("after_")}
    return bool(before & after)


def _points_in(statement: ast.stmt) -> set[str]:
    """Return the points that a statement reaches which is nothing but a call."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return _points_of(statement.value)
    return set()


def _points_of(call: ast.Call) -> set[str]:
    texts = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    if _called(call) in ("failpoint", "_failpoint"):
        return set(texts)
    if _called(call) == "around":
        return {f"{when}_{text}" for text in texts for when in ("before", "after")}
    return set()


def _called(node: ast.AST) -> str | None:
    if not isinstance(node, ast.Call):
        return None
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", None)
