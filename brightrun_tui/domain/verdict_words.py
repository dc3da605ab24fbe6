"""What a report card says in sentences: its summary, and the reasons for its grades."""

from __future__ import annotations

from collections.abc import Sequence

from brightrun_tui.domain.findings import AnswerFindings, Findings, FormKind, Mark
from brightrun_tui.domain.grading import (
    ENOUGH_ENDED,
    GOOD_CONTENT,
    SMALL_CHANGE,
    SOME_CONTENT,
    beyond_floor,
    floor_marks,
    has_other_length,
    lengths_differ,
)
from brightrun_tui.domain.model import Grade, Judgement, Report
from brightrun_tui.domain.tally import ENOUGH_TICKS, Tally, chance_interval, credit_of

FORGOTTEN, MUCH_FORGOTTEN = 1.1, 1.3
"""Times the loss on everyday questions from which on it is worth a word, and lowers the grade."""
MOSTLY_TAUGHT = 0.5
"""Share of the wanted answers that were taught word for word, above which that is worth a word."""
MOST_PARTS = 6
"""Labels or values that are named one by one."""
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


def judgement_sentence(judgement: Judgement) -> str:
    """Return what a judge made of the answers, in one sentence."""
    wins, ties, losses, unparsable = (judgement.count(outcome) for outcome in ("win", "tie", "loss", "unparsable"))
    right = [ruling.right for ruling in judgement.rulings if ruling.right is not None]
    parts = [
        (
            f"a judge ({judgement.judge} at {judgement.host}) preferred its answer in {wins} of {len(judgement.rulings)} cases, "
            f"the base model's in {losses}"
        )
    ]
    parts += [f"{ties} were ties" if ties > 1 else "1 was a tie"] if ties else []
    parts += [f"{unparsable} could not be read"] if unparsable else []
    parts += [f"it called {sum(right)} of {len(right)} of its answers right"] if right else []
    parts += ["read the answers before you rely on it"] if losses > wins else []
    return "; ".join(parts)


def ticks_sentence(report: Report) -> str:
    """Return what people said of the answers, in one sentence; empty if they said nothing."""
    if not report.ticks:
        return ""
    right = sum(tick.right for tick in report.ticks)
    rest = "" if len(report.ticks) >= ENOUGH_TICKS else f" (from {ENOUGH_TICKS} on, only such answers count)"
    return f"people read {counted(len(report.ticks), 'answer')} and found {right or 'none'} right{rest}"


def summary(grade: Grade, style: Grade, content: Grade | None, found: Tally, f: Findings, doubts: list[str]) -> str:
    """Return what follows from both grades, for whoever has to decide."""
    right = _right(found) + (" (to questions that it learnt from)" if f.stood_in else "")
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
        often_wrong(found, f)
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
        return "most of its answers never end"
    return "its answers do not have the form that your data teaches"


def often_wrong(found: Tally, f: Findings | None) -> str:
    """Return the summary where the manner is learnt and the content is not good."""
    if f and f.floor and 0 < found.credit <= credit_of(floor_marks(found, f)):
        return f"Not usable yet: {_right(found)}, which is no better than always answering “{_short(f.floor.answer)}”."
    if not found.credit:
        return (
            f"Sounds right, but {_right(found)}: it has learnt the manner of your data, but not the facts. "
            "Do not let it answer anybody yet."
        )
    use = f"Good for {_USES[f.answers.form if f and f.answers else '']}."
    floor = floor_marks(found, f) if f else []
    if f and f.floor and found.credit >= GOOD_CONTENT and "right" in floor:
        beyond = beyond_floor(found, floor)
        return (
            f"Right mostly where the usual answer is right: {_right(found)}, but of the {len(beyond)} that always answering "
            f"“{_short(f.floor.answer)}” gets wrong, only {beyond.count('right') or 'none'}. {use}"
        )
    half = found.count("partly") > found.count("wrong")
    words = f"Sounds right, is often {'right only in part' if half else 'wrong'}: {_right(found)}."
    if found.credit < SOME_CONTENT:
        facts = "gets a part of most answers wrong" if half else "not the facts"
        return f"{words} It has learnt the manner of your data, but {facts}: do not let it answer anybody yet."
    return f"{words} {use}"


def _right(found: Tally) -> str:
    right, count = found.count("right"), len(found.marks)
    partly = f", {found.count('partly')} {'more ' if right else ''}in part" if found.count("partly") else ""
    return f"{right or 'none'} of {count} checked answers {'is' if right == 1 else 'are'} right{partly}"


def content_reasons(report: Report, found: Tally, f: Findings) -> list[str]:
    """Return what the grade of the content rests on."""
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
    if f.stood_in:
        reasons[0] += "; all of them to questions that it learnt from, so this says nothing about new ones"
    elif 2 * found.known >= len(found.marks):
        low, high = chance_interval(found.marks)
        half = " (those partly right counted half)" if partly else ""
        reasons[0] += f"; of all answers it would give, that makes {low:.0%} to {high:.0%} right{half}"
    if found.by_people == len(found.marks):
        return reasons
    if f.answers and len(f.answers.parts) > 1:
        reasons.append(_by_part(f.answers))
    base = [sample.base_mark for sample in report.samples if sample.base_mark]
    if base:
        reasons.append(f"the base model gets {base.count('right') or 'none'} of these {len(base)} right")
    if f.floor:
        floor = f"always answering “{_short(f.floor.answer)}” {_would_be_right(f.floor.marks)}"
        reasons.append(f"{floor}: that is the floor, which any model must beat")
        if "right" in (marks := floor_marks(found, f)):
            beyond = beyond_floor(found, marks)
            reasons.append(
                f"of the {len(beyond)} that this gets wrong, the model gets {beyond.count('right') or 'none'} right"
            )
    if f.answers and f.answers.frame:
        reasons.append(
            f"“{_short(f.answers.frame, 90)}”, which most of your answers share, was taken off before comparing"
        )
    return reasons


def _by_part(a: AnswerFindings) -> str:
    """Say which labels or values are right how often, the worst first."""
    shares = {name: right / max(1, count) for name, (right, count) in a.parts.items()}
    worst = sorted(a.parts, key=lambda name: shares[name])[:MOST_PARTS]
    named = ", ".join(f"“{_short(name, 30)}” {a.parts[name][0]} of {a.parts[name][1]}" for name in worst)
    return f"right by {'label' if a.form == 'label' else 'value'}, the worst first: {named}"


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


def style_reasons(f: Findings) -> list[str]:
    """Return what the grade of the style rests on."""
    change = (f.base_loss - f.tuned_loss) / f.base_loss if f.base_loss > 0 else 0.0
    measured_on = (
        "training records (nothing was held out)" if f.stood_in else f"{f.held_out_records} records it never saw"
    )
    reasons = [
        (
            f"style: wanted answers surprise it {abs(change):.0%} {'less' if change > 0 else 'more'} than the base model "
            f"(loss {f.base_loss:.3f} → {f.tuned_loss:.3f} on {measured_on})"
        )
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
        cut = "the other was" if a.fair - round(a.ended * a.fair) == 1 else "the others were"
        reasons.append(
            f"{'only ' if a.ended < ENOUGH_ENDED else ''}{_of(a.ended, a.fair)} sample answers end by themselves; "
            f"{cut} cut off at {a.limit} tokens"
        )
    if a.fair < a.count:
        reasons.append(
            f"{a.count - a.fair} of the wanted answers are longer than the {a.limit} tokens that sample answers may "
            "have, so being cut off there says nothing"
        )
    if has_other_length(a):
        reasons.append(f"its answers are {' '.join(_longer(a.length_tuned, a.length_wanted))} those in your data")
    elif lengths_differ(a.length_base, a.length_wanted):
        reasons.append(
            f"its answers are about as long as those in your data; the base model's are "
            f"{_longer(a.length_base, a.length_wanted)[0]}"
        )
    return reasons


def notes(f: Findings) -> list[str]:
    """Return what is worth knowing, and changes no grade."""
    notes = []
    a = f.answers
    if a and a.form not in ("label", "call") and not f.stood_in and a.taught > MOSTLY_TAUGHT * a.count:
        many = "all" if a.taught == a.count else f"{a.taught} of"
        notes.append(
            f"{many} {a.count} wanted answers stand word for word in the records it learnt from, under other questions: this "
            "shows whether it knows what it was taught, not whether it can answer what it was not taught"
        )
    if f.worse and f.tuned_loss < f.base_loss:
        notes.append(f"it does worse than the base model on some records ({', '.join(f.worse)})")
    if f.general_base > 0 and MUCH_FORGOTTEN * f.general_base >= f.general_tuned > FORGOTTEN * f.general_base:
        notes.append(f"everyday questions got {harder(f)} harder for it: it forgot some of what the base model knew")
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


def harder(f: Findings) -> str:
    """Say by how many per cent everyday questions got harder."""
    return f"{f.general_tuned / f.general_base - 1:.0%}"


def _longer(length: float, wanted: float) -> tuple[str, str]:
    """Say how many times longer or shorter, and the word that what it is compared with follows."""
    if length > wanted:
        return f"{length / max(1.0, wanted):.0f} times as long", "as"
    return f"{wanted / max(1.0, length):.0f} times shorter", "than"


def _of(share: float, count: int) -> str:
    return f"{round(share * count) or 'none'} of {count}"


def counted(count: int, what: str) -> str:
    """Return a number with its noun, in the plural where there are several."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _would_be_right(marks: Sequence[Mark]) -> str:
    right, partly = marks.count("right"), marks.count("partly")
    words = f"would be right {right} of {len(marks)} times" if right else "would never be right"
    return words + (f", in part {partly} time{'s' if partly > 1 else ''}" if partly else "")


def _short(text: str, limit: int = 60) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
