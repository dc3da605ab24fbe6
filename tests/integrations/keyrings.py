"""Keyrings as they are met in the wild. The product finds them through PYTHON_KEYRING_BACKEND, in a process of its own."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from keyring.backend import KeyringBackend


class Good(KeyringBackend):  # type: ignore[misc]  # mypy does not read keyring
    """Works, and keeps its secrets where the test can look."""

    priority = 5.0

    def _read(self) -> dict[str, str]:
        path = Path(os.environ["TEST_KEYRING"])
        return json.loads(path.read_text()) if path.exists() else {}

    def get_password(self, service: str, username: str) -> str | None:
        return self._read().get(f"{service}/{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        Path(os.environ["TEST_KEYRING"]).write_text(json.dumps(self._read() | {f"{service}/{username}": password}))

    def delete_password(self, service: str, username: str) -> None:
        left = {key: value for key, value in self._read().items() if key != f"{service}/{username}"}
        Path(os.environ["TEST_KEYRING"]).write_text(json.dumps(left))


class Hanging(Good):
    """Waits for a dialogue that nobody sees."""

    def set_password(self, service: str, username: str, password: str) -> None:
        Path(os.environ["TEST_KEYRING"]).write_text(json.dumps({"pid": os.getpid()}))
        time.sleep(600)


class Locked(Good):
    def set_password(self, service: str, username: str, password: str) -> None:
        raise RuntimeError(f"locked; cannot keep {password}")


class Plaintext(Good):
    """Would work, and would keep secrets readable for everybody."""
