"""From a request to the text that the model reads, and how many tokens that is. The work is done in a process of its own."""

from __future__ import annotations

import asyncio
import json
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brightrun_tui.domain.chat_template import ENDLESS
from brightrun_tui.process import python
from brightrun_tui.serving.ask import Ask, RequestRefused
from brightrun_tui.serving.process import environment
from brightrun_tui.serving.renderer import EXIT_MEMORY

LOAD_SECONDS = 300.0
PATIENCE_SECONDS = 120.0
"""For one prompt on a busy machine; its time of computing has a much shorter limit, which the kernel holds."""
_MAX_LINE = 128 << 20

TOO_LARGE = "its chat template takes more memory than a prompt may"


@dataclass(frozen=True)
class Prompt:
    """What the model is given: text and token ids, as the model's own tokenizer makes them of text and chat template."""

    text: str
    ids: list[int]

    @property
    def tokens(self) -> int:
        return len(self.ids)


class _RendererEnded(Exception):
    """The process ended over a request: ``code`` as of a process, None when it hung; ``rendered`` once it had made the text."""

    def __init__(self, code: int | None, rendered: bool = False) -> None:
        super().__init__(code)
        self.code, self.rendered = code, rendered

    @property
    def cause(self) -> str:
        if self.rendered:
            return "the prompt is too long to be counted in time"
        if self.code is None:
            return "its tokenizer does not answer; this machine is too busy, or the process hangs"
        return {-signal.SIGPROF: ENDLESS, EXIT_MEMORY: TOO_LARGE, -signal.SIGABRT: TOO_LARGE}.get(
            self.code, f"the process of its tokenizer ended with code {self.code}; see server.log"
        )


class Prompts:
    """Makes prompts one after the other: a slow one delays the next by seconds at most, and costs nobody an answer."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._closed = False

    async def fault(self) -> str:
        """Return what is wrong with the model's chat template as a whole, in one sentence; empty when nothing is.

        That it refuses some conversation is not a fault.
        """
        hello = {"messages": [{"role": "user", "content": "Hello"}], "tools": None}
        try:
            await self._ask(json.dumps(hello).encode())
        except _RendererEnded as error:
            return error.cause
        return ""

    async def prepare(self, ask: Ask) -> Prompt:
        """Return the prompt of a request.

        Raises:
            RequestRefused: the chat template cannot present this conversation, or not in time.
        """
        param = {"chat": "messages", "completions": "prompt", "responses": "input"}[ask.dialect]
        asked = {"prompt": ask.prompt} if ask.messages is None else {"messages": ask.messages, "tools": ask.tools}
        try:
            answer = await self._ask(await asyncio.to_thread(lambda: json.dumps(asked).encode()))
        except _RendererEnded as error:
            raise RequestRefused(
                f"this conversation cannot be presented to the model: {error.cause}", param=param, code="prompt_failed"
            ) from None
        if "refused" in answer:
            raise RequestRefused(
                f"the chat template refuses this conversation: {answer['refused']}",
                param=param,
                code="template_refused",
            )
        return Prompt(answer["text"], answer["tokens"])

    async def rest(self) -> None:
        """Give back the memory; the next prompt takes it again."""
        async with self._turn:
            await self._end()

    async def close(self) -> None:
        self._closed = True
        await self._end()

    async def _ask(self, line: bytes) -> dict[str, Any]:
        """Exchange one question for its answer. It goes on when its caller leaves, so that the two stay in step."""
        return await asyncio.shield(asyncio.ensure_future(self._exchange(line)))

    async def _exchange(self, line: bytes) -> dict[str, Any]:
        async with self._turn:
            process = await self._running()
            answer: dict[str, Any] = {}
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    stdin, stdout = _pipes(process)
                    stdin.write(line + b"\n")
                    await stdin.drain()
                    while not answer.keys() & {"tokens", "refused"}:
                        answer |= json.loads(await stdout.readuntil(b"\n"))
            except TimeoutError:
                await self._end()
                raise _RendererEnded(None, "text" in answer) from None
            except (OSError, asyncio.IncompleteReadError):
                raise _RendererEnded(await self._exit_code(process), "text" in answer) from None
            return answer

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                *python("-m", "brightrun_tui.serving.renderer", str(self._directory)),
                limit=_MAX_LINE,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=environment(),
            )
            if self._closed:
                await self._end()
            try:
                await asyncio.wait_for(_pipes(self._process)[1].readuntil(b"\n"), LOAD_SECONDS)
            except TimeoutError:
                await self._end()
                raise _RendererEnded(None) from None
            except asyncio.IncompleteReadError:
                raise _RendererEnded(await self._exit_code(self._process)) from None
        return self._process

    async def _exit_code(self, process: asyncio.subprocess.Process) -> int:
        """Return the exit code of a process that has closed its end; it is not killed, because that may take the code
        away from asyncio.
        """
        try:
            return await asyncio.wait_for(process.wait(), PATIENCE_SECONDS)
        except TimeoutError:
            await self._end()
            return -signal.SIGKILL

    async def _end(self) -> None:
        """End the process without mercy; it holds nothing."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()


def _pipes(process: asyncio.subprocess.Process) -> tuple[asyncio.StreamWriter, asyncio.StreamReader]:
    assert process.stdin is not None and process.stdout is not None
    return process.stdin, process.stdout
