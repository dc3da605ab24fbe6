"""Optimiser and learning-rate schedule."""

from __future__ import annotations

import math
from typing import Any

import torch

from brightrun_tui.domain.setting_groups import TrainingSettings
from brightrun_tui.trainer.model.adapter import trainable

EIGHT_BIT_STATE = 2
"""Bytes of 8-bit state for each number of the adapter."""
PAGED_SHARE = 0.02
"""Of a card's memory: state larger than this is paged, so that it can give way when memory is short for a moment."""


def make_optimizer(model: torch.nn.Module, settings: TrainingSettings, device: torch.device) -> torch.optim.Optimizer:
    """Return AdamW over the adapter. With LoRA+ the B matrices get a learning rate of their own, which is higher.

    ``auto``: torch's fused one on a CPU (18 times faster there than the 8-bit one), bitsandbytes' 8-bit one on a GPU,
    paged where its state is large. Not torch's on a GPU: it keeps its moments in the adapter's own numbers, and in
    bfloat16 the second one cannot fall, because a thousandth less rounds to the same (steps half as long as in float32
    were measured 2000 steps after gradients had shrunk; those of the 8-bit one were right within 3 %).
    """
    groups = _parameter_groups(model, settings)
    kind: str = settings.optim
    if kind == "auto":
        kind = "adamw_torch_fused" if device.type == "cpu" else _kind_on_gpu(model, device)
    if kind == "adamw_torch_fused":
        return torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)
    import bitsandbytes

    paged = kind == "paged_adamw_8bit"
    bitsandbytes.optim.optimizer.sync_gpu = bitsandbytes.utils.sync_gpu if paged else _do_not_wait
    chosen: Any = bitsandbytes.optim.PagedAdamW8bit if paged else bitsandbytes.optim.AdamW8bit
    optimizer: torch.optim.Optimizer = chosen(groups, lr=settings.learning_rate)
    return optimizer


def _kind_on_gpu(model: torch.nn.Module, device: torch.device) -> str:
    state = EIGHT_BIT_STATE * sum(p.numel() for p in trainable(model).values())
    large = state > PAGED_SHARE * torch.cuda.get_device_properties(device).total_memory
    return "paged_adamw_8bit" if large else "adamw_8bit"


def _do_not_wait(tensor: torch.Tensor) -> None:
    """Skip bitsandbytes' own wait for the GPU, after each of an adapter's hundreds of tensors in every step: its
    kernels and torch's are in one queue. Paged state, which the host moves, keeps the wait.
    """


def kind_of(optimizer: torch.optim.Optimizer) -> str:
    """Return what its state is like: another kind cannot go on with it. Paged or not, the 8-bit ones are of one kind."""
    return "adamw" if isinstance(optimizer, torch.optim.AdamW) else "adamw_8bit"


def _parameter_groups(model: torch.nn.Module, settings: TrainingSettings) -> list[dict[str, Any]]:
    fast = [p for name, p in trainable(model).items() if "lora_B" in name]
    slow = [p for name, p in trainable(model).items() if "lora_B" not in name]
    ratio = settings.loraplus_lr_ratio
    groups = [(slow, 1.0), (fast, ratio)] if ratio != 1.0 else [(slow + fast, 1.0)]
    return [
        {"params": parameters, "weight_decay": settings.weight_decay, "lr_factor": factor}
        for parameters, factor in groups
    ]


def learning_rate(step: int, total_steps: int, settings: TrainingSettings) -> float:
    """Return the rate of step ``step`` (from 0): rises linearly over the warm-up, then follows the schedule towards 0."""
    warmup = math.ceil(settings.warmup_ratio * total_steps)
    if step < warmup:
        return settings.learning_rate * (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(1, total_steps - warmup)
    if settings.lr_scheduler_type == "cosine":
        return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
    if settings.lr_scheduler_type == "linear":
        return settings.learning_rate * (1 - progress)
    return settings.learning_rate


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group its rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["lr_factor"]
