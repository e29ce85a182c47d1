"""Follow the objects of the API through a program's assignments, calls and functions."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from types import ModuleType

from hopyard.compat.absent import PAGE
from hopyard.compat.finder import ROOTS, SHIM, shim_name, submodules
from hopyard.compat.findings import Status
from hopyard.compat.shapes import (
    Kind,
    Own,
    Package,
    Routine,
    Row,
    Several,
    Shape,
    Thing,
    attribute_of,
    dynamic_attribute,
    names_of,
    result_of,
    shape_of,
)
from hopyard.compat.tables import absent_calls

_POSITIONAL_ONLY = inspect.Parameter.POSITIONAL_ONLY
_EITHER_WAY = inspect.Parameter.POSITIONAL_OR_KEYWORD
_VARIABLE = inspect.Parameter.VAR_POSITIONAL


@dataclass(frozen=True, slots=True)
class Use:
    """A use of the API; see `Finding`."""

    line: int
    name: str
    status: Status
    note: str = ""


class Reader:
    """Reads the trees of one program, in order; what it knows of names lasts from one to the next."""

    def __init__(self) -> None:
        self.uses: list[Use] = []
        self._absent = absent_calls()
        self._names: list[dict[str, Shape]] = [{}]
        self._parameters: dict[int, dict[str, Shape]] = {}
        self._returns: dict[int, Shape] = {}
        self._function: ast.AST | None = None

    def read(self, tree: ast.Module) -> None:
        """Follow a script or a cell."""
        self._block(tree.body)

    def _block(self, statements: Iterable[ast.stmt]) -> None:
        later = []
        for statement in statements:
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
                for decorator in statement.decorator_list:
                    self._value(decorator)
                self._names[-1][statement.name] = Own(statement)
                later.append(statement)
            elif isinstance(statement, ast.ClassDef):
                for part in [*statement.bases, *statement.decorator_list]:
                    self._value(part)
                self._block(statement.body)
            else:
                self._statement(statement)
        for function in later:  # their bodies run when the names around them are there
            self._body(function)

    def _body(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        given = self._parameters.get(id(node), {})
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        for default in [*node.args.defaults, *node.args.kw_defaults]:
            if default is not None:
                self._value(default)
        around, self._function = self._function, node
        self._names.append({argument.arg: given.get(argument.arg) for argument in arguments})
        self._block(node.body)
        self._names.pop()
        self._function = around

    def _statement(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Import):
            self._import(node)
        elif isinstance(node, ast.ImportFrom):
            self._import_from(node)
        elif isinstance(node, ast.Assign):
            value = self._value(node.value)
            for target in node.targets:
                self._bind(target, value)
        elif isinstance(node, (ast.AnnAssign, ast.AugAssign)):
            if node.value is not None:
                self._bind(node.target, self._value(node.value))
        elif isinstance(node, (ast.For, ast.AsyncFor)):
            self._bind(node.target, _element(self._value(node.iter)))
            self._block([*node.body, *node.orelse])
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                value = self._value(item.context_expr)
                if item.optional_vars is not None:
                    self._bind(item.optional_vars, self._entered(value))
            self._block(node.body)
        elif isinstance(node, ast.Return):
            value = None if node.value is None else self._value(node.value)
            if value is not None and self._function is not None:
                self._returns[id(self._function)] = value
        elif isinstance(node, (ast.Try, ast.TryStar)):
            self._block(node.body)
            for handler in node.handlers:
                if handler.type is not None:
                    self._value(handler.type)
                self._block(handler.body)
            self._block([*node.orelse, *node.finalbody])
        else:
            for _, field in ast.iter_fields(node):
                for part in field if isinstance(field, list) else [field]:
                    if isinstance(part, ast.expr):
                        self._value(part)
                    elif isinstance(part, ast.stmt):
                        self._block([part])
                    elif isinstance(part, ast.match_case):
                        self._block(part.body)

    def _import(self, node: ast.Import) -> None:
        for alias in node.names:
            module = self._module(alias.name, node.lineno)
            if module is not None:
                root = alias.name.partition(".")[0]
                bound = module if alias.asname else self._module(root, node.lineno, quiet=True)
                self._names[-1][alias.asname or root] = None if bound is None else Package(bound)

    def _import_from(self, node: ast.ImportFrom) -> None:
        if node.level or node.module is None:
            return
        module = self._module(node.module, node.lineno)
        if module is None:
            return
        for alias in node.names:
            if alias.name == "*":
                for name in getattr(module, "__all__", names_of_module(module)):
                    self._names[-1][name] = shape_of(getattr(module, name, None))
                continue
            shape = self._member(module, alias.name, node.lineno, shown=f"{node.module}.{alias.name}")
            self._names[-1][alias.asname or alias.name] = shape

    def _module(self, name: str, line: int, *, quiet: bool = False) -> ModuleType | None:
        target = shim_name(name)
        if target is None:
            absent = self._absent.get(name.partition(".")[0])
            if absent is not None and not quiet:
                self._note(line, name, "absent", absent.nearest)
            return None
        try:
            module = importlib.import_module(target)
        except ModuleNotFoundError:
            if not quiet:
                key, parent = target.removeprefix(f"{SHIM}."), target.rpartition(".")[0]
                self._note(line, name, *self._missing(key, name, submodules(parent)))
            return None
        if not quiet:
            self._note(line, name, "covered")
        return module

    def _missing(self, key: str, name: str, known: Iterable[str]) -> tuple[Status, str]:
        for asked in (key, key.partition(".")[2], name):
            if asked in self._absent:
                return "absent", self._absent[asked].nearest
        close = get_close_matches(key.rpartition(".")[2], list(known), n=1)
        hint = f"Did you mean {close[0]!r}?" if close else f"See docs/{PAGE}."
        return "unknown", hint

    def _member(self, module: ModuleType, name: str, line: int, *, shown: str) -> Shape:
        short = module.__name__.removeprefix(f"{SHIM}.")
        try:
            found = getattr(module, name, None)
            if found is None:
                found = importlib.import_module(f"{module.__name__}.{name}")
        except ImportError:
            self._note(line, shown, *self._missing(f"{short}.{name}", shown, names_of_module(module)))
            return None
        absent = self._absent.get(f"{short}.{name}") or self._absent.get(f"{short.rpartition('.')[2]}.{name}")
        if absent is not None:
            self._note(line, shown, "absent", absent.nearest)
        else:
            self._note(line, shown, "covered")
        return shape_of(found)

    def _bind(self, target: ast.expr, value: Shape) -> None:
        if isinstance(target, (ast.Tuple, ast.List)):
            for index, part in enumerate(target.elts):
                self._bind(
                    part,
                    value.of[index] if isinstance(value, Row) and index < len(value.of) else _element(value),
                )
        elif isinstance(target, ast.Name):
            self._names[-1][target.id] = value
        elif isinstance(target, ast.Attribute):
            self._value(target.value)
            if value is not None:
                self._names[0][ast.unparse(target)] = value
        elif isinstance(target, ast.Subscript):
            self._value(target.value)

    def _value(self, node: ast.expr) -> Shape:
        if isinstance(node, ast.Name):
            return self._find(node.id)
        if isinstance(node, ast.Attribute):
            return self._attribute(node, is_called=False)
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, (ast.Await, ast.NamedExpr)):
            value = self._value(node.value)
            if isinstance(node, ast.NamedExpr):
                self._bind(node.target, value)
            return value
        if isinstance(node, ast.Subscript):
            self._value(node.slice)
            return self._item(self._value(node.value), node.slice)
        if isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)):
            return self._comprehension(node)
        if isinstance(node, (ast.Tuple, ast.List)):
            values = tuple(self._value(part) for part in node.elts)
            return Row(values) if any(values) else None
        if isinstance(node, ast.Dict):
            found = [self._value(part) for part in [*node.values, *(key for key in node.keys if key)]]
            return next((Several(value) for value in found if value is not None), None)
        if isinstance(node, ast.Lambda):
            self._names.append({argument.arg: None for argument in node.args.args})
            self._value(node.body)
            self._names.pop()
            return None
        parts = [self._value(part) for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]
        if isinstance(node, (ast.IfExp, ast.BoolOp)):
            return next((part for part in parts if part is not None), None)
        return None

    def _find(self, name: str) -> Shape:
        return next((names[name] for names in reversed(self._names) if name in names), None)

    def _attribute(self, node: ast.Attribute, *, is_called: bool) -> Shape:
        owner = self._value(node.value)
        if owner is None:
            return self._find(ast.unparse(node))
        if isinstance(owner, Package):
            short = owner.module.__name__.removeprefix(f"{SHIM}.")
            return self._member(owner.module, node.attr, node.lineno, shown=f"{short}.{node.attr}")
        if not isinstance(owner, (Thing, Kind)):
            return None
        thing = owner if isinstance(owner, Thing) else Thing(owner.cls)
        shown = f"{thing.cls.__name__}.{node.attr}"
        for cls in thing.cls.__mro__:
            absent = self._absent.get(f"{cls.__name__}.{node.attr}") or self._absent.get(cls.__name__)
            if absent is not None and not node.attr.startswith("__"):
                self._note(node.lineno, shown, "absent", absent.nearest)
                return None
        has, shape = attribute_of(thing, node.attr)
        if not has:
            shape = dynamic_attribute(thing)
            if is_called or shape is None:
                known = names_of(thing.cls)
                self._note(node.lineno, shown, *self._missing(shown, shown, known))
                return None
            return shape  # such as a feature, which is data and no part of the API
        self._note(node.lineno, shown, "covered")
        return shape

    def _call(self, node: ast.Call) -> Shape:
        function = self._called(node.func)
        values = [argument.value if isinstance(argument, ast.Starred) else argument for argument in node.args]
        given = [self._value(value) for value in values]
        named = {keyword.arg: self._value(keyword.value) for keyword in node.keywords}
        if isinstance(function, Own):
            self._take(function.node, given, named)
            return self._returns.get(id(function.node))
        if isinstance(function, Kind):
            absent = self._absent.get(function.cls.__name__)
            if absent is not None:
                self._note(node.lineno, function.cls.__name__, "absent", absent.nearest)
                return None
            self._check_arguments(node, function.cls.__init__, function.cls.__name__)  # type: ignore[misc]
            return Thing(function.cls)
        if isinstance(function, Routine):
            shown = getattr(function.function, "__name__", "")
            if function.owner is not None:  # by its own class, not by that of which it has the method
                shown = f"{function.owner.cls.__name__}.{shown}"
            self._check_arguments(node, function.function, shown)
            return result_of(function)
        if isinstance(function, Thing):  # an object that is called, such as a function of the store
            _, inner = attribute_of(function, "__call__")
            return result_of(inner) if isinstance(inner, Routine) else None
        return None

    def _called(self, node: ast.expr) -> Shape:
        return self._attribute(node, is_called=True) if isinstance(node, ast.Attribute) else self._value(node)

    def _take(
        self,
        node: ast.FunctionDef | ast.AsyncFunctionDef,
        given: list[Shape],
        named: dict[str | None, Shape],
    ) -> None:
        known = self._parameters.setdefault(id(node), {})
        names = [argument.arg for argument in [*node.args.posonlyargs, *node.args.args]]
        pairs = [*zip(names, given, strict=False), *named.items()]
        known.update({name: shape for name, shape in pairs if name is not None and shape is not None})

    def _check_arguments(self, node: ast.Call, function: object, shown: str) -> None:
        """Note arguments that the function does not take."""
        try:
            parameters = inspect.signature(function).parameters  # type: ignore[arg-type]
        except (TypeError, ValueError):
            return
        if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
            return
        known = [name for name in parameters if name not in ("self", "cls")]
        kinds = [parameters[name].kind for name in known]
        n_taken = sum(kind in (_POSITIONAL_ONLY, _EITHER_WAY) for kind in kinds)
        is_open = _VARIABLE in kinds or any(isinstance(argument, ast.Starred) for argument in node.args)
        if len(node.args) > n_taken and not is_open:
            hint = f"It takes {n_taken} in order, and {len(node.args)} are given."
            self._note(node.lineno, f"{shown}(...)", "unknown", hint)
        for keyword in node.keywords:
            if keyword.arg is not None and keyword.arg not in parameters:
                close = get_close_matches(keyword.arg, known, n=1)
                hint = f"Did you mean {close[0]!r}?" if close else f"It takes: {', '.join(known)}."
                self._note(keyword.value.lineno, f"{shown}({keyword.arg}=)", "unknown", hint)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> Shape:
        self._names.append({})
        for generator in node.generators:
            self._bind(generator.target, _element(self._value(generator.iter)))
            for condition in generator.ifs:
                self._value(condition)
        value = self._value(node.value if isinstance(node, ast.DictComp) else node.elt)
        if isinstance(node, ast.DictComp):
            self._value(node.key)
        self._names.pop()
        return None if value is None else Several(value)

    def _item(self, value: Shape, index: ast.expr) -> Shape:
        if isinstance(value, Row) and isinstance(index, ast.Constant) and isinstance(index.value, int):
            return value.of[index.value] if -len(value.of) <= index.value < len(value.of) else None
        if isinstance(value, Thing):
            _, getter = attribute_of(value, "__getitem__")
            return result_of(getter) if isinstance(getter, Routine) else None
        return _element(value)

    def _entered(self, value: Shape) -> Shape:
        if not isinstance(value, Thing):
            return value
        _, enter = attribute_of(value, "__enter__")
        return (result_of(enter) if isinstance(enter, Routine) else None) or value

    def _note(self, line: int, name: str, status: Status, note: str = "") -> None:
        self.uses.append(Use(line, name, status, note))


def names_of_module(module: ModuleType) -> list[str]:
    """Return a module's public names."""
    return [name for name in dir(module) if not name.startswith("_") and name not in ROOTS]


def _element(value: Shape) -> Shape:
    if isinstance(value, Several):
        return value.of
    if isinstance(value, Row):
        return next((part for part in value.of if part is not None), None)
    return None
