"""From a micro-batch to its loss, by the fastest way that provably gives the model's own numbers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.nf4 import keep_in_training_mode
from brightrun_tui.trainer.compute.last_layer import SupervisedRows
from brightrun_tui.trainer.compute.loss import summed_loss, token_scores
from brightrun_tui.trainer.data.batches import Batch, packed_batch, padded_batch
from brightrun_tui.trainer.data.examples import Example
from brightrun_tui.trainer.model.head import output_head
from brightrun_tui.trainer.model.loading import TrainingDevice, packed_implementations
from brightrun_tui.trainer.model.rope import changes_beyond
from brightrun_tui.trainer.runtime.failures import TrainingError, is_out_of_memory

TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.05, torch.float16: 0.05}
"""Mean difference of token losses (nats) up to which two ways count as the same."""
ROUNDING = {torch.float32: 0.0, torch.bfloat16: 0.25, torch.float16: 0.1}
"""Root mean square of the differences, relative to how far losses lie from one another, up to which rounding explains them: in
16 bits many layers move the losses of single tokens, but not their mean (`SHIFT`, nats, and three standard errors), which
another scale or a wrong mask would. What records see of one another is looked at apart, exactly."""
SHIFT = 0.02
CHECKED_EXAMPLES = 3
CHECKED_LENGTH = 64
"""Examples about this long, or beginnings of longer ones, show every difference, and cost little."""
ALIKE = {torch.float32: 0.999, torch.bfloat16: 0.95, torch.float16: 0.95}
"""Cosine of two gradients from which on they count as the same."""


class Forward:
    """Runs the model on micro-batches.

    Attributes:
        packed: examples share a row (else they are padded).
        own_logits: all of the model's own logits are made at once, because it does something unknown to them.
        trimmed: the last layer is computed at the places that predict a supervised token only.
        alone: a micro-batch holds one record, because its length would change what the model makes of others.
    """

    def __init__(self, model: Any, machine: TrainingDevice, *, pad_id: int = 0, neftune_alpha: float = 0.0) -> None:
        self.model = model
        self.machine = machine
        self.packed = True
        self.own_logits = False
        self.trimmed = False
        self.one_record_a_batch = False
        self._pad_id = pad_id
        self._neftune_alpha = neftune_alpha
        self._lm = model.get_base_model()
        self._backbone = self._lm.base_model
        self._head = output_head(self._lm)
        self._last_layer = SupervisedRows(self._backbone)

    @property
    def attention(self) -> str:
        """The attention in use, by the name that transformers knows it by."""
        return str(self._lm.config._attn_implementation)

    def batch(self, examples: Sequence[Example]) -> Batch:
        """Return the examples as one micro-batch on the device."""
        if self.packed:
            return packed_batch(examples, self.machine.device)
        return padded_batch(examples, self.machine.device, self._pad_id)

    def set_training(self, training: bool) -> None:
        """Switch dropout, noise and gradient checkpointing on or off."""
        if self.model.training != training:
            self.model.train(training)
            keep_in_training_mode(self.model)

    def loss_sum(self, batch: Batch) -> torch.Tensor:
        """Sum over the supervised tokens of their losses (nats), a float32 scalar with a gradient."""
        if self.own_logits:
            return cross_entropy(self._supervised_logits(batch).float(), batch.targets, reduction="sum")
        return summed_loss(self._hidden(batch), self._head, batch.targets)

    def logits(self, batch: Batch) -> torch.Tensor:
        """Return (S, V) float32 logits that predict the supervised tokens, with a gradient: for objectives that need
        more of them than the loss. They are made at once, so they take 4 * S * V bytes and as much again for the
        gradient.
        """
        if self.own_logits:
            return self._supervised_logits(batch).float()
        logits: torch.Tensor = self._head(self._hidden(batch))
        return logits.float()

    def scores(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """Return for every supervised token its loss (float64) and whether it would have been predicted (bool)."""
        with torch.no_grad():
            if self.own_logits:
                logits = self._supervised_logits(batch).float()
                losses = cross_entropy(logits, batch.targets, reduction="none")
                right = logits.argmax(dim=-1) == batch.targets
            else:
                losses, right = token_scores(self._hidden(batch), self._head, batch.targets)
        return losses.double().cpu().numpy(), right.cpu().numpy()

    def _inputs(self, batch: Batch) -> dict[str, Any]:
        if not (self._neftune_alpha and self.model.training):
            return {"input_ids": batch.input_ids, **batch.model_inputs}
        embedded = self._lm.get_input_embeddings()(batch.input_ids)
        size = self._neftune_alpha / (batch.token_lengths * embedded.shape[-1]).sqrt()  # arXiv 2310.05914
        noise = torch.empty_like(embedded).uniform_(-1, 1) * size.unsqueeze(-1).to(embedded.dtype)
        return {"inputs_embeds": embedded + noise, **batch.model_inputs}

    def _hidden(self, batch: Batch) -> torch.Tensor:
        """Return (S, H) hidden states at the positions that predict a supervised token."""
        recomputing = self.model.training and getattr(self._backbone, "gradient_checkpointing", False)
        trimming = self._last_layer.only(batch.predictors) if self.trimmed and not recomputing else nullcontext()
        with trimming:
            output = self._backbone(**self._inputs(batch), use_cache=False)
        return output.last_hidden_state.flatten(0, 1)[batch.predictors]

    def _supervised_logits(self, batch: Batch) -> torch.Tensor:
        if batch.input_ids.shape[0] == 1:
            return self._lm(**self._inputs(batch), use_cache=False, logits_to_keep=batch.predictors).logits[0]
        return self._lm(**self._inputs(batch), use_cache=False).logits.flatten(0, 1)[batch.predictors]

    def select_implementation(self, examples: Sequence[Example], *, packing: str, longest: int) -> str:
        """Take the fastest way whose token losses equal those of the model run plainly, one record at a time.

        Packing is only safe in models whose every layer keeps to the given lengths; scoring hidden states is only
        right where the output layer does nothing else. Both are measured here instead of believed.

        Args:
            packing: the setting; "off" leaves packed ways out.
            longest: tokens of the longest record of all.

        Returns:
            What the user should know about the choice, or "".

        Raises:
            TrainingError: packing is "on" and this model cannot be packed.
        """
        nearest = sorted(examples, key=lambda e: abs(e.length - CHECKED_LENGTH))[:CHECKED_EXAMPLES]
        sample = [example.beginning(CHECKED_LENGTH - i) for i, example in enumerate(nearest)]
        expected = self._plain_losses(sample)
        pair = [nearest[0].beginning(CHECKED_LENGTH // 2), nearest[-1].beginning(CHECKED_LENGTH // 3)]
        packable = () if packing == "off" else packed_implementations(self.machine)
        slope = self._slope(pair[1:]) if packable else torch.empty(0)
        limit = changes_beyond(self.model)
        self.one_record_a_batch = limit is not None and longest > limit
        if self.one_record_a_batch and packing == "on":
            raise TrainingError(
                f"records of more than {limit} tokens change how this base model reads those beside them",
                where="training.packing",
                fix="set packing to auto",
                kind=ErrorKind.PACKING_UNSAFE,
                suggestion={"training.packing": "auto"},
            )
        for implementation, packed in (*((name, True) for name in packable), ("sdpa", False), ("eager", False)):
            if packing == "on" and not packed:
                raise TrainingError(
                    "this base model lets packed records see each other",
                    where="training.packing",
                    fix="set packing to auto",
                    kind=ErrorKind.PACKING_UNSAFE,
                    suggestion={"training.packing": "auto"},
                )
            for own_logits, trimmed in ((False, True), (False, False), (True, False)):
                self.packed, self.own_logits, self.trimmed = packed, own_logits, trimmed
                if not self._agrees(implementation, sample, expected):
                    continue
                if packed and not self._keeps_apart(pair, slope):
                    break
                if self.one_record_a_batch:
                    return f"this base model reads records of more than {limit} tokens in another way; each is computed alone"
                unpackable = packing == "auto" and not packed
                return "this base model cannot be packed safely; records are padded instead" if unpackable else ""
        raise TrainingError(
            "no way of computing the loss gives the model's own numbers",
            where="base model",
            fix="report this base model; meanwhile choose another",
            kind=ErrorKind.BASE_UNSUPPORTED,
        )

    def _plain_losses(self, sample: Sequence[Example]) -> np.ndarray:
        """Return token losses of the model as its authors wrote it: eager attention, one example at a time, all logits."""
        self._lm.set_attn_implementation("eager")
        losses = []
        with torch.no_grad():
            for example in sample:
                ids = torch.from_numpy(example.ids)[None].to(self.machine.device)
                logits = self._lm(input_ids=ids, use_cache=False).logits[0].float()
                every = cross_entropy(logits[:-1], ids[0, 1:], reduction="none")
                losses.append(every.double().cpu().numpy()[example.supervised[1:]])
        plain: np.ndarray = np.concatenate(losses)
        if not np.isfinite(plain).all():
            raise TrainingError(
                "the base model gives no finite loss for the first records",
                where="base model",
                kind=ErrorKind.NOT_FINITE,
                fix="its weights are damaged, or float16 is too narrow for it",
                suggestion={"quantisation.compute_dtype": "float32"},
            )
        return plain

    def _slope(self, sample: Sequence[Example]) -> torch.Tensor:
        """Return the gradient of the last record's hidden states with respect to the embeddings of all of them, (R, L,
        H), as things are set.
        """
        batch = (
            packed_batch(sample, self.machine.device) if len(sample) > 1 else padded_batch(sample, self.machine.device)
        )
        embedded: list[torch.Tensor] = []

        def keep(module: torch.nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor:
            embedded.append(output.detach().requires_grad_())
            return embedded[-1]

        with torch.enable_grad(), self._lm.get_input_embeddings().register_forward_hook(keep):
            hidden = self._backbone(input_ids=batch.input_ids, **batch.model_inputs, use_cache=False).last_hidden_state
            last = hidden[:, -sample[-1].length :].float()
            # not their length, which the last norm makes the same for all: its slope would be nothing but rounding
            directions = torch.cos(torch.arange(last[0].numel(), device=last.device)).view_as(last[0])
            return torch.autograd.grad((last * directions).sum(), embedded[0])[0].float()

    def _keeps_apart(self, pair: Sequence[Example], plain: torch.Tensor) -> bool:
        """Say whether in a packed row the second record does not depend on the first at all, and has the gradient ``plain``.

        A leak may be too small for 16-bit losses to show and still spoil gradients; without one the slope is zero in any
        number format.
        """
        try:
            slope = self._slope(pair)
        except (RuntimeError, ValueError, TypeError, AttributeError) as error:
            if is_out_of_memory(error):
                raise
            return False
        length = pair[1].length
        alike = torch.cosine_similarity(slope[:, -length:].flatten(), plain.flatten(), dim=0)
        return not slope[:, :-length].any() and float(alike) >= ALIKE[self.machine.compute]

    def _agrees(self, implementation: str, sample: Sequence[Example], expected: np.ndarray) -> bool:
        try:
            self._lm.set_attn_implementation(implementation)
            losses, _ = self.scores(self.batch(sample))
        except (RuntimeError, ValueError, TypeError, AttributeError, ImportError) as error:
            if is_out_of_memory(error):
                raise
            return False
        return same_losses(losses, expected, self.machine.compute)


def same_losses(losses: np.ndarray, expected: np.ndarray, compute: torch.dtype) -> bool:
    """Say whether two ways of computing the same token losses (nats) differ by the rounding of ``compute`` at most."""
    differences = losses - expected
    if np.abs(differences).mean() < TOLERANCE[compute]:
        return True
    size = float(np.sqrt((differences**2).mean()))
    shifted = abs(float(differences.mean())) > SHIFT + 3 * size / len(differences) ** 0.5
    return not shifted and size < ROUNDING[compute] * float(np.std(expected))
