"""A run: its immutable specification, its state, and the one table of allowed transitions."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from brightrun_tui.domain.dataset import DatasetReport
from brightrun_tui.domain.disk import DISK_IS_FULL
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.events import Amount, Count, Finite, HardwareReading, Outcome, PhaseName, Step, Suggested
from brightrun_tui.domain.live_change import LiveChange, limits_now
from brightrun_tui.domain.money import Estimate, Limits
from brightrun_tui.domain.run_states import ACTIVE, PERMITTED, RunAction, RunState
from brightrun_tui.domain.service_names import HERE
from brightrun_tui.domain.settings import RunSettings
from brightrun_tui.domain.subject import Subject

SPEC_VERSION = 1


StopAfter = Literal["", "evaluation", "epoch"]
"""Where a run ends by itself because somebody asked for that; empty: where its specification says."""

Ending = Literal["", "asked", "terminated", "killed"]
"""How far the end of a worker has been pressed for: a request in its directory, then SIGTERM, then SIGKILL."""


class BaseModelRef(BaseModel):
    """A base model: ``id`` as the person gave it (Hub id, directory, GGUF file or ``starter``), and what it resolved to.

    ``quantisation``: what its weights were before they were unpacked, such as Q4_1; empty for original weights. ``license``: as
    the Hub names it, where it is known.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    id: str
    path: str = ""
    revision: str = ""
    fingerprint: str = ""
    quantisation: str = ""
    license: str = ""


SPOKEN = 0.1
"""Share of the records from which on a language is one of the dataset's."""


class DatasetRef(BaseModel):
    """The dataset of a run, by file and by content. ``source``: as in `DatasetReport`; ``languages``: ISO 639 codes of those that
    more than a few records are in.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

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
    source: str = ""
    languages: tuple[str, ...] = ()

    @classmethod
    def of(cls, report: DatasetReport) -> DatasetRef:
        """Return the dataset that was checked, not split yet."""
        return cls(
            path=report.path,
            name=report.name,
            format=report.format,
            fingerprint=report.fingerprint,
            records=report.records,
            usable=report.usable,
            statement=report.statement,
            columns=report.columns,
            source=report.source,
            languages=tuple(code for code, share in report.languages.shares.items() if share >= SPOKEN),
        )


def _settled(settings: RunSettings) -> RunSettings:
    """Return settings that leave nothing open: unless a plan chose otherwise the base is held in 4 bits, which fit
    anywhere.
    """
    return (
        settings.with_overrides({"quantisation.method": "nf4"}) if settings.quantisation.method == "auto" else settings
    )


class RunSpec(BaseModel):
    """``spec.json``: the whole run, resolved and immutable.

    ``interruptible``: it may be on a machine that its provider can take away, and goes on elsewhere then. ``project``: a tag, by
    which costs are summed. ``group``: the same for all runs of one sweep. ``stop_worst``: one that falls behind
    the others is stopped early, see `domain.halving`. ``not_before``: seconds since the epoch, until which it waits in the queue.
    ``measures``: a version that is measured; nothing is trained then.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    version: int = SPEC_VERSION
    run_id: str
    name: str
    created_at: float
    base: BaseModelRef
    dataset: DatasetRef
    template: str = "default"
    settings: Annotated[RunSettings, AfterValidator(_settled)] = Field(
        default_factory=RunSettings, validate_default=True
    )
    provider: str = HERE
    gpu: str = ""
    interruptible: bool = False
    offer: str = ""
    project: str = ""
    group: str = ""
    measures: Subject | None = None
    stop_worst: bool = False
    not_before: Finite | None = None
    limits: Limits = Field(default_factory=Limits)

    @property
    def here(self) -> bool:
        """Whether it runs on this machine."""
        return self.provider == HERE


class Failure(BaseModel):
    """Why a run failed, in words, with a change that ``retry`` can apply."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    error: str
    cause: str
    fix: str = ""
    suggestion: dict[str, Suggested] = Field(default_factory=dict)


def failed_for_disk() -> Failure:
    """Return the failure of a run that had no space left for what it had to write."""
    return Failure(
        error=ErrorKind.DISK_FULL,
        cause=DISK_IS_FULL,
        fix="free some space (old runs, checkpoints, caches) and retry: it goes on from the newest checkpoint",
    )


class Notice(BaseModel):
    """Something the engine has to say about a run: money, machines. ``level``: info, warning or error."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    time: float
    level: str
    code: str
    message: str


EVERY_STEP = frozenset({"train_loss", "learning_rate", "grad_norm", "tokens_per_second"})
"""Metrics of each step that is written down; `Run.step` is the newest of these. Others come in between, too."""


class Run(BaseModel):
    """A run as the store knows it: specification, state and the newest facts.

    ``granted``: the number of the newest request that changed its state.
    ``deaths``: of its worker, one after the other, without progress between them. ``launch_step``: the furthest step that a
    worker before the present one came to. ``active_seconds``: how long a worker was at it, last counted at ``counted_at``,
    which names a boot of this machine and the seconds since then. ``prepared_seconds``: how long it was on its way to a worker
    (base fetched and unpacked, data read, machine rented), since ``preparing_since`` uncounted yet. ``tokens_per_second``
    counts all tokens that were computed, those of prompts included. ``bad_lines``: what its worker wrote since its launch that
    is not an event; ``bad_in_a_row``: those since its newest event. ``gpu_id``: the UUID of the GPU of this machine that it was
    given. ``queue_time``: set when it was moved in the queue. ``changes``: what was changed after it was asked for, oldest
    first.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

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
    step: Step = 0
    total_steps: Step = 0
    epoch: Amount = 0.0
    supervised_tokens: Count = 0
    tokens_per_second: Amount = 0.0
    eta_seconds: Amount | None = None
    train_loss: Finite | None = None
    eval_loss: Finite | None = None
    best_eval_loss: Finite | None = None
    hardware: HardwareReading = Field(default_factory=HardwareReading)
    cost_usd: float = 0.0
    attempts: int = 0
    deaths: int = 0
    launch_step: int = 0
    launch_seq: int = -1
    ending: Ending = ""
    granted: int = 0
    active_seconds: float = 0.0
    counted_at: tuple[str, float] | None = None
    prepared_seconds: Amount = 0.0
    preparing_since: float | None = None
    outcome: Outcome | Literal[""] = ""
    events_offset: int = 0
    events_seq: int = -1
    bad_lines: int = 0
    bad_in_a_row: int = 0
    failure: Failure | None = None
    model: str = ""
    model_version: int | None = None
    estimate: Estimate | None = None
    notices: tuple[Notice, ...] = ()
    gpu_id: str = ""
    queue_time: float | None = None
    changes: tuple[LiveChange, ...] = ()
    stop_after: StopAfter = ""

    @field_validator("estimate", mode="before")
    @classmethod
    def _known_estimate(cls, stored: Any) -> Any:
        """Read a stored estimate. Version 0.1 kept an empty object where there was none; one that cannot be read is as
        good as none.
        """
        if isinstance(stored, dict):
            try:
                return Estimate.model_validate(stored)
            except ValidationError:
                return None
        return stored

    @property
    def held_out_loss(self) -> float | None:
        """The best that was measured; runs are compared by it."""
        return self.best_eval_loss if self.best_eval_loss is not None else self.eval_loss

    @property
    def limits(self) -> Limits:
        """What it may cost and last, by its specification and what was changed since."""
        return limits_now(self.spec.limits, self.changes)

    @property
    def waits_since(self) -> float:
        """By which it is sorted among those that wait; earlier first."""
        return self.created_at if self.queue_time is None else self.queue_time

    @property
    def fraction(self) -> float:
        """Progress from 0 to 1."""
        return min(1.0, self.step / self.total_steps) if self.total_steps else 0.0

    def cost_at_end(self, per_hour: float) -> float | None:
        """Return US dollars it will have cost if its machines cost that much for the time that is left; None where neither
        is known.
        """
        if not per_hour or not self.active or self.eta_seconds is None:
            return None
        return self.cost_usd + per_hour * self.eta_seconds / 3600

    def preparing_seconds(self, now: float) -> float:
        """Return how long it was on its way to a worker up to ``now`` (seconds since the epoch)."""
        under_way = 0.0 if self.preparing_since is None else max(0.0, now - self.preparing_since)
        return self.prepared_seconds + under_way

    def worked_seconds(self, now: float) -> float:
        """Return how long it was prepared and a worker was at it; waiting for a place and pauses are not work."""
        since = max(0.0, (self.finished_at or now) - self.started_at) if self.started_at else 0.0
        return self.preparing_seconds(now) + (self.active_seconds or since)

    @property
    def reached(self) -> int:
        """The last step of which something may be known: between two steps that are written down others were taken."""
        return self.step + self.spec.settings.training.logging_steps

    def upto(self, metric: str) -> int:
        """Return the last step whose values of a metric belong to what the run is now: one that went back to a
        checkpoint has older ones beyond it.
        """
        return self.step if metric in EVERY_STEP else self.reached

    @property
    def trains(self) -> bool:
        """Whether it takes steps at present, and does not measure, answer or save."""
        return self.phase in (PhaseName.TRAINING, "")

    def permits(self, action: RunAction) -> bool:
        """Say whether this may be asked of the run as it is now."""
        return self.state in PERMITTED[action]

    @property
    def active(self) -> bool:
        """Whether the engine has work to do for it."""
        return self.state in ACTIVE


BEGINNING = (PhaseName.STARTING, PhaseName.PREPARING, PhaseName.LOADING)
"""Phases before a worker can say how it gets on."""
SILENT_SECONDS = 60.0
SILENT_STEPS = 10
"""A run is silent when nothing came for a minute; while it trains, for ten times what a step takes, too."""


def silence(run: Run, heard_at: float | None, now: float) -> float | None:
    """Return the seconds since a run at work was last heard of, see `store.metrics.heard_at`, where that is too long;
    else None. A worker that is starting is not expected to say anything.
    """
    if run.state != "running" or heard_at is None or run.phase in BEGINNING:
        return None
    left = run.total_steps - run.step
    step = (run.eta_seconds or 0.0) / left if left > 0 and run.trains else 0.0
    quiet = now - heard_at
    return quiet if quiet > max(SILENT_SECONDS, SILENT_STEPS * step) else None


class RunChanges(TypedDict, total=False):
    """The facts of a run that may change, its state apart. What they mean is said in `Run`."""

    spec: RunSpec
    started_at: float | None
    finished_at: float | None
    phase: str
    phase_detail: str
    step: int
    total_steps: int
    epoch: float
    supervised_tokens: int
    tokens_per_second: float
    eta_seconds: float | None
    train_loss: float | None
    eval_loss: float | None
    best_eval_loss: float | None
    hardware: HardwareReading
    cost_usd: float
    attempts: int
    deaths: int
    granted: int
    launch_step: int
    launch_seq: int
    ending: Ending
    active_seconds: float
    counted_at: tuple[str, float] | None
    prepared_seconds: float
    preparing_since: float | None
    outcome: Outcome | Literal[""]
    events_offset: int
    events_seq: int
    bad_lines: int
    bad_in_a_row: int
    failure: Failure | None
    model: str
    model_version: int | None
    notices: tuple[Notice, ...]
    gpu_id: str
    queue_time: float | None
    changes: tuple[LiveChange, ...]
    stop_after: StopAfter
