"""The last decoder layer, computed only where a token is predicted that the loss counts.

Keys and values of the last layer are needed everywhere, but its queries, its output projection and its MLP only feed
the hidden state of their own position. With long prompts and short answers that is most of a layer: a quarter of the
work of a model of four layers, a thirtieth of one of thirty. Other positions hold zeros, which nothing reads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch


class SupervisedRows:
    """Makes the row-wise modules of the last layer compute chosen rows only, while `only` is in force.

    Attributes:
        found: how many such modules the model has; 0 if its layers are built in another way.
    """

    def __init__(self, backbone: Any) -> None:
        self._now = threading.local()  # rows are computed side by side, each with its own choice
        layers = getattr(backbone, "layers", None)
        last = layers[-1] if isinstance(layers, torch.nn.ModuleList) and len(layers) else None
        attention = getattr(last, "self_attn", None)
        parts = [getattr(attention, "q_proj", None), getattr(attention, "o_proj", None), getattr(last, "mlp", None)]
        modules = [part for part in parts if isinstance(part, torch.nn.Module)]
        self.found = len(modules)
        for module in modules:
            module.forward = self._rowwise(module.forward)

    @contextmanager
    def only(self, rows: torch.Tensor) -> Iterator[None]:
        """Compute only these places of the flattened (rows, columns) in the last layer; each place once."""
        self._now.rows = rows
        try:
            yield
        finally:
            self._now.rows = None

    def _rowwise(self, whole: Callable[..., Any]) -> Callable[..., Any]:
        def forward(hidden: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
            rows: torch.Tensor | None = getattr(self._now, "rows", None)
            if rows is None:
                return whole(hidden, *args, **kwargs)
            chosen = whole(hidden.flatten(0, 1)[rows].unsqueeze(0), *args, **kwargs)[0]
            empty = chosen.new_zeros(hidden.shape[0] * hidden.shape[1], chosen.shape[-1])
            return empty.index_copy(0, rows, chosen).view(*hidden.shape[:2], -1)

        return forward
