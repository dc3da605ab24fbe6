"""What was measured corrects what is reckoned: a formula for any machine, pulled towards what this one has shown.

Each measurement says by what factor a part of the time missed the formula. Their mean, in logarithms, weighs those of the
same base model most, those of other bases less, those of other lengths less, and a short loading hardly; the formula counts
like a small measurement of its own. How far measurements lie from one another, and how few they are, makes the interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from brightrun_tui.domain.time_parts import PARTS, TimePart, TimeParts

FORMULA_WEIGHT = 0.1
OTHER_BASE = 0.2
"""What a measurement with another base model on the same machine counts."""
LENGTHS = 1.2
"""How fast a measurement counts less the more the lengths of the records differ: four times as long, a fifth as much."""
SCATTER = 0.12
"""Standard deviation, in logarithms, between two runs that are alike: machines are busy with other things, too."""
LOADING_SECONDS = 1.0
"""Standard deviation of loading on top of that, however short it is: its files may be in memory or on a slow disk."""
CERTAIN = 1.64
"""Standard deviations from the middle to the ends of an interval that holds nine of ten."""
LEAST_SECONDS = 0.5
"""A part that was reckoned or took less says nothing of the machine."""


class Measured(BaseModel):
    """What a run, or a probe, took of its ``reckoned`` time. ``mean_tokens``: of its records; ``parts``: which of them count."""

    model_config = ConfigDict(frozen=True)

    base: str
    quantisation: str
    mean_tokens: float = Field(gt=0)
    reckoned: TimeParts
    took: TimeParts
    parts: tuple[TimePart, ...]


class CorrectedTimes(BaseModel):
    """The corrected parts, factors from their sum to the least and the most that is likely, and how much went into them."""

    model_config = ConfigDict(frozen=True)

    parts: TimeParts
    low: float
    high: float
    weight: float


def correct_times(
    reckoned: TimeParts, measured: Sequence[Measured], base: str, quantisation: str, mean_tokens: float, doubt: float
) -> CorrectedTimes:
    """Correct ``reckoned``, which without any measurement is wrong by up to the factor ``doubt``, nine times of ten."""
    corrected, spread, weights = {}, {}, {}
    for part in PARTS:
        shown = []
        for one in measured:
            ratio = _ratio(one, part)
            if ratio is not None:
                scatter = _scatter(one, part)
                alike = _alike(one, base, quantisation, mean_tokens)
                shown.append((alike * (SCATTER / scatter) ** 2, ratio, scatter))
        weight = sum(each for each, _, _ in shown)
        middle = sum(each * ratio for each, ratio, _ in shown) / (FORMULA_WEIGHT + weight)
        squares = sum(each * max(scatter, abs(ratio - middle)) ** 2 for each, ratio, scatter in shown)
        squares += FORMULA_WEIGHT * (math.log(doubt) / CERTAIN) ** 2
        corrected[part] = getattr(reckoned, part) * math.exp(middle)
        spread[part], weights[part] = math.sqrt(squares / (FORMULA_WEIGHT + weight)), weight
    parts = TimeParts(**corrected)
    whole = max(parts.total, 1e-9)
    share = {part: corrected[part] / whole for part in PARTS}
    deviation = math.hypot(sum(share[part] * spread[part] for part in PARTS), LOADING_SECONDS / max(whole, 1.0))
    width = math.exp(CERTAIN * deviation)
    return CorrectedTimes(
        parts=parts, low=1 / width, high=width, weight=sum(share[part] * weights[part] for part in PARTS)
    )


def _ratio(one: Measured, part: str) -> float | None:
    """Return the logarithm of the time it took over the time it was reckoned to take; None if it says nothing."""
    took, reckoned = getattr(one.took, part), getattr(one.reckoned, part)
    if part not in one.parts or min(took, reckoned) < LEAST_SECONDS:
        return None
    return math.log(took / reckoned)


def _scatter(one: Measured, part: str) -> float:
    """Return the standard deviation, in logarithms, of such a ratio between two runs that are alike."""
    if part not in ("preparing", "loading"):
        return SCATTER
    return math.hypot(SCATTER, LOADING_SECONDS / min(getattr(one.took, part), getattr(one.reckoned, part)))


def _alike(one: Measured, base: str, quantisation: str, mean_tokens: float) -> float:
    """Return how alike the two are, from 0 to 1."""
    lengths = math.exp(-LENGTHS * abs(math.log(one.mean_tokens / mean_tokens)))
    return lengths * (1.0 if (one.base, one.quantisation) == (base, quantisation) else OTHER_BASE)
