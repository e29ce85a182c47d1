"""The source of a user's function as it is stored: the function alone, and the imports that it needs.

A function is stored as text, never pickled. So it must be whole: what it uses of the module around it can be imported,
and nothing else.
"""

from __future__ import annotations

import ast
import builtins
import importlib.util
import inspect
import linecache
import symtable
import sys
import textwrap
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any

from hopyard.errors import UserFunctionError

_MISSING = object()


def read_parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return the parameters of a function, each of which takes a feature.

    Raises:
        UserFunctionError: it is no plain function, or has other parameters than plain ones without default.
    """
    if not isinstance(function, FunctionType) or function.__name__ == "<lambda>":
        raise UserFunctionError(
            f"hopyard.udf takes a function that was written with def; {function!r} is a "
            f"{'lambda' if isinstance(function, FunctionType) else type(function).__name__}."
        )
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise _refused(function, "is async: it would have to wait for something. Write it with plain def")
    if inspect.isgeneratorfunction(function):
        raise _refused(function, "yields: return the result instead, several as a tuple")
    parameters = inspect.signature(function).parameters.values()
    for parameter in (given.replace(annotation=given.empty) for given in parameters):
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.KEYWORD_ONLY):
            raise _refused(
                function, f"has the parameter {str(parameter)!r}: give each feature a plain parameter"
            )
        if parameter.default is not parameter.empty:
            raise _refused(
                function, f"has a default, {str(parameter)!r}: put constants inside of the function"
            )
    if not parameters:
        raise _refused(function, "has no parameters: it must take at least one feature")
    return tuple(parameter.name for parameter in parameters)


def read_source(function: FunctionType) -> str:
    """Return the imports that a function needs, sorted, and the function without its decorator, dedented.

    Raises:
        UserFunctionError: there is no source, or it uses something that cannot be stored with it.
    """
    if function.__code__.co_freevars:
        raise _refused(
            function,
            f"captures {', '.join(map(repr, function.__code__.co_freevars))} of the function around it, which is not "
            f"stored with it: put it inside, or take it as a feature",
        )
    definition, text = _definition(function)
    lines: set[str] = set()
    for name in sorted(_globals(definition)):
        if name in function.__globals__:
            if name != function.__name__:
                lines.update(_imports(name, function.__globals__[name], function, definition))
        elif not hasattr(builtins, name) and name != function.__name__:
            raise _refused(function, f"uses {name!r}, which is defined nowhere: define it inside")
    return "\n".join([*sorted(lines), "", "", text] if lines else [text]) + "\n"


def _definition(function: FunctionType) -> tuple[ast.FunctionDef, str]:
    """Return a function as a tree and as text, without decorators."""
    if hasattr(function, "__wrapped__"):
        raise _refused(function, "has another decorator, which is not stored with it: take it away")
    try:
        text = textwrap.dedent(inspect.getsource(function))
        node = ast.parse(text).body[0]
    except (OSError, TypeError, SyntaxError) as error:
        raise _refused(
            function,
            "has no source that could be stored, as if it were typed at a prompt or made by exec: write it in a file "
            "or in a notebook",
        ) from error
    if not isinstance(node, ast.FunctionDef) or node.name != function.__name__:
        raise _refused(function, "was renamed, or is not what its source defines: write it with def")
    if len(node.decorator_list) > 1:
        raise _refused(function, "has another decorator, which is not stored with it: take it away")
    return node, "\n".join(text.splitlines()[node.lineno - 1 : node.end_lineno])


class _WithoutAnnotations(ast.NodeTransformer):
    """Takes the annotations out of a tree: they are never evaluated."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(value=None)
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)


def _globals(definition: ast.FunctionDef) -> set[str]:
    """Return the names that a function takes from outside, by Python's own rules of scope."""
    tree = ast.parse(ast.unparse(definition)).body[0]
    assert isinstance(tree, ast.FunctionDef)
    tree.decorator_list = []
    bare = ast.unparse(ast.fix_missing_locations(_WithoutAnnotations().visit(tree)))

    def names(table: symtable.SymbolTable) -> Iterator[str]:
        yield from (symbol.get_name() for symbol in table.get_symbols() if symbol.is_global())
        for child in table.get_children():
            yield from names(child)

    (table,) = symtable.symtable(bare, "<function>", "exec").get_children()
    return set(names(table))


def _imports(name: str, value: object, function: FunctionType, definition: ast.FunctionDef) -> Iterator[str]:
    """Yield the import statements that give a name its value again. Raises UserFunctionError: none does."""
    if isinstance(value, ModuleType) and value.__name__ not in ("__main__", function.__module__):
        yield f"import {name}" if value.__name__ == name else f"import {value.__name__} as {name}"
        yield from (f"import {module}" for module in _submodules(name, value, definition))
        return
    for module, original in [*_from_imports(name, function), _home(value)]:
        if module in ("builtins", "__main__", function.__module__):
            continue
        if getattr(sys.modules.get(module), original, _MISSING) is value:
            yield f"from {module} import {original}" + (f" as {name}" if original != name else "")
            return
    raise _refused(
        function,
        f"uses {name!r} ({type(value).__name__}) of the module around it, which is not stored with it: put it inside "
        f"of the function, or import it there",
    )


def _submodules(name: str, module: ModuleType, definition: ast.FunctionDef) -> Iterator[str]:
    """Yield the modules that are used as attributes of a module, such as `linalg` in `scipy.linalg.norm`."""
    for node in ast.walk(definition):
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.insert(0, node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id != name:
            continue
        inner = module
        for part in parts:
            found = getattr(inner, part, None)
            if not isinstance(found, ModuleType) or found.__name__ != f"{inner.__name__}.{part}":
                break
            yield found.__name__
            inner = found


def _from_imports(name: str, function: FunctionType) -> Iterator[tuple[str, str]]:
    """Yield module and name of each `from module import name` in the function's file that binds a name."""
    try:
        tree = ast.parse(_file(function))
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    package = function.__globals__.get("__package__") or ""
                    relative = "." * node.level + (node.module or "")
                    yield importlib.util.resolve_name(relative, package), alias.name


def _home(value: object) -> tuple[str, str]:
    """Return the module and the name that a value says it has."""
    return str(getattr(value, "__module__", None)), str(getattr(value, "__qualname__", None))


def _refused(function: FunctionType, problem: str) -> UserFunctionError:
    return UserFunctionError(f"The function {function.__name__!r} {problem}.")


def _file(function: FunctionType) -> str:
    """Return the text of the file, or of the notebook's cell, in which a function is."""
    return "".join(linecache.getlines(function.__code__.co_filename, function.__globals__))
