"""What the calling program expects of something that is missing, told from its source."""

from __future__ import annotations

import ast
import linecache
import sys
from types import FrameType


def expects_error(created_by: str) -> bool:
    """Return whether the call stands in a `try` whose `except` makes what is missing.

    The original raised where something was missing, and programs caught that to create it; today it returns None, and
    programs ask for that. Both go on here.

    Args:
        created_by: the call that makes it, such as `create_feature_view`.
    """
    frame = _program_frame()
    if frame is None:
        return False
    try:
        tree = ast.parse("".join(linecache.getlines(frame.f_code.co_filename, frame.f_globals)))
    except SyntaxError:
        return False
    line = frame.f_lineno
    return any(
        node.body[0].lineno <= line <= (node.body[-1].end_lineno or 0)
        and any(_names(handler, created_by) for handler in node.handlers)
        for node in ast.walk(tree)
        if isinstance(node, ast.Try)
    )


def _names(handler: ast.ExceptHandler, call: str) -> bool:
    named = {node.attr for node in ast.walk(handler) if isinstance(node, ast.Attribute)}
    return bool(named & {call, f"get_or_{call}"})


def _program_frame() -> FrameType | None:
    """Return the innermost frame that is not of Hopyard."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith("hopyard."):
        frame = frame.f_back
    return frame
