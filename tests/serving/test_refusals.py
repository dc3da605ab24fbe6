"""Who asks for what cannot be had learns which field it is, as they wrote it, and what is wrong with it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from brightrun_tui.serving.ask import RequestRefused
from brightrun_tui.serving.forms import Unfollowed, check_schema
from brightrun_tui.serving.openai_requests import parse
from brightrun_tui.serving.plan import EndpointPlan

PLAN = EndpointPlan(
    id="e1", model="harbour", version=1, base_id="toy", base="/base", adapter="/adapter", quantisation="none"
)


def refused(path: str, **asked: Any) -> tuple[str, str]:
    body = {
        "model": "harbour",
        **({"messages": [{"role": "user", "content": "hi"}]} if "chat" in path else {}),
        **asked,
    }
    with pytest.raises(RequestRefused) as error:
        parse(path, json.dumps(body).encode(), PLAN)
    said = error.value.body["error"]
    return str(said["message"]), str(said["param"])


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"stop": ["a"] * 17}, "“stop”: list should have at most 16 items"),
        ({"stop": ["a", "b" * 65]}, "“stop.1”: string should have at most 64 characters"),
        ({"tool_choice": "maybe"}, "“tool_choice”: input should be 'auto', 'none' or 'required'"),
        ({"tool_choice": {"type": "function"}}, "“tool_choice.function” is missing"),
        ({"top_logprobs": 3}, "“top_logprobs” needs “logprobs”: true"),
        ({"logit_bias": {"abc": 1}}, "“logit_bias.abc”: string should match pattern"),
    ],
)
def test_of_a_field_with_several_forms_the_fault_is_that_of_the_form_that_was_meant(
    asked: dict[str, Any], words: str
) -> None:
    message, param = refused("/v1/chat/completions", **asked)
    assert message.startswith(words) and param == next(iter(asked))


def test_a_picture_is_refused_at_its_place() -> None:
    picture = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]
    message, param = refused("/v1/chat/completions", messages=picture)
    assert message.startswith("“messages.0.content.0.type”: input should be 'text'") and param == "messages"
    assert refused("/v1/completions", prompt=["a", "b"])[0].startswith("“prompt”: list should have at most 1 item")


@pytest.mark.parametrize(
    "schema", [{"not": {}}, {"type": "array", "contains": {}}, {"type": "object", "unevaluatedProperties": False}]
)
def test_words_of_a_schema_that_are_not_followed_are_refused_though_they_are_short(schema: dict[str, Any]) -> None:
    with pytest.raises(Unfollowed, match="is not supported"):
        check_schema(schema)


@pytest.mark.parametrize(
    "neutral", [{"uniqueItems": False}, {"unevaluatedProperties": True}, {"dependentRequired": {}}]
)
def test_words_that_say_nothing_are_none_to_refuse(neutral: dict[str, Any]) -> None:
    check_schema({"type": "object", **neutral})
