"""A run: its immutable specification, its state, and the one table of allowed transitions."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from brightrun_tui.domain.money import Limits
from brightrun_tui.domain.settings import RunSettings

SPEC_VERSION = 1

RunState = Literal[
    "queued", "preparing", "launching", "running", "pausing", "paused", "stopping", "collecting",
    "registering", "completed", "stopped", "failed",
]
RUN_STATES: tuple[str, ...] = get_args(RunState)

TRANSITIONS: dict[RunState, frozenset[RunState]] = {
    "queued": frozenset({"preparing", "stopped", "failed"}),
    "preparing": frozenset({"launching", "stopped", "failed"}),
    "launching": frozenset({"running", "pausing", "paused", "stopping", "stopped", "collecting", "failed"}),
    "running": frozenset({"launching", "pausing", "paused", "stopping", "collecting", "failed"}),
    "pausing": frozenset({"paused", "stopping", "collecting", "failed"}),
    "paused": frozenset({"queued", "stopped", "failed"}),
    "stopping": frozenset({"collecting", "paused", "stopped", "failed"}),
    "collecting": frozenset({"registering", "launching", "stopping", "failed", "stopped"}),
    "registering": frozenset({"completed", "stopped", "failed"}),
    "completed": frozenset(),
    "stopped": frozenset({"queued"}),
    "failed": frozenset({"queued"}),
}
"""From each state, the states a run may enter. A ``paused`` run is resumed, an ended one retried, by queueing again."""

TERMINAL: frozenset[RunState] = frozenset({"completed", "stopped", "failed"})
ACTIVE: frozenset[RunState] = frozenset(s for s in TRANSITIONS if s not in TERMINAL and s != "paused")

STATE_GLYPHS: dict[RunState, str] = {
    "queued": "·", "preparing": "◌", "launching": "◌", "running": "▶", "pausing": "◫", "paused": "‖",
    "stopping": "◫", "collecting": "◍", "registering": "◍", "completed": "✓", "stopped": "■", "failed": "✗",
}


class BaseModelRef(BaseModel):
    """A base model: ``id`` as the person gave it (Hub id, directory, GGUF file or ``starter``), and what it resolved to.

    ``quantisation``: what its weights were before they were unpacked, such as Q4_1; empty for original weights.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    path: str = ""
    revision: str = ""
    fingerprint: str = ""
    quantisation: str = ""


class DatasetRef(BaseModel):
    """The dataset of a run, by file and by content."""

    model_config = ConfigDict(frozen=True)

    path: str
    name: str
    format: str
    fingerprint: str
    records: int
    usable: int
    train_records: int = 0
    eval_records: int = 0
    statement: str = ""
    columns: dict[str, str] = Field(default_factory=dict)


class RunSpec(BaseModel):
    """``spec.json``: the whole run, resolved and immutable.

    ``interruptible``: it may be on a machine that its provider can take away, and goes on elsewhere then.
    """

    model_config = ConfigDict(frozen=True)

    version: int = SPEC_VERSION
    run_id: str
    name: str
    created_at: float
    base: BaseModelRef
    dataset: DatasetRef
    template: str = "default"
    settings: RunSettings = RunSettings()
    provider: str = "local"
    gpu: str = ""
    interruptible: bool = False
    offer: str = ""
    limits: Limits = Limits()


class Failure(BaseModel):
    """Why a run failed, in words, with a change that ``retry`` can apply."""

    model_config = ConfigDict(frozen=True)

    error: str
    cause: str
    fix: str = ""
    suggestion: dict[str, Any] = Field(default_factory=dict)


DISK_FULL = Failure(
    error="disk_full",
    cause="the disk is full",
    fix="free some space (old runs, checkpoints, caches) and retry: it goes on from the newest checkpoint",
)


class Notice(BaseModel):
    """Something the engine has to say about a run: money, machines. ``level``: info, warning or error."""

    model_config = ConfigDict(frozen=True)

    time: float
    level: str
    code: str
    message: str


class Run(BaseModel):
    """A run as the store knows it: specification, state and the newest facts."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    state: RunState
    spec: RunSpec
    directory: str
    created_at: float
    updated_at: float
    started_at: float | None = None
    finished_at: float | None = None
    phase: str = ""
    phase_detail: str = ""
    step: int = 0
    total_steps: int = 0
    epoch: float = 0.0
    supervised_tokens: int = 0
    tokens_per_second: float = 0.0
    eta_seconds: float | None = None
    train_loss: float | None = None
    eval_loss: float | None = None
    best_eval_loss: float | None = None
    hardware: dict[str, Any] = Field(default_factory=dict)
    cost_usd: float = 0.0
    attempts: int = 0
    launch_step: int = 0
    launch_seq: int = -1
    outcome: str = ""
    events_offset: int = 0
    events_seq: int = -1
    failure: Failure | None = None
    model: str = ""
    model_version: int | None = None
    estimate: dict[str, Any] = Field(default_factory=dict)
    notices: tuple[Notice, ...] = ()

    @property
    def fraction(self) -> float:
        """Progress from 0 to 1."""
        return min(1.0, self.step / self.total_steps) if self.total_steps else 0.0

    @property
    def active(self) -> bool:
        """Whether the engine has work to do for it."""
        return self.state in ACTIVE
