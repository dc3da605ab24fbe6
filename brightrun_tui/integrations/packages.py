"""The packages that an extra of ours needs, as our own package declares them, and which of them are installed. Imports none."""

from __future__ import annotations

import shlex
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.plugins import OURS
from brightrun_tui.resources import resource

CORE = ""
"""What is needed without any extra."""


@cache
def needed_by(extra: str) -> tuple[Requirement, ...]:
    """Return what an extra needs besides `CORE`, or what that needs, on a machine like this one; in alphabetical order."""
    declared = (Requirement(line) for line in requires(OURS) or ())
    return tuple(one for one in declared if _is_of(one, extra))


def _is_of(requirement: Requirement, extra: str) -> bool:
    if requirement.marker is None:
        return extra == CORE
    return requirement.marker.evaluate({"extra": extra})


def missing_packages(extra: str = "train") -> tuple[str, ...]:
    """Return packages of an extra that are not installed."""
    return tuple(one.name for one in needed_by(extra) if find_spec(one.name.replace("-", "_")) is None)


def install_command(extra: str = "train") -> str:
    """Return the command that installs an extra in its tested versions, into the Python that runs now."""
    checkout = Path(__file__).resolve().parents[2]
    target = f"{checkout}[{extra}]" if (checkout / "pyproject.toml").is_file() else f"brightrun[{extra}]"
    editable = ["-e"] if (checkout / "pyproject.toml").is_file() else []
    return shlex.join(
        [sys.executable, "-m", "pip", "install", "-c", str(resource("constraints.txt")), *editable, target]
    )


def require_training_packages() -> None:
    """Raise `BrightrunError` with the command to run when training cannot work here."""
    missing = missing_packages("train")
    if missing:
        raise BrightrunError(
            f"training on this machine needs {', '.join(missing)}",
            where=sys.executable,
            fix=f"run: {install_command('train')}",
            kind=ErrorKind.PACKAGES_MISSING,
        )


def torch_uses_gpu() -> bool:
    """Say whether the installed PyTorch was built for a GPU, going by its version."""
    try:
        return not version("torch").endswith("+cpu")
    except PackageNotFoundError:
        return False
