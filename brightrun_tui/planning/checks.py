"""The pre-flight list, each line with its fix: base, objective, settings, defaults, schedule and name; the rest stands beside."""

from __future__ import annotations

import time

from brightrun_tui.config import RunDefaults, load_section
from brightrun_tui.domain import humanize
from brightrun_tui.domain.dataset import DatasetReport
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.money import Estimate
from brightrun_tui.domain.schedule import moment_words
from brightrun_tui.domain.service_names import HUGGINGFACE
from brightrun_tui.domain.settings import RunSettings, title_and_key
from brightrun_tui.integrations import credentials, hub
from brightrun_tui.paths import Paths
from brightrun_tui.planning.architecture import BaseModelInfo
from brightrun_tui.planning.check import Check, CheckName, failed, ok, warning
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.names import check_name
from brightrun_tui.planning.shipping import find_objective, objective_files
from brightrun_tui.planning.timing import held_out

FEW_STEPS = 10
FEW_HELD_OUT = 5
HIGH_LEARNING_RATE = 1e-3
HIGH_LEARNING_RATE_TINY = 2e-2
TINY_PARAMETERS = 20_000_000


def check_base(base: BaseModelInfo, paths: Paths) -> Check:
    if base.warnings:
        return warning(CheckName.BASE_MODEL, " ".join(base.warnings), "another base model may suit better")
    size = humanize.parameters(base.parameters)
    if base.present:
        origin = f", weights dequantised from {base.ref.quantisation}" if base.ref.quantisation else ""
        return ok(CheckName.BASE_MODEL, f"{base.title}, {size} parameters{origin}, is here")
    if base.preparing:
        return Check(
            name=CheckName.BASE_MODEL, state="pending", what=f"{base.title}, {size} parameters, {base.preparing}"
        )
    if base.gated and not credentials.where(HUGGINGFACE, paths):
        return warning(
            CheckName.BASE_MODEL, f"{base.title} wants its licence accepted and a Hugging Face token", hub.CONNECT
        )
    return Check(
        name=CheckName.BASE_MODEL,
        state="pending",
        what=f"{base.title}, {size} parameters, will be downloaded ({humanize.size(base.weight_bytes)})",
    )


def check_objective(draft: Draft, settings: RunSettings) -> None:
    """Raise `UsageError` or `PluginError` where the objective is not here, or cannot go to where the run is to be."""
    name = settings.training.objective
    find_objective(name)
    if not draft.here:
        objective_files(name)


def check_settings(
    settings: RunSettings,
    base: BaseModelInfo | None,
    report: DatasetReport | None,
    estimate: Estimate | None,
    problems: tuple[UsageError, ...],
) -> Check:
    if problems:
        return failed(CheckName.SETTINGS, problems[0])
    rate = settings.training.learning_rate
    highest = HIGH_LEARNING_RATE_TINY if base and base.parameters < TINY_PARAMETERS else HIGH_LEARNING_RATE
    if rate > highest:
        return warning(
            CheckName.SETTINGS, f"a learning rate of {rate:g} makes most runs diverge", f"stay at {highest:g} or below"
        )
    steps = f"{estimate.steps:,} optimiser step{'s' * (estimate.steps != 1)}" if estimate else ""
    if estimate and estimate.steps < FEW_STEPS:
        return warning(
            CheckName.SETTINGS,
            f"only {steps}: too few to learn much",
            f"more {title_and_key('training.epochs')}, a smaller {title_and_key('training.batch_size')}, or more records",
        )
    if report and held_out(report.usable, settings) < FEW_HELD_OUT:
        return warning(
            CheckName.SETTINGS,
            "fewer than five records are held out: the score will be a rough one",
            f"raise {title_and_key('data.eval_fraction')}",
        )
    return ok(CheckName.SETTINGS, steps or "make sense")


def check_defaults(paths: Paths) -> Check | None:
    """Check that the defaults can be read: they may hold a budget, so a table that cannot be read stops all runs."""
    load_section(paths, "defaults", RunDefaults)
    return None


def check_schedule(moment: float | None) -> Check | None:
    """Say when the run begins; None if that is at once."""
    if moment is None:
        return None
    left = humanize.duration(max(0.0, moment - time.time()))
    return ok(CheckName.SCHEDULE, f"begins {moment_words(moment)}, in {left}; the engine waits for it with no app open")


def check_run_name(name: str) -> Check:
    try:
        check_name(name)
    except UsageError as error:
        return failed(CheckName.NAME, error)
    return ok(CheckName.NAME, f"“{name}”")
