"""Steps that ask for what they need and are sent it, so that blocking and awaited reads share one piece of code."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import TypeVar

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")
Result = TypeVar("Result")


def finish(steps: Generator[Asked, Answer, Result], answer: Callable[[Asked], Answer]) -> Result:
    """Return what the steps return, each answered by `answer`."""
    try:
        asked = next(steps)
        while True:
            asked = steps.send(answer(asked))
    except StopIteration as done:
        result: Result = done.value
        return result


async def afinish(
    steps: Generator[Asked, Answer, Result], answer: Callable[[Asked], Awaitable[Answer]]
) -> Result:
    """Return what the steps return, each answered by `answer`, awaited."""
    try:
        asked = next(steps)
        while True:
            asked = steps.send(await answer(asked))
    except StopIteration as done:
        result: Result = done.value
        return result
