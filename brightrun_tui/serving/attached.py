"""Whether a loaded model really has its adapter, and anything can be computed with it.

Imports torch's companions: only workers call it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

PROBE_TOKENS = 4
NOTHING_COMPUTED = "what it computes is infinite or no number: its weights are damaged, or too large for its precision"


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


def check_computes(model: Any) -> None:
    """Let the model read a few tokens. Each of its weights may be a number, and yet nothing be computed with all of them.

    Raises:
        RuntimeError: what it computes is infinite, or no number: it would answer nothing, or the same to everything.
    """
    import torch

    with torch.inference_mode():
        scores = model(input_ids=torch.arange(PROBE_TOKENS, device=model.device).unsqueeze(0)).logits
    if not bool(torch.isfinite(scores[..., -1, :]).any()):
        raise RuntimeError(NOTHING_COMPUTED)
