"""Learning to write: from documents to the weights of the small model's network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from brightrun_tui.trainer.compute.row_parallel import RowParallel

from .corpus import make_documents
from .network import Network
from .packing import pack
from .recipe import Recipe
from .tokenizer import END_OF_TEXT, PAD, TURN_START, render, token_id

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_PARTS = 2
_CHUNK = 1000  # documents encoded at once
_UNMET = 0.9
"""A row this like the padding token's (cosine) has learnt nothing."""
_SHY = 0.2
"""Part of the common row that such a token keeps: the model goes on not saying it."""


@dataclass(frozen=True)
class Marks:
    """The token ids that structure a row."""

    pad: int
    end_of_text: int
    turn_start: int
    assistant: int

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> Marks:
        return cls(*(token_id(tokenizer, token) for token in (PAD, END_OF_TEXT, TURN_START, "assistant")))


def pretrain(recipe: Recipe, tokenizer: Tokenizer, on_step: Callable[[int, float], None]) -> Network:
    """Train a fresh network for ``recipe.steps`` steps; ``on_step(step, loss)`` is told each one (nats a token)."""
    network = Network(recipe.shape, recipe.seed)
    optimiser = Optimiser(network, recipe)
    marks = Marks.of(tokenizer)
    rows = encoded_rows(recipe, tokenizer, marks.pad)
    lanes = RowParallel()
    lanes.allowed = _PARTS
    for step in range(1, recipe.steps + 1):
        batch = torch.tensor(list(islice(rows, recipe.rows)))
        loss = add_gradients(network, batch, marks, recipe.asked_weight, lanes)
        optimiser.step(step)
        on_step(step, loss)
    tell_apart(network.embedding, marks.pad, recipe.seed)
    return network


@torch.no_grad()  # type: ignore[untyped-decorator]  # mypy does not read torch
def tell_apart(embedding: Tensor, pad: int, seed: int) -> None:
    """Give tokens that the texts hardly contain rows of their own, in place.

    All that training teaches of them is that nobody says them, so it moves them, brackets, signs, rare letters and foreign
    scripts, to one and the same row, as it does with the padding token. As the embedding is frozen in a later
    fine-tuning, the model could never learn to tell them apart.
    """
    alike = F.cosine_similarity(embedding, embedding[pad][None], dim=1) > _UNMET
    alike[pad] = False
    own = torch.randn(int(alike.sum()), embedding.shape[1], generator=torch.Generator().manual_seed(seed))
    usual = embedding[~alike].norm(dim=1).median()
    embedding[alike] = _SHY * embedding[alike] + usual * F.normalize(own, dim=1)


def encoded_rows(recipe: Recipe, tokenizer: Tokenizer, filler: int) -> Iterator[list[int]]:
    """Endless packed rows of token ids. The documents are others than those the tokenizer was made from."""
    documents = make_documents(recipe.seed + 1, recipe.drill_documents)

    def encode() -> Iterator[list[int]]:
        while True:
            yield from (found.ids for found in tokenizer.encode_batch([render(d) for d in islice(documents, _CHUNK)]))

    return pack(encode(), recipe.row_length, filler)


def add_gradients(network: Network, batch: Tensor, marks: Marks, asked_weight: float, lanes: RowParallel) -> float:
    """Weighted mean cross-entropy (nats) of each next token of ``batch`` (rows, length); its gradient is left in ``grad``.

    The rows are computed in parts side by side, and the parts' gradients added in order.
    """
    weights = token_weights(batch, marks, asked_weight)[:, 1:]
    weights = weights / weights.sum()

    def loss_of(part: tuple[Tensor, Tensor]) -> Tensor:
        rows, counts = part
        logits = network(rows[:, :-1], own_document(rows[:, :-1], marks))
        losses = F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten(), reduction="none")
        return (losses * counts.flatten()).sum()

    parts = list(zip(batch.chunk(_PARTS), weights.chunk(_PARTS), strict=True))
    return float(lanes.add_gradients([network.embedding, *network.vectors(), *network.matrices()], loss_of, parts))


def own_document(batch: Tensor, marks: Marks) -> Tensor:
    """Which tokens each one may see (rows, 1, length, length): itself and those before it in its own document.

    Without this the loss after the same steps is more than half as high again: in so short a training the network
    does not learn by itself that neighbours in a row have nothing to do with each other.
    """
    ends = (batch == marks.end_of_text).long()
    document = ends.cumsum(1) - ends
    same = document[:, :, None] == document[:, None, :]
    return (same & torch.ones(batch.shape[1], batch.shape[1], dtype=torch.bool).tril())[:, None]


def token_weights(batch: Tensor, marks: Marks, asked_weight: float) -> Tensor:
    """What each token counts (rows, length): 1 in prose and answers, ``asked_weight`` where user or system speak, 0 if filler."""
    places = torch.arange(batch.shape[1]).expand_as(batch)
    begins = (batch == marks.turn_start) | (batch == marks.end_of_text)
    begin = torch.where(begins, places, -1).cummax(1).values
    opener = batch.gather(1, begin.clamp(min=0))
    role = batch.gather(1, (begin + 1).clamp(max=batch.shape[1] - 1))
    asked = (begin >= 0) & (opener == marks.turn_start) & (role != marks.assistant)
    return torch.where(asked, asked_weight, 1.0) * (batch != marks.pad)


class Optimiser:
    """Muon for the matrices, Adam for embedding and norms.

    Muon (Jordan 2024, https://kellerjordan.github.io/posts/muon/) steps along the orthogonalised momentum. In the few
    hundred steps the small model has, it reaches a loss that AdamW needs about twice as many for.
    """

    def __init__(self, network: Network, recipe: Recipe) -> None:
        self._recipe = recipe
        self._matrices = [(matrix, torch.zeros_like(matrix)) for matrix in network.matrices()]
        self._adam = torch.optim.AdamW(
            [network.embedding, *network.vectors()], betas=(0.9, 0.95), weight_decay=0.0, fused=True
        )

    @torch.no_grad()  # type: ignore[untyped-decorator]  # mypy does not read torch
    def step(self, step: int) -> None:
        """Apply the gradients, at the rates of step number ``step`` (from 1), and clear them."""
        factor = self._schedule(step)
        for group in self._adam.param_groups:
            group["lr"] = self._recipe.vector_lr * factor
        for matrix, momentum in self._matrices:
            assert matrix.grad is not None
            momentum.lerp_(matrix.grad, 0.05)
            update = _orthogonalise(matrix.grad.lerp(momentum, 0.95))
            tall = max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
            matrix.add_(update, alpha=-self._recipe.matrix_lr * factor * tall)
            matrix.grad = None
        self._adam.step()
        self._adam.zero_grad()

    def _schedule(self, step: int) -> float:
        recipe = self._recipe
        rise = min(1.0, step / recipe.warmup_steps)
        return min(rise, (recipe.steps + 1 - step) / (recipe.decay * recipe.steps), 1.0)


def _orthogonalise(matrix: Tensor) -> Tensor:
    """The nearest (roughly) orthogonal matrix: five Newton-Schulz iterations with Jordan's coefficients."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if tall else matrix) / (matrix.norm() + 1e-7)
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.T if tall else x
