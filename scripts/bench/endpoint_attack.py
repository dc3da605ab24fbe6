#!/usr/bin/env python3
"""An endpoint under real clients, before and while it is attacked: does anybody notice?

    scripts/bench/endpoint_attack.py [--clients 50] [--seconds 60] [--half-open 1100] [--quick] [--json]

A toy model is served twice: well, and with a chat template that never ends. Clients of OpenAI's own library stream answers from
the first. Then the same again beside connections that send half a request and are opened anew as soon as they are dropped, and
beside starts and ends of the second, whose template loops all the while.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import openai

from brightrun_tui import serving
from brightrun_tui.domain.chat_template import ENDLESS
from brightrun_tui.serving.process import LOG
from tests.serving.toy import Toy, make_toy, serve, settled

LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
HALF_A_REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\n"
ANSWER_TOKENS = 6
CLIENT_PATIENCE = 120.0
"""Seconds; fifty clients wait for one model on two cores."""


@dataclass
class Seen:
    """What the clients of one phase saw. Seconds from question to end of answer."""

    seconds: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    def quantile(self, share: float) -> float:
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


@dataclass
class Attack:
    """What the attackers did."""

    opened: int = 0
    held: int = 0
    dropped: int = 0
    looping_starts: int = 0
    looping_told: int = 0
    end_seconds: list[float] = field(default_factory=list)


async def clients(url: str, key: str, toy: Toy, number: int, seconds: float) -> Seen:
    """Run ``number`` clients, each of which asks again as soon as it has its answer."""
    seen, deadline = Seen(), time.monotonic() + seconds
    question: dict[str, Any] = {"messages": [dict(turn) for turn in toy.sample.prompt]}

    async def one() -> None:
        async with openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0, timeout=CLIENT_PATIENCE) as client:
            while time.monotonic() < deadline:
                begun = time.monotonic()
                try:
                    stream = await client.chat.completions.create(
                        model="harbour:1", temperature=0, max_tokens=ANSWER_TOKENS, stream=True, **question
                    )
                    pieces = [piece async for piece in stream]
                    if not any(piece.choices and piece.choices[0].finish_reason for piece in pieces):
                        raise ValueError("an answer without end")
                except (openai.OpenAIError, ValueError) as error:
                    seen.errors[type(error).__name__] += 1
                else:
                    seen.seconds.append(time.monotonic() - begun)

    await asyncio.gather(*(one() for _ in range(number)))
    return seen


async def slow_loris(port: int, number: int, attack: Attack) -> None:
    """Hold ``number`` half-open connections, until cancelled; a dropped one is opened anew after a second."""

    async def one() -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(1)
                continue
            attack.opened += 1
            attack.held += 1
            try:
                writer.write(HALF_A_REQUEST)
                while True:
                    with suppress(TimeoutError):
                        if not await asyncio.wait_for(reader.read(100), 2):
                            break
                    writer.write(b"x")
            except OSError:
                pass
            finally:
                attack.held -= 1
                writer.transport.abort()
            attack.dropped += 1
            await asyncio.sleep(1)

    await asyncio.gather(*(one() for _ in range(number)))


async def looping_endpoint(place: Path, toy: Toy, attack: Attack) -> None:
    """Start an endpoint whose template never ends, and end it: now and then only once it has said what is wrong."""
    adapter = Path(shutil.copytree(toy.run / "adapter", place / "adapter"))
    (adapter / "chat_template.jinja").write_text(LOOP)
    while True:
        directory = place / f"looping-{attack.looping_starts}"
        serving.prepare(directory, endpoint_id="looping", version=toy.version(directory=str(adapter)))
        serving.start(directory)
        attack.looping_starts += 1
        try:
            if attack.looping_starts % 2:
                while not settled(directory):
                    await asyncio.sleep(0.1)
                state = serving.read_state(directory)
                attack.looping_told += state is not None and ENDLESS in state.error
            else:
                await asyncio.sleep(4)
        finally:
            begun = time.monotonic()
            await serving.stop(directory)
            attack.end_seconds.append(time.monotonic() - begun)


async def attacked(
    place: Path, toy: Toy, state: serving.ServerState, key: str, given: argparse.Namespace
) -> tuple[Seen, Attack, int]:
    attack = Attack()
    attackers = [
        asyncio.create_task(slow_loris(state.port, given.half_open, attack)),
        asyncio.create_task(looping_endpoint(place, toy, attack)),
    ]
    try:
        while attack.opened < given.half_open:
            await asyncio.sleep(0.1)
        held = attack.held
        return await clients(state.url, key, toy, given.clients, given.seconds), attack, held
    finally:
        for attacker in attackers:
            attacker.cancel()
        await asyncio.gather(*attackers, return_exceptions=True)


def rows_of(before: Seen, during: Seen, attack: Attack, log_bytes: int) -> list[dict[str, object]]:
    def row(
        what: str, unit: str, ours: float, goal: float | None, met: bool | None, peer: float | None = None
    ) -> dict[str, object]:
        return {
            "what": what,
            "unit": unit,
            "ours": round(ours, 3),
            "peer": peer and round(peer, 3),
            "peer_name": "before the attack" if peer else "",
            "ratio": round(ours / peer, 2) if peer else None,
            "goal": goal,
            "met": met,
        }

    def errors(seen: Seen) -> int:
        return sum(seen.errors.values())

    return [
        row("answers before", "answers", len(before.seconds), None, None),
        row("answers during the attack", "answers", len(during.seconds), None, None),
        row("errors before", "errors", errors(before), 0, errors(before) == 0),
        row("errors during the attack", "errors", errors(during), 0, errors(during) == 0),
        row("p50 of an answer during the attack", "s", during.quantile(0.5), None, None, before.quantile(0.5)),
        row("p95 of an answer during the attack", "s", during.quantile(0.95), None, None, before.quantile(0.95)),
        row("half-open connections opened", "connections", attack.opened, None, None),
        row("of them dropped by the server", "connections", attack.dropped, None, None),
        row("server.log grew by", "bytes", log_bytes, 65536, log_bytes < 65536),
        row("looping endpoints started", "starts", attack.looping_starts, None, None),
        row("of those let run, said what is wrong", "endpoints", attack.looping_told, None, None),
        row(
            "slowest end of a looping endpoint",
            "s",
            max(attack.end_seconds, default=0.0),
            15,
            max(attack.end_seconds, default=0.0) < 15,
        ),
    ]


async def run(given: argparse.Namespace, place: Path, toy: Toy) -> list[dict[str, object]]:
    directory = place / "endpoint"
    state = await asyncio.to_thread(serve, directory, toy.version())
    try:
        key = serving.read_key(directory)
        before = await clients(state.url, key, toy, given.clients, given.seconds)
        logged = (directory / LOG).stat().st_size
        during, attack, _ = await attacked(place, toy, state, key, given)
        for name, seen in (("before", before), ("during", during)):
            if seen.errors:
                print(name, dict(seen.errors), file=sys.stderr)
        return rows_of(before, during, attack, (directory / LOG).stat().st_size - logged)
    finally:
        await serving.stop(directory)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--clients", type=int, default=50)
    options.add_argument("--seconds", type=float, default=60.0, help="for each of the two phases")
    options.add_argument("--half-open", type=int, default=1100)
    options.add_argument("--quick", action="store_true", help="10 clients, 10 seconds")
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    if given.quick:
        given.clients, given.seconds = 10, 10.0
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = given.half_open + given.clients * 4 + 200
    if soft < wanted:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(hard, wanted), hard)
        )
    with tempfile.TemporaryDirectory(prefix="brightrun-attack-") as home:
        rows = asyncio.run(run(given, Path(home), make_toy()))
    if given.json:
        print(json.dumps({"name": "endpoint_attack", "machine": f"{os.cpu_count()} cores", "rows": rows}))
    else:
        for row in rows:
            met = "" if row["met"] is None else "met" if row["met"] else "NOT MET"
            beside = f"{row['peer_name']} {row['peer']} (x {row['ratio']})" if row["peer"] else ""
            print(f"{row['what']:42} {row['ours']:>10} {row['unit']:12} {met:8} {beside}")
    return 0 if all(row["met"] is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
