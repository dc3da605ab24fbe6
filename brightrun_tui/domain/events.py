"""What a worker says. One JSON object a line in ``events.jsonl``: ``{"seq", "time", "kind", …}``.

``seq`` counts from 0 without gaps over the whole life of the run directory, restarts of the worker included: every whole line
takes one number, also one that nobody can read. A reader that saw ``seq`` n expects n + 1. What stands beside the three common
fields depends on ``kind`` and is a model of its own here; `Event.from_line` is the border, behind which nothing is unchecked.

Texts that are too long are cut on both sides of the border, so a worker of ours never writes what a reader refuses. A kind
that is not known comes from a newer worker: it is kept as `Other` and shown. Fields that are not known are left out.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Annotated, Any, Generic, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from brightrun_tui.domain import humanize
from brightrun_tui.domain.text import one_line

MAX_LINE_BYTES = 4 << 20
MAX_TEXT, MAX_ANSWER, MAX_PROMPT = 4_000, 64_000, 256_000
"""Characters of a sentence, of an answer, and of all turns of a prompt together."""
MAX_OTHER_BYTES = 64 << 10
SHOWN_LINE = 80


class PhaseName(StrEnum):
    """Parts of a worker's work."""

    STARTING = "starting"
    LOADING = "loading"
    PREPARING = "preparing"
    REHEARSING = "rehearsing"
    TRAINING = "training"
    EVALUATING = "evaluating"
    ANSWERING = "answering"
    SAVING = "saving"
    REPORTING = "reporting"


class WorkerExit(IntEnum):
    """How a worker's process ends when its event log cannot tell, or need not."""

    FAILED = 1
    USAGE = 2
    DISK_FULL = 74
    ANOTHER_AT_WORK = 75
    DIRECTORY_GONE = 76


class BadEventError(ValueError):
    """A line that is not an event; its text says why, in one sentence that is safe to print."""


def _text(limit: int) -> BeforeValidator:
    """Cut at ``limit`` characters; what cannot be encoded (a file name that is not UTF-8) is replaced."""

    def cut(value: object) -> object:
        if not isinstance(value, str):
            return value
        whole = value.encode("utf-8", "replace").decode() if not value.isascii() else value
        return whole if len(whole) <= limit else whole[: limit - 1] + "…"

    return BeforeValidator(cut)


def _gap(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Step = Annotated[int, Field(ge=0, le=10**12)]
Count = Annotated[int, Field(ge=0, le=10**15)]
Amount = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Value = Annotated[Finite | None, BeforeValidator(_gap)]
"""A measured number; None if it was NaN or infinite: a gap in its curve."""
Word = Annotated[str, Field(min_length=1, max_length=64)]
Code = Annotated[str, _text(64)]
Text = Annotated[str, _text(MAX_TEXT)]
Answer = Annotated[str, _text(MAX_ANSWER)]
Outcome = Literal["completed", "stopped", "paused"]
Suggested = bool | int | Finite | Text | list[Text] | None


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", defer_build=True)

    def fields(self) -> dict[str, Any]:
        """Return what stands in the line beside ``seq``, ``time`` and ``kind``."""
        return self.model_dump(mode="json", exclude={"kind"})


class Phase(_Body):
    """A part of the work begins: a `PhaseName`, or what a newer worker calls it.

    With a ``total`` it goes on: so much of it is ``done``, and the rest of it is expected to take ``eta_seconds``.
    """

    kind: Literal["phase"] = "phase"
    phase: Word
    detail: Text = ""
    done: Count = 0
    total: Count = 0
    eta_seconds: Amount | None = None

    @property
    def begins(self) -> bool:
        """Whether it is the first word of its part."""
        return not self.total

    def fields(self) -> dict[str, Any]:
        """Return what is written; a beginning leaves out what it does not say."""
        return self.model_dump(
            mode="json", exclude={"kind", *(("done", "total", "eta_seconds") if self.begins else ())}
        )


class Progress(_Body):
    """How far training is. ``tokens_per_second`` counts all tokens that were computed, those of prompts included;
    ``supervised_tokens`` only those that were learnt from.
    """

    kind: Literal["progress"] = "progress"
    step: Step
    total_steps: Step = 0
    epoch: Amount = 0.0
    supervised_tokens: Count = 0
    tokens_per_second: Amount = 0.0
    eta_seconds: Amount | None = None


class Metric(_Body):
    """Values of one step, by name: ``train_loss``, ``eval_loss``, ``learning_rate``, ``grad_norm``, ``tokens_per_second`` …"""

    kind: Literal["metric"] = "metric"
    step: Step
    values: Annotated[dict[Word, Value], Field(max_length=64)]


_HEAT = ("temperature", "temperature_limit", "power", "power_limit", "throttled", "disk_free", "disk_total")
_AROUND = ("clock", "clock_limit", "cpu_load", "ram_used", "ram_total", "received_rate", "sent_rate")


class HardwareReading(_Body):
    """What the machine does just now. Memory and disk in bytes, ``utilisation`` from 0 to 1, ``temperature`` in degrees Celsius
    and ``power`` in watts, each of the GPU; None if its driver does not tell. ``throttled``: it goes slower to protect itself.

    ``clock`` of its processors and their highest, in MHz. ``cpu_load`` from 0 to 1 and ``ram_*`` in bytes are those of a machine
    with a GPU; without one they are ``utilisation`` and ``memory_*``. ``received_rate`` and ``sent_rate``: bytes a second.
    """

    kind: Literal["hardware"] = "hardware"
    device: Text = ""
    memory_used: Count | None = None
    memory_total: Count | None = None
    utilisation: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)] | None = None
    process_memory: Count | None = None
    temperature: Annotated[float, Field(ge=-50, le=200, allow_inf_nan=False)] | None = None
    temperature_limit: Annotated[float, Field(ge=0, le=200, allow_inf_nan=False)] | None = None
    power: Annotated[float, Field(ge=0, le=1e5, allow_inf_nan=False)] | None = None
    power_limit: Annotated[float, Field(ge=0, le=1e5, allow_inf_nan=False)] | None = None
    throttled: bool | None = None
    disk_free: Count | None = None
    disk_total: Count | None = None
    clock: Annotated[float, Field(ge=0, le=1e5, allow_inf_nan=False)] | None = None
    clock_limit: Annotated[float, Field(ge=0, le=1e5, allow_inf_nan=False)] | None = None
    cpu_load: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)] | None = None
    ram_used: Count | None = None
    ram_total: Count | None = None
    received_rate: Amount | None = None
    sent_rate: Amount | None = None

    def fields(self) -> dict[str, Any]:
        """Return what is written, without what is unknown of heat, power, disk and the machine around."""
        unknown = {name for name in (*_HEAT, *_AROUND) if getattr(self, name) is None}
        return self.model_dump(mode="json", exclude={"kind", *unknown})

    def measured(self) -> dict[str, float]:
        """Return what it tells, by the name of its curve."""
        found = {
            "utilisation": self.utilisation,
            "memory_used": self.memory_used,
            "process_memory": self.process_memory,
            "temperature": self.temperature,
            "power": self.power,
            "throttled": self.throttled,
            "disk_free": self.disk_free,
            "temperature_limit": self.temperature_limit,
            "clock": self.clock,
            "cpu_load": self.cpu_load,
            "ram_used": self.ram_used,
            "received_rate": self.received_rate,
            "sent_rate": self.sent_rate,
        }
        return {name: float(value) for name, value in found.items() if value is not None}


class PromptTurn(_Body):
    """One message of a sample's prompt."""

    role: Text
    content: Annotated[str, _text(MAX_PROMPT)] = ""


def _short_prompt(turns: tuple[PromptTurn, ...]) -> tuple[PromptTurn, ...]:
    """Return the newest turns of a prompt that is too long as a whole."""
    kept: list[PromptTurn] = []
    room = MAX_PROMPT
    for turn in reversed(turns):
        room -= len(turn.content) + len(turn.role) + 16
        if kept and room < 0:
            break
        kept.append(turn)
    return tuple(reversed(kept))


class Sample(_Body):
    """An answer to a held-out prompt: of the base model, or of the model as it was after ``step`` steps.

    ``ended``: by itself, not by running into its limit; None if the worker did not say.
    """

    kind: Literal["sample"] = "sample"
    step: Step
    id: Annotated[str, Field(max_length=256)] = ""
    prompt: Annotated[tuple[PromptTurn, ...], Field(strict=False), AfterValidator(_short_prompt)] = ()
    answer: Answer
    source: Literal["base", "tuned"]
    reference: Answer = ""
    ended: bool | None = None


class Checkpoint(_Body):
    """A checkpoint is complete. ``path`` is relative to the run directory."""

    kind: Literal["checkpoint"] = "checkpoint"
    step: Step
    path: Text = ""
    eval_loss: Value = None
    best: bool = False


class Alert(_Body):
    """Something that a person should know. ``level``: "info", "warning" or "error"."""

    kind: Literal["alert"] = "alert"
    level: Word = "info"
    code: Code = ""
    message: Text = ""


class Change(_Body):
    """A change that was asked for holds after ``step`` steps; ``number`` as it was asked."""

    kind: Literal["change"] = "change"
    number: Annotated[int, Field(ge=1, le=10**6)]
    step: Step
    settings: Annotated[dict[Word, Finite], Field(max_length=32)] = Field(default_factory=dict)


class Done(_Body):
    """The worker has ended in order."""

    kind: Literal["done"] = "done"
    outcome: Outcome
    step: Step = 0


class Failed(_Body):
    """The worker has given up: ``error`` names the kind of failure, ``suggestion`` maps settings to better values."""

    kind: Literal["failed"] = "failed"
    error: Code = "failed"
    cause: Text = "the worker failed"
    fix: Text = ""
    suggestion: Annotated[dict[Word, Suggested], Field(max_length=32)] = Field(default_factory=dict)


@dataclass(frozen=True)
class Other:
    """Of a kind that this version does not know."""

    kind: str
    data: dict[str, Any]

    def fields(self) -> dict[str, Any]:
        """Return what stands in the line beside ``seq``, ``time`` and ``kind``."""
        return self.data


Known = Phase | Progress | Metric | HardwareReading | Sample | Checkpoint | Alert | Change | Done | Failed
Body = Known | Other
B = TypeVar("B", bound=Body, covariant=True)

_KNOWN: TypeAdapter[Known] = TypeAdapter(
    Annotated[Known, Field(discriminator="kind")], config=ConfigDict(defer_build=True)
)
EVENT_KINDS: tuple[str, ...] = tuple(model.model_fields["kind"].default for model in get_args(Known))


class _Head(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", defer_build=True)

    seq: Annotated[int, Field(ge=0, le=10**12)]
    time: Annotated[float, Field(ge=0, le=1e11, allow_inf_nan=False)]
    kind: Word


@dataclass(frozen=True)
class BadLine:
    """A line that is not an event: why, and its beginning, both fit to be shown."""

    why: str
    beginning: str


@dataclass(frozen=True)
class Event(Generic[B]):
    """One line of ``events.jsonl``. ``time`` is in seconds since the epoch."""

    seq: int
    time: float
    body: B

    @property
    def kind(self) -> str:
        return self.body.kind

    def as_dict(self) -> dict[str, Any]:
        """Return the event for ``--json``."""
        return {"seq": self.seq, "time": self.time, "kind": self.kind, "data": self.body.fields()}

    def to_line(self) -> bytes:
        """Return the line as it stands in the file, newline included."""
        document = {"seq": self.seq, "time": self.time, "kind": self.kind, **self.body.fields()}
        return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Event[Body]:
        """Check a line and everything in it.

        Raises:
            BadEventError: it is not an event.
        """
        if len(line) > MAX_LINE_BYTES:
            raise BadEventError(f"it is longer than {humanize.limit(MAX_LINE_BYTES)}")
        try:
            document = from_json(line)
        except ValueError as error:
            raise BadEventError(f"it is not JSON: {one_line(str(error))[:SHOWN_LINE]}") from None
        if not isinstance(document, dict):
            raise BadEventError("it is not a JSON object")
        try:
            head = _Head.model_validate(document)
            return Event(head.seq, head.time, body_of(head.kind, document))
        except ValidationError as error:
            raise BadEventError(_first_problem(error)) from None


def body_of(kind: str, document: dict[str, Any]) -> Body:
    """Return the checked body of an event; ``document`` may hold the common fields as well.

    Raises:
        ValidationError: a field has a wrong type or is out of range.
        BadEventError: the kind is not known, and it has too much to say.
    """
    if kind in EVENT_KINDS:
        return _KNOWN.validate_python({**document, "kind": kind})
    data = {name: value for name, value in document.items() if name not in ("seq", "time", "kind")}
    if len(to_json(data, inf_nan_mode="null")) > MAX_OTHER_BYTES:
        raise BadEventError(f"its kind is not known, and it is longer than {MAX_OTHER_BYTES >> 10} KiB")
    return Other(kind, from_json(to_json(data, inf_nan_mode="null")))


def read_line(line: bytes) -> Event[Body] | BadLine:
    """Return a line of ``events.jsonl``, whatever is in it."""
    try:
        return Event.from_line(line)
    except BadEventError as error:
        text = one_line(line[:SHOWN_LINE].decode("utf-8", "replace")).strip()
        return BadLine(str(error), text + "…" if len(line) > SHOWN_LINE else text)


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"][-2:])
    message = first["msg"][:1].lower() + first["msg"][1:]
    return one_line(f"{place}: {message}" if place else message)[: 2 * SHOWN_LINE]
