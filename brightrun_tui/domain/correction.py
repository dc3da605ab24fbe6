"""Answers of a model that a person found wrong, with the right ones; and what became of them in a later version."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict

from brightrun_tui.domain.findings import Mark

_RECORD_ID = re.compile(r"brightrun-correction-(\d+)")


class Correction(BaseModel):
    """What a model should have answered.

    Attributes:
        conversation: the turns ({"role", "content"}) up to the question, which is the last one.
        answer: what the model answered; empty if that is not known.
        wanted: the right answer.
        dataset: the dataset that it was written to last; empty while it waits.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    id: int = 0
    model: str
    version: int
    conversation: tuple[dict[str, str], ...]
    answer: str = ""
    wanted: str
    author: str = ""
    created_at: float
    dataset: str = ""

    @property
    def question(self) -> str:
        """What was asked last."""
        return self.conversation[-1]["content"] if self.conversation else ""

    @property
    def waiting(self) -> bool:
        """Whether no dataset has it yet."""
        return not self.dataset

    @property
    def record_id(self) -> str:
        """Its record's id in a dataset, by which a report card finds it again."""
        return f"brightrun-correction-{self.id}"


class CorrectionOutcome(BaseModel):
    """What a version that learnt from a correction answers to its question, and what comparing with the wanted answer says."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    id: int
    question: str
    wanted: str
    answer: str
    mark: Mark


def correction_number(record_id: str) -> int | None:
    """Return the id of the correction that a record of a dataset was written for; None of any other record."""
    found = _RECORD_ID.fullmatch(record_id)
    return int(found[1]) if found else None
