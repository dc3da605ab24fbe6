"""The process that keeps one vLLM for all endpoints of one base: ``python -m brightrun_tui.serving.vllm_keeper DIRECTORY``.

DIRECTORY holds what was asked for (``command.json``), the keeper and its vLLM by their pids (``keeper.json``), vLLM's socket,
and in ``members/`` a file for every worker that uses it, locked for as long as that worker lives and naming its adapter. An
adapter that no living worker names is unloaded; where no worker is left, vLLM ends, and so does the keeper. Whatever is done to
adapters and members is done under one lock. vLLM imports nothing of ours: its command may belong to another environment than
this program's.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from filelock import FileLock

from brightrun_tui.files import write_atomic
from brightrun_tui.process import begin_privately, born, is_still
from brightrun_tui.serving.process import environment
from brightrun_tui.serving.worker_files import SOCKET

BASE_NAME = "base"
"""What vLLM calls the base without an adapter."""
COMMAND, KEEPER, MEMBERS, CHANGING, ENDED = "command.json", "keeper.json", "members", "changing.lock", "ended"
GRACE_SECONDS = 3.0
"""For vLLM to end in, once asked; less than whoever ends a worker waits for it."""
LOOK_SECONDS = 0.2
_NOT_HANDED_DOWN = ("PYTHONPATH", "TORCHDYNAMO_DISABLE", "OMP_WAIT_POLICY")
"""What is meant for our own processes: another environment has its own packages, and vLLM does compile."""
_RUNTIME_ADAPTERS = {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True"}
"""Adapters come and go while it runs. Only this user reaches its socket, and nobody but worker and keeper asks for that."""
_PARENT_DEATH = 1  # PR_SET_PDEATHSIG


def main(directory: Path) -> int:
    """Keep vLLM until nobody uses it any longer, or it has ended by itself."""
    begin_privately()
    os.chdir(directory)
    _end_left_over()
    Path(ENDED).unlink(missing_ok=True)
    Path(SOCKET).unlink(missing_ok=True)
    vllm = subprocess.Popen(
        json.loads(Path(COMMAND).read_bytes()),
        env=_environment(),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_end_with_parent(),
    )
    try:
        _say(vllm.pid)
        while vllm.poll() is None:
            if not _members_are_left(vllm):
                return 0
            time.sleep(LOOK_SECONDS)
    except BaseException:
        _end(vllm)
        raise
    write_atomic(Path(ENDED), words_for(vllm.returncode))
    _end(vllm)
    return 1


def alive(directory: Path) -> bool:
    """Say whether the keeper of ``directory`` runs."""
    try:
        kept = json.loads((directory / KEEPER).read_bytes())
        return is_still(int(kept["pid"]), float(kept["started"]))
    except (OSError, ValueError, KeyError):
        return False


def names_at(client: httpx.Client) -> list[str] | None:
    """Return the models that vLLM names; None while it does not answer."""
    with suppress(httpx.HTTPError, ValueError, TypeError, KeyError):
        reply = client.get("/v1/models")
        if reply.status_code == 200:
            return [str(one["id"]) for one in reply.json()["data"]]
    return None


def connection() -> httpx.Client:
    """Return a client of vLLM, over the socket in the current directory."""
    return httpx.Client(transport=httpx.HTTPTransport(uds=SOCKET), base_url="http://engine", timeout=60.0)


def words_for(code: int) -> str:
    """Say how a process ended: “exit code 2”."""
    return f"{'signal' if code < 0 else 'exit code'} {abs(code)}"


def _members_are_left(vllm: subprocess.Popen[bytes]) -> bool:
    """Forget members that are gone, with adapters that nobody else uses; where none is left, end vLLM and say no."""
    gone = [path for path, lives in _members() if not lives]
    if not gone and any(lives for _, lives in _members()):
        return True
    with FileLock(CHANGING):
        members = list(_members())
        living = {path.read_text() for path, lives in members if lives}
        if living:
            _unload_others(living)
        else:
            _end(vllm)
            Path(KEEPER).unlink(missing_ok=True)  # whoever comes next starts another one
        for path, lives in members:
            if not lives:
                path.unlink(missing_ok=True)
        return bool(living)


def _members() -> Iterator[tuple[Path, bool]]:
    """Yield each with whether its worker lives."""
    for path in sorted(Path(MEMBERS).iterdir()):
        with suppress(FileNotFoundError), path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield path, True
            else:
                yield path, False


def _unload_others(living: set[str]) -> None:
    """Unload every adapter but these. One that vLLM had put aside cannot be unloaded, and takes nothing."""
    with connection() as client:
        for name in names_at(client) or []:
            if name != BASE_NAME and name not in living:
                with suppress(httpx.HTTPError):
                    client.post("/v1/unload_lora_adapter", json={"lora_name": name})


def _say(vllm: int) -> None:
    ours = os.getpid()
    document = {"pid": ours, "started": born(ours), "vllm": vllm, "vllm_started": born(vllm)}
    write_atomic(Path(KEEPER), json.dumps(document))


def _end_left_over() -> None:
    """End the vLLM of a keeper that was killed: the kernel has asked it to end, but may not have been obeyed."""
    with suppress(OSError, ValueError, KeyError):
        kept = json.loads(Path(KEEPER).read_bytes())
        if is_still(int(kept["vllm"]), float(kept["vllm_started"])):
            os.killpg(int(kept["vllm"]), signal.SIGKILL)


def _end(vllm: subprocess.Popen[bytes]) -> None:
    """End it and the processes that it started; kill them after `GRACE_SECONDS`."""
    with suppress(ProcessLookupError):
        os.killpg(vllm.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        vllm.wait(GRACE_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(vllm.pid, signal.SIGKILL)
    vllm.wait()


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in environment().items() if name not in _NOT_HANDED_DOWN}
    return kept | _RUNTIME_ADAPTERS


def _end_with_parent() -> Any:
    """Return a function for the child to call: it is asked to end when the keeper dies, whatever killed it."""
    prctl = ctypes.CDLL(None).prctl  # looked up here: between fork and exec as little as possible is done
    return lambda: prctl(_PARENT_DEATH, signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
