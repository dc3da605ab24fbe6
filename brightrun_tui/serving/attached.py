"""Whether a loaded model really has its adapter. Imports torch's companions: only workers call it."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def check_attached(model: Any, file: Path) -> int:
    """Compare the LoRA matrices in memory with those on disk; returns how many there are.

    Raises:
        RuntimeError: some are missing or differ, so that the bare base model would answer.
    """
    from safetensors import safe_open

    with safe_open(file, "pt") as stored:
        names = [name for name in stored.keys() if "lora_" in name and "magnitude" not in name]
        weight = sum(float(stored.get_tensor(name).float().abs().sum()) for name in names)
    loaded = [parameter for name, parameter in model.named_parameters() if "lora_" in name and "magnitude" not in name]
    found = sum(float(parameter.detach().float().abs().sum()) for parameter in loaded)
    if not names or len(loaded) != len(names) or abs(found - weight) > 0.02 * weight:
        raise RuntimeError(f"the adapter did not attach to the base model ({len(loaded)} of {len(names)} matrices)")
    return len(names)
