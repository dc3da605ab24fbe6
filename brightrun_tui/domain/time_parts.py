"""What the time of a run goes into."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from brightrun_tui.domain.events import Amount, Body, Event, Phase, PhaseName

TimePart = Literal["preparing", "loading", "training", "measuring", "answering", "saving"]
PARTS: tuple[TimePart, ...] = get_args(TimePart)
_PART_OF_PHASE: dict[str, TimePart] = {
    PhaseName.STARTING: "loading",
    PhaseName.PREPARING: "preparing",
    PhaseName.LOADING: "loading",
    PhaseName.REHEARSING: "loading",
    PhaseName.TRAINING: "training",
    PhaseName.EVALUATING: "measuring",
    PhaseName.REPORTING: "measuring",
    PhaseName.ANSWERING: "answering",
    PhaseName.SAVING: "saving",
}


class TimeParts(BaseModel):
    """Seconds. ``preparing``: before there is a worker, a machine rented for it included, and the data as tokens; ``loading``:
    everything after that and before the first step, and the dry run after it; ``measuring``: losses on records; ``answering``:
    sample answers of both models.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    preparing: Amount = 0.0
    loading: Amount = 0.0
    training: Amount = 0.0
    measuring: Amount = 0.0
    answering: Amount = 0.0
    saving: Amount = 0.0

    @property
    def total(self) -> float:
        return self.preparing + self.loading + self.training + self.measuring + self.answering + self.saving

    @property
    def training_share(self) -> float:
        """Of the whole time, from 0 to 1."""
        return self.training / self.total if self.total else 0.0


def time_parts(told: Iterable[Event[Body]]) -> TimeParts:
    """Add up the time of a run's workers by part from its events in order; the time between two of them belongs to no part."""
    spent = dict.fromkeys(PARTS, 0.0)
    part: TimePart | None = None
    since = 0.0
    for event in told:
        if part is not None:
            starts = isinstance(event.body, Phase) and event.body.phase == PhaseName.STARTING
            spent[part] += 0.0 if starts else max(0.0, event.time - since)
        if isinstance(event.body, Phase):
            part = _PART_OF_PHASE.get(event.body.phase, part)
        since = event.time
    return TimeParts(**spent)
