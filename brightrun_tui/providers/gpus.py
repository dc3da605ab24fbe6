"""What the common GPUs can do: matrix peak in 16 bit (dense, FLOP/s) and memory, as their makers' data sheets say; and a CPU."""

from __future__ import annotations

import re
from dataclasses import dataclass

from brightrun_tui.domain.money import GIB

TERA = 1e12
CPU_FLOPS_PER_CORE = 40e9
"""FLOP/s of one core in float32 matrix products, as PyTorch reaches them on common servers (30–80 measured)."""


@dataclass(frozen=True)
class Gpu:
    """``name`` as people and providers write it; memory in bytes, ``flops`` in FLOP/s."""

    name: str
    memory: int
    flops: float


GPUS: tuple[Gpu, ...] = tuple(
    Gpu(name, gib * GIB, tera * TERA)
    for name, gib, tera in (
        ("B300", 288, 2250),
        ("B200", 180, 2250),
        ("GH200", 96, 989),
        ("H200", 141, 989),
        ("H100 NVL", 94, 835),
        ("H100 PCIe", 80, 756),
        ("H100", 80, 989),
        ("A100 40GB", 40, 312),
        ("A100", 80, 312),
        ("L40S", 48, 362),
        ("L40", 48, 181),
        ("L4", 24, 121),
        ("RTX PRO 6000", 96, 252),
        ("RTX 6000 Ada", 48, 182),
        ("RTX A6000", 48, 155),
        ("RTX A5000", 24, 111),
        ("RTX A4000", 16, 77),
        ("A40", 48, 150),
        ("A10G", 24, 70),
        ("A10", 24, 125),
        ("RTX 5090", 32, 210),
        ("RTX 5080", 16, 113),
        ("RTX 4090", 24, 165),
        ("RTX 4080", 16, 97),
        ("RTX 4070 Ti", 12, 80),
        ("RTX 3090", 24, 71),
        ("RTX 3080", 10, 60),
        ("RTX 3060", 12, 25),
        ("V100", 16, 125),
        ("T4", 16, 65),
    )
)
"""More particular names stand before those they contain."""

_LESS = re.compile(r"\bMIG\b|laptop|max-q|mobile", re.IGNORECASE)
UNKNOWN_FLOPS = 60 * TERA
"""Assumed of a GPU that the table does not know: a slow one."""


def find_gpu(name: str) -> Gpu | None:
    """Return the entry for what a person, a driver or a provider calls a GPU: “NVIDIA GeForce RTX 4090”, “rtx4090” …"""
    wanted = _words(name)
    return next((gpu for gpu in GPUS if _words(gpu.name) in wanted), None) if wanted else None


def peak_flops(name: str) -> float:
    """Return FLOP/s of a GPU by name; a cautious guess for one that is not in the table."""
    gpu = find_gpu(name)
    return gpu.flops if gpu else UNKNOWN_FLOPS


def expected_flops(name: str) -> float:
    """Return FLOP/s that a card of that name must come near; 0 where nothing can be expected of it: the table does not know
    it, or it is a part of one, or one of a laptop, which have the name of a faster one."""
    gpu = find_gpu(name)
    return gpu.flops if gpu and not _LESS.search(name) else 0.0


def _words(name: str) -> str:
    letters = (
        name.lower()
        .replace("geforce", "")
        .replace("nvidia", "")
        .replace("sxm4", "")
        .replace("sxm2", "")
        .replace("tesla", "")
    )
    return "".join(letter for letter in letters if letter.isalnum())
