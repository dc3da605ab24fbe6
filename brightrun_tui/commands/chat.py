"""``brightrun chat``: talk with a model; its endpoint is started when there is none. A second one can be asked beside it."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from brightrun_tui import registry
from brightrun_tui.commands.shared.base_beside import base_served
from brightrun_tui.commands.shared.endpoints import deploy_and_wait
from brightrun_tui.commands.shared.options import ModelArgument, bounded
from brightrun_tui.commands.shared.output import JsonOption, print_json, put, say, say_done, say_problem
from brightrun_tui.commands.shared.session import require_changes, with_store
from brightrun_tui.commands.shared.typed import FENCE, typed_message
from brightrun_tui.domain.endpoint import Endpoint
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, UsageError
from brightrun_tui.domain.humanize import rate
from brightrun_tui.domain.requests import Deploy
from brightrun_tui.domain.talk import Sampling, TalkTurn, talk_jsonl, talk_markdown
from brightrun_tui.domain.text import sanitize
from brightrun_tui.files import plain_disk_errors, target_taken
from brightrun_tui.paths import typed_path
from brightrun_tui.serving import chat as stream_chat
from brightrun_tui.serving import read_key

BASE = "base"


@dataclass
class _Talk:
    """One endpoint and the conversation with it."""

    endpoint: Endpoint
    messages: list[dict[str, str]]

    @property
    def name(self) -> str:
        """Above its answers, where there are two."""
        return (
            f"base of {self.endpoint.model}:{self.endpoint.model_version}, without training"
            if self.of_base
            else self.ref
        )

    @property
    def ref(self) -> str:
        return self.endpoint.ref

    @property
    def of_base(self) -> bool:
        return self.endpoint.base_alone


def chat(
    model: ModelArgument,
    prompt: Annotated[
        str | None, typer.Option("--prompt", "-p", help="Ask this one thing. “-”: what stdin says.")
    ] = None,
    system: Annotated[str, typer.Option("--system", help="What the model is told beforehand.")] = "",
    temperature: Annotated[
        float | None, typer.Option("--temperature", min=0, max=2, callback=bounded, help="0: the likeliest answer.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", min=1, callback=bounded, help="Longest answer.")
    ] = None,
    beside: Annotated[
        str,
        typer.Option(
            "--beside", metavar="base|MODEL", help="Ask a second one the same: “base”, what was trained, or a model."
        ),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Talk with a model. With --prompt: one question, its answer on stdout."""
    if prompt is None and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "there is no terminal to talk at",
            where="chat",
            fix="add --prompt TEXT, or --prompt - for stdin",
            kind=ErrorKind.NO_TERMINAL,
        )
    endpoint = with_store(lambda session: deploy_and_wait(session, Deploy(target=model)))
    messages = [{"role": "system", "content": system}] if system else []
    options = Sampling(temperature=temperature, max_tokens=max_tokens)
    with _second(endpoint, beside) as second:
        talks = [_Talk(each, [*messages]) for each in (endpoint, second) if each is not None]
        if prompt is None:
            _converse(talks, options)
            for talk in talks:
                if not talk.of_base:
                    undeploy = f"brightrun undeploy {talk.endpoint.id}"
                    say(f"{talk.ref} goes on being served; end that: ", (undeploy, "bold"))
            return
        question = sys.stdin.read() if prompt == "-" else prompt
        asked = {"role": "user", "content": question}
        answers = [_ask(talk, asked, options, show=not as_json, named=len(talks) > 1) for talk in talks]
    if as_json:
        told = [{"model": talk.ref, "answer": answer} for talk, answer in zip(talks, answers, strict=True)]
        print_json(
            {"model": talks[0].ref, "prompt": question, "answer": answers[0]} | ({"beside": told[1]} if beside else {})
        )


@contextmanager
def _second(endpoint: Endpoint, beside: str) -> Iterator[Endpoint | None]:
    """Say who is asked beside ``endpoint``; None where nobody is."""
    if beside == BASE:
        with base_served(endpoint) as base:
            yield base
    elif beside:
        other = with_store(lambda session: deploy_and_wait(session, Deploy(target=beside)))
        if other.id == endpoint.id:
            raise UsageError(
                f"{other.ref} is the model itself",
                where="--beside",
                fix="name another model or version, or: --beside base",
                kind=ErrorKind.BAD_OPTION,
            )
        yield other
    else:
        yield None


def _converse(talks: list[_Talk], options: Sampling) -> None:
    say(
        (" and ".join(talk.name for talk in talks), "bold"),
        (
            f"  /wrong corrects an answer, /save FILE keeps the talk, {FENCE} begins several lines, an empty line ends it",
            "dim",
        ),
    )
    first = talks[0]
    while True:
        try:
            question = typed_message("› ")
        except EOFError:
            return
        if not question:
            return
        word, _, rest = question.partition(" ")
        if word in ("/wrong", "/save"):
            try:
                _correct(first) if word == "/wrong" else _save(talks, rest.strip())
            except BrightrunError as error:
                say_problem(error)
            continue
        asked = {"role": "user", "content": question}
        for talk in talks:
            try:
                answer = _ask(talk, asked, options, show=True, named=len(talks) > 1, speed=True)
            except BrightrunError as error:  # the talk so far is not lost with it
                say_problem(error)
                continue
            talk.messages += [asked, {"role": "assistant", "content": answer}]


def _ask(talk: _Talk, asked: dict[str, str], options: Sampling, *, show: bool, named: bool, speed: bool = False) -> str:
    if show and named:
        put(f"── {talk.name}")
    said = asyncio.run(_answer(talk.endpoint, [*talk.messages, asked], options, show=show))
    if speed and said.tokens_per_second:
        say((f"  {said.tokens} tokens, {rate(said.tokens_per_second)}", "dim"))
    return said.content


def _correct(talk: _Talk) -> None:
    """Ask what the newest answer should have been, and keep it."""
    messages = talk.messages
    if not messages or messages[-1]["role"] != "assistant":
        raise UsageError("nothing was answered yet", where="/wrong", kind=ErrorKind.BAD_CORRECTION)
    require_changes()
    say((f"What should {talk.ref} have said?", "bold"), ("  an empty line: nothing is kept", "dim"))
    try:
        wanted = typed_message("✎ ")
    except EOFError:
        return
    if not wanted:
        return
    before, answer = messages[:-1], messages[-1]["content"]
    kept = with_store(lambda session: registry.correct(session.db, talk.ref, before, wanted, answer=answer))
    say_done(f"correction {kept.id} kept; new data from them: brightrun models corrections {kept.model} --dataset")


def _save(talks: list[_Talk], target: str) -> None:
    """Write the talk: ``.jsonl`` as training data, which a base's answers are not; anything else to read."""
    if not target:
        raise UsageError(
            "where to?", where="/save", fix="/save talk.md, or /save talk.jsonl", kind=ErrorKind.BAD_OPTION
        )
    path = typed_path(target)
    if path.suffix == ".jsonl":
        text = "".join(talk_jsonl(_turns(talk)) for talk in talks if not talk.of_base)
    else:
        text = "\n".join(talk_markdown(f"Chat with {talk.name}", _turns(talk)) for talk in talks)
    with plain_disk_errors(path):
        if path.exists():
            raise target_taken(path)
        path.write_text(text, encoding="utf-8")
    say_done(str(path))


def _turns(talk: _Talk) -> list[TalkTurn]:
    return [TalkTurn(**turn, speaker=talk.name if turn["role"] == "assistant" else "") for turn in talk.messages]


async def _answer(endpoint: Endpoint, messages: list[dict[str, str]], options: Sampling, *, show: bool) -> TalkTurn:
    """Return the answer, printed piece by piece as it comes."""
    pieces: list[str] = []
    tokens, began = [0], 0.0
    key = read_key(Path(endpoint.directory))
    counted = partial(tokens.__setitem__, 0)
    async for piece in stream_chat(endpoint.url, key, endpoint.served_name, messages, used=counted, **options):
        began = began or time.monotonic()
        if show:
            before = pieces[-1][-1:] if pieces else ""  # whether a joiner may stay depends on the character before it
            print(sanitize(before + piece, kept="\n\t")[len(before) :], end="", flush=True)
        pieces.append(piece)
    if show:
        print(flush=True)
    seconds = time.monotonic() - began if began else 0.0
    return TalkTurn(role="assistant", content="".join(pieces), tokens=tokens[0], seconds=seconds)
