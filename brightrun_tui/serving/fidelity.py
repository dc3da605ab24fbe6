"""What was found of an export: how near it is to the model that was graded. It lies in the export, for programs."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

FACTS = "merge.json"
ANSWER_TOKENS = 48
"""Of each sample answer that is compared."""


class OtherAnswer(BaseModel):
    """A question that the export answers in other words than the graded model."""

    model_config = ConfigDict(frozen=True)

    question: str
    graded: str
    export: str


class Fidelity(BaseModel):
    """``measured`` False: the form could not be loaded here to be measured. ``noise``: twice the standard error of the
    difference of the losses. ``same``: answers of the export that are the graded model's to the letter, of ``answers``; the
    ``others`` are not. Each answer has `ANSWER_TOKENS` at most.
    """

    model_config = ConfigDict(frozen=True)

    measured: bool
    base: str
    graded_loss: float | None = None
    export_loss: float | None = None
    noise: float = 0.0
    cases: int = 0
    same: int = 0
    answers: int = 0
    others: tuple[OtherAnswer, ...] = ()

    @property
    def words(self) -> str:
        """What was found, in a sentence or two."""
        if not self.measured:
            return "This form could not be measured here: ask it some questions before you rely on it."
        same = f"{self.same} of {self.answers} sample answers are the graded model's to the letter."
        if self.graded_loss is None or self.export_loss is None:
            return same
        apart = self.export_loss - self.graded_loss
        beyond = "within the noise" if abs(apart) <= self.noise else "beyond the noise"
        return (
            f"Loss of {self.cases} wanted answers: {self.export_loss:.4f}, of the graded model {self.graded_loss:.4f} "
            f"({apart:+.4f}, {beyond} of ±{self.noise:.4f}). {same}"
        )


def read_fidelity(export: Path) -> Fidelity | None:
    """Return what was found of the export that lies there; None of one that is nothing but copied files. Blocking."""
    try:
        return Fidelity.model_validate_json((export / FACTS).read_bytes())
    except (OSError, ValidationError):
        return None
