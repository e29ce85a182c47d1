"""Secrets in an encrypted file of the store."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from hopyard.compat.files import write_atomically
from hopyard.errors import AlreadyExistsError, ConfigError, NotFoundError
from hopyard.require import require
from hopyard.session import Session

KEY_VARIABLE = "HOPYARD_SECRETS_KEY"
_LOCK = "secrets"


class Secret:
    """A name and its value."""

    def __init__(self, name: str, value: str, owner: str, api: SecretsApi) -> None:
        self.name = name
        self.value = value
        self.owner = owner
        self.scope = "PRIVATE"
        self.visibility = "PRIVATE"
        self._api = api

    def delete(self) -> None:
        """Remove the secret."""
        self._api.delete(self.name)

    def __repr__(self) -> str:
        return f"Secret({self.name!r}, 'PRIVATE')"  # never the value


class SecretsApi:
    """Reads and writes the secrets of the store. Needs the extra `compat`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._folder = session.root / "secrets"
        self._file = self._folder / "secrets.fernet"

    def get_secrets(self) -> list[Secret]:
        """Return all secrets, by name."""
        return [self._secret(name, value) for name, value in sorted(self._read().items())]

    def get_secret(self, name: str, owner: str | None = None) -> Secret | None:
        """Return a secret, or None if there is no such one."""
        value = self._read().get(name)
        return None if value is None else self._secret(name, value)

    def get(self, name: str, owner: str | None = None) -> str:
        """Return the value of a secret. Raises NotFoundError."""
        secrets = self._read()
        if name not in secrets:
            raise NotFoundError("secret", name, list(secrets))
        return secrets[name]

    def create_secret(self, name: str, value: str, project: str | None = None) -> Secret:
        """Store a secret, and return it. Raises AlreadyExistsError."""
        with self._held():
            secrets = self._read()
            if name in secrets:
                raise AlreadyExistsError(f"There is a secret {name!r} already. Delete it first to change it.")
            self._write({**secrets, str(name): str(value)})
        return self._secret(name, value)

    def delete(self, name: str, owner: str | None = None) -> None:
        """Remove a secret. Raises NotFoundError."""
        with self._held():
            secrets = self._read()
            if name not in secrets:
                raise NotFoundError("secret", name, list(secrets))
            self._write({other: value for other, value in secrets.items() if other != name})

    def _held(self) -> Any:
        return self._session.locks.hold(_LOCK, timeout_seconds=self._session.config.lock_timeout_seconds)

    def _secret(self, name: str, value: str) -> Secret:
        return Secret(name, value, self._session.actor, self)

    def _read(self) -> dict[str, str]:
        fernet = require("cryptography.fernet", extra="compat")
        if not self._file.is_file():
            return {}
        try:
            content = self._cipher(make=False).decrypt(self._file.read_bytes())
        except fernet.InvalidToken as error:
            raise ConfigError(
                f"The secrets in {self._file} were encrypted with another key. Set {KEY_VARIABLE} to that key, or "
                f"remove the file to begin anew."
            ) from error
        return dict(json.loads(content))

    def _write(self, secrets: dict[str, str]) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        write_atomically(
            self._file, self._cipher(make=True).encrypt(json.dumps(secrets).encode()), mode=0o600
        )

    def _cipher(self, *, make: bool) -> Any:
        fernet = require("cryptography.fernet", extra="compat")
        given = os.environ.get(KEY_VARIABLE)
        path = self._folder / "key"
        if not given and make and not path.is_file():
            write_atomically(path, fernet.Fernet.generate_key(), mode=0o600)
        try:
            return fernet.Fernet(given or _key(path))
        except ValueError as error:
            raise ConfigError(
                f"The key in {KEY_VARIABLE if given else path} is not 32 bytes in URL-safe base64. "
                f"Make one with cryptography.fernet.Fernet.generate_key()."
            ) from error


def _key(path: Path) -> bytes:
    if not path.is_file():
        raise ConfigError(
            f"The key of the secrets is not in {path}. Put it back, or set {KEY_VARIABLE} to it."
        )
    return path.read_bytes()
