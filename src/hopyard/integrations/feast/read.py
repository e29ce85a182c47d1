"""The objects that the files of a Feast repository define, found in their syntax trees. No file is run or imported."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hopyard.integrations.feast.evaluate import Evaluator
from hopyard.integrations.feast.values import Made, Module, Symbol, Unreadable, Where

DECORATORS = {
    "on_demand_feature_view": "OnDemandFeatureView",
    "stream_feature_view": "StreamFeatureView",
    "batch_feature_view": "BatchFeatureView",
}
CONSTRUCTORS = frozenset(
    {
        "Entity",
        "FeatureView",
        "BatchFeatureView",
        "StreamFeatureView",
        "LabelView",
        "OnDemandFeatureView",
        "FeatureService",
        "FeatureTable",
        "Feature",
        "Field",
        "FileSource",
        "PushSource",
        "RequestSource",
        "KafkaSource",
        "KinesisSource",
        "ValueType",
        "Permission",
        "Project",
        *DECORATORS,
    }
)
"""What `from feast import *` brings, and what is looked for where a file's definitions cannot be read."""
SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules", "venv", "site-packages"})


@dataclass(frozen=True, slots=True)
class Unread:
    """A piece of a file that may define something and cannot be read, and why."""

    where: Where
    message: str
    is_broken: bool = False
    """Whether Feast could not read it, either."""


@dataclass(slots=True)
class Found:
    """The objects of a repository that Feast would register, and what could not be read."""

    objects: list[tuple[str, Made]] = field(default_factory=list)
    """Each with the name that it is assigned to, in the order of files and lines."""
    listed: list[Made] = field(default_factory=list)
    """Objects in a list or a dict, and under no name of their own: Feast does not register them."""
    unread: list[Unread] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


def read_definitions(repository: Path) -> Found:
    """Return what the Python files below a folder define."""
    reader = _Reader(repository)
    for file in _files(repository):
        reader.module(file)
    found = reader.found
    seen: set[int] = set()
    marked: set[tuple[Where, str]] = set()
    for names in reader.modules.values():
        for name, value in names.items():
            if isinstance(value, Made) and id(value) not in seen:
                seen.add(id(value))
                found.objects.append((name, value))
            elif isinstance(value, (list, tuple, dict)) and not isinstance(value, Module):
                items = list(value.values()) if isinstance(value, dict) else value
                found.listed += [item for item in items if isinstance(item, Made)]
            elif isinstance(value, Unreadable) and value.reason.startswith("!"):
                marked.add((value.where, value.reason[1:]))
    found.listed = [made for made in dict.fromkeys(found.listed) if id(made) not in seen]
    found.unread += [Unread(where, message) for where, message in marked]
    found.unread.sort(key=lambda unread: (unread.where.file, unread.where.line))
    found.objects.sort(key=lambda pair: (pair[1].where.file, pair[1].where.line))
    found.files = sorted(str(file.relative_to(repository)) for file in reader.modules)
    return found


def _files(repository: Path) -> list[Path]:
    ignored = _ignored(repository)
    found: list[Path] = []
    for folder, folders, files in os.walk(repository):
        here = Path(folder)
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".")
            and name not in SKIPPED_FOLDERS
            and here / name not in ignored
            and not (here / name / "pyvenv.cfg").exists()
        ]
        found += [here / name for name in files if name.endswith(".py") and here / name not in ignored]
    return sorted(found)


def _ignored(repository: Path) -> set[Path]:
    """Return the files and folders that `.feastignore` names, one pattern a line."""
    try:
        lines = (repository / ".feastignore").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return set()
    patterns = [line.split("#")[0].strip().strip("/") for line in lines]
    return {
        path for pattern in patterns if pattern and ".." not in pattern for path in repository.glob(pattern)
    }


class _Reader:
    """Reads each file once, in the order in which files import each other."""

    def __init__(self, repository: Path) -> None:
        self.repository = repository
        self.modules: dict[Path, dict[str, object]] = {}
        self.found = Found()

    def module(self, file: Path) -> dict[str, object]:
        """Return what the names of a file stand for at its end."""
        if file in self.modules:
            return self.modules[file]
        names: dict[str, object] = {}
        self.modules[file] = names  # before it is read: files may import each other in a circle
        try:
            tree = ast.parse(file.read_bytes(), str(file))
            evaluator = Evaluator(names, file, self.repository)
            for statement in tree.body:
                self._statement(statement, evaluator)
        except (SyntaxError, ValueError, OSError) as error:
            line = getattr(error, "lineno", None) or 1
            self._unread(
                Where(str(file.relative_to(self.repository)), line),
                f"this is no Python file: {error}",
                is_broken=True,
            )
        except (RecursionError, MemoryError):
            self._unread(
                Where(str(file.relative_to(self.repository)), 1), "it is nested too deeply to be read"
            )
        return names

    def _unread(self, where: Where, message: str, *, is_broken: bool = False) -> None:
        self.found.unread.append(Unread(where, message, is_broken))

    def _statement(self, node: ast.stmt, evaluator: Evaluator) -> None:
        names = evaluator.names
        match node:
            case ast.Import():
                for alias in node.names:
                    self._bind_module(alias, evaluator)
            case ast.ImportFrom():
                self._import_from(node, evaluator)
            case ast.Assign():
                value = self._read(node.value, evaluator)
                for target in node.targets:
                    self._bind(target, value, evaluator)
            case ast.AnnAssign(value=ast.expr() as right):
                self._bind(node.target, self._read(right, evaluator), evaluator)
            case ast.AugAssign(target=ast.Name() as target):
                right = ast.copy_location(
                    ast.BinOp(ast.Name(target.id, ast.Load()), node.op, node.value), node
                )
                names[target.id] = self._read(ast.fix_missing_locations(right), evaluator)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._function(node, evaluator)
            case ast.If() if _is_main(node.test) or _is_type_checking(node.test):
                pass  # Feast imports the file, and does not run it
            case ast.Try():
                for inner in (*node.body, *node.orelse, *node.finalbody):
                    self._statement(inner, evaluator)
            case ast.Expr() | ast.Pass() | ast.Assert() | ast.Delete() | ast.Raise() | ast.Global():
                pass  # nothing is bound to a name, and Feast registers what is
            case _:
                self._hidden(node, evaluator)

    def _read(self, node: ast.expr, evaluator: Evaluator) -> object:
        """Return a value; one that holds constructors and cannot be read is marked, to be reported."""
        value = evaluator.value(node)
        if isinstance(value, Unreadable) and any(_constructors(node, evaluator.names)):
            kinds = ", ".join(sorted(set(_constructors(node, evaluator.names))))
            return Unreadable(f"!{kinds}: {value.reason} cannot be read without running it", value.where)
        return value

    def _bind(self, target: ast.expr, value: object, evaluator: Evaluator) -> None:
        if isinstance(target, ast.Name):
            evaluator.names[target.id] = value
        elif isinstance(target, (ast.Tuple, ast.List)):
            is_pairwise = isinstance(value, (tuple, list)) and len(value) == len(target.elts)
            for index, item in enumerate(target.elts):
                if isinstance(value, (tuple, list)) and is_pairwise:
                    self._bind(item, value[index], evaluator)
                else:
                    self._bind(item, Unreadable("an unpacked value", evaluator.where(target)), evaluator)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, evaluator: Evaluator) -> None:
        for decorator in node.decorator_list:
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            symbol = evaluator.value(called)
            if isinstance(symbol, Symbol) and symbol.package == "feast" and symbol.name in DECORATORS:
                made = evaluator.value(decorator) if isinstance(decorator, ast.Call) else None
                args, kwargs = (made.args, dict(made.kwargs)) if isinstance(made, Made) else ((), {})
                arguments = [argument.arg for argument in node.args.args]
                evaluator.names[node.name] = Made(
                    DECORATORS[symbol.name],
                    args,
                    {"name": node.name, **kwargs, "udf": node.name, "udf_arguments": arguments},
                    evaluator.where(node),
                )
                return
        evaluator.names[node.name] = Unreadable(
            f"the result of the function {node.name}()", evaluator.where(node)
        )
        self._hidden(node, evaluator)

    def _hidden(self, node: ast.stmt, evaluator: Evaluator) -> None:
        """Report the constructors in a statement that is not followed."""
        kinds = sorted(set(_constructors(node, evaluator.names)))
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                evaluator.names[inner.id] = Unreadable(
                    f"the name {inner.id!r} is assigned where it cannot be followed", evaluator.where(inner)
                )
        if kinds:
            place = _PLACES.get(type(node), "a statement that is not followed")
            self._unread(
                evaluator.where(node), f"{', '.join(kinds)} in {place}: it cannot be read without running it"
            )

    def _bind_module(self, alias: ast.alias, evaluator: Evaluator) -> None:
        package, *rest = alias.name.split(".")
        own = None if package == "feast" else self._own_file(alias.name, 0, evaluator.file)
        if own is None:
            evaluator.names[alias.asname or package] = Symbol(alias.name if alias.asname else package)
        elif alias.asname:
            evaluator.names[alias.asname] = Module(self.module(own))
        else:  # `import a.b` binds a, which has b
            outer = self._own_file(package, 0, evaluator.file)
            top = evaluator.names.get(package)
            if not isinstance(top, Module):
                top = Module(self.module(outer)) if outer else Module()
            evaluator.names[package] = inner = top
            for part in rest[:-1]:
                found = inner.get(part)
                inner[part] = inner = found if isinstance(found, Module) else Module()
            if rest:
                inner[rest[-1]] = Module(self.module(own))

    def _import_from(self, node: ast.ImportFrom, evaluator: Evaluator) -> None:
        module = node.module or ""
        own = (
            None
            if module.partition(".")[0] == "feast"
            else self._own_file(module, node.level, evaluator.file)
        )
        known = self.module(own) if own else {}
        for alias in node.names:
            name = alias.asname or alias.name
            if alias.name == "*":
                if own:
                    evaluator.names.update(known)
                elif module == "feast":
                    evaluator.names.update({kind: Symbol(f"feast.{kind}") for kind in CONSTRUCTORS})
                elif module.startswith("feast."):
                    evaluator.names.update({kind: Symbol(f"{module}.{kind}") for kind in FEAST_TYPES})
            elif own and alias.name in known:
                evaluator.names[name] = known[alias.name]
            elif own and (
                inner := self._own_file(f"{module}.{alias.name}".lstrip("."), node.level, evaluator.file)
            ):
                evaluator.names[name] = Module(self.module(inner))
            elif own:
                evaluator.names[name] = Unreadable(
                    f"{alias.name!r} is not assigned in {own.relative_to(self.repository)}",
                    evaluator.where(node),
                )
            else:
                beside = self._own_file(f"{module}.{alias.name}".lstrip("."), node.level, evaluator.file)
                evaluator.names[name] = (
                    Module(self.module(beside))
                    if beside and module != "feast"
                    else Symbol(f"{module}.{alias.name}")
                )

    def _own_file(self, module: str, level: int, file: Path) -> Path | None:
        """Return the file of the repository that an import means; None: it is another package."""
        parts = [part for part in module.split(".") if part]
        if level:
            folders = [Path(os.path.normpath(file.parent / Path(*[".."] * (level - 1))))]
            tails = [parts]
        else:
            folders = [self.repository, file.parent]
            # the folder of the repository may itself be a package, such as in `from my_repo.entities import driver`
            tails = [parts, parts[1:]] if parts[:1] == [self.repository.name] else [parts]
        for folder in folders:
            for tail in tails:
                for path in (
                    folder.joinpath(*tail).with_suffix(".py") if tail else None,
                    folder.joinpath(*tail, "__init__.py"),
                ):
                    if path and path.is_file() and path.is_relative_to(self.repository):
                        return path
        return None


FEAST_TYPES = (
    *("Int32", "Int64", "Float32", "Float64", "String", "Bytes", "Bool", "UnixTimestamp", "Array"),
    *("Invalid", "PdfBytes", "ImageBytes", "Map", "Json", "Struct", "Set", "Uuid", "Decimal"),
)


def _constructors(node: ast.AST, names: dict[str, object]) -> Iterator[str]:
    """Yield the names of Feast's constructors that are called somewhere in a node."""
    for inner in ast.walk(node):
        if not isinstance(inner, ast.Call):
            continue
        if isinstance(inner.func, ast.Name):
            symbol = names.get(inner.func.id)
            if isinstance(symbol, Symbol) and symbol.package == "feast" and symbol.name in CONSTRUCTORS:
                yield symbol.name
        elif isinstance(inner.func, ast.Attribute) and isinstance(inner.func.value, ast.Name):
            symbol = names.get(inner.func.value.id)
            if isinstance(symbol, Symbol) and symbol.package == "feast" and inner.func.attr in CONSTRUCTORS:
                yield inner.func.attr


def _is_main(test: ast.expr) -> bool:
    return "__name__" in ast.unparse(test)


def _is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test).endswith("TYPE_CHECKING")


_PLACES: dict[type[ast.stmt], str] = {
    ast.FunctionDef: "a function",
    ast.AsyncFunctionDef: "a function",
    ast.ClassDef: "a class",
    ast.If: "an if",
    ast.For: "a loop",
    ast.While: "a loop",
    ast.With: "a with statement",
    ast.Match: "a match statement",
}
