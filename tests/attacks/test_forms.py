"""Schemas that callers ask answers to follow, and answers of an engine that somebody else has."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from brightrun_tui.foreign_answers import NONSENSE
from brightrun_tui.serving import forms
from brightrun_tui.serving.answers import AnswerStream, whole_answer
from brightrun_tui.serving.ask import RequestRefused
from brightrun_tui.serving.forms import Growing
from brightrun_tui.serving.llama_dialect import translated
from brightrun_tui.serving.openai_requests import parse
from brightrun_tui.serving.process import LOG
from brightrun_tui.serving.segments import MARKERS, Segments, read_call
from brightrun_tui.serving.sse import lines
from tests.attacks.test_endpoint import CHAT, PLAN, body
from tests.serving.conftest import Served, served, toy  # noqa: F401

Schema = dict[str, Any]


def array(**bounds: Any) -> Schema:
    return {"type": "array", "items": {"type": "integer"}, **bounds}


def text(**bounds: Any) -> Schema:
    return {"type": "string", **bounds}


UNFOLLOWED: dict[str, Schema] = {
    "items without end": array(minItems=10**9),
    "items in all": {"type": "object", "properties": {f"a{n}": array(maxItems=1000) for n in range(20)}},
    "a large multiple": {"type": "integer", "multipleOf": 99999989},
    "a fine multiple": {"type": "number", "multipleOf": 1.0000001},
    "no multiple": {"type": "number", "multipleOf": 0},
    "two multiples": {"allOf": [{"type": "integer", "multipleOf": 997}, {"type": "integer", "multipleOf": 991}]},
    "patterns that meet": {"allOf": [text(pattern=f"^.*a.{{{n}}}b.*$") for n in range(1, 60)]},
    "a pattern repeated": text(pattern="^((a{1,100}){1,100}){1,100}$"),
    "a pattern repeated often": text(pattern="^a{1000000000}$"),
    "half a pattern": text(pattern="("),
    "a pattern that looks ahead": text(pattern="^(?=a)b"),
    "a pattern that looks back": text(pattern="^(a)\\1$"),
    "half a pattern as a name": {"type": "object", "patternProperties": {"(": {}}},
    "a pattern of any type": text(pattern=5),
    "a circle": {"$ref": "#"},
    "a larger circle": {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
    "elsewhere": {"$ref": "http://127.0.0.1:9/x"},
    "a file": {"$ref": "file:///etc/passwd"},
    "nowhere": {"$ref": "#/$defs/z"},
    "a list that is short": {"anyOf": [{"$ref": "#/anyOf/7"}]},
    "no type": {"type": 5},
    "another type": {"type": ["string", "date"]},
    "nothing of it": {"enum": []},
    "no choice": {"anyOf": []},
    "a choice that is none": {"anyOf": {"a": 1}},
    "no schema": {"properties": {"a": 7}},
    "no properties": {"properties": ["a"]},
    "no names": {"required": [1]},
    "larger than": {"type": "integer", "minimum": 5, "maximum": 3},
    "more than at most": array(minItems=3, maxItems=2),
    "true items": array(minItems=True),
    "a huge number": {"type": "integer", "minimum": -(10**300)},
    "a format": text(format="\x1b[2J"),
    "a list of formats": text(format=["date"]),
    "a format that is an object": text(format={"a": 1}),
    "the engine's own": {"x-guidance": {"lark": "start: /a+/"}},
    **{word: {word: {"const": 1}} for word in ("not", "if", "contains", "propertyNames", "dependentSchemas")},
}


@pytest.mark.parametrize("schema", UNFOLLOWED.values(), ids=UNFOLLOWED)
def test_a_schema_that_is_not_followed_or_takes_too_much_is_refused_by_name(schema: Schema) -> None:
    """Some took gigabytes or hung the engine for everybody; with the others it answered as if nothing had been asked for."""
    asked = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    tool = {"type": "function", "function": {"name": "f", "parameters": {"properties": {"a": schema}}}}
    for field, changes in (
        ("response_format", {"response_format": asked}),
        ("tools", {"tools": [tool], "tool_choice": "required"}),
    ):
        if "$ref" in schema and schema["$ref"] == "#" and field == "tools":
            continue  # there it leads to the parameters, and is a schema like others
        with pytest.raises(RequestRefused) as refused:
            parse(CHAT, body(**changes), PLAN)
        assert refused.value.status == 400 and refused.value.body["error"]["param"] == field


def test_references_that_lead_on_and_on_are_followed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifteen hundred of them, 46 KiB, took twenty seconds in which nobody was answered: each was followed from each."""
    followed: list[str] = []
    target = forms._Check._target

    def counted(check: forms._Check, reference: str) -> Any:
        followed.append(reference)
        return target(check, reference)

    monkeypatch.setattr(forms._Check, "_target", counted)
    chain: Schema = {f"a{n}": {"$ref": f"#/$defs/a{n + 1}"} for n in range(1500)}
    forms.check_schema({"$defs": chain | {"a1500": {}}, "$ref": "#/$defs/a0"})
    assert len(followed) <= 1501
    with pytest.raises(forms.Unfollowed, match="circle"):
        forms.check_schema({"$defs": chain | {"a1500": {"$ref": "#/$defs/a7"}}, "$ref": "#/$defs/a0"})


@pytest.mark.parametrize("parameters", [[1], "x", 7, {"type": 5}])
def test_parameters_of_a_tool_that_are_no_schema_are_refused(parameters: Any) -> None:
    """They were an error of the server's own."""
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    with pytest.raises(RequestRefused, match="tools"):
        parse(CHAT, body(tools=[tool], tool_choice="required"), PLAN)


ITEM: Schema = {"$defs": {"X": {"enum": ["q"]}}, "properties": {"z": {"$ref": "#/$defs/X"}}, "required": ["z"]}
FOLLOWED: list[tuple[Schema, Any]] = [
    (ITEM | {"type": "object", "additionalProperties": False}, {"z": "q"}),
    ({"oneOf": [{"type": "object", "properties": {"t": {"const": n}}, "required": ["t"], "additionalProperties": False}
                for n in (1, 2)]}, None),
    ({"anyOf": [{"type": "null"}, {"const": 7}]}, None),
    ({"type": "string", "pattern": "^a{3}$"}, "aaa"),
    ({"type": "integer", "multipleOf": 5, "minimum": 7, "maximum": 14}, 10),
]  # fmt: skip


def ask(served: Served, **changes: Any) -> httpx.Response:
    key = {"authorization": f"Bearer {served.key}"}
    content = body(messages=[{"role": "user", "content": ""}], max_tokens=40, **changes)
    return httpx.post(f"{served.url}/chat/completions", content=content, timeout=60, headers=key)


@pytest.mark.slow
def test_an_answer_has_the_form_of_its_schema_or_there_is_none(served: Served) -> None:
    """What the engine gives up on is said to the caller, whole and streamed, and the next one is answered."""
    for schema, wanted in FOLLOWED:
        asked = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        reply = ask(served, response_format=asked)
        assert reply.status_code == 200, (schema, reply.text)
        answer = json.loads(reply.json()["choices"][0]["message"]["content"])
        assert wanted is None or answer == wanted
    for schema in ({"allOf": [text(pattern="^.*a.{20}$"), text(pattern="^.*b.{21}$")]}, {"allOf": [text(), array()]}):
        asked = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        reply = ask(served, response_format=asked)
        assert reply.status_code == 400 and reply.json()["error"]["param"] == "response_format"
        assert "cannot follow this schema" in ask(served, response_format=asked, stream=True).text
    assert ask(served).status_code == 200
    assert "Traceback" not in (served.directory / LOG).read_text()


@pytest.mark.slow
def test_references_in_the_parameters_of_a_tool_lead_where_they_led(served: Served) -> None:
    """They led nowhere, and the call had any form."""
    parameters = {"x": {"const": {"z": "q"}}, "$ref": "#/x"}  # the toy's context is short, and it may write spaces
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    reply = ask(served, tools=[tool], tool_choice="required", temperature=0)
    assert reply.status_code == 200, reply.text
    call = reply.json()["choices"][0]["message"]["tool_calls"][0]
    assert json.loads(call["function"]["arguments"]) == {"z": "q"}


def test_references_in_the_parameters_of_several_tools_lead_into_each() -> None:
    tools = [{"type": "function", "function": {"name": f"f{n}", "parameters": ITEM}} for n in range(3)]
    schema = parse(CHAT, body(tools=tools, tool_choice="required"), PLAN).call_schema
    assert schema is not None
    found = [form["properties"]["arguments"]["properties"]["z"]["$ref"] for form in schema["anyOf"]]
    assert found == [f"#/anyOf/{n}/properties/arguments/$defs/X" for n in range(3)]


CHOICE: dict[str, Any] = {"index": 0, "text": "a", "finish_reason": None}
NONSENSICAL: list[Any] = [
    {"choices": None},
    {"choices": 5},
    {"choices": [7]},
    {"choices": [CHOICE | {"index": "x"}]},
    {"choices": [CHOICE | {"index": -1}]},
    {"choices": [CHOICE | {"index": 10**9}]},
    {"choices": [CHOICE | {"text": {"a": 1}}]},
    {"choices": [CHOICE | {"text": 5}]},
    {"choices": [CHOICE | {"finish_reason": {}}]},
    {"choices": [CHOICE | {"logprobs": "x"}]},
    {"choices": [CHOICE | {"logprobs": {"content": [5]}}]},
    {"choices": [CHOICE], "usage": "x"},
    {"choices": [CHOICE], "usage": {"prompt_tokens": "many"}},
    {"choices": [CHOICE], "usage": {"prompt_tokens": float("inf")}},
    {"choices": [CHOICE], "object": [], "id": {}, "model": 5},
    [],
    5,
    None,
]


@pytest.mark.parametrize("path", [CHAT, "/v1/completions", "/v1/responses"])
@pytest.mark.parametrize("said", [*map(json.dumps, NONSENSICAL), "[" * 100_000, '{"choices":' * 50_000, "{"])
async def test_an_engine_may_answer_anything(path: str, said: str) -> None:
    """Its answer is one or is none; nothing is raised that nobody foresaw."""
    prompt = {"/v1/completions": {"prompt": "x"}, "/v1/responses": {"input": "x"}}.get(
        path, {"messages": [{"role": "user", "content": "x"}]}
    )
    asked = parse(path, json.dumps({"model": "harbour", **prompt}).encode(), PLAN)

    async def engine() -> AsyncIterator[str]:
        yield f"data: {said}"
        yield f"data: {json.dumps({'choices': [CHOICE | {'finish_reason': 'stop'}]})}"

    for through in (translated(engine(), asked), engine()):
        answer = AnswerStream(asked, "harbour:1")
        pieces = [piece async for line in through if (piece := answer.read(line))]
        if not answer.failed and pieces:
            with suppress(*NONSENSE):  # what the gate takes for a failure of the engine
                json.dumps(whole_answer(pieces, asked.dialect))


async def test_a_line_of_megabytes_in_crumbs_is_joined_once() -> None:
    """An engine elsewhere kept the gate, and so everybody's answers, busy for hours."""

    async def crumbs() -> AsyncIterator[bytes]:
        for _ in range(400_000):
            yield b"x" * 100
        yield b"\ndata: 1\r\ndata: 2\n\nrest"

    assert [line[-9:] async for line in lines(crumbs())] == ["x" * 9, "data: 1", "data: 2", "", "rest"]


def test_every_beginning_of_json_is_one() -> None:
    document = {"a": [True, False, None, -1.5e-7, 12, 1e300, 'ä\n\u2028"', {}, [[]]], "é\\": {"b": "x"}, "": -0.0}
    for whole in (json.dumps(document), json.dumps(document, indent=1, ensure_ascii=False), "null", "-12.5e+10", "7"):
        for end in range(1, len(whole) + 1):
            assert not Growing().broken_by(whole[:end], True), whole[:end]
    for other in ("Seven", '{"a": no', "{tath", '{"a" 1', "nil", "+1", "NaN", "{'a'"):
        assert Growing().broken_by(other, True), other


def test_a_text_full_of_markers_is_gone_through_once() -> None:
    opening, closing = MARKERS["reasoning"]
    segments = Segments(("reasoning", "call"))
    found = [*segments.feed(f"{opening}\n{closing}\n\nx" * 200_000), *segments.rest()]
    assert "".join(said for part, said in found if part == "content") == "x" * 200_000


def test_a_call_that_is_nested_without_end_is_none() -> None:
    assert read_call('{"name": "f", "arguments": ' + "[" * 100_000, 0) is None
