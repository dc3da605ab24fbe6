"""The first questions to a new endpoint: does it answer, streamed and whole, and is it the tuned model that answers?"""

from __future__ import annotations

import difflib
import time
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from brightrun_tui.domain.endpoint import ref_of_base
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import EngineError
from brightrun_tui.domain.model import ModelVersion, SampleAnswer
from brightrun_tui.serving.chat import chat, complete
from brightrun_tui.serving.keys import read_key
from brightrun_tui.serving.state import read_state

MAX_QUESTIONS = 3
STUCK_CHARACTERS = 8
MOST_TOKENS = 8192
"""Of an answer to a first question: somebody waits for it."""


class Canary(BaseModel):
    """What came of it. ``likeness`` to the report card: ``same`` as the wanted or the ``other`` answer word for word, ``near`` to
    the wanted one (numbers round differently elsewhere), or ``unknown`` where nothing can be concluded. Wanted is what the tuned
    model answers, or with ``base_alone`` its base.

    Times in seconds. That every matrix of the adapter is loaded was checked before the endpoint became ready.
    """

    model_config = ConfigDict(frozen=True)

    prompt: str
    answer: str
    streamed: str
    expected: str = ""
    other: str = ""
    likeness: Literal["same", "near", "other", "unknown"] = "unknown"
    base_alone: bool = False
    seconds: float = 0.0
    first_piece_seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against it."""
        return self.likeness != "other" and bool(self.answer) == bool(self.streamed) and not (self.silent or self.stuck)

    @property
    def silent(self) -> bool:
        """Whether nothing was answered where the report card has an answer, as by weights with which nothing can be computed."""
        return bool(self.expected.strip()) and not self.answer and not self.streamed

    @property
    def stuck(self) -> bool:
        """Whether it says one character again and again where the report card has an answer: what is no number makes every token
        the first of the vocabulary.
        """
        said, wanted = set("".join(self.answer.split())), set("".join(self.expected.split()))
        return len(said) == 1 and len(self.answer) >= STUCK_CHARACTERS and len(wanted) > 1

    @property
    def statement(self) -> str:
        """The result in plain words."""
        if bool(self.answer) != bool(self.streamed):
            return "of the streamed and the whole answer one is empty"
        if self.silent:
            return "answers nothing, and its report card has an answer: its weights are damaged"
        if self.stuck:
            return f"answers “{self.answer[:STUCK_CHARACTERS]}…”, and its report card has an answer: its weights are damaged"
        tuned, base = "the tuned model", "the base model"
        return {
            "same": "answers exactly as the report card says",
            "near": f"answers like {base if self.base_alone else tuned}, though not word for word as on the report card",
            "other": f"answers like {tuned}, and should be its base"
            if self.base_alone
            else f"answers like {base}: the adapter has no effect",
            "unknown": "answers; the report card has nothing to compare it with",
        }[self.likeness]


async def canary(directory: Path, version: ModelVersion, *, base_alone: bool = False) -> Canary:
    """Ask the endpoint in ``directory`` a question of the report card, whole and streamed, without sampling.

    Up to three questions, while the answers are those of the bare base model, or with ``base_alone`` those of the tuned one.

    Raises:
        EngineError: it does not answer.
        NotConnectedError: it refuses its own key.
    """
    state = read_state(directory)
    if state is None or not state.serves:
        raise EngineError("the endpoint is not ready", where=str(directory), kind=ErrorKind.ENDPOINT_NOT_READY)
    key = read_key(directory)
    samples: list[SampleAnswer | None] = [*_telling_samples(version)[:MAX_QUESTIONS]]
    for sample in samples or [None]:
        result = await _ask(state.url, key, version, sample, base_alone)
        if result.likeness != "other":
            break
    return result


async def _ask(url: str, key: str, version: ModelVersion, sample: SampleAnswer | None, base_alone: bool) -> Canary:
    model = ref_of_base(version.ref) if base_alone else version.ref
    prompt = [dict(message) for message in sample.prompt] if sample else [{"role": "user", "content": "Hello"}]
    limit = graded_at(version) or _room_for(sample)
    started = time.monotonic()
    answer = await complete(url, key, model, prompt, temperature=0.0, max_tokens=limit)
    seconds = time.monotonic() - started
    wanted, other = (sample.tuned, sample.base) if sample else ("", "")
    if base_alone:
        wanted, other = other, wanted
    pieces, first, started = [], 0.0, time.monotonic()
    async for piece in chat(url, key, model, prompt, temperature=0.0, max_tokens=limit):
        first = first or time.monotonic() - started
        pieces.append(piece)
    return Canary(
        prompt=str(prompt[-1].get("content", "")),
        answer=answer.strip(),
        streamed="".join(pieces).strip(),
        expected=wanted,
        other=other,
        likeness=_likeness(answer.strip(), wanted.strip(), other.strip()) if wanted.strip() else "unknown",
        base_alone=base_alone,
        seconds=seconds,
        first_piece_seconds=first,
    )


def graded_at(version: ModelVersion) -> int:
    """Return how many tokens the answers of the report card could have; 0 if it says nothing that can be asked for. It may be
    anybody's.
    """
    evaluation = version.report.lineage.settings.get("evaluation")
    tokens = evaluation.get("max_new_tokens") if isinstance(evaluation, dict) else None
    return tokens if isinstance(tokens, int) and 0 < tokens <= MOST_TOKENS else 0


def _room_for(sample: SampleAnswer | None) -> int:
    """Return tokens that are enough for the answer on the report card: no token is shorter than a byte."""
    return min(MOST_TOKENS, max(64, len(sample.tuned.encode()), len(sample.base.encode()))) if sample else 64


def _telling_samples(version: ModelVersion) -> list[SampleAnswer]:
    """Return samples in which base and tuned answers differ, those with short answers first."""
    telling = [s for s in version.report.samples if s.prompt and s.tuned.strip() and s.tuned.strip() != s.base.strip()]
    return sorted(telling, key=lambda s: len(s.tuned))


def _likeness(answer: str, wanted: str, other: str) -> Literal["same", "near", "other", "unknown"]:
    if answer in (wanted, other):
        return "same" if answer == wanted else "other"
    to_wanted, to_other = (
        difflib.SequenceMatcher(None, answer, one, autojunk=False).ratio() for one in (wanted, other)
    )
    return "near" if to_wanted > to_other else "unknown"
