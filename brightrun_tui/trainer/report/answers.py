"""The same held-out prompts answered by base and tuned model: kept side by side, and measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from brightrun_tui.domain.dataset import Record
from brightrun_tui.domain.events import Sample
from brightrun_tui.domain.findings import AnswerFindings, Floor, Mark
from brightrun_tui.domain.measures import Measures, Pair
from brightrun_tui.domain.model import SampleAnswer, StepAnswer
from brightrun_tui.domain.sizing import SCORED_ANSWERS, SHORT_ANSWER
from brightrun_tui.domain.tally import credit_of
from brightrun_tui.trainer.data.examples import spread
from brightrun_tui.trainer.data.template import ChatTemplate
from brightrun_tui.trainer.evaluation.generate import GeneratedAnswer, HeldOutPrompt, choose_prompts
from brightrun_tui.trainer.loop.answering import answer_prompts
from brightrun_tui.trainer.loop.baseline import Baseline
from brightrun_tui.trainer.loop.session import TrainingSession
from brightrun_tui.trainer.report.calibration import find_floor, make_yardstick
from brightrun_tui.trainer.report.content import AnswerCase, Yardstick
from brightrun_tui.trainer.report.parts import parts_right
from brightrun_tui.trainer.report.text_scores import Overlap, token_f1, verbatim_overlap
from brightrun_tui.trainer.runtime.events import read_whole_lines

LEARNT_FROM, FEWEST_LEARNT_FROM = 2000, 100
READ_CHARACTERS = 2_000_000
"""Training answers, and their characters, that are looked at for what they have in common."""


@dataclass(frozen=True)
class Asked:
    """Answers in the order of the prompts; ``left_out``: prompts that time did not allow to be answered by every model.
    ``short``: the task has short answers.
    """

    prompts: Sequence[HeldOutPrompt]
    base: Sequence[GeneratedAnswer]
    tuned: Sequence[GeneratedAnswer]
    left_out: int
    short: bool


@dataclass(frozen=True, kw_only=True)
class Compared(Asked):
    """What they are worth. ``floor``: the best constant answer; ``frame``: what most training answers share, for people;
    ``taught``: wanted answers that are training answers, word for word.
    """

    by_step: dict[str, tuple[StepAnswer, ...]]
    overlap: dict[str, Overlap]
    yardstick: Yardstick
    floor: Floor | None
    frame: str = ""
    taught: int = 0

    @property
    def cases(self) -> list[AnswerCase]:
        """Question and wanted answer of each prompt."""
        return [AnswerCase(question_of(prompt.messages), prompt.reference) for prompt in self.prompts]

    def marks(self, answers: Sequence[GeneratedAnswer]) -> list[Mark]:
        """Return what each of these answers to the prompts is worth as content."""
        return [self.yardstick.mark(case, said.text) for case, said in zip(self.cases, answers, strict=True)]

    def samples(self) -> tuple[SampleAnswer, ...]:
        """Return the answers side by side, as the report card keeps them."""
        return tuple(
            SampleAnswer(
                id=prompt.id,
                prompt=prompt.messages,
                reference=prompt.reference,
                base=base.text,
                tuned=tuned.text,
                base_ended=base.ended,
                tuned_ended=tuned.ended,
                by_step=self.by_step.get(prompt.id, ()),
                mark=mark,
                base_mark=base_mark,
            )
            for prompt, base, tuned, mark, base_mark in zip(
                self.prompts, self.base, self.tuned, self.marks(self.tuned), self.marks(self.base), strict=True
            )
        )

    def scores(self) -> Measures:
        """Return what is measured, for base and tuned model."""
        if not self.prompts:
            return {"answers": 0, "answers_left_out": self.left_out}
        scores: Measures = {
            "answers": len(self.prompts),
            "answers_left_out": self.left_out,
            "ended": self._pair(lambda said: _share(a.ended for a in said)),
            "cut_off": self._pair(lambda said: sum(not a.ended for a in said)) | {"limit": self._limit},
            "answer_tokens": self._lengths(),
            "verbatim": self._verbatim(),
            "content": self._pair(lambda said: credit_of(self.marks(said))),
        }
        if self.floor:
            scores["content"]["floor"] = credit_of(self.floor.marks)
        return scores | self._short_scores() if self.short else scores

    def _pair(self, measure: Callable[[Sequence[GeneratedAnswer]], float]) -> Pair:
        return {"base": measure(self.base), "tuned": measure(self.tuned)}

    def _lengths(self) -> Pair:
        wanted = median(prompt.expected for prompt in self.prompts)
        return self._pair(lambda said: median(a.tokens for a in said)) | {"reference": wanted}

    def _verbatim(self) -> Pair:
        shares = {name: overlap.share for name, overlap in self.overlap.items()}
        return {
            "base": shares["base"],
            "tuned": shares["tuned"],
            "reference": shares["reference"],
            "phrases": self.overlap["tuned"].phrases,
        }

    def _short_scores(self) -> Measures:
        from sacrebleu.metrics.chrf import CHRF

        frame = self.yardstick.frame
        whole = [prompt.reference.strip() for prompt in self.prompts]
        wanted = [frame.without(text) for text in whole]

        def f1(texts: Sequence[str]) -> float:
            return sum(map(token_f1, texts, wanted)) / len(wanted)

        def chrf(texts: Sequence[str]) -> float:
            return float(CHRF().corpus_score(texts, [wanted]).score)

        def bare(said: Sequence[GeneratedAnswer]) -> list[str]:
            return [frame.without(a.text) for a in said]

        scores: Measures = {
            "exact_match": self._pair(lambda said: _share(map(str.__eq__, [a.text for a in said], whole))),
            "token_f1": self._pair(lambda said: f1(bare(said))),
            "chrf": self._pair(lambda said: chrf(bare(said))),
            "scored_answers": len(wanted),
        }
        if self.floor:
            constant = [frame.without(self.floor.answer)] * len(wanted)
            scores["token_f1"]["floor"], scores["chrf"]["floor"] = f1(constant), chrf(constant)
        return scores

    @property
    def _limit(self) -> int:
        """Tokens that an answer of the tuned model might have."""
        return max(said.limit for said in self.tuned)

    def findings(self) -> AnswerFindings | None:
        """Return what the verdict needs to know of them; None if nothing was asked."""
        if not self.prompts:
            return None
        scores = self.scores()
        fair = [said for prompt, said in zip(self.prompts, self.tuned, strict=True) if prompt.expected < said.limit]
        return AnswerFindings(
            count=len(self.prompts),
            fair=len(fair),
            ended=_share(a.ended for a in fair),
            limit=self._limit,
            empty=_share(not a.text for a in self.tuned),
            length_base=scores["answer_tokens"]["base"],
            length_tuned=scores["answer_tokens"]["tuned"],
            length_wanted=scores["answer_tokens"]["reference"],
            copied=scores["verbatim"]["tuned"],
            phrases=scores["verbatim"]["phrases"],
            usually_copied=max(scores["verbatim"]["base"], scores["verbatim"]["reference"]),
            form=self.yardstick.form(),
            form_share=_share(
                self.yardstick.has_form(case, a.text) for case, a in zip(self.cases, self.tuned, strict=True)
            ),
            frame=self.frame,
            taught=self.taught,
            parts=parts_right(self.yardstick, self.cases, [a.text for a in self.tuned]),
        )


def ask(session: TrainingSession, template: ChatTemplate, baseline: Baseline) -> Asked:
    """Let the model as it now is answer what the base model was asked; then the base model again what time had cut off before
    training; where answers are short, both answer more prompts.

    Raises:
        Terminated: a pause or a signal is waiting.
    """
    records = session.data.judged_records
    prompts, base = list(session.prompts), list(baseline.answers)
    until = time.monotonic() + session.answer_time.for_the_report(session.progress.seconds)
    tuned = _answers(session, prompts, until)
    base = _made_up_for(session, prompts, base, tuned, until)
    wanted = [m.content for r in records for m in r.messages if m.role == "assistant" and m.train]
    short = bool(prompts and wanted) and median(map(len, wanted)) <= SHORT_ANSWER
    if short and all(map(_is_whole, (*base, *tuned))):
        known = {prompt.ids for prompt in prompts}
        more = [
            prompt
            for prompt in choose_prompts(session.tokenizer, template, records, SCORED_ANSWERS, session.data.longest)
            if prompt.ids not in known
        ][: max(0, SCORED_ANSWERS - len(prompts))]
        with session.model.disable_adapter():
            base += _answers(session, more, (time.monotonic() + until) / 2, opened=True)
        tuned += _answers(session, more, until)
        prompts += more
    answered = _answered(prompts, base, tuned, short)
    if answered.left_out:
        session.alert(
            "answers_left_out",
            f"{answered.left_out} of {len(prompts)} sample prompts have no answers of both models: "
            "answers may take a share of the training time, and that was used up",
            level="info",
        )
    return answered


def _made_up_for(
    session: TrainingSession,
    prompts: Sequence[HeldOutPrompt],
    base: Sequence[GeneratedAnswer | None],
    tuned: Sequence[GeneratedAnswer | None],
    until: float,
) -> list[GeneratedAnswer | None]:
    """Return the answers of the base model, with those written anew that time cut off where the tuned model was in time."""
    missing = [n for n, after in enumerate(tuned) if _is_whole(after) and not _is_whole(base[n])]
    made = list(base)
    if missing:
        with session.model.disable_adapter():
            again = _answers(session, [prompts[n] for n in missing], until, opened=True)
        for n, said in zip(missing, again, strict=True):
            made[n] = said if _is_whole(said) else made[n]
    return made


def _is_whole(said: GeneratedAnswer | None) -> bool:
    """Say whether the model came to an end of its own, or to the length that its answer might have."""
    return said is not None and not said.cut


def with_other_base(asked: Asked, base: Sequence[GeneratedAnswer | None]) -> Asked:
    """Return the same with the answers of another base model to the same prompts."""
    answered = _answered(asked.prompts, base, asked.tuned, asked.short)
    return replace(answered, left_out=answered.left_out + asked.left_out)


def _answered(
    prompts: Sequence[HeldOutPrompt],
    base: Sequence[GeneratedAnswer | None],
    tuned: Sequence[GeneratedAnswer | None],
    short: bool,
) -> Asked:
    """Return those that both models answered to the end, or to the length they might have; where time cut all of them off,
    those.
    """
    rows = [
        (prompt, before, after) for prompt, before, after in zip(prompts, base, tuned, strict=True) if before and after
    ]
    whole = [row for row in rows if _is_whole(row[1]) and _is_whole(row[2])]
    kept = whole or rows
    return Asked(
        [row[0] for row in kept], [row[1] for row in kept], [row[2] for row in kept], len(prompts) - len(kept), short
    )


def compare(session: TrainingSession, asked: Asked) -> Compared:
    """Measure the answers against the wanted ones and the training data."""
    references = [prompt.reference for prompt in asked.prompts]
    trained_on = [
        m.content for r in session.data.train_records for m in r.messages if m.role == "assistant" and m.train
    ]
    overlap = verbatim_overlap(
        [question_of(prompt.messages) for prompt in asked.prompts],
        references,
        {"base": [a.text for a in asked.base], "tuned": [a.text for a in asked.tuned]},
        trained_on,
    )
    known = {text.strip() for text in trained_on if text.strip()}
    training = _some(_training_cases(session.data.train_records))
    learnt = [case.wanted for case in training]
    yardstick = make_yardstick(learnt, calls=_are_calls(session.data.train_records))
    cases = [AnswerCase(question_of(prompt.messages), prompt.reference) for prompt in asked.prompts]
    return Compared(
        **vars(asked),
        by_step=answers_by_step(session.files.events),
        overlap=overlap,
        yardstick=yardstick,
        floor=find_floor(yardstick, training, cases),
        frame=yardstick.frame.words(learnt),
        taught=sum(text.strip() in known for text in references),
    )


def _training_cases(records: Sequence[Record]) -> list[AnswerCase]:
    """Return the last answer of each record that is trained, with what came before it."""
    cases = []
    for record in records:
        last = max((n for n, m in enumerate(record.messages) if m.role == "assistant" and m.train), default=0)
        if last:
            before = [{"role": m.role, "content": m.said} for m in record.messages[:last]]
            cases.append(AnswerCase(question_of(before), record.messages[last].said))
    return cases


def _some(cases: Sequence[AnswerCase]) -> list[AnswerCase]:
    """Return as many of them, evenly chosen, as are read in a second or two."""
    mean = sum(len(case.wanted) for case in cases) / max(1, len(cases))
    return spread(cases, min(LEARNT_FROM, max(FEWEST_LEARNT_FROM, int(READ_CHARACTERS / max(1.0, mean)))))


def _are_calls(records: Sequence[Record]) -> bool:
    """Say whether most trained answers call tools."""
    answers = [
        message for record in records for message in record.messages if message.role == "assistant" and message.train
    ]
    return 2 * sum(bool(message.tool_calls) for message in answers) > len(answers)


def question_of(messages: Sequence[dict[str, str]]) -> str:
    """Return what was said before an answer, as one text."""
    return "\n".join(message["content"] for message in messages)


def answers_by_step(events: Path) -> dict[str, tuple[StepAnswer, ...]]:
    """Return prompt id to the answers that were given while training, as the event log has them; the last of a step counts."""
    found: dict[str, dict[int, StepAnswer]] = {}
    for event in read_whole_lines(events)[0]:
        match event.body:
            case Sample(source="tuned") as said:
                found.setdefault(said.id, {})[said.step] = StepAnswer(
                    step=said.step, text=said.answer, ended=bool(said.ended)
                )
    return {prompt: tuple(answers[step] for step in sorted(answers)) for prompt, answers in found.items()}


def _answers(
    session: TrainingSession, prompts: Sequence[HeldOutPrompt], until: float, *, opened: bool = False
) -> list[GeneratedAnswer | None]:
    """Return answers of the model as it now is, given before ``until`` by the monotonic clock."""
    answers = answer_prompts(session, prompts, until - time.monotonic(), opened=opened)
    session.between()
    return answers


def _share(these: Iterable[object]) -> float:
    values = list(these)
    return sum(map(bool, values)) / len(values) if values else 0.0
