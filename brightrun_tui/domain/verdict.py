"""The report card in plain words: two grades, style and content, and what follows from both.

Decided when a run ends, and again when a judge or a person has said something about the answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from brightrun_tui.domain.advice import advise
from brightrun_tui.domain.findings import AnswerFindings, Findings, FormKind, Mark
from brightrun_tui.domain.model import Grade, Judgement, Report, Verdict
from brightrun_tui.domain.tally import CREDIT, ENOUGH_TICKS, Tally, chance_interval, credit_of, tally

GOOD_CONTENT = 0.75
"""Share of the answers that must be right for a good grade in content, those partly right counted half."""
WHOLLY_RIGHT = 0.6
"""Share of the answers that must be right as a whole. Of JSON and calls it is `GOOD_CONTENT`: a wrong value spoils a record."""
SOME_CONTENT = 0.4
SURE_CONTENT = 0.5
"""Share of all answers that must be right even if chance was kind, and of those that a constant answer gets wrong."""
Z = 1.64
"""Of a normal distribution, for 95 % on one side."""
SMALL_CHANGE = 0.02
"""Relative fall of the loss below which nobody would notice the tuning."""
FEW_RECORDS = 10
FORGOTTEN, MUCH_FORGOTTEN = 1.1, 1.3
"""Times the loss on everyday questions from which on it is worth a word, and lowers the grade."""
MEMORISED_GAP = 0.5
"""Nats a token by which held-out loss may exceed training loss before memorising is suspected."""
COPIED = 0.25
"""Share of the phrases that may be copied from training answers beyond what is usual for the data."""
FEW_PHRASES = 40
ENOUGH_ENDED = 0.8
"""Share of the answers that a usable model ends by itself; the others may be long for once."""
ENOUGH_FORM, LITTLE_FORM = 0.8, 0.4
OTHER_LENGTH = 2.0
"""Times longer or shorter than the wanted answers from which on the length is worth a word."""
FEW_TOKENS = 8
"""Below this difference in tokens nobody cares about lengths."""

UNDECIDED = Verdict(grade="poor", summary="")
"""For a report card until it is decided."""
_FORMS: dict[FormKind, str] = {
    "json": "valid JSON of the wanted shape",
    "label": "one of the labels and nothing else",
    "call": "the tool calls they should be",
    "frame": "the opening and the closing of your data",
}
_USES: dict[FormKind, str] = {
    "json": "suggestions that somebody looks through; not yet for filling in anything by itself",
    "label": "a first sorting that somebody looks through; not yet for sorting by itself",
    "call": "suggestions that somebody confirms; not yet for acting by itself",
    "frame": "drafts that somebody who knows corrects; not yet for answering anybody by itself",
    "": "drafts that somebody who knows corrects; not yet for answering anybody by itself",
}
_WATCH: dict[FormKind, str] = {
    "json": "Let somebody look through what it fills in wherever a wrong value is costly.",
    "label": "Let somebody look through what it sorts wherever a wrong label is costly.",
    "call": "Let somebody confirm what it does wherever a wrong call is costly.",
    "frame": "Let somebody watch it wherever a wrong answer is costly.",
    "": "Let somebody watch it wherever a wrong answer is costly.",
}
_COMPARED: dict[FormKind, str] = {
    "json": "value by value",
    "label": "with the wanted label",
    "call": "by name and arguments",
    "frame": "by numbers, names, yes and no, and the words that matter",
    "": "by numbers, names, yes and no, and the words that matter",
}
_LATER = ("a judge (", "people read ")
"""How sentences begin that are not measured but said afterwards."""


def decide(report: Report) -> Report:
    """The report card with the verdict that follows from what it holds.

    One of an older version, which holds no findings, keeps its verdict as far as judge and people do not contradict it.
    """
    verdict = _conclude(report, report.findings) if report.findings else _amended(report)
    return report.model_copy(update={"verdict": verdict})


def judgement_sentence(judgement: Judgement) -> str:
    """What a judge made of the answers, in one sentence."""
    wins, ties, losses, unparsable = (judgement.count(outcome) for outcome in ("win", "tie", "loss", "unparsable"))
    right = [ruling.right for ruling in judgement.rulings if ruling.right is not None]
    parts = [
        f"a judge ({judgement.judge} at {judgement.host}) preferred its answer in {wins} of {len(judgement.rulings)} cases, "
        f"the base model's in {losses}"
    ]
    parts += [f"{ties} were ties" if ties > 1 else "1 was a tie"] if ties else []
    parts += [f"{unparsable} could not be read"] if unparsable else []
    parts += [f"it called {sum(right)} of {len(right)} of its answers right"] if right else []
    parts += ["read the answers before you rely on it"] if losses > wins else []
    return "; ".join(parts)


def ticks_sentence(report: Report) -> str:
    """What people said of the answers, in one sentence; empty where they said nothing."""
    if not report.ticks:
        return ""
    right = sum(tick.right for tick in report.ticks)
    rest = "" if len(report.ticks) >= ENOUGH_TICKS else f" (from {ENOUGH_TICKS} on, only such answers count)"
    return f"people read {_counted(len(report.ticks), 'answer')} and found {right or 'none'} right{rest}"


def _said_later(report: Report) -> list[str]:
    return [
        sentence
        for sentence in (ticks_sentence(report), judgement_sentence(report.judgement) if report.judgement else "")
        if sentence
    ]


def _amended(report: Report) -> Verdict:
    old = report.verdict
    reasons = [reason for reason in old.reasons if not reason.startswith(_LATER)]
    verdict = old.model_copy(update={"reasons": (*reasons, *_said_later(report))})
    found = tally(report)
    if old.grade == "good" and found.by_people >= ENOUGH_TICKS and found.credit < GOOD_CONTENT:
        changed = {"grade": "mixed", "content": _content(found, None), "summary": _often_wrong(found, None)}
        verdict = verdict.model_copy(update=changed)
    return verdict


def _conclude(report: Report, f: Findings) -> Verdict:
    found = tally(report)
    content, style = _content(found, f), _style(f)
    doubts = _doubts(report, found, f)
    better = f.tuned_loss < f.base_loss
    no_better_than_the_floor = found.credit <= credit_of(_floor(found, f))
    grade: Grade
    if content == "good":
        grade = "good" if style == "good" and better and not doubts else "mixed"
    elif style == "poor" or not better or (content == "poor" and (style != "good" or no_better_than_the_floor)):
        grade = "poor"
    else:
        grade = "mixed"
    verdict = Verdict(
        grade=grade,
        style=style,
        content=content,
        summary=_summary(grade, style, content, found, f, doubts),
        reasons=(*_content_reasons(report, found, f), *_style_reasons(f), *doubts, *_notes(f), *_said_later(report)),
    )
    decided = report.model_copy(update={"verdict": verdict})
    return verdict.model_copy(update={"advice": advise(decided)})


def _content(found: Tally, f: Findings | None) -> Grade | None:
    """Good: most answers are right, and beyond chance more of them than if the same were always said. None: not known."""
    if 2 * found.known < len(found.marks) or not found.marks:
        return None
    floor = _floor(found, f) if f else []
    strict = bool(f and f.answers and f.answers.form in ("json", "call"))
    wholly = found.count("right") >= (GOOD_CONTENT if strict else WHOLLY_RIGHT) * len(found.marks)
    beyond = credit_of(_beyond(found, floor)) >= SURE_CONTENT
    if found.credit >= GOOD_CONTENT and wholly and beyond and _beats(found, floor):
        return "good"
    return "poor" if found.credit < SOME_CONTENT or (floor and found.credit <= credit_of(floor)) else "mixed"


def _floor(found: Tally, f: Findings) -> list[Mark]:
    """Marks that always saying the same would get; none where people have said what is right."""
    marks = f.floor.marks if f.floor and not found.by_people else ()
    return [marks[number] for number in found.numbers] if all(number < len(marks) for number in found.numbers) else []


def _beats(found: Tally, floor: Sequence[Mark]) -> bool:
    """Whether the credit is above the floor's beyond chance, in pairs of answers to the same question."""
    if not floor:
        return True
    differences = [CREDIT[ours] - CREDIT[theirs] for ours, theirs in zip(found.marks, floor, strict=True)]
    mean = sum(differences) / len(differences)
    variance = sum((each - mean) ** 2 for each in differences) / max(1, len(differences) - 1)
    return mean > Z * sqrt(variance / len(differences))


def _beyond(found: Tally, floor: Sequence[Mark]) -> Sequence[Mark]:
    """The marks of those answers that always saying the same gets wrong; of all where it gets none."""
    marks = [ours for ours, theirs in zip(found.marks, floor, strict=True) if theirs != "right"] if floor else []
    return marks or found.marks


def _style(f: Findings) -> Grade:
    a = f.answers
    if f.tuned_loss >= f.base_loss or (
        a and (a.empty > 0.5 or a.form_share < LITTLE_FORM or (a.fair and a.ended < 0.5))
    ):
        return "poor"
    if _small(f) or (a and (_other_length(a) or a.form_share < ENOUGH_FORM or (a.fair and a.ended < ENOUGH_ENDED))):
        return "mixed"
    return "good"


def _small(f: Findings) -> bool:
    return f.difference_high >= 0 or f.base_loss - f.tuned_loss < SMALL_CHANGE * f.base_loss


def _summary(grade: Grade, style: Grade, content: Grade | None, found: Tally, f: Findings, doubts: list[str]) -> str:
    right = _right(found)
    if f.tuned_loss >= f.base_loss:
        no_better = "on records it has not seen it does no better than the base model"
        if content == "good":
            return f"{right.capitalize()}, but {no_better}: you may not need it."
        return f"Not usable yet: {no_better}."
    if content == "good" and style == "good" and not doubts:
        return (
            f"Ready to be tried with people: it answers in the manner of your data, and {right}. "
            f"{_WATCH[f.answers.form if f.answers else '']}"
        )
    if content == "good" and style == "good":
        return f"Promising: it answers in the manner of your data, and {right}. But look first: {doubts[0]}."
    if content == "good":
        return (
            f"It knows the answers ({right}), but does not give them in the form and voice of your data. "
            "Good for looking things up; not yet for writing in your name."
        )
    if style == "poor":
        return f"Not usable yet: {_worst_of_style(f)}" + (f", and {right}." if content else ".")
    if content is None:
        return (
            "It has learnt the manner of your data. Whether what it says is right is not known: read some answers and tick "
            "them before anybody relies on it."
        )
    return (
        _often_wrong(found, f)
        if style == "good"
        else (
            f"Better than the base model, but neither its form nor its facts can be relied on: {right}. "
            "Not yet for anybody but you."
        )
    )


def _worst_of_style(f: Findings) -> str:
    a = f.answers
    if a and a.empty > 0.5:
        return "most of its answers are empty"
    if a and a.fair and a.ended < 0.5:
        return "most of its answers do not come to an end"
    return "its answers have not the form that your data teaches"


def _often_wrong(found: Tally, f: Findings | None) -> str:
    if f and f.floor and 0 < found.credit <= credit_of(_floor(found, f)):
        return f"Not usable yet: {_right(found)}, which is no better than always answering “{_short(f.floor.answer)}”."
    if not found.credit:
        return (
            f"Sounds right, but {_right(found)}: it has learnt the manner of your data, but not the facts. "
            "Do not let it answer anybody yet."
        )
    words = f"Sounds right, is often wrong: {_right(found)}."
    if found.credit < SOME_CONTENT:
        return f"{words} It has learnt the manner of your data, but not the facts: do not let it answer anybody yet."
    return f"{words} Good for {_USES[f.answers.form if f and f.answers else '']}."


def _right(found: Tally) -> str:
    right, count = found.count("right"), len(found.marks)
    partly = f", {found.count('partly')} more in part" if found.count("partly") else ""
    return f"{right or 'none'} of {count} checked answers {'is' if right == 1 else 'are'} right{partly}"


def _content_reasons(report: Report, found: Tally, f: Findings) -> list[str]:
    if not found.marks:
        return ["content: no answers were compared, so nobody knows whether they are right"]
    wrong, partly, unclear = found.count("wrong"), found.count("partly"), found.count("unclear")
    parts = [
        f"{found.count('right') or 'none'} of {len(found.marks)} answers right",
        *([f"{partly} partly"] if partly else []),
        *([f"{wrong} wrong"] if wrong else []),
        *([f"{unclear} in other words, with nothing that could be compared"] if unclear else []),
    ]
    reasons = [f"content: {', '.join(parts)} (checked {_checked_by(found, f)})"]
    if 2 * found.known >= len(found.marks):
        low, high = chance_interval(found.marks)
        reasons[0] += f"; of all answers it would give, that makes {low:.0%} to {high:.0%} right"
    if found.by_people == len(found.marks):
        return reasons
    base = [sample.base_mark for sample in report.samples if sample.base_mark]
    if base:
        reasons.append(f"the base model gets {base.count('right') or 'none'} of these {len(base)} right")
    if f.floor:
        floor = f"always answering “{_short(f.floor.answer)}” {_would_be_right(f.floor.marks)}"
        reasons.append(f"{floor}: that is the floor, which any model must beat")
        if "right" in f.floor.marks and not found.by_people:
            beyond = _beyond(found, _floor(found, f))
            reasons.append(
                f"of the {len(beyond)} that this gets wrong, the model gets {beyond.count('right') or 'none'} right"
            )
    if f.answers and f.answers.frame:
        reasons.append(
            f"“{_short(f.answers.frame, 90)}”, which most of your answers share, was taken off before comparing"
        )
    return reasons


def _checked_by(found: Tally, f: Findings) -> str:
    for who, count in (("by people", found.by_people), ("by a judge", found.by_judge)):
        if count == len(found.marks):
            return who
    ways = [
        *([f"{found.by_people} by people"] if found.by_people else []),
        *([f"{found.by_judge} by a judge"] if found.by_judge else []),
    ]
    if found.by_people + found.by_judge < len(found.marks):
        ways.append(f"{'the others ' if ways else ''}{_COMPARED[f.answers.form if f.answers else '']}")
    return ", ".join(ways)


def _style_reasons(f: Findings) -> list[str]:
    change = (f.base_loss - f.tuned_loss) / f.base_loss if f.base_loss > 0 else 0.0
    measured_on = (
        "training records (nothing was held out)" if f.stood_in else f"{f.held_out_records} records it never saw"
    )
    reasons = [
        f"style: wanted answers surprise it {abs(change):.0%} {'less' if change > 0 else 'more'} than the base model "
        f"(loss {f.base_loss:.3f} → {f.tuned_loss:.3f} on {measured_on})"
    ]
    if f.difference_high >= 0 and f.tuned_loss < f.base_loss:
        reasons.append("that difference may be chance: its 95% interval reaches zero")
    elif 0 < f.base_loss - f.tuned_loss < SMALL_CHANGE * f.base_loss:
        reasons.append("that change is too small to notice: train for more epochs or with a higher learning rate")
    return reasons + (_answer_reasons(f.answers) if f.answers else [])


def _answer_reasons(a: AnswerFindings) -> list[str]:
    reasons = []
    if a.empty:
        reasons.append(f"{_of(a.empty, a.count)} sample answers are empty")
    if a.form:
        reasons.append(
            f"{_of(a.form_share, a.count)} answers have {_FORMS[a.form]}"
            if a.form == "frame"
            else f"{_of(a.form_share, a.count)} answers are {_FORMS[a.form]}"
        )
    if a.fair and a.ended == 1:
        reasons.append(
            f"all {a.fair} sample answers end by themselves" if a.fair > 1 else "the sample answer ends by itself"
        )
    elif a.fair:
        reasons.append(
            f"{'only ' if a.ended < ENOUGH_ENDED else ''}{_of(a.ended, a.fair)} sample answers end by themselves; "
            f"the others were cut off at {a.limit} tokens"
        )
    if a.fair < a.count:
        reasons.append(
            f"{a.count - a.fair} of the wanted answers are longer than the {a.limit} tokens that sample answers may "
            "have, so being cut off there says nothing"
        )
    if _other_length(a):
        reasons.append(f"its answers are {' '.join(_longer(a.length_tuned, a.length_wanted))} those in your data")
    elif _differs(a.length_base, a.length_wanted):
        reasons.append(
            f"its answers are about as long as those in your data; the base model's are "
            f"{_longer(a.length_base, a.length_wanted)[0]}"
        )
    return reasons


def _doubts(report: Report, found: Tally, f: Findings) -> list[str]:
    """What keeps a model whose style and content are good from the grade “good”."""
    doubts = []
    a = f.answers
    if not f.stood_in and f.conversations < FEW_RECORDS:
        what = "records" if f.conversations == f.held_out_records else "conversations"
        doubts.append(f"{f.conversations} held-out {what} are too few to be sure")
    if f.stood_in:
        doubts.append(
            "without held-out records (kept back from the training) nothing is known about text the model has not seen"
        )
    low, high = chance_interval(found.marks)
    if found.credit >= GOOD_CONTENT and low < SURE_CONTENT:
        doubts.append(
            f"{_counted(len(found.marks), 'checked answer')} {'is' if len(found.marks) == 1 else 'are'} too few to be sure: "
            f"of all it would give, {low:.0%} to {high:.0%} may be right"
        )
    if f.tuned_loss - f.train_loss > MEMORISED_GAP:
        doubts.append(
            f"it knows the records it learnt from far better (loss {f.train_loss:.2f} against {f.tuned_loss:.2f}): "
            "some of it is memorised"
        )
    if a and a.phrases >= FEW_PHRASES and a.copied - a.usually_copied > COPIED:
        doubts.append(
            f"{a.copied:.0%} of what it writes stands word for word in the training answers "
            f"({a.usually_copied:.0%} would be usual for this data): check that nothing private is in there"
        )
    if f.general_base > 0 and f.general_tuned > MUCH_FORGOTTEN * f.general_base:
        doubts.append(f"it forgot much of what the base model knew: everyday questions got {_harder(f)} harder for it")
    if report.judgement and report.judgement.count("loss") > report.judgement.count("win"):
        doubts.append("the judge preferred the base model's answers")
    return doubts


def _notes(f: Findings) -> list[str]:
    notes = []
    if f.worse and f.tuned_loss < f.base_loss:
        notes.append(f"it does worse than the base model on some records ({', '.join(f.worse)})")
    if f.general_base > 0 and MUCH_FORGOTTEN * f.general_base >= f.general_tuned > FORGOTTEN * f.general_base:
        notes.append(f"everyday questions got {_harder(f)} harder for it: it forgot some of what the base model knew")
    if not f.stood_in and not f.chosen_apart:
        notes.append(
            "the same held-out records chose the best checkpoint and judge it, because there are too few for both: "
            "the numbers flatter a little"
        )
    if f.base_in_4_bits:
        notes.append(
            "the base model here is its 4-bit form, because the original did not fit into the memory of that machine: "
            "the original may be a little better"
        )
    if f.early_stopped:
        notes.append(
            "training ended early because the loss on records it never saw no longer fell; the best checkpoint is kept"
        )
    if f.stopped:
        notes.append("training was stopped before its end; the best checkpoint so far is kept")
    return notes


def _harder(f: Findings) -> str:
    return f"{f.general_tuned / f.general_base - 1:.0%}"


def _other_length(a: AnswerFindings) -> bool:
    return a.fair == a.count and _differs(a.length_tuned, a.length_wanted)


def _differs(length: float, wanted: float) -> bool:
    longer, shorter = max(length, wanted), min(length, wanted)
    return longer - shorter >= FEW_TOKENS and longer > OTHER_LENGTH * max(1.0, shorter)


def _longer(length: float, wanted: float) -> tuple[str, str]:
    """How many times longer or shorter, and the word that what it is compared with follows."""
    if length > wanted:
        return f"{length / max(1.0, wanted):.0f} times as long", "as"
    return f"{wanted / max(1.0, length):.0f} times shorter", "than"


def _of(share: float, count: int) -> str:
    return f"{round(share * count) or 'none'} of {count}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _would_be_right(marks: Sequence[Mark]) -> str:
    return (
        f"would be right {count} of {len(marks)} times" if (count := marks.count("right")) else "would never be right"
    )


def _short(text: str, limit: int = 60) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
