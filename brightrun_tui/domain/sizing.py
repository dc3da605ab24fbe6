"""How large the worker cuts its work: one list, read by the worker that keeps to it and by the planner that reckons with it."""

from __future__ import annotations

import math

CPU_TOKENS = 2048
"""Tokens that a CPU works on at a time, if no single record is longer: more is no faster there, and takes more memory."""
ROWS_AT_ONCE, ROWS_AT_ONCE_SHARE = 4, 0.5
"""Rows that a CPU computes side by side at most, and what of the memory that is free they may take beside the first."""
GPU_TOKENS = 65_536
"""Tokens of a micro-batch on a GPU at most, where the setting leaves the size open."""
GPU_SHARE = 0.85
"""Of the GPU memory that is ours or free that a micro-batch is sized for; the allocator wants the rest."""
CHUNK_LOGITS = 32 * 1024**2
"""Logits in memory at a time (fp32: 128 MiB, and as much again for the softmax)."""
DENSE_SHARE = 0.4
"""On a CPU, 4-bit layers are unpacked once if they then take at most this share of the memory that is free."""

EVALUATIONS, FEWEST_EVALUATIONS = 10, 3
"""How often the held-out records are measured on the way, where the setting leaves it open."""
MEASURING_SHARE = 0.2
"""Of the time of training, which measuring on the way may take; beyond it there are fewer measurements."""
TRAIN_SAMPLE, TRAIN_SAMPLE_SHARE = 64, 0.05
"""Training records that are scored at the end, and what of the time of training that may take."""
FORWARDS = 3
"""What training on a token costs, in forward passes."""
ANSWER_SHARE, ANSWER_SECONDS = 0.2, 60.0
"""Of the time of training, which sample answers of base and tuned model may take together; and what they have in any case."""
BASE_SHARE, WAY_SHARE = 0.4, 0.2
"""What of that the base model may take, and the answers on the way."""
WAY_OF_TRAINING, WAY_SECONDS = 0.1, 3.0
"""Of the time of training, which answers on the way may take, so that no short run is held up; and what they have anyway."""
SHORT_ANSWER, SCORED_ANSWERS = 200, 24
"""Where the median wanted answer has so few characters or fewer, counting right ones makes sense, and so many held-out prompts
are answered for the report card.
"""
FEWEST_FOR_EACH = 10
"""Conversations that must choose the checkpoint, and as many judge it, for the held-out ones to be parted."""
ANSWERS_AT_ONCE = 24
"""Sample answers that are written side by side, where memory allows it."""
ANSWER_ROOM = (64, 1024)
"""Least and most tokens of a sample answer where the setting leaves its length open."""


def evaluations(steps: int, trained: float, held_out: float) -> float:
    """Return how often to measure on the way, for so many tokens trained on in the whole run and so many held-out ones."""
    affordable = MEASURING_SHARE * FORWARDS * trained / held_out if held_out > 0 else EVALUATIONS
    return max(1.0, min(steps, EVALUATIONS, max(FEWEST_EVALUATIONS, affordable)))


def steps_between(steps: int, trained: float, held_out: float) -> int:
    """Return optimiser steps from one such measurement to the next."""
    count = evaluations(steps, trained, held_out)
    return max(1, round(steps / count) if count == EVALUATIONS else math.ceil(steps / count))


def answer_seconds(training: float) -> float:
    """Return what all sample answers of a run may take, in seconds, for so many seconds of training."""
    return max(ANSWER_SECONDS, ANSWER_SHARE * training)


def way_seconds(training: float) -> float:
    """Return what sample answers on the way may take of those seconds."""
    return min(WAY_SHARE * answer_seconds(training), max(WAY_SECONDS, WAY_OF_TRAINING * training))


def answer_room(expected: float, max_new_tokens: int) -> int:
    """Return the tokens that a sample answer may have: the setting; where it is 0, twice what the data expects, so that
    an answer that ends in time is seen to end.
    """
    least, most = ANSWER_ROOM
    return max_new_tokens or int(min(most, max(least, 2 * expected)))


ANSWER_EXPECTED = 1.25
"""Tokens that a model is reckoned to write for each one in the data's own answer."""

PROBE_ROWS, PROBE_TOKENS = 2, 24
PROBE_LENGTHS = (384, 64)
"""What a probe of a machine does: rows trained on and measured, tokens of one answer, and the lengths of the rows, the longest
first: a processor reaches more of its rate in long ones.
"""
