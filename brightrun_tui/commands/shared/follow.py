"""Follow a run on stderr until it ends: a live bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import asyncio
import sys
import time
from types import TracebackType
from typing import Protocol

from brightrun_tui.commands.shared.output import talk
from brightrun_tui.commands.shared.session import Session
from brightrun_tui.domain.events import Alert, PhaseName
from brightrun_tui.domain.humanize import duration
from brightrun_tui.domain.run import Run
from brightrun_tui.domain.run_states import TERMINAL
from brightrun_tui.domain.text import sanitize
from brightrun_tui.orchestrator import client
from brightrun_tui.store import events, runs

LOOK_SECONDS = 0.2
ENGINE_SECONDS = 5.0
LINE_SECONDS = 30.0
_TRAINING = (PhaseName.TRAINING, PhaseName.EVALUATING, PhaseName.ANSWERING)


class Display(Protocol):
    """Shows a run while it goes on."""

    def __enter__(self) -> Display: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, run: Run) -> None: ...

    def say(self, text: str) -> None: ...


def display() -> Display:
    """Return the display that fits where stderr goes."""
    return LiveDisplay() if sys.stderr.isatty() else LineDisplay()


async def follow_run(session: Session, run: Run, shown: Display) -> Run:
    """Show the run until it ends, and start an engine that went away again."""
    heard, looked, version = -1, time.monotonic(), -1
    while True:
        now = await session.db.data_version()
        if now != version:
            version = now
            run = await runs.get(session.db, run.id)
            for event in await events.read(session.db, run.id, kinds=("alert",), after=heard):
                heard = event.seq
                if isinstance(event.body, Alert):
                    shown.say(f"{event.body.level}: {event.body.message}")
            shown.show(run)
            if run.state in TERMINAL:
                return run
        if time.monotonic() - looked > ENGINE_SECONDS:
            looked = time.monotonic()
            await client.ensure_engine(session.paths)
        await asyncio.sleep(LOOK_SECONDS)


class LiveDisplay:
    """One bar that is redrawn in place."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[facts]}", markup=False),
            console=talk(),
        )
        self._task = self._progress.add_task("queued", total=None, facts="")

    def __enter__(self) -> LiveDisplay:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, run: Run) -> None:
        self._progress.update(
            self._task, description=_stage(run), facts=_facts(run), completed=run.step, total=run.total_steps or None
        )

    def say(self, text: str) -> None:
        self._progress.console.print(text)


class LineDisplay:
    """A line when the stage changes, when an evaluation comes in, and every half minute."""

    def __init__(self) -> None:
        self._last: tuple[str, float | None] = ("", None)
        self._printed = 0.0

    def __enter__(self) -> LineDisplay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def show(self, run: Run) -> None:
        training = run.state == "running" and run.phase in _TRAINING
        stage = "training" if training else run.phase if run.state == "running" else _stage(run)
        mark = (stage, run.eval_loss)
        if mark != self._last or time.monotonic() - self._printed > LINE_SECONDS:
            self._last, self._printed = mark, time.monotonic()
            self.say(f"{_stage(run) if run.phase != PhaseName.TRAINING else stage}  {_facts(run)}".rstrip())

    def say(self, text: str) -> None:
        print(sanitize(text), file=sys.stderr, flush=True)


def _stage(run: Run) -> str:
    if run.state in ("preparing", "running") and run.phase:
        return run.phase if not run.phase_detail else f"{run.phase}: {run.phase_detail}"
    return run.state if run.state != "paused" else f"paused; continue it with: brightrun runs resume {run.id}"


def _facts(run: Run) -> str:
    facts = []
    if run.total_steps:
        facts.append(f"step {run.step}/{run.total_steps}")
    if run.train_loss is not None:
        facts.append(f"loss {run.train_loss:.3f}")
    if run.eval_loss is not None:
        facts.append(f"eval {run.eval_loss:.3f}")
    if run.state == "running" and run.tokens_per_second:
        facts.append(f"{run.tokens_per_second:.0f} tokens/s")
    if run.state == "running" and run.eta_seconds is not None:
        facts.append(f"{duration(run.eta_seconds)} left")
    return "  ".join(facts)
