"""Measuring versions again: what is asked of the worker, and what came of it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from brightrun_tui.domain.measures import Measures, StoredCategoryLosses, StoredMeasures
from brightrun_tui.domain.model import Moment, SampleAnswer, SplitScore


class Judging(BaseModel):
    """Which records of a dataset judge.

    ``learnt``: left out because a version learnt from them, or from others that give them away; ``over``: left out because
    enough others judge. ``unknown``: versions of which nobody can tell what they learnt from.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    records: int
    learnt: int = 0
    over: int = 0
    unknown: tuple[str, ...] = ()


class Evaluation(BaseModel):
    """``evaluation.json``: a version measured on records of some dataset, by the rules of the report card.

    Attributes:
        records_key: the same for measurements on the very same records.
        base: the original base model wherever it could be measured; ``quantised_base``: in 4 bits, where trained on so.
        base_fingerprint: of the base model; losses of different ones count different tokens.
        scores: as on the report card.
        seconds: what measuring took.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    version: int = 1
    run_id: str
    name: str
    model_version: int
    created_at: Moment
    dataset_name: str
    dataset_fingerprint: str
    records_key: str
    base_id: str
    base_fingerprint: str = ""
    base: SplitScore
    tuned: SplitScore
    quantised_base: SplitScore | None = None
    by_category: StoredCategoryLosses = Field(default_factory=dict)
    samples: tuple[SampleAnswer, ...] = ()
    scores: StoredMeasures = Field(default_factory=Measures)
    judging: Judging
    seconds: float = 0.0
    device: str = ""

    @property
    def ref(self) -> str:
        """``name:version`` of what was measured."""
        return f"{self.name}:{self.model_version}"
