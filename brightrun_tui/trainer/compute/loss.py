"""Cross entropy at supervised positions only, in chunks: the full table of logits never exists.

The output layer is frozen, so its share of the backward pass is known while the forward pass holds the logits of a
chunk: with p = softmax(h W^T), the loss of one token has the gradient (p - onehot) W with respect to h. It is
computed there and kept, S * H numbers instead of S * V.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import cross_entropy, linear
from torch.utils.checkpoint import checkpoint

from brightrun_tui.domain.sizing import CHUNK_LOGITS


def chunk_rows(vocabulary: int) -> int:
    """Return how many tokens are scored at once."""
    return max(16, CHUNK_LOGITS // vocabulary)


class _FrozenHeadLoss(torch.autograd.Function):  # type: ignore[misc]
    """Sum of token losses for hidden states (S, H), weight (V, H), optional bias (V,), targets (S,)."""

    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, targets: torch.Tensor
    ) -> torch.Tensor:
        gradient = torch.empty_like(hidden)
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        rows = chunk_rows(weight.shape[0])
        for start in range(0, len(targets), rows):
            piece = slice(start, start + rows)
            logits = linear(hidden[piece], weight, bias).float()
            chosen = targets[piece, None]
            normaliser = logits.logsumexp(dim=-1, keepdim=True)
            total += (normaliser - logits.gather(1, chosen)).sum()
            probabilities = logits.sub_(normaliser).exp_()
            probabilities.scatter_add_(1, chosen, torch.full_like(chosen, -1.0, dtype=torch.float32))
            torch.mm(probabilities.to(weight.dtype), weight, out=gradient[piece])
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * upstream.to(gradient.dtype), None, None, None


def summed_loss(hidden: torch.Tensor, head: torch.nn.Module, targets: torch.Tensor) -> torch.Tensor:
    """Sum over tokens of -log p(target), differentiable with respect to ``hidden`` (and ``head``, if it trains).

    Args:
        hidden: (S, H) hidden states that predict.
        head: the output layer, H to V.
        targets: (S,) token ids.
    """
    if (
        isinstance(head, torch.nn.Linear)
        and not any(p.requires_grad for p in head.parameters())
        and hidden.dtype == head.weight.dtype
        and hidden.requires_grad
    ):
        return _FrozenHeadLoss.apply(hidden, head.weight, head.bias, targets)
    rows = chunk_rows(getattr(head, "out_features", 128_000))
    total = torch.zeros((), dtype=torch.float32, device=hidden.device)
    for start in range(0, len(targets), rows):
        piece = slice(start, start + rows)
        total = total + checkpoint(_plain_sum, hidden[piece], head, targets[piece], use_reentrant=False)
    return total


def _plain_sum(hidden: torch.Tensor, head: torch.nn.Module, targets: torch.Tensor) -> torch.Tensor:
    return cross_entropy(head(hidden).float(), targets, reduction="sum")


def token_scores(
    hidden: torch.Tensor, head: torch.nn.Module, targets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return for each token its loss in nats (fp32, (S,)) and whether the likeliest token is the right one (bool, (S,)).

    Call it without gradients.
    """
    losses, right = [], []
    rows = chunk_rows(getattr(head, "out_features", 128_000))
    for start in range(0, len(targets), rows):
        logits = head(hidden[start : start + rows]).float()
        chosen = targets[start : start + rows]
        losses.append(cross_entropy(logits, chosen, reduction="none"))
        right.append(logits.argmax(dim=-1) == chosen)
    return torch.cat(losses), torch.cat(right)
