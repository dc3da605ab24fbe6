#!/usr/bin/env python3
"""What a change of version costs those who are asking: requests at a steady pace while the champion is swapped.

    scripts/bench/swap.py ENDPOINT MODEL VERSION [VERSION …] [--rate 20] [--tokens 8]

ENDPOINT is one that follows MODEL's champion (`brightrun deploy MODEL`). The versions are promoted one after the other, each as
soon as the one before answers. Every request is sent at its time, whether others have been answered or not. Prints requests,
failures, and the time of an answer while versions stood still and while one was swapped.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

BRIGHTRUN = (sys.executable, "-m", "brightrun_tui")
QUESTION = "When will my parcel be here?"


@dataclass(frozen=True)
class Answer:
    """Seconds since the start and until it was whole, and what went wrong."""

    sent: float
    seconds: float
    fault: str


def endpoint_of(name: str) -> dict[str, Any]:
    """Return what `brightrun endpoints --json` says of an endpoint."""
    told = json.loads(subprocess.run([*BRIGHTRUN, "endpoints", "--json"], capture_output=True, check=True).stdout)
    for one in told["endpoints"]:
        if name in (one["id"], one.get("name")):
            return dict(one)
    raise SystemExit(f"no endpoint {name}")


async def ask(client: httpx.AsyncClient, body: dict[str, Any], started: float) -> Answer:
    """Send one request."""
    sent, fault = time.monotonic(), ""
    try:
        reply = await client.post("/chat/completions", json=body)
        if reply.status_code != 200:
            fault = f"HTTP {reply.status_code}"
        elif not reply.json()["choices"][0]["message"]["content"]:
            fault = "an empty answer"
    except httpx.HTTPError as error:
        fault = type(error).__name__
    return Answer(sent - started, time.monotonic() - sent, fault)


async def swapped(endpoint: str, model: str, version: int) -> float:
    """Promote a version, wait until it answers, and return the seconds that took."""
    started = time.monotonic()
    done = await asyncio.create_subprocess_exec(*BRIGHTRUN, "models", "promote", f"{model}:{version}")
    if await done.wait():
        raise SystemExit(f"{model}:{version} could not be promoted")
    while str((await asyncio.to_thread(endpoint_of, endpoint))["model_version"]) != str(version):
        await asyncio.sleep(0.5)
    return time.monotonic() - started


async def measure(wanted: argparse.Namespace, url: str, key: str) -> tuple[list[Answer], list[tuple[float, float]]]:
    """Return all answers, and when each swap began and ended."""
    body = {
        "model": wanted.model,
        "messages": [{"role": "user", "content": QUESTION}],
        "max_tokens": wanted.tokens,
        "temperature": 0,
    }
    started, going, swaps = time.monotonic(), [], list[tuple[float, float]]()
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=200)
    headers = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60, limits=limits) as client:

        async def swap_all() -> None:
            for version in wanted.versions:
                await asyncio.sleep(5)
                begun = time.monotonic() - started
                took = await swapped(wanted.endpoint, wanted.model, version)
                swaps.append((begun, begun + took))
            await asyncio.sleep(5)

        swapping = asyncio.create_task(swap_all())
        while not swapping.done():
            going.append(asyncio.create_task(ask(client, body, started)))
            await asyncio.sleep(max(0.0, len(going) / wanted.rate - (time.monotonic() - started)))
        await swapping
        return list(await asyncio.gather(*going)), swaps


def main() -> int:
    """Ask, swap, count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("endpoint")
    parser.add_argument("model")
    parser.add_argument("versions", nargs="+", type=int)
    parser.add_argument("--rate", type=float, default=20, help="requests a second")
    parser.add_argument("--tokens", type=int, default=8, help="the most of one answer")
    wanted = parser.parse_args()
    told = endpoint_of(wanted.endpoint)
    key = Path(told["key_file"]).read_text("utf-8").strip()
    answers, swaps = asyncio.run(measure(wanted, told["url"], key))
    within = [one for one in answers if any(begun <= one.sent <= ended for begun, ended in swaps)]
    still = [one for one in answers if one not in within]
    print("| | requests | failed | p50 | p95 | slowest |\n|---|---|---|---|---|---|")
    for what, some in (("versions stood still", still), (f"{len(swaps)} swaps", within)):
        seconds = sorted(one.seconds for one in some)
        cuts = statistics.quantiles(seconds, n=20)
        failed = sum(bool(one.fault) for one in some)
        print(f"| {what} | {len(some)} | {failed} | {cuts[9]:.2f} s | {cuts[18]:.2f} s | {seconds[-1]:.2f} s |")
    print("\nEach swap took", ", ".join(f"{ended - begun:.0f} s" for begun, ended in swaps))
    for fault in sorted({one.fault for one in answers if one.fault}):
        print(f"{sum(one.fault == fault for one in answers)} × {fault}")
    return int(any(one.fault for one in answers))


if __name__ == "__main__":
    sys.exit(main())
