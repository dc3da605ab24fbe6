"""The training loop, to be read from top to bottom."""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass

import psutil
import torch

from brightrun_tui.domain import events
from brightrun_tui.domain.events import Outcome, PhaseName
from brightrun_tui.domain.run_directory import CHECKPOINTS, LATER_STOPS, checkpoint_name
from brightrun_tui.trainer.compute.optim import learning_rate, set_learning_rate
from brightrun_tui.trainer.compute.scores import Scores
from brightrun_tui.trainer.compute.threads import ThreadChooser
from brightrun_tui.trainer.loop.answering import answer_prompts
from brightrun_tui.trainer.loop.baseline import Baseline, measure_baseline
from brightrun_tui.trainer.loop.changes import LiveChanges
from brightrun_tui.trainer.loop.checkpoint import prune, save_checkpoint
from brightrun_tui.trainer.loop.dry_run import check_what_moved, dry_run, probe
from brightrun_tui.trainer.loop.gradients import accumulate
from brightrun_tui.trainer.loop.micro_batches import cut
from brightrun_tui.trainer.loop.out_of_memory import with_less_memory_if_needed
from brightrun_tui.trainer.loop.parallelism import open_row_parallel
from brightrun_tui.trainer.loop.session import TrainingSession
from brightrun_tui.trainer.loop.step_numbers import StepNumbers
from brightrun_tui.trainer.model.adapter import trainable
from brightrun_tui.trainer.runtime.control import Terminated
from brightrun_tui.trainer.runtime.failures import TrainingError

PATIENCE = 5
"""Steps in a row with a far too high loss, or without any gradient, before a run is given up."""
SKIPPED_STEPS = 20
"""Steps in a row that float16's loss scale may skip before the run counts as broken."""
PROGRESS_SECONDS = 0.5


@dataclass(frozen=True)
class StepResult:
    """What a step gave; ``figures`` are mean loss (nats) and length of the gradient."""

    step: int
    numbers: StepNumbers
    rate: float
    tokens: int


class Loop:
    """Takes a session from ``progress.step`` to its end, or to a request, whichever comes first."""

    def __init__(self, session: TrainingSession) -> None:
        self.session = session
        self.baseline: Baseline | None = None
        self.best_scores: Scores | None = None
        self._waiting: StepResult | None = None
        self._threads: ThreadChooser | None = None
        self._memory_before = psutil.Process().memory_info().rss
        self._recent: deque[tuple[int, float]] = deque(maxlen=20)
        self._mark = 0.0
        self._bad_steps = 0
        self._dead_steps = 0
        self._skipped_steps = 0
        self._told_progress = 0.0
        self._evaluation_seconds = 0.0
        self._base_answer_seconds = 0.0
        self._samples_failed = False
        self._changes = LiveChanges(session.files.changes, session.log.history)

    def run(self) -> Outcome:
        """Train. Asked to leave while it measures, it leaves that for the next start and keeps what was learnt.

        Raises:
            TrainingError: it cannot go on; the newest checkpoint holds the last good state.
        """
        try:
            return self._train()
        except Terminated:
            self._save_unless_saved()
            return "paused"

    def _train(self) -> Outcome:
        session, progress = self.session, self.session.progress
        self._changes.take(session)
        session.phase_of_steps()
        session.forward.set_training(True)
        if progress.step and self._is_due(session.plan.eval_every) and progress.evaluated_step != progress.step:
            self._evaluate()
        first = True
        self._mark = time.monotonic()
        while not progress.early_stopped and not self._has_all_steps():
            before = probe(session) if first else {}
            result = self._take_step()
            self._settle()
            self._waiting = result
            if session.machine.device.type == "cpu":
                self._settle()
            if first:
                self._settle()
                check_what_moved(session, before)
                dry_run(session, score=session.files.baseline.is_file())
                if session.machine.device.type == "cpu":
                    open_row_parallel(session, self._memory_before)
                    self._threads = ThreadChooser(start_with_all=session.row_parallel.allowed > 1)
                self.baseline = measure_baseline(session)
                session.phase_of_steps()
                self._base_answer_seconds = session.answer_time.spent
                self._mark = time.monotonic()
                first = False
            self._evaluate_and_save_if_due()
            outcome = self._answer_requests()
            if outcome:
                return outcome
        return "completed"

    def _has_all_steps(self) -> bool:
        """Say whether nothing is left to train, by what holds after the step that was taken last."""
        if self.session.progress.step < self.session.plan.total_steps:
            self._changes.take(self.session)
        return self.session.progress.step >= self.session.plan.total_steps

    def _take_step(self) -> StepResult:
        session, progress = self.session, self.session.progress
        window = session.plan.window(progress.step)
        supervised = sum(session.data.train[i].targets for i in window)
        tokens = sum(session.data.train[i].length for i in window)
        rate = learning_rate(progress.step, session.plan.total_steps, session.settings.training)
        set_learning_rate(session.optimizer, rate)
        loss = with_less_memory_if_needed(
            session,
            lambda: accumulate(
                session.forward, cut(session, window), session.row_parallel, session.scaler, session.objective
            ),
        )
        norm = self._update()
        progress.step += 1
        progress.supervised_tokens += supervised
        progress.tokens += tokens
        return StepResult(progress.step, StepNumbers(loss, norm), rate, tokens)

    def _update(self) -> torch.Tensor:
        """Clip, step, clear; returns the length of the gradient before clipping."""
        session = self.session
        parameters = list(trainable(session.model).values())
        if session.scaler:
            session.scaler.unscale_(session.optimizer)
        limit = session.settings.training.max_grad_norm or math.inf
        norm = torch.nn.utils.clip_grad_norm_(parameters, limit)
        if session.scaler:
            session.scaler.step(session.optimizer)
            session.scaler.update()
        else:
            session.optimizer.step()
        session.optimizer.zero_grad(set_to_none=True)
        return norm

    def _settle(self) -> None:
        """Look at the figures of the step that was taken last: refuse to go on from bad ones, tell the others.

        On a GPU this happens while the next step runs, so the GPU never waits for its log.
        """
        result, self._waiting = self._waiting, None
        if result is None:
            return
        session, progress = self.session, self.session.progress
        loss, norm = result.numbers.read()
        self._refuse_bad(result.step, loss, norm)
        session.monitor.beat()
        now = time.monotonic()
        seconds, self._mark = now - self._mark, now
        progress.seconds += seconds
        self._recent.append((result.tokens, seconds))
        if self._threads:
            self._threads.after_step(result.tokens, seconds)
        last = result.step == session.plan.total_steps
        if last or result.step % session.settings.training.logging_steps == 0:
            session.log.write(
                events.Metric(
                    step=result.step,
                    values={
                        "train_loss": loss,
                        "learning_rate": result.rate,
                        "grad_norm": norm,
                        "tokens_per_second": result.tokens / max(1e-9, seconds),
                    },
                )
            )
        if last or now - self._told_progress >= PROGRESS_SECONDS:
            self._told_progress = now
            speed = sum(tokens for tokens, _ in self._recent) / max(1e-9, sum(each for _, each in self._recent))
            session.log.write(
                events.Progress(
                    step=result.step,
                    total_steps=session.plan.total_steps,
                    epoch=round(session.plan.epoch(result.step), 4),
                    supervised_tokens=progress.supervised_tokens,
                    tokens_per_second=speed,
                    eta_seconds=self._eta(result.step),
                )
            )

    def _eta(self, step: int) -> float:
        """Return seconds to the end of the run: steps, measuring, and answers as far as the base model's show how long they
        take.
        """
        plan = self.session.plan
        each = sum(seconds for _, seconds in self._recent) / len(self._recent)
        left = plan.total_steps - step
        training = left * each + math.ceil(left / plan.eval_every) * self._evaluation_seconds
        return training + self._evaluation_seconds + 2 * self._base_answer_seconds

    def _refuse_bad(self, step: int, loss: float, norm: float) -> None:
        session, training, progress = self.session, self.session.settings.training, self.session.progress
        if session.scaler and math.isfinite(loss) and not math.isfinite(norm):
            self._skipped_steps += 1  # the loss scale was too high; the step was skipped and the scale lowered
            if self._skipped_steps <= SKIPPED_STEPS:
                return
        self._skipped_steps = 0
        if progress.first_loss is None:
            progress.first_loss = loss
        self._dead_steps = self._dead_steps + 1 if norm == 0 else 0
        self._bad_steps = self._bad_steps + 1 if loss > 2 * progress.first_loss + 1 else 0
        if not math.isfinite(loss) or not math.isfinite(norm):
            culprit = "gradient" if math.isfinite(loss) else "loss"
            kind, what = "not_finite", f"the {culprit} of step {step} is not a finite number"
        elif self._bad_steps >= PATIENCE:
            kind, what = "diverged", f"the loss rose from {progress.first_loss:.2f} to {loss:.2f}"
        elif self._dead_steps >= PATIENCE:
            kind, what = "frozen", f"the gradient has been zero for {PATIENCE} steps: nothing is being learnt"
        else:
            return
        raise TrainingError(
            what,
            where="training.learning_rate",
            kind=kind,
            fix="halve the learning rate and clip gradients at 0.3, in a new run from the first step; a retry "
            "without a change goes on from the newest checkpoint",
            suggestion={"training.learning_rate": training.learning_rate / 2, "training.max_grad_norm": 0.3},
        )

    def _is_due(self, every: int) -> bool:
        plan, progress = self.session.plan, self.session.progress
        return progress.step == plan.total_steps or progress.step % every == 0

    def _evaluate_and_save_if_due(self) -> None:
        plan, progress = self.session.plan, self.session.progress
        evaluation, saving = self._is_due(plan.eval_every), self._is_due(plan.save_every)
        if evaluation or saving:
            self._settle()
            improved = self._evaluate() if evaluation else False
            if improved or saving or progress.early_stopped:
                self._save()
            self._mark = time.monotonic()

    def _evaluate(self) -> bool:
        """Measure the held-out loss; returns whether it is the best so far. NaN never is.

        Raises:
            Terminated: a pause or a signal is waiting; nothing was measured.
        """
        session, progress = self.session, self.session.progress
        started = time.monotonic()
        session.phase(PhaseName.EVALUATING, f"step {progress.step}")
        scores = session.score(session.data.held_out, session.between)
        loss = scores.loss
        session.log.write(
            events.Metric(step=progress.step, values={**session.objective.metrics(scores), "eval_loss": loss})
        )
        improved = math.isfinite(loss) and (progress.best_loss is None or loss < progress.best_loss)
        progress.evaluated_step, progress.evaluated_loss = progress.step, loss if math.isfinite(loss) else None
        if improved:
            progress.best_step, progress.best_loss, progress.since_best = progress.step, loss, 0
            self.best_scores = scores
        else:
            progress.since_best += 1
        patience = session.settings.evaluation.early_stopping_patience
        if patience and progress.since_best >= patience and progress.step < session.plan.total_steps:
            progress.early_stopped = True
            session.alert(
                "early_stop",
                f"no better held-out loss in {patience} evaluations; the best was at step {progress.best_step}",
                level="info",
            )
        self._evaluation_seconds = time.monotonic() - started
        self._sample()
        session.phase_of_steps()
        return improved

    def _sample(self) -> None:
        session, progress = self.session, self.session.progress
        allowed = session.answer_time
        seconds = allowed.on_the_way(session.training_seconds, progress.step / session.plan.total_steps)
        prompts = allowed.affordable(session.prompts, seconds)
        if self._samples_failed or not prompts:
            return
        started = time.monotonic()
        session.phase(PhaseName.ANSWERING, f"step {progress.step}")
        try:
            answers = answer_prompts(session, prompts, seconds, unless=("terminate", "pause", "stop"))
        except TrainingError as error:  # not worth a run
            session.alert("not_answered", error.what)
            self._samples_failed = True
            return
        if session.control.request() in ("terminate", "pause", "stop"):
            return  # cut short
        session.tell_answers(
            prompts, [said if said and not said.cut else None for said in answers], "tuned", progress.step
        )
        allowed.spent_on_the_way += time.monotonic() - started

    def _save(self) -> None:
        session, progress = self.session, self.session.progress
        session.log.sync()
        save_checkpoint(
            session.files,
            session.model,
            session.optimizer,
            progress,
            scaler=session.scaler,
            lineage=session.lineage,
            base_name=session.base_name,
        )
        prune(session.files, session.settings.training.keep_checkpoints, progress.best_step)
        tell_checkpoint(session)

    def _save_unless_saved(self) -> None:
        if not self.session.files.checkpoint(self.session.progress.step).exists():
            self._save()

    def _stop_is_due(self) -> bool:
        """Say whether the place is reached after which it was asked to stop."""
        plan, progress = self.session.plan, self.session.progress
        asked = self.session.control.later_stops()
        after_epoch = int(plan.epoch(progress.step) + 1e-9) > int(plan.epoch(progress.step - 1) + 1e-9)
        return ("stop-after-evaluation" in asked and progress.evaluated_step == progress.step) or (
            "stop-after-epoch" in asked and after_epoch
        )

    def _answer_requests(self) -> Outcome | None:
        session, progress = self.session, self.session.progress
        request = session.control.request() or ("stop" if self._stop_is_due() else None)
        if request is None:
            return None
        self._settle()
        if request == "stop" and progress.evaluated_step != progress.step:
            self._evaluate()
        self._save_unless_saved()
        session.control.answered(request)
        self._mark = time.monotonic()
        if request == "checkpoint":
            return None
        if request == "stop":
            session.control.answered(*LATER_STOPS)
        return "stopped" if request == "stop" else "paused"


def tell_checkpoint(session: TrainingSession) -> None:
    """Tell of the checkpoint of the present step."""
    progress = session.progress
    session.log.write(
        events.Checkpoint(
            step=progress.step,
            path=f"{CHECKPOINTS}/{checkpoint_name(progress.step)}",
            eval_loss=progress.evaluated_loss if progress.evaluated_step == progress.step else None,
            best=progress.best_step == progress.step,
        )
    )
