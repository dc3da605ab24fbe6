"""Position embeddings that a model changes by the length of the row before it."""

from __future__ import annotations

from typing import Any

import torch


def changes_beyond(model: torch.nn.Module) -> int | None:
    """Return tokens of a record from which on it changes the position embeddings of the whole micro-batch; None: never.

    Dynamic scaling does so beyond the length the model is made for, LongRoPE beyond the one it was first trained on.
    """
    limits = [limit for module in model.modules() for limit in _limits(module)]
    return min(limits, default=None)


def _limits(module: Any) -> list[int]:
    kinds = getattr(module, "rope_type", None)
    if not kinds:
        return []
    parameters = module.config.rope_parameters
    kinds, parameters = (kinds, parameters) if isinstance(kinds, dict) else ({"": kinds}, {"": parameters})
    limits = []
    for name, kind in kinds.items():
        if kind == "longrope":
            limits.append(int(parameters[name]["original_max_position_embeddings"]))
        elif "dynamic" in kind:
            limits.append(int(module.original_max_seq_len))
    return limits
