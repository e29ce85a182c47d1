"""What an expression of a definition file stands for, as far as it can be told without running it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Where:
    """A line of a definition file; the path is relative to the repository. Line 0: a file without lines."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Symbol:
    """A name of another package, by its full path: `feast.types.Int64`, `datetime.timedelta`."""

    path: str

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]

    @property
    def package(self) -> str:
        return self.path.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A value that only running the file could tell, and why."""

    reason: str
    where: Where


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """An object that a constructor (or a decorator) of Feast would make. Each one is itself: `eq` is identity."""

    kind: str
    args: tuple[object, ...]
    kwargs: Mapping[str, object]
    where: Where

    def given(self, *names: str) -> object:
        """Return the first of these keyword arguments that is there; None: none of them."""
        for name in names:
            if self.kwargs.get(name) is not None:
                return self.kwargs[name]
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """A view as a feature service takes it: some of its features, perhaps under another name or other keys."""

    view: Made
    features: tuple[str, ...] | None = None
    alias: str | None = None
    join_key_map: Mapping[str, str] = field(default_factory=dict)


class Module(dict[str, object]):
    """A file of the repository that is imported as a module: what its names stand for."""
