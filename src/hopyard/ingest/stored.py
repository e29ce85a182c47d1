"""Changes of a document in the registry that others may change at the same time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from hopyard.errors import ConflictError
from hopyard.model.codec import to_json
from hopyard.ports import Record
from hopyard.session import Session

T = TypeVar("T", bound=msgspec.Struct)


def change_stored(
    session: Session,
    get: Callable[[], Record],
    load: Callable[[Record], T],
    change: Callable[[T], T],
    *,
    label: str,
    max_tries: int,
) -> T:
    """Return a document after a change; decided anew when somebody else changed it in between.

    Raises:
        NotFoundError: `get` finds it gone.
        ConflictError: others were faster every time.
    """
    for _ in range(max_tries):
        stored = get()
        changed = change(load(stored))
        record = msgspec.structs.replace(stored, body=to_json(changed), actor=session.actor)
        try:
            session.registry.put(record, expected_revision=stored.revision)
            return changed
        except ConflictError:
            continue
    raise ConflictError(f"{label!r} was changed by others {max_tries} times in a row. Try again.")
