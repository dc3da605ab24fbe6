"""The worker of an endpoint on a rented machine: put there with its model, started, asked how it is."""

from __future__ import annotations

import asyncio
import posixpath
import shlex
import signal
import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from brightrun_tui.domain.errors import HostError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.money import Lease
from brightrun_tui.domain.run import BaseModelRef
from brightrun_tui.domain.run_directory import RunDirectory
from brightrun_tui.domain.text import one_line
from brightrun_tui.files import write_atomic
from brightrun_tui.hosts.whereabouts import Whereabouts
from brightrun_tui.orchestrator.environment import install
from brightrun_tui.orchestrator.gpu_proof import WITH_OUR_CODE, prove_gpu
from brightrun_tui.orchestrator.holding import Holding
from brightrun_tui.orchestrator.new_endpoints import fetch_base
from brightrun_tui.orchestrator.setup_log import SetupLog
from brightrun_tui.orchestrator.targets import Say
from brightrun_tui.orchestrator.timings import EngineTimings
from brightrun_tui.orchestrator.warm_worker import only_gpu
from brightrun_tui.paths import Paths
from brightrun_tui.planning import bases
from brightrun_tui.process import WITHOUT_COMPILER
from brightrun_tui.registry.base_places import has_base
from brightrun_tui.serving.plan import PLAN, read_plan
from brightrun_tui.serving.process import MACHINE_LOG
from brightrun_tui.serving.remote import ADAPTER, BASE, JOB, LOG, forget_machine, plan_there, say_where, whereabouts
from brightrun_tui.serving.worker_files import NOTE, REPORT, REPORT_LIMIT
from brightrun_tui.store import Database

"""What is kept in the endpoint's directory of what its worker printed."""
LOG_PIECE = 64 << 10
MOST_SHOWN = 300
LOOK_SECONDS = 0.3
"""Between two looks at what is waited for: a worker there, or the machine itself."""
_ENVIRONMENT = {
    "PYTHONUNBUFFERED": "1",
    "OMP_WAIT_POLICY": "passive",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    **WITHOUT_COMPILER,
}


class _Failure(BaseModel):
    """A worker's report of what ended it."""

    model_config = ConfigDict(frozen=True)

    error: str = Field("", max_length=2000)


class RemoteServer:
    """``directory`` is the endpoint's here, with the version in ``place`` (see `places`), which is called so there, too; the
    machine is the one that ``holding`` has in hand. All versions there have one base model.
    """

    def __init__(
        self,
        paths: Paths,
        timings: EngineTimings,
        directory: Path,
        version: ModelVersion,
        holding: Holding,
        place: str = ".",
    ) -> None:
        self._paths, self._timings = paths, timings
        self._directory, self._version, self._holding, self.place = directory, version, holding, place
        self.starts = 0

    @property
    def home(self) -> Path:
        """Where the version lies here."""
        return self._directory / self.place

    @property
    def job(self) -> str:
        """The name under which the host has the worker."""
        return self._there(JOB)

    def _there(self, name: str) -> str:
        return posixpath.normpath(posixpath.join(self.place, name))

    async def equip(self, lease: Lease, say: Say) -> None:
        """Equip the machine (`holding.Equip`). What is there already is neither sent nor started again.

        Raises:
            HostError: the machine cannot be used for it.
            BaseModelError, NotConnectedError: a base model that must be sent cannot be had here.
        """
        if not (await self._holding.host.status(self.job)).running:
            await self._start(lease, say, prove=True)
        await self.say_where()

    async def equip_beside(self, lease: Lease, say: Say) -> None:
        """Load the version beside another one that answers on the machine. Raises as `equip`."""
        await self._start(lease, say, prove=False)
        await self.say_where()

    async def _start(self, lease: Lease, say: Say, *, prove: bool) -> None:
        host, version = self._holding.host, self._version
        say("environment")
        interpreter, code = await install(
            host,
            self._paths.cache / "machines",
            say,
            python=self._timings.remote_python,
            keep=SetupLog(self._directory, lease).take,
            serves=True,
        )
        if prove and lease.gpu and self._holding.provider.guard_options(time.time()) is not None:
            say("trying the GPU")
            await prove_gpu(host, (interpreter, code), lease, poll=min(2.0, self._timings.lease_poll_seconds))
        say("sending the adapter")
        await host.put(Path(version.directory), self._there(ADAPTER))
        if is_sent(version) and not await host.size(f"{BASE}/config.json"):
            say("sending the base model")
            here = await with_base(self._holding.db, version, self._paths)
            await host.put(Path(here.base_path), BASE)
        plan = await asyncio.to_thread(read_plan, self.home)
        base = str(host.directory / BASE) if is_sent(version) else ""
        there = plan_there(plan, str(host.directory / self.place), base)
        await host.write(self._there(PLAN), there.model_dump_json(indent=2).encode())
        say("loading the model there")
        worker = [interpreter, "-m", "brightrun_tui.serving.remote_worker", str(host.directory / self.place)]
        await host.start(
            self.job, ["sh", "-c", WITH_OUR_CODE, code, *worker], environment={**_ENVIRONMENT, **only_gpu(lease.gpu_id)}
        )
        self.starts += 1

    async def say_where(self) -> None:
        """Let the gate know the machine that is in hand."""
        host = self._holding.host
        key = host.connection.key
        where = Whereabouts(
            addresses=tuple((one.host, one.port, one.user) for one in host.connection.addresses),
            directory=str(host.directory / self.place),
            host_key=host.host_key,
            key_pair=str(RunDirectory(self._directory).ssh_key) if isinstance(key, str) else "",
            key_file=str(key) if isinstance(key, Path) else "",
        )
        if await asyncio.to_thread(whereabouts, self.home) != where:
            await asyncio.to_thread(say_where, self.home, where)

    async def end(self) -> None:
        """End the worker there, without mercy after a while, and take away what is of this version alone. Raises `HostError`."""
        host, deadline = self._holding.host, time.monotonic() + self._timings.stop_seconds
        await host.signal(self.job, signal.SIGTERM)
        while (await host.status(self.job)).running:
            if time.monotonic() > deadline:
                await host.signal(self.job, signal.SIGKILL)
            await asyncio.sleep(LOOK_SECONDS)
        await asyncio.to_thread(forget_machine, self.home)
        if self.place != ".":
            await host.run(f"rm -rf {shlex.quote(str(host.directory / self.place))}", repeat=True)

    async def doing(self) -> str:
        """Return what the worker is at until it answers; empty where it does not say. Raises `HostError`."""
        return one_line((await self._holding.host.read(self._there(NOTE), 0, LOG_PIECE)).decode(errors="replace"))[
            :MOST_SHOWN
        ]

    async def failure(self) -> str:
        """Say why the worker says that it cannot serve the model; empty where it does not. Raises `HostError`."""
        try:
            said = _Failure.model_validate_json(await self._holding.host.read(self._there(REPORT), 0, REPORT_LIMIT))
        except ValidationError:
            return ""
        return one_line(said.error)[:MOST_SHOWN]

    async def last_words(self) -> str:
        """Say why the worker ended, as far as anybody knows. Raises `HostError`."""
        if said := await self.failure():
            return f"the model cannot be served there: {said}"
        lines = (await self._log_end()).decode(errors="replace").strip().splitlines()
        return f"its worker ended: {one_line(lines[-1])[:MOST_SHOWN] if lines else 'it said nothing'}"

    async def keep_log(self) -> None:
        """Bring home the end of what the worker printed, before the machine goes. Nothing that goes wrong is raised."""
        try:
            said = await self._log_end()
            await asyncio.to_thread(write_atomic, self._directory / MACHINE_LOG, said)
        except (HostError, OSError):
            return

    async def _log_end(self) -> bytes:
        host = self._holding.host
        log = self._there(LOG)
        return await host.read(log, max(0, await host.size(log) - LOG_PIECE), LOG_PIECE)


def is_sent(version: ModelVersion) -> bool:
    """Say whether its base model is sent from here; one of the Hub is fetched by the machine itself, as for runs."""
    return not bases.is_hub_id(version.base_id)


def same_base(one: ModelVersion, other: ModelVersion) -> bool:
    """Say whether both were trained on the very same base model, as far as that is on record."""
    prints = [version.report.lineage.base_fingerprint for version in (one, other)]
    return prints[0] == prints[1] if all(prints) else one.base_id == other.base_id


async def with_base(db: Database, version: ModelVersion, paths: Paths) -> ModelVersion:
    """Return the version with a directory of its base as ``base_path``: all of it where it is sent from here, else tokenizer and
    configuration at least.

    Raises:
        BaseModelError, NotConnectedError: they cannot be had.
    """
    if is_sent(version) or has_base(version):
        return await fetch_base(db, paths, version)
    name, _, revision = version.base_id.partition("@")
    known = BaseModelRef(id=name, revision=version.report.lineage.base_revision or revision)
    found = await asyncio.to_thread(bases.fetch_tokenizer, known, paths)
    return version.model_copy(update={"base_path": str(found)})
