"""A version of a Delta table that changes no rows: written by us, because delta-rs has no call for it.

A version is visible when its file has its name, all of it or nothing, and nobody else can have taken that name: it is
written under another name, forced to disk and linked, as delta-rs does on a local disk.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from hopyard.durable import sync
from hopyard.errors import ConflictError
from hopyard.failpoint import Failpoint, around
from hopyard.offline.log import FOLDER

WRITER_APP = "hopyard.writer"
DRAFT_SUFFIX = ".draft"


def publish(
    table: Path,
    number: int,
    operation: str,
    *,
    now_us: int,
    failpoint: Failpoint,
    facts: Mapping[str, Any] | None = None,
    actions: Iterable[Mapping[str, Any]] = (),
) -> None:
    """Write version `number` of the table in a folder, durable on return.

    Args:
        operation: what a history of the table calls it.
        facts: more of the version's information, as `hopyard.` keys.
        actions: Delta's add and remove actions.
    Raises:
        ConflictError: the version exists: somebody else was faster.
    """
    now_ms = now_us // 1_000
    information = {"timestamp": now_ms, "operation": operation, "operationParameters": {}, **(facts or {})}
    transaction = {"appId": WRITER_APP, "version": number, "lastUpdated": now_ms}
    lines = [{"commitInfo": information}, {"txn": transaction}, *actions]
    draft = table / FOLDER / f".{uuid.uuid4().hex}{DRAFT_SUFFIX}"
    try:
        draft.write_bytes(b"\n".join(msgspec.json.encode(line) for line in lines) + b"\n")
        with around(failpoint, "version_draft_sync"):
            sync(draft)
        with around(failpoint, "version_link"):
            os.link(draft, table / FOLDER / f"{number:020}.json")
    except FileExistsError as error:
        raise ConflictError(
            f"Version {number} of the table at {table} was written by somebody else."
        ) from error
    finally:
        draft.unlink(missing_ok=True)
    with around(failpoint, "version_sync"):
        sync(table / FOLDER)
