"""Where the store is and how it behaves: arguments first, then environment variables, then defaults."""

from __future__ import annotations

import getpass
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlparse

from hopyard.errors import ConfigError

DEFAULT_FOLDER = ".hopyard"
DEFAULT_PROJECT = "default"
LateFeatures = Literal["auto", "always", "never"]
Maintenance = Literal["background", "off"]
MIN_MEMORY_BYTES = 256_000_000


@dataclass(frozen=True, slots=True)
class Config:
    """How a session behaves.

    Attributes:
        root: the store's folder, absolute.
        actor: who is acting, for commits and manifests.
        lock_timeout_seconds: how long a writer waits for another one.
        online_timeout_seconds: how long an insert waits for its rows to be readable online.
        online_url: the online store of new projects; for others it must be theirs. None: the one that a project has.
        memory_limit: of this process for queries, such as "4GB"; None: three quarters of the machine's memory. The
            engine spills to disk, and results stream, within it; a result that is read as one dataframe is on top.
        n_threads: for the query engine; None: one per core.
        trust_file: which stored functions its user trusts, by hash; outside of every store.
        maintenance: whether a group whose files have become many and small is compacted in the background.
        late_features: whether a query joins keys first and fetches the features of the winners afterwards.
            "auto": where that is faster. Results are the same; tests set it.
    """

    root: Path
    actor: str
    lock_timeout_seconds: float = 60.0
    online_timeout_seconds: float = 60.0
    online_url: str | None = None
    memory_limit: str | None = None
    n_threads: int | None = None
    maintenance: Maintenance = "background"
    trust_file: Path = field(default_factory=lambda: default_trust_file())
    late_features: LateFeatures = "auto"

    @property
    def memory_bytes(self) -> int:
        """The memory limit in bytes."""
        if self.memory_limit is not None:
            return parse_bytes(self.memory_limit)
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 3 // 4


def load_config(url: str | os.PathLike[str] | None = None, *, online: str | None = None) -> Config:
    """Return the configuration for a store's URL.

    Args:
        url: a folder (a path, or file://); None: the environment variable HOPYARD_URL, else `./.hopyard`.
        online: URL of the online store; None: the environment variable HOPYARD_ONLINE_URL, if it is set.
    Raises:
        ConfigError: no URL, one with a scheme that this release does not serve, or an option that is no number.
    """
    if not isinstance(url, (str, os.PathLike, type(None))):
        raise ConfigError(f"url={url!r} must be a folder: a path as text or as a Path, or a file:// URL.")
    text = os.fspath(url) if url is not None else os.environ.get("HOPYARD_URL") or DEFAULT_FOLDER
    return Config(
        root=_folder(text),
        actor=os.environ.get("HOPYARD_ACTOR") or _user(),
        lock_timeout_seconds=_number("HOPYARD_LOCK_TIMEOUT", 60.0),
        online_timeout_seconds=_number("HOPYARD_ONLINE_TIMEOUT", 60.0),
        online_url=online or os.environ.get("HOPYARD_ONLINE_URL") or None,
        memory_limit=_memory_limit(),
        n_threads=int(_number("HOPYARD_THREADS", 0)) or None,
        maintenance=_maintenance(),
        trust_file=default_trust_file(),
    )


def parse_bytes(text: str) -> int:
    """Return a size such as "4GB", "512 MiB" or "2e9" in bytes. Raises ConfigError."""
    match = re.fullmatch(r"\s*([0-9.]+(?:e\d+)?)\s*([kmgt]?)(i?)b?\s*", text.lower())
    try:
        if match is None:
            raise ValueError
        number = float(match[1]) * (1024 if match[3] else 1000) ** " kmgt".index(match[2] or " ")
    except ValueError:
        number = 0.0
    if number < MIN_MEMORY_BYTES:
        raise ConfigError(
            f"The memory limit {text!r} is no size of at least {MIN_MEMORY_BYTES // 10**6} MB: "
            f"write it as '4GB' or '512MiB'."
        )
    return int(number)


def _folder(text: str) -> Path:
    if "://" not in text:
        return Path(text).expanduser().absolute()
    parsed = urlparse(text)
    if parsed.scheme == "file" and parsed.netloc in ("", "localhost"):
        return Path(unquote(parsed.path)).absolute()
    raise ConfigError(
        f"A store cannot be opened at {text!r}: this release keeps stores in folders. "
        f"Give a path such as './.hopyard', or file:///path/to/it."
    )


def _memory_limit() -> str | None:
    text = os.environ.get("HOPYARD_MEMORY_LIMIT") or None
    if text is not None:
        parse_bytes(text)
    return text


def _number(name: str, default: float) -> float:
    text = os.environ.get(name)
    if not text:
        return default
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise ConfigError(f"The environment variable {name} is {text!r}: it must be a number of at least 0.")
    return number


def _maintenance() -> Maintenance:
    text = os.environ.get("HOPYARD_MAINTENANCE") or "background"
    if text == "off":
        return "off"
    if text == "background":
        return "background"
    raise ConfigError(
        f"The environment variable HOPYARD_MAINTENANCE is {text!r}: it must be 'background' or 'off'."
    )


def default_trust_file() -> Path:
    text = os.environ.get("HOPYARD_TRUST_FILE")
    folder = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(text or f"{folder}/hopyard/trusted").expanduser().absolute()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
