"""What a few seconds of real work with a base model took on this machine: measured once, kept in the cache directory."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import platform
import time
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from brightrun_tui.domain.money import Hardware
from brightrun_tui.domain.settings import RunSettings
from brightrun_tui.domain.sizing import PROBE_LENGTHS, PROBE_ROWS, PROBE_TOKENS
from brightrun_tui.domain.time_parts import TimeParts
from brightrun_tui.files import write_atomic
from brightrun_tui.integrations.packages import missing_packages
from brightrun_tui.paths import Paths
from brightrun_tui.planning.architecture import BaseModelInfo
from brightrun_tui.planning.learning import Measured
from brightrun_tui.planning.memory import memory_need
from brightrun_tui.planning.quantisation import SETTING, Method
from brightrun_tui.planning.timing import Shape, answer_token_seconds, forward_seconds, training_seconds
from brightrun_tui.process import environment_without_secrets, python

log = logging.getLogger(__name__)

WORTH_PARAMETERS = 20_000_000
"""Smaller models train before a probe would be over."""
LONGEST_SECONDS = 180.0
BUSY = 0.4
"""Processors that other programs kept busy meanwhile: with more the machine was not the one that a run will have."""
BUSY_SECONDS = 3600.0
"""How long such a probe counts: better than none, and no reason to make another at once."""
STEPS = 100
"""Times that the work of a probe is reckoned."""

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
OfEachLength = Annotated[tuple[Seconds, ...], Field(min_length=len(PROBE_LENGTHS), max_length=len(PROBE_LENGTHS))]


class Probe(BaseModel):
    """Seconds of the work that `brightrun_tui.domain.sizing` names; ``training`` and ``measuring`` for each of its lengths.

    ``others``: processors that other programs kept busy meanwhile. ``made_at``: seconds since 1970.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    training: OfEachLength
    measuring: OfEachLength
    answering: Seconds
    others: float = Field(0.0, ge=0, allow_inf_nan=False)
    made_at: float = Field(default_factory=time.time, allow_inf_nan=False)

    @property
    def counts(self) -> bool:
        """Whether it still tells of this machine."""
        return self.others <= BUSY or 0 <= time.time() - self.made_at < BUSY_SECONDS


def is_worth_it(base: BaseModelInfo, method: Method, machine: Hardware, paths: Paths) -> bool:
    """Say whether a probe can be made here, has not been made, and says more than the run itself would soon say."""
    return (
        base.present
        and base.parameters >= WORTH_PARAMETERS
        and not missing_packages("train")
        and _kept(base, method, machine, paths) is None
    )


async def measure(base: BaseModelInfo, method: Method, machine: Hardware, paths: Paths) -> bool:
    """Make the probe, in a process of its own that ends when this is cancelled, and keep it; returns whether that
    worked.
    """
    command = ["nice", "-n", "5", *python("-m", "brightrun_tui.trainer.probe", base.ref.path, method)]
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment_without_secrets(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd="/",
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), LONGEST_SECONDS)
        found = Probe.model_validate_json(said.splitlines()[-1])
        path = _file(base, method, machine, paths)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, found.model_dump_json())
    except (OSError, TimeoutError, ValidationError, IndexError) as error:
        log.info("no probe of %s: %s", base.id, type(error).__name__)
        return False
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return True


def probe_of(base: BaseModelInfo, method: Method, machine: Hardware, paths: Paths) -> list[Measured]:
    """Return the probe as measurements beside what the formula says of the same work, one for each length; none if there
    is no probe.
    """
    found = _kept(base, method, machine, paths)
    if found is None:
        return []
    model = base.architecture
    settings = RunSettings().with_overrides({SETTING: method, "training.batch_size": PROBE_ROWS})
    measured = []
    for length, training, measuring in zip(PROBE_LENGTHS, found.training, found.measuring, strict=True):
        shape = Shape(PROBE_ROWS, PROBE_ROWS, 1, PROBE_ROWS, length, length, length / 2)
        need = memory_need(model, settings, machine, length, 0.5)
        reckoned = _often(
            training_seconds(model, settings, machine, shape, need),
            forward_seconds(model, settings, machine, shape, need, PROBE_ROWS * length),
            PROBE_TOKENS * answer_token_seconds(model, machine, need, 1),
        )
        measured.append(
            Measured(
                base=base.ref.fingerprint or base.ref.id,
                quantisation=method,
                mean_tokens=length,
                reckoned=reckoned,
                took=_often(training, measuring, found.answering),
                parts=("training", "measuring", "answering"),
            )
        )
    return measured


def _often(training: float, measuring: float, answering: float) -> TimeParts:
    """Return what a run of such work would take: seconds of one step count little beside those of whole runs."""
    return TimeParts(training=STEPS * training, measuring=STEPS * measuring, answering=STEPS * answering)


def _kept(base: BaseModelInfo, method: Method, machine: Hardware, paths: Paths) -> Probe | None:
    try:
        found = Probe.model_validate_json(_file(base, method, machine, paths).read_bytes())
    except (OSError, ValidationError):
        return None
    return found if found.counts else None


def _file(base: BaseModelInfo, method: Method, machine: Hardware, paths: Paths) -> Path:
    words = [
        base.ref.fingerprint or base.ref.id,
        method,
        platform.processor() or platform.machine(),
        machine.gpu,
        machine.cores,
    ]
    return paths.cache / "probes" / f"{hashlib.sha256(repr(words).encode()).hexdigest()[:32]}.json"
