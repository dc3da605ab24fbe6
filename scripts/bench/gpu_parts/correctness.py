"""Is the arithmetic of training right on this device: gradients however they are computed, the 8-bit optimisers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from brightrun_tui.domain.setting_groups import LoraSettings, QuantisationSettings, TrainingSettings
from brightrun_tui.trainer.compute import loss
from brightrun_tui.trainer.compute.forward import Forward
from brightrun_tui.trainer.compute.optim import make_optimizer
from brightrun_tui.trainer.data.batches import Batch
from brightrun_tui.trainer.data.examples import Example
from brightrun_tui.trainer.model import loading
from brightrun_tui.trainer.model.adapter import attach_adapter, trainable
from brightrun_tui.trainer.model.attention import ONE_CALL, PER_DOCUMENT
from brightrun_tui.trainer.model.kernels import fuse_elementwise
from brightrun_tui.trainer.model.loading import choose_machine, load_base, packed_implementations
from brightrun_tui.trainer.model.lora import fuse_adapters
from scripts.bench.gpu_parts.models import make_examples, make_model

SAME = 3e-4
"""‖found − exact‖ / ‖exact‖ of a gradient that is computed in float32."""
AS_ROUGH = 1.5
"""Times the error of plain code in 16 bits, one record at a time, that another way of computing in 16 bits may have."""
WRONG = 4.0
"""Times the error allowed that a gradient with a known fault must have."""
OPTIMISER = 0.06
"""How far fifty steps with 8 bits of state may end from those with 32, relative to the weights."""
FLOAT32 = QuantisationSettings(method="none", compute_dtype="float32")
EXACT = QuantisationSettings(compute_dtype="float32")
AS_CHOSEN = QuantisationSettings()
Row = dict[str, Any]


@dataclass(frozen=True)
class Way:
    """One way of computing a step: how records are cut, and how each micro-batch is computed."""

    rows: Sequence[Sequence[Example]]
    packed: bool
    attention: str
    trimmed: bool = False
    own_logits: bool = False


def run(directory: Path, device: str, shape: str, quick: bool) -> Iterator[dict[str, Any]]:
    """``quick`` leaves out what differs from the rest on a GPU only."""
    base = make_model(shape, directory, device)
    examples = make_examples("short", 700 if quick else 1500)
    checks: list[Row] = []
    # all of the models' own code first: kernels take the place of functions for the whole process
    plain = Way([[e] for e in examples], packed=False, attention="eager", own_logits=True)
    wanted = [AS_CHOSEN] if quick else [FLOAT32, AS_CHOSEN]
    exact = {settings: _gradient(_without_kernels(base, settings), plain) for settings in map(_exact_of, wanted)}
    rough = {settings: _gradient(_without_kernels(base, settings), plain) for settings in wanted}
    for settings in wanted:
        name = f"{settings.method} in {choose_machine(settings).compute}".replace("torch.", "")
        reference = exact[_exact_of(settings)]
        error = _error(rough[settings], reference)
        limit = max(SAME, AS_ROUGH * error)
        fused: list[tuple[str, ...]] = []
        forward = _forward(base, settings, fused)
        checks += [{"what": f"{name}: {what}", **row} for what, row in _try_ways(forward, examples, reference, limit)]
        forward.model.get_base_model().set_attn_implementation("eager")
        notice = forward.select_implementation(examples, packing="auto", longest=max(e.length for e in examples))
        yield {
            "checks": list(checks),
            f"{name}: plain code's error": error,
            f"{name}: the worker would take": {
                "attention": forward.attention,
                "packed": forward.packed,
                "trimmed": forward.trimmed,
                "own_logits": forward.own_logits,
                "notice": notice,
                "kernels": fused[0] if fused else (),
            },
        }
        if device == "cuda" and not forward.packed:
            checks.append({"what": f"{name}: records are packed", "found": notice, "right": False})
    checks += _optimiser(device)
    yield {"checks": checks}


def _exact_of(settings: QuantisationSettings) -> QuantisationSettings:
    """The same weights, computed with in float32."""
    return FLOAT32 if settings.method == "none" else EXACT


def _try_ways(
    forward: Forward, examples: Sequence[Example], reference: torch.Tensor, limit: float
) -> Iterator[tuple[str, Row]]:
    half = len(examples) // 2
    singly, halves = [[e] for e in examples], [examples[:half], examples[half:]]
    ways = {
        "one by one": Way(singly, False, "eager"),
        "padded": Way(halves, False, "sdpa"),
        "packed, a call for each record": Way(halves, True, PER_DOCUMENT),
        "packed, one call": Way(halves, True, ONE_CALL),
        "packed, one call, last layer trimmed": Way(halves, True, ONE_CALL, trimmed=True),
        "packed, last layer trimmed": Way(halves, True, PER_DOCUMENT, trimmed=True),
        "all in one row": Way([examples], True, PER_DOCUMENT),
        "padded, last layer trimmed": Way(halves, False, "sdpa", True),
    }
    for what, way in ways.items():
        if way.attention != ONE_CALL or ONE_CALL in packed_implementations(forward.machine):
            yield what, _row(reference, partial(_gradient, forward, way), most=limit)
    best = ways["packed, a call for each record"]
    yield "loss in many chunks", _row(reference, lambda: _in_chunks(forward, best), most=limit)
    yield "activations computed twice", _row(reference, lambda: _recomputed(forward, best), most=limit)
    wrong = {
        "records that see each other": lambda: _gradient(
            forward, Way([[_joined(half)] for half in halves], False, "eager")
        ),
        "first tokens of records trained": lambda: _gradient(forward, best, _boundaries_trained),
        "mean of means": lambda: _mean_of_means(forward, singly),
    }
    for what, compute in wrong.items():
        yield f"{what} (must be found out)", _row(reference, compute, least=WRONG * limit)


def _forward(base: Path, settings: QuantisationSettings, fused: list[tuple[str, ...]]) -> Forward:
    """As the worker makes it; which kernels it took is added to ``fused``."""

    def and_tell(*given: Any) -> tuple[str, ...]:
        fused.append(fuse_elementwise(*given))
        return fused[-1]

    return _made(base, settings, and_tell, fuse_adapters)


def _without_kernels(base: Path, settings: QuantisationSettings) -> Forward:
    """The code of transformers and peft."""
    return _made(base, settings, lambda *given: (), lambda adapted: 0)


def _made(
    base: Path,
    settings: QuantisationSettings,
    kernels: Callable[..., tuple[str, ...]],
    adapters: Callable[[torch.nn.Module], int],
) -> Forward:
    machine = choose_machine(settings)
    with mock.patch.object(loading, "fuse_elementwise", kernels):
        loaded = load_base(str(base), "", settings, machine)
    adapted = attach_adapter(loaded, LoraSettings(r=8), machine, seed=1)
    adapters(adapted)
    torch.manual_seed(3)
    for name, parameter in trainable(adapted).items():
        values = torch.randn(parameter.shape) * (0.05 if "lora_B" in name else 0.1)
        parameter.data.copy_(values.bfloat16())  # the same numbers in every format
    return Forward(adapted, machine)


def _gradient(forward: Forward, way: Way, change: Callable[[Batch], Batch] = lambda batch: batch) -> torch.Tensor:
    """Of the mean loss over all supervised tokens, all of the adapter in one vector. ``change``: made to each micro-batch."""
    forward.packed, forward.own_logits, forward.trimmed = way.packed, way.own_logits, way.trimmed
    forward.model.get_base_model().set_attn_implementation(way.attention)
    supervised = sum(e.targets for row in way.rows for e in row)
    return _collected(forward, [(change(forward.batch(row)), 1 / supervised) for row in way.rows])


def _mean_of_means(forward: Forward, rows: Sequence[Sequence[Example]]) -> torch.Tensor:
    forward.packed, forward.own_logits, forward.trimmed = False, False, False
    forward.model.get_base_model().set_attn_implementation("eager")
    batches = map(forward.batch, rows)
    return _collected(forward, [(batch, 1 / (len(rows) * batch.supervised)) for batch in batches])


def _collected(forward: Forward, weighted: Sequence[tuple[Batch, float]]) -> torch.Tensor:
    forward.set_training(True)
    parameters = list(trainable(forward.model).values())
    for parameter in parameters:
        parameter.grad = None
    for batch, weight in weighted:
        (forward.loss_sum(batch) * weight).backward()
    return torch.cat([p.grad.double().flatten() for p in parameters]).cpu()


def _in_chunks(forward: Forward, way: Way) -> torch.Tensor:
    with mock.patch.object(loss, "CHUNK_LOGITS", 24 * 4096):
        return _gradient(forward, way)


def _recomputed(forward: Forward, way: Way) -> torch.Tensor:
    base = forward.model.get_base_model()
    base.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    try:
        return _gradient(forward, way)
    finally:
        base.activation_checkpointing_disable()


def _joined(examples: Sequence[Example]) -> Example:
    """Several records as if they were one."""
    return Example(0, np.concatenate([e.ids for e in examples]), np.concatenate([e.supervised for e in examples]))


def _boundaries_trained(batch: Batch) -> Batch:
    """The first token of each record predicted from the last one of the record before it."""
    places = torch.tensor(np.cumsum(batch.model_inputs["document_lengths"])[:-1], device=batch.input_ids.device)
    return replace(
        batch,
        predictors=torch.cat([batch.predictors, places - 1]),
        targets=torch.cat([batch.targets, batch.input_ids[0, places]]),
    )


def _row(
    reference: torch.Tensor, compute: Callable[[], torch.Tensor], *, most: float | None = None, least: float = 0.0
) -> Row:
    """Whether the error of a gradient is at most so large; of one with a fault, at least."""
    try:
        error = _error(compute(), reference)
    except (RuntimeError, ValueError, TypeError, AttributeError, ImportError) as failed:
        return {"found": f"{type(failed).__name__}: {str(failed)[:300]}", "right": False}
    return {"found": error, "most": most, "least": least, "right": error >= least and (most is None or error <= most)}


def _error(found: torch.Tensor, exact: torch.Tensor) -> float:
    return float((found - exact).norm() / exact.norm())


def _optimiser(device: str) -> Iterator[Row]:
    """Fifty steps on a quadratic bowl: 8-bit and paged AdamW against torch's in float32."""

    def track(kind: str) -> tuple[torch.Tensor, int]:
        torch.manual_seed(5)
        layer = torch.nn.Linear(512, 64, bias=False).to(device)
        target = torch.randn(64, 512).to(device)
        optimizer = make_optimizer(layer, TrainingSettings(optim=kind, learning_rate=1e-2), torch.device(device))
        for _ in range(50):
            optimizer.zero_grad()
            (layer.weight - target).square().sum().backward()
            optimizer.step()
        state = [
            value for values in optimizer.state.values() for value in values.values() if isinstance(value, torch.Tensor)
        ]
        return layer.weight.detach().float().cpu(), sum(value.numel() * value.element_size() for value in state)

    reference, _ = track("adamw_torch_fused")
    for kind in ("adamw_8bit", "paged_adamw_8bit"):
        weights, state = track(kind)
        difference = _error(weights, reference)
        yield {
            "what": f"{kind}, fifty steps",
            "found": difference,
            "most": OPTIMISER,
            "right": difference < OPTIMISER,
            "state bytes for each number": state / weights.numel(),
        }
