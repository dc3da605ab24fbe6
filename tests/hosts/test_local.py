"""A command started on this machine outlives whoever started it, and is found again."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from brightrun_tui.hosts.local import LocalHost

STARTER = """
import asyncio, os, sys, pathlib
from brightrun_tui.hosts.local import LocalHost
async def main():
    directory = pathlib.Path(sys.argv[1])
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)", str(directory)]
    await LocalHost(directory).start("job", sleeper, environment={})
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""


async def until(fact: object, seconds: float = 60.0) -> None:
    assert callable(fact)
    for _ in range(int(seconds / 0.05)):
        result = fact()
        if await result if asyncio.iscoroutine(result) else result:
            return
        await asyncio.sleep(0.05)
    pytest.fail("it did not become true in time")


async def test_a_command_survives_the_kill_of_its_starter_and_is_adopted_and_ended(tmp_path: Path) -> None:
    done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", STARTER, str(tmp_path)])
    assert done.returncode == -signal.SIGKILL
    await until((tmp_path / "job.pid").exists)
    host = LocalHost(tmp_path)
    status = await host.status("job")
    assert status.running and status.pid
    await host.stop("job", grace=5)
    await until(
        lambda: not psutil.pid_exists(status.pid or 0) or psutil.Process(status.pid).status() == psutil.STATUS_ZOMBIE
    )
    assert not (await host.status("job")).running


async def test_a_reused_pid_is_not_taken_for_our_command(tmp_path: Path) -> None:
    (tmp_path / "job.pid").write_text(str(os.getpid()))
    assert not (await LocalHost(tmp_path).status("job")).running


async def test_the_exit_code_of_a_child_is_known(tmp_path: Path) -> None:
    host = LocalHost(tmp_path)
    await host.start("job", [sys.executable, "-c", "raise SystemExit(7)"], environment={})

    async def ended() -> bool:
        return not (await host.status("job")).running

    await until(ended)
    assert (await host.status("job")).exit_code == 7


async def test_reading_goes_on_from_an_offset_and_a_missing_file_is_empty(tmp_path: Path) -> None:
    host = LocalHost(tmp_path)
    assert await host.read("events.jsonl", 0) == b""
    (tmp_path / "events.jsonl").write_bytes(b"abcdef")
    assert await host.read("events.jsonl", 2, 3) == b"cde"
