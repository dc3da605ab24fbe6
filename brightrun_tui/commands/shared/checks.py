"""The checks of ``brightrun doctor``. Each looks at one thing."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement
from pydantic import ValidationError

from brightrun_tui import inventory, plugins
from brightrun_tui.commands.shared.machines import paid_machine
from brightrun_tui.commands.shared.output import page
from brightrun_tui.domain import humanize
from brightrun_tui.domain.disk import WRITABLE_HOME
from brightrun_tui.domain.gpu import GpuCheck
from brightrun_tui.domain.humanize import size
from brightrun_tui.integrations.keyring_client import find_backend
from brightrun_tui.integrations.packages import CORE, install_command, needed_by
from brightrun_tui.paths import Paths
from brightrun_tui.process import environment_without_secrets, python
from brightrun_tui.providers.gpus import expected_flops
from brightrun_tui.providers.local import hardware
from brightrun_tui.resources import resource

LOW_DISK = 5 * 1024**3
PROBE_SECONDS = 120.0

TORCH_PROBE = """
import json, warnings
warnings.filterwarnings("ignore")
import torch
facts = {"torch": torch.__version__, "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]}
facts["bf16"] = bool(facts["gpus"]) and torch.cuda.is_bf16_supported()
try:
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit
    device = "cuda" if facts["gpus"] else "cpu"
    weight = torch.randn(64, 64, device=device)
    back = dequantize_4bit(*quantize_4bit(weight, quant_type="nf4", compress_statistics=True))
    facts["nf4_error"] = float((back - weight).abs().mean() / weight.abs().mean())
except Exception as error:
    facts["nf4_problem"] = f"{type(error).__name__}: {error}"
print(json.dumps(facts))
"""


@dataclass(frozen=True)
class DoctorCheck:
    """One finding. ``failed``: something this installation needs is broken. ``off``: optional, and not set up."""

    name: str
    state: Literal["ok", "warning", "failed", "off"]
    what: str
    fix: str = ""


async def check_all(paths: Paths, *, gpu: bool = False) -> list[DoctorCheck]:
    """Return every finding in the order shown. Takes some seconds where torch is installed; with ``gpu`` the GPU
    computes, too.
    """
    torch = asyncio.create_task(_check_torch())
    found = [
        _check_python(),
        *_check_packages(),
        _check_resources(),
        _check_home(paths),
        _check_disk(paths),
        _check_terminal(),
        await _check_engine(paths),
        *_check_plugins(),
        await asyncio.to_thread(_check_keyring, paths),
        *await torch,
    ]
    return [*found, await _prove_gpu(paths)] if gpu else found


def _check_plugins() -> list[DoctorCheck]:
    """Check what other packages bring; nothing where there are none."""
    others = plugins.others()
    broken = [DoctorCheck("plugins", "warning", problem.what, problem.fix) for problem in inventory.problems()]
    return broken or [DoctorCheck("plugins", "ok", ", ".join(others))] * bool(others)


def _check_python() -> DoctorCheck:
    version = ".".join(map(str, sys.version_info[:3]))
    return DoctorCheck("python", "ok", f"{version} ({sys.executable})")


def _check_packages() -> list[DoctorCheck]:
    """Check the packages of the app and of each extra against what this installation declares and pins."""
    groups = {"app": needed_by(CORE), "train": needed_by("train"), "serve": needed_by("serve")}
    pinned = _pinned()
    return [_check_group(name, requirements, pinned) for name, requirements in groups.items()]


def _check_group(name: str, requirements: Sequence[Requirement], pinned: dict[str, str]) -> DoctorCheck:
    title = f"packages: {name}"
    install = install_command(name) if name != "app" else f"pip install -c {resource('constraints.txt')} brightrun"
    missing, wrong, other = [], [], []
    for requirement in requirements:
        version = _version(requirement.name)
        if version is None:
            missing.append(requirement.name)
        elif not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} {version} (needs {requirement.specifier})")
        elif pinned.get(requirement.name.lower(), version) != version.split("+")[0]:
            other.append(f"{requirement.name} {version} (tested with {pinned[requirement.name.lower()]})")
    if name != "app" and len(missing) == len(requirements):
        return DoctorCheck(title, "off", "not installed", install)
    if missing or wrong:
        return DoctorCheck(
            title,
            "failed" if name == "app" or wrong else "off",
            "; ".join([*(f"{package} is missing" for package in missing), *wrong]),
            install,
        )
    if other:
        return DoctorCheck(title, "warning", "; ".join(other), install)
    return DoctorCheck(title, "ok", f"{len(requirements)} packages, all as tested")


def _check_resources() -> DoctorCheck:
    try:
        found = [resource("themes"), resource("presets")]
    except FileNotFoundError as error:
        return DoctorCheck("themes and presets", "failed", str(error), "reinstall brightrun")
    return DoctorCheck("themes and presets", "ok", ", ".join(map(str, found)))


def _check_home(paths: Paths) -> DoctorCheck:
    place = _existing(paths.data)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        return DoctorCheck("home", "failed", f"cannot write to {place} ({error.strerror})", WRITABLE_HOME)
    return DoctorCheck("home", "ok", f"{paths.data} can be written")


def _check_disk(paths: Paths) -> DoctorCheck:
    free = shutil.disk_usage(_existing(paths.data)).free
    if free < LOW_DISK:
        return DoctorCheck(
            "disk",
            "warning",
            f"{size(free)} free at {paths.data}",
            "free some space, or set BRIGHTRUN_HOME to a larger disk; a 7B base model takes 15 GiB",
        )
    return DoctorCheck("disk", "ok", f"{size(free)} free")


def _check_terminal() -> DoctorCheck:
    if not sys.stdout.isatty():
        return DoctorCheck("terminal", "off", "none here; the verbs work without, the app needs one")
    columns, rows = shutil.get_terminal_size()
    colours = page().color_system or "no colours"
    facts = f"{columns}×{rows}, {colours}, {os.environ.get('TERM', 'TERM is not set')}"
    if columns < 80 or rows < 24:
        return DoctorCheck("terminal", "warning", facts, "the app wants at least 80×24")
    if "utf" not in (sys.stdout.encoding or "").lower():
        return DoctorCheck(
            "terminal", "warning", f"{facts}, {sys.stdout.encoding}", "use a UTF-8 locale, such as LANG=C.UTF-8"
        )
    return DoctorCheck("terminal", "ok", facts)


async def _check_engine(paths: Paths) -> DoctorCheck:
    if not paths.database.exists():
        return DoctorCheck("engine", "ok", "not running; it starts by itself when there is work")
    from brightrun_tui.domain.errors import BrightrunError
    from brightrun_tui.orchestrator.engine_status import engine_status
    from brightrun_tui.store import leases, open_database

    try:
        async with open_database(paths.database) as db:
            status, paid = await engine_status(db, paths), await leases.paid(db)
    except BrightrunError as error:
        return DoctorCheck("engine", "failed", error.what, error.fix)
    if status.stale:
        return DoctorCheck(
            "engine", "warning", f"pid {status.pid} gives no sign of life", "brightrun engine stop, then start"
        )
    if paid and not status.running:
        return DoctorCheck(
            "engine",
            "warning",
            "; ".join(["not running, and nobody looks after what costs money", *map(paid_machine, paid)]),
            "brightrun engine start",
        )
    return DoctorCheck(
        "engine",
        "ok",
        f"running, pid {status.pid}" if status.running else "not running; it starts by itself when there is work",
    )


def _check_keyring(paths: Paths) -> DoctorCheck:
    backend = find_backend(paths)
    if not backend:
        return DoctorCheck("keyring", "off", "none that answers: credentials go to a file that only you can read")
    return DoctorCheck("keyring", "ok", backend.partition(":")[0])


async def _check_torch() -> list[DoctorCheck]:
    """Try torch, the GPU and 4-bit arithmetic in a separate process: this one never imports torch."""
    if _version("torch") is None:
        return [
            DoctorCheck(
                "torch", "off", "not installed: this machine can steer runs, not train them", install_command("train")
            )
        ]
    said = await _probe(TORCH_PROBE, PROBE_SECONDS)
    try:
        facts = json.loads(said)
    except ValueError:
        return [
            DoctorCheck(
                "torch", "failed", f"cannot be imported: {said}", f"{install_command('train')} --force-reinstall"
            )
        ]
    gpus = facts["gpus"]
    kind = "bf16" if facts["bf16"] else "fp16"
    checks = [
        DoctorCheck("torch", "ok", facts["torch"]),
        DoctorCheck("gpu", "ok", f"{', '.join(gpus)} ({kind})")
        if gpus
        else DoctorCheck("gpu", "off", "none that torch can use: training runs on the CPU, fit for small models"),
    ]
    if "nf4_problem" in facts:
        return [
            *checks,
            DoctorCheck(
                "4-bit (bitsandbytes)",
                "failed",
                facts["nf4_problem"],
                f"{install_command('train')}, or train with --set quantisation.method=none",
            ),
        ]
    good = facts["nf4_error"] < 0.2
    return [
        *checks,
        DoctorCheck(
            "4-bit (bitsandbytes)",
            "ok" if good else "failed",
            f"NF4 round trip within {facts['nf4_error']:.0%}",
            "" if good else "reinstall bitsandbytes",
        ),
    ]


async def _prove_gpu(paths: Paths) -> DoctorCheck:
    """Check what a worker checks before it trains on a GPU, whether the card is as fast as its kind, and how much
    memory is free.
    """
    here = await asyncio.to_thread(hardware, paths.data)
    if not here.gpu_count:
        return DoctorCheck("gpu proof", "off", "there is no GPU here")
    rate = f"{expected_flops(here.gpu):.0f}"
    said = await _probe("brightrun_tui.trainer.gpu_check", PROBE_SECONDS, "-m", "--rate", rate)
    try:
        found = GpuCheck.model_validate_json(said)
    except ValidationError:
        return DoctorCheck("gpu proof", "failed", said, install_command("train"))
    if found.faults:
        return DoctorCheck(
            "gpu proof",
            "failed",
            "; ".join(found.faults),
            "see whether another program is on it, then driver and torch",
        )
    right = f"products within {found.matmul_error:.1e}"
    return DoctorCheck(
        "gpu proof",
        "ok",
        f"{found.rate / 1e12:.0f} TFLOP/s in {found.compute}, {right}, "
        f"{size(found.memory_free)} of {size(found.memory_total)} free",
    )


async def _probe(code: str, seconds: float, how: str = "-c", *arguments: str) -> str:
    """Return the last line that a separate Python process prints, or why there is none. ``how``: -c for a program, -m
    for a module.
    """
    process = await asyncio.create_subprocess_exec(
        *python(how, code, *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd="/",
        env=environment_without_secrets(),
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), seconds)
    except TimeoutError:
        process.kill()
        await process.wait()
        return f"no answer within {humanize.span(seconds)}"
    lines = (
        (out or err if how == "-m" or process.returncode == 0 else err).decode(errors="replace").strip().splitlines()
    )
    return lines[-1] if lines else f"exit code {process.returncode}"


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _pinned() -> dict[str, str]:
    lines = resource("constraints.txt").read_text("utf-8").splitlines()
    pairs = (line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    return {name.strip().lower(): version.strip() for name, version in pairs}


def _existing(path: Path) -> Path:
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
