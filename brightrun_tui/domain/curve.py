"""The curves that Monitor can draw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from brightrun_tui.domain import humanize
from brightrun_tui.domain.money import GIB
from brightrun_tui.domain.spec_names import flaw_of_name


class Ink(StrEnum):
    """A colour of the theme."""

    FIRST = "train"
    SECOND = "eval"


@dataclass(frozen=True)
class CurveLine:
    """One line: a metric as the worker writes it (``train_loss``), and what it is called in the legend."""

    metric: str
    word: str
    ink: Ink = Ink.FIRST


@dataclass(frozen=True, kw_only=True)
class CurveSpec:
    """An entry point of ``brightrun.curves``: what is drawn over the steps of a run, in one picture.

    Attributes:
        name: of the curve; ``title`` is what people read.
        lines: at most one of each ink. A run that has none of their metrics does not have the curve.
        show: a value in words, for the legend.
        unit: what one on the axis is, in the metric's own unit: 0.01 for a share that is shown in per cent.
        unit_word: said behind the numbers of the axis.
        least: the least and the greatest value that the axis has in any case: what hardly moves is not drawn as if it did.
        smooth: whether a moving average of a line of the first ink says more than the line itself.
        order: place in the row of curves, from the lowest; ours have 10 to 40.
    """

    name: str
    title: str
    lines: tuple[CurveLine, ...]
    show: Callable[[float], str] = "{:.4g}".format
    unit: float = 1.0
    unit_word: str = ""
    least: tuple[float, float] | None = None
    smooth: bool = True
    order: int = 100

    def flaw(self) -> str:
        """Do as `plugins.Spec.flaw`."""
        if flaw := flaw_of_name(self.name):
            return flaw
        if not self.title.strip():
            return "title should say what it is"
        if not self.unit > 0:
            return "unit should be a number above 0"
        if not self.lines or len({line.ink for line in self.lines}) < len(self.lines):
            return "it should have one line, or two of different ink"
        return ""

    @property
    def metrics(self) -> tuple[str, ...]:
        return tuple(line.metric for line in self.lines)


LOSS = CurveSpec(
    name="loss",
    title="Loss",
    order=10,
    show="{:.3f}".format,
    lines=(CurveLine("train_loss", "train"), CurveLine("eval_loss", "eval", Ink.SECOND)),
)
LEARNING_RATE = CurveSpec(
    name="learning-rate",
    title="Learning rate",
    order=20,
    smooth=False,
    show="{:.3g}".format,
    lines=(CurveLine("learning_rate", "rate"),),
)
GRADIENT_NORM = CurveSpec(
    name="gradient-norm",
    title="Gradient norm",
    order=30,
    show="{:.3f}".format,
    lines=(CurveLine("grad_norm", "before clipping"),),
)
SPEED = CurveSpec(
    name="speed",
    title="Speed",
    order=40,
    show="{:,.0f} tokens/s".format,
    lines=(CurveLine("tokens_per_second", "all tokens"),),
)
MEMORY = CurveSpec(
    name="memory",
    title="Memory",
    order=50,
    smooth=False,
    show=humanize.size,
    unit=GIB,
    unit_word=" GiB",
    lines=(CurveLine("memory_used", "machine"), CurveLine("process_memory", "worker", Ink.SECOND)),
)
UTILISATION = CurveSpec(
    name="utilisation",
    title="Load",
    order=60,
    show=humanize.percent,
    unit=0.01,
    unit_word="%",
    least=(0.0, 1.0),
    lines=(CurveLine("utilisation", "machine"), CurveLine("cpu_load", "CPU", Ink.SECOND)),
)
TEMPERATURE = CurveSpec(
    name="temperature",
    title="Temperature",
    order=62,
    show="{:.0f} °C".format,
    unit_word=" °C",
    lines=(CurveLine("temperature", "GPU"), CurveLine("temperature_limit", "slows down at", Ink.SECOND)),
)
POWER = CurveSpec(
    name="power", title="Power", order=64, show="{:.0f} W".format, unit_word=" W", lines=(CurveLine("power", "GPU"),)
)
THROTTLING = CurveSpec(
    name="throttling",
    title="Throttling",
    order=66,
    smooth=False,
    show=lambda value: "slowed down" if value else "no",
    least=(0.0, 1.0),
    lines=(CurveLine("throttled", "GPU"),),
)
CLOCK = CurveSpec(
    name="clock",
    title="Clock",
    order=65,
    show="{:,.0f} MHz".format,
    unit_word=" MHz",
    lines=(CurveLine("clock", "GPU"),),
)
RAM = CurveSpec(
    name="ram",
    title="Main memory",
    order=67,
    smooth=False,
    show=humanize.size,
    unit=GIB,
    unit_word=" GiB",
    lines=(CurveLine("ram_used", "in use"),),
)
NETWORK = CurveSpec(
    name="network",
    title="Network",
    order=69,
    show=lambda value: f"{humanize.size(value)}/s",
    unit=1 << 20,
    unit_word=" MiB/s",
    lines=(CurveLine("received_rate", "in"), CurveLine("sent_rate", "out", Ink.SECOND)),
)
DISK = CurveSpec(
    name="disk",
    title="Disk",
    order=68,
    smooth=False,
    show=humanize.size,
    unit=GIB,
    unit_word=" GiB",
    lines=(CurveLine("disk_free", "free"),),
)
COST = CurveSpec(
    name="cost", title="Cost", order=70, smooth=False, show=humanize.money, lines=(CurveLine("cost_usd", "so far"),)
)
