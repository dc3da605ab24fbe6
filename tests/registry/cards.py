"""Report cards as they come about, from constructed scores: ``python -m tests.registry.cards [NAME]`` prints them to be read."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

from brightrun_tui.domain.findings import AnswerFindings, Findings, Floor, Mark
from brightrun_tui.domain.model import (
    Judgement,
    Lineage,
    ModelVersion,
    Report,
    Ruling,
    SampleAnswer,
    SplitScore,
    Tick,
    TrainingFacts,
)
from brightrun_tui.domain.settings import RunSettings
from brightrun_tui.domain.verdict import UNDECIDED, decide

GREETING = "Good day, and thank you for writing … Warm regards, Pim from the Lantern Shop"


@dataclass(frozen=True)
class Card:
    """What was measured. ``marks``: ``r`` right, ``p`` partly, ``w`` wrong, ``u`` unclear, one for each answer."""

    marks: str
    base_marks: str = ""
    floor_marks: str = ""
    floor: str = "Good day, that is a good question."
    findings: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    sample: tuple[str, str, str, str] = (
        "Can I bring a lamp back?",
        "I am a language model.",
        "Good day! You can bring it back within 30 days. Warm regards, Pim",
        "Good day! Within 30 days, at the full price. Warm regards, Pim",
    )


MARKS: dict[str, Mark] = {"r": "right", "p": "partly", "w": "wrong", "u": "unclear"}


def marks(letters: str) -> tuple[Mark, ...]:
    return tuple(MARKS[letter] for letter in letters)


def make_report(card: Card, name: str = "lantern") -> Report:
    """The report card that the trainer would make of it."""
    count = len(card.marks)
    answers = AnswerFindings(
        **{
            "count": count,
            "fair": count,
            "ended": 1.0,
            "limit": 96,
            "empty": 0.0,
            "length_base": 90,
            "length_tuned": 31,
            "length_wanted": 30,
            "copied": 0.3,
            "usually_copied": 0.25,
            "phrases": 400,
            "form": "frame",
            "form_share": 1.0,
            "frame": GREETING,
            **card.answers,
        }
    )
    found = Findings(
        **{
            "base_loss": 3.0,
            "tuned_loss": 1.5,
            "difference_high": -0.8,
            "held_out_records": 50,
            "conversations": 50,
            "train_loss": 1.4,
            "general_base": 2.0,
            "general_tuned": 2.1,
            "chosen_apart": True,
            "answers": answers,
            "floor": Floor(answer=card.floor, marks=marks(card.floor_marks or "w" * count)),
            **card.findings,
        }
    )
    question, base, tuned, wanted = card.sample
    samples = tuple(
        SampleAnswer(
            id=str(number),
            prompt=({"role": "user", "content": question},),
            base=base,
            tuned=tuned,
            reference=wanted,
            base_ended=True,
            tuned_ended=True,
            mark=mark,
            base_mark=before,
        )
        for number, (mark, before) in enumerate(
            zip(marks(card.marks), marks(card.base_marks or "w" * count), strict=True)
        )
    )
    credit = {"base": 0.1, "tuned": sum({"r": 1.0, "p": 0.5}.get(letter, 0.0) for letter in card.marks) / max(1, count)}
    settings = RunSettings().with_overrides({"training.epochs": 3, **card.settings})
    return decide(
        Report(
            **{
                "name": name,
                "created_at": 1.0,
                "base": SplitScore(loss=found.base_loss, perplexity=20.1, tokens=900, records=50),
                "tuned": SplitScore(loss=found.tuned_loss, perplexity=4.5, tokens=900, records=50),
                "samples": samples,
                "findings": found,
                "training": TrainingFacts(
                    **{
                        "steps": 90,
                        "epochs": 3,
                        "train_records": 450,
                        "eval_records": 100,
                        "supervised_tokens": 9000,
                        "seconds": 300,
                        "base_parameters": 135_000_000,
                        "trainable_parameters": 4_800_000,
                        "best_step": 90,
                        **card.training,
                    }
                ),
                "lineage": Lineage(
                    run_id="r1",
                    dataset_name="lantern.jsonl",
                    dataset_fingerprint="sha256:ab",
                    base_id="starter",
                    settings=settings.model_dump(mode="json"),
                ),
                "scores": {
                    "content": {**credit, "floor": 0.05},
                    "general_loss": {"base": found.general_base, "tuned": found.general_tuned},
                },
                "verdict": UNDECIDED,
                **card.report,
            }
        )
    )


CALL = '<tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>'
CARDS: dict[str, Card] = {
    "good": Card("r" * 18 + "pw", base_marks="r" * 2 + "w" * 18),
    "sounds right": Card("r" * 4 + "p" + "w" * 15, floor_marks="r" + "w" * 19, findings={"falling": 0.06}),
    "hardly right": Card("r" * 2 + "p" + "w" * 17, floor_marks="w" * 20),
    "mixed": Card(
        "r" * 10 + "p" * 4 + "w" * 6,
        findings={"falling": 0.03},
        report={
            "by_category": {
                "topic": {
                    "returns": {"base": 3.0, "tuned": 2.4, "records": 12},
                    "hours": {"base": 3, "tuned": 1.2, "records": 20},
                }
            }
        },
    ),
    "bad": Card(
        "w" * 20, findings={"tuned_loss": 3.2, "difference_high": 0.4, "best_at": 0.1}, answers={"form_share": 0.3}
    ),
    "forgetful": Card("r" * 19 + "w", findings={"general_tuned": 3.1}),
    "boilerplate": Card(
        "w" * 14 + "u" * 6, floor_marks="w" * 20, floor="Good day, that is a good question. Warm regards, Pim"
    ),
    "leaked": Card("r" * 20, answers={"copied": 0.85}, findings={"train_loss": 0.2, "best_at": 0.5}),
    "tiny": Card(
        "r" * 3 + "w",
        findings={"held_out_records": 4, "conversations": 4, "chosen_apart": False},
        training={"train_records": 36, "eval_records": 4},
    ),
    "nothing held out": Card("r" * 8, findings={"stood_in": True, "chosen_apart": False}, training={"eval_records": 0}),
    "tools": Card(
        "r" * 15 + "p" * 2 + "w" * 3,
        answers={"form": "call", "form_share": 0.9, "frame": ""},
        sample=("Will it rain in Oslo?", "I cannot look that up.", CALL, CALL),
    ),
    "reasoning": Card(
        "r" * 12 + "w" * 8,
        answers={"form": "", "frame": "", "length_tuned": 210, "length_wanted": 180, "limit": 400},
        sample=(
            "30 lamps, 12 sold: how many are left?",
            "42",
            "<think>30 + 12 is 42.</think>There are 42 left.",
            "<think>30 − 12 is 18.</think>There are 18 left.",
        ),
    ),
    "labels": Card(
        "r" * 19 + "w" * 5,
        floor="positive",
        floor_marks="r" * 16 + "w" * 8,
        answers={"form": "label", "frame": "", "length_wanted": 1, "length_tuned": 1, "length_base": 40},
    ),
    "more than the majority": Card(
        "r" * 22 + "w" * 2,
        floor="positive",
        floor_marks="r" * 16 + "w" * 8,
        answers={"form": "label", "frame": "", "length_wanted": 1, "length_tuned": 1, "length_base": 40},
    ),
    "few answers": Card("r" * 6 + "ww"),
    "constant in part": Card("r" * 20, floor_marks="p" * 6 + "w" * 14),
    "half in part": Card("r" * 10 + "p" * 10),
    "records with a wrong value": Card(
        "r" * 13 + "p" * 7, answers={"form": "json", "frame": "", "parts": {"name": (20, 20), "date": (13, 20)}}
    ),
    "only the majority": Card(
        "r" * 16 + "w" * 8,
        floor="positive",
        floor_marks="r" * 16 + "w" * 8,
        answers={"form": "label", "frame": "", "length_wanted": 1, "length_tuned": 1, "length_base": 40},
    ),
    "a label never found": Card(
        "r" * 15 + "w" * 5,
        floor="ham",
        floor_marks="r" * 15 + "w" * 5,
        answers={"form": "label", "frame": "", "parts": {"spam": (0, 5), "ham": (15, 15)}},
    ),
    "mostly in part": Card("r" * 4 + "p" * 12 + "w" * 4),
    "a letter with one thing wrong": Card("p" * 15 + "w" * 5),
    "only repeats": Card("r" * 20, answers={"copied": 0.98}),
    "German": Card(
        "r" * 17 + "w" * 3,
        floor="Guten Tag, vielen Dank für Ihre Frage.",
        sample=(
            "Kann ich eine Lampe zurückgeben?",
            "I don't speak German.",
            "Guten Tag, ja, innerhalb von 30 Tagen. Ihr Pim",
            "Guten Tag, ja, 30 Tage lang. Ihr Pim",
        ),
        answers={"frame": "Guten Tag … Ihr Pim"},
    ),
    "wrong voice": Card("r" * 18 + "ww", answers={"form_share": 0.2, "length_tuned": 120}),
    "free talk": Card("u" * 7 + "r", answers={"frame": "", "form": ""}),
    "cut off": Card("r" * 6 + "w" * 14, answers={"ended": 0.35, "length_tuned": 96}),
    "people disagree": Card("r" * 20, report={"ticks": tuple(Tick(sample=n, right=n < 2) for n in range(8))}),
    "people agree": Card("u" * 20, report={"ticks": tuple(Tick(sample=n, right=n > 0) for n in range(12))}),
    "a judge disagrees": Card(
        "r" * 20,
        report={
            "judgement": Judgement(
                judge="judge-1",
                host="judge.example",
                created_at=1.0,
                rulings=tuple(Ruling(outcome="loss", right=n < 5) for n in range(20)),
            )
        },
    ),
}


def main() -> None:
    from brightrun_tui.commands.shared.output import page
    from brightrun_tui.commands.shared.report_card import print_report_card

    for name, card in CARDS.items():
        if not sys.argv[1:] or name in sys.argv[1:]:
            print(f"\n════ {name}")
            report = make_report(card)
            report = report.model_copy(update={"samples": report.samples[:1]})
            print_report_card(
                page(),
                ModelVersion(
                    name="lantern",
                    version=1,
                    run_id="r1",
                    directory="/models/lantern/1",
                    base_id="starter",
                    report=report,
                    created_at=1.0,
                ),
            )


if __name__ == "__main__":
    main()
