"""What goes from left to right: steps, time since the first point, or tokens learnt from. No widgets."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Literal

from brightrun_tui.domain import humanize
from brightrun_tui.tui.curve import Curve
from brightrun_tui.tui.snapshot import RunDetail

Axis = Literal["step", "time", "tokens"]
AXES: tuple[Axis, ...] = ("step", "time", "tokens")
WORDS: dict[Axis, Callable[[float], str]] = {
    "step": lambda place: f"{place:,.0f}",
    "time": humanize.duration,
    "tokens": lambda place: humanize.count(place) if place >= 1e4 or place == int(place) else f"{place:,.0f}",
}
"""A place as it is said of each axis."""
TOKENS = "supervised_tokens"


def said_place(axis: Axis, place: float) -> str:
    """Return ``step 1,200``, ``4 min 05 s`` or ``12.3 k tokens``."""
    words = WORDS[axis](place)
    return f"step {words}" if axis == "step" else f"{words} tokens" if axis == "tokens" else words


class Across:
    """Where points, steps and moments of one run are on an axis."""

    def __init__(self, detail: RunDetail, axis: Axis) -> None:
        self.axis = axis
        self._begin = min((curve.times[0] for curve in detail.curves.values() if curve.times), default=0.0)
        trained = detail.curves.get("train_loss") or Curve()
        self._steps, self._times = trained.steps, _onwards(trained.times)
        tokens = detail.curves.get(TOKENS) or Curve()
        self._token_steps = [0, *(step for step in tokens.steps if step)]
        self._tokens = [0.0, *(value for step, value in zip(tokens.steps, tokens.lows, strict=True) if step)]

    @property
    def known(self) -> bool:
        """Whether the run has what the axis needs."""
        return self.axis != "tokens" or len(self._tokens) > 1

    def places(self, curve: Curve) -> list[float]:
        """Return the place of every entry of a curve; none where the axis is not known of this run."""
        if not self.known:
            return []
        if self.axis == "time":
            return [time - self._begin for time in _onwards(curve.times)]
        if self.axis == "tokens":
            return [self._tokens_at(step) for step in curve.steps]
        return [float(step) for step in curve.steps]

    def of_step(self, step: int) -> float:
        if self.axis == "time":
            return _beside(self._steps, self._times, step, self._begin) - self._begin
        return self._tokens_at(step) if self.axis == "tokens" else float(step)

    def of_moment(self, moment: float) -> float:
        if self.axis == "time":
            return moment - self._begin
        return self.of_step(round(_beside(self._times, self._steps, moment, -1.0)))

    def _tokens_at(self, step: int) -> float:
        """Return the tokens at a step, in proportion between two counts of the worker; after the last one at the
        average rate.
        """
        steps, tokens = self._token_steps, self._tokens
        index = bisect_left(steps, step)
        if index < len(steps) and steps[index] == step:
            return tokens[index]
        if index == len(steps):
            return tokens[-1] * step / steps[-1] if steps[-1] else 0.0
        share = (step - steps[index - 1]) / (steps[index] - steps[index - 1])
        return tokens[index - 1] + share * (tokens[index] - tokens[index - 1])


def _onwards(times: Sequence[float]) -> list[float]:
    """Return times that never go back: a machine whose clock was set back, or another one whose clock is slow, goes on
    where the one before was.
    """
    return list(accumulate(times, max))


def _beside(known: Sequence[float], values: Sequence[float], wanted: float, nothing: float) -> float:
    """Return the value of the first one that is not before what is wanted, else of the last."""
    return values[min(len(known) - 1, bisect_left(known, wanted))] if known else nothing
