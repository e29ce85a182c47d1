"""Work on one thing while the next is being made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
_END = object()


def ahead(items: Iterable[T]) -> Iterator[T]:
    """Yield the items; each next one is made in a thread while the caller works on the one before."""
    iterator = iter(items)
    with ThreadPoolExecutor(1) as pool:
        coming: Future[object] = pool.submit(next, iterator, _END)
        while (ready := coming.result()) is not _END:
            coming = pool.submit(next, iterator, _END)
            yield ready  # type: ignore[misc]
            del ready  # it may be large
