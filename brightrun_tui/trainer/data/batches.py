"""From examples to the tensors of one micro-batch.

Packed: the examples lie one behind the other in a single row, position ids start again at each, and the model
gets their lengths instead of a mask, so attention stays inside each of them::

    ids        [ a0 a1 a2 | b0 b1 | c0 c1 c2 ]
    positions  [  0  1  2 |  0  1 |  0  1  2 ]
    targets    [     a1 a2|     b1|     c1 c2]     never the first of an example

Padded: one example a row, padded on the right with a mask by position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from brightrun_tui.trainer.data.examples import Example


@dataclass(frozen=True)
class Batch:
    """One micro-batch on its device. R rows, L columns, S supervised tokens.

    Attributes:
        input_ids: (R, L) token ids.
        model_inputs: what else the model is given.
        predictors: (S,) places in the flattened R * L whose hidden state predicts a target.
        targets: (S,) the token ids they should predict.
        owners: (S,) which example of the micro-batch each target belongs to; stays on the CPU.
        token_lengths: (R, L) length of the example each token belongs to.
        tokens: real tokens, padding not counted.
    """

    input_ids: torch.Tensor
    model_inputs: dict[str, Any]
    predictors: torch.Tensor
    targets: torch.Tensor
    owners: np.ndarray
    token_lengths: torch.Tensor
    tokens: int

    @property
    def supervised(self) -> int:
        return len(self.owners)


def packed_batch(examples: Sequence[Example], device: torch.device) -> Batch:
    """Return all examples in one row, isolated from one another by their lengths."""
    lengths = [e.length for e in examples]
    starts = np.cumsum([0, *lengths])
    ids = np.concatenate([e.ids for e in examples])
    positions = np.concatenate([np.arange(length) for length in lengths])
    supervised = np.concatenate([e.supervised for e in examples])
    places = np.flatnonzero(supervised)
    owners = np.searchsorted(starts, places, side="right") - 1
    boundaries = torch.from_numpy(starts.astype(np.int32)).to(device)
    return Batch(
        input_ids=_on(ids[None], device),
        model_inputs={
            "position_ids": _on(positions[None], device),
            "cu_seq_lens_q": boundaries,
            "cu_seq_lens_k": boundaries,
            "max_length_q": max(lengths),
            "max_length_k": max(lengths),
            "document_lengths": tuple(lengths),
        },
        predictors=_on(places - 1, device),
        targets=_on(ids[places], device),
        owners=owners,
        token_lengths=_on(np.repeat(lengths, lengths)[None], device),
        tokens=int(starts[-1]),
    )


def padded_batch(examples: Sequence[Example], device: torch.device, pad_id: int = 0) -> Batch:
    """Return one example a row. Which token pads does not matter: it is masked by position."""
    rows, width = len(examples), max(e.length for e in examples)
    ids = np.full((rows, width), pad_id, dtype=np.int64)
    mask = np.zeros((rows, width), dtype=np.int64)
    supervised = np.zeros((rows, width), dtype=bool)
    for row, example in enumerate(examples):
        ids[row, : example.length] = example.ids
        mask[row, : example.length] = 1
        supervised[row, : example.length] = example.supervised
    places = np.flatnonzero(supervised)
    lengths = np.array([e.length for e in examples])
    inputs = {"attention_mask": _on(mask, device)} if not mask.all() else {}
    return Batch(
        input_ids=_on(ids, device),
        model_inputs=inputs,
        predictors=_on(places - 1, device),
        targets=_on(ids.reshape(-1)[places], device),
        owners=places // width,
        token_lengths=_on(np.repeat(lengths[:, None], width, axis=1), device),
        tokens=int(lengths.sum()),
    )


def _on(array: np.ndarray, device: torch.device) -> torch.Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    if device.type != "cuda":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)
