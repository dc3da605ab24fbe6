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
from brightrun_tui.domain.sizing import (
    ANSWER_EXPECTED,
    ANSWERS_AT_ONCE,
    BASE_SHARE,
    FEWEST_FOR_EACH,
    GPU_SHARE,
    GPU_TOKENS,
    SCORED_ANSWERS,
    SHORT_ANSWER,
    TRAIN_SAMPLE,
    TRAIN_SAMPLE_SHARE,
    answer_room,
    answer_seconds,
    evaluations,
    way_seconds,
)
from brightrun_tui.domain.time_parts import TimeParts
from brightrun_tui.planning.architecture import Architecture, BaseModelInfo
from brightrun_tui.planning.memory import EXPERTS, MemoryNeed
from brightrun_tui.planning.token_counts import TokenCounts

START_SECONDS = 3.0
"""Imports, where no worker waits with them done, or less."""
LOAD_BYTES_PER_SECOND = 5e8
LINE_BYTES_PER_SECOND = 2e7
"""From a package index or the Hub to this machine."""
UNPACK_START_SECONDS, UNPACK_WEIGHTS_PER_SECOND = 20.0, 5e6
"""Of a base model that comes packed: imports in a process of its own, then its weights read and written."""
DATA_BYTES_PER_SECOND = 1e7
DORA_FACTOR = 1.26
WAYS_TOKENS, WAYS_CALLS = 600, 12
"""What the worker computes to find the fastest way that gives the model's own numbers."""
TALK_TOKENS = 600
"""Of everyday questions, which both models are measured on."""
SAVE_SECONDS = 0.3


@dataclass(frozen=True)
class Shape:
    """How much there is to do. ``samples``: records seen over all epochs. ``longest``: tokens, within max length.

    ``short_answers``: so short that many held-out prompts are answered for the report card.
    """

    train_records: int
    eval_records: int
    steps: int
    samples: int
    mean: float
    longest: int
    answer_mean: float
    short_answers: bool = False

    @property
    def supervised_share(self) -> float:
        """Part of the tokens that the loss counts."""
        return min(1.0, self.answer_mean / max(1.0, self.mean))

    @property
    def judging(self) -> int:
        """Held-out records that the report card measures: those that choose no checkpoint, where there are enough for both."""
        half = self.eval_records // 2
        return half if half >= FEWEST_FOR_EACH else self.eval_records

    @property
    def choosing(self) -> int:
        """Held-out records that are measured on the way."""
        return self.eval_records - self.judging or self.eval_records


@dataclass(frozen=True)
class Pace:
    """What a machine reaches while training.

    ``flops``: per second, after utilisation: published QLoRA runs on GPUs reach 0.3–0.6 of the peak, CPUs three quarters of
    what they do in large matrix products.
    ``layer_seconds``: what a layer's many small operations cost in every micro-batch, however few tokens it has.
    ``bandwidth``: bytes of weights per second, which is what limits writing text token by token.
    """

    flops: float
    layer_seconds: float
    bandwidth: float


def pace_of(machine: Hardware) -> Pace:
    """Return a rough pace for GPUs and CPUs in general."""
    if machine.gpu_count:
        return Pace(0.40 * max(1.0, machine.flops), 0.003, 1e12)
    return Pace(0.75 * max(1.0, machine.flops), 0.006, 1e10)


def held_out(usable: int, settings: RunSettings) -> int:
    """Return how many records are kept away from training."""
    return max(1, min(settings.data.eval_max_records, round(usable * settings.data.eval_fraction), usable - 1))


def shape_of(report: DatasetReport, tokens: TokenCounts, settings: RunSettings, context: int) -> Shape:
    """Return steps and lengths as the worker would plan them."""
    training = settings.training
    evaluated = held_out(report.usable, settings)
    train = max(1, report.usable - evaluated) + report.corrections * (settings.data.correction_repeats - 1)
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
        report.answer_characters.p50 <= SHORT_ANSWER,
    )


def training_seconds(
    model: Architecture, settings: RunSettings, machine: Hardware, shape: Shape, need: MemoryNeed
) -> float:
    """Return the seconds of all optimiser steps."""
    pace = pace_of(machine)
    batch = min(settings.training.batch_size, shape.samples)
    micro_batches = max(1.0, batch * shape.mean / _micro_batch_tokens(machine, settings, need))
    if settings.training.micro_batch_size:
        micro_batches = max(micro_batches, batch / settings.training.micro_batch_size)
    passes = 3 if need.checkpointing else 2
    arithmetic = shape.samples * shape.mean * _flops_per_token(model, settings, shape, passes) / pace.flops
    small_operations = shape.steps * micro_batches * pace.layer_seconds * model.layers
    return (arithmetic + small_operations) * (DORA_FACTOR if settings.lora.use_dora else 1.0)


def reckon_time(
    model: Architecture,
    settings: RunSettings,
    machine: Hardware,
    shape: Shape,
    need: MemoryNeed,
    weight_bytes: int,
    preparing: float,
) -> TimeParts:
    """Return what the time of a run goes into, by the formula alone; ``preparing``: seconds before there is a worker."""
    training = training_seconds(model, settings, machine, shape, need)
    return TimeParts(
        preparing=preparing,
        loading=_loading_seconds(model, settings, machine, shape, need, weight_bytes),
        training=training,
        measuring=_measuring_seconds(model, settings, machine, shape, need, training),
        answering=_answering_seconds(model, settings, machine, shape, need, training),
        saving=SAVE_SECONDS,
    )


def preparing_seconds(base: BaseModelInfo, data_bytes: int) -> float:
    """Return the seconds before there is a worker: data read and split, and the base fetched and unpacked unless it is here."""
    data = data_bytes / DATA_BYTES_PER_SECOND
    if base.present:
        return data
    if not base.preparing:
        return data + base.weight_bytes / LINE_BYTES_PER_SECOND
    return (
        data + base.fetched / LINE_BYTES_PER_SECOND + UNPACK_START_SECONDS + base.parameters / UNPACK_WEIGHTS_PER_SECOND
    )


def _loading_seconds(
    model: Architecture, settings: RunSettings, machine: Hardware, shape: Shape, need: MemoryNeed, weight_bytes: int
) -> float:
    """Return the seconds for imports, weights, finding the fastest way that is right and, on a GPU, a dry run with the
    longest records: on a CPU the first step is one.
    """
    pace = pace_of(machine)
    tried = WAYS_TOKENS * _flops_per_token(model, settings, shape, 1)
    if machine.gpu_count:
        tried += need.tokens * _flops_per_token(model, settings, shape, 2)
    small_operations = (WAYS_CALLS + 1) * pace.layer_seconds * model.layers
    return START_SECONDS + weight_bytes / LOAD_BYTES_PER_SECOND + tried / pace.flops + small_operations


def _rounds(settings: RunSettings, shape: Shape) -> float:
    """Return how often the held-out records are measured on the way."""
    if every := settings.evaluation.eval_steps:
        return shape.steps / every
    return evaluations(shape.steps, shape.samples * shape.mean, shape.choosing * shape.mean)


def _measuring_seconds(
    model: Architecture, settings: RunSettings, machine: Hardware, shape: Shape, need: MemoryNeed, training: float
) -> float:
    """Return the seconds for scoring held-out records before, during and after training, everyday questions, and some
    training records.
    """
    pace = pace_of(machine)
    one_record = (
        forward_seconds(model, settings, machine, shape, need, shape.eval_records * shape.mean) / shape.eval_records
    )
    talk = 2 * TALK_TOKENS * _flops_per_token(model, settings, shape, 1) / pace.flops
    sample = min(TRAIN_SAMPLE_SHARE * training, TRAIN_SAMPLE * one_record)
    judging = 2 * shape.judging if shape.judging < shape.eval_records else 0
    return ((1 + _rounds(settings, shape)) * shape.choosing + judging) * one_record + talk + sample


def forward_seconds(
    model: Architecture, settings: RunSettings, machine: Hardware, shape: Shape, need: MemoryNeed, tokens: float
) -> float:
    """Return the seconds it takes to compute the losses of so many tokens."""
    pace = pace_of(machine)
    arithmetic = tokens * _flops_per_token(model, settings, shape, 1) / pace.flops
    return arithmetic + pace.layer_seconds / 3 * model.layers * max(1.0, tokens / need.tokens)


def answer_token_seconds(model: Architecture, machine: Hardware, need: MemoryNeed, at_once: int) -> float:
    """Return the seconds for one more token of each of so many answers: the weights are read once, and computed with
    for each of them.
    """
    pace = pace_of(machine)
    weights = need.parts["base model"] + need.parts.get(EXPERTS, 0)
    arithmetic = at_once * 2.0 * (model.active_linear_parameters + model.vocab * model.hidden) / pace.flops
    return pace.layer_seconds / 6 * model.layers + max(weights / pace.bandwidth, arithmetic)


def _answering_seconds(
    model: Architecture, settings: RunSettings, machine: Hardware, shape: Shape, need: MemoryNeed, training: float
) -> float:
    """Return the seconds for sample answers of the base model, which goes on to the limit, and of the tuned one, which
    ends about where it should: at the end, and on the way as often as the time for it allows. Where answers are short,
    both answer more at the end.
    """
    prompts = min(settings.evaluation.sample_prompts, shape.judging)
    if not prompts:
        return 0.0
    allowed = answer_seconds(training)
    room = answer_room(shape.answer_mean, settings.evaluation.max_new_tokens)
    expected = min(room, ANSWER_EXPECTED * shape.answer_mean + 8)

    def answering(count: int, tokens: float) -> float:
        batches = math.ceil(count / ANSWERS_AT_ONCE)
        read = count * max(0.0, shape.mean - shape.answer_mean)
        one_token = answer_token_seconds(model, machine, need, min(count, ANSWERS_AT_ONCE))
        return forward_seconds(model, settings, machine, shape, need, read) + batches * tokens * one_token

    base, tuned = min(BASE_SHARE * allowed, answering(prompts, room)), answering(prompts, expected)
    on_the_way = min(_rounds(settings, shape) * tuned, way_seconds(training))
    more = min(SCORED_ANSWERS, shape.judging) - prompts if shape.short_answers else 0
    others = answering(more, room) + answering(more, expected) if more > 0 else 0.0
    return min(allowed, base + on_the_way + tuned + others)


def _flops_per_token(model: Architecture, settings: RunSettings, shape: Shape, passes: int) -> float:
    """Return floating point operations a token. ``passes``: 1 forward only, 2 with gradients of the inputs, 3 with
    activations computed twice.
    """
    trains = passes > 1
    adapter = model.lora_parameters(settings.lora.r, settings.lora.target_modules)
    linear = 2.0 * passes * model.active_linear_parameters
    attention = 2.0 * passes * model.layers * model.query_width * shape.mean
    output = 2.0 * (2 if trains else 1) * model.vocab * model.hidden * shape.supervised_share
    return linear + attention + output + (2.0 * passes + (2.0 if trains else 0.0)) * adapter


def _micro_batch_tokens(machine: Hardware, settings: RunSettings, need: MemoryNeed) -> float:
    """Return the tokens of a micro-batch; on a GPU as many as fit, where the setting leaves it open."""
    if not machine.gpu_count or settings.training.micro_batch_size:
        return float(need.tokens)
    room = GPU_SHARE * machine.gpu_memory - (need.total - need.parts["activations"])
    return max(float(need.tokens), min(GPU_TOKENS, room / max(1.0, need.per_token)))
