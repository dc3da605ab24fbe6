"""What an engine is asked: the finished prompt, in the words of the engine; and what it says against that."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from brightrun_tui.foreign_answers import NONSENSE
from brightrun_tui.serving.ask import Ask, Dialect, RequestRefused
from brightrun_tui.serving.engines import VLLM
from brightrun_tui.serving.llama_dialect import llama_body
from brightrun_tui.serving.openai_requests import DEFAULT_NEW_TOKENS
from brightrun_tui.serving.prompts import Prompt
from brightrun_tui.serving.swap import ServedVersion
from brightrun_tui.serving.vllm_dialect import vllm_body

MAX_BYTES_A_TOKEN = 64
"""Of a text that could fit: a longer prompt is refused without counting. An English token has four or five."""
_PROMPT_FIELDS: dict[Dialect, str] = {"chat": "messages", "completions": "prompt", "responses": "input"}
_LENGTH_FIELDS: dict[Dialect, str] = {
    "chat": "max_completion_tokens",
    "completions": "max_tokens",
    "responses": "max_output_tokens",
}


async def finished_prompt(service: ServedVersion, ask: Ask) -> tuple[Prompt, int]:
    """Return the finished prompt, and how long the answer may become: no longer than what the model can hold beside it."""
    wanted, room = ask.new_tokens or DEFAULT_NEW_TOKENS, service.plan.context_length
    param = _PROMPT_FIELDS[ask.dialect]
    if room and ask.bytes > room * MAX_BYTES_A_TOKEN:
        raise RequestRefused(
            f"the prompt has {ask.bytes} bytes; this model can hold {room} tokens",
            param=param,
            code="context_length_exceeded",
        )
    prompt = await service.prompts.prepare(ask)
    if not prompt.tokens:
        raise RequestRefused(f"“{param}” has no tokens: say something", param=param, code="invalid_value")
    if room and prompt.tokens >= room:
        raise RequestRefused(
            f"the prompt has {prompt.tokens} tokens; this model can hold {room}, and its answer needs some",
            param=param,
            code="context_length_exceeded",
        )
    return prompt, min(wanted, room - prompt.tokens) if room else wanted


def engine_body(service: ServedVersion, ask: Ask, prompt: Prompt, new_tokens: int, engine: str) -> bytes:
    if engine == VLLM:
        served = service.plan.serverless
        name = served.name if served is not None else service.plan.adapter_name
        return json.dumps(vllm_body(ask, prompt.ids, new_tokens, service.defaults, name)).encode()
    if engine == "llama.cpp":
        return json.dumps(llama_body(ask, prompt.ids, new_tokens, service.defaults)).encode()
    return _transformers_body(ask, prompt, new_tokens)


def _transformers_body(ask: Ask, prompt: Prompt, new_tokens: int) -> bytes:
    """Return what transformers' server is told: only while it streams does it notice that nobody waits, so it always
    does.
    """
    given: Any = prompt.text if ask.dialect == "completions" else [{"role": "user", "content": prompt.text}]
    body = ask.body | ({"tools": ask.tools} if ask.tools else {})
    return json.dumps(
        body
        | {"model": "view", "stream": True, _PROMPT_FIELDS[ask.dialect]: given, _LENGTH_FIELDS[ask.dialect]: new_tokens}
    ).encode()


def engine_refused(status: int, content: bytes) -> RequestRefused:
    """Return what the engine said against a request, in OpenAI's words."""
    detail: Any = None
    with suppress(*NONSENSE):
        document = json.loads(content)
        detail = document.get("detail") or document.get("error", {}).get("message")
    if 400 <= status < 500:
        return RequestRefused(str(detail or "the model server refused the request"))
    return RequestRefused(
        "the model server failed on this request", status=500, kind="server_error", code="engine_error"
    )
