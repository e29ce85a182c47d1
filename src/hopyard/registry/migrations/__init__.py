"""The registry's schema, step by step. `env.py` and `script.py.mako` are what Alembic looks for."""

from __future__ import annotations

import threading

from sqlalchemy import Connection

_alembic_is_busy = threading.Lock()
"""Alembic keeps the migration that it runs in globals of its own modules: one at a time per process."""


def upgrade(connection: Connection) -> None:
    """Bring the schema to the newest revision, in the connection's transaction; do nothing if it is there."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "hopyard.registry:migrations")
    config.attributes["connection"] = connection
    with _alembic_is_busy:
        command.upgrade(config, "head")
