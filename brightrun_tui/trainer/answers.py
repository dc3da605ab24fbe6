"""The same held-out prompts answered by base and tuned model: kept side by side, and measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from brightrun_tui.domain.dataset import Record
from brightrun_tui.domain.events import Sample
from brightrun_tui.domain.findings import AnswerFindings, Floor, Mark
from brightrun_tui.domain.model import SampleAnswer, StepAnswer
from brightrun_tui.domain.tally import credit_of
from brightrun_tui.trainer.baseline import Baseline
from brightrun_tui.trainer.content import Case, Yardstick, find_floor, make_yardstick
from brightrun_tui.trainer.events import read_whole_lines
from brightrun_tui.trainer.examples import spread
from brightrun_tui.trainer.generate import Answer, Prompt, choose_prompts
from brightrun_tui.trainer.memory import answer_prompts
from brightrun_tui.trainer.session import Session
from brightrun_tui.trainer.template import ChatTemplate
from brightrun_tui.trainer.text_scores import Overlap, token_f1, verbatim_overlap

SCORED_ANSWERS = 24
"""Held-out prompts answered where the task has short answers, so that counting right ones makes sense."""
SHORT_ANSWER = 200
"""Characters up to which the median wanted answer counts as short."""
LEARNT_FROM, FEWEST_LEARNT_FROM = 2000, 100
READ_CHARACTERS = 2_000_000
"""Training answers, and their characters, that are looked at for what they have in common."""


@dataclass(frozen=True)
class Asked:
    """Answers in the order of the prompts; ``limits``: tokens that each might have. ``short``: the task has short answers."""

    prompts: Sequence[Prompt]
    base: Sequence[Answer]
    tuned: Sequence[Answer]
    limits: Sequence[int]
    short: bool


@dataclass(frozen=True, kw_only=True)
class Compared(Asked):
    """What they are worth. ``floor``: the best constant answer; ``frame``: what most training answers share, for people."""

    by_step: dict[str, tuple[StepAnswer, ...]]
    overlap: dict[str, Overlap]
    yardstick: Yardstick
    floor: Floor | None
    frame: str = ""

    @property
    def cases(self) -> list[Case]:
        """Question and wanted answer of each prompt."""
        return [Case(_question(prompt.messages), prompt.reference) for prompt in self.prompts]

    def marks(self, answers: Sequence[Answer]) -> list[Mark]:
        """What each of these answers to the prompts is worth as content."""
        return [self.yardstick.mark(case, said.text) for case, said in zip(self.cases, answers, strict=True)]

    def samples(self) -> tuple[SampleAnswer, ...]:
        """Side by side, as the report card keeps them."""
        return tuple(
            SampleAnswer(id=prompt.id, prompt=prompt.messages, reference=prompt.reference, base=base.text, tuned=tuned.text,
                         base_ended=base.ended, tuned_ended=tuned.ended, by_step=self.by_step.get(prompt.id, ()),
                         mark=mark, base_mark=base_mark)
            for prompt, base, tuned, mark, base_mark in zip(
                self.prompts, self.base, self.tuned, self.marks(self.tuned), self.marks(self.base), strict=True))

    def scores(self) -> dict[str, Any]:
        """What is measured, for base and tuned model: shares from 0 to 1, chrF from 0 to 100, medians of tokens."""
        if not self.prompts:
            return {"answers": 0}
        both = {"base": self.base, "tuned": self.tuned}
        scores: dict[str, Any] = {
            "answers": len(self.prompts),
            "ended": {name: _share(a.ended for a in said) for name, said in both.items()},
            "cut_off": {name: sum(not a.ended for a in said) for name, said in both.items()} | {"limit": max(self.limits)},
            "answer_tokens": {name: median(a.tokens for a in said) for name, said in both.items()}
            | {"reference": median(prompt.expected for prompt in self.prompts)},
            "verbatim": {name: overlap.share for name, overlap in self.overlap.items()}
            | {"phrases": self.overlap["tuned"].phrases},
            "content": {name: credit_of(self.marks(said)) for name, said in both.items()}
            | ({"floor": credit_of(self.floor.marks)} if self.floor else {})}
        return scores | (self._short_scores(both) if self.short else {})

    def _short_scores(self, both: dict[str, Sequence[Answer]]) -> dict[str, Any]:
        from sacrebleu.metrics.chrf import CHRF

        frame = self.yardstick.frame
        wanted = [prompt.reference.strip() for prompt in self.prompts]
        texts = {name: [a.text for a in said] for name, said in both.items()}
        exact = {name: _share(map(str.__eq__, said, wanted)) for name, said in texts.items()}
        wanted = [frame.without(text) for text in wanted]
        texts = {name: [frame.without(text) for text in said] for name, said in texts.items()}
        if self.floor:
            texts["floor"] = [frame.without(self.floor.answer)] * len(wanted)
        return {
            "exact_match": exact,
            "token_f1": {name: sum(map(token_f1, said, wanted)) / len(wanted) for name, said in texts.items()},
            "chrf": {name: CHRF().corpus_score(said, [wanted]).score for name, said in texts.items()},
            "scored_answers": len(wanted)}

    def findings(self) -> AnswerFindings | None:
        """What the verdict needs to know of them; None where nothing was asked."""
        if not self.prompts:
            return None
        scores = self.scores()
        rows = zip(self.prompts, self.tuned, self.limits, strict=True)
        fair = [said for prompt, said, limit in rows if prompt.expected < limit]
        return AnswerFindings(
            count=len(self.prompts), fair=len(fair), ended=_share(a.ended for a in fair), limit=max(self.limits),
            empty=_share(not a.text for a in self.tuned), length_base=scores["answer_tokens"]["base"],
            length_tuned=scores["answer_tokens"]["tuned"], length_wanted=scores["answer_tokens"]["reference"],
            copied=scores["verbatim"]["tuned"], phrases=scores["verbatim"]["phrases"],
            usually_copied=max(scores["verbatim"]["base"], scores["verbatim"]["reference"]),
            form=self.yardstick.form(),
            form_share=_share(self.yardstick.has_form(case, a.text) for case, a in zip(self.cases, self.tuned, strict=True)),
            frame=self.frame)


def ask(session: Session, template: ChatTemplate, baseline: Baseline) -> Asked:
    """Let the model as it now is answer what the base model answered; where answers are short, both answer more prompts.

    Raises:
        Terminated: a pause or a signal is waiting.
    """
    records = session.data.judged_records
    prompts, base = list(session.prompts), list(baseline.answers)
    tuned, limits = _answers(session, prompts)
    wanted = [m.content for r in records for m in r.messages if m.role == "assistant" and m.train]
    short = bool(prompts and wanted) and median(map(len, wanted)) <= SHORT_ANSWER
    if short:
        known = {prompt.ids for prompt in prompts}
        more = [prompt for prompt in choose_prompts(session.tokenizer, template, records, SCORED_ANSWERS, session.data.longest)
                if prompt.ids not in known][:max(0, SCORED_ANSWERS - len(prompts))]
        with session.model.disable_adapter():
            base += _answers(session, more, opened=True)[0]
        said, their_limits = _answers(session, more)
        prompts, tuned, limits = prompts + more, tuned + said, limits + their_limits
    return Asked(prompts, base, tuned, limits, short)


def compare(session: Session, asked: Asked) -> Compared:
    """Measure the answers against the wanted ones and the training data."""
    references = [prompt.reference for prompt in asked.prompts]
    overlap = verbatim_overlap(
        [_question(prompt.messages) for prompt in asked.prompts], references,
        {"base": [a.text for a in asked.base], "tuned": [a.text for a in asked.tuned]},
        [m.content for r in session.data.train_records for m in r.messages if m.role == "assistant" and m.train])
    training = _some(_training_cases(session.data.train_records))
    learnt = [case.wanted for case in training]
    yardstick = make_yardstick(learnt, calls=_are_calls(session.data.train_records))
    cases = [Case(_question(prompt.messages), prompt.reference) for prompt in asked.prompts]
    return Compared(**vars(asked), by_step=answers_by_step(session.files.events), overlap=overlap, yardstick=yardstick,
                    floor=find_floor(yardstick, training, cases), frame=yardstick.frame.words(learnt))


def _training_cases(records: Sequence[Record]) -> list[Case]:
    """The last answer of each record that is trained, with what came before it."""
    cases = []
    for record in records:
        last = max((n for n, m in enumerate(record.messages) if m.role == "assistant" and m.train), default=0)
        if last:
            before = [{"role": m.role, "content": m.said} for m in record.messages[:last]]
            cases.append(Case(_question(before), record.messages[last].said))
    return cases


def _some(cases: Sequence[Case]) -> list[Case]:
    """As many of them, evenly chosen, as are read in a second or two."""
    mean = sum(len(case.wanted) for case in cases) / max(1, len(cases))
    return spread(cases, min(LEARNT_FROM, max(FEWEST_LEARNT_FROM, int(READ_CHARACTERS / max(1.0, mean)))))


def _are_calls(records: Sequence[Record]) -> bool:
    """Whether most trained answers call tools."""
    answers = [message for record in records for message in record.messages if message.role == "assistant" and message.train]
    return 2 * sum(bool(message.tool_calls) for message in answers) > len(answers)


def _question(messages: Sequence[dict[str, str]]) -> str:
    """What was said before an answer, as one text."""
    return "\n".join(message["content"] for message in messages)


def answers_by_step(events: Path) -> dict[str, tuple[StepAnswer, ...]]:
    """Prompt id to the answers that were given while training, as the event log has them; the last of a step counts."""
    found: dict[str, dict[int, StepAnswer]] = {}
    for event in read_whole_lines(events)[0]:
        match event.body:
            case Sample(source="tuned") as said:
                found.setdefault(said.id, {})[said.step] = StepAnswer(
                    step=said.step, text=said.answer, ended=bool(said.ended))
    return {prompt: tuple(answers[step] for step in sorted(answers)) for prompt, answers in found.items()}


def _answers(session: Session, prompts: Sequence[Prompt], *, opened: bool = False) -> tuple[list[Answer], list[int]]:
    """Answers of the model as it now is, and the tokens that each might have."""
    answers, limit = answer_prompts(session, prompts, opened=opened)
    session.between()
    return answers, [limit] * len(answers)


def _share(these: Any) -> float:
    values = list(these)
    return sum(map(bool, values)) / len(values) if values else 0.0
