"""The user's project: the unit of tenancy."""

from __future__ import annotations

from collections.abc import Sequence

from hopyard.feature_store import FeatureStore
from hopyard.ingest.online_store import move_online_store
from hopyard.observe.report import Report
from hopyard.observe.verify import verify
from hopyard.session import Session


class Project:
    """A project of a store. Made by `hopyard.login`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def name(self) -> str:
        """The project's name."""
        return self._session.project

    @property
    def location(self) -> str:
        """The store's folder."""
        return str(self._session.root)

    @property
    def session(self) -> Session:
        """What the project's objects work with: stores, engine, clock. For tools and tests."""
        return self._session

    @property
    def online_store(self) -> str:
        """The URL of the online store, without a password."""
        return self._session.online.url

    def move_online_store(self, url: str, *, remove_old: bool = False) -> None:
        """Bring all online rows into another online store, from the offline tables, and remember that store.

        Stop writers and services before, and start them again afterwards: those that are running stay with the old
        store. Log in anew to use the new one from here.

        Args:
            url: such as `redis://host:6379/0`; the store in the project's folder is `lmdb://` and that folder.
            remove_old: remove the rows from the store where they were.
        Raises:
            ConfigError: the project has that store already, or nobody serves such a URL.
            StoreError: the new store cannot be written; the project keeps the old one.
        """
        move_online_store(self._session, url, remove_old=remove_old)

    def get_feature_store(self) -> FeatureStore:
        """Return the project's feature store."""
        return FeatureStore(self._session)

    def verify(self, names: Sequence[str] | None = None) -> Report:
        """Return what the store finds when it checks itself; nothing is changed, and writers may go on.

        Every online row is compared with the offline row of its commit, bit for bit; every commit is read, and the
        size and row count of each of its files; the registry is compared with the tables and folders, and the files of
        training datasets with their checksums.

        Args:
            names: feature groups and feature views, as `name` or `name_version`; None: everything.
        Raises:
            NotFoundError: a name that is neither.
        """
        return verify(self._session, names)

    def __repr__(self) -> str:
        return f"Project({self.name!r} at {self.location!r})"
