"""A chat template as Ollama knows it, found by rendering a conversation and looking what stands around its turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Render = Callable[[Sequence[dict[str, str]], bool], str]
"""Turns and whether the head of an answer follows, as text. May raise what jinja raises."""
_S, _U, _A, _V = "SYSTEM·TURN", "FIRST·USER·TURN", "ANSWER·TURN", "SECOND·USER·TURN"


def modelfile(
    weights: str, render: Render, stops: Sequence[str], begin: str = "", choosing: Mapping[str, float] | None = None
) -> str:
    """Return a Modelfile that serves the GGUF file ``weights``, which lies beside it.

    Args:
        stops: texts that end an answer.
        begin: the text of the token that begins every prompt, which Ollama adds by itself.
        choosing: how tokens are chosen, as `token_choice` says it; without it Ollama draws them, and punishes repetition.
    """
    lines = [f"FROM ./{weights}"]
    found = _template(render, begin)
    if found is None:
        lines.append("# Its chat template has no simple form: Ollama goes by the one in the file.")
    else:
        template, system = found
        lines.append(f'TEMPLATE """{template}"""')
        lines += [f'SYSTEM """{system}"""'] if system else []
    lines += [f"PARAMETER {name} {value:g}" for name, value in (choosing or {}).items()]
    lines += [f'PARAMETER stop "{_quoted(stop)}"' for stop in dict.fromkeys(stops) if stop.strip()]
    return "\n".join(lines) + "\n"


def token_choice(settings: Mapping[str, Any]) -> dict[str, float]:
    """Say how an answer's tokens are chosen where nobody says otherwise, by llama.cpp's names: as this model's endpoint
    chooses them.

    ``settings``: of ``generation_config.json``. One that does not say ``do_sample`` takes the likeliest, as a report card does.
    """
    drawn = bool(settings.get("do_sample"))
    given = {name: settings.get(name) for name in ("temperature", "top_k", "top_p", "min_p")} if drawn else {}
    usual = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0} if drawn else {"temperature": 0.0}
    found = usual | {name: value for name, value in given.items() if value is not None}
    return {**found, "repeat_penalty": float(settings.get("repetition_penalty") or 1.0)}


def _template(render: Render, begin: str) -> tuple[str, str] | None:
    """Return the template in Ollama's form and the system prompt that it brings along; None where turns are not laid end to
    end.
    """
    user = [{"role": "user", "content": _U}]
    talk = [*user, {"role": "assistant", "content": _A}]
    again = [*talk, {"role": "user", "content": _V}]
    system = [{"role": "system", "content": _S}]
    try:
        whole, ended, alone = render(again, True), render(talk, False), render(user, True)
        (head, to_answer), (_, to_user, tail) = _parts(alone, _U), _parts(whole, _A, _V)
        end = _parts(ended, _A)[1]
    except Exception:  # templates raise what they like
        return None
    if to_answer != tail or not to_user.startswith(end):
        return None
    before_user = to_user.removeprefix(end)
    first = head.removeprefix(begin)
    if not first.endswith(before_user):
        return None
    usual = first[: len(first) - len(before_user)]
    opening, default = "", ""
    said = [before_user, to_answer, end]
    try:
        told, between, _ = _parts(render([*system, *user], True), _S, _U)
        told = told.removeprefix(begin)
        if between.endswith(before_user):
            closing = between[: len(between) - len(before_user)]
            said += [told, closing]
            opening = f"{{{{ if .System }}}}{told}{{{{ .System }}}}{closing}{{{{ end }}}}"
            if usual.startswith(told) and usual.endswith(closing) and len(usual) > len(told) + len(closing):
                default, usual = usual[len(told) : len(usual) - len(closing)], ""
    except Exception:  # a template without a place for a system prompt
        opening = ""
    template = (
        f"{opening}{{{{ if .Prompt }}}}{before_user}{{{{ .Prompt }}}}{{{{ end }}}}{to_answer}{{{{ .Response }}}}{end}"
    )
    breaks_out = any('"""' in text or text.endswith('"') for text in (template, default))
    return None if usual or breaks_out or any("{{" in text for text in said) else (template, default)


def _parts(text: str, *marks: str) -> list[str]:
    """Return what stands around the marks. Raises ``ValueError`` where one of them is not there once."""
    parts: list[str] = []
    for mark in marks:
        if text.count(mark) != 1:
            raise ValueError(mark)
        before, text = text.split(mark)
        parts.append(before)
    return [*parts, text]


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def renderer(tokenizer: Any) -> Render:
    """Return the template of a tokenizer of transformers."""

    def render(turns: Sequence[dict[str, str]], answer: bool) -> str:
        return str(tokenizer.apply_chat_template(list(turns), add_generation_prompt=answer, tokenize=False))

    return render
