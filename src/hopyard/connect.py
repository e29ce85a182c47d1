"""Open a store: choose the implementations by its URL, and hand them down as one session."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from hopyard.config import DEFAULT_PROJECT, Config, load_config
from hopyard.durable import sync
from hopyard.engines.duckdb import DuckDBEngine
from hopyard.errors import ConfigError, ConflictError, NotFoundError
from hopyard.failpoint import Failpoint, around, never_fail
from hopyard.ingest.online_store import PROJECT_KIND, embedded_url, load_project, stored_url
from hopyard.locks import FolderLocks
from hopyard.model.codec import Frozen, from_json, to_json
from hopyard.model.names import check_name
from hopyard.model.specs import ProjectSpec
from hopyard.offline.delta import DeltaOfflineStore
from hopyard.offline.upkeep import DeltaUpkeep
from hopyard.online.network import without_password
from hopyard.online.stores import check_online_url, open_online_store
from hopyard.ports import Record, Registry
from hopyard.project import Project
from hopyard.registry.store import SqlRegistry, sqlite_url
from hopyard.session import Session
from hopyard.time import Clock, system_clock

STORE_FORMAT = 1
ENGINE_SHARE = 0.5
"""Of the memory limit: the rest is for the process itself and for the part of a result that is put together."""
MARKER = "hopyard.json"
_ODD_CHARACTERS = frozenset("*?[]^|%\\")
"""delta-rs panics on some of these or takes the folder for another one; file lists with the others are patterns."""


class StoreMarker(Frozen, frozen=True, kw_only=True):
    """The file that makes a folder a store, and says how to read it."""

    format_version: int = STORE_FORMAT
    created_at_us: int


def login(
    url: str | os.PathLike[str] | None = None, *, project: str | None = None, online: str | None = None
) -> Project:
    """Open a store and return a project of it. A folder that is no store yet becomes one; so does a new project.

    Args:
        url: the store's folder, as a path or file:// URL; None: the environment variable HOPYARD_URL, else
            `./.hopyard`.
        project: its name; None: `default`.
        online: URL of the online store, such as `redis://host:6379/0`; None: the environment variable
            HOPYARD_ONLINE_URL, else the one that the project has. A new project without any has one in its folder. A
            project remembers the URL, without its password.
    Raises:
        ConfigError: a URL that this release does not serve, a folder that holds something else, or an online store
            that is not the project's.
        MissingPackageError: the driver of the online store is not installed.
        InvalidNameError: the project's name.
        FormatVersionError: a store written by a newer Hopyard.
    """
    return Project(open_session(load_config(url, online=online), project=project))


def open_session(
    config: Config,
    *,
    project: str | None = None,
    clock: Clock = system_clock,
    failpoint: Failpoint = never_fail,
    create: bool = True,
) -> Session:
    """Open the store at `config.root` and return a session; for tools and tests, which inject clocks and failpoints.

    Args:
        create: False: the store and the project must be there.
    Raises:
        NotFoundError: not there, and `create` is False. The others: see `login`.
    """
    name = check_name("project", project or DEFAULT_PROJECT)
    _open_folder(config.root, clock, failpoint, create=create)
    registry = SqlRegistry(sqlite_url(config.root / "registry.db"), clock=clock, failpoint=failpoint)
    offline = DeltaOfflineStore(config.root, failpoint=failpoint)
    online_url = _open_project(registry, config, name, create=create)
    return Session(
        project=name,
        config=config,
        clock=clock,
        registry=registry,
        locks=FolderLocks(config.root / "locks"),
        offline=offline,
        upkeep=DeltaUpkeep(offline, failpoint=failpoint),
        online=open_online_store(
            online_url or embedded_url(config.root, name),
            timeout_seconds=config.online_timeout_seconds,
            failpoint=failpoint,
        ),
        engine=DuckDBEngine(
            memory_bytes=int(config.memory_bytes * ENGINE_SHARE),
            n_threads=config.n_threads,
            folder=config.root,
        ),
        failpoint=failpoint,
    )


def _open_folder(root: Path, clock: Clock, failpoint: Failpoint, *, create: bool) -> None:
    marker = root / MARKER
    odd = sorted(set(str(root)) & _ODD_CHARACTERS)
    if odd:
        raise ConfigError(
            f"A store cannot be opened at {str(root)!r}: Delta tables cannot be kept below a folder with "
            f"{' '.join(odd)} in its path. Give a path without."
        )
    if marker.is_file():
        from_json(StoreMarker, marker.read_bytes(), known=STORE_FORMAT, what=f"the store at {root}")
        return
    if not create:
        raise ConfigError(f"There is no store at {root}. Give its folder with --url, or set HOPYARD_URL.")
    if root.exists() and not root.is_dir():
        raise ConfigError(f"A store cannot be opened at {root}: it is a file. Give a folder.")
    if (
        root.is_dir()
        and any(root.iterdir())
        and not (root / "registry.db").exists()
        and not (root / "locks").exists()
    ):
        raise ConfigError(
            f"{root} is a folder with other things in it and no store. Give an empty or new folder, "
            f"such as {root / '.hopyard'}."
        )
    try:
        root.mkdir(parents=True, exist_ok=True)
        (root / "locks").mkdir(exist_ok=True)
        written = root / f"{MARKER}.{os.getpid()}"
        written.write_bytes(to_json(StoreMarker(created_at_us=clock())) + b"\n")
        with around(failpoint, "store_marker_sync"):
            sync(written)
        with around(failpoint, "store_marker_rename"):
            written.replace(marker)
        with around(failpoint, "store_folder_sync"):
            sync(root)
            with suppress(PermissionError):  # of a folder that may be entered, but not listed
                sync(root.parent)
    except OSError as error:
        raise ConfigError(
            f"A store cannot be made at {root}: {error.strerror}. Give a folder you can write to."
        ) from error


def _open_project(registry: Registry, config: Config, name: str, *, create: bool) -> str:
    """Return the URL of a project's online store, with the password that was given; empty: the one in its folder."""
    asked = config.online_url or ""
    if asked:
        check_online_url(asked)
    record = registry.find(name, PROJECT_KIND, name)
    if record is None:
        if not create:
            raise NotFoundError("project", name, [])
        spec = ProjectSpec(name=name, online=stored_url(config.root, name, asked))
        new = Record(
            project=name,
            kind=PROJECT_KIND,
            name=name,
            version=1,
            id=f"project-{name}",
            body=to_json(spec),
            actor=config.actor,
        )
        try:
            record = registry.put(new, expected_revision=0)
        except ConflictError:  # another process was faster
            record = registry.get(name, PROJECT_KIND, name, 1)
    known = load_project(record).online
    if asked and stored_url(config.root, name, asked) != known:
        raise ConfigError(
            f"Project {name!r} keeps its online rows in {known or 'its own folder'}, and "
            f"{without_password(asked)} was given, by online= or HOPYARD_ONLINE_URL. Leave that out, or move the rows: "
            f"hopyard online move URL."
        )
    return asked or known
