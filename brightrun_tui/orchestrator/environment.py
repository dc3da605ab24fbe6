"""What a worker needs on a rented machine: our own code, and the packages it trains or serves with, pinned."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from brightrun_tui import plugins
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import HostError
from brightrun_tui.domain.objective import DEFAULT_OBJECTIVE
from brightrun_tui.domain.run_directory import SETUP_LOG
from brightrun_tui.hosts.ssh import SshHost
from brightrun_tui.orchestrator.targets import Say
from brightrun_tui.planning import shipping
from brightrun_tui.plugins import OURS, Door
from brightrun_tui.resources import resource

PACKAGE = Path(__file__).resolve().parents[1]
HOME = "~/.brightrun"
ROOTS = ("trainer", "domain/objective.py")
"""What is started on a machine, and what is found there by name; everything else is sent because these import it."""
SERVING_ROOTS = (*ROOTS, "serving/remote_worker.py")
"""The same of a machine that serves: what tries its GPU is the trainer's."""
SERVES_WITH = ("accelerate", "fastapi", "starlette", "uvicorn")
"""Besides what training needs, what an interpreter must have that serves; which engine it has is asked later."""

_PIP = re.compile(r"(?:Collecting|Downloading|Using cached|Requirement already satisfied:|Building wheel for) (\S+)")
"""What pip says while it is at work; of its lines only the package is worth showing."""

LOG_PIECE = 256 << 10
"""Of what the setup prints, at most so many bytes are looked at in one round: its end."""

SETUP = Path(__file__).with_name("setup_machine.sh")


def build_archive(directory: Path, objective: str = DEFAULT_OBJECTIVE, root_names: Sequence[str] = ROOTS) -> Path:
    """Return the modules that the worker needs, with the plugin that brings its objective: an archive named by its content.

    Raises:
        UsageError: the objective cannot be sent, or there is none of that name.
    """
    roots = [PACKAGE / name for name in root_names]
    modules = shipping.imported_modules(
        path for root in roots for path in (root.rglob("*.py") if root.is_dir() else [root])
    )
    files = {str(path.relative_to(PACKAGE.parent)): path.read_bytes() for path in modules}
    ours = next(one for one in plugins.registrations() if one.door is Door.OBJECTIVES and one.package == OURS)
    files |= shipping.distribution_files(ours)
    files |= shipping.objective_files(objective)
    digest = hashlib.sha256(
        b"".join(name.encode() + b"\0" + content for name, content in sorted(files.items()))
    ).hexdigest()[:12]
    target = directory / f"brightrun-{digest}.zip"
    if not target.exists():
        directory.mkdir(parents=True, exist_ok=True)
        aside = target.with_suffix(f".{secrets.token_hex(4)}.part")  # two runs may be at this at the same time
        with zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in sorted(files.items()):
                archive.writestr(zipfile.ZipInfo(name), content)
        aside.replace(target)
    return target


async def install(
    host: SshHost,
    cache: Path,
    say: Say,
    *,
    python: str = "",
    poll: float = 2.0,
    objective: str = DEFAULT_OBJECTIVE,
    keep: Callable[[bytes], None] = lambda _piece: None,
    serves: bool = False,
) -> tuple[str, str]:
    """Bring our code and see to the packages. Resumable: done steps are not done again.

    Args:
        objective: of the run; that of a plugin is sent along.
        python: an interpreter on that machine to look at first; used as it is when it has everything.
        keep: takes what the preparation prints there, piece by piece.
        serves: it is to serve a model, not to train one.

    Returns:
        The interpreter to start the worker with, and its PYTHONPATH.

    Raises:
        UsageError: the objective cannot be sent.
        HostError: the machine cannot be prepared, with its own last words.
    """
    archive = await asyncio.to_thread(build_archive, cache, objective, SERVING_ROOTS if serves else ROOTS)
    await host.put(archive, f"{HOME}/{archive.name}")
    pins = await asyncio.to_thread(resource("constraints.txt").read_bytes)
    wanted = shipping.machine_requirements(shipping.SERVING if serves else shipping.TRAINING)
    packages = (*shipping.worker_packages(), *(SERVES_WITH if serves else ()))
    stamp = hashlib.sha256(pins + wanted.encode() + python.encode()).hexdigest()[:12]
    await host.write(f"{HOME}/constraints.txt", pins, 0o644)
    await host.write(f"{HOME}/requirements.txt", wanted.encode(), 0o644)
    await host.write("setup.sh", await asyncio.to_thread(SETUP.read_bytes), 0o644)
    if not (await host.status("setup")).running:
        await host.start("setup", ["sh", "setup.sh", stamp, python, *packages], environment={})
    offset, last = 0, ""
    while True:
        status = await host.status("setup")
        size = await host.size(SETUP_LOG)
        offset = max(offset, size - LOG_PIECE)
        chunk = await host.read(SETUP_LOG, offset, LOG_PIECE)
        offset += len(chunk)
        await asyncio.to_thread(keep, chunk)
        lines = [line for line in chunk.decode(errors="replace").splitlines() if line.strip()]
        if lines:
            last = lines[-1].strip()[:160]
            step = _PIP.match(last)
            say(f"installing packages: {step[1]}" if step else last)
        if not status.running:
            break
        await asyncio.sleep(poll)
    if status.exit_code != 0:
        raise HostError(
            f"the machine could not be prepared: {last or status.exit_code}",
            where=host.connection.where,
            fix=f"choose another image or machine; its {SETUP_LOG} tells more",
            kind=ErrorKind.SETUP_FAILED,
        )
    interpreter = (await host.read(f"{HOME}/env.{stamp}", 0, 4096)).decode(errors="replace").strip()
    return interpreter, f"{host.connection.home}/{HOME.removeprefix('~/')}/{archive.name}"
