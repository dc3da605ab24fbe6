"""How a version was trained, in words: in what the base was held, and what its time went into beside what was expected."""

from __future__ import annotations

from brightrun_tui.domain.gpu import CPU
from brightrun_tui.domain.model import Report
from brightrun_tui.domain.time_parts import PARTS

WORDS = {"answering": "sample answers"}
"""Of parts whose name is not plain enough."""


def held_in(report: Report) -> str:
    """Say in what numbers the frozen base was held: ``NF4 (4 bits, double quantisation)``, or the width of unquantised
    ones.
    """
    settings = report.lineage.settings.get("quantisation")
    known = settings if isinstance(settings, dict) else {}
    if known.get("method") != "none":
        return "NF4 (4 bits, double quantisation)" if known.get("double_quant", True) else "NF4 (4 bits)"
    return "32-bit numbers" if computed_in_32_bits(report) else "16-bit numbers"


def computed_in_32_bits(report: Report) -> bool:
    """Say whether all that was not quantised was held in 32 bits, when the model was trained and graded."""
    return report.training.device in ("", CPU)


def times(report: Report) -> list[tuple[str, float, float | None]]:
    """Return the whole run and each part of it, seconds it took, seconds that were expected; nothing if the run did not keep
    them.
    """
    took, planned = report.training.spent, report.planned
    if took is None:
        return []
    parts = [
        (WORDS.get(part, part), getattr(took, part), getattr(planned, part) if planned else None) for part in PARTS
    ]
    return [("in all", took.total, planned.total if planned else None), *parts]


def left_out(report: Report) -> str:
    """Return sample prompts that have no answers because there was no time for them; nothing if all have."""
    count = report.scores.get("answers_left_out")
    if not isinstance(count, int) or count <= 0:
        return ""
    return f"{count:,} not asked: answers keep to a share of the training time; brightrun models evaluate asks them all"
