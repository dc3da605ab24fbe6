"""A process that hangs is found out, one that is slow now and then is left alone, and one that ends is believed at once."""

from __future__ import annotations

import asyncio
import sys

from brightrun_tui.serving.liveness import until_ended_or_hung


async def waiting_process(code: str = "input()") -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdin=asyncio.subprocess.PIPE)


async def test_only_questions_missed_in_a_row_make_it_hang() -> None:
    said = [True, False, False, True, False, True, False, False, False]
    process = await waiting_process()

    async def answers(_within: float) -> bool:
        return said.pop(0)

    try:
        assert await until_ended_or_hung(process, answers, every=0.01, misses=3) is None
        assert not said
    finally:
        process.kill()
        await process.wait()


async def test_the_end_of_a_process_is_told_while_nobody_asks_and_while_an_answer_is_waited_for() -> None:
    async def never(_within: float) -> bool:
        process.kill()
        await process.wait()
        return False

    process = await waiting_process("raise SystemExit(7)")
    assert await until_ended_or_hung(process, never, every=60) == 7
    process = await waiting_process()
    assert await until_ended_or_hung(process, never, every=0.01, misses=1) == -9
