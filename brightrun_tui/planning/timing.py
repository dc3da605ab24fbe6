"""How long a run takes, in seconds.

Time = tokens × FLOPs a token ÷ (peak × utilisation) + a cost for every micro-batch. FLOPs a token and weight: 2 forward
only, 4 with the gradients of the inputs (the base is frozen, its weights need none), 6 where activations are computed
twice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from brightrun_tui.domain.dataset import DatasetReport
from brightrun_tui.domain.money import Hardware
from brightrun_tui.domain.settings import RunSettings
from brightrun_tui.domain.sizing import GPU_SHARE, GPU_TOKENS
from brightrun_tui.planning.architecture import Architecture
from brightrun_tui.planning.memory import EXPERTS, MemoryNeed
from brightrun_tui.planning.tokens import TokenCounts

EVALUATIONS = 10
START_SECONDS = 12.0
LOAD_BYTES_PER_SECOND = 5e8
DORA_FACTOR = 1.26
ANSWERS_AT_ONCE = 8
"""Sample answers are written side by side."""


@dataclass(frozen=True)
class Shape:
    """How much there is to do. ``samples``: records seen over all epochs. ``longest``: tokens, within max length."""

    train_records: int
    eval_records: int
    steps: int
    samples: int
    mean: float
    longest: int
    answer_mean: float

    @property
    def supervised_share(self) -> float:
        """Part of the tokens that the loss counts."""
        return min(1.0, self.answer_mean / max(1.0, self.mean))


@dataclass(frozen=True)
class Pace:
    """What a machine reaches while training.

    ``flops``: per second, after utilisation: published QLoRA runs on GPUs reach 0.3–0.6 of the peak, CPUs 0.3–0.4.
    ``layer_seconds``: what a layer's many small operations cost in every micro-batch, however few tokens it has.
    ``bandwidth``: bytes of weights per second, which is what limits writing text token by token.
    """

    flops: float
    layer_seconds: float
    bandwidth: float


def pace_of(machine: Hardware) -> Pace:
    """Rough, for GPUs and CPUs in general."""
    if machine.gpu_count:
        return Pace(0.40 * max(1.0, machine.flops), 0.003, 1e12)
    return Pace(0.35 * max(1.0, machine.flops), 0.006, 1e10)


def held_out(usable: int, settings: RunSettings) -> int:
    """Records kept away from training."""
    return max(1, min(settings.data.eval_max_records, round(usable * settings.data.eval_fraction), usable - 1))


def shape_of(report: DatasetReport, tokens: TokenCounts, settings: RunSettings, context: int) -> Shape:
    """Steps and lengths as the worker would plan them."""
    training = settings.training
    evaluated = held_out(report.usable, settings)
    train = max(1, report.usable - evaluated)
    samples = max(1, round(training.epochs * train))
    if training.max_steps:
        samples = training.max_steps * training.batch_size
    limit = min(settings.data.max_length or context, context)
    steps = math.ceil(samples / training.batch_size)
    return Shape(
        train,
        evaluated,
        steps,
        samples,
        min(tokens.mean, limit),
        min(tokens.longest, limit),
        min(tokens.answer_mean, limit),
    )


def training_seconds(
    model: Architecture, settings: RunSettings, machine: Hardware, shape: Shape, need: MemoryNeed
) -> float:
    """The optimiser steps."""
    pace = pace_of(machine)
    batch = min(settings.training.batch_size, shape.samples)
    micro_batches = max(1.0, batch * shape.mean / _micro_batch_tokens(machine, settings, need))
    if settings.training.micro_batch_size:
        micro_batches = max(micro_batches, batch / settings.training.micro_batch_size)
    passes = 3 if need.checkpointing else 2
    arithmetic = shape.samples * shape.mean * _flops_per_token(model, settings, shape, passes) / pace.flops
    small_operations = shape.steps * micro_batches * pace.layer_seconds * model.layers
    return (arithmetic + small_operations) * (DORA_FACTOR if settings.lora.use_dora else 1.0)


def other_seconds(
    model: Architecture, settings: RunSettings, machine: Hardware, shape: Shape, need: MemoryNeed, weight_bytes: int
) -> float:
    """Starting, loading, measuring the held-out records (base, tuned, and on the way), and writing sample answers."""
    pace = pace_of(machine)
    every = settings.evaluation.eval_steps
    rounds = 2 + (math.ceil(shape.steps / every) if every else min(shape.steps, EVALUATIONS))
    tokens = shape.eval_records * shape.mean
    forward_layers = pace.layer_seconds / 3 * model.layers
    one_round = tokens * _flops_per_token(model, settings, shape, 1) / pace.flops
    one_round += forward_layers * max(1.0, tokens / need.tokens)
    weights = need.parts["base model"] + need.parts.get(EXPERTS, 0)
    one_token = forward_layers + weights / pace.bandwidth
    answer = min(settings.evaluation.max_new_tokens or math.inf, 1.5 * shape.answer_mean + 8)
    answers = 2 * math.ceil(min(settings.evaluation.sample_prompts, shape.eval_records) / ANSWERS_AT_ONCE)
    return START_SECONDS + weight_bytes / LOAD_BYTES_PER_SECOND + rounds * one_round + answers * answer * one_token


def _flops_per_token(model: Architecture, settings: RunSettings, shape: Shape, passes: int) -> float:
    """``passes``: 1 forward only, 2 with gradients of the inputs, 3 with activations computed twice."""
    trains = passes > 1
    adapter = model.lora_parameters(settings.lora.r, settings.lora.target_modules)
    linear = 2.0 * passes * model.active_linear_parameters
    attention = 2.0 * passes * model.layers * model.query_width * shape.mean
    output = 2.0 * (2 if trains else 1) * model.vocab * model.hidden * shape.supervised_share
    return linear + attention + output + (2.0 * passes + (2.0 if trains else 0.0)) * adapter


def _micro_batch_tokens(machine: Hardware, settings: RunSettings, need: MemoryNeed) -> float:
    """On a GPU as many as fit, where the setting leaves it open."""
    if not machine.gpu_count or settings.training.micro_batch_size:
        return float(need.tokens)
    room = GPU_SHARE * machine.gpu_memory - (need.total - need.parts["activations"])
    return max(float(need.tokens), min(GPU_TOKENS, room / max(1.0, need.per_token)))
