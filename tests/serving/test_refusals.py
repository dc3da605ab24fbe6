"""Who asks for what cannot be had learns which field it is, as they wrote it, and what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from brightrun_tui import datasets
from brightrun_tui.serving.ask import RequestRefused
from brightrun_tui.serving.forms import Unfollowed, check_schema
from brightrun_tui.serving.openai_requests import parse
from brightrun_tui.serving.plan import EndpointPlan

JSON = {"response_format": {"type": "json_object"}}
CALL = {"id": "c1", "type": "function", "function": {"name": "tide", "arguments": '{"at": "pier"}'}}
PLAN = EndpointPlan(
    id="e1",
    model="harbour",
    version=1,
    base_id="toy",
    base="/base",
    adapter="/adapter",
    quantisation="none",
    tools=True,
)


def chat(**asked: Any) -> bytes:
    return json.dumps({"model": "harbour", "messages": [{"role": "user", "content": "hi"}], **asked}).encode()


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


@pytest.mark.parametrize(
    "field",
    [
        *("n", "max_tokens", "max_completion_tokens", "seed", "temperature", "top_p", "top_k", "min_p"),
        *("repetition_penalty", "frequency_penalty", "presence_penalty", "top_logprobs"),
    ],
)
@pytest.mark.parametrize("value", [True, "1"])
def test_what_is_no_number_is_not_taken_for_one(field: str, value: Any) -> None:
    assert refused("/v1/chat/completions", **{field: value})[1] == field


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"max_tokens": 5, "max_completion_tokens": 9}, "max_tokens"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"tools": [{"type": "function", "function": {"name": "tide"}}], **JSON}, "response_format"),
        ({"tools": [{"type": "function", "function": {}}], "tool_choice": "none"}, "tools"),
        ({"tools": [{"type": "function", "function": {"name": 5}}], "tool_choice": "none"}, "tools"),
        ({"tools": [{"type": "function", "function": {"name": "tide", "parameters": []}}]}, "tools"),
        ({"tools": [{"type": "function", "function": {"name": "tide", "parameters": {"type": "string"}}}]}, "tools"),
        ({"messages": [{"role": "user"}]}, "messages"),
        ({"messages": [{"role": "assistant", "content": None}]}, "messages"),
        ({"messages": [{"role": "user", "content": "hi", "tool_call_id": "1"}]}, "messages"),
        ({"messages": [{"role": "user", "content": "hi", "tool_calls": [CALL]}]}, "messages"),
        ({"repetition_penalty": 1e-300}, "repetition_penalty"),
    ],
)
def test_what_would_have_to_be_ignored_is_refused_instead(asked: dict[str, Any], param: str) -> None:
    assert refused("/v1/chat/completions", **asked)[1] == param


def test_the_empty_schema_is_a_form_too() -> None:
    """It is any JSON: an answer that is none must not come back as if nothing had been asked."""
    asked = {"type": "json_schema", "json_schema": {"name": "any", "schema": {}}}
    ask = parse("/v1/chat/completions", chat(response_format=asked), PLAN)
    assert ask.form == {} and ask.needs == ("response_format",)
    flat = {"format": {"type": "json_schema", "name": "any", "schema": {}}}
    ask = parse("/v1/responses", json.dumps({"model": "harbour", "input": "hi", "text": flat}).encode(), PLAN)
    assert ask.form == {} and ask.needs == ("text",)


@pytest.mark.parametrize(
    ("parameters", "closed"),
    [
        (None, True),
        ({}, True),
        ({"type": "object", "properties": {}}, True),
        ({"properties": {"depth": {"type": "integer"}}}, True),
        ({"type": "object"}, False),
        ({"type": "object", "properties": {}, "additionalProperties": True}, False),
        ({"type": "object", "properties": {}, "patternProperties": {"^a": {}}}, False),
    ],
)
def test_a_call_has_no_arguments_that_its_tool_does_not_name(parameters: dict[str, Any] | None, closed: bool) -> None:
    """A function that takes none would fail at one that was made up."""
    tools = [{"type": "function", "function": {"name": "tide", "parameters": parameters}}]
    ask = parse("/v1/chat/completions", chat(tools=tools, tool_choice="required"), PLAN)
    assert ask.form is not None
    arguments = ask.form["properties"]["arguments"]
    assert arguments["type"] == "object" and (arguments.get("additionalProperties") is False) == closed


@pytest.mark.parametrize("field", ["reasoning", "include", "functions"])
def test_a_field_that_is_null_asks_for_nothing(field: str) -> None:
    """Many programs write every field that they know."""
    assert parse("/v1/responses", json.dumps({"model": "harbour", "input": "hi", field: None}).encode(), PLAN)
    assert refused("/v1/responses", input="hi", **{field: {"effort": "low"}})[1] == field


def test_a_turn_with_empty_fields_of_other_roles_is_taken() -> None:
    turn: dict[str, Any] = {
        "role": "user",
        "content": "hi",
        "tool_calls": [],
        "tool_call_id": "",
        "reasoning_content": None,
    }
    assert parse(
        "/v1/chat/completions", json.dumps({"model": "harbour", "messages": [turn]}).encode(), PLAN
    ).messages == [{"role": "user", "content": "hi"}]


def test_a_conversation_with_tools_is_told_to_the_model_as_training_told_it(tmp_path: Path) -> None:
    turns = [
        {"role": "user", "content": "When is the tide?"},
        {"role": "assistant", "content": "I look.", "reasoning_content": "Which pier?", "tool_calls": [CALL]},
        {"role": "tool", "content": "six", "name": "tide", "tool_call_id": "c1"},
        {"role": "assistant", "content": "At six."},
    ]
    (tmp_path / "talk.jsonl").write_text(json.dumps({"messages": turns}))
    (outcome,) = datasets.open_dataset(tmp_path / "talk.jsonl").outcomes()
    assert outcome.record is not None
    body = {"model": "harbour", "messages": turns[:-1]}
    told = parse("/v1/chat/completions", json.dumps(body).encode(), PLAN).messages
    assert told == [turn.for_template() for turn in outcome.record.messages[:-1]]
