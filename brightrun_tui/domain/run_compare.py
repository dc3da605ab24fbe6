"""Runs side by side: what was set differently, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from brightrun_tui.domain import humanize
from brightrun_tui.domain.run import Run
from brightrun_tui.domain.settings import flatten


@dataclass(frozen=True)
class ComparedRow:
    """One fact of every run, in the order of the runs. ``differs``: not the same for all. ``best``: places of the best values."""

    group: str
    label: str
    values: tuple[str, ...]
    best: frozenset[int] = frozenset()

    @property
    def differs(self) -> bool:
        return len(set(self.values)) > 1


def compare(runs: Sequence[Run]) -> tuple[ComparedRow, ...]:
    """Compare runs: results first, then data, base and machine, then every setting that is not the same for all."""
    rows = [
        ComparedRow("Result", "State", tuple(run.state for run in runs)),
        _measured("Held-out loss, best", [run.best_eval_loss for run in runs]),
        _measured("Held-out loss, last", [run.eval_loss for run in runs]),
        _measured("Training loss, last", [run.train_loss for run in runs]),
        ComparedRow("Result", "Steps", tuple(f"{run.step:,} of {run.total_steps:,}" for run in runs)),
        ComparedRow("Result", "Time at work", tuple(humanize.duration(run.active_seconds or None) for run in runs)),
        ComparedRow("Result", "Cost", tuple(_cost(run) for run in runs)),
        ComparedRow("Setup", "Dataset", tuple(run.spec.dataset.name for run in runs)),
        ComparedRow("Setup", "Base model", tuple(run.spec.base.id for run in runs)),
        ComparedRow("Setup", "Template", tuple(run.spec.template for run in runs)),
        ComparedRow(
            "Setup", "Machine", tuple(run.hardware.device or run.spec.gpu or run.spec.provider for run in runs)
        ),
    ]
    documents = [flatten(run.spec.settings.model_dump()) for run in runs]
    settings = [
        ComparedRow(
            "Settings that differ", key, tuple(str(document.get(key, humanize.NOTHING)) for document in documents)
        )
        for key in dict.fromkeys(key for document in documents for key in document)
    ]
    return (*rows, *(row for row in settings if row.differs))


def names(runs: Sequence[Run]) -> tuple[str, ...]:
    """Return what each is called; where several have one name, by the model it became or else by its id."""
    called = [run.name for run in runs]

    def whole(run: Run) -> str:
        if called.count(run.name) == 1:
            return run.name
        return f"{run.model}:{run.model_version}" if run.model_version is not None else f"{run.name} {run.id}"

    return tuple(map(whole, runs))


def _cost(run: Run) -> str:
    return "free" if run.spec.here and not run.cost_usd else humanize.money(run.cost_usd)


def _measured(label: str, values: Sequence[float | None]) -> ComparedRow:
    known = [value for value in values if value is not None]
    best = frozenset(place for place, value in enumerate(values) if value is not None and value == min(known))
    told_apart = len(set(known)) > 1
    return ComparedRow("Result", label, tuple(map(humanize.loss, values)), best if told_apart else frozenset())
