"""How vLLM is asked: with the token ids of the prompt that was graded, at ``/v1/completions``, and always streamed."""

from __future__ import annotations

from typing import Any

from brightrun_tui.serving.ask import Ask

CAN = frozenset({"top_k", "min_p", "repetition_penalty", "n", "parallel_tool_calls"})
"""Of the fields that not every engine can honour."""


def vllm_body(ask: Ask, ids: list[int], new_tokens: int, defaults: dict[str, Any], model: str) -> dict[str, Any]:
    """Return the request. ``defaults`` are the model's own generation settings, for what the caller left open; ``model``: its
    name there."""
    names = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")
    own = {name: defaults[name] for name in names if defaults.get(name) is not None}
    body = own | ask.body
    if not body.get("top_k"):
        body.pop("top_k", None)  # 0 means all of them here, and is not said there
    ends = defaults.get("eos_token_id")
    return body | {
        "model": model,
        "prompt": ids,
        "max_tokens": new_tokens,
        "n": ask.n,
        "stream": True,
        "stream_options": {"include_usage": True},
        **({"stop_token_ids": ends} if ends else {}),  # the adapter's own are not known to the base model there
    }
