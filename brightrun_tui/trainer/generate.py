"""Greedy answers to fixed prompts, and whether they end by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

from brightrun_tui.domain.dataset import Record
from brightrun_tui.trainer.control import Control, Request
from brightrun_tui.trainer.examples import spread
from brightrun_tui.trainer.forward import Forward
from brightrun_tui.trainer.template import ChatTemplate, UnrenderableError

BATCH = 8
BATCH_TOKENS = 16_384
"""Tokens, answers included, that are held in memory at once: 2 GiB of keys and values for an 8B Llama."""
ROOM = (64, 1024)
"""Least and most tokens of an answer where the setting leaves its length open."""


@dataclass(frozen=True)
class Prompt:
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
class Answer:
    """What the model said; ``ended``: with an end-of-turn token, not by running into the limit. ``tokens`` without that one."""

    text: str
    ended: bool
    tokens: int = 0


def choose_prompts(tokenizer: Any, template: ChatTemplate, records: Sequence[Record], count: int,
                   longest: int) -> list[Prompt]:
    """Up to ``count`` prompts, spread evenly over the held-out records; with its answer each has ``longest`` tokens or fewer."""
    prompts: list[Prompt] = []
    chosen = spread(range(len(records)), count)
    for index in (*chosen, *sorted(set(range(len(records))) - set(chosen))):
        if len(prompts) >= count:
            break
        prompt = _prompt_of(tokenizer, template, records[index])
        if prompt and len(prompt.ids) + prompt.expected <= longest:
            prompts.append(prompt)
    return prompts


def _prompt_of(tokenizer: Any, template: ChatTemplate, record: Record) -> Prompt | None:
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
    ids, expected, opening_ids = tokenizer([text, reference, opening], add_special_tokens=False, verbose=False)["input_ids"]
    shown = tuple({"role": m.role, "content": m.said} for m in before)
    return Prompt(record.id, shown, reference, tuple(ids), len(expected), opening,
                  tuple(opening_ids) if rendering.text.startswith(text + opening) else ())


def _without_end(tokenizer: Any, text: str) -> str:
    """An answer without the tokens that end it."""
    ends = [token for token in tokenizer.all_special_tokens if token]
    text = text.strip()
    while end := next((token for token in ends if text.endswith(token)), ""):
        text = text.removesuffix(end).rstrip()
    return text


def answer_limit(prompts: Sequence[Prompt], max_new_tokens: int) -> int:
    """``max_new_tokens``; where it is 0, twice the longest answer expected, so that one who ends in time is seen to end."""
    least, most = ROOM
    return max_new_tokens or min(most, max(least, 2 * max((prompt.expected for prompt in prompts), default=0)))


class _LeaveWhenAsked(StoppingCriteria):  # type: ignore[misc]
    def __init__(self, control: Control, requests: tuple[Request, ...]) -> None:
        self._control = control
        self._requests = requests

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        asked = self._control.request() in self._requests
        return torch.full((input_ids.shape[0],), asked, dtype=torch.bool, device=input_ids.device)


def answer(forward: Forward, tokenizer: Any, prompts: Sequence[Prompt], max_new_tokens: int, stop_ids: Sequence[int], *,
           control: Control, unless: tuple[Request, ...] = ("terminate", "pause"), opened: bool = False) -> list[Answer]:
    """Greedy answers in the order of the prompts.

    Args:
        max_new_tokens: longest answer; 0: see `answer_limit`.
        stop_ids: tokens that end a turn.
        unless: requests that cut the answers short.
        opened: begin every answer as the template does by itself, for a model that has not learnt it. A base that would
            think first answers at once then, as the tuned one does.
    """
    model = forward.model
    device = forward.machine.device
    was_training = model.training
    forward.set_training(False)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else (stop_ids[0] if stop_ids else 0)
    limit = answer_limit(prompts, max_new_tokens) + (0 if opened else max((len(p.opening_ids) for p in prompts), default=0))
    config = GenerationConfig(do_sample=False, max_new_tokens=limit, eos_token_id=list(stop_ids) or None,
                              pad_token_id=pad, use_cache=True)
    criteria = StoppingCriteriaList([_LeaveWhenAsked(control, unless)])
    asked = [prompt.ids + prompt.opening_ids if opened else prompt.ids for prompt in prompts]
    answers: dict[int, Answer] = {}
    try:
        for members in _batches(asked, limit):
            width = max(len(asked[i]) for i in members)
            ids = torch.full((len(members), width), pad, dtype=torch.long)
            mask = torch.zeros((len(members), width), dtype=torch.long)
            for row, index in enumerate(members):
                length = len(asked[index])
                ids[row, width - length :] = torch.tensor(asked[index])
                mask[row, width - length :] = 1
            with torch.no_grad():
                output = model.generate(input_ids=ids.to(device), attention_mask=mask.to(device),
                                        generation_config=config, stopping_criteria=criteria)
            for row, index in enumerate(members):
                answers[index] = _read(tokenizer, prompts[index], output[row, width:].tolist(), set(stop_ids))
    finally:
        forward.set_training(was_training)
    return [answers[i] for i in range(len(prompts))]


def _batches(prompts: Sequence[Sequence[int]], limit: int) -> Iterator[list[int]]:
    """Indices of prompts of similar length, as many at once as `BATCH` and `BATCH_TOKENS` allow, and at least one."""
    members: list[int] = []
    for index in sorted(range(len(prompts)), key=lambda i: len(prompts[i])):
        tokens = (len(members) + 1) * (len(prompts[index]) + limit)
        if members and (len(members) == BATCH or tokens > BATCH_TOKENS):
            yield members
            members = []
        members.append(index)
    if members:
        yield members


def _read(tokenizer: Any, prompt: Prompt, ids: list[int], stop_ids: set[int]) -> Answer:
    end = next((place for place, token in enumerate(ids) if token in stop_ids), None)
    said = ids[:end]
    if prompt.opening_ids and tuple(said[: len(prompt.opening_ids)]) == prompt.opening_ids:
        said = said[len(prompt.opening_ids) :]
    text = tokenizer.decode(said, skip_special_tokens=True).strip().removeprefix(prompt.opening.strip())
    return Answer(text.strip(), end is not None, len(said))
