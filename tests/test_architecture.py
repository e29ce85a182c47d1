"""Rules about the source as a whole. The layers are checked by import-linter (`make check`)."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

import hopyard
from hopyard import ports

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "hopyard"
MODULES = sorted(SOURCE.rglob("*.py"))

HEAVY = ["duckdb", "pandas", "pyarrow", "deltalake", "sqlglot", "sqlalchemy", "numpy", "polars", "pytest"]
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "core", "base", "manager"}
BANNED_IMPORTS = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
BANNED_CALLS = {"print", "eval", "exec"}
RUNS_TRUSTED_CODE = "src/hopyard/compute/transform/load.py"
"""The one place where code from a store is run, after it is asked whether its hash is trusted."""
MAX_LINES = 500
MAX_METHODS = 8


def loaded_after(code: str) -> set[str]:
    """Return the names of the modules that a fresh interpreter has loaded after running `code`."""
    program = f"{code}\nimport sys\nsys.stdout.write('\\n'.join(sys.modules))"
    return set(
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONPATH": str(SOURCE.parent)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
    )


@pytest.mark.parametrize(
    "code",
    [
        "import hopyard",
        "import hopyard; dir(hopyard)",
        "import hopyard.testing; dir(hopyard.testing)",
        "import hopyard.online; hopyard.online.VectorReader",
    ],
)
def test_import_loads_no_heavy_package(code: str) -> None:
    assert loaded_after(code).isdisjoint(HEAVY)


def test_import_loads_few_modules() -> None:
    """Modules are counted, not milliseconds: a count says the same on every machine."""
    assert len(loaded_after("import hopyard") - loaded_after("")) <= 40
    assert len(loaded_after("import hopyard.online") - loaded_after("")) <= 125


@pytest.mark.parametrize(
    "code", ["import hopyard.connect", "from hopyard import login", "import hopyard.cli"]
)
def test_login_is_the_function_whatever_was_imported_first(code: str) -> None:
    """Importing a submodule sets it as an attribute of its package, which must not hide the function."""
    loaded_after(f"{code}\nimport hopyard, types\nassert isinstance(hopyard.login, types.FunctionType)")


def test_public_names_are_sorted_and_there() -> None:
    assert hopyard.__all__ == sorted(hopyard.__all__)
    assert [name for name in hopyard.__all__ if not hasattr(hopyard, name)] == []
    assert set(hopyard.__all__) <= set(dir(hopyard))


def protocols() -> list[type]:
    return [
        value
        for value in vars(ports).values()
        if inspect.isclass(value) and value.__module__ == ports.__name__ and Protocol in value.__bases__
    ]


def test_ports_have_at_most_eight_methods() -> None:
    sizes = {
        port.__name__: sum(
            callable(member) and not name.startswith("_") for name, member in vars(port).items()
        )
        for port in protocols()
    }
    assert sizes
    assert {name: size for name, size in sizes.items() if size > MAX_METHODS} == {}


def test_no_file_is_too_long_to_read() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in MODULES}
    assert {shown(path): n for path, n in lengths.items() if n > MAX_LINES} == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    originals = SOURCE / "compat" / "hsfs"  # its modules have the names that programs import
    named = [path for path in SOURCE.rglob("*") if path.stem in BANNED_NAMES]
    assert [shown(path) for path in named if not path.is_relative_to(originals)] == []


def test_every_module_has_a_docstring_or_is_an_empty_package() -> None:
    trees = {path: ast.parse(path.read_text()) for path in MODULES}
    assert [shown(path) for path, tree in trees.items() if tree.body and not ast.get_docstring(tree)] == []


def calls_and_imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and name of each call of a plain name and each imported top-level package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.lineno, f"{node.func.id}("
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, (node.module or "").partition(".")[0]


def test_source_never_prints_pickles_or_evaluates() -> None:
    banned = {f"{name}(" for name in BANNED_CALLS} | BANNED_IMPORTS
    found = [
        f"{shown(path)}: {name}"
        for path in MODULES
        for _, name in calls_and_imports(ast.parse(path.read_text()))
        if name in banned
    ]
    assert found == [f"{RUNS_TRUSTED_CODE}: exec("]


def test_engines_are_never_told_apart_by_name() -> None:
    """Callers ask capability facts; see `EngineCapabilities`."""
    pattern = re.compile(r"(if|elif)\b.*\b(engine|dialect)(\.name)? (==|!=) ['\"]")
    found = [
        f"{shown(path)}:{number}"
        for path in MODULES
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if pattern.search(line)
    ]
    assert found == []


TAKES_SQL = {
    "sql",
    "execute",
    "executemany",
    "executescript",
    "parse",
    "parse_one",
    "maybe_parse",
    "build",
    "text",
}
USERS_TEXT = {"src/hopyard/query/sql.py"}
"""Here SQL that a user wrote is parsed; nothing else in the source parses statements."""


def is_put_together(value: ast.expr, assigned: dict[str, list[ast.expr]]) -> bool:
    """Return whether an expression is text with parts filled in, itself or by way of a local name."""
    if isinstance(value, ast.Name):
        return any(is_put_together(other, {}) for other in assigned.get(value.id, []))
    if isinstance(value, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) for part in value.values)
    if isinstance(value, ast.BinOp):
        return isinstance(value.op, (ast.Add, ast.Mod))
    if isinstance(value, ast.Call):
        is_text = isinstance(value.func, ast.Attribute) and value.func.attr in (
            "format",
            "format_map",
            "join",
            "replace",
        )
        return is_text or any(is_put_together(argument, assigned) for argument in value.args)
    return False


def calls_with_text_put_together(tree: ast.AST) -> Iterator[int]:
    """Yield the lines of calls that take SQL and are given text with parts filled in."""
    functions = [
        node
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Module))
    ]
    for function in functions:
        assigned: dict[str, list[ast.expr]] = {}
        for node in ast.walk(function):
            if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)) and node.value is not None:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                value = (
                    node.value
                    if not isinstance(node, ast.AugAssign)
                    else ast.BinOp(node.target, node.op, node.value)
                )
                for target in targets:
                    if isinstance(target, ast.Name):
                        assigned.setdefault(target.id, []).append(value)
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and _called(node) in TAKES_SQL:
                given = [*node.args, *(keyword.value for keyword in node.keywords)]
                if any(is_put_together(argument, assigned) for argument in given):
                    yield node.lineno


def _called(call: ast.Call) -> str:
    if ast.unparse(call.func) == "ast.parse":  # it takes Python
        return ""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


WITHOUT_TREES = {
    "src/hopyard/online/sql.py",
    "src/hopyard/online/postgresql.py",
    "src/hopyard/online/mysql.py",
}
"""Services import these, and no sqlglot: the only names in their statements are checked (network.checked_id)."""


def test_no_sql_is_put_together_as_text() -> None:
    """Names and values reach SQL as identifiers and literals of a tree, or as parameters."""
    found = {
        f"{shown(path)}:{line}"
        for path in MODULES
        if shown(path) not in WITHOUT_TREES
        for line in calls_with_text_put_together(ast.parse(path.read_text()))
    }
    assert found == set()


def test_statements_are_parsed_only_where_they_are_a_users() -> None:
    found = {
        shown(path)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and _called(node) in ("parse", "parse_one", "maybe_parse")
        and "sqlglot" in ast.dump(node.func)
    }
    assert found == USERS_TEXT


@pytest.mark.parametrize(
    ("code", "is_found"),
    [
        ("c.execute(f'select {x}')", True),
        ("c.sql('select ' + x)", True),
        ("c.sql('select %s' % x)", True),
        ("sqlglot.parse_one('select {}'.format(x))", True),
        ("def f(c, x):\n    s = f'select {x}'\n    c.sql(s)", True),
        ("def f(c, x):\n    s = 'select '\n    s += x\n    c.execute(s)", True),
        ("c.execute(text(f'select {x}'))", True),
        ("c.execute(', '.join(names))", True),
        ("c.execute('select 1')", False),
        ("c.execute(f'select 1')", False),
        ("def f(c, tree):\n    s = tree.sql('duckdb')\n    c.sql(s)", False),
        ("c.execute(insert(TABLE).values(x))", False),
    ],
)
def test_text_that_is_put_together_is_found(code: str, *, is_found: bool) -> None:
    assert bool(list(calls_with_text_put_together(ast.parse(code)))) == is_found


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))
