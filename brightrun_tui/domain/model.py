"""Models in the registry, their report cards, and the endpoints that serve them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal, TypedDict

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from brightrun_tui.domain.correction import CorrectionOutcome
from brightrun_tui.domain.findings import Findings, Mark
from brightrun_tui.domain.measures import Measures, StoredCategoryLosses, StoredMeasures
from brightrun_tui.domain.seal import Seal
from brightrun_tui.domain.setting_groups import QuantisationSettings
from brightrun_tui.domain.settings import RunSettings
from brightrun_tui.domain.time_parts import TimeParts

Moment = Annotated[float, Field(ge=0, le=1e11, allow_inf_nan=False)]
"""Seconds since the epoch, of a time that a calendar has."""


class SplitScore(BaseModel):
    """Loss (nats a supervised token) and perplexity = exp(loss) on the held-out split."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    loss: float
    perplexity: float
    tokens: int
    records: int


class StepAnswer(BaseModel):
    """What the model answered after so many steps."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    step: int
    text: str
    ended: bool = False


class SampleAnswer(BaseModel):
    """One held-out prompt answered by base and tuned model, greedily; ``by_step``: on the way from one to the other.

    ``mark``, ``base_mark``: what comparing the tuned and the base answer with the reference says; None if it was not done.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    id: str = ""
    prompt: tuple[dict[str, Any], ...]
    reference: str = ""
    base: str = ""
    tuned: str = ""
    base_ended: bool = False
    tuned_ended: bool = False
    by_step: tuple[StepAnswer, ...] = ()
    mark: Mark | None = None
    base_mark: Mark | None = None

    @property
    def turns(self) -> tuple[tuple[str, str], ...]:
        """Who spoke, and what was said, before the answer."""
        return tuple((str(turn.get("role", "")), str(turn.get("content", ""))) for turn in self.prompt)

    @property
    def asked(self) -> str:
        """These turns as one text, each behind its role."""
        return "\n".join(f"{role}: {said}" for role, said in self.turns)

    @property
    def question(self) -> str:
        """What was asked last."""
        return next((said for role, said in reversed(self.turns) if role == "user"), "")


class Lineage(BaseModel):
    """Where a model comes from; enough to make it again.

    ``base_quantisation``: what the base model's weights were before they were unpacked, such as Q4_1; empty for original ones.
    ``dataset_source``: its name with ``hf:`` where it is one of the Hub.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    run_id: str
    dataset_name: str
    dataset_fingerprint: str
    base_id: str
    base_revision: str = ""
    base_fingerprint: str = ""
    base_quantisation: str = ""
    base_license: str = ""
    dataset_source: str = ""
    languages: tuple[str, ...] = ()
    template: str = ""
    settings: dict[str, Any] = Field(default_factory=dict)
    packages: dict[str, str] = Field(default_factory=dict)

    @property
    def quantisation(self) -> QuantisationSettings:
        """How the base was held in training. Raises ``ValidationError`` where that is not said in a form that is known."""
        return QuantisationSettings.model_validate(self.settings.get("quantisation", {}))

    @property
    def run_settings(self) -> RunSettings:
        """The settings that it was trained with; the usual ones where a report card of another version of ours has others."""
        try:
            return RunSettings.model_validate(self.settings)
        except ValidationError:
            return RunSettings()


class TrainingFacts(BaseModel):
    """What happened while training. ``tokens_per_second`` counts all tokens that were computed, those of prompts included;
    ``spent``: what the time of the run went into, up to the writing of its report.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    steps: int
    epochs: float
    train_records: int
    eval_records: int
    supervised_tokens: int
    seconds: float
    tokens_per_second: float = 0.0
    best_step: int = 0
    trainable_parameters: int = 0
    base_parameters: int = 0
    device: str = ""
    peak_memory: int = 0
    records_dropped: int = 0
    records_truncated: int = 0
    micro_batch_size: int = 0
    early_stopped: bool = False
    spent: TimeParts | None = None


Grade = Literal["good", "mixed", "poor"]


class AdviceKind(StrEnum):
    """What an advice asks for."""

    TRAIN = "train"
    READ = "read"
    DEPLOY = "deploy"
    CHAT = "chat"


class Advice(BaseModel):
    """What to try next: why, from what was measured, and the command that does it.

    ``kind``: None on report cards of older versions. A training is the one that made the model but for ``changes``, values as
    commands have them by the dotted key of a setting, and for a ``larger_base``.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    why: str
    command: str
    kind: AdviceKind | None = None
    changes: dict[str, str] = Field(default_factory=dict)
    larger_base: bool = False


class Verdict(BaseModel):
    """The report card in plain words.

    ``style``: form, length, voice, and whether answers end. ``content``: whether they are right. Both are None on report cards
    of older versions; ``content`` also where nothing could be compared. ``advice``: the most promising first.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    grade: Grade
    summary: str
    reasons: tuple[str, ...] = ()
    style: Grade | None = None
    content: Grade | None = None
    advice: tuple[Advice, ...] = ()


class Ruling(BaseModel):
    """What a judge made of one sample: the tuned answer wins, loses or ties against the base model's.

    ``right``: whether the tuned answer is right in its content; None if the judge did not say, or contradicted itself.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    outcome: Literal["win", "tie", "loss", "unparsable"]
    reason: str = ""
    right: bool | None = None


class Judgement(BaseModel):
    """What a language model elsewhere made of the samples. ``rulings`` are in the order of the samples.

    ``swayed``: ties in which the judge preferred whichever answer it was shown first, or last. ``questions``: how often it
    was asked. Tokens and cost are as the judge's server counts them, 0 and None if it does not say.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    judge: str
    host: str
    created_at: Moment
    rulings: tuple[Ruling, ...]
    swayed: int = 0
    questions: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = None

    def count(self, outcome: str) -> int:
        """Count the samples that ended so."""
        return sum(ruling.outcome == outcome for ruling in self.rulings)


class Tick(BaseModel):
    """What a person said of a sample's tuned answer. ``sample``: its number, from 0."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    sample: int = Field(ge=0)
    right: bool
    at: Moment = 0.0


class Report(BaseModel):
    """``report.json``: the report card.

    ``base`` is the original base model wherever it could be measured; ``quantised_base``: in 4 bits, where trained on so.
    ``ticks``: at most one for each sample, in their order. ``planned``, ``planned_memory`` (bytes): what was expected before.
    ``corrections``: what became of the corrections that its data holds. ``records_key``: the same for measurements on the very
    same records; empty on report cards of older versions.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    version: int = 1
    name: str
    created_at: Moment
    base: SplitScore
    tuned: SplitScore
    by_category: StoredCategoryLosses = Field(default_factory=dict)
    samples: tuple[SampleAnswer, ...] = ()
    scores: StoredMeasures = Field(default_factory=Measures)
    training: TrainingFacts
    lineage: Lineage
    verdict: Verdict
    cost_usd: float = 0.0
    planned: TimeParts | None = None
    planned_memory: int = 0
    judgement: Judgement | None = None
    quantised_base: SplitScore | None = None
    findings: Findings | None = None
    ticks: tuple[Tick, ...] = ()
    corrections: tuple[CorrectionOutcome, ...] = ()
    records_key: str = ""


class Review(BaseModel):
    """What one person said of a version at one time. ``rating``: 1 to 5 stars, None if none were given."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    author: str
    at: float
    rating: int | None = None
    note: str = ""


TAKEN_IN = "import-"
"""How the run id of a version begins that was made elsewhere."""
NOT_MEASURED_HERE = "It came from elsewhere with its report card: nothing of it was measured here."


CHAMPION = "champion"
PREVIOUS = "previous"
"""Aliases that are moved for the person: the version that a bare name means, and the one that was it before."""


class ModelVersion(BaseModel):
    """One immutable version of a model: ``name:version``.

    ``rating`` and ``note`` are those in force; ``reviews`` is their history, oldest first. ``archived``: kept, but not offered.
    ``seal``: the signature that it came with, once it was proven to be of its files.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    name: str
    version: int
    run_id: str
    directory: str
    base_id: str
    base_path: str = ""
    report: Report
    created_at: float
    rating: int | None = None
    note: str = ""
    tags: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    bytes: int = 0
    reviews: tuple[Review, ...] = ()
    description: str = ""
    archived: bool = False
    seal: Seal | None = None

    @property
    def ref(self) -> str:
        """``name:version`` as the command line takes it."""
        return f"{self.name}:{self.version}"

    @property
    def from_elsewhere(self) -> bool:
        """Whether it was taken in, from a bundle or the Hub; then what its report card says was not measured here."""
        return self.run_id.startswith(TAKEN_IN)


class Remarks(TypedDict, total=False):
    """What people say about a model version."""

    rating: int | None
    note: str
    tags: tuple[str, ...]
    description: str
    archived: bool
