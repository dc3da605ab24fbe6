"""Learning to write: from documents to the weights of the starter's network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from .corpus import make_documents
from .network import Network
from .packing import pack
from .recipe import StarterRecipe
from .tokenizer import render

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_CHUNK = 1000  # documents encoded at once


def pretrain(recipe: StarterRecipe, tokenizer: Tokenizer, filler: int, on_step: Callable[[int, float], None]) -> Network:
    """Train a fresh network for ``recipe.steps`` steps; ``on_step(step, loss)`` is told each one (nats a token)."""
    network = Network(recipe.shape, recipe.seed)
    optimiser = Optimiser(network, recipe)
    rows = encoded_rows(recipe, tokenizer, filler)
    for step in range(1, recipe.steps + 1):
        batch = torch.tensor(list(islice(rows, recipe.rows)))
        loss = next_token_loss(network, batch, filler)
        loss.backward()
        optimiser.step(step)
        on_step(step, loss.item())
    return network


def encoded_rows(recipe: StarterRecipe, tokenizer: Tokenizer, filler: int) -> Iterator[list[int]]:
    """Endless packed rows of token ids. The documents are others than those the tokenizer was made from."""
    documents = make_documents(recipe.seed + 1)

    def encode() -> Iterator[list[int]]:
        while True:
            yield from (found.ids for found in tokenizer.encode_batch([render(d) for d in islice(documents, _CHUNK)]))

    return pack(encode(), recipe.row_length, filler)


def next_token_loss(network: Network, batch: Tensor, filler: int) -> Tensor:
    """Mean cross-entropy of each next token of ``batch`` (rows, length); ``filler`` is not counted."""
    logits = network(batch[:, :-1])
    return F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten(), ignore_index=filler)


class Optimiser:
    """Muon for the matrices, Adam for embedding and norms.

    Muon (Jordan 2024, https://kellerjordan.github.io/posts/muon/) steps along the orthogonalised momentum. In the few
    hundred steps the starter has, it reaches a loss that AdamW needs about twice as many for.
    """

    def __init__(self, network: Network, recipe: StarterRecipe) -> None:
        self._recipe = recipe
        self._matrices = [(matrix, torch.zeros_like(matrix)) for matrix in network.matrices()]
        self._adam = torch.optim.AdamW([network.embedding, *network.vectors()], betas=(0.9, 0.95), weight_decay=0.0, fused=True)

    @torch.no_grad()
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
