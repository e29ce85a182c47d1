"""The functions of the standard library that are known in definition files, by their full names."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

MAX_SIZE = 100_000
"""Of texts and lists, in characters and items: a file could double one in each of its lines."""

Function = Callable[[Path, tuple[object, ...], Mapping[str, object]], object]
"""Takes the repository, which is Feast's working directory, and the arguments."""


def _path(repository: Path, args: tuple[object, ...], kwargs: Mapping[str, object]) -> object:
    return Path(*args)  # type: ignore[arg-type]


def _timedelta(repository: Path, args: tuple[object, ...], kwargs: Mapping[str, object]) -> object:
    return timedelta(*args, **kwargs)  # type: ignore[arg-type]


def _duration(repository: Path, args: tuple[object, ...], kwargs: Mapping[str, object]) -> object:
    seconds, nanos = kwargs.get("seconds", 0), kwargs.get("nanos", 0)
    return timedelta(seconds=seconds, microseconds=nanos / 1_000)  # type: ignore[arg-type,operator]


def _dict(repository: Path, args: tuple[object, ...], kwargs: Mapping[str, object]) -> object:
    return dict(*args, **kwargs)


def _str(repository: Path, args: tuple[object, ...], kwargs: Mapping[str, object]) -> object:
    if len(args) != 1 or not isinstance(args[0], (str, int, float, Path)):
        raise TypeError("it takes a text, a number or a path")
    return str(args[0])


def _list(repository: Path, args: tuple[object, ...], kwargs: Mapping[str, object]) -> object:
    if any(not isinstance(value, (list, tuple, dict)) for value in args):
        raise TypeError("it takes a list")
    return [item for value in args if isinstance(value, (list, tuple, dict)) for item in value]


def _range(repository: Path, args: tuple[object, ...], kwargs: Mapping[str, object]) -> object:
    numbers = range(*args)  # type: ignore[call-overload]
    if len(numbers) > MAX_SIZE:
        raise ValueError("it is too long to be read")
    return list(numbers)


def _of_path(function: Callable[..., str]) -> Function:
    return lambda repository, args, kwargs: function(*args)


def _absolute(repository: Path, args: tuple[object, ...], kwargs: Mapping[str, object]) -> object:
    return os.path.normpath(repository / str(args[0]))


def _working_folder(repository: Path, args: tuple[object, ...], kwargs: Mapping[str, object]) -> object:
    return repository


FUNCTIONS: dict[str, Function] = {
    "builtins.str": _str,
    "builtins.int": lambda repository, args, kwargs: int(*args),  # type: ignore[call-overload]
    "builtins.float": lambda repository, args, kwargs: float(*args),  # type: ignore[arg-type]
    "builtins.dict": _dict,
    "builtins.list": _list,
    "builtins.tuple": _list,
    "builtins.range": _range,
    "datetime.timedelta": _timedelta,
    "google.protobuf.duration_pb2.Duration": _duration,
    "pathlib.Path": _path,
    "pathlib.PurePath": _path,
    "pathlib.Path.cwd": _working_folder,
    "os.getcwd": lambda repository, args, kwargs: str(repository),
    "os.path.join": _of_path(os.path.join),
    "os.path.dirname": _of_path(os.path.dirname),
    "os.path.basename": _of_path(os.path.basename),
    "os.path.normpath": _of_path(os.path.normpath),
    "os.path.abspath": _absolute,
    "os.path.realpath": _absolute,
}
