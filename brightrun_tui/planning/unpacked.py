"""Base models that are made on this machine: a directory, whole or absent, that says where its weights come from."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from brightrun_tui.domain import humanize
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BaseModelError, BrightrunError
from brightrun_tui.files import fsync_tree, move_into_place, plain_disk_errors, write_atomic
from brightrun_tui.integrations.packages import install_command, missing_packages
from brightrun_tui.lines import cut, split
from brightrun_tui.process import environment_without_secrets, python
from brightrun_tui.providers.local import disk_free

ORIGIN = "origin.json"
LOOK_SECONDS = 1.0
END_SECONDS = 10.0
BYTES_PER_WEIGHT = 2
MEMORY_PER_WEIGHT = 4.5
"""Bytes in memory while weights are unpacked: as they are read, and as they are written."""
MEMORY_BESIDES = 1 << 30

Progress = Callable[[str, float], None]
"""Called with what is being done and the fraction that is done (0–1). What it raises ends the work."""


class BaseOrigin(BaseModel):
    """``origin.json``, written last: where a base model comes from. ``quantisation``: what the weights were before they were
    unpacked, such as Q4_1, or nothing; ``file``: the GGUF file a person gave; ``files``: name → bytes of all others.
    """

    model_config = ConfigDict(frozen=True)

    source: str
    quantisation: str = ""
    file: str = ""
    files: dict[str, int] = {}


def read_origin(directory: Path) -> BaseOrigin | None:
    """Return what is known about a directory that was made here; None for any other, and for one that is not complete."""
    try:
        origin = BaseOrigin.model_validate_json((directory / ORIGIN).read_bytes())
        whole = all((directory / name).stat().st_size == size for name, size in origin.files.items())
    except (OSError, ValidationError):
        return None
    return origin if whole else None


def make_directory(target: Path, progress: Progress, fill: Callable[[Path], BaseOrigin]) -> None:
    """Have ``fill`` write a base model aside, and give it its name when it is complete and on the disk.

    Several processes may call this at once: one works, the others wait for it. What a killed one left behind is removed.

    Raises:
        BrightrunError: the disk is full or cannot be written; what ``fill`` raises.
    """
    with plain_disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target, progress):
            if read_origin(target):
                return
            for left_over in target.parent.glob(f".{target.name}.*.making"):
                shutil.rmtree(left_over, ignore_errors=True)
            aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".making", dir=target.parent))
            try:
                _publish(aside, target, fill(aside))
            finally:
                shutil.rmtree(aside, ignore_errors=True)


def dequantise(file: Path, directory: Path, weights: int, progress: Progress) -> None:
    """Unpack a GGUF file of so many weights into the empty ``directory``, in a process that may import torch.

    Raises:
        BaseModelError: transformers cannot read it.
        BrightrunError: packages, memory or disk are missing.
    """
    require_room(file, directory, weights)
    program = python("-m", "brightrun_tui.trainer.dequantise", str(file), str(directory))
    process = subprocess.Popen(
        program,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
        env=environment_without_secrets(),
    )
    error = BaseModelError(
        "the weights could not be unpacked",
        where=str(file),
        kind=ErrorKind.GGUF_FAILED,
        fix="there may be too little memory: close other programs and try again, or see brightrun doctor",
    )
    try:
        told: dict[str, Any] = {"what": "unpacking the weights", "fraction": 0.0}
        for line in _lines(process):
            told = json.loads(line) if line else told
            if "error" in told:
                error = BaseModelError(**told["error"])
            else:
                progress(told["what"], told["fraction"])
        if process.wait():
            raise error
    finally:
        end(process)


def _lines(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """Yield what the process writes, line by line; an empty one whenever it says nothing for a second, so that it can
    be ended.
    """
    assert process.stdout
    pipe, rest = process.stdout.fileno(), b""
    while True:
        if not select.select([pipe], [], [], LOOK_SECONDS)[0]:
            yield b""
        elif piece := os.read(pipe, 65536):
            whole, rest = cut(rest + piece)
            yield from split(whole)
        else:
            return


def require_room(file: Path, directory: Path, weights: int) -> None:
    """Raise `BrightrunError` when packages, memory or disk do not suffice to unpack so many weights."""
    if missing := missing_packages():
        raise BrightrunError(
            f"unpacking GGUF weights needs {', '.join(missing)}",
            where=sys.executable,
            fix=f"run: {install_command('train')}",
            kind=ErrorKind.PACKAGES_MISSING,
        )
    wanted, free = int(MEMORY_PER_WEIGHT * weights) + MEMORY_BESIDES, psutil.virtual_memory().available
    if wanted > free:
        raise BrightrunError(
            f"unpacking needs about {humanize.size(wanted)} of memory, and {humanize.size(free)} are free",
            where=str(file),
            fix="close other programs, or take a smaller model",
            kind=ErrorKind.MEMORY_FULL,
        )
    wanted, free = BYTES_PER_WEIGHT * weights, disk_free(directory)
    if wanted > free:
        raise BrightrunError(
            f"the unpacked weights need {humanize.size(wanted)}, and {humanize.size(free)} are free",
            where=str(directory),
            fix="free some space, or let BRIGHTRUN_HOME name a larger disk",
            kind=ErrorKind.DISK_FULL,
        )


def end(process: subprocess.Popen[Any]) -> None:
    """Let it clean up after itself; it has nothing to lose if it does not. It must lead a session of its own."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.stdout:
        process.stdout.close()


def _publish(aside: Path, target: Path, origin: BaseOrigin) -> None:
    sizes = {path.name: path.stat().st_size for path in sorted(aside.iterdir())}
    for path in aside.iterdir():
        path.chmod(0o644)
    write_atomic(
        aside / ORIGIN, origin.model_copy(update={"files": sizes}).model_dump_json(indent=1) + "\n", mode=0o644
    )
    aside.chmod(0o755)
    fsync_tree(aside)
    if target.exists():
        damaged = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".making", dir=target.parent))
        os.rename(target, damaged / target.name)
        shutil.rmtree(damaged, ignore_errors=True)
    move_into_place(aside, target)


@contextmanager
def _alone(target: Path, progress: Progress) -> Iterator[None]:
    """Hold the lock beside the target; while another process works, say so."""
    lock = FileLock(target.with_name(f".{target.name}.lock"))
    while True:
        try:
            lock.acquire(timeout=1.0)
            break
        except Timeout:
            progress("waiting: another process is making this base model", 0.0)
    try:
        yield
    finally:
        lock.release()
