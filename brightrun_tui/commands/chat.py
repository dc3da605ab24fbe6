"""``brightrun chat``: talk with a model; its endpoint is started when there is none."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from brightrun_tui import registry
from brightrun_tui.commands.shared.endpoints import deploy_and_wait
from brightrun_tui.commands.shared.options import ModelArgument, bounded
from brightrun_tui.commands.shared.output import JsonOption, print_json, say, say_done, say_problem
from brightrun_tui.commands.shared.session import require_changes, with_store
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, UsageError
from brightrun_tui.domain.model import Endpoint
from brightrun_tui.domain.requests import Deploy
from brightrun_tui.domain.talk import TalkTurn, talk_jsonl, talk_markdown
from brightrun_tui.domain.text import sanitize
from brightrun_tui.files import plain_disk_errors
from brightrun_tui.paths import typed_path
from brightrun_tui.serving import chat as stream_chat
from brightrun_tui.serving import read_key


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
    options = {"temperature": temperature, "max_tokens": max_tokens}
    if prompt is None:
        _converse(endpoint, messages, options)
        say(f"{_ref(endpoint)} goes on being served; end that: ", (f"brightrun undeploy {endpoint.id}", "bold"))
        return
    question = sys.stdin.read() if prompt == "-" else prompt
    answer = asyncio.run(
        _answer(endpoint, [*messages, {"role": "user", "content": question}], options, show=not as_json)
    )
    if as_json:
        print_json({"model": _ref(endpoint), "prompt": question, "answer": answer})


def _converse(endpoint: Endpoint, messages: list[dict[str, str]], options: dict[str, Any]) -> None:
    say(
        (_ref(endpoint), "bold"),
        ("  /wrong corrects an answer, /save FILE keeps the talk, an empty line ends it", "dim"),
    )
    while True:
        try:
            question = input("› ").strip()
        except EOFError:
            return
        if not question:
            return
        word, _, rest = question.partition(" ")
        if word in ("/wrong", "/save"):
            try:
                _correct(endpoint, messages) if word == "/wrong" else _save(endpoint, messages, rest.strip())
            except BrightrunError as error:
                say_problem(error)
            continue
        asked = [*messages, {"role": "user", "content": question}]
        try:
            answer = asyncio.run(_answer(endpoint, asked, options, show=True))
        except BrightrunError as error:  # the talk so far is not lost with it
            say_problem(error)
            continue
        messages[:] = [*asked, {"role": "assistant", "content": answer}]


def _correct(endpoint: Endpoint, messages: list[dict[str, str]]) -> None:
    """Ask what the newest answer should have been, and keep it."""
    if not messages or messages[-1]["role"] != "assistant":
        raise UsageError("nothing was answered yet", where="/wrong", kind=ErrorKind.BAD_CORRECTION)
    require_changes()
    say(("What should it have said?", "bold"), ("  an empty line: nothing is kept", "dim"))
    try:
        wanted = input("✎ ").strip()
    except EOFError:
        return
    if not wanted:
        return
    before, answer = messages[:-1], messages[-1]["content"]
    kept = with_store(lambda session: registry.correct(session.db, _ref(endpoint), before, wanted, answer=answer))
    say_done(f"correction {kept.id} kept; new data from them: brightrun models corrections {kept.model} --dataset")


def _save(endpoint: Endpoint, messages: list[dict[str, str]], target: str) -> None:
    """Write the talk: ``.jsonl`` as training data, anything else to read."""
    if not target:
        raise UsageError(
            "where to?", where="/save", fix="/save talk.md, or /save talk.jsonl", kind=ErrorKind.BAD_OPTION
        )
    turns = [TalkTurn(**turn, speaker=_ref(endpoint) if turn["role"] == "assistant" else "") for turn in messages]
    path = typed_path(target)
    text = talk_jsonl(turns) if path.suffix == ".jsonl" else talk_markdown(f"Chat with {_ref(endpoint)}", turns)
    with plain_disk_errors(path):
        if path.exists():
            raise UsageError(
                "there is something already", where=str(path), fix="choose another name", kind=ErrorKind.TARGET_TAKEN
            )
        path.write_text(text, encoding="utf-8")
    say_done(str(path))


def _ref(endpoint: Endpoint) -> str:
    return f"{endpoint.model}:{endpoint.model_version}"


async def _answer(endpoint: Endpoint, messages: list[dict[str, str]], options: dict[str, Any], *, show: bool) -> str:
    """The answer, printed piece by piece as it comes."""
    pieces: list[str] = []
    key = read_key(Path(endpoint.directory))
    async for piece in stream_chat(endpoint.url, key, _ref(endpoint), messages, **options):
        if show:
            before = pieces[-1][-1:] if pieces else ""  # whether a joiner may stay depends on the character before it
            print(sanitize(before + piece, kept="\n\t")[len(before) :], end="", flush=True)
        pieces.append(piece)
    if show:
        print(flush=True)
    return "".join(pieces)
