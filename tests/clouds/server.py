"""Both stand-in clouds served from a thread of their own, so that a test, a script or a person can use them."""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import uvicorn

from tests.clouds import runpod, vast
from tests.clouds.admin import admin
from tests.clouds.core import Cloud, Delays
from tests.clouds.machine import SSHD, Machine

T = TypeVar("T")


def why_not() -> str:
    """What this machine lacks for stand-in machines, or nothing."""
    return "" if Path(SSHD).exists() else "openssh-server is not installed (apt-get install openssh-server)"


class CloudServer:
    """A context manager: inside it both clouds answer, after it nothing of them is left running.

    Args:
        factor: how many times faster than the wall the clouds' clock runs.
        delays: how long new machines take, in cloud seconds.
        balance: prepaid US dollars on each account.
        pace: scale of Vast's least time between calls; 0 switches its rate limit off.
        ports: of RunPod and Vast; 0 picks free ones.
    """

    def __init__(
        self,
        *,
        factor: float = 1.0,
        delays: Delays | None = None,
        balance: float = 50.0,
        pace: float = 0.0,
        ports: tuple[int, int] = (0, 0),
    ) -> None:
        self._sockets = [_listen(port) for port in ports]
        self.directory = Path(tempfile.mkdtemp(prefix="standin-clouds-"))
        self.runpod = runpod.RunPod(self.directory / "runpod", factor=factor, delays=delays, balance=balance)
        self.vast = vast.Vast(self.directory / "vast", factor=factor, delays=delays, balance=balance, pace=pace)
        self.runpod_url, self.vast_url = (f"http://127.0.0.1:{s.getsockname()[1]}" for s in self._sockets)
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="stand-in clouds", daemon=True)
        self._servers: list[uvicorn.Server] = []
        self._boxes: list[Machine] = []
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def environment(self) -> dict[str, str]:
        """What the product needs to take the stand-ins for the real ones."""
        return {
            "BRIGHTRUN_RUNPOD_URL": f"{self.runpod_url}/v2",
            "BRIGHTRUN_RUNPOD_GRAPHQL_URL": f"{self.runpod_url}/graphql",
            "BRIGHTRUN_RUNPOD_INVOKE_URL": f"{self.runpod_url}/invoke",
            "BRIGHTRUN_VAST_URL": self.vast_url,
            "RUNPOD_API_KEY": runpod.KEY,
            "VAST_API_KEY": vast.KEY,
            "BRIGHTRUN_PROVIDERS_PACE": "0",
            "BRIGHTRUN_PROVIDERS_BACKOFF_SECONDS": "0.1",
        }

    @property
    def clouds(self) -> list[Cloud]:
        return [self.runpod, self.vast]

    def __enter__(self) -> CloudServer:
        self._thread.start()
        self.do(self._start())
        return self

    def __exit__(self, *_error: object) -> None:
        self.do(self._stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something in the clouds' event loop and wait for it; for callers without a loop of their own."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    async def ask(self, work: Coroutine[Any, Any, T]) -> T:
        """The same for callers with an event loop."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self.loop)
        return await asyncio.wrap_future(future)

    async def new_box(self, name: str = "box", gpus: int = 1) -> Machine:
        """A plain machine with an sshd and no provider, as somebody may own one."""
        return await self.ask(self.make_box(name, gpus))

    async def make_box(self, name: str, gpus: int = 1) -> Machine:
        """The same, within the clouds' event loop."""
        directory = self.directory / f"{name}-{len(self._boxes)}"
        directory.mkdir()
        machine = Machine(directory, directory.name, {}, ("NVIDIA GeForce RTX 4090", 24564, gpus))
        await machine.prepare()
        await machine.add_link().open()
        self._boxes.append(machine)
        return machine

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    async def _start(self) -> None:
        for cloud, application, sock in zip(
            self.clouds, (self.runpod.app(), self.vast.app()), self._sockets, strict=True
        ):
            config = uvicorn.Config(
                admin(cloud, application), log_level="critical", lifespan="off", timeout_keep_alive=75
            )
            server = uvicorn.Server(config)
            self._servers.append(server)
            self._keep(server.serve(sockets=[sock]))
            self._keep(cloud.watch_balance())
        while not all(server.started for server in self._servers):
            await asyncio.sleep(0.01)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(work))

    async def _stop(self) -> None:
        for server in self._servers:
            server.should_exit = server.force_exit = True
        await asyncio.gather(*(cloud.close() for cloud in self.clouds), *(box.destroy() for box in self._boxes))
        await asyncio.sleep(0.15)
        ours = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not ours]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


def _listen(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    return sock
