"""What was measured besides the loss, as lines for people."""

from __future__ import annotations

from typing import Literal, TypeGuard

from pydantic import BaseModel, ConfigDict

from brightrun_tui.domain.model import Report, Ruling

_LINES: tuple[tuple[str, str, str, Literal["high", "low", ""]], ...] = (
    ("exact_match", "exactly as wanted", ".0%", "high"),
    ("token_f1", "words as wanted (F1)", ".0%", "high"),
    ("chrf", "likeness (chrF, to 100)", ".0f", "high"),
    ("token_accuracy", "tokens guessed right", ".0%", "high"),
    ("ended", "answers that end", ".0%", "high"),
    ("answer_tokens", "median length in tokens", ".0f", ""),
    ("verbatim", "copied from training", ".0%", ""),
    ("general_loss", "loss on everyday talk", ".2f", "low"),
)
"""Name in the report, words, form, and which is better."""


class ScoreLine(BaseModel):
    """One measure of both models. ``better`` and ``good`` are empty where it is no question of better.

    ``value`` is the tuned model's, as measured; ``good`` says whether a high or a low one is better.
    """

    model_config = ConfigDict(frozen=True)

    what: str
    base: str
    tuned: str
    value: float
    good: Literal["high", "low", ""] = ""
    better: Literal["base", "tuned", ""] = ""
    note: str = ""


def score_lines(report: Report) -> list[ScoreLine]:
    """Every measure of the report card that has a value for both models. Unknown measures are left out."""
    lines = []
    for name, what, form, good in _LINES:
        score = report.scores.get(name)
        if not isinstance(score, dict):
            continue
        base, tuned = score.get("base"), score.get("tuned")
        if not _is_number(base) or not _is_number(tuned):
            continue
        shown = format(base, form), format(tuned, form)
        better: Literal["base", "tuned", ""] = "" if not good or shown[0] == shown[1] else \
            "tuned" if (tuned > base) == (good == "high") else "base"
        reference = score.get("reference")
        note = f"wanted: {format(reference, form)}" if _is_number(reference) else ""
        lines.append(ScoreLine(what=what, base=shown[0], tuned=shown[1], value=tuned, good=good, better=better, note=note))
    return lines


def ruling_words(ruling: Ruling) -> str:
    """What the judge made of one sample."""
    words = {"win": "the tuned answer is better", "loss": "the base answer is better", "tie": "neither is better",
             "unparsable": "its answer could not be read"}[ruling.outcome]
    return f"{words}: {ruling.reason}" if ruling.reason else words


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
