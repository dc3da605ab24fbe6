"""Attention that stays inside each example of a packed row, without a mask of length times length.

Registered with transformers by name, so it works in any model that uses its attention interface. `PER_DOCUMENT` calls
torch's attention for each example of the row (on a CPU 1.8 times faster than padded rows, and exact); `ONE_CALL`
gives the whole row to torch's variable-length flash attention, which GPUs with half precision have.
"""

from __future__ import annotations

from functools import cache
from inspect import signature
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

PER_DOCUMENT = "brightrun_per_document"
ONE_CALL = "brightrun_one_call"


def per_document_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    document_lengths: tuple[int, ...] | None = None,
    sliding_window: int | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Compute causal attention within each of ``document_lengths``; without them, transformers' own sdpa.

    Args:
        query: (1, heads, T, head size); key and value may have fewer heads.
        document_lengths: lengths of the examples in the row; their sum is T.
        sliding_window: tokens an answer may look back, itself included.

    Returns:
        (1, T, heads, head size), as transformers wants it.

    Raises:
        ValueError: the model needs something this attention does not do (soft capping, attention sinks).
    """
    if document_lengths is None:
        return _unpacked(
            module,
            query,
            key,
            value,
            attention_mask,
            dropout=dropout,
            scaling=scaling,
            sliding_window=sliding_window,
            **kwargs,
        )
    _refuse_extras(kwargs)
    windowed = sliding_window is not None and max(document_lengths) > sliding_window
    groups = query.shape[1] // key.shape[1]
    if groups > 1 and not _shares_heads(query, windowed):
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
        groups = 1
    outputs = []
    pieces = zip(*(tensor.split(document_lengths, dim=2) for tensor in (query, key, value)), strict=True)
    for queries, keys, values in pieces:
        mask = _window_mask(queries.shape[2], sliding_window, query.device)
        outputs.append(
            scaled_dot_product_attention(
                queries,
                keys,
                values,
                attn_mask=mask,
                dropout_p=dropout,
                is_causal=mask is None,
                scale=scaling,
                enable_gqa=groups > 1,
            )
        )
    return torch.cat(outputs, dim=2).transpose(1, 2).contiguous(), None


def one_call_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    document_lengths: tuple[int, ...] | None = None,
    sliding_window: int | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Do as `per_document_attention`, the whole row in one call of torch's variable-length flash attention.

    Raises:
        ValueError, RuntimeError: this model, GPU or build of torch cannot do it.
    """
    if document_lengths is None:
        return _unpacked(
            module,
            query,
            key,
            value,
            attention_mask,
            dropout=dropout,
            scaling=scaling,
            sliding_window=sliding_window,
            **kwargs,
        )
    _refuse_extras(kwargs)
    if dropout:
        raise ValueError("variable-length attention has no dropout")
    from torch.nn.attention.varlen import varlen_attn

    groups = query.shape[1] // key.shape[1]
    grouped = {}
    if groups > 1 and _knows_groups(varlen_attn):
        grouped = {"enable_gqa": True}
    elif groups > 1:  # torch before 2.12
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    rows = (tensor[0].transpose(0, 1).contiguous() for tensor in (query, key, value))
    output = varlen_attn(
        *rows,
        kwargs["cu_seq_lens_q"],
        kwargs["cu_seq_lens_k"],
        kwargs["max_length_q"],
        kwargs["max_length_k"],
        scale=scaling,
        window_size=(sliding_window - 1 if sliding_window else -1, 0),
        **grouped,
    )
    return output.unsqueeze(0), None


@cache
def _knows_groups(varlen_attention: Any) -> bool:
    return "enable_gqa" in signature(varlen_attention).parameters


def _unpacked(*args: Any, **kwargs: Any) -> tuple[torch.Tensor, None]:
    output, _ = sdpa_attention_forward(*args, **kwargs)
    return output, None


def _refuse_extras(kwargs: dict[str, Any]) -> None:
    if kwargs.get("softcap") is not None or kwargs.get("s_aux") is not None:
        raise ValueError("packed attention knows neither soft capping nor attention sinks")


def _shares_heads(query: torch.Tensor, masked: bool) -> bool:
    """Say whether torch has a fast way for several queries on one key; on a GPU only its flash attention does."""
    if query.device.type != "cuda":
        return True
    return not masked and query.dtype != torch.float32 and torch.cuda.get_device_capability(query.device) >= (8, 0)


def _window_mask(length: int, sliding_window: int | None, device: torch.device) -> torch.Tensor | None:
    if not sliding_window or length <= sliding_window:
        return None
    place = torch.arange(length, device=device)
    distance = place[:, None] - place[None, :]
    return (distance >= 0) & (distance < sliding_window)


def _mask(*args: Any, **kwargs: Any) -> torch.Tensor | None:
    """Return no mask for a packed row (it comes without one and without a cache); transformers' own otherwise."""
    if kwargs.get("attention_mask") is None and kwargs.get("q_length") == kwargs.get("kv_length"):
        return None
    return sdpa_mask(*args, **kwargs)


for _name, _attention in ((PER_DOCUMENT, per_document_attention), (ONE_CALL, one_call_attention)):
    AttentionInterface.register(_name, _attention)
    AttentionMaskInterface.register(_name, _mask)
