"""What a training objective says of itself, to those who plan a run and must not import torch."""

from __future__ import annotations

import re
from dataclasses import dataclass

from brightrun_tui.domain.spec_names import flaw_of_name

DEFAULT_OBJECTIVE = "sft"

_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True, kw_only=True)
class ObjectiveSpec:
    """An entry point of ``brightrun.objectives``.

    Attributes:
        name: the value of the setting ``training.objective``.
        gives: one sentence on what is learnt.
        implementation: ``module:Class`` of a `trainer.objectives.base.Objective`, imported by the worker only, and called
            without arguments. The module may import torch; the one with this spec must not.
        memory_factor: what the activations of a micro-batch take, over those of supervised fine-tuning.
    """

    name: str
    gives: str
    implementation: str
    memory_factor: float = 1.0

    def flaw(self) -> str:
        """Do as `plugins.Spec.flaw`."""
        if flaw := flaw_of_name(self.name):
            return flaw
        if not self.gives.strip():
            return "gives should say what is learnt"
        if not _TARGET.fullmatch(self.implementation):
            return "its implementation should be written as module:Class"
        if not 0.1 <= self.memory_factor <= 100:
            return "its memory_factor should be between 0.1 and 100"
        return ""


SUPERVISED = ObjectiveSpec(
    name=DEFAULT_OBJECTIVE,
    gives="Supervised fine-tuning: the answers, token by token.",
    implementation="brightrun_tui.trainer.objectives.sft:SupervisedFineTuning",
)
