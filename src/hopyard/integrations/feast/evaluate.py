"""The value of an expression in a definition file, read from its syntax tree. Nothing of the file is run."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from hopyard.integrations.feast.calls import FUNCTIONS, MAX_SIZE
from hopyard.integrations.feast.values import Made, Module, Projection, Symbol, Unreadable, Where

MAX_BITS = 256
"""Of whole numbers: a file could square one in each of its lines."""
MAX_ROUNDS = 20_000
"""Of all loops in a file: they may be nested."""

BUILTINS = {"str", "int", "float", "dict", "list", "tuple", "range"}


class _CannotReadError(Exception):
    """An expression, or a part of it, has no value without running the file."""

    def __init__(self, reason: str, node: ast.AST) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = getattr(node, "lineno", 0)


class Evaluator:
    """Reads the expressions of one file.

    Args:
        names: what the file's names stand for, by now; the caller fills it in the order of the file.
        file: the file, for `__file__`.
        repository: the folder that is Feast's working directory.
    """

    def __init__(self, names: dict[str, object], file: Path, repository: Path) -> None:
        self.names = names
        self.file = file
        self.repository = repository
        self.n_rounds = 0
        """Of all loops so far."""

    def where(self, node: ast.AST) -> Where:
        """Return the line of a node."""
        return Where(str(self.file.relative_to(self.repository)), getattr(node, "lineno", 0))

    def value(self, node: ast.expr) -> object:
        """Return the value of an expression, or `Unreadable`."""
        try:
            return self._value(node)
        except _CannotReadError as error:
            return Unreadable(error.reason, replace(self.where(node), line=error.line))
        except (ArithmeticError, LookupError, OSError, TypeError, ValueError) as error:
            return Unreadable(f"{_shown(node)} fails ({error})", self.where(node))

    def _part(self, node: ast.expr) -> object:
        """Return the value of an argument or an item: one that cannot be read leaves the others readable."""
        return self.value(node)

    def _value(self, node: ast.expr) -> object:
        match node:
            case ast.Constant():
                return node.value
            case ast.Name():
                return self._name(node)
            case ast.List() | ast.Set():
                return self._items(node.elts)
            case ast.Tuple():
                return tuple(self._items(node.elts))
            case ast.ListComp() | ast.GeneratorExp():
                return self._comprehension(node)
            case ast.Dict():
                return self._dict(node)
            case ast.JoinedStr():
                return self._sized("".join(str(self._text_part(part)) for part in node.values), node)
            case ast.UnaryOp():
                return self._unary(node)
            case ast.BinOp():
                return self._binary(node)
            case ast.Attribute():
                return self._attribute(node)
            case ast.Subscript():
                return self._subscript(node)
            case ast.Call():
                return self._call(node)
        raise _CannotReadError(f"{_KINDS.get(type(node), 'this expression')} ({_shown(node)})", node)

    def _known(self, node: ast.expr) -> object:
        """Return a value that must be readable."""
        value = self._value(node)
        if isinstance(value, Unreadable):
            raise _CannotReadError(value.reason, node)
        return value

    def _name(self, node: ast.Name) -> object:
        if node.id == "__file__":
            return str(self.file)
        if node.id in self.names:
            return self.names[node.id]
        if node.id in BUILTINS:
            return Symbol(f"builtins.{node.id}")
        raise _CannotReadError(f"the name {node.id!r} is not assigned in a way that can be read", node)

    def _items(self, nodes: list[ast.expr]) -> list[object]:
        items: list[object] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                items += self._iterated(node.value)
            else:
                items.append(self._part(node))
            self._sized(items, node)
        return items

    def _iterated(self, node: ast.expr) -> list[object]:
        """Return the items of something that a file goes through."""
        values = self._known(node)
        if not isinstance(values, (list, tuple, dict)):
            raise _CannotReadError(f"the items of something that is not read ({_shown(node)})", node)
        return list(values)

    def _comprehension(self, node: ast.ListComp | ast.GeneratorExp) -> object:
        """Return the list that goes through lists and ranges; a condition is not read."""
        kept = dict(self.names)
        try:
            items: list[object] = []
            self._each(node.generators, node.elt, items)
            return items
        finally:  # its names are its own
            self.names.clear()
            self.names.update(kept)

    def _each(self, loops: list[ast.comprehension], item: ast.expr, items: list[object]) -> None:
        if not loops:
            items.append(self._part(item))
            self._sized(items, item)
            return
        loop, *inner = loops
        if loop.ifs or loop.is_async:
            raise _CannotReadError(f"a list comprehension with a condition ({_shown(loop)})", item)
        for value in self._iterated(loop.iter):
            self.n_rounds += 1
            if self.n_rounds > MAX_ROUNDS:
                raise _CannotReadError("loops over too many values", item)
            self._assign(loop.target, value)
            self._each(inner, item, items)

    def _assign(self, target: ast.expr, value: object) -> None:
        if isinstance(target, ast.Name):
            self.names[target.id] = value
        elif (
            isinstance(target, ast.Tuple)
            and isinstance(value, (list, tuple))
            and len(value) == len(target.elts)
        ):
            for name, part in zip(target.elts, value, strict=True):
                self._assign(name, part)
        else:
            raise _CannotReadError(f"a loop over values that are not read ({_shown(target)})", target)

    def _dict(self, node: ast.Dict) -> object:
        found: dict[object, object] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                unpacked = self._known(value)
                if not isinstance(unpacked, dict):
                    raise _CannotReadError(f"unpacking ({_shown(value)})", value)
                found |= unpacked
            else:
                found[self._known(key)] = self._part(value)
        return found

    def _text_part(self, part: ast.expr) -> object:
        if isinstance(part, ast.FormattedValue):
            if part.format_spec is not None or part.conversion not in (-1, ord("s")):
                raise _CannotReadError(f"a formatted value ({_shown(part)})", part)
            value = self._known(part.value)
        else:
            value = self._known(part)
        if not isinstance(value, (str, int, float, Path)):
            raise _CannotReadError(f"a text with a part that is no text or number ({_shown(part)})", part)
        return value

    def _unary(self, node: ast.UnaryOp) -> object:
        value = self._known(node.operand)
        if isinstance(node.op, ast.USub) and isinstance(value, (int, float, timedelta)):
            return -value
        if isinstance(node.op, ast.Not) and isinstance(value, (bool, int, str, list, type(None))):
            return not value
        raise _CannotReadError(f"an operation that is not read ({_shown(node)})", node)

    def _binary(self, node: ast.BinOp) -> object:
        left, right = self._known(node.left), self._known(node.right)
        number = (int, float)
        match node.op, left, right:
            case ast.Add(), str(), str():
                result: object = left + right
            case ast.Add(), list(), list():
                result = left + right
            case ast.BitOr(), dict(), dict():
                result = left | right
            case ast.Div(), Path(), str() | Path():
                result = left / right
            case ast.Add(), timedelta(), timedelta():
                result = left + right
            case ast.Sub(), timedelta(), timedelta():
                result = left - right
            case ast.Mult(), timedelta(), int() | float():
                result = left * right
            case ast.Mult(), int() | float(), timedelta():
                result = left * right
            case ast.Div(), timedelta(), int() | float():
                result = left / right
            case ast.Mod(), str(), str() | int() if _is_plain_format(left):
                result = left % right
            case _ if isinstance(left, number) and isinstance(right, number) and type(node.op) in _ARITHMETIC:
                result = _ARITHMETIC[type(node.op)](left, right)
            case _:
                raise _CannotReadError(f"an operation that is not read ({_shown(node)})", node)
        return self._sized(result, node)

    def _sized(self, value: object, node: ast.AST) -> object:
        is_long = isinstance(value, (str, list, dict)) and len(value) > MAX_SIZE
        if is_long or (isinstance(value, int) and value.bit_length() > MAX_BITS):
            raise _CannotReadError("a value that is too large to be a definition", node)
        return value

    def _attribute(self, node: ast.Attribute) -> object:
        value = self._known(node.value)
        if isinstance(value, Symbol):
            return Symbol(f"{value.path}.{node.attr}")
        if isinstance(value, Module) and node.attr in value:
            return value[node.attr]
        if isinstance(value, Path) and node.attr in ("parent", "name", "stem", "parents"):
            return list(value.parents) if node.attr == "parents" else getattr(value, node.attr)
        if isinstance(value, Made) and node.attr in value.kwargs:
            return value.kwargs[node.attr]
        raise _CannotReadError(f"an attribute that is not read ({_shown(node)})", node)

    def _subscript(self, node: ast.Subscript) -> object:
        value, index = self._known(node.value), self._known(node.slice)
        if isinstance(value, Symbol) and value.package == "feast":  # Array[Int64]
            return Made(value.name, (index,), {}, self.where(node))
        if isinstance(value, Made):
            features = [index] if isinstance(index, str) else index
            if isinstance(features, list) and all(isinstance(name, str) for name in features):
                return Projection(value, tuple(features))
            raise _CannotReadError(f"a selection of features that is not read ({_shown(node)})", node)
        if isinstance(value, dict):
            return value[index]
        if isinstance(value, (list, tuple)) and isinstance(index, int):
            return value[index]
        raise _CannotReadError(f"an item that is not read ({_shown(node)})", node)

    def _call(self, node: ast.Call) -> object:
        if any(keyword.arg is None for keyword in node.keywords):
            spread = [self._known(keyword.value) for keyword in node.keywords if keyword.arg is None]
            if not all(isinstance(value, dict) for value in spread):
                raise _CannotReadError(f"unpacking ({_shown(node)})", node)
        if isinstance(node.func, ast.Attribute):
            method = self._method(node, node.func)
            if method is not None:
                return method
        function = self._known(node.func)
        args = tuple(self._items(node.args))
        kwargs = self._keywords(node)
        if not isinstance(function, Symbol):
            raise _CannotReadError(f"the result of a call ({_shown(node)})", node)
        if function.package == "feast":
            return Made(function.name, args, kwargs, self.where(node))
        known = FUNCTIONS.get(function.path)
        if known is None:
            raise _CannotReadError(f"the result of a call ({_shown(node)})", node)
        for value in (*args, *kwargs.values()):
            if isinstance(value, Unreadable):
                raise _CannotReadError(value.reason, node)
        return self._sized(known(self.repository, args, kwargs), node)

    def _keywords(self, node: ast.Call) -> dict[str, object]:
        found: dict[str, object] = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                spread = self._known(keyword.value)
                assert isinstance(spread, dict)
                found |= {str(name): value for name, value in spread.items()}
            else:
                found[keyword.arg] = self._part(keyword.value)
        return found

    def _method(self, node: ast.Call, function: ast.Attribute) -> object:
        """Return the result of a method of a readable value, or None if this is no such call."""
        target = self.value(function.value)
        args = self._items(node.args)
        name = function.attr
        is_plain = isinstance(target, dict) and not isinstance(target, Module)
        if is_plain and not args and name in ("items", "keys", "values"):
            return [list(item) if name == "items" else item for item in getattr(target, name)()]
        if isinstance(target, (Made, Projection)):
            return self._projected(target, name, args, self._keywords(node), node)
        if isinstance(target, Path):
            if name in ("resolve", "absolute"):
                return Path(os.path.normpath(self.repository / target))
            if name == "joinpath" and all(isinstance(part, (str, Path)) for part in args):
                return target.joinpath(*args)  # type: ignore[arg-type]
            if name in ("as_posix", "__str__"):
                return str(target)
        if isinstance(target, str) and not args and name in ("lower", "upper", "strip"):
            return getattr(target, name)()
        return None

    def _projected(
        self,
        target: Made | Projection,
        name: str,
        args: list[object],
        kwargs: Mapping[str, object],
        node: ast.Call,
    ) -> object:
        projection = target if isinstance(target, Projection) else Projection(target)
        value = next(iter([*args, *kwargs.values()]), None)
        if name == "with_name" and isinstance(value, str):
            return replace(projection, alias=value)
        if name == "with_join_key_map" and isinstance(value, dict):
            return replace(projection, join_key_map={str(key): str(to) for key, to in value.items()})
        raise _CannotReadError(f"the result of a call ({_shown(node)})", node)


def _is_plain_format(text: str) -> bool:
    """Return whether a format has no width: one could be larger than the memory."""
    return re.search(r"%[^sd%]", text) is None


def _shown(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 60 else text[:57] + "..."


_ARITHMETIC: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.Div: lambda left, right: left / right,
    ast.FloorDiv: lambda left, right: left // right,
}

_KINDS: dict[type[ast.expr], str] = {
    ast.DictComp: "a dict comprehension",
    ast.SetComp: "a set comprehension",
    ast.Lambda: "a lambda",
    ast.IfExp: "a choice",
    ast.BoolOp: "a choice",
    ast.Compare: "a comparison",
    ast.Await: "an await",
    ast.Slice: "a slice",
}
