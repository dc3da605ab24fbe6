"""What was measured of a tuned model: all that the verdict on its report card rests on, besides its answers."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Mark = Literal["right", "partly", "wrong", "unclear"]
"""What a comparison with the wanted answer says. ``unclear``: other words, and nothing in them that could be compared."""

FormKind = Literal["json", "label", "call", "frame", ""]
"""The form that the wanted answers have: JSON, one of a few labels, a tool call, an opening or a closing that all share."""


class AnswerFindings(BaseModel):
    """The sample answers; shares from 0 to 1, lengths as medians in tokens.

    Attributes:
        fair: answers whose wanted answer is shorter than ``limit`` tokens, so that ending in time can be expected.
        ended: share of those that the tuned model ended by itself.
        empty: share of all tuned answers that say nothing.
        copied: share of the tuned model's phrases that stand word for word in training answers, of ``phrases`` in all.
        usually_copied: the same of the base model's or the wanted answers, whichever copy more.
        form, form_share: the form of the wanted answers, and the share of the tuned answers that have it.
        frame: opening and closing that most training answers share; not counted as content.
        taught: wanted answers that stand word for word among the answers it learnt from, of all ``count``.
        parts: by label, or by place of a value in JSON: how many answers have it right, and how many should.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    count: int
    fair: int
    ended: float
    limit: int
    empty: float
    length_base: float
    length_tuned: float
    length_wanted: float
    copied: float
    usually_copied: float
    phrases: int
    form: FormKind = ""
    form_share: float = 1.0
    frame: str = ""
    taught: int = 0
    parts: dict[str, tuple[int, int]] = Field(default_factory=dict)


class Floor(BaseModel):
    """The training answer that would be right most often if it were the answer to every question.

    ``marks``: what it would have got for each sample, in their order.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    answer: str
    marks: tuple[Mark, ...]


class Findings(BaseModel):
    """Losses are in nats a supervised token; ``answers`` is None if no prompt was answered.

    Attributes:
        difference_high: upper end of the 95 % interval of tuned minus base loss.
        conversations: how many the held-out records belong to.
        chosen_apart: other records chose the checkpoint than those that judge it.
        falling: by which part of itself the held-out loss fell between the last two evaluations; 0 if it rose.
        best_at: how much of the training was done at the best checkpoint, 0 to 1.
        base_in_4_bits: the base model was measured in its 4-bit form, because the original did not fit into the memory.
        worse: categories of records on which the base model does better, as ``topic: returns``.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    base_loss: float
    tuned_loss: float
    difference_high: float
    held_out_records: int
    conversations: int
    train_loss: float
    general_base: float
    general_tuned: float
    early_stopped: bool = False
    stopped: bool = False
    stood_in: bool = False
    chosen_apart: bool = False
    falling: float = 0.0
    best_at: float = 1.0
    base_in_4_bits: bool = False
    answers: AnswerFindings | None = None
    floor: Floor | None = None
    worse: tuple[str, ...] = ()
