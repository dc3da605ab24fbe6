"""Everything that decides what the small model becomes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

GENERATION = 2
"""Raise it when the corpus or the code changes what comes out: copies made by an older one are made again."""


@dataclass(frozen=True)
class Shape:
    """Sizes of the network; the names are those of `LlamaConfig`."""

    vocab_size: int = 3072
    hidden_size: int = 128
    intermediate_size: int = 384
    num_hidden_layers: int = 4
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    max_position_embeddings: int = 4096

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.num_attention_heads


@dataclass(frozen=True)
class Recipe:
    """The whole recipe. Steps are fixed, not timed: the same recipe gives the same model on a slower machine.

    ``drill_documents`` come first: mostly repeating and remembering. Without them the same steps end at a loss a third higher.
    ``asked_weight`` is how much a token that user or system say counts beside one of an answer.
    ``matrix_lr`` is the step of the orthogonalised updates (Muon), ``vector_lr`` that of Adam for embedding and norms.
    Both rise over ``warmup_steps`` and fall linearly to zero over the last ``decay`` part of the run.
    """

    shape: Shape = Shape()
    seed: int = 11
    tokenizer_documents: int = 20_000
    steps: int = 450
    rows: int = 8
    row_length: int = 256
    matrix_lr: float = 0.04
    vector_lr: float = 0.02
    drill_documents: int = 6_000
    asked_weight: float = 0.3
    warmup_steps: int = 10
    decay: float = 0.5

    def fingerprint(self) -> str:
        """The version of what this recipe makes."""
        document = json.dumps({"generation": GENERATION, **asdict(self)}, sort_keys=True)
        return hashlib.sha256(document.encode()).hexdigest()[:16]
