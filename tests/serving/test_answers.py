"""Stop strings and whole answers, however the text arrives."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from brightrun_tui.serving.answers import AnswerStream, StopCutter, whole_answer
from brightrun_tui.serving.ask import Ask
from brightrun_tui.serving.llama_dialect import translated
from brightrun_tui.serving.sse import lines

letters = st.text("abc", max_size=12)


@given(st.lists(letters, max_size=8), st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=3))
def test_the_pieces_of_a_text_make_no_difference_to_where_it_stops(pieces: list[str], stops: list[str]) -> None:
    text = "".join(pieces)
    cutter = StopCutter(tuple(stops))
    got = "".join([*map(cutter.feed, pieces), cutter.rest()])
    complete = next((text[:n] for n in range(len(text) + 1) if any(s in text[:n] for s in stops)), None)
    expected = text if complete is None else complete[: min(complete.find(s) for s in stops if s in complete)]
    assert got == expected


def test_a_whole_answer_is_what_openais_client_makes_of_its_pieces() -> None:
    """Text, thoughts and calls of tools."""
    calls = [
        {"index": n, "id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": '{"at": "pier"}'}}
        for n, name in enumerate(("tide", "fog"))
    ]
    deltas = [
        {"role": "assistant"},
        {"reasoning_content": "Hm, "},
        {"reasoning_content": "fog."},
        {"content": "I lo"},
        {"content": "ok."},
        *({"tool_calls": [call]} for call in calls),
        {},
    ]
    pieces: list[dict[str, Any]] = [
        {
            "id": "a",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "harbour:1",
            "choices": [{"index": 0, "delta": delta}],
        }
        for delta in deltas
    ]
    pieces[-1]["choices"][0]["finish_reason"] = "tool_calls"
    pieces[-1]["usage"] = {"prompt_tokens": 3, "completion_tokens": 9, "total_tokens": 12}
    state = ChatCompletionStreamState()
    for piece in pieces:
        state.handle_chunk(ChatCompletionChunk.model_validate(piece))
    expected = state.get_final_completion().model_dump(exclude_none=True)
    whole = whole_answer(pieces, "chat")
    message = whole["choices"][0]["message"]
    assert message.pop("reasoning_content") == "Hm, fog."
    theirs = expected["choices"][0]["message"]
    assert message == {key: theirs[key] for key in ("role", "content")} | {
        "tool_calls": [
            {
                "id": call["id"],
                "type": call["type"],
                "function": {key: call["function"][key] for key in ("name", "arguments")},
            }
            for call in theirs["tool_calls"]
        ]
    }
    assert whole["choices"][0]["finish_reason"] == "tool_calls"
    assert {key: whole[key] for key in ("id", "object", "created", "model", "usage")} == {
        key: expected[key] for key in ("id", "object", "created", "model", "usage")
    }


@given(st.lists(st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"])), max_size=6), st.data())
async def test_lines_survive_any_cut_between_bytes(texts: list[str], data: st.DataObject) -> None:
    raw = "".join(f"{t}\n" for t in texts).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=5)))

    async def chunks() -> AsyncIterator[bytes]:
        for start, stop in zip([0, *cuts], [*cuts, len(raw)], strict=True):
            yield raw[start:stop]

    assert [line async for line in lines(chunks())] == texts


@pytest.mark.parametrize(
    "said", ["data: <html>", "data: [1]", "data: 7", 'data: {"error": {"message": "out of memory"}}']
)
async def test_what_is_no_answer_ends_the_answer_as_a_failure(said: str) -> None:
    """An engine elsewhere may say anything."""

    async def engine() -> AsyncIterator[str]:
        yield 'data: {"choices": [{"index": 0, "text": "Six", "finish_reason": null}]}'
        yield said
        yield 'data: {"choices": [{"index": 0, "text": " o\'clock", "finish_reason": "stop"}]}'

    ask = Ask("chat", "harbour", True, {}, messages=[])
    answer = AnswerStream(ask, "harbour:1")
    pieces = [answer.rewrite(line) async for line in translated(engine(), ask)]
    assert answer.failed and answer.text == "Six"
    assert "the model failed while answering" in pieces[-1]


async def deltas_of(text: str, size: int, ask: Ask) -> list[dict[str, Any]]:
    """What a caller gets when the model writes ``text``, told in pieces of ``size``."""
    cuts = [text[at : at + size] for at in range(0, len(text), size)]
    ends = [None] * (len(cuts) - 1) + ["stop"]

    async def from_engine() -> AsyncIterator[str]:
        for cut, end in zip(cuts, ends, strict=True):
            yield f"data: {json.dumps({'choices': [{'index': 0, 'text': cut, 'finish_reason': end}]})}"

    pieces = [json.loads(line[5:]) async for line in translated(from_engine(), ask)]
    return [choice["delta"] for piece in pieces for choice in piece["choices"]]


def calling(one_call: bool = False) -> Ask:
    return Ask("chat", "harbour", False, {}, messages=[], tools=[{"type": "function"}], one_call=one_call)


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("between", ["", "\n", "\n\n"])
@pytest.mark.parametrize(("one_call", "names"), [(False, ["tide", "fog"]), (True, ["tide"])])
async def test_calls_that_follow_one_another_are_told_apart(
    size: int, between: str, one_call: bool, names: list[str]
) -> None:
    said = between.join(f'<tool_call>{{"name": "{name}", "arguments": {{}}}}</tool_call>' for name in ("tide", "fog"))
    deltas = await deltas_of("I look.\n" + said + between, size, calling(one_call))
    assert [call["function"]["name"] for delta in deltas for call in delta.get("tool_calls") or ()] == names
    assert "".join(delta.get("content") or "" for delta in deltas).strip() == "I look."


async def test_an_answer_without_calls_keeps_its_empty_lines() -> None:
    said = "\nAt six.\n\nPerhaps.\n"
    deltas = await deltas_of(said, 1, calling())
    assert "".join(delta.get("content") or "" for delta in deltas) == said


@pytest.mark.parametrize("wanted", [0, 1])
async def test_the_older_dialect_tells_likelihoods_and_where_each_token_begins(wanted: int) -> None:
    tokens = [
        {"token": text, "logprob": -0.5, "top_logprobs": [{"token": text, "logprob": -0.5}]} for text in ("ab", "c")
    ]
    piece = {
        "choices": [
            {"index": 0, "text": "c", "finish_reason": None, "logprobs": {"content": [each]}} for each in tokens
        ]
    }

    async def from_engine() -> AsyncIterator[str]:
        yield f"data: {json.dumps(piece)}"

    ask = Ask("completions", "harbour", False, {}, prompt="x", logprobs=wanted)
    pieces = [json.loads(line[5:]) async for line in translated(from_engine(), ask)]
    told = [choice["logprobs"] for piece in pieces for choice in piece["choices"]]
    assert [each["text_offset"] for each in told] == [[0], [2]]
    assert [each["tokens"] for each in told] == [["ab"], ["c"]]
    assert [len(each["top_logprobs"][0]) for each in told] == [wanted, wanted]
