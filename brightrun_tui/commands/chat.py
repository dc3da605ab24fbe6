"""``brightrun chat``: talk with a model; its endpoint is started when there is none."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from brightrun_tui.commands.models import ModelArgument
from brightrun_tui.commands.serve import deploy_and_wait
from brightrun_tui.commands.shared.options import bounded
from brightrun_tui.commands.shared.output import JsonOption, print_json, say
from brightrun_tui.commands.shared.session import with_store
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.model import Endpoint
from brightrun_tui.domain.text import sanitize
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
    endpoint = with_store(lambda session: deploy_and_wait(session, model))
    messages = [{"role": "system", "content": system}] if system else []
    options = {"temperature": temperature, "max_tokens": max_tokens}
    if prompt is None:
        _converse(endpoint, messages, options)
        return
    question = sys.stdin.read() if prompt == "-" else prompt
    answer = asyncio.run(
        _answer(endpoint, [*messages, {"role": "user", "content": question}], options, show=not as_json)
    )
    if as_json:
        print_json({"model": f"{endpoint.model}:{endpoint.model_version}", "prompt": question, "answer": answer})


def _converse(endpoint: Endpoint, messages: list[dict[str, str]], options: dict[str, Any]) -> None:
    say((f"{endpoint.model}:{endpoint.model_version}", "bold"), ("  an empty line or Ctrl-D ends it", "dim"))
    while True:
        try:
            question = input("› ").strip()
        except EOFError:
            return
        if not question:
            return
        messages.append({"role": "user", "content": question})
        messages.append({"role": "assistant", "content": asyncio.run(_answer(endpoint, messages, options, show=True))})


async def _answer(endpoint: Endpoint, messages: list[dict[str, str]], options: dict[str, Any], *, show: bool) -> str:
    """The answer, printed piece by piece as it comes."""
    pieces: list[str] = []
    key = read_key(Path(endpoint.directory))
    async for piece in stream_chat(
        endpoint.url, key, f"{endpoint.model}:{endpoint.model_version}", messages, **options
    ):
        if show:
            before = pieces[-1][-1:] if pieces else ""  # whether a joiner may stay depends on the character before it
            print(sanitize(before + piece, kept="\n\t")[len(before) :], end="", flush=True)
        pieces.append(piece)
    if show:
        print(flush=True)
    return "".join(pieces)
