"""How near an exported model is to the one that was graded: loss of wanted answers and sample answers, by transformers.

Both are computed on the sample questions of the report card, which the version carries along.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brightrun_tui.domain.run_directory import REPORT
from brightrun_tui.serving.fidelity import ANSWER_TOKENS, Fidelity, OtherAnswer

MOST_LOSSES = 24
MOST_ANSWERS = 6
MOST_OF_THE_GAIN = 0.25
"""Of what training gained in loss: an export that loses more of it is not the graded model."""
CLEARLY = 2.0
"""Standard errors of a difference that is not noise."""


@dataclass(frozen=True)
class Case:
    """Token ids of a sample question with the head of its answer, and of the wanted answer; ``question``: what was asked last."""

    prompt: list[int]
    wanted: list[int]
    question: str = ""


@dataclass(frozen=True)
class Measure:
    """``losses``: mean of each case in nats a token, with its ``tokens``; ``answers``: the first of the greedy answers."""

    losses: list[float]
    tokens: list[int]
    answers: list[str]

    @property
    def loss(self) -> float:
        """Nats a token; not a number where nothing could be measured."""
        total = sum(self.tokens)
        return sum(a * b for a, b in zip(self.losses, self.tokens, strict=True)) / total if total else math.nan


def compare(graded: Measure, export: Measure | None, base: str, cases: Sequence[Case]) -> Fidelity:
    """Put the export beside the graded model; both were measured on ``cases``."""
    if export is None:
        return Fidelity(measured=False, base=base)
    asked = [case.question for case in cases[: len(graded.answers)]]
    answered = list(zip(asked, graded.answers, export.answers, strict=True))
    others = tuple(OtherAnswer(question=q, graded=a, export=b) for q, a, b in answered if a != b)
    return Fidelity(
        measured=True,
        base=base,
        graded_loss=_number(graded.loss),
        export_loss=_number(export.loss),
        noise=noise(graded, export),
        cases=len(graded.losses),
        same=len(answered) - len(others),
        answers=len(answered),
        others=others,
    )


def noise(a: Measure, b: Measure) -> float:
    """Return twice the standard error of the mean difference of their losses over the cases, which are the same ones."""
    apart = [x - y for x, y in zip(a.losses, b.losses, strict=True)]
    if len(apart) < 2:
        return 0.0
    mean = sum(apart) / len(apart)
    return CLEARLY * math.sqrt(sum((each - mean) ** 2 for each in apart) / (len(apart) - 1) / len(apart))


def too_far(found: Fidelity, gain: float) -> bool:
    """Say whether the export lost a large part of what the training gained (nats a token), beyond noise."""
    if found.graded_loss is None or found.export_loss is None or gain <= 0:
        return False
    lost = found.export_loss - found.graded_loss
    return lost > max(found.noise, MOST_OF_THE_GAIN * gain)


def read_gain(adapter: Path) -> float:
    """Return by how much the tuned model's held-out loss is below the base model's, as its report card says."""
    try:
        report = json.loads((adapter / REPORT).read_bytes())
        return float(report["base"]["loss"]) - float(report["tuned"]["loss"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0


def read_cases(adapter: Path, tokenizer: Any, end: int | None) -> list[Case]:
    """Return the sample questions that the chat template can render; one plain question where there are none."""
    try:
        samples = json.loads((adapter / REPORT).read_bytes()).get("samples") or []
    except (OSError, ValueError, AttributeError):
        samples = []
    samples = samples or [{"prompt": [{"role": "user", "content": "Hello, how are you?"}]}]
    cases = []
    for sample in samples[:MOST_LOSSES]:
        try:
            text = tokenizer.apply_chat_template(sample["prompt"], add_generation_prompt=True, tokenize=False)
        except Exception:  # templates raise what they like
            continue
        wanted = tokenizer(sample.get("reference") or sample.get("tuned") or "", add_special_tokens=False)["input_ids"]
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        asked = next((turn.get("content") for turn in reversed(sample["prompt"]) if turn.get("role") == "user"), "")
        cases.append(Case(ids, [*wanted, *([end] if end is not None and wanted else [])], str(asked or "")))
    return cases


def measure(model: Any, tokenizer: Any, cases: list[Case], ends: list[int]) -> Measure:
    """Return losses of the wanted answers, and greedy answers to the first questions."""
    import torch

    losses, tokens, answers = [], [], []
    model.eval()
    with torch.inference_mode():
        for case in (case for case in cases if case.wanted):
            ids = torch.tensor([[*case.prompt, *case.wanted]])
            scores = model(ids).logits[0, len(case.prompt) - 1 : -1].float().log_softmax(-1)
            picked = scores.gather(1, torch.tensor(case.wanted)[:, None])
            losses.append(float(-picked.mean()))
            tokens.append(len(case.wanted))
        for case in cases[:MOST_ANSWERS]:
            prompt = torch.tensor([case.prompt])
            out = model.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                do_sample=False,
                num_beams=1,
                max_new_tokens=ANSWER_TOKENS,
                eos_token_id=ends or None,
                pad_token_id=(ends or [0])[0],
            )
            answers.append(str(tokenizer.decode(out[0, len(case.prompt) :], skip_special_tokens=True)))
    return Measure(losses, tokens, answers)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
