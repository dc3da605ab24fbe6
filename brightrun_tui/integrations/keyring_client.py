"""Asks the keyring process, and never waits longer than its time limit."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.files import private_directory, write_atomic
from brightrun_tui.paths import Paths
from brightrun_tui.process import environment_without_secrets, python

PROBE_SECONDS = 3.0
ACT_SECONDS = 10.0
PROBE_VALID_SECONDS = 24 * 3600.0
RELEVANT = ("PYTHON_KEYRING_BACKEND", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "XDG_CURRENT_DESKTOP")


def find_backend(paths: Paths) -> str:
    """Return the keyring that works here as ``module:Class``, or "" where there is none. Looked for once a day and session."""
    state = json.dumps([sys.executable, *(os.environ.get(name) for name in RELEVANT)])
    key = hashlib.sha256(state.encode()).hexdigest()[:16]
    memo = paths.cache / "keyring.json"
    try:
        known = json.loads(memo.read_text("utf-8"))
        if known["key"] == key and time.time() - known["at"] < PROBE_VALID_SECONDS:
            return str(known["backend"])
    except (OSError, ValueError, KeyError, TypeError):
        known = None
    try:
        backend = str(_ask({"do": "probe"}, PROBE_SECONDS).get("backend", ""))
    except BrightrunError:
        backend = ""
    try:
        private_directory(paths.cache)
        write_atomic(memo, json.dumps({"key": key, "at": time.time(), "backend": backend}))
    except OSError:
        return backend
    return backend


def act(do: str, backend: str, name: str, secret: str = "") -> str | None:
    """Get, set or delete a secret.

    Raises:
        BrightrunError: the keyring refuses or does not answer in time.
    """
    answer = _ask({"do": do, "backend": backend, "name": name, "secret": secret}, ACT_SECONDS)
    if "error" in answer:
        raise BrightrunError(
            f"the keyring refuses ({answer['error']})",
            where=backend.partition(":")[0],
            fix="unlock the keyring, or give the credential as an environment variable",
            kind=ErrorKind.KEYRING_REFUSED,
        )
    return answer.get("secret")


def _ask(request: dict[str, Any], seconds: float) -> dict[str, Any]:
    process = subprocess.Popen(
        python("-m", "brightrun_tui.integrations.keyring_process"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        cwd="/",
        env=environment_without_secrets(),
    )
    try:
        output, _ = process.communicate(json.dumps(request), timeout=seconds)
        answer = json.loads(output)
    except subprocess.TimeoutExpired:
        raise BrightrunError(
            "the keyring does not answer",
            where="keyring",
            kind=ErrorKind.KEYRING_REFUSED,
            fix="unlock the keyring, or give the credential as an environment variable",
        ) from None
    except ValueError:
        return {"error": "no answer"}
    finally:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    return answer if isinstance(answer, dict) else {"error": "no answer"}
