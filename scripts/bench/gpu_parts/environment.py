"""What machine this is, whether the product's own check finds it fit, and what torch's attention for packed rows can do on it."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from brightrun_tui.domain.setting_groups import QuantisationSettings
from brightrun_tui.trainer.gpu_check import check_gpu, seconds_of
from brightrun_tui.trainer.model.loading import TrainingDevice, choose_machine, packed_implementations

PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "trl", "triton", "liger-kernel", "flash-attn")
LENGTHS = (480,) * 16
"""Of the records of a packed row, in tokens, whose attention is timed."""


def run(directory: Path, device: str) -> Iterator[dict[str, Any]]:
    machine = choose_machine(QuantisationSettings())
    yield {"machine": _machine(machine)}
    found = check_gpu(machine)
    yield {"check": found.model_dump(), "faults": found.faults}
    yield {"bandwidth": _bandwidth(machine)}
    if device == "cuda":
        yield {"grouped heads in one call": _grouped_heads(machine)}


def _machine(machine: TrainingDevice) -> dict[str, Any]:
    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = ""
    facts: dict[str, Any] = {
        "card": machine.name,
        "cpus": os.cpu_count(),
        "compute": str(machine.compute),
        "packages": packages,
        "packed attention": packed_implementations(machine),
    }
    if machine.device.type == "cuda":
        card = torch.cuda.get_device_properties(machine.device)
        facts |= {
            "memory": card.total_memory,
            "capability": [card.major, card.minor],
            "cuda": torch.version.cuda,
            "processors": card.multi_processor_count,
        }
    return facts


def _bandwidth(machine: TrainingDevice) -> float:
    """Bytes a second, read and written, of a large copy on the device."""
    size = 4 * 1024**3 if machine.device.type == "cuda" else 16 * 1024**2
    source = torch.randint(0, 255, (size,), dtype=torch.uint8, device=machine.device)
    target = torch.empty_like(source)
    return 2 * size / min(seconds_of(machine, lambda: target.copy_(source)) for _ in range(5))


def _grouped_heads(machine: TrainingDevice) -> dict[str, Any]:
    """Whether variable-length attention takes fewer key heads than query heads as they are, and what that spares.

    The worker repeats the keys where torch does not offer it by name; torch's kernel may know it all the same.
    """
    from torch.nn.attention.varlen import varlen_attn

    torch.manual_seed(4)
    tokens = sum(LENGTHS)
    query = torch.randn(tokens, 32, 128, device=machine.device, dtype=machine.compute, requires_grad=True)
    key, value = (
        torch.randn(tokens, 8, 128, device=machine.device, dtype=machine.compute, requires_grad=True) for _ in range(2)
    )
    starts = torch.tensor([sum(LENGTHS[:i]) for i in range(len(LENGTHS) + 1)], dtype=torch.int32, device=machine.device)
    upstream = torch.randn_like(query)

    def attend(keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        return varlen_attn(query, keys, values, starts, starts, max(LENGTHS), max(LENGTHS), window_size=(-1, 0))

    ways = {
        "repeated": lambda: attend(key.repeat_interleave(4, dim=1), value.repeat_interleave(4, dim=1)),
        "as they are": lambda: attend(key, value),
    }
    found: dict[str, Any] = {}
    gradients: dict[str, torch.Tensor] = {}
    for name, way in ways.items():
        try:

            def both(way: Any = way) -> tuple[torch.Tensor, ...]:
                made: tuple[torch.Tensor, ...] = torch.autograd.grad(way(), (query, key, value), upstream)
                return made

            gradients[name] = torch.cat([each.float().flatten() for each in both()])
            found[name] = statistics.median(seconds_of(machine, both) for _ in range(8))
        except (RuntimeError, ValueError, TypeError) as error:
            found[name] = f"not on this device: {str(error)[:200]}"
    if len(gradients) == 2:
        one, other = gradients.values()
        found["difference"] = float((one - other).norm() / one.norm())
    return found
