"""The arithmetic of a LoRA layer in as few passes over memory as it takes.

peft computes ``base(x) + s * B(A(x))`` in six operations, four of which only read and write tensors of the output's
size. Here the low-rank product is added in place, and the backward pass is written out::

    y  = x W^T + s (x A^T) B^T          u  = s dy B
    dx = dy W + u A        dA = u^T x        dB = s dy^T (x A^T)

A 4-bit W is dequantised for each of the two products with it and not kept, as bitsandbytes does for many rows. Where nothing is
trained its own product is taken: answers are written a few rows at a time, and for those it reads the 4 bits as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from peft.tuners.lora.layer import LoraLayer
from torch.nn.functional import linear

ADAPTER = "default"


def _dense(weight: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return the weight (out, in) in numbers of ``dtype``: itself, or what its 4 bits stand for."""
    state = getattr(weight, "quant_state", None)
    if state is None:
        return weight
    from bitsandbytes.functional import dequantize_4bit

    dense: torch.Tensor = dequantize_4bit(weight.data, state)
    return dense.to(dtype)


class _LoraLinear(torch.autograd.Function):  # type: ignore[misc]
    """x (T, in), frozen weight (out, in), dense or 4-bit, frozen bias (out,) or None, A (r, in), B (out, r), scaling s."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        a: torch.Tensor,
        b: torch.Tensor,
        scaling: float,
    ) -> torch.Tensor:
        inner = x @ a.t()
        ctx.save_for_backward(x, inner, a, b)
        ctx.weight, ctx.scaling = weight, scaling
        return linear(x, _dense(weight, x.dtype), bias).addmm_(inner, b.t(), alpha=scaling)

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, inner, a, b = ctx.saved_tensors
        through_b = (upstream @ b).mul_(ctx.scaling)
        for_x = (upstream @ _dense(ctx.weight, x.dtype)).addmm_(through_b, a) if ctx.needs_input_grad[0] else None
        return for_x, None, None, through_b.t() @ x, (upstream.t() @ inner).mul_(ctx.scaling), None


def fuse_adapters(model: torch.nn.Module) -> int:
    """Give the plain LoRA layers of a peft model the arithmetic above; returns how many got it.

    Others (DoRA, dropout, 8-bit or other special layers underneath) keep peft's own.
    """
    plain = [layer for layer in model.modules() if isinstance(layer, LoraLayer) and _is_plain(layer)]
    for layer in plain:
        layer.forward = _fused_forward(layer, layer.forward)
    return len(plain)


def _is_plain(layer: Any) -> bool:
    base = layer.get_base_layer()
    return (
        (type(base) is torch.nn.Linear or _is_nf4(base))
        and isinstance(layer.lora_dropout[ADAPTER], torch.nn.Identity)
        and ADAPTER not in layer.lora_variant
        and not layer.lora_bias[ADAPTER]
        and not getattr(layer, "fan_in_fan_out", False)
    )


def _is_nf4(layer: torch.nn.Module) -> bool:
    return type(layer).__name__ == "Linear4bit" and getattr(layer, "quant_state", None) is not None


def _fused_forward(layer: Any, original: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    base, a, b = layer.get_base_layer(), layer.lora_A[ADAPTER], layer.lora_B[ADAPTER]

    def forward(x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        same_numbers = x.dtype == a.weight.dtype == (base.compute_dtype if _is_nf4(base) else base.weight.dtype)
        if layer.disable_adapters or layer.merged or args or kwargs or not same_numbers:
            return original(x, *args, **kwargs)
        if _is_nf4(base) and not torch.is_grad_enabled():
            product: torch.Tensor = base(x)
            product.flatten(0, -2).addmm_(x.flatten(0, -2) @ a.weight.t(), b.weight.t(), alpha=layer.scaling[ADAPTER])
            return product
        rows = _LoraLinear.apply(x.flatten(0, -2), base.weight, base.bias, a.weight, b.weight, layer.scaling[ADAPTER])
        result: torch.Tensor = rows.view(*x.shape[:-1], -1)
        return result

    return forward
