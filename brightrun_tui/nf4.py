"""4-bit layers on a CPU. Only worker processes import this with torch at hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psutil

from brightrun_tui.domain.sizing import DENSE_SHARE


def suit_cpu(model: Any, dtype: Any) -> bool:
    """Make NF4 layers of a loaded model fast and exact on a CPU; returns whether they were unpacked.

    bitsandbytes dequantises before every product there. Where memory allows it, each layer becomes a dense one with the
    very numbers that dequantising gives, in ``dtype``. Else the layers are kept from seeing evaluation mode.
    """
    import torch
    from bitsandbytes.functional import dequantize_4bit
    from bitsandbytes.nn import Linear4bit

    layers = {name: module for name, module in model.named_modules() if isinstance(module, Linear4bit)}
    wanted = sum(layer.in_features * layer.out_features for layer in layers.values()) * dtype.itemsize
    if wanted > DENSE_SHARE * psutil.virtual_memory().available:
        keep_in_training_mode(model)
        return False
    for name, layer in layers.items():
        with torch.device("meta"):
            dense = torch.nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None)
        weight = dequantize_4bit(layer.weight.data, layer.weight.quant_state).to(dtype)
        dense.weight = torch.nn.Parameter(weight, requires_grad=False)
        if layer.bias is not None:
            dense.bias = torch.nn.Parameter(layer.bias.data.to(dtype), requires_grad=False)
        parent, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(parent), leaf, dense)
    return bool(layers)


def keep_in_training_mode(model: Any) -> None:
    """Undo what ``eval()`` does to 4-bit layers.

    On CPUs with bfloat16, bitsandbytes repacks a layer in place (in bfloat16, so it rounds differently) when it sees
    evaluation mode. Its layers behave alike in both modes otherwise, so they are kept from ever seeing it.
    """
    for module in _layers(model):
        module.training = True


def has_4_bit_layers(model: Any) -> bool:
    """Say whether any layer is dequantised with every product."""
    return any(True for _ in _layers(model))


def _layers(model: Any) -> Iterator[Any]:
    return (
        module
        for module in model.modules()
        if type(module).__name__ == "Linear4bit" and type(module).__module__.startswith("bitsandbytes")
    )
