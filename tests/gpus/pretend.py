"""Make a machine with pretended GPUs: the library is built once, what it tells stands in a file that a test may change."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

GB = 10**9


@dataclass
class PretendGpus:
    """``environment`` is what a process needs to see them; ``write`` changes them for all that look from then on."""

    directory: Path
    lines: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_LIBRARY_PATH": os.pathsep.join(filter(None, (str(self.directory), os.environ.get("LD_LIBRARY_PATH")))),
            "PRETEND_GPUS": str(self.directory / "gpus"),
            "PYTHONPATH": os.pathsep.join(filter(None, (str(self.directory), os.environ.get("PYTHONPATH")))),
        }

    def write(self, *lines: str) -> None:
        aside = self.directory / "gpus.part"
        aside.write_text("".join(f"{line}\n" for line in lines))
        aside.replace(self.directory / "gpus")

    def cards(self, count: int, *, used: dict[int, int] | None = None) -> list[str]:
        """So many H100; ``used``: bytes in use by number. Their UUIDs."""
        ids = [f"GPU-{number:08d}-aaaa-bbbb-cccc-000000000000" for number in range(count)]
        held = used or {}
        self.write(*(f"gpu {one} {80 * GB} {held.get(n, 0)} NVIDIA H100 80GB HBM3" for n, one in enumerate(ids)))
        return ids


def pretend_gpus(directory: Path) -> PretendGpus:
    """A machine whose PyTorch, by its name, was built for GPUs. Skips where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    directory.mkdir(parents=True, exist_ok=True)
    source = Path(__file__).with_name("nvml.c")
    library = directory / "libnvidia-ml.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    known = directory / "torch-2.13.0.dist-info"
    known.mkdir()
    (known / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.13.0\n")
    return PretendGpus(directory)
