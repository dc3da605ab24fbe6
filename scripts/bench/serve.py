#!/usr/bin/env python3
"""How fast endpoints answer: ours, llama.cpp's own server on the same GGUF, and ``transformers serve``, with 1 and 8 clients.

    scripts/bench/serve.py ENDPOINT_DIRECTORY [--tokens 40] [--rounds 3] [--without-transformers]

ENDPOINT_DIRECTORY is that of a running endpoint of llama.cpp (`brightrun endpoints --json`). The servers are asked one after
the other in each round, so that a busy machine slows all of them; all give their likeliest answer, so that none is slower for
a shorter one. Prints tokens a second of all clients over all rounds, the median of the slowest first tokens, and the ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import httpx

from brightrun_tui import serving
from brightrun_tui.process import python
from brightrun_tui.serving.graded_gguf import MODEL
from brightrun_tui.serving.places import serving_place
from brightrun_tui.serving.plan import read_plan
from brightrun_tui.serving.process import environment

QUESTION = "Tell me about the sea, and about the people who live by it."
PLAIN_LLAMA = """
import sys, threading, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.port = sys.argv[1], int(sys.argv[2])
params.n_parallel, params.n_ctx = 8, 8 * 2048
server = xllamacpp.Server(params)
threading.Event().wait()
"""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def ask(client: httpx.AsyncClient, url: str, key: str, model: str, tokens: int) -> tuple[int, float]:
    """Ask for one streamed answer; returns its number of pieces, and the seconds until the first."""
    body = {
        "model": model,
        "stream": True,
        "temperature": 0,
        "max_tokens": tokens,
        "messages": [{"role": "user", "content": QUESTION}],
    }
    started, first, pieces = time.monotonic(), 0.0, 0
    headers = {"authorization": f"Bearer {key}"}
    async with client.stream("POST", f"{url}/chat/completions", json=body, headers=headers) as reply:
        reply.raise_for_status()
        async for line in reply.aiter_lines():
            choices = json.loads(line[6:]).get("choices") if line.startswith("data: {") else None
            if choices and choices[0].get("delta", {}).get("content"):
                first = first or time.monotonic() - started
                pieces += 1
    return pieces, first


async def measure(url: str, key: str, model: str, clients: int, tokens: int) -> tuple[int, float, float]:
    """Return the pieces of all answers, the seconds until the last of them, and the slowest first piece."""
    async with httpx.AsyncClient(timeout=600, trust_env=False) as client:
        started = time.monotonic()
        answers = await asyncio.gather(*(ask(client, url, key, model, tokens) for _ in range(clients)))
        seconds = time.monotonic() - started
    return sum(pieces for pieces, _ in answers), seconds, max(first for _, first in answers)


async def until_up(url: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        for _ in range(600):
            try:
                if (await client.get(url.removesuffix("/v1") + "/health")).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.5)
    sys.exit(f"{url} does not come up")


async def main(directory: Path, tokens: int, rounds: int, transformers: bool) -> None:
    state, root = serving.read_state(directory), directory / serving_place(directory)
    plan = read_plan(root)
    gguf = serving.cached_at(Path(plan.adapter)) / MODEL
    if state is None or state.status != "ready" or not gguf.is_file():
        sys.exit("no ready endpoint of llama.cpp lies there")
    ports = free_port(), free_port()
    view = str((root / "view").absolute())
    others = [subprocess.Popen([*python("-c", PLAIN_LLAMA), str(gguf), str(ports[0])], env=environment())]
    if transformers:
        serve = [str(Path(sys.executable).with_name("transformers")), "serve", view, "--port", str(ports[1])]
        others.append(subprocess.Popen(serve, env=environment()))
    servers = {
        "brightrun": (state.url, serving.read_key(directory), plan.ref),
        "llama.cpp": (f"http://127.0.0.1:{ports[0]}/v1", "none", "model"),
    }
    if transformers:
        servers["transformers serve"] = (f"http://127.0.0.1:{ports[1]}/v1", "none", view)
    try:
        for url, _, _ in servers.values():
            await until_up(url)
        for name, server in servers.items():
            print(f"{name}: warm", (await measure(*server, 1, 4))[0] > 0)
        for clients in (1, 8):
            taken: dict[str, list[tuple[int, float, float]]] = {name: [] for name in servers}
            for _ in range(rounds):
                for name, server in servers.items():
                    taken[name].append(await measure(*server, clients, tokens))
            speeds = {}
            for name, values in taken.items():
                pieces, seconds, firsts = zip(*values, strict=True)
                speeds[name], first = sum(pieces) / sum(seconds), statistics.median(firsts)
                print(f"{clients} clients  {name:20} {speeds[name]:7.1f} tokens/s  first token {first * 1000:6.0f} ms")
            for name in list(servers)[1:]:
                print(f"{clients} clients  brightrun ÷ {name:20} {speeds['brightrun'] / speeds[name]:.2f}")
    finally:
        for process in others:
            process.terminate()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--tokens", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--without-transformers", action="store_true", help="It takes minutes for a round of 8 clients."
    )
    given = parser.parse_args()
    asyncio.run(main(given.directory, given.tokens, given.rounds, not given.without_transformers))
