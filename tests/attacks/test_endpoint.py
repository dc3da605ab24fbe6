"""An endpoint under attack, by callers with and without its key, and by the model that it serves."""

from __future__ import annotations

import asyncio
import json
import resource
import shutil
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from pydantic import ValidationError

from brightrun_tui import serving
from brightrun_tui.domain.chat_template import ENDLESS
from brightrun_tui.serving import front, openai_requests
from brightrun_tui.serving.ask import RequestRefused
from brightrun_tui.serving.openai_requests import parse
from brightrun_tui.serving.plan import EndpointPlan, read_plan
from brightrun_tui.serving.process import LOG, MAX_LOG_BYTES, shorten_log
from brightrun_tui.serving.prompts import TOO_LARGE, Prompts
from tests.serving.conftest import Served, served, toy  # noqa: F401
from tests.serving.toy import Toy, end, settled, wait_for

pytestmark = pytest.mark.slow

HALF_A_REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n"
PLAN = EndpointPlan(
    id="e",
    model="harbour",
    version=1,
    base_id="b",
    base="",
    adapter="",
    quantisation="none",
    context_length=256,
    vocabulary=300,
    tools=True,
)
CHAT = "/v1/chat/completions"


def body(**changes: Any) -> bytes:
    return json.dumps(
        {
            "model": "harbour:1",
            "messages": [{"role": "user", "content": "How deep is the harbour?"}],
            "temperature": 0,
            "max_tokens": 12,
        }
        | changes
    ).encode()


def call(**function: Any) -> list[dict[str, Any]]:
    return [{"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": function}]}]


HOSTILE = [
    ("stop", body(stop="x" * 100_000)),
    ("stop", body(stop=["y" * 65])),
    ("stop", body(stop=["z"] * 17)),
    ("temperature", body(temperature=2.01)),
    ("top_p", body(top_p=0)),
    ("top_p", body(top_p=-1e-300)),
    ("n", body(n=10**9)),
    ("seed", body(seed=2**63)),
    ("max_tokens", body(max_tokens=10**12)),
    ("max_tokens", body(max_tokens=-1)),
    ("frequency_penalty", body(frequency_penalty=2.1)),
    ("presence_penalty", body(presence_penalty="much")),
    ("logit_bias", body(logit_bias={"300": 1})),
    ("logit_bias", body(logit_bias={"999999999": 1})),
    ("logit_bias", body(logit_bias={"9" * 50: 1})),
    ("logit_bias", body(logit_bias={"٣": 1})),
    ("logit_bias", body(logit_bias={"-1": 1})),
    ("logit_bias", body(logit_bias={str(n): 0 for n in range(1025)})),
    ("messages", body(messages=[{"role": "user", "content": "a"}] * 4097)),
    ("messages", body(messages={"role": "user"})),
    ("messages", body(messages=call(name="f", arguments="{not json"))),
    ("messages", body(messages=call(name="f", arguments="[]"))),
    ("messages", body(messages=call(arguments="{}"))),
    ("messages", body(messages=call(name="f", arguments='{"a": NaN}'))),
    ("messages", body(messages=[{"role": "assistant", "tool_calls": "all"}])),
    ("tools", body(tools=[{"type": "function", "function": {}}] * 129)),
    ("tools", body(tools=[7])),
    ("user", body(user="u" * 513)),
    ("metadata", body(metadata={str(n): "" for n in range(17)})),
    ("model", body(model="m" * 513)),
]
NOT_JSON = [
    body(messages=[{"role": "user", "content": "\ud800"}]),
    body(temperature=float("nan")),
    body(temperature=float("inf")),
    b"[" * 1000 + b"]" * 1000,
    b'{"a":' * 1000 + b"1" + b"}" * 1000,
    b"\xff" * 100,
    b'{"max_tokens": 1' + b"0" * 5000 + b"}",
    b"",
]


@pytest.mark.parametrize(("field", "content"), HOSTILE, ids=[f"{n}-{field}" for n, (field, _) in enumerate(HOSTILE)])
def test_what_is_out_of_bounds_is_refused_by_name(field: str, content: bytes) -> None:
    with pytest.raises(RequestRefused) as refused:
        parse(CHAT, content, PLAN)
    assert refused.value.status == 400
    assert refused.value.body["error"]["param"] == field and field in str(refused.value)


@pytest.mark.parametrize("content", NOT_JSON, ids=range(len(NOT_JSON)))
def test_what_is_no_json_is_refused(content: bytes) -> None:
    with pytest.raises(RequestRefused, match=r"not JSON|must be a JSON object|missing"):
        parse(CHAT, content, PLAN)


def post(served: Served, content: bytes) -> httpx.Response:
    return httpx.post(
        f"{served.url}/chat/completions", content=content, timeout=60, headers={"authorization": f"Bearer {served.key}"}
    )


def test_the_real_endpoint_refuses_all_of_it_without_a_traceback_and_counts_it(served: Served) -> None:
    before = serving.read_usage(served.directory).refused
    asked = [content for _, content in HOSTILE] + NOT_JSON
    assert {post(served, content).status_code for content in asked} <= {400, 404}
    wait_for(
        lambda: serving.read_usage(served.directory).refused >= before + len(asked), "the refused were counted", 10
    )
    assert "Traceback" not in (served.directory / LOG).read_text()


def test_a_temperature_next_to_nothing_is_the_likeliest_answer(served: Served) -> None:
    answers = [post(served, body(temperature=t)).json()["choices"][0]["message"]["content"] for t in (0, 1e-300, 1e-9)]
    assert answers[0] == answers[1] == answers[2] and answers[0]


def test_long_prompts_do_not_keep_others_waiting_for_their_counting(served: Served) -> None:
    """Four megabytes are refused by their size; nobody's tokenizer looks at them."""
    reply = post(served, body(messages=[{"role": "user", "content": "a " * 2_000_000}]))
    assert reply.status_code == 400 and reply.json()["error"]["code"] == "context_length_exceeded"
    assert "4000000 bytes" in reply.json()["error"]["message"]


DOUBTFUL = {
    "two kinds of length": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ncontent-length: 4\r\n\r\nabcd",
    "lengths that differ": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4, 5\r\n\r\nabcd",
    "a folded header": b"GET /health HTTP/1.1\r\nhost: a\r\nx: a\r\n b\r\n\r\n",
    "a space before the colon": b"GET /health HTTP/1.1\r\nhost: a\r\ncontent-length : 0\r\n\r\n",
    "a length that is none": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
    "an unknown coding": b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
    "headers without end": b"GET /health HTTP/1.1\r\nhost: a\r\nx: " + b"x" * 70_000,
    "a request line without end": b"GET /" + b"x" * 70_000,
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}


@pytest.mark.parametrize("sent", DOUBTFUL.values(), ids=DOUBTFUL)
def test_a_request_that_can_be_read_in_two_ways_is_refused_and_the_connection_closed(
    served: Served, sent: bytes
) -> None:
    follow_up = b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n"
    answer = talk(served, sent + follow_up)
    assert answer.startswith(b"HTTP/1.1 400 ") and answer.count(b"HTTP/1.1") == 1
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["type"] == "invalid_request_error"
    assert "Traceback" not in (served.directory / LOG).read_text()


def test_a_body_whose_chunks_are_wrong_ends_the_connection_quietly(served: Served) -> None:
    head = f"POST {CHAT} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {{}}\r\ntransfer-encoding: chunked\r\n\r\n"
    for key in (served.key, "wrong"):
        answer = talk(served, head.format(key).encode() + b"zz\r\nabc\r\n0\r\n\r\n")
        assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 401 ")) and answer.count(b"HTTP/1.1") == 1
    assert "Traceback" not in (served.directory / LOG).read_text()


def talk(served: Served, sent: bytes) -> bytes:
    """All that comes back, until the other side closes."""
    with connect(served) as connection:
        answer = b""
        try:
            connection.sendall(sent)
            while piece := connection.recv(65536):
                answer += piece
        except ConnectionError:  # closed while we were still speaking
            pass
        return answer


def connect(served: Served) -> socket.socket:
    port = int(served.url.rsplit(":", 1)[1].split("/")[0])
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def test_a_body_in_crumbs_is_broken_off(served: Served) -> None:
    """A million pieces of one byte: the server read for twenty seconds, and answered nobody else meanwhile."""
    head = (
        f"POST {CHAT} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {served.key}\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    answer = talk(served, head.encode() + b"1\r\n \r\n" * 2 * front.FREE_PIECES)  # and never a last one
    assert answer.startswith(b"HTTP/1.1 400 ") and answer.count(b"HTTP/1.1") == 1


@pytest.fixture
def many_files() -> Iterator[int]:
    """As many connections as this process may open, up to 1,100."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)) if hard != resource.RLIM_INFINITY else 4096, hard)
    )
    yield 1100
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_half_open_connections_shut_nobody_out_and_fill_no_log(served: Served, many_files: int) -> None:
    """More of them than the server holds; each new caller is let in, and whoever has said nothing longest is dropped."""
    before = (served.directory / LOG).stat().st_size
    with ExitStack() as stack:
        held = [stack.enter_context(connect(served)) for _ in range(many_files)]
        for connection in held:
            try:
                connection.sendall(HALF_A_REQUEST)
            except ConnectionError:  # dropped already
                continue
        for _ in range(3):
            assert post(served, body()).status_code == 200
    assert (served.directory / LOG).stat().st_size - before < 4096


@asynccontextmanager
async def bare_server(app: Any) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to ``app`` behind the endpoint's front."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    server = uvicorn.Server(
        uvicorn.Config(
            app, http=front.GuardedProtocol, ws="none", lifespan="off", log_level="error", timeout_graceful_shutdown=1
        )
    )
    server.capture_signals = ExitStack  # type: ignore[method-assign,assignment]  # the signals stay pytest's
    serving_it = asyncio.create_task(server.serve(sockets=[listener]))
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        server.should_exit = True
        await serving_it


async def reads_it_all(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        HALF_A_REQUEST,
        HALF_A_REQUEST + b"content-length: 9\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n" + HALF_A_REQUEST,
    ],
    ids=["nothing", "head", "body", "next"],
)
async def test_a_request_that_trickles_in_has_a_deadline(begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then does not prolong it."""
    monkeypatch.setattr(front, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(front, "BODY_SECONDS", 0.3)
    async with bare_server(reads_it_all) as (reader, writer):
        writer.write(begun)
        ended = asyncio.ensure_future(reader.read())
        while not ended.done():
            if begun:
                writer.write(b"x")
            await asyncio.wait((ended,), timeout=0.05)


async def test_a_caller_who_does_not_take_the_answer_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front, "TAKE_SECONDS", 0.2)
    left = asyncio.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await receive()
        while True:
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
            if left.is_set():
                return
            watch = asyncio.ensure_future(receive())
            await asyncio.sleep(0)
            if watch.done():
                left.set()
            watch.cancel()

    async with bare_server(endless) as (_, writer):
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # transports of sockets have it
        writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        await asyncio.wait_for(left.wait(), 20)


def test_a_log_that_is_written_to_is_kept_short(tmp_path: Path) -> None:
    with (tmp_path / LOG).open("ab") as writer:
        for _ in range(3):
            writer.write(b"x" * (MAX_LOG_BYTES // 2 + 1))
            writer.flush()
            shorten_log(tmp_path)
        writer.write(b"still here")
    assert (tmp_path / LOG).read_bytes()[-10:] == b"still here"
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 2.2 * MAX_LOG_BYTES


LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
HOSTILE_TEMPLATE = (
    "{% set said = messages[-1]['content'] %}"
    "{% if said == 'loop' %}" + LOOP + "{% endif %}"
    "{% if said == 'grow' %}{{ 'x' * 20000000000 }}{% endif %}"
    "{% if said == 'refuse' %}{{ raise_exception('turns must alternate') }}{% endif %}"
    "<|user|>{{ said }}<|end|><|assistant|>"
)


def with_template(toy: Toy, place: Path, template: str) -> Path:
    """The toy's adapter with another chat template."""
    adapter = Path(shutil.copytree(toy.run / "adapter", place / "adapter"))
    (adapter / "chat_template.jinja").write_text(template)
    return adapter


async def test_a_chat_template_that_loops_or_grows_costs_its_own_request_only(toy: Toy, tmp_path: Path) -> None:
    adapter = with_template(toy, tmp_path, HOSTILE_TEMPLATE)
    serving.prepare(tmp_path / "e", endpoint_id="e", version=toy.version(directory=str(adapter)))
    plan = read_plan(tmp_path / "e")
    prompts = Prompts(tmp_path / "e")

    async def prompt(said: str) -> str:
        content = body(messages=[{"role": "user", "content": said}])
        return (await prompts.prepare(parse(CHAT, content, plan))).text

    try:
        assert await prompts.fault() == ""
        attacks = {said: asyncio.ensure_future(prompt(said)) for said in ("grow", "hello", "loop", "hi", "refuse")}
        await asyncio.wait(attacks.values())
        assert attacks["hello"].result() == "<|user|>hello<|end|><|assistant|>"
        assert attacks["hi"].result() == "<|user|>hi<|end|><|assistant|>"
        for said, cause in (("grow", TOO_LARGE), ("loop", ENDLESS), ("refuse", "turns must alternate")):
            with pytest.raises(RequestRefused, match=cause):
                attacks[said].result()
    finally:
        await prompts.close()


def test_a_model_whose_template_never_ends_is_not_served_and_says_why(toy: Toy, tmp_path: Path) -> None:
    adapter = with_template(toy, tmp_path, LOOP)
    directory = tmp_path / "e"
    serving.prepare(directory, endpoint_id="e", version=toy.version(directory=str(adapter)))
    serving.start(directory)
    try:
        wait_for(lambda: settled(directory), "it is given up")
        state = serving.read_state(directory)
        assert state is not None and state.status == "failed" and ENDLESS in state.error
        wait_for(lambda: not serving.alive(directory), "the server has ended")
    finally:
        end(directory)


def test_an_endpoint_is_ended_while_its_template_loops(toy: Toy, tmp_path: Path) -> None:
    adapter = with_template(toy, tmp_path, LOOP)
    directory = tmp_path / "e"
    serving.prepare(directory, endpoint_id="e", version=toy.version(directory=str(adapter)))
    serving.start(directory)
    wait_for(lambda: (state := serving.read_state(directory)) and state.worker_pid, "the worker loads")
    end(directory)
    assert not serving.alive(directory)


MANY = range(200_000)
CROWDED: list[tuple[str, bytes]] = [
    ("fields", json.dumps({f"u{n}": 0 for n in MANY}).encode()),
    ("logit_bias", body(logit_bias={f"x{n}": 0 for n in MANY})),
    ("metadata", body(metadata={f"x{n}": 0 for n in MANY})),
    ("messages", body(messages=[{"role": "user", "content": [0] * 200}] * 4096)),
    ("messages", body(messages=[0] * 4096)),
    ("tools", body(tools=[{"type": "function", "function": {"name": "f", "strict": [0] * 2000}}] * 128)),
]


@pytest.mark.parametrize(("named", "content"), CROWDED, ids=[f"{n}-{named}" for n, (named, _) in enumerate(CROWDED)])
def test_a_request_with_a_million_faults_is_told_of_a_few(
    named: str, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each was described: ten seconds of a processor for two megabytes, in which nobody else was answered."""
    told: list[int] = []
    whole = openai_requests._most_telling

    def counted(error: ValidationError, document: dict[str, Any]) -> Any:
        told.append(error.error_count())
        return whole(error, document)

    monkeypatch.setattr(openai_requests, "_most_telling", counted)
    with pytest.raises(RequestRefused) as refused:
        parse(CHAT, content, PLAN)
    assert refused.value.status == 400 and named in str(refused.value) and sum(told) < 20
