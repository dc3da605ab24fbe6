"""The first minute: after the first step, what it moved is looked at, and then everything the run will need is done once,
at its largest, before the long part begins. Afterwards weights, optimiser, random numbers and disk are as before.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import torch

from brightrun_tui.domain import humanize
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.events import PhaseName
from brightrun_tui.domain.run_directory import ADAPTER_WEIGHTS
from brightrun_tui.trainer.data.examples import Example
from brightrun_tui.trainer.loop.checkpoint import restore_random_state, take_random_state, write_contents
from brightrun_tui.trainer.loop.micro_batches import cut, max_records, measured_guess
from brightrun_tui.trainer.loop.out_of_memory import with_less_memory_if_needed
from brightrun_tui.trainer.loop.session import TrainingSession
from brightrun_tui.trainer.model.adapter import trainable
from brightrun_tui.trainer.runtime.failures import TrainingError

AS_HARD = 0.9
"""Of the tokens of the largest micro-batch, from which on a first step has shown that it can be computed."""
SPARE_BYTES = 20_000_000
"""Free disk that events and log may take beside the checkpoints."""


def dry_run(session: TrainingSession, *, score: bool) -> None:
    """Do one micro-batch forward and backward at the longest records, unless a CPU's first step was one; one evaluation, one
    save, and a look at the disk.

    Args:
        score: whether to try the evaluation, which is not needed where a real one follows at once.

    Raises:
        TrainingError: the run cannot work; says what to change.
        OSError: checkpoints cannot be written.
    """
    random_numbers = take_random_state()
    progress = session.progress
    session.phase(PhaseName.REHEARSING, "the longest records, an evaluation, a checkpoint")
    if session.machine.device.type == "cuda" or not _was_as_hard(session):
        with_less_memory_if_needed(session, lambda: _train_once(session))
    if session.machine.device.type == "cuda" and progress.step == 1 and not session.settings.training.micro_batch_size:
        _grow(session)
    if score:
        session.score(_hardest(session, [*session.data.held_out, *session.data.judged]), session.monitor.beat)
    _save_once(session)
    restore_random_state(random_numbers)


def probe(session: TrainingSession) -> dict[str, torch.Tensor]:
    """Return copies of the adapter and of a few thousand numbers of the base, to see what a step moves."""
    probe = {name: p.detach().clone() for name, p in trainable(session.model).items()}
    frozen = [(name, p) for name, p in session.model.named_parameters() if not p.requires_grad]
    for name, parameter in frozen[:: max(1, len(frozen) // 16)]:
        probe[name] = parameter.detach().flatten()[:1024].clone()
    return probe


def check_what_moved(session: TrainingSession, before: dict[str, torch.Tensor]) -> None:
    """Check after the first step of this process that the base is as it was, and that the run's very first step moved
    the adapter.

    Raises:
        TrainingError: naming which.
    """
    moved = False
    for name, parameter in session.model.named_parameters():
        if name not in before:
            continue
        if parameter.requires_grad:
            moved = moved or not torch.equal(parameter.detach(), before[name])
        elif not torch.equal(parameter.detach().flatten()[:1024], before[name]):
            raise TrainingError(
                f"training changed the frozen base model ({name})",
                kind=ErrorKind.BASE_MOVED,
                fix="report this; the run cannot be trusted",
            )
    if not moved and session.progress.step == 1 and session.scaler is None:
        raise TrainingError(
            "the first step did not change the adapter",
            where="lora.target_modules",
            kind=ErrorKind.FROZEN,
            fix="use all-linear target modules and a learning rate around 2e-4",
            suggestion={"lora.target_modules": "all-linear"},
        )


def _was_as_hard(session: TrainingSession) -> bool:
    """Say whether the step that was just taken had a micro-batch about as large as there can be."""
    rows = cut(session, session.plan.window(session.progress.step - 1))
    largest = max(sum(example.length for example in row) for row in rows)
    possible = sum(example.length for example in _hardest(session, session.data.train))
    return session.forward.packed and largest >= AS_HARD * possible


def _train_once(session: TrainingSession) -> None:
    session.forward.set_training(True)
    batch = session.forward.batch(_hardest(session, session.data.train))
    session.objective.loss(session.forward, batch).backward()
    session.optimizer.zero_grad(set_to_none=True)


def _grow(session: TrainingSession) -> None:
    """Measure one micro-batch on a GPU, and take the largest that will fit."""
    device = session.machine.device
    tokens = sum(e.length for e in _hardest(session, session.data.train))
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    _train_once(session)
    torch.cuda.synchronize(device)
    session.progress.max_tokens = measured_guess(session, tokens, before, torch.cuda.max_memory_allocated(device))
    with_less_memory_if_needed(session, lambda: _train_once(session))


def _hardest(session: TrainingSession, examples: Sequence[Example]) -> list[Example]:
    """Return the largest micro-batch that can occur: the longest examples, as many as go together."""
    chosen: list[Example] = []
    for example in sorted(examples, key=lambda e: -e.length)[: max_records(session)]:
        rows = [*chosen, example]
        size = sum(e.length for e in rows) if session.forward.packed else len(rows) * rows[0].length
        if chosen and size > session.progress.max_tokens:
            break
        chosen = rows
    return chosen


def _bytes_in(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.iterdir())


def _save_once(session: TrainingSession) -> None:
    """Write a checkpoint, to see that it can be written and how large one is. Those kept, the best, the one being written and the
    result must find room beside each other; what an earlier start of this run wrote counts as there already.
    """
    directory = session.files.dry_run
    shutil.rmtree(directory, ignore_errors=True)
    try:
        write_contents(
            directory,
            session.model,
            session.optimizer,
            session.progress,
            scaler=session.scaler,
            lineage=session.lineage,
            base_name=session.base_name,
        )
        each, weights = _bytes_in(directory), (directory / ADAPTER_WEIGHTS).stat().st_size
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    there = sum(_bytes_in(session.files.checkpoint(step)) for step in session.files.steps())
    all_of_them = each * (session.settings.training.keep_checkpoints + 2) + 2 * weights
    needed = max(each, all_of_them - there) + SPARE_BYTES
    free = shutil.disk_usage(session.files.root).free
    if free < needed:
        raise TrainingError(
            f"{humanize.size(needed)} are needed for checkpoints and result, {humanize.size(free)} are free",
            where=str(session.files.root),
            kind=ErrorKind.DISK_FULL,
            fix="free some space, then retry" + (": it goes on from the newest checkpoint" if there else ""),
            suggestion={}
            if there or session.settings.training.keep_checkpoints == 1
            else {"training.keep_checkpoints": 1},
        )
