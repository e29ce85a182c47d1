"""Users' functions from their source: the one place where stored code runs, and only if it is trusted."""

from __future__ import annotations
import __future__

import linecache
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from hopyard.errors import UntrustedCodeError, UserFunctionError
from hopyard.model.specs import FunctionSpec
from hopyard.trust import is_trusted


def load(function: FunctionSpec) -> Callable[..., Any]:
    """Return a function, made from its source; its hash is computed anew, whatever is stored beside it.

    Raises:
        UntrustedCodeError: this process may not run it.
        UserFunctionError: it needs a module that is not installed.
    """
    if not is_trusted(function.sha256):
        raise UntrustedCodeError(
            f"The function {function.name!r} ({function.sha256[:12]}) was not written in this process, and you have "
            f"not trusted it. Nothing was run. Read its source and trust it with: "
            f"hopyard trust {function.name} --kind function"
        )
    return _compiled(function)


@lru_cache(maxsize=1024)
def _compiled(function: FunctionSpec) -> Callable[..., Any]:
    file = f"<{function.name} {function.sha256[:12]}>"
    # So that tracebacks show its lines.
    linecache.cache[file] = (len(function.source), None, function.source.splitlines(keepends=True), file)
    flags = __future__.annotations.compiler_flag
    names: dict[str, Any] = {"__name__": function.name}
    try:
        exec(compile(function.source, file, "exec", flags=flags, dont_inherit=True), names)  # noqa: S102
    except ImportError as error:
        raise UserFunctionError(f"The function {function.name!r} cannot be used here: {error}.") from error
    made: Callable[..., Any] = names[function.name]
    return made
