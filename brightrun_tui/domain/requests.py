"""What TUI and CLI ask of the engine: a model for each kind, which is a row in the store; the engine answers in the same row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.model import CHAMPION
from brightrun_tui.domain.rental import EndpointRental
from brightrun_tui.domain.run import Ending, StopAfter
from brightrun_tui.domain.run_states import RunState
from brightrun_tui.domain.settings import SettingValue


class Answer(BaseModel):
    """What came of a request, as it stands in its row."""

    model_config = ConfigDict(frozen=True, defer_build=True)


class RunAnswer(Answer):
    state: RunState


class StopAnswer(RunAnswer):
    """``stop_after``: where it stops by itself, where that was asked for."""

    ending: Ending
    stop_after: StopAfter = ""


class ChangeAnswer(RunAnswer):
    """``change``: its number within the run. ``changed``: what it says, in words."""

    change: int
    changed: str


class RetryAnswer(RunAnswer):
    """``run``: the id of the run that goes on, another one where settings were changed."""

    run: str


class DeleteAnswer(Answer):
    deleted: str


class MoveAnswer(Answer):
    """Run ids in the order of the queue."""

    queue: tuple[str, ...]


class DeployAnswer(Answer):
    """``endpoint``: its id. ``already``: it serves that version. ``takes``: the version it changes to, 0 where none."""

    endpoint: str
    already: bool
    takes: int = 0


class UndeployAnswer(Answer):
    endpoint: str


class SweepLeasesAnswer(Answer):
    """Names of the leases that are on their way back."""

    returning: tuple[str, ...]


class StandByAnswer(Answer):
    """Whether a worker is in waiting, or will be."""

    ready: bool


A_co = TypeVar("A_co", bound=Answer, covariant=True)


class Ask(BaseModel, Generic[A_co]):
    """One request; ``A_co`` is how it is answered. ``target``: the id of a run or an endpoint, or a model ref, by kind.

    The other fields are the row's payload: their names and defaults hold for requests that older versions left.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    kind: str
    target: str = ""

    def payload(self) -> dict[str, Any]:
        """Return what is written beside kind and target, ready for JSON."""
        return self.model_dump(mode="json", exclude={"kind", "target"})

    @classmethod
    def read_answer(cls, result: dict[str, Any]) -> A_co:
        """Return the answer that a row holds. Raises ``ValidationError``."""
        kinds = (base.__pydantic_generic_metadata__["args"] for base in cls.__mro__ if issubclass(base, Ask))
        answer: type[A_co] = next(args[0] for args in kinds if args)
        return answer.model_validate(result)


class StopRun(Ask[StopAnswer]):
    """Each stop of a run that is stopping already takes the next step at once; ``force`` begins with the last. With ``after``
    (a `StopAfter`) it goes on until there.
    """

    kind: Literal["stop_run"] = "stop_run"
    force: bool = False
    after: str = ""


class ChangeRun(Ask[ChangeAnswer]):
    """Of a run under way: ``settings`` by their dotted keys, from the next step on, and its limits; None: as it is."""

    kind: Literal["change_run"] = "change_run"
    settings: dict[str, SettingValue] = Field(default_factory=dict)
    budget_usd: float | None = None
    max_hours: float | None = None


class PauseRun(Ask[RunAnswer]):
    kind: Literal["pause_run"] = "pause_run"


class ResumeRun(Ask[RunAnswer]):
    kind: Literal["resume_run"] = "resume_run"


class RetryRun(Ask[RetryAnswer]):
    """``overrides``: settings by their dotted keys. ``apply_suggestion``: those that the failure suggests, too."""

    kind: Literal["retry_run"] = "retry_run"
    overrides: dict[str, SettingValue] = Field(default_factory=dict)
    apply_suggestion: bool = False


class CheckpointRun(Ask[RunAnswer]):
    kind: Literal["checkpoint_run"] = "checkpoint_run"


class DeleteRun(Ask[DeleteAnswer]):
    kind: Literal["delete_run"] = "delete_run"


class MoveRun(Ask[MoveAnswer]):
    """``to``: first, last, up, down, or a number from 1."""

    kind: Literal["move_run"] = "move_run"
    to: str = "first"


class Deploy(Ask[DeployAnswer]):
    """``name``: the endpoint's id, empty for a new one; ``port`` 0: any; ``host``: the address of this machine at which it
    answers, empty: to this machine only; ``key_file``: where the bearer key is read from, empty: one is made up; ``keeps_key``:
    also when it is undeployed; ``follows``: the alias whose version it serves from then on; ``idle_unload``: seconds without a
    request after which the model leaves memory, 0: never. ``rental``: the machine that was agreed to be rented for it, None: this
    machine serves. ``base_alone``: the base model of the version, without the adapter.
    """

    kind: Literal["deploy"] = "deploy"
    name: str = ""
    port: int = 0
    host: str = ""
    engine: str = "auto"
    key_file: str = ""
    keeps_key: bool = False
    follows: str = ""
    idle_unload: float = 0.0
    rental: EndpointRental | None = None
    base_alone: bool = False


def followed_alias(ref: str) -> str:
    """Return the alias that an endpoint of ``ref`` follows: a bare name means the champion. Empty where a number pins it."""
    word = ref.partition(":")[2]
    return "" if word.isdecimal() else word or CHAMPION


def lasting_name(ref: str) -> str:
    """Return the name that an endpoint of ``ref`` has where nobody gives it one; it keeps its address. Empty where it is
    pinned.
    """
    name, alias = ref.partition(":")[0], followed_alias(ref)
    return name if alias == CHAMPION else f"{name}-{alias}" if alias else ""


class Undeploy(Ask[UndeployAnswer]):
    kind: Literal["undeploy"] = "undeploy"


class SweepLeases(Ask[SweepLeasesAnswer]):
    """Look for machines that nobody needs now, not at the next turn of the timer."""

    kind: Literal["sweep"] = "sweep"


class StandBy(Ask[StandByAnswer]):
    """Somebody is about to start a run on this machine."""

    kind: Literal["stand_by"] = "stand_by"


class StopEngine(Ask[Answer]):
    kind: Literal["stop_engine"] = "stop_engine"


AnyAsk = Annotated[
    StopRun
    | ChangeRun
    | PauseRun
    | ResumeRun
    | RetryRun
    | CheckpointRun
    | DeleteRun
    | MoveRun
    | Deploy
    | Undeploy
    | SweepLeases
    | StandBy
    | StopEngine,
    Field(discriminator="kind"),
]


class Request(BaseModel):
    """A row. ``result``: the answer of one that is done; ``error`` with the reason of one that failed."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    id: int
    ask: AnyAsk
    created_at: float
    state: Literal["pending", "done", "failed"] = "pending"
    result: dict[str, Any] = Field(default_factory=dict)
    handled_at: float | None = None

    @property
    def refusal(self) -> BrightrunError | None:
        """Why it failed; None where it did not."""
        if self.state != "failed":
            return None
        said = self.result.get("error")
        said = said if isinstance(said, dict) else {}
        return BrightrunError(
            str(said.get("what", "the engine refused")),
            where=str(said.get("where", "")),
            fix=str(said.get("fix", "")),
            kind=str(said.get("kind", ErrorKind.REFUSED)),
        )


@dataclass(frozen=True)
class RequestOutcome(Generic[A_co]):
    """What became of a request: its answer, or why the engine refused; neither where it did not come to it in time."""

    answer: A_co | None = None
    refusal: BrightrunError | None = None
