"""Greedy answers to fixed prompts, and whether they end by themselves."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

from brightrun_tui.domain.dataset import Record
from brightrun_tui.domain.sizing import ANSWERS_AT_ONCE, answer_room
from brightrun_tui.trainer.compute.forward import Forward
from brightrun_tui.trainer.data.examples import spread
from brightrun_tui.trainer.data.template import ChatTemplate, UnrenderableError
from brightrun_tui.trainer.runtime.control import Control, EndRequest

BATCH_TOKENS = 16_384
"""Tokens, answers included, that are held in memory at once: 2 GiB of keys and values for an 8B Llama."""


@dataclass(frozen=True)
class HeldOutPrompt:
    """A held-out conversation up to its last answer, and that answer; ``expected``: how many tokens it has.

    ``opening``: what the template writes by itself at the head of the answer, as text and (where the prompt can be
    continued by it) as tokens.
    """

    id: str
    messages: tuple[dict[str, str], ...]
    reference: str
    ids: tuple[int, ...]
    expected: int
    opening: str = ""
    opening_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class GeneratedAnswer:
    """What the model said; ``ended``: with an end-of-turn token, not by running into the limit. ``tokens`` without that one;
    ``limit``: how many it might have; ``cut``: time was up before it had them.
    """

    text: str
    ended: bool
    tokens: int = 0
    limit: int = 0
    cut: bool = False


def choose_prompts(
    tokenizer: Any, template: ChatTemplate, records: Sequence[Record], count: int, longest: int
) -> list[HeldOutPrompt]:
    """Return up to ``count`` prompts, spread evenly over the held-out records; with its answer each has ``longest`` tokens
    or fewer. A question that stands several times is asked, and counted, once.
    """
    prompts: list[HeldOutPrompt] = []
    asked: set[tuple[int, ...]] = set()
    chosen = spread(range(len(records)), count)
    for index in (*chosen, *sorted(set(range(len(records))) - set(chosen))):
        if len(prompts) >= count:
            break
        prompt = _prompt_of(tokenizer, template, records[index])
        if prompt and prompt.ids not in asked and len(prompt.ids) + prompt.expected <= longest:
            asked.add(prompt.ids)
            prompts.append(prompt)
    return prompts


def _prompt_of(tokenizer: Any, template: ChatTemplate, record: Record) -> HeldOutPrompt | None:
    answers = [i for i, m in enumerate(record.messages) if m.role == "assistant" and m.train]
    if not answers:
        return None
    before, wanted = record.messages[: answers[-1]], record.messages[answers[-1]]
    if not before:
        return None
    try:
        text = template.render([m.for_template() for m in before], tools=record.tools, generation_prompt=True)
        rendering = template.renderings(record.messages[: answers[-1] + 1], record.tools)[-1]
    except UnrenderableError:
        return None
    span = rendering.spans[-1]
    opening = rendering.text[span.start : span.said]
    written = rendering.text[span.said : span.end]
    if wanted.tool_calls or wanted.reasoning:
        reference = _without_end(tokenizer, written)
    else:
        reference = wanted.content.removeprefix(opening)
    ids, expected, opening_ids = tokenizer([text, reference, opening], add_special_tokens=False, verbose=False)[
        "input_ids"
    ]
    shown = tuple({"role": m.role, "content": m.said} for m in before)
    return HeldOutPrompt(
        record.id,
        shown,
        reference,
        tuple(ids),
        len(expected),
        opening,
        tuple(opening_ids) if rendering.text.startswith(text + opening) else (),
    )


def _without_end(tokenizer: Any, text: str) -> str:
    """Return an answer without the tokens that end it."""
    ends = [token for token in tokenizer.all_special_tokens if token]
    text = text.strip()
    while end := next((token for token in ends if text.endswith(token)), ""):
        text = text.removesuffix(end).rstrip()
    return text


class _Limits(StoppingCriteria):  # type: ignore[misc]
    """Ends each answer at its own limit, and all of them when time is up or somebody wants something of the worker."""

    def __init__(
        self,
        asked: Callable[[], bool],
        width: int,
        limits: Sequence[int],
        until: float,
        written: Callable[[int, int], None],
    ) -> None:
        self._asked, self._width, self._limits = asked, width, limits
        self._until, self._written = until, written

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        tokens = input_ids.shape[1] - self._width
        self._written(tokens, max(self._limits))
        over = time.monotonic() >= self._until or self._asked()
        return torch.tensor([over or tokens >= limit for limit in self._limits], device=input_ids.device)


def answer(
    forward: Forward,
    tokenizer: Any,
    prompts: Sequence[HeldOutPrompt],
    max_new_tokens: int,
    stop_ids: Sequence[int],
    *,
    control: Control,
    unless: tuple[EndRequest, ...] = ("terminate", "pause"),
    opened: bool = False,
    until: float = math.inf,
    written: Callable[[int, int], None] = lambda tokens, limit: None,
) -> list[GeneratedAnswer | None]:
    """Return greedy answers in the order of the prompts, side by side; None for those that time did not allow to begin.

    Args:
        max_new_tokens: longest answer; 0: see `answer_room`.
        stop_ids: tokens that end a turn.
        unless: requests that cut the answers short.
        opened: begin every answer as the template does by itself, for a model that has not learnt it. A base that would
            think first answers at once then, as the tuned one does.
        until: when to end, whatever has been written, by the monotonic clock.
        written: called with every token: how many each answer of this batch has by now, and how many the longest may have.
    """
    model = forward.model
    device = forward.machine.device
    was_training = model.training
    forward.set_training(False)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else (stop_ids[0] if stop_ids else 0)
    limits = [answer_room(p.expected, max_new_tokens) + (0 if opened else len(p.opening_ids)) for p in prompts]
    asked = [prompt.ids + prompt.opening_ids if opened else prompt.ids for prompt in prompts]
    answers: list[GeneratedAnswer | None] = [None] * len(prompts)
    try:
        for members in _batches([len(ids) for ids in asked], limits):
            if time.monotonic() >= until or control.request() in unless:
                break
            width = max(len(asked[i]) for i in members)
            ids = torch.full((len(members), width), pad, dtype=torch.long)
            mask = torch.zeros((len(members), width), dtype=torch.long)
            for row, index in enumerate(members):
                length = len(asked[index])
                ids[row, width - length :] = torch.tensor(asked[index])
                mask[row, width - length :] = 1
            room = [limits[i] for i in members]
            config = GenerationConfig(
                do_sample=False,
                max_new_tokens=max(room),
                eos_token_id=list(stop_ids) or None,
                pad_token_id=pad,
                use_cache=True,
            )
            criteria = StoppingCriteriaList([_Limits(lambda: control.request() in unless, width, room, until, written)])
            with torch.no_grad():
                output = model.generate(
                    input_ids=ids.to(device),
                    attention_mask=mask.to(device),
                    generation_config=config,
                    stopping_criteria=criteria,
                )
            for row, index in enumerate(members):
                answers[index] = _read(
                    tokenizer, prompts[index], output[row, width:].tolist(), room[row], set(stop_ids)
                )
    finally:
        forward.set_training(was_training)
    return answers


def _batches(lengths: Sequence[int], limits: Sequence[int]) -> Iterator[list[int]]:
    """Yield indices of prompts, those with short answers first: as many at once as `ANSWERS_AT_ONCE` and `BATCH_TOKENS`
    allow, and at least one. ``lengths`` and ``limits`` in tokens, of prompts and of answers.
    """
    members: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: (limits[i], lengths[i])):
        several = [*members, index]
        tokens = len(several) * max(lengths[i] + limits[i] for i in several)
        if members and (len(members) == ANSWERS_AT_ONCE or tokens > BATCH_TOKENS):
            yield members
            members = []
        members.append(index)
    if members:
        yield members


def _read(tokenizer: Any, prompt: HeldOutPrompt, ids: list[int], limit: int, stop_ids: set[int]) -> GeneratedAnswer:
    ids = ids[:limit]
    end = next((place for place, token in enumerate(ids) if token in stop_ids), None)
    said = ids[:end]
    if prompt.opening_ids and tuple(said[: len(prompt.opening_ids)]) == prompt.opening_ids:
        said = said[len(prompt.opening_ids) :]
    text = tokenizer.decode(said, skip_special_tokens=True).strip().removeprefix(prompt.opening.strip())
    return GeneratedAnswer(
        text.strip(),
        end is not None,
        len(said),
        limit if end is not None else len(ids),
        end is None and len(ids) < limit,
    )
