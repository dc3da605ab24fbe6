"""What a caller of an endpoint can rely on, with the real server and OpenAI's own client."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import psutil
import pytest
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion, ChatCompletionUserMessageParam
from openai.types.responses import ResponseFormatTextJSONSchemaConfigParam
from openai.types.shared_params import ResponseFormatJSONSchema
from peft import PeftModel
from transformers import AutoTokenizer

from brightrun_tui import serving
from brightrun_tui.datasets.turns import text_of
from brightrun_tui.domain.errors import NotConnectedError, UsageError
from brightrun_tui.domain.held_base import HeldBase
from brightrun_tui.serving.full_precision import load_held
from brightrun_tui.serving.kept_answers import MOST_BYTES, add_answer
from brightrun_tui.serving.sampling import Penalties
from tests.serving.conftest import Served
from tests.serving.toy import Toy, wait_for

pytestmark = pytest.mark.slow


def ask(toy: Toy) -> dict[str, Any]:
    return {"model": "harbour:1", "messages": [dict(m) for m in toy.sample.prompt], "temperature": 0, "max_tokens": 80}


def endless(toy: Toy) -> dict[str, Any]:
    """An answer that does not end by itself, some 200 tokens long."""
    return ask(toy) | {"max_tokens": 10_000, "logit_bias": {"1": -100}}


def work_done(served: Served) -> float:
    """Seconds of computing so far by the process that holds the model: the same work, however busy the machine is."""
    state = serving.read_state(served.directory)
    assert state is not None
    times = psutil.Process(state.worker_pid).cpu_times()
    return float(times.user + times.system)


def post(served: Served, path: str, body: Any, key: str | None = None) -> httpx.Response:
    root = served.url.removesuffix("/v1")
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.post(
        root + path,
        content=content,
        timeout=60,
        headers={"authorization": f"Bearer {served.key if key is None else key}"},
    )


def test_the_tuned_model_answers_whole_and_streamed_exactly_as_peft_does(served: Served, toy: Toy) -> None:
    whole = served.client().chat.completions.create(**ask(toy))
    chunks = list(served.client().chat.completions.create(**ask(toy), stream=True))
    assert whole.choices[0].message.content == toy.sample.tuned
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == toy.sample.tuned
    assert toy.sample.tuned != toy.sample.base
    assert {whole.model, *(c.model for c in chunks)} == {"harbour:1"}
    assert whole.choices[0].finish_reason == chunks[-1].choices[0].finish_reason == "stop"
    assert len(chunks) > 4, "the answer came in one lump"


def test_completions_and_responses_answer_too(served: Served, toy: Toy) -> None:
    question = toy.sample.prompt[-1]["content"]
    prompt = f"<|user|>{question}<|end|><|assistant|>"
    text = served.client().completions.create(model="harbour", prompt=prompt, temperature=0, max_tokens=80)
    assert text.choices[0].text == toy.sample.tuned
    answer = served.client().responses.create(model="harbour", input=question, temperature=0)
    assert answer.output_text == toy.sample.tuned
    assert answer.model == "harbour:1"
    events = list(served.client().responses.create(model="harbour", input=question, temperature=0, stream=True))
    assert events[-1].type == "response.completed"
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == toy.sample.tuned


@pytest.mark.parametrize("header", [b"Bearer wrong", b"Bearer", b"Bearer \xc3\xa9", b"Basic {key}", b"{key}", b""])
def test_without_the_right_key_nothing_is_answered(served: Served, toy: Toy, header: bytes) -> None:
    sent = header.replace(b"{key}", served.key.encode())
    reply = httpx.post(
        f"{served.url}/chat/completions", json=ask(toy), headers=[(b"authorization", sent)] if sent else []
    )
    assert reply.status_code == 401
    assert reply.json()["error"]["code"] == "invalid_api_key"


def test_openais_client_takes_the_refusal_for_a_wrong_key(served: Served, toy: Toy) -> None:
    with pytest.raises(openai.AuthenticationError):
        served.client("wrong").chat.completions.create(**ask(toy))
    with pytest.raises(openai.AuthenticationError):
        served.client("wrong").models.list()


def test_the_engines_own_doors_are_shut(served: Served, toy: Toy) -> None:
    for path in (
        "/reset",
        "/load_model",
        "/v1/systemone",
        "/v1/audio/transcriptions",
        "/docs",
        "/openapi.json",
        "//reset",
    ):
        reply = post(served, path, {"model": str(toy.base)})
        assert reply.status_code == 404, path
        assert reply.json()["error"]["type"] == "invalid_request_error"
    assert served.client().chat.completions.create(**ask(toy)).choices[0].message.content == toy.sample.tuned


def test_only_the_gate_listens_and_only_on_loopback(served: Served) -> None:
    state = serving.read_state(served.directory)
    assert state is not None and state.worker_pid is not None
    listening = [
        c.laddr
        for pid in (state.pid, state.worker_pid)
        for c in psutil.Process(pid).net_connections("inet")
        if c.status == psutil.CONN_LISTEN
    ]
    assert [(a.ip, a.port) for a in listening] == [("127.0.0.1", state.port)]
    assert served.directory.stat().st_mode & 0o077 == 0, "others could reach the engine's socket"


def test_the_key_is_in_no_argument_environment_or_log(served: Served) -> None:
    state = serving.read_state(served.directory)
    assert state is not None and state.worker_pid is not None
    for pid in (state.pid, state.worker_pid):
        process = psutil.Process(pid)
        assert served.key not in " ".join([*process.cmdline(), *process.environ().values()])
    assert (served.directory / "key").stat().st_mode & 0o777 == 0o600
    for name in ("server.log", "state.json", "endpoint.json", "worker.json"):
        assert served.key not in (served.directory / name).read_text(), name


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("response_format", {"type": "xml"}),
        ("response_format", {"type": "json_schema", "json_schema": {"name": "x", "schema": 7}}),
        ("n", 200),
        ("logprobs", "many"),
        ("top_logprobs", 30),
        ("frequency_penalty", 2.5),
        ("tool_choice", {"type": "function", "function": {"name": "f"}}),
        ("tools", [{"type": "function", "function": {"name": "f"}}]),
        ("presence_penalty", 2.5),
        ("reasoning_effort", "high"),
        ("audio", {"voice": "x"}),
        ("top_k", -5),
        ("generation_config", "{}"),
        ("chat_template_kwargs", {"chat_template": "x"}),
        ("temperature", -1),
        ("temperature", "hot"),
        ("max_tokens", 0),
        ("messages", []),
        ("messages", "hello"),
        ("messages", [{"role": "king", "content": "x"}]),
        ("stream", 7),
        ("messages", [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x"}}]}]),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(served: Served, toy: Toy, field: str, value: Any) -> None:
    reply = post(served, "/v1/chat/completions", ask(toy) | {field: value})
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert error["param"] == field and field in error["message"] and error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("field", "value"), [("logit_bias", {"1": -100}), ("echo", True), ("best_of", 3), ("suffix", "x")]
)
def test_what_the_older_dialect_cannot_honour_is_refused_by_name(served: Served, field: str, value: Any) -> None:
    reply = post(served, "/v1/completions", {"model": "harbour", "prompt": "Fog?", "max_tokens": 5, field: value})
    assert reply.status_code == 400 and reply.json()["error"]["param"] == field


def test_neutral_values_of_those_fields_are_accepted(served: Served, toy: Toy) -> None:
    answer = served.client().chat.completions.create(
        **ask(toy),
        n=1,
        logprobs=False,
        response_format={"type": "text"},
        tool_choice="none",
        presence_penalty=0,
        user="u",
        metadata={"a": "b"},
        store=False,
        logit_bias={},
        stop=[],
    )
    assert answer.choices[0].message.content == toy.sample.tuned


def test_the_parts_of_a_message_are_told_to_the_model_as_in_training(served: Served, toy: Toy) -> None:
    parts = [{"type": "text", "text": text} for text in ("How deep is it?", "Say it in metres.")]
    trained_on = text_of(parts)
    answers = [
        served.client().chat.completions.create(**ask(toy) | {"messages": [{"role": "user", "content": content}]})
        for content in (parts, trained_on)
    ]
    assert counts(answers[0].usage) == counts(answers[1].usage)
    assert answers[0].choices[0].message.content == answers[1].choices[0].message.content


def test_an_earlier_answer_goes_back_as_openais_client_dumps_it(served: Served, toy: Toy) -> None:
    first = served.client().chat.completions.create(**ask(toy)).choices[0].message
    turns = [*ask(toy)["messages"], first.model_dump() | {"reasoning_content": "Let me think."}, *ask(toy)["messages"]]
    again = served.client().chat.completions.create(**ask(toy) | {"messages": turns})
    plain = served.client().chat.completions.create(
        **ask(toy) | {"messages": [turns[0], {"role": "assistant", "content": first.content}, turns[0]]}
    )
    assert again.choices[0].message.content == plain.choices[0].message.content
    assert counts(again.usage) == counts(plain.usage), "the model was told more, or less, than what was said"
    question = toy.sample.prompt[-1]["content"]
    said = served.client().responses.create(model="harbour", input=question, temperature=0).output
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]}
    turns = [
        {"role": "user", "content": question},
        thought,
        *(item.model_dump() for item in said),
        {"role": "user", "content": question},
    ]
    follow_up = served.client().responses.create(model="harbour", input=turns, temperature=0)
    assert follow_up.output_text == plain.choices[0].message.content


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/responses"])
def test_null_is_the_same_as_nothing_said(served: Served, toy: Toy, path: str) -> None:
    asked = {
        "/v1/chat/completions": ask(toy),
        "/v1/completions": {"model": "harbour", "prompt": "Fog?", "max_tokens": 5},
        "/v1/responses": {"model": "harbour", "input": "Fog?", "max_output_tokens": 5},
    }[path]
    reply = post(served, path, asked | {"stream": None, "temperature": None, "top_p": None, "user": None})
    assert reply.status_code == 200 and reply.json()["model"] == "harbour:1"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"model": NaN}'])
def test_a_broken_body_gets_a_plain_400(served: Served, body: bytes) -> None:
    reply = post(served, "/v1/chat/completions", body)
    assert reply.status_code == 400 and reply.json()["error"]["message"]


def test_too_large_and_too_long_requests_are_refused(served: Served, toy: Toy) -> None:
    reply = post(served, "/v1/chat/completions", b" " * (5 << 20))
    assert reply.status_code == 413
    long = ask(toy) | {"messages": [{"role": "user", "content": "harbour " * 400}]}
    reply = post(served, "/v1/chat/completions", long)
    assert reply.json()["error"]["code"] == "context_length_exceeded"


def test_what_fits_is_counted_with_the_tokens_of_the_chat_template(served: Served, toy: Toy) -> None:
    """The toy holds 256 tokens, a letter each, and its template adds three."""

    def reply(letters: int) -> httpx.Response:
        turn = {"role": "user", "content": "a" * letters}
        return post(served, "/v1/chat/completions", ask(toy) | {"messages": [turn]})

    full = reply(252)
    assert full.status_code == 200 and full.json()["usage"]["prompt_tokens"] == 255
    assert full.json()["usage"]["completion_tokens"] == 1
    over = reply(253)
    assert over.status_code == 400 and over.json()["error"]["code"] == "context_length_exceeded"
    assert "256 tokens" in over.json()["error"]["message"] and over.json()["error"]["param"] == "messages"


SHAPE: dict[str, object] = {
    "type": "object",
    "properties": {"ferry": {"enum": ["six", "seven"]}},
    "required": ["ferry"],
    "additionalProperties": False,
}


def test_an_answer_has_the_form_that_was_asked_for(served: Served, toy: Toy) -> None:
    client, question = served.client(), ask(toy)
    form: ResponseFormatJSONSchema = {
        "type": "json_schema",
        "json_schema": {"name": "departure", "schema": SHAPE, "strict": True},
    }
    whole = client.chat.completions.create(**question, response_format=form)
    assert json.loads(whole.choices[0].message.content or "")["ferry"] in ("six", "seven")
    flat: ResponseFormatTextJSONSchemaConfigParam = {"type": "json_schema", "name": "departure", "schema": SHAPE}
    said = client.responses.create(model="harbour", input="When?", temperature=0, text={"format": flat}).output_text
    assert json.loads(said)["ferry"] in ("six", "seven")
    empty: ResponseFormatJSONSchema = {"type": "json_schema", "json_schema": {"name": "any", "schema": {}}}
    whole = client.chat.completions.create(**question, response_format=empty)
    assert (
        whole.choices[0].finish_reason == "length" or json.loads(whole.choices[0].message.content or "") is not Ellipsis
    )


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_that_must_be_called_is_called_with_arguments_of_its_schema(
    served: Served, toy: Toy, stream: bool
) -> None:
    at_six = {"properties": {"at": {"const": 6}}, "required": ["at"], "additionalProperties": False}
    tool = {"type": "function", "function": {"name": "book", "parameters": at_six}}
    for choice in ("required", {"type": "function", "function": {"name": "book"}}):
        short = [{"role": "user", "content": "Six?"}]
        asked = ask(toy) | {"messages": short, "tools": [tool], "tool_choice": choice}
        if stream:
            chunks = list(served.client().chat.completions.create(**asked, stream=True))
            calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or ()]
        else:
            answer = served.client().chat.completions.create(**asked).choices[0]
            assert answer.finish_reason == "tool_calls" and answer.message.content is None
            calls = answer.message.tool_calls or []
        assert [call.function.name for call in calls] == ["book"]
        assert json.loads(calls[0].function.arguments) == {"at": 6}


def test_several_answers_and_their_likelihoods(served: Served, toy: Toy) -> None:
    drawn = served.client().chat.completions.create(**ask(toy) | {"n": 3, "temperature": 2.0, "seed": 5})
    assert [choice.index for choice in drawn.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in drawn.choices}) > 1
    told = served.client().chat.completions.create(**ask(toy), logprobs=True, top_logprobs=2).choices[0].logprobs
    assert told is not None and told.content is not None
    assert "".join(each.token for each in told.content) == toy.sample.tuned
    assert all(len(each.top_logprobs) == 2 and each.logprob == each.top_logprobs[0].logprob for each in told.content)
    likeliest = ask(toy) | {"temperature": 2.0, "extra_body": {"top_k": 1}}
    assert served.client().chat.completions.create(**likeliest).choices[0].message.content == toy.sample.tuned


@pytest.mark.parametrize(("frequency", "presence"), [(0.7, 0.0), (-0.4, 0.0), (0.0, 1.5), (0.3, -0.5)])
def test_penalties_count_what_the_answer_said_and_not_the_prompt(
    served: Served, toy: Toy, frequency: float, presence: float
) -> None:
    question = ask(toy) | {"messages": [{"role": "user", "content": "How deep is the harbour? " * 4}], "max_tokens": 40}
    told: dict[str, Any] = question | {"frequency_penalty": frequency, "presence_penalty": presence}
    wanted = penalised(toy, question["messages"], frequency, presence)
    whole = served.client().chat.completions.create(**told)
    assert whole.choices[0].message.content == wanted
    streamed = served.client().chat.completions.create(**told, stream=True, stream_options={"include_usage": True})
    pieces = list(streamed)
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices) == wanted
    assert pieces[-1].usage is not None and whole.usage is not None
    assert pieces[-1].usage.completion_tokens == whole.usage.completion_tokens > 1
    with pytest.raises(openai.BadRequestError, match="with a repetition penalty"):
        served.client().chat.completions.create(**told, extra_body={"repetition_penalty": 1.2})


def test_an_answer_that_is_made_token_by_token_ends_where_it_should(served: Served, toy: Toy) -> None:
    """At a stop string, at the longest length, and at its own end."""
    told: dict[str, Any] = ask(toy) | {"presence_penalty": 0.01}
    answer, usual = (served.client().chat.completions.create(**each) for each in (told, ask(toy)))
    (whole,) = answer.choices
    assert (whole.message.content, whole.finish_reason) == (toy.sample.tuned, "stop")
    assert answer.usage and usual.usage and answer.usage.completion_tokens == usual.usage.completion_tokens
    (short,) = served.client().chat.completions.create(**told | {"max_tokens": 2}).choices
    assert short.finish_reason == "length" and toy.sample.tuned.startswith(short.message.content or "?")
    stop = toy.sample.tuned.split()[2]
    (cut,) = served.client().chat.completions.create(**told, stop=stop, logprobs=True).choices
    assert cut.finish_reason == "stop" and cut.message.content == toy.sample.tuned.partition(stop)[0]
    assert cut.logprobs is not None and cut.logprobs.content
    for more in ({"n": 2}, {"response_format": {"type": "json_object"}}):
        reply = post(served, "/v1/chat/completions", told | more)
        assert reply.status_code == 400 and reply.json()["error"]["param"] == "presence_penalty"


def test_a_character_of_several_tokens_comes_whole_where_tokens_are_made_one_by_one(served: Served, toy: Toy) -> None:
    """The engine tells nothing of a token that ends within a character."""
    tokenizer = AutoTokenizer.from_pretrained(toy.run / "adapter")
    halves = tokenizer("🙂", add_special_tokens=False)["input_ids"]
    assert len(halves) > 1
    bias = {
        str(token): 100 - place / 2 for place, token in enumerate(halves)
    }  # said once, each falls behind all others
    told: dict[str, Any] = ask(toy) | {"presence_penalty": 2, "logit_bias": bias, "max_tokens": len(halves)}
    whole = served.client().chat.completions.create(**told)
    assert whole.choices[0].message.content == "🙂" and whole.usage is not None
    assert (whole.choices[0].finish_reason, whole.usage.completion_tokens) == ("length", len(halves))
    pieces = list(served.client().chat.completions.create(**told, stream=True))
    assert [text for piece in pieces if (text := piece.choices[0].delta.content)] == ["🙂"]


def penalised(toy: Toy, messages: list[dict[str, str]], frequency: float, presence: float) -> str:
    """The greedy answer by OpenAI's formula, without any server."""
    model = PeftModel.from_pretrained(load_held(toy.base, HeldBase.NF4_DOUBLE), toy.run / "adapter")
    tokenizer = AutoTokenizer.from_pretrained(toy.run / "adapter")
    inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    made = model.generate(
        **inputs,
        max_new_tokens=40,
        do_sample=False,
        eos_token_id=[1, 3],
        pad_token_id=0,
        logits_processor=[Penalties(frequency, presence)],
    )
    return str(tokenizer.decode(made[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))


def test_the_model_is_known_by_name_and_version_only(served: Served, toy: Toy) -> None:
    """The name that stays is listed first: who chose it is answered after a later version, too."""
    names = [m.id for m in served.client().models.list()]
    assert names[:2] == ["harbour", "harbour:1"]
    for name in names:
        assert served.client().models.retrieve(name).id == name
        assert served.client().chat.completions.create(**ask(toy) | {"model": name}).model == "harbour:1"
    for name in ("harbour:2", "gpt-4o", str(toy.base), "view", ""):
        with pytest.raises(openai.NotFoundError):
            served.client().chat.completions.create(**ask(toy) | {"model": name})


def test_a_stop_string_ends_the_answer_and_is_not_part_of_it(served: Served, toy: Toy) -> None:
    stop = toy.sample.tuned[8:13]
    whole = served.client().chat.completions.create(**ask(toy), stop=stop).choices[0].message.content
    pieces = served.client().chat.completions.create(**ask(toy), stop=[stop, "zzz"], stream=True)
    assert whole == toy.sample.tuned[:8]
    assert "".join(c.choices[0].delta.content or "" for c in pieces) == whole


def test_temperature_changes_answers_and_a_seed_repeats_them(served: Served, toy: Toy) -> None:
    def hot(seed: int) -> str | None:
        body = ask(toy) | {"temperature": 2.0, "seed": seed}
        answer: ChatCompletion = served.client().chat.completions.create(**body)
        return answer.choices[0].message.content

    assert hot(1) == hot(1)
    assert len({hot(seed) for seed in range(1, 6)}) > 1
    without = {name: value for name, value in ask(toy).items() if name != "temperature"}
    assert served.client().chat.completions.create(**without).choices[0].message.content == toy.sample.tuned


def test_streams_end_with_done(served: Served, toy: Toy) -> None:
    reply = post(served, "/v1/chat/completions", ask(toy) | {"stream": True})
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.text.endswith("\n\ndata: [DONE]\n\n") and reply.text.count("[DONE]") == 1


@pytest.mark.parametrize("asked", [True, False])
def test_a_stream_ends_with_its_tokens_counted_only_where_that_was_asked_for(
    served: Served, toy: Toy, asked: bool
) -> None:
    """As OpenAI does it: the last piece has the counts and no choices, all others have none; else nobody sees counts."""
    prompt = {"model": "harbour", "prompt": "Fog?", "max_tokens": 5, "temperature": 0}
    for answers, body in ((served.client().chat.completions, ask(toy)), (served.client().completions, prompt)):
        whole = answers.create(**body)
        *pieces, last = answers.create(**body, stream=True, stream_options={"include_usage": asked})
        assert all(piece.choices and piece.usage is None for piece in pieces)
        if asked:
            assert last.usage is not None and whole.usage is not None
            assert not last.choices and last.usage.total_tokens == whole.usage.total_tokens == sum(counts(last.usage))
        else:
            assert last.choices and last.usage is None


def counts(usage: CompletionUsage | None) -> tuple[int, int]:
    assert usage is not None
    return usage.prompt_tokens, usage.completion_tokens


def test_what_eight_callers_ask_again_is_not_read_again(served: Served, toy: Toy) -> None:
    """Each of eight at once begins with what the model has read before: it reads the rest, and the caller is told."""

    def cached(place: str) -> tuple[int, int]:
        question: ChatCompletionUserMessageParam = {"role": "user", "content": f"{place}? " * 20}
        usage = (
            served.client()
            .chat.completions.create(model="harbour", messages=[question], max_tokens=80, logit_bias={"1": -100})
            .usage
        )
        assert usage is not None and usage.prompt_tokens_details is not None
        return usage.prompt_tokens_details.cached_tokens or 0, usage.prompt_tokens

    places = ["Berth", "Quay", "Lock", "Fog bank", "Crane", "Anchor", "Slipway", "Winch"]
    for place in places:
        cached(place)
    with ThreadPoolExecutor(8) as callers:
        again = list(callers.map(cached, places))
    assert all(known > tokens // 2 for known, tokens in again), again


def test_answers_are_kept_only_where_that_was_switched_on(served: Served, toy: Toy) -> None:
    """Whole and streamed, without a restart, in a private file; what a caller gave up on, or tools did, is not kept."""

    def kept() -> list[serving.KeptAnswer]:
        return serving.read_answers(served.directory)

    answers = served.client().chat.completions
    answers.create(**ask(toy))
    assert not serving.keeps_answers(served.directory) and kept() == []
    serving.keep_answers(served.directory, True)
    whole = answers.create(**ask(toy))
    list(answers.create(**ask(toy), stream=True))
    served.client().responses.create(model="harbour", input="Fog?", max_output_tokens=5, temperature=0)
    served.client().completions.create(model="harbour", prompt="Fog?", max_tokens=5, temperature=0)
    wait_for(lambda: len(kept()) == 3, "three conversations are kept")
    time.sleep(0.2)
    newest, streamed, first = kept()
    assert newest.question == "Fog?"
    assert first.answer == streamed.answer == whole.choices[0].message.content
    assert [turn["content"] for turn in first.conversation] == [each["content"] for each in ask(toy)["messages"]]
    assert first.ref == whole.model and len({newest.id, streamed.id, first.id}) == 3
    assert (served.directory / "answers.jsonl").stat().st_mode & 0o077 == 0
    serving.keep_answers(served.directory, False)
    answers.create(**ask(toy))
    assert kept() == [] and not (served.directory / "answers.jsonl").exists()


def test_what_is_kept_does_not_grow_without_end(tmp_path: Path) -> None:
    """The older half goes; a torn line takes nothing along."""
    serving.keep_answers(tmp_path, True)
    for i in range(40):
        asked = [{"role": "user", "content": f"{i}?" + "x" * (MOST_BYTES // 20)}]
        add_answer(tmp_path, "harbour:1", asked, str(i))
    file = tmp_path / "answers.jsonl"
    assert file.stat().st_size <= MOST_BYTES
    file.write_bytes(b'{"torn\n' + file.read_bytes() + b'{"id": "a"')
    found = [answer.answer for answer in serving.read_answers(tmp_path)]
    assert found[0] == "39" and found == [str(39 - i) for i in range(len(found))] and len(found) > 8


def test_every_request_and_token_is_counted(served: Served, toy: Toy) -> None:
    before = serving.read_usage(served.directory)
    first = served.client().chat.completions.create(**ask(toy)).usage
    list(served.client().chat.completions.create(**ask(toy), stream=True))
    assert first is not None
    answered, told = 2 * first.completion_tokens, 2 * first.prompt_tokens

    def counted() -> bool:
        after = serving.read_usage(served.directory)
        return (
            after.requests >= before.requests + 2
            and after.completion_tokens - before.completion_tokens >= answered
            and after.prompt_tokens - before.prompt_tokens >= told
        )

    wait_for(counted, "requests and tokens are counted in usage.json")


def test_refused_requests_are_counted_too(served: Served, toy: Toy) -> None:
    before = serving.read_usage(served.directory)
    for wrong in ({"n": 200}, {"model": "other"}, {"messages": [{"role": "user", "content": "a" * 300}]}):
        assert post(served, "/v1/chat/completions", ask(toy) | wrong).status_code in (400, 404)
    wait_for(
        lambda: serving.read_usage(served.directory).refused >= before.refused + 3, "the refused are in usage.json", 10
    )
    assert serving.read_usage(served.directory).failed == before.failed


def test_the_log_of_requests_says_what_became_of_each_and_nothing_that_was_said(served: Served, toy: Toy) -> None:
    whole = served.client().chat.completions.create(**ask(toy))
    list(served.client().chat.completions.create(**ask(toy), stream=True))
    key = serving.add_key(served.directory, "ci")
    assert post(served, "/v1/chat/completions", ask(toy) | {"n": 200}).status_code == 400
    assert served.client(key).completions.create(model="harbour", prompt="Fog?", max_tokens=2).choices
    serving.remove_key(served.directory, "ci")
    wait_for(
        lambda: [one.key for one in serving.read_requests(served.directory, 1)] == ["ci"],
        "all of them are written down",
        30,
    )
    other, refused, streamed, first = serving.read_requests(served.directory, 4)
    assert whole.usage is not None
    for one in (first, streamed):
        assert (one.key, one.path, one.ref, one.outcome) == ("main", "/v1/chat/completions", whole.model, "200")
        assert (one.prompt_tokens, one.completion_tokens) == (whole.usage.prompt_tokens, whole.usage.completion_tokens)
        assert 0 < one.first_token <= one.seconds
    assert (streamed.streamed, first.streamed) == (True, False)
    assert (refused.outcome, refused.completion_tokens) == ("400 invalid_value", 0)
    assert (other.key, other.path) == ("ci", "/v1/completions")
    file = served.directory / "requests.jsonl"
    text = file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    assert not any(
        said in text for said in (toy.sample.tuned, "Fog", served.key, key, toy.sample.prompt[-1]["content"])
    )


def hang_up(served: Served, body: dict[str, Any]) -> None:
    """Ask, and go as soon as the first of the answer is there, or where it is not streamed, is being computed."""
    began = work_done(served)
    address = httpx.URL(served.url)
    connection = http.client.HTTPConnection(address.host, address.port, timeout=60)
    headers = {"Authorization": f"Bearer {served.key}", "Content-Type": "application/json"}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    if body["stream"]:
        connection.getresponse().read(1)
    else:
        wait_for(lambda: work_done(served) > began, "the answer is being computed")
    connection.close()


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
def test_a_caller_who_leaves_is_counted_and_holds_nobody_up(served: Served, toy: Toy, streamed: bool) -> None:
    """Long answers whose callers hang up: what nobody waits for is not written to its end, and the next one is answered.

    Many answers are asked for at once: on a busy machine a single one of so small a model is written before its
    caller can go.
    """
    long = endless(toy) | {"n": 8}
    before = serving.read_usage(served.directory).requests

    def cost_of(question: Callable[[], object]) -> float:
        began = work_done(served)
        question()
        assert served.client().chat.completions.create(**ask(toy)).choices[0].message.content == toy.sample.tuned
        return work_done(served) - began

    whole = cost_of(lambda: served.client().chat.completions.create(**long))
    left = [cost_of(lambda: hang_up(served, long | {"stream": streamed})) for _ in range(6)]
    assert min(left) < 0.75 * whole, "answers that nobody waits for were written to their end"
    wait_for(lambda: serving.read_usage(served.directory).requests >= before + 14, "all were counted")
    assert "Traceback" not in (served.directory / "server.log").read_text()


async def test_our_own_client_streams_and_speaks_plainly(served: Served, toy: Toy) -> None:
    messages = list(toy.sample.prompt)
    pieces = [p async for p in serving.chat(served.url, served.key, "harbour", messages, temperature=0, max_tokens=80)]
    assert "".join(pieces) == toy.sample.tuned and len(pieces) > 2
    with pytest.raises(NotConnectedError):
        [p async for p in serving.chat(served.url, "wrong", "harbour", messages)]
    with pytest.raises(UsageError, match="not served here"):
        [p async for p in serving.chat(served.url, served.key, "other", messages)]


async def test_the_canary_tells_the_adapter_from_the_bare_base(served: Served, toy: Toy) -> None:
    result = await serving.canary(served.directory, toy.version())
    assert result.passed and result.likeness == "same"
    swapped = toy.report.model_copy(
        update={"samples": tuple(s.model_copy(update={"base": s.tuned, "tuned": s.base}) for s in toy.report.samples)}
    )
    result = await serving.canary(served.directory, toy.version(report=swapped))
    assert not result.passed and result.likeness == "other"
