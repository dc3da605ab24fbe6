"""What an engine cannot do as OpenAI means it."""

from __future__ import annotations

from typing import Any

from brightrun_tui.serving.ask import Ask, RequestRefused
from brightrun_tui.serving.engines import VLLM
from brightrun_tui.serving.one_by_one import PENALTIES
from brightrun_tui.serving.vllm_dialect import CAN


def check_engine_can(ask: Ask, engine: str, defaults: dict[str, Any]) -> None:
    """Raise `RequestRefused`, naming the field that this engine cannot honour as OpenAI means it. ``defaults`` are the model's
    own generation settings."""
    if engine == "llama.cpp":
        if why := _llama_cannot(ask, defaults):
            field, cause = why
            raise RequestRefused(
                f"“{field}” cannot be honoured here: {cause}. Serve the model with: brightrun deploy --engine transformers",
                param=field,
                code="unsupported_parameter",
            )
    elif needs := [name for name in ask.needs if engine != VLLM or name not in CAN]:
        raise RequestRefused(
            f"“{needs[0]}” cannot be honoured by the engine {engine}; llama.cpp can",
            param=needs[0],
            code="unsupported_parameter",
        )


def _llama_cannot(ask: Ask, defaults: dict[str, Any]) -> tuple[str, str] | None:
    """Return the penalty that llama.cpp cannot keep to the answer alone, and why."""
    field = next((name for name in PENALTIES if ask.body.get(name)), None)
    if field is None:
        return None
    # What the answer is fined, or the prompt is given back, goes to the logits, which a repetition penalty would scale.
    if ask.body.get("repetition_penalty", defaults.get("repetition_penalty") or 1.0) != 1.0:
        return field, "with a repetition penalty llama.cpp counts the prompt, too"
    if not ask.body.get("presence_penalty"):
        return None
    if ask.form is not None:
        return "presence_penalty", "an answer of a given form is made in one go, and llama.cpp counts the prompt, too"
    return ("presence_penalty", "several answers at once are not made token by token") if ask.n > 1 else None
