"""Online stores by URL: those of Hopyard, and those that other packages offer as entry points."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from hopyard.errors import ConfigError
from hopyard.failpoint import Failpoint, never_fail
from hopyard.ports import OnlineStore

ENTRY_POINTS = "hopyard.online_stores"
"""The group of entry points whose names are URL schemes, and whose objects are such as `open_lmdb` in lmdb.py."""

_BUILT_IN = {
    "lmdb": "hopyard.online.lmdb:open_lmdb",
    "mysql": "hopyard.online.mysql:open_mysql",
    "postgresql": "hopyard.online.postgresql:open_postgresql",
    "redis": "hopyard.online.redis:open_redis",
    "rediss": "hopyard.online.redis:open_redis",
}

OpenStore = Callable[..., OnlineStore]
"""Called with the URL and `timeout_seconds` and `failpoint`; does no I/O."""


def open_online_store(
    url: str, *, timeout_seconds: float = 60.0, failpoint: Failpoint = never_fail
) -> OnlineStore:
    """Return the online store at a URL; no I/O is done before it is used.

    Args:
        url: such as `lmdb:///srv/store/projects/default/online`; docs/reference/configuration.md lists the schemes.
        timeout_seconds: how long a call waits for another writer, or for a server, before it fails.
        failpoint: called at each point of a write at which crash tests end the process.
    Raises:
        ConfigError: no URL, a scheme that nobody serves, or an option that its store does not have.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ConfigError(f"The online store {url!r} is no URL: {error}.") from error
    return _opener(url, parts.scheme)(url, timeout_seconds=timeout_seconds, failpoint=failpoint)


def options_of(parts: SplitResult, known: dict[str, tuple[str, ...]], *, shown: str) -> dict[str, str]:
    """Return the options in a URL's query. Raises ConfigError: one is unknown, or has another value than allowed.

    Args:
        known: the values that each option may have; none: any.
        shown: the URL as messages show it, without a password.
    """
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name, value in options.items():
        if name not in known:
            raise ConfigError(
                f"The online store {shown!r} has no option {name!r}. It has: {', '.join(known) or 'none'}."
            )
        if known[name] and value not in known[name]:
            raise ConfigError(
                f"The option {name}={value} of {shown!r} must be one of: {', '.join(known[name])}."
            )
    return options


def path_of(parts: SplitResult) -> str:
    """Return a URL's path as it is on disk."""
    return unquote(parts.path)


def _opener(url: str, scheme: str) -> OpenStore:
    if scheme in _BUILT_IN:
        module, name = _BUILT_IN[scheme].split(":")
        opener: OpenStore = getattr(import_module(module), name)
        return opener
    from importlib.metadata import entry_points  # slow to import, and seldom needed

    offered = entry_points(group=ENTRY_POINTS)
    for entry in offered:
        if entry.name == scheme:
            found: OpenStore = entry.load()
            return found
    schemes = ", ".join(f"{name}://" for name in sorted({*_BUILT_IN, *offered.names}))
    what = f"has the scheme {scheme!r}, which no store serves" if scheme else "has no scheme"
    raise ConfigError(f"The online store {url.split('@')[-1]!r} {what}. Give one of: {schemes}.")
