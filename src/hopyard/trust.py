"""Which code of users may run: what was written in this process, and what its user trusts by hash in a file of theirs.

The file is outside of every store, because a store that brings code along must not bring the trust in it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from hopyard.durable import sync
from hopyard.errors import ConfigError, UntrustedCodeError

_LINE = re.compile(r"([0-9a-f]{64})(\s.*)?")
_trusted: set[str] = set()
"""Hashes that this process may run. It only grows: code that ran cannot be taken back."""


def trust_here(sha256: str) -> None:
    """Let this process run a function: it was written in it, or found in the user's trust file."""
    _trusted.add(sha256)


def is_trusted(sha256: str) -> bool:
    """Return whether this process may run the function with this hash."""
    return sha256 in _trusted


def require_trust(
    functions: Mapping[str, str], *, trust_file: Path, store: Path, owner: str, command: str
) -> None:
    """Let this process run functions, if all of them are trusted.

    Args:
        functions: the name of each by its hash.
        trust_file: the user's.
        store: the folder of the store that the functions come from.
        owner: what runs them, such as "feature view 'delays_1'".
        command: what trusts them.
    Raises:
        UntrustedCodeError: one of them is not trusted; the message names each.
        ConfigError: the trust file is in the store, or holds something else than hashes.
    """
    unknown = {sha256: name for sha256, name in functions.items() if not is_trusted(sha256)}
    if not unknown:
        return
    known = read_trusted(trust_file, store=store)
    missing = [f"{name!r} ({sha256[:12]})" for sha256, name in unknown.items() if sha256 not in known]
    if missing:
        raise UntrustedCodeError(
            f"The {owner} runs {', '.join(missing)}, code that is stored with it: it was not written in this process, "
            f"and you have not trusted it. Nothing was run or written. Import the module that defines it, or read the "
            f"source and trust it with: {command}"
        )
    _trusted.update(unknown)


def read_trusted(trust_file: Path, *, store: Path) -> frozenset[str]:
    """Return the hashes in a user's trust file; none if there is no file. Raises ConfigError."""
    if trust_file.resolve().is_relative_to(store.resolve()):
        raise ConfigError(
            f"The trust file {trust_file} is in the store, which could then say itself that its code is to be trusted. "
            f"Set HOPYARD_TRUST_FILE to a file elsewhere, or leave it unset."
        )
    if not trust_file.exists():
        return frozenset()
    found = set()
    for number, line in enumerate(trust_file.read_text().splitlines(), start=1):
        match = _LINE.fullmatch(line.strip())
        if match is not None:
            found.add(match[1])
        elif line.strip() and not line.startswith("#"):
            raise ConfigError(
                f"Line {number} of the trust file {trust_file} begins with no SHA-256: {line[:60]!r}. Remove the line."
            )
    return frozenset(found)


def add_trusted(trust_file: Path, functions: Mapping[str, str], *, store: Path) -> None:
    """Add functions (names by hash) to a user's trust file, which only they can read. Raises ConfigError."""
    known = read_trusted(trust_file, store=store)
    lines = [f"{sha256} {name}\n" for sha256, name in functions.items() if sha256 not in known]
    trust_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(trust_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "a") as file:
        file.writelines(lines)
    sync(trust_file)
