"""Detached commands on another machine: the script that starts one exactly once, and what its files tell."""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Mapping, Sequence

import asyncssh

from brightrun_tui.domain.errors import MachineLiesError
from brightrun_tui.hosts.connection import SshConnection

FILE_LIMIT = 256
"""Bytes of a job's ``.rc`` and ``.pid`` that are read; ours have fewer."""
_CODE = re.compile(rb"[0-9]{1,3}")
_PROCESS = re.compile(rb"([1-9][0-9]{0,9})(?: ([0-9]{1,20}))?")

_START = """
cd {directory} || exit 9
if [ "$(cat {name}.token 2>/dev/null)" != {token} ]; then
  {exports}
  setsid nohup sh -c '
    trap : TERM INT HUP USR1 USR2
    mkdir "$0.claim-{token}" 2>/dev/null || exit 0
    rm -f "$0.pid" "$0.rc"
    echo "$$ $(cut -d" " -f22 /proc/$$/stat)" > "$0.pid.part" && mv "$0.pid.part" "$0.pid"
    echo {token} > "$0.token.part" && mv "$0.token.part" "$0.token"
    for old in "$0".claim-*; do [ "$old" = "$0.claim-{token}" ] || rmdir "$old"; done
    "$@"; code=$?
    echo $code > "$0.rc.part" && mv "$0.rc.part" "$0.rc"
  ' {name} {argv} </dev/null >>{name}.log 2>&1 &
fi
n=0
while [ "$(cat {name}.token 2>/dev/null)" != {token} ] && [ $n -lt 100 ]; do sleep 0.05; n=$((n + 1)); done
[ "$(cat {name}.token 2>/dev/null)" = {token} ] && cat {name}.pid
"""
"""The token makes a start that is repeated over a broken connection happen once: the command itself claims it."""


def start_script(directory: str, name: str, argv: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return a script for ``sh -s`` that starts the command, or finds it started, and prints the line of its pid file."""
    exports = "\n  ".join(f"export {key}={shlex.quote(value)}" for key, value in environment.items())
    return _START.format(
        directory=shlex.quote(directory),
        name=shlex.quote(name),
        token=secrets.token_hex(8),
        exports=exports or ":",
        argv=shlex.join(argv),
    )


def exit_code(text: bytes) -> int | None:
    """Return what an ``.rc`` file says, as Python's subprocess gives it (negative: the signal); None while it is empty.

    Raises:
        MachineLiesError: it is none.
    """
    if not text.strip():
        return None
    if not (match := _CODE.fullmatch(text.strip())):
        raise MachineLiesError(f"the exit code of a job is {text[:40]!r}")
    code = int(match[0])
    return 128 - code if code > 128 else code


def pid_and_birth(text: bytes) -> tuple[int, str]:
    """Return what a ``.pid`` file says: the process, and when it was born in the kernel's own count; (0, "") when it is empty.

    Raises:
        MachineLiesError: it names none.
    """
    if not text.strip():
        return 0, ""
    if not (match := _PROCESS.fullmatch(text.strip())):
        raise MachineLiesError(f"the process of a job is {text[:40]!r}")
    return int(match[1]), (match[2] or b"").decode()


async def alive(connection: SshConnection, pid: int, born: str) -> bool:
    """Say whether that very process lives: a zombie does not, nor one that got the same number later."""
    sftp = await connection.sftp()
    try:
        async with sftp.open(f"/proc/{pid}/stat", "rb") as file:
            seen = bytes(await file.read(1024, 0)).decode(errors="replace")
    except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPFailure):
        return False
    fields = seen.rpartition(")")[2].split()
    return len(fields) > 19 and fields[0] != "Z" and born in ("", fields[19])
