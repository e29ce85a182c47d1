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

HEAVY = ["duckdb", "pandas", "pyarrow", "deltalake", "sqlglot", "sqlalchemy", "numpy", "polars"]
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "core", "base", "manager"}
BANNED_IMPORTS = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
BANNED_CALLS = {"print", "eval", "exec"}
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


@pytest.mark.parametrize("code", ["import hopyard", "import hopyard; dir(hopyard)"])
def test_import_loads_no_heavy_package(code: str) -> None:
    assert loaded_after(code).isdisjoint(HEAVY)


def test_import_loads_few_modules() -> None:
    """Modules are counted, not milliseconds: a count says the same on every machine."""
    assert len(loaded_after("import hopyard") - loaded_after("")) <= 40


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
    assert [shown(path) for path in SOURCE.rglob("*") if path.stem in BANNED_NAMES] == []


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
        f"{shown(path)}:{line}: {name}"
        for path in MODULES
        for line, name in calls_and_imports(ast.parse(path.read_text()))
        if name in banned
    ]
    assert found == []


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


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))
