"""Element-wise parts of a model as single kernels on a GPU: norms, gated activations, rotary positions (Liger, Triton).

Written by themselves, these take a quarter of the time of a step on large cards: each of their many operations reads and
writes what it could have kept. A kernel is taken only where it gives the same values and gradients as the model's own code,
which is tried on the model's own modules, so an unknown kind of norm or activation simply stays as it is.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any

import torch

SAME = {torch.bfloat16: 2e-2, torch.float16: 4e-3, torch.float32: 1e-4}
"""Length of the difference over the length of the model's own result, for values and gradients: a few roundings."""
_TOKENS = 5

Function = Callable[..., torch.Tensor]


def fuse_elementwise(model: Any, compute: torch.dtype) -> tuple[str, ...]:
    """Replace what can be replaced in a model on a GPU, before an adapter is attached; returns what was, by kind.

    Nothing if the package is not installed.
    """
    logging.getLogger("liger_kernel").setLevel(logging.CRITICAL)  # it tells of every other way that it cannot go
    try:
        from liger_kernel.ops import LigerRMSNormFunction, LigerSiLUMulFunction
        from liger_kernel.transformers.rope import liger_rotary_pos_emb
    except (ImportError, RuntimeError, AttributeError):
        return ()

    def norm_of(module: Any) -> Function:
        return lambda x: LigerRMSNormFunction.apply(x, module.weight, _eps(module), 0.0, "llama", False, None)

    def mlp_of(module: Any) -> Function:
        return lambda x: module.down_proj(LigerSiLUMulFunction.apply(module.gate_proj(x), module.up_proj(x), 1.0, 1.0))

    fused = [
        kind
        for kind, is_one, kernel_of in (("norms", _is_norm, norm_of), ("activations", _is_gated_mlp, mlp_of))
        if _replace_modules(model, is_one, kernel_of, compute)
    ]
    if _replace_rotary(model, liger_rotary_pos_emb, compute):
        fused.append("positions")
    return tuple(fused)


def _replace_modules(
    model: Any, is_one: Callable[[Any], bool], kernel_of: Callable[[Any], Function], compute: torch.dtype
) -> bool:
    """Give all modules of a kind the kernel, class by class, where the first of the class agrees."""
    agreed: dict[type, bool] = {}
    for module in model.modules():
        if not is_one(module):
            continue
        if type(module) not in agreed:
            agreed[type(module)] = _agrees(module.forward, kernel_of(module), [_input_for(module, compute)])
        if agreed[type(module)]:
            module.forward = kernel_of(module)
    return any(agreed.values())


def _replace_rotary(model: Any, kernel: Function, compute: torch.dtype) -> bool:
    """Put the kernel in the place of the function that rotates queries and keys, in the module that defines the model."""
    backbone = model.base_model
    home = sys.modules[type(backbone).__module__]
    own, angles = getattr(home, "apply_rotary_pos_emb", None), getattr(backbone, "rotary_emb", None)
    if own is None or angles is None:
        return False
    config = model.config
    heads, device = config.num_attention_heads, next(model.parameters()).device
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    states = [
        torch.randn(1, count, _TOKENS, size, device=device, dtype=compute)
        for count in (heads, getattr(config, "num_key_value_heads", None) or heads)
    ]
    try:
        cos, sin = angles(states[0], torch.arange(_TOKENS, device=device)[None])
    except (RuntimeError, TypeError, ValueError):
        return False

    def joined(function: Function) -> Function:
        return lambda q, k: torch.cat([part.flatten() for part in function(q, k, cos, sin)])

    if not _agrees(joined(own), joined(kernel), states):
        return False
    home.apply_rotary_pos_emb = kernel  # type: ignore[attr-defined]
    return True


def _agrees(own: Function, kernel: Function, inputs: list[torch.Tensor]) -> bool:
    """Say whether both give the same values and the same gradients of their inputs."""
    try:
        results = []
        for function in (own, kernel):
            leaves = [tensor.clone().requires_grad_() for tensor in inputs]
            with torch.enable_grad():
                output = function(*(leaf * 1 for leaf in leaves))  # kernels may write into what they are given
                weights = torch.linspace(-1, 1, output.numel(), device=output.device).view_as(output)
                gradients = torch.autograd.grad((output.float() * weights).sum(), leaves)
            results.append([output.detach().float(), *(gradient.float() for gradient in gradients)])
    except (RuntimeError, TypeError, ValueError, AttributeError, ImportError):
        return False
    limit = SAME[inputs[0].dtype]
    return all(
        float((mine - theirs).norm()) <= limit * float(mine.norm()) for mine, theirs in zip(*results, strict=True)
    )


def _input_for(module: Any, compute: torch.dtype) -> torch.Tensor:
    weight = module.weight if _is_norm(module) else module.gate_proj
    width = weight.shape[-1] if _is_norm(module) else weight.in_features
    return torch.randn(1, _TOKENS, width, device=next(module.parameters()).device, dtype=compute)


def _is_norm(module: Any) -> bool:
    return type(module).__name__.endswith("RMSNorm") and hasattr(module, "weight") and _eps(module) is not None


def _eps(module: Any) -> float | None:
    return next(
        (
            getattr(module, name)
            for name in ("variance_epsilon", "eps")
            if isinstance(getattr(module, name, None), float)
        ),
        None,
    )


def _is_gated_mlp(module: Any) -> bool:
    parts = all(hasattr(module, name) for name in ("gate_proj", "up_proj", "down_proj", "act_fn"))
    return parts and "silu" in type(module.act_fn).__name__.lower()
