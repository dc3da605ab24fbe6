"""The operating system's keyring, in a process of its own: a locked keyring may hang or ask on the terminal.

Run as ``python -m brightrun_tui.integrations.keyring_process``. One JSON request on stdin, one JSON answer on stdout::

    {"do": "probe"}                                            → {"backend": "module:Class" or ""}
    {"do": "get" | "set" | "delete", "backend", "name", "secret"}  → {"secret": … or null}  or  {"error": "…"}

Only backends that encrypt are taken, by name: never the library's own choice, which may be a plain text file.
"""

from __future__ import annotations

import importlib
import json
import os
import secrets
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

SERVICE = "brightrun"
BACKENDS = {
    "linux": ("keyring.backends.SecretService:Keyring", "keyring.backends.kwallet:DBusKeyring"),
    "darwin": ("keyring.backends.macOS:Keyring",),
    "win32": ("keyring.backends.Windows:WinVaultKeyring",),
}
REFUSED = ("plaintext", "fail", "null", "chainer", "keyrings.alt")


def candidates() -> tuple[str, ...]:
    """Return backends to try here, as ``module:Class``: the one that PYTHON_KEYRING_BACKEND names, else the system's own."""
    named = os.environ.get("PYTHON_KEYRING_BACKEND")
    if named:
        return () if any(word in named.lower() for word in REFUSED) else (":".join(named.rsplit(".", 1)),)
    return BACKENDS.get(sys.platform, ())


def _load(name: str) -> KeyringBackend:
    module, _, attribute = name.partition(":")
    loaded: KeyringBackend = getattr(importlib.import_module(module), attribute)()
    return loaded


def _probe() -> str:
    """Return the first backend that keeps a canary and gives it back."""
    for name in candidates():
        canary, value = f"probe-{secrets.token_hex(4)}", secrets.token_hex(8)
        try:
            backend = _load(name)
            if type(backend).priority <= 0:
                continue
            backend.set_password(SERVICE, canary, value)
            kept = backend.get_password(SERVICE, canary) == value
            backend.delete_password(SERVICE, canary)
        except Exception:  # every backend has its own errors; any of them means that this one is of no use here
            continue
        if kept:
            return name
    return ""


def _act(request: dict[str, Any]) -> dict[str, Any]:
    if request["do"] == "probe":
        return {"backend": _probe()}
    backend = _load(request["backend"])
    if request["do"] == "get":
        return {"secret": backend.get_password(SERVICE, request["name"])}
    if request["do"] == "set":
        backend.set_password(SERVICE, request["name"], request["secret"])
    elif backend.get_password(SERVICE, request["name"]) is not None:
        backend.delete_password(SERVICE, request["name"])
    return {"secret": None}


def main() -> None:
    try:
        answer = _act(json.load(sys.stdin))
    except (
        Exception
    ) as error:  # whatever a backend raises becomes an answer; its class says enough, its text may hold a secret
        answer = {"error": type(error).__name__}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
