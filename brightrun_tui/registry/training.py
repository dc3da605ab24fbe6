"""How a version was trained, in words: in what the base was held, and what its time went into beside what was expected."""

from __future__ import annotations

from brightrun_tui.domain import humanize
from brightrun_tui.domain.gpu import CPU
from brightrun_tui.domain.model import Report
from brightrun_tui.domain.time_parts import PARTS, TimePart

WORDS = {"answering": "sample answers"}
"""Of parts whose name is not plain enough."""
LATE_SECONDS, LATE_SHARE = 20.0, 0.25
"""By how much a run must be longer than was expected for that to need a word."""
COMPUTED: tuple[TimePart, ...] = ("training", "measuring", "answering")
"""Parts whose time is that of the machine; the others hang on network and disk, too."""


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
    """Return the whole run and each part that it had, seconds it took, seconds that were expected; nothing if the run did not
    keep them.
    """
    took, planned = report.training.spent, report.planned
    if took is None:
        return []
    parts = [
        (WORDS.get(part, part), getattr(took, part), getattr(planned, part) if planned else None)
        for part in PARTS
        if getattr(took, part) or (planned and getattr(planned, part))
    ]
    return [("in all", took.total, planned.total if planned else None), *parts]


def whole_seconds(report: Report) -> float:
    """Return what the whole run took; of one that did not keep that, its steps alone."""
    return report.training.spent.total if report.training.spent else report.training.seconds


def slower(report: Report) -> str:
    """Say which parts made the run longer than was expected, and by how much; nothing if it was not, or not by much."""
    took, planned = report.training.spent, report.planned
    if took is None or planned is None:
        return ""
    more = took.total - planned.total
    if more < max(LATE_SECONDS, LATE_SHARE * planned.total):
        return ""
    late = sorted(((getattr(took, part) - getattr(planned, part), part) for part in PARTS), reverse=True)
    worth = [(by, part) for by, part in late if by >= more / len(PARTS)]
    named = " and ".join(
        f"{WORDS.get(part, part)} ({humanize.duration(by)} more, {_times_as_long(getattr(took, part), getattr(planned, part))})"
        for by, part in worth
    )
    slow = all(getattr(took, part) > (1 + LATE_SHARE) * getattr(planned, part) for part in COMPUTED)
    why = ": the whole machine was slower, busy with other things perhaps" if slow else ""
    return f"{humanize.duration(more)} longer than expected, above all in {named}{why}. The next estimate knows that"


def _times_as_long(took: float, planned: float) -> str:
    return f"{took / planned:.1f} times as long" if planned >= 1 else "not expected"


def left_out(report: Report) -> str:
    """Return sample prompts that have no answers because there was no time for them; nothing if all have."""
    count = report.scores.get("answers_left_out")
    if not isinstance(count, int) or count <= 0:
        return ""
    why = "answers keep to a share of the training time"
    return f"{count:,} not asked: {why}; evaluating asks all (brightrun models evaluate, E in the app)"
