"""A model's output layer together with what it does to logits afterwards."""

from __future__ import annotations

from typing import Any

import torch


class FinishedHead(torch.nn.Module):  # type: ignore[misc]
    """Logits of some tokens as the whole model gives them: scaled (Granite, Cohere), then softly capped (Gemma).

    Whether that is all a model does is not believed but measured, by `Forward.select_implementation`.
    """

    def __init__(self, head: torch.nn.Module, scale: float, cap: float | None) -> None:
        super().__init__()
        self.head = head
        self.scale = scale
        self.cap = cap
        self.out_features = int(getattr(head, "out_features", 128_000))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return logits: (S, H) to (S, V)."""
        logits: torch.Tensor = self.head(hidden) * self.scale
        return logits if self.cap is None else torch.tanh(logits / self.cap) * self.cap


def output_head(lm: Any) -> torch.nn.Module:
    """Return the output layer of a language model, with what its configuration says of logits."""
    head: torch.nn.Module = lm.get_output_embeddings()
    config = lm.config.get_text_config()
    scale = float(getattr(config, "logit_scale", None) or 1.0) / float(getattr(config, "logits_scaling", None) or 1.0)
    cap = getattr(config, "final_logit_softcapping", None)
    return head if scale == 1.0 and not cap else FinishedHead(head, scale, float(cap) if cap else None)
