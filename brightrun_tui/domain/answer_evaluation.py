"""A version judged by what it answers at an endpoint: nothing of it is loaded, so no loss is measured."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from brightrun_tui.domain.evaluation import Judging
from brightrun_tui.domain.findings import Mark


class AnsweredQuestion(BaseModel):
    """All turns before an answer as one text, the answer that was wanted, and the one that was given."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    question: str
    wanted: str
    said: str
    mark: Mark | None = None


class AnswersToMark(BaseModel):
    """What to compare; ``training``: answers that the version learnt from, for what they have in common."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    training: tuple[str, ...]
    answers: tuple[AnsweredQuestion, ...]


class MarkedAnswers(BaseModel):
    """The marks in the order of the answers; shares from 0 to 1."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    marks: tuple[Mark, ...]
    exact_match: float
    token_f1: float


class AnswerEvaluation(BaseModel):
    """What came of it. ``left_out``: questions that are not asked at an endpoint: their answers are calls of tools."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    name: str
    model_version: int
    endpoint: str
    created_at: float
    dataset_name: str
    dataset_fingerprint: str
    judging: Judging
    answers: tuple[AnsweredQuestion, ...]
    left_out: int = 0
    exact_match: float = 0.0
    token_f1: float = 0.0
    seconds: float = 0.0

    @property
    def ref(self) -> str:
        """``name:version`` of what was asked."""
        return f"{self.name}:{self.model_version}"
