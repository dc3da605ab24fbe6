"""What a few seconds of real work with a base model took on this machine: measured once, kept in the cache directory."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import platform
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from brightrun_tui.domain.money import Hardware
from brightrun_tui.domain.settings import RunSettings
from brightrun_tui.domain.sizing import PROBE_LENGTH, PROBE_ROWS, PROBE_TOKENS
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


class Probe(BaseModel):
    """Seconds of the work that `brightrun_tui.domain.sizing` names."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    training: float = Field(gt=0, allow_inf_nan=False)
    measuring: float = Field(gt=0, allow_inf_nan=False)
    answering: float = Field(gt=0, allow_inf_nan=False)


def is_worth_it(base: BaseModelInfo, method: Method, machine: Hardware, paths: Paths) -> bool:
    """Whether a probe can be made here, has not been made, and says more than the run itself would soon say."""
    return (
        base.present
        and base.parameters >= WORTH_PARAMETERS
        and not missing_packages("train")
        and not _file(base, method, machine, paths).exists()
    )


async def measure(base: BaseModelInfo, method: Method, machine: Hardware, paths: Paths) -> bool:
    """Make the probe, in a process of its own that ends when this is cancelled, and keep it; whether that worked."""
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


def probe_of(base: BaseModelInfo, method: Method, machine: Hardware, paths: Paths) -> Measured | None:
    """The probe as a measurement beside what the formula says of the same work; None where there is none."""
    try:
        found = Probe.model_validate_json(_file(base, method, machine, paths).read_bytes())
    except (OSError, ValidationError):
        return None
    model = base.architecture
    settings = RunSettings().with_overrides({SETTING: method, "training.batch_size": PROBE_ROWS})
    shape = Shape(PROBE_ROWS, PROBE_ROWS, 1, PROBE_ROWS, PROBE_LENGTH, PROBE_LENGTH, PROBE_LENGTH / 2)
    need = memory_need(model, settings, machine, PROBE_LENGTH, 0.5)
    reckoned = TimeParts(
        training=training_seconds(model, settings, machine, shape, need),
        measuring=forward_seconds(model, settings, machine, shape, need, PROBE_ROWS * PROBE_LENGTH),
        answering=PROBE_TOKENS * answer_token_seconds(model, machine, need, 1),
    )
    took = TimeParts(training=found.training, measuring=found.measuring, answering=found.answering)
    return Measured(
        base=base.ref.fingerprint or base.ref.id,
        quantisation=method,
        mean_tokens=PROBE_LENGTH,
        reckoned=reckoned,
        took=took,
        parts=("training", "measuring", "answering"),
    )


def _file(base: BaseModelInfo, method: Method, machine: Hardware, paths: Paths) -> Path:
    words = [
        base.ref.fingerprint or base.ref.id,
        method,
        platform.processor() or platform.machine(),
        machine.gpu,
        machine.cores,
    ]
    return paths.cache / "probes" / f"{hashlib.sha256(repr(words).encode()).hexdigest()[:32]}.json"
