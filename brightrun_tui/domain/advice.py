"""What to try next, the most promising first: each from something that was measured, and with the command that does it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

from brightrun_tui.domain import humanize
from brightrun_tui.domain.findings import Findings
from brightrun_tui.domain.measures import FEWEST_OF_CATEGORY
from brightrun_tui.domain.model import Advice, AdviceKind, Report
from brightrun_tui.domain.settings import Overrides, RunSettings, flatten

MOST = 4
STILL_FALLING = 0.01
"""Part of the held-out loss by which it must have fallen at the last evaluation for more epochs to be promising."""
ENOUGH_RECORDS = 10
"""Held-out conversations from which on the verdict does not doubt them."""
WENT_PAST = 0.7
"""Part of the training before which the best checkpoint must lie for fewer epochs to be enough."""
MANY_EPOCHS = 12
MOST_SHOWN = 100
"""Times an epoch that a correction can be shown."""
FEW_TRAINING_RECORDS = 200
SMALL_BASE = 1_000_000_000
"""Parameters below which a base model often has not the room for facts."""
SMALL_RANK, LARGE_RANK = 16, 64
FORGOTTEN = 1.3
LEAST_ENDED = 0.8
"""Share of the answers that had room enough which should end by themselves."""
WEAK = 1.3
"""Times the loss of all records that a category must have to be called weak."""
FEWEST_OF_LABEL, SELDOM_FOUND = 3, 0.2
"""Answers with a label from which on it can be told whether it is found, and the share of them that is hardly ever."""
LARGER_BASE = "LARGER_MODEL"
"""Stands in a command for the base that a person chooses."""


def advise(report: Report) -> tuple[Advice, ...]:
    """Return up to `MOST` pieces of advice; none where the report card holds no findings."""
    return (tuple(_found(report, report.findings)) or _of_doubts(report))[:MOST] if report.findings else ()


def actionable(report: Report) -> tuple[Advice, ...]:
    """Return the advice of a report card with what it asks for; given anew for cards of older versions, which only have words
    and commands: none where they hold no findings.
    """
    told = report.verdict.advice
    return told if all(advice.kind for advice in told) else advise(report)


def name_data(report: Report, path: str, columns: Mapping[str, str]) -> Report:
    """Return the same report card with commands that name the data by its path on this machine, and say how it was read
    where that was mapped. Never kept: a path is private.
    """
    mapped = [word for role, column in columns.items() for word in ("--column", f"{role}={column}")]

    def named(advice: Advice) -> Advice:
        if not _trains(advice):
            return advice
        words = shlex.split(advice.command)
        return advice.model_copy(update={"command": shlex.join([*words[:2], path, *mapped, *words[3:]])})

    verdict = report.verdict.model_copy(update={"advice": tuple(map(named, report.verdict.advice))})
    return report.model_copy(update={"verdict": verdict})


def _trains(advice: Advice) -> bool:
    """Say whether it is a training; report cards of older versions only have its command."""
    return advice.kind is AdviceKind.TRAIN or (
        advice.kind is None and shlex.split(advice.command)[1:2] == [AdviceKind.TRAIN]
    )


def _found(report: Report, f: Findings) -> Iterator[Advice]:
    """Yield advice, the most promising first."""
    settings = report.lineage.run_settings
    yield from _of_reading(report, settings)
    yield from _of_answers(report, f)
    yield from _of_training(report, f, settings)
    yield from _of_forgetting(report, f, settings)
    yield from _of_data(report, f)
    yield from _of_a_best_step(report, f, settings)
    yield from _of_rank(report, settings)


def _of_reading(report: Report, settings: RunSettings) -> Iterator[Advice]:
    """Advise what people can do with the answers: say which are right, correct them, rely on them."""
    verdict, answers = report.verdict, f"brightrun models answers {shlex.quote(report.name)}"
    if verdict.content is None and report.samples:
        why = "nobody knows yet whether its answers are right: read them and say so"
        yield Advice(kind=AdviceKind.READ, why=why, command=answers)
    if missed := sum(each.mark in ("wrong", "partly") for each in report.corrections):
        many = f"{missed} of {len(report.corrections)} corrections {'is' if missed == 1 else 'are'}"
        oftener = min(MOST_SHOWN, 2 * max(2, settings.data.correction_repeats))
        yield _train(
            report,
            f"{many} not learnt: show each more often; what helps most is the same answer to the question in other words, as "
            "further corrections",
            {"data.correction_repeats": oftener},
        )
    if verdict.grade == "good" and not report.ticks:
        yield Advice(
            kind=AdviceKind.READ,
            why="a program compared the answers: read some yourself, and say which are right, before others rely on it",
            command=answers,
        )
    if verdict.grade == "good":
        yield Advice(
            kind=AdviceKind.DEPLOY,
            why="then let people try it: served, it can be asked by any program that speaks to OpenAI's models",
            command=f"brightrun deploy {shlex.quote(report.name)}",
        )


def _of_doubts(report: Report) -> tuple[Advice, ...]:
    """Advise what tells whether a model that answers right has learnt, or only repeats; where nothing else is to be done."""
    if report.verdict.content != "good" or report.verdict.grade == "good":
        return ()
    why = "ask it things that stand in none of your records: that tells whether it has learnt them, or repeats what it read"
    return (Advice(kind=AdviceKind.CHAT, why=why, command=f"brightrun chat {shlex.quote(report.name)}"),)


def _of_answers(report: Report, f: Findings) -> Iterator[Advice]:
    if _does_not_end(f) and f.answers and f.answers.limit < 2 * f.answers.length_wanted:
        yield _train(
            report,
            "its answers are cut off: give the sample answers more room",
            {"evaluation.max_new_tokens": 2 * f.answers.limit},
        )


def _does_not_end(f: Findings) -> bool:
    """Say whether too many of the answers that had room enough run into the limit."""
    return bool(f.answers and f.answers.fair and f.answers.ended < LEAST_ENDED)


def _of_training(report: Report, f: Findings, settings: RunSettings) -> Iterator[Advice]:
    """Advise how long to train, and with what step size; yields one of these at most."""
    better, may_go_on = f.tuned_loss < f.base_loss, settings.training.epochs < MANY_EPOCHS
    if f.stopped and better:
        yield _train(report, "the training was stopped before its end: let it run", {})
    elif f.best_at >= 1 and f.falling >= STILL_FALLING and not f.early_stopped and may_go_on:
        yield _train(
            report,
            f"it was still getting better when the training ended (the loss on records it never saw fell by {f.falling:.0%} "
            "at the last look): train twice as long",
            _twice_as_long(settings),
        )
    elif better and _does_not_end(f) and may_go_on:
        yield _train(report, "it has not learnt to end its answers: train twice as long", _twice_as_long(settings))
    elif not better:
        yield _train(
            report,
            "it did not get better than the base model: take smaller steps (a lower learning rate)",
            {"training.learning_rate": settings.training.learning_rate / 3},
        )


def _of_forgetting(report: Report, f: Findings, settings: RunSettings) -> Iterator[Advice]:
    if f.general_base > 0 and f.general_tuned > FORGOTTEN * f.general_base:
        yield _train(
            report,
            "it forgot much of what the base model knew: take smaller steps (a lower learning rate), or mix some everyday "
            "questions with good answers into the data",
            {"training.learning_rate": settings.training.learning_rate / 2},
        )


def _of_data(report: Report, f: Findings) -> Iterator[Advice]:
    """Advise more records, and of which kind, or a base that holds more facts."""
    facts = report.training
    if weak := _weak_category(report):
        yield _train(report, f"it is weakest on {weak}: add records of that kind to the data, then train again", {})
    if f.answers and f.answers.form == "label" and (missed := _missed_labels(f.answers.parts)):
        yield _train(
            report,
            f"it hardly ever finds {missed}: add records with such labels, as many as of the others, then train again",
            {},
        )
    if _knows_too_little(report) and 0 < facts.base_parameters < SMALL_BASE:
        lacks = "tells little apart" if f.answers and f.answers.form == "label" else "holds few facts"
        yield _train(
            report,
            f"the base model is small ({humanize.parameters(facts.base_parameters)} parameters) and {lacks}: "
            "start from a larger one (see: brightrun bases)",
            {},
            larger_base=True,
        )
    if _knows_too_little(report) and facts.train_records < FEW_TRAINING_RECORDS:
        yield _train(
            report,
            f"{facts.train_records} records are few: add more, say each fact in several wordings, and train again",
            {},
        )
    if f.stood_in or f.conversations < ENOUGH_RECORDS:
        held_out = (
            "nothing was held out" if f.stood_in else f"{f.conversations} held-out records are too few to be sure"
        )
        yield _train(report, f"{held_out}: hold out more, or better, add records", {"data.eval_fraction": 0.3})


def _of_a_best_step(report: Report, f: Findings, settings: RunSettings) -> Iterator[Advice]:
    if f.best_at < WENT_PAST and f.tuned_loss < f.base_loss:
        fewer = max(1.0, round(settings.training.epochs * f.best_at * 2) / 2)
        if fewer < settings.training.epochs:
            yield _train(
                report,
                f"it was best after {f.best_at:.0%} of the training: the rest only cost time, or memorised",
                {"training.epochs": fewer},
            )


def _of_rank(report: Report, settings: RunSettings) -> Iterator[Advice]:
    rank = settings.lora.r
    if _knows_too_little(report) and rank <= SMALL_RANK and report.training.train_records >= FEW_TRAINING_RECORDS:
        larger = {"lora.r": min(LARGE_RANK, 2 * rank), "lora.lora_alpha": 2 * settings.lora.lora_alpha}
        yield _train(
            report, f"the adapter is small (rank {rank}): a larger one learns more from that many records", larger
        )


def _knows_too_little(report: Report) -> bool:
    return report.verdict.content in ("mixed", "poor")


def _twice_as_long(settings: RunSettings) -> Overrides:
    training = settings.training
    if training.max_steps:
        return {"training.max_steps": 2 * training.max_steps}
    return {"training.epochs": min(MANY_EPOCHS, 2 * training.epochs)}


def _missed_labels(parts: Mapping[str, tuple[int, int]]) -> str:
    """Return the labels that it misses nearly every time though there were enough of them to tell, the worst first."""
    missed = [
        name for name, (right, count) in parts.items() if count >= FEWEST_OF_LABEL and right <= SELDOM_FOUND * count
    ]
    missed.sort(key=lambda name: parts[name][0] / parts[name][1])
    return ", ".join(f"“{name}” ({parts[name][0]} of {parts[name][1]})" for name in missed[:MOST])


def _weak_category(report: Report) -> str:
    """Return the category value with the highest loss, where enough records show that it stands out; as ``topic: returns``."""
    rows = [
        (scores["tuned"], f"{category}: {value}")
        for category, values in report.by_category.items()
        for value, scores in values.items()
        if scores.get("records", 0) >= FEWEST_OF_CATEGORY and "tuned" in scores
    ]
    worst = max(rows, default=(0.0, ""))
    return worst[1] if len(rows) > 1 and worst[0] > WEAK * report.tuned.loss else ""


def _train(report: Report, why: str, changes: Overrides, *, larger_base: bool = False) -> Advice:
    """Advise to train as this model was trained, with these changes."""
    lineage = report.lineage
    base = LARGER_BASE if larger_base else lineage.base_id
    words = ["brightrun", "train", lineage.dataset_name or "DATA", "--name", report.name, "--base", base]
    defaults = flatten(RunSettings().model_dump(mode="json"))
    kept = {
        name: _written(value)
        for name, value in flatten(lineage.run_settings.model_dump(mode="json")).items()
        if value != defaults[name]
    }
    said = {name: _written(value) for name, value in changes.items()}
    for name, value in (kept | said).items():
        words += ["--set", f"{name}={value}"]
    return Advice(kind=AdviceKind.TRAIN, why=why, command=shlex.join(words), changes=said, larger_base=larger_base)


def _written(value: object) -> str:
    """Return the value of a setting as commands have it."""
    return str(value).lower() if isinstance(value, bool) else _number(value) if isinstance(value, float) else str(value)


def _number(value: float) -> str:
    return f"{value:.3g}"
