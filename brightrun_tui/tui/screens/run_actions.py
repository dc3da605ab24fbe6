"""What a person can ask of the chosen run, or of all that are marked: each question says of which."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from textual import work
from textual.content import Content

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.events import Suggested
from brightrun_tui.domain.queue import Move
from brightrun_tui.domain.run import Run
from brightrun_tui.domain.run_states import TERMINAL, RunAction
from brightrun_tui.domain.settings import iter_settings
from brightrun_tui.store.runs import DamagedRun
from brightrun_tui.tui.screens.mode_screen import ModeScreen
from brightrun_tui.tui.widgets import cells, run_text

if TYPE_CHECKING:
    from brightrun_tui.domain.requests import Answer, Ask

LISTED = 8
"""Runs that a question about many shows one by one."""


class RunActions(ModeScreen):
    """Asks and carries out. A subclass says which runs are meant."""

    def targets(self) -> tuple[Run | DamagedRun, ...]:
        """Return the marked runs, else the chosen one."""
        return ()

    def runs_that_permit(self, *asked: RunAction) -> tuple[Run, ...]:
        """Return those of the targets of which one of these may be asked now."""
        return tuple(
            run for run in self.targets() if isinstance(run, Run) and any(run.permits(action) for action in asked)
        )

    def possible(self) -> dict[str, bool]:
        """Return, by the name of the action, whether it means anything for the targets."""
        one = len(self.targets()) == 1
        return {
            "pause": bool(self.runs_that_permit(RunAction.PAUSE, RunAction.RESUME)),
            "stop": bool(self.runs_that_permit(RunAction.STOP)),
            "stop_later": bool(self.runs_that_permit(RunAction.STOP_LATER)),
            "change": one and bool(self.runs_that_permit(RunAction.CHANGE)),
            "checkpoint": bool(self.runs_that_permit(RunAction.CHECKPOINT)),
            "retry": bool(self.runs_that_permit(RunAction.RETRY)),
            "sooner": one and bool(self.runs_that_permit(RunAction.MOVE)),
            "later": one and bool(self.runs_that_permit(RunAction.MOVE)),
            "delete": bool(self._deletable()),
            "shell": one and isinstance(self.targets()[0], Run),
        }

    def _deletable(self) -> tuple[Run | DamagedRun, ...]:
        return tuple(run for run in self.targets() if isinstance(run, DamagedRun) or run.permits(RunAction.DELETE))

    async def _ask_all(self, asks: Iterable[Ask[Answer]]) -> int:
        """Ask all of these; returns how many were not refused."""
        replies = await asyncio.gather(*(self.app.ask(ask) for ask in asks))
        return sum(reply is not None for reply in replies)

    @work(group="ask")
    async def action_pause(self) -> None:
        from brightrun_tui.domain.requests import PauseRun, ResumeRun

        runs = self.runs_that_permit(RunAction.PAUSE, RunAction.RESUME)
        resuming = all(run.state == "paused" for run in runs)
        meant = [run for run in runs if run.permits(RunAction.RESUME if resuming else RunAction.PAUSE)]
        done = await self._ask_all((ResumeRun if resuming else PauseRun)(target=run.id) for run in meant)
        if done:
            who = meant[0].name if len(meant) == 1 else f"{done} runs"
            ending = "" if len(meant) > 1 else "s"
            self.app.toast(
                f"{who} go{'es' if ending else ''} on."
                if resuming
                else f"{who} pause{ending} after {'its' if ending else 'their'} next checkpoint."
            )

    @work(group="ask")
    async def action_stop(self) -> None:
        from brightrun_tui.domain.requests import StopRun

        runs = self.runs_that_permit(RunAction.STOP)
        if not runs:
            return
        if await self.confirm(
            "Stop the run" if len(runs) == 1 else f"Stop {len(runs)} runs",
            _about(runs, _stop_words(runs)),
            yes="Stop it" if len(runs) == 1 else "Stop them",
        ):
            await self._ask_all(StopRun(target=run.id) for run in runs)

    @work(group="ask")
    async def action_checkpoint(self) -> None:
        from brightrun_tui.domain.requests import CheckpointRun

        if await self._ask_all(CheckpointRun(target=run.id) for run in self.runs_that_permit(RunAction.CHECKPOINT)):
            self.app.toast("The worker saves a checkpoint at its next step.")

    @work(group="ask")
    async def action_stop_later(self) -> None:
        from brightrun_tui.domain.requests import StopRun
        from brightrun_tui.tui.screens.pick import Choice, PickScreen

        runs = self.runs_that_permit(RunAction.STOP_LATER)
        if not runs:
            return
        places = [
            Choice("evaluation", "After its next evaluation", "", "What it has learned by then becomes a model."),
            Choice("epoch", "At the end of the epoch", "", "Every record has been seen as often as the others then."),
        ]
        title = f"Stop {runs[0].name}" if len(runs) == 1 else f"Stop {len(runs)} runs"
        after = await self.app.push_screen_wait(PickScreen(title, places))
        if after is None:
            return
        if await self._ask_all(StopRun(target=run.id, after=after) for run in runs):
            self.app.toast(
                f"It goes on until {'its next evaluation' if after == 'evaluation' else 'the end of the epoch'}."
            )

    @work(group="ask")
    async def action_change(self) -> None:
        from brightrun_tui.tui.screens.change import ChangeScreen

        runs = self.runs_that_permit(RunAction.CHANGE)
        if not runs:
            return
        asked = await self.app.push_screen_wait(ChangeScreen(runs[0]))
        if not asked:
            return
        reply = await self.app.ask(asked)
        if reply and reply.answer:
            after = (
                "it holds once the run is tried again"
                if runs[0].state in TERMINAL
                else "its log says from which step on"
            )
            self.app.toast(f"{reply.answer.changed}; {after}.", title=runs[0].name)

    @work(group="ask")
    async def action_retry(self) -> None:
        from brightrun_tui.domain.requests import RetryRun

        runs = self.runs_that_permit(RunAction.RETRY)
        if not runs:
            return
        one = len(runs) == 1
        if await self.confirm(
            "Retry the run" if one else f"Retry {len(runs)} runs",
            _about(runs, _retry_words(runs)),
            yes="Retry" if one else "Retry them",
            danger=False,
        ):
            asks = (RetryRun(target=run.id, apply_suggestion=bool(_suggested(run))) for run in runs)
            replies = await asyncio.gather(*(self.app.ask(ask) for ask in asks))
            if one and replies[0] and replies[0].answer:
                self.app.watched_run = replies[0].answer.run

    @work(group="ask")
    async def action_sooner(self) -> None:
        await self._move("up")

    @work(group="ask")
    async def action_later(self) -> None:
        await self._move("down")

    async def _move(self, to: Move) -> None:
        from brightrun_tui.domain.requests import MoveRun

        for run in self.runs_that_permit(RunAction.MOVE):
            reply = await self.app.ask(MoveRun(target=run.id, to=to))
            if reply and reply.answer:
                place, all_of_them = reply.answer.queue.index(run.id) + 1, len(reply.answer.queue)
                self.app.toast(f"{run.name} is number {place} of {all_of_them} that wait.")

    @work(group="ask")
    async def action_delete(self) -> None:
        from brightrun_tui.domain.requests import DeleteRun

        runs = self._deletable()
        if not runs:
            return
        one = len(runs) == 1
        what = f"“{runs[0].name}” and remove its" if one else f"these {len(runs)} runs and remove their"
        made = "it" if one else "them"
        question = f"Forget {what} files from this machine? Models made from {made} stay in the registry."
        if await self.confirm(
            "Delete the run" if one else f"Delete {len(runs)} runs",
            _about(runs, question),
            yes="Delete it" if one else "Delete them",
        ):
            await self._ask_all(DeleteRun(target=run.id) for run in runs)

    @work(group="shell")
    async def action_shell(self) -> None:
        from brightrun_tui.integrations.shell import door_of, shell_here, shell_there
        from brightrun_tui.tui.pager import give_way

        run = next((target for target in self.targets() if isinstance(target, Run)), None)
        if run is None:
            return
        if run.spec.here:
            opened = shell_here(run)
        else:
            try:
                opened = shell_there(await door_of(run, self.app.snapshot.leases_of(run.id), self.app.paths))
            except BrightrunError as error:
                self.app.show_error(error)
                return
        with opened as command:
            why = give_way(self.app, command.words, "SHELL", where=command.where)
        if why:
            self.app.toast(why, severity="warning")


def _suggested(run: Run) -> Mapping[str, Suggested]:
    return run.failure.suggestion if run.failure else {}


def _retry_words(runs: Sequence[Run]) -> str:
    titles = {setting.key: setting.title for setting in iter_settings()}

    def changes(run: Run) -> str:
        return ", ".join(f"{titles.get(key, key)} {value}" for key, value in _suggested(run).items())

    if len(runs) == 1:
        lines = "\n".join(f"  {titles.get(key, key)}: {value}" for key, value in _suggested(runs[0]).items())
        return f"Queue “{runs[0].name}” again?" + (f" With this change:\n\n{cells.plain(lines)}" if lines else "")
    changed = [f"  {run.name}: {cells.plain(changes(run))}" for run in runs if _suggested(run)]
    more = [f"  and {len(changed) - LISTED} more"] if len(changed) > LISTED else []
    said = "\n".join([*changed[:LISTED], *more])
    return "Queue all of these again?" + (f" With the suggested changes:\n\n{said}" if said else "")


def _stop_words(runs: Sequence[Run]) -> str:
    if len(runs) > 1:
        return "End them? What they have learned is kept as models, but they will not go on from here by themselves."
    run = runs[0]
    if run.state == "stopping":
        return (
            f"“{run.name}” is ending. Do not wait for it any longer? Its newest checkpoint stays, and a retry goes on "
            "from there."
        )
    if run.step:
        return (
            f"End “{run.name}” at step {run.step}? What it has learned is kept as a model, but it will not go on from "
            "here by itself. To go on later, pause it instead."
        )
    return f"End “{run.name}” now? It has not learned anything yet, so nothing is lost."


def _about(runs: Sequence[Run | DamagedRun], question: str) -> Content:
    """Return the rows of the runs as the list has them, and the question."""
    rows = [run_text.named(run, 56) if isinstance(run, Run) else run_text.damaged_row(run, 56) for run in runs[:LISTED]]
    if len(runs) > LISTED:
        rows.append(Content.styled(f"  and {len(runs) - LISTED} more", "$muted"))
    return Content("\n").join([*rows, Content(""), Content(cells.plain(question))])
