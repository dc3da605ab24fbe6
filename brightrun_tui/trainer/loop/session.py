"""Everything one training works with, put together by the worker and handed from phase to phase."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import torch

from brightrun_tui.domain import events
from brightrun_tui.domain.events import PhaseName
from brightrun_tui.domain.run import RunSpec
from brightrun_tui.domain.run_directory import RunDirectory
from brightrun_tui.domain.settings import RunSettings
from brightrun_tui.trainer.compute.forward import Forward
from brightrun_tui.trainer.compute.row_parallel import RowParallel
from brightrun_tui.trainer.compute.scores import Scores
from brightrun_tui.trainer.data.examples import Data, Example
from brightrun_tui.trainer.data.plan import BatchPlan
from brightrun_tui.trainer.evaluation.answer_time import AnswerTime
from brightrun_tui.trainer.evaluation.evaluate import evaluate
from brightrun_tui.trainer.evaluation.generate import GeneratedAnswer, HeldOutPrompt
from brightrun_tui.trainer.loop.checkpoint import TrainingProgress
from brightrun_tui.trainer.model.loading import TrainingDevice
from brightrun_tui.trainer.objectives.base import Objective
from brightrun_tui.trainer.runtime.control import Control
from brightrun_tui.trainer.runtime.events import EventLog
from brightrun_tui.trainer.runtime.failures import out_of_memory
from brightrun_tui.trainer.runtime.hardware import HardwareMonitor

TELL_SECONDS = 1.0
"""Between two words about how far a phase is."""


@dataclass
class TrainingSession:
    """One training in the making. ``lineage`` stands for all that must stay the same for a checkpoint to fit;
    ``scored_tokens``: of a micro-batch where nothing is trained, once something was scored.
    """

    spec: RunSpec
    files: RunDirectory
    log: EventLog
    control: Control
    monitor: HardwareMonitor
    machine: TrainingDevice
    tokenizer: Any
    data: Data
    prompts: list[HeldOutPrompt]
    model: Any
    forward: Forward
    plan: BatchPlan
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler | None
    lineage: str
    base_name: str
    objective: Objective
    progress: TrainingProgress = field(default_factory=TrainingProgress)
    row_parallel: RowParallel = field(default_factory=RowParallel)
    scored_tokens: int = 0
    changed: RunSettings | None = None
    answer_time: AnswerTime = field(default_factory=AnswerTime)
    _phase: tuple[str, str] = ("", "")
    _told: float = 0.0
    _began: float = 0.0

    @property
    def settings(self) -> RunSettings:
        """As they are now: by the specification, and what people have changed on the way."""
        return self.changed or self.spec.settings

    @property
    def training_seconds(self) -> float:
        """What all steps together are expected to take, by those that were taken."""
        return self.progress.seconds / max(1, self.progress.step) * self.plan.total_steps

    def phase(self, name: PhaseName, detail: str = "") -> None:
        """Tell which phase begins."""
        self.monitor.beat()
        self._phase, self._began = (name, detail), time.monotonic()
        self._told = self._began
        self.log.write(events.Phase(phase=name, detail=detail))

    def phase_of_steps(self) -> None:
        """Tell that training begins, or goes on; how far it is by now is progress, not part of that."""
        step = self.progress.step
        self.phase(PhaseName.TRAINING, f"from step {step + 1:,} on" if step else "")

    def advance(self, done: int, total: int, most: float = math.inf) -> None:
        """Tell, now and then, how much of the phase is over, and when all of it will be: in ``most`` seconds at the latest."""
        self.monitor.beat()
        now = time.monotonic()
        if now - self._told < TELL_SECONDS or not done:
            return
        self._told = now
        name, detail = self._phase
        left = min(most, (now - self._began) / done * max(0, total - done))
        self.log.write(events.Phase(phase=name, detail=detail, done=done, total=total, eta_seconds=max(0.0, left)))

    def score(self, examples: Sequence[Example], between: Callable[[], None]) -> Scores:
        """Return losses of the model as it is; ``between`` is called between micro-batches and may raise to leave."""
        self.scored_tokens = min(self.scored_tokens or self.progress.max_tokens, self.progress.max_tokens)
        scored = partial(self.advance, total=len(examples))
        return evaluate(
            self.forward,
            examples,
            self.scored_tokens,
            between,
            self.row_parallel,
            self._score_fewer,
            self.objective,
            scored,
        )

    def _score_fewer(self, longest: int) -> int:
        """Score one micro-batch at a time, then half of it; what training uses stays as it is."""
        if self.row_parallel.allowed > 1:
            self.row_parallel.allowed = 1
        elif self.scored_tokens > longest:
            self.scored_tokens = max(longest, self.scored_tokens // 2)
        else:
            raise out_of_memory(longest)
        if self.machine.device.type == "cuda":
            torch.cuda.empty_cache()
        self.alert("out_of_memory", f"memory ran out while scoring: {self.scored_tokens} tokens at a time")
        return self.scored_tokens

    def between(self) -> None:
        """Call between pieces of work that can be done again: shows life, and leaves when asked to.

        Raises:
            Terminated: a pause or a signal is waiting.
        """
        self.monitor.beat()
        self.control.leave_if_asked()

    def alert(self, code: str, message: str, level: str = "warning") -> None:
        """Tell something that a person should know."""
        self.log.write(events.Alert(level=level, code=code, message=message))

    def tell_answers(
        self,
        prompts: Sequence[HeldOutPrompt],
        answers: Sequence[GeneratedAnswer | None],
        source: Literal["base", "tuned"],
        step: int,
    ) -> None:
        """Tell what a model answered to ``prompts``; of those without an answer nothing."""
        for prompt, said in zip(prompts, answers, strict=True):
            if said is None:
                continue
            self.log.write(
                events.Sample(
                    step=step,
                    id=prompt.id,
                    prompt=tuple(events.PromptTurn(**turn) for turn in prompt.messages),
                    answer=said.text,
                    source=source,
                    reference=prompt.reference,
                    ended=said.ended,
                )
            )
