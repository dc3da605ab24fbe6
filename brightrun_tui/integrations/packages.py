"""Which of our optional packages are installed, without importing any of them."""

from __future__ import annotations

import shlex
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.resources import resource

EXTRAS: dict[str, tuple[str, ...]] = {
    "train": ("torch", "transformers", "peft", "bitsandbytes", "safetensors", "tokenizers"),
    "serve": ("torch", "transformers", "peft", "bitsandbytes", "accelerate", "starlette", "uvicorn"),
    "gguf": ("gguf", "torch", "transformers", "accelerate"),
    "parquet": ("pyarrow",),
}


def missing_packages(extra: str = "train") -> tuple[str, ...]:
    """Packages of an extra that are not installed."""
    return tuple(name for name in EXTRAS[extra] if find_spec(name) is None)


def install_command(extra: str = "train") -> str:
    """The command that installs an extra in its tested versions, into the Python that runs now."""
    checkout = Path(__file__).resolve().parents[2]
    target = f"{checkout}[{extra}]" if (checkout / "pyproject.toml").is_file() else f"brightrun[{extra}]"
    editable = ["-e"] if (checkout / "pyproject.toml").is_file() else []
    return shlex.join(
        [sys.executable, "-m", "pip", "install", "-c", str(resource("constraints.txt")), *editable, target]
    )


def require_training_packages() -> None:
    """Raises `BrightrunError` with the command to run when training cannot work here."""
    missing = missing_packages("train")
    if missing:
        raise BrightrunError(
            f"training on this machine needs {', '.join(missing)}",
            where=sys.executable,
            fix=f"run: {install_command('train')}",
            kind=ErrorKind.PACKAGES_MISSING,
        )


def torch_uses_gpu() -> bool:
    """Whether the installed PyTorch was built for a GPU, going by its version."""
    try:
        return not version("torch").endswith("+cpu")
    except PackageNotFoundError:
        return False
