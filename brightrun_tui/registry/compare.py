"""Two versions side by side."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from brightrun_tui.domain.humanize import duration, size
from brightrun_tui.domain.model import ModelVersion, Report
from brightrun_tui.domain.settings import flatten
from brightrun_tui.domain.tally import ENOUGH_TICKS
from brightrun_tui.registry.leaderboard import bounds_words, loss_of, share_right
from brightrun_tui.registry.scores import score_lines

Better = Literal["a", "b", ""]

_WHAT_IS_HELD_OUT = ("data.eval_fraction", "data.split_seed", "data.eval_max_records")
_WHAT_IS_CUT = ("data.max_length", "data.over_length")
_PROMPTS = "evaluation.sample_prompts"
SURE, SURE_OF_ANSWERS = "… with 95% confidence", "answers right, 95%"
"""Between which values it lies: versions whose intervals overlap may be equally good."""


class ComparedFact(BaseModel):
    """One fact of both; ``better`` is empty where neither is, or where it is not a question of better."""

    model_config = ConfigDict(frozen=True)

    what: str
    a: str
    b: str
    better: Better = ""


class Comparison(BaseModel):
    """Facts of two versions; ``settings`` holds only those that differ.

    ``comparable`` says whether the losses were measured alike, for the same data and base, so that lower means better;
    where not, or where only the answers were not measured alike, ``caution`` says why, and what it is about has no ``better``.
    """

    model_config = ConfigDict(frozen=True)

    a: str
    b: str
    facts: tuple[ComparedFact, ...]
    settings: tuple[ComparedFact, ...]
    comparable: bool
    caution: str = ""


def compare(a: ModelVersion, b: ModelVersion) -> Comparison:
    """Put ``a`` and ``b`` side by side."""
    left, right = a.report, b.report
    unlike = _unlike_losses(a, b)
    caution = unlike or _unlike_answers(left, right)
    facts = [
        _numbers("held-out loss", left.tuned.loss, right.tuned.loss, ".4f", "" if unlike else "low"),
        ComparedFact(what=SURE, a=_sure(left), b=_sure(right)),
        _numbers("held-out perplexity", left.tuned.perplexity, right.tuned.perplexity, ".3f", "" if unlike else "low"),
        _numbers(
            "loss below base",
            left.base.loss - left.tuned.loss,
            right.base.loss - right.tuned.loss,
            ".4f",
            "" if unlike else "high",
        ),
        *_measures(left, right, comparable=not caution),
        ComparedFact(what=SURE_OF_ANSWERS, a=_sure_of_answers(left), b=_sure_of_answers(right)),
        *(
            [ComparedFact(what="judge: beats the base", a=_judged(left), b=_judged(right))]
            if left.judgement or right.judgement
            else []
        ),
        _numbers("held-out records", left.tuned.records, right.tuned.records, ",d"),
        ComparedFact(what="verdict", a=left.verdict.grade, b=right.verdict.grade),
        *_grades(left, right),
        *(
            [
                ComparedFact(
                    what="people: answers right", a=_ticked(left), b=_ticked(right), better=_more_right(left, right)
                )
            ]
            if left.ticks or right.ticks
            else []
        ),
        ComparedFact(what="rating", a=_stars(a.rating), b=_stars(b.rating), better=_better(a.rating, b.rating, "high")),
        _numbers("training records", left.training.train_records, right.training.train_records, ",d"),
        _numbers("steps", left.training.steps, right.training.steps, ",d"),
        ComparedFact(what="time", a=duration(left.training.seconds), b=duration(right.training.seconds)),
        _numbers("cost ($)", left.cost_usd, right.cost_usd, ".2f", "low"),
        ComparedFact(what="size", a=size(a.bytes), b=size(b.bytes)),
        ComparedFact(what="dataset", a=left.lineage.dataset_name, b=right.lineage.dataset_name),
        ComparedFact(what="base model", a=a.base_id, b=b.base_id),
    ]
    ours, theirs = _as_text(left.lineage.settings), _as_text(right.lineage.settings)
    settings = {name: (ours.get(name, "–"), theirs.get(name, "–")) for name in sorted(ours | theirs)}
    return Comparison(
        a=a.ref,
        b=b.ref,
        facts=tuple(facts),
        comparable=not unlike,
        caution=caution,
        settings=tuple(ComparedFact(what=name, a=x, b=y) for name, (x, y) in settings.items() if x != y),
    )


def _measures(a: Report, b: Report, *, comparable: bool) -> list[ComparedFact]:
    """Return what was measured on the answers of both tuned models."""
    theirs = {line.what: line for line in score_lines(b)}
    rows = []
    for line in score_lines(a):
        other = theirs.get(line.what)
        if other and line.good:
            better = _better(line.value, other.value, line.good) if comparable and line.tuned != other.tuned else ""
            rows.append(ComparedFact(what=line.what, a=line.tuned, b=other.tuned, better=better))
    return rows


def _sure(report: Report) -> str:
    return bounds_words(loss_of(report.tuned, report.scores), ".4f")


def _sure_of_answers(report: Report) -> str:
    return bounds_words(share_right(report.samples), ".0%")


def _grades(a: Report, b: Report) -> list[ComparedFact]:
    """Return style and content; nothing of versions whose report cards do not have them."""
    return [
        ComparedFact(what=what, a=x or "not known", b=y or "not known")
        for what, x, y in (
            ("style", a.verdict.style, b.verdict.style),
            ("content", a.verdict.content, b.verdict.content),
        )
        if x or y
    ]


def _ticked(report: Report) -> str:
    return f"{sum(tick.right for tick in report.ticks)} of {len(report.ticks)}" if report.ticks else "–"


def _more_right(a: Report, b: Report) -> Better:
    """Return whose answers people found right more often, where they read enough of both."""
    if min(len(a.ticks), len(b.ticks)) < ENOUGH_TICKS:
        return ""
    ours, theirs = (sum(tick.right for tick in report.ticks) / len(report.ticks) for report in (a, b))
    return _better(ours, theirs, "high")


def _judged(report: Report) -> str:
    judgement = report.judgement
    return f"{judgement.count('win')} of {len(judgement.rulings)}" if judgement else "–"


def _unlike_losses(a: ModelVersion, b: ModelVersion) -> str:
    """Say why the losses of the two were not measured alike; empty where they were.

    Report cards of older versions name the file, not the records: how its columns were read shows in the tokens counted and in
    the prompts shown.
    """
    left, right = a.report, b.report
    if left.records_key and right.records_key:
        if left.records_key != right.records_key:
            return "measured on different held-out records: their losses cannot be compared"
        return _unlike_bases(a, b)
    if left.lineage.dataset_fingerprint != right.lineage.dataset_fingerprint:
        return "trained and measured on different data: their losses cannot be compared"
    ours, theirs = _as_text(left.lineage.settings), _as_text(right.lineage.settings)
    if any(ours.get(name) != theirs.get(name) for name in _WHAT_IS_HELD_OUT):
        return "measured on different held-out records: their losses cannot be compared"
    if other := [name for name in _WHAT_IS_CUT if ours.get(name) != theirs.get(name)]:
        return f"measured with another {' and '.join(other)}: their losses cannot be compared"
    if unlike := _unlike_bases(a, b):
        return unlike
    prompts_differ = ours.get(_PROMPTS) == theirs.get(_PROMPTS) and _prompts(left) != _prompts(right)
    if (left.base.records, left.base.tokens) != (right.base.records, right.base.tokens) or prompts_differ:
        return "measured on different text, though it comes from the same file: their losses cannot be compared"
    return ""


def _unlike_bases(a: ModelVersion, b: ModelVersion) -> str:
    same = (a.report.lineage.base_fingerprint or a.base_id) == (b.report.lineage.base_fingerprint or b.base_id)
    return "" if same else "made from different base models: compare their answers, too"


def _unlike_answers(a: Report, b: Report) -> str:
    """Say why what was measured on the answers of the two was not measured alike."""
    if _prompts(a) != _prompts(b):
        return "they answered different prompts: what was measured on their answers cannot be compared"
    if _limit(a) != _limit(b):
        return "their answers could have different lengths: what was measured on them cannot be compared"
    return ""


def _limit(report: Report) -> object:
    """Return tokens that an answer might have."""
    cut_off = report.scores.get("cut_off")
    return cut_off.get("limit") if isinstance(cut_off, dict) else None


def _prompts(report: Report) -> set[str]:
    return {repr((sample.prompt, sample.reference)) for sample in report.samples}


def _numbers(what: str, a: float, b: float, form: str, good: Literal["low", "high", ""] = "") -> ComparedFact:
    return ComparedFact(what=what, a=format(a, form), b=format(b, form), better=_better(a, b, good))


def _better(a: float | None, b: float | None, good: Literal["low", "high", ""]) -> Better:
    if a is None or b is None or a == b or not good:
        return ""
    return "a" if (a < b) == (good == "low") else "b"


def _stars(rating: int | None) -> str:
    return "★" * rating if rating else "–"


def _as_text(settings: dict[str, object]) -> dict[str, str]:
    return {key: str(value) for key, value in flatten(settings).items()}
