"""The pre-flight list: what must be true before a run may start, each with its fix."""

from __future__ import annotations

import shlex
import time

from brightrun_tui.config import MoneyLimits, RunDefaults, load_section
from brightrun_tui.domain import humanize
from brightrun_tui.domain.dataset import DatasetReport
from brightrun_tui.domain.disk import LARGER_HOME
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import (
    BrightrunError,
    BudgetError,
    DatasetError,
    NoFundsError,
    NotConnectedError,
    UsageError,
)
from brightrun_tui.domain.languages import language_name, languages_said
from brightrun_tui.domain.money import Estimate, Hardware, Offer
from brightrun_tui.domain.schedule import moment_words
from brightrun_tui.domain.service_names import HERE, HUGGINGFACE
from brightrun_tui.domain.settings import RunSettings, title_and_key
from brightrun_tui.domain.slots import GpuRequest, Seats, assign
from brightrun_tui.integrations import credentials
from brightrun_tui.integrations.connection import is_connected
from brightrun_tui.integrations.packages import install_command, missing_packages, torch_uses_gpu
from brightrun_tui.integrations.services import services
from brightrun_tui.paths import Paths
from brightrun_tui.planning.architecture import BaseModelInfo
from brightrun_tui.planning.bases import smallest_that_speaks, smallest_with_tools
from brightrun_tui.planning.check import Check, failed, ok, warning
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.memory import EXPERTS, SAFE
from brightrun_tui.planning.names import check_name
from brightrun_tui.planning.quantisation import held_as
from brightrun_tui.planning.shipping import find_objective, objective_files
from brightrun_tui.planning.timing import held_out
from brightrun_tui.planning.token_counts import count_tokens
from brightrun_tui.providers.base import Account
from brightrun_tui.providers.local import cards, describe
from brightrun_tui.providers.spec import provider_spec
from brightrun_tui.store.leases import month_spending_of

FEW_RECORDS = 50
MOSTLY = 0.5
"""The share of the records, of those long enough to tell, that a language is in when the base should speak it."""
MANY_COPIES = 0.25
"""The share of exact copies from which on they are what a run is about."""
FEW_STEPS = 10
STRANGE_SCRIPT = 0.8
"""Characters a token, below which a tokenizer has no words or syllables of a script: known ones are above 1."""
FOREIGN_LANGUAGE = 2.6
"""Characters a token, below which a tokenizer was hardly made for a language: English, code and JSON have 3 to 5 in most."""
FEW_HELD_OUT = 5
HIGH_LEARNING_RATE = 1e-3
HIGH_LEARNING_RATE_TINY = 2e-2
TINY_PARAMETERS = 20_000_000
RESERVE_BYTES = 500_000_000
GPUS, SHARED = "machine.gpus", "machine.shared_gpu"


def check_records(report: DatasetReport, base: BaseModelInfo | None, settings: RunSettings) -> Check:
    tokens = count_tokens(base, report) if base else None
    if base and tokens and settings.data.over_length == "drop":
        limit = min(settings.data.max_length or base.architecture.context, base.architecture.context)
        if report.characters.p50 / tokens.characters_per_token > limit:
            what = f"more than half of the records are longer than {limit:,} tokens and would be left out"
            fix = f"set {title_and_key('data.over_length')} to split or truncate, or choose a base model that takes longer texts"
            if tokens.measured:
                return failed("dataset", DatasetError(what, fix=fix, kind=ErrorKind.DATASET_TOO_LONG))
            return warning("dataset", f"{report.statement} It seems that {what}.", fix)
    if report.duplicates >= MANY_COPIES * report.usable:
        file = shlex.quote(report.source or report.path)
        return warning(
            "dataset",
            f"{report.statement} Only {report.usable - report.duplicates:,} are different: the model learns the copies by heart, "
            "and its score says little.",
            f"take the copies out: in the app v, then r; or: brightrun datasets repair {file} --drop-duplicates",
        )
    if tokens and tokens.measured and tokens.characters_per_token < STRANGE_SCRIPT:
        return warning(
            "dataset",
            f"{report.statement} The base model spells these texts byte by byte ({tokens.characters_per_token:.1f} characters a "
            "token): it has hardly ever seen their script.",
            "choose a base model that knows the language",
        )
    named = base and check_language(report, base)
    if tokens and tokens.measured and tokens.characters_per_token < FOREIGN_LANGUAGE and not named:
        return warning(
            "dataset",
            f"{report.statement} The base model cuts these texts into small pieces ({tokens.characters_per_token:.1f} characters "
            "a token): it hardly knows their language, or they are mostly numbers. It learns their form sooner than their facts.",
            "choose a base model that knows the language, or train longer and look at its answers",
        )
    if report.usable < FEW_RECORDS:
        return warning(
            "dataset", f"{report.statement} That is few.", f"{FEW_RECORDS} good records or more give a sound result"
        )
    return ok("dataset", report.statement)


def main_language(report: DatasetReport) -> str:
    """What most records are in (two letters); empty where that cannot be told."""
    found = report.languages
    language = next(iter(found.shares), "")
    return language if 2 * found.judged >= found.of and found.shares.get(language, 0) >= MOSTLY else ""


def check_language(report: DatasetReport, base: BaseModelInfo) -> Check | None:
    """Where the records are mostly in a language that the base does not speak; None otherwise, or where that is not known."""
    language = main_language(report)
    if not language or base.traits.speaks(language) is not False:
        return None
    name = language_name(language)
    other = smallest_that_speaks(language)
    return warning(
        "language",
        f"the records are in {name}, of which {base.title} knows little: it speaks {languages_said(base.traits.languages)}",
        f"choose a base that speaks {name}{f', such as {other.title} ({other.id})' if other else ''}, or look at its answers "
        "before you use them",
    )


def check_tools(report: DatasetReport, base: BaseModelInfo) -> Check | None:
    """Where records call tools, and the base's template has no place for them; None otherwise, or where that is not known."""
    calls = next((problem.count for problem in report.problems if problem.kind == "calls"), 0)
    if not calls or base.traits.tools is not False:
        return None
    other = smallest_with_tools()
    return warning(
        "tools",
        f"{calls:,} of {report.usable:,} records call tools, for which the chat template of {base.title} has no place: what it "
        "cannot write will be left out",
        f"choose a base that takes tools{f', such as {other.title} ({other.id})' if other else ''}",
    )


def check_base(base: BaseModelInfo, paths: Paths) -> Check:
    if base.warnings:
        return warning("base model", " ".join(base.warnings), "another base model may suit better")
    size = humanize.parameters(base.parameters)
    if base.present:
        origin = f", weights dequantised from {base.ref.quantisation}" if base.ref.quantisation else ""
        return ok("base model", f"{base.title}, {size} parameters{origin}, is here")
    if base.preparing:
        return Check(name="base model", state="pending", what=f"{base.title}, {size} parameters, {base.preparing}")
    if base.gated and not credentials.where(HUGGINGFACE, paths):
        return warning(
            "base model",
            f"{base.title} wants its licence accepted and a Hugging Face token",
            "run: brightrun connect huggingface",
        )
    return Check(
        name="base model",
        state="pending",
        what=f"{base.title}, {size} parameters, will be downloaded ({humanize.size(base.weight_bytes)})",
    )


def check_objective(draft: Draft, settings: RunSettings) -> None:
    """Raises `UsageError` or `PluginError` where the objective is not here, or cannot go to where the run is to be."""
    name = settings.training.objective
    find_objective(name)
    if not draft.here:
        objective_files(name)


def check_provider(draft: Draft, paths: Paths, offer: Offer | None, refusal: BrightrunError | None = None) -> Check:
    service = next(
        (service for service in services() if service.name == draft.provider and service.kind in ("gpu", "machine")),
        None,
    )
    if service is None:
        provider_spec(draft.provider)  # where a broken package brings it, this says so
        known = ", ".join(service.name for service in services() if service.kind in ("gpu", "machine"))
        return failed(
            "machine",
            UsageError(
                f"there is no provider “{draft.provider}”",
                where="provider",
                fix=f"one of: {known}",
                kind=ErrorKind.UNKNOWN_PROVIDER,
            ),
        )
    if not is_connected(service, paths):
        return failed(
            "machine",
            NotConnectedError(
                f"{service.title} is not connected",
                where=service.name,
                fix="in the app: 1 Integrations, enter on its card"
                + (f"; or run: brightrun connect {service.name}" if service.environment else ""),
                kind=ErrorKind.NOT_CONNECTED,
            ),
        )
    if service.name == HERE:
        return ok("machine", "this one, free of charge")
    if offer is None and refusal is not None:
        return failed("machine", refusal)
    if offer is None:
        return failed(
            "machine",
            UsageError(
                "no machine is chosen, so there is no price yet",
                where=service.name,
                fix=f"see: brightrun offers --provider {service.name}",
                kind=ErrorKind.NO_OFFER,
            ),
        )
    if offer.busy:
        return warning(
            "machine",
            f"{offer.hardware.gpu or offer.id} from {service.title}: the run waits for {offer.busy}",
            "it begins by itself",
        )
    return ok("machine", f"{offer.hardware.gpu} from {service.title}, {humanize.money(offer.price_per_hour)} an hour")


def check_gpus(draft: Draft, gpu_request: GpuRequest) -> Check | None:
    """Whether the GPUs that were named can be had, and whether somebody else is at work on all of this machine's."""
    if not draft.here:
        spec = provider_spec(draft.provider) if gpu_request.cards else None
        if spec is None or spec.guard is None:
            return None
        return failed(
            "machine",
            UsageError(
                f"a machine of {spec.title} is rented with one GPU, so none can be chosen by its number",
                where=GPUS,
                fix="leave it empty; --gpu NAME says which kind to rent",
                kind=ErrorKind.BAD_SETTING,
            ),
        )
    there = cards()
    there = there if there and torch_uses_gpu() else ()
    seat = assign(Seats(there), gpu_request)
    if gpu_request.cards and not any(map(gpu_request.fits, there)):
        fix = (
            f"this machine has {', '.join(card.index for card in there)}"
            if there
            else "leave it empty: there is no GPU here"
        )
        what = f"there is no GPU {', '.join(gpu_request.cards)} that training could use"
        return failed("machine", UsageError(what, where=GPUS, fix=fix, kind=ErrorKind.BAD_SETTING))
    if not seat.granted:
        fix = f"it begins by itself when there is room; to begin at once: {title_and_key(SHARED)}"
        return warning("machine", f"the run waits for {seat.waits_for}", fix)
    return None


def check_packages(draft: Draft) -> Check:
    if not draft.here:
        return ok("training packages", "are installed on the rented machine")
    missing = missing_packages("train")
    if missing:
        return failed(
            "training packages",
            BrightrunError(
                f"training here needs {', '.join(missing)}",
                kind=ErrorKind.PACKAGES_MISSING,
                fix=f"run: {install_command('train')}",
            ),
        )
    return ok("training packages", "are installed")


def check_memory(estimate: Estimate, hardware: Hardware) -> Check:
    need, there = estimate.memory, estimate.memory_available
    kind = "GPU memory" if hardware.gpu_count else "memory"
    if estimate.fits == "no":
        experts = estimate.memory_parts.get(EXPERTS, 0)
        why = (
            f"; {humanize.size(experts)} of it are the model's experts, which 4-bit quantisation does not shrink"
            if experts
            else ""
        )
        return failed(
            "memory",
            BrightrunError(
                f"about {humanize.size(need)} of {kind} are needed, {humanize.size(there)} are there ({describe(hardware)}){why}",
                kind=ErrorKind.DOES_NOT_FIT,
                fix=f"choose a smaller base model, a smaller {title_and_key('data.max_length')}, or a machine with more memory",
            ),
        )
    if estimate.fits == "tight":
        return warning(
            "memory",
            f"about {humanize.sizes(need, there)} of {kind}: tight",
            f"it may work; a smaller {title_and_key('data.max_length')} makes room",
        )
    if hardware.free_memory and hardware.free_memory < estimate.memory * SAFE:
        return warning(
            "memory",
            f"about {humanize.size(need)} are needed and only {humanize.size(hardware.free_memory)} are free now",
            "close other programs first",
        )
    return ok("memory", f"about {humanize.sizes(need, there)} of {kind}")


def check_quantisation(estimate: Estimate, hardware: Hardware) -> Check:
    """How the base is held, and why."""
    return ok("quantisation", f"{held_as(estimate.quantisation, hardware)}: {estimate.quantisation_why}")


def check_disk(estimate: Estimate, hardware: Hardware) -> Check:
    need = estimate.disk + RESERVE_BYTES
    if hardware.disk_free is not None and hardware.disk_free < need:
        return failed(
            "disk",
            BrightrunError(
                f"about {humanize.size(need)} of disk are needed, {humanize.size(hardware.disk_free)} are free",
                fix=LARGER_HOME,
                kind=ErrorKind.DISK_FULL,
            ),
        )
    return ok("disk", f"about {humanize.size(estimate.disk)} will be written")


def check_settings(
    settings: RunSettings,
    base: BaseModelInfo | None,
    report: DatasetReport | None,
    estimate: Estimate | None,
    problems: tuple[UsageError, ...],
) -> Check:
    if problems:
        return failed("settings", problems[0])
    rate = settings.training.learning_rate
    highest = HIGH_LEARNING_RATE_TINY if base and base.parameters < TINY_PARAMETERS else HIGH_LEARNING_RATE
    if rate > highest:
        return warning(
            "settings", f"a learning rate of {rate:g} makes most runs diverge", f"stay at {highest:g} or below"
        )
    if estimate and estimate.steps < FEW_STEPS:
        return warning(
            "settings",
            f"only {estimate.steps} optimiser steps: too few to learn much",
            f"more {title_and_key('training.epochs')}, a smaller {title_and_key('training.batch_size')}, or more records",
        )
    if report and held_out(report.usable, settings) < FEW_HELD_OUT:
        return warning(
            "settings",
            "fewer than five records are held out: the score will be a rough one",
            f"raise {title_and_key('data.eval_fraction')}",
        )
    return ok("settings", f"{estimate.steps:,} optimiser steps" if estimate else "make sense")


def check_budget(draft: Draft, estimate: Estimate) -> Check:
    for limit, title in ((draft.budget_usd, "budget"), (draft.max_hours, "time limit")):
        if limit is not None and not 0 < limit < float("inf"):
            return failed(
                "budget",
                UsageError(
                    f"a {title} must be a number, and more than nothing",
                    where=title,
                    fix="give a number above 0, or leave it out for no limit",
                    kind=ErrorKind.BAD_LIMIT,
                ),
            )
    if draft.budget_usd is not None and estimate.cost_usd > draft.budget_usd:
        cost, budget = humanize.money_apart(estimate.cost_usd, draft.budget_usd)
        return failed(
            "budget",
            BudgetError(
                f"the run costs about {cost}, the budget is {budget}",
                kind=ErrorKind.OVER_BUDGET,
                fix="raise the budget, or choose fewer epochs, a smaller base model or a cheaper machine",
            ),
        )
    if draft.max_hours is not None and estimate.seconds_low > draft.max_hours * 3600:
        return failed(
            "budget",
            BudgetError(
                f"the run takes about {humanize.roughly(estimate.seconds)}, the limit is {humanize.span(draft.max_hours * 3600)}",
                kind=ErrorKind.OVER_TIME,
                fix="raise the limit, or choose fewer epochs, a smaller base model or a faster machine",
            ),
        )
    if draft.budget_usd is not None and estimate.cost_usd_high > draft.budget_usd:
        return warning(
            "budget",
            f"about {humanize.money(estimate.cost_usd)}; it could come to {humanize.money(estimate.cost_usd_high)}, "
            "over the budget",
            "the run is then stopped in time, with its checkpoint kept",
        )
    if not estimate.price_per_hour:
        return ok("budget", "costs nothing")
    if draft.budget_usd is None:
        return warning(
            "budget",
            f"about {humanize.money(estimate.cost_usd)} (up to {humanize.money(estimate.cost_usd_high)}), and no ceiling is set",
            "a budget ends the run in time and keeps what it has learned, whatever happens",
        )
    return ok("budget", f"about {humanize.money(estimate.cost_usd)} (up to {humanize.money(estimate.cost_usd_high)})")


def check_account(draft: Draft, account: Account | BrightrunError, estimate: Estimate) -> Check | None:
    """Whether the balance pays for the run; None where nothing is paid."""
    if not estimate.cost_usd:
        return None
    if isinstance(account, BrightrunError):
        return failed("account", account)
    balance = account.balance_usd
    if balance is None:
        return warning("account", "the balance is not known", "look there whether it pays for the run")
    if balance < estimate.cost_usd:
        return failed(
            "account",
            NoFundsError(
                f"the account has {humanize.money(max(0.0, balance))}, the run costs about {humanize.money(estimate.cost_usd)}",
                where=draft.provider,
                fix="add funds there, or choose a smaller run",
                kind=ErrorKind.NO_FUNDS,
            ),
        )
    left = f"{humanize.money(balance)} left"
    if balance < estimate.cost_usd_high:
        return warning(
            "account",
            f"{left}; the run could come to {humanize.money(estimate.cost_usd_high)}",
            "add funds, or set a budget below that",
        )
    return ok("account", left)


def check_defaults(paths: Paths) -> Check | None:
    """What a run starts from where the person says nothing may hold a budget: a table that cannot be read stops all runs."""
    load_section(paths, "defaults", RunDefaults)
    return None


def check_month(estimate: Estimate, paths: Paths) -> Check | None:
    """What all runs together may cost in this calendar month; None where no limit is set."""
    limit = load_section(paths, "money", MoneyLimits).monthly_limit_usd
    if limit is None:
        return None
    left = limit - month_spending_of(paths.database).total
    if estimate.cost_usd > left:
        cost, rest = humanize.money_apart(estimate.cost_usd, max(0.0, left))
        return failed(
            "month",
            BudgetError(
                f"the run costs about {cost}, this month's limit of {humanize.money(limit)} leaves {rest}",
                kind=ErrorKind.OVER_MONTH,
                fix=f"raise monthly_limit_usd under [money] in {paths.config_file}, or wait for the next month",
            ),
        )
    return ok("month", f"{humanize.money(left)} of {humanize.money(limit)} are left for this month")


def check_schedule(moment: float | None) -> Check | None:
    """When the run begins; None where that is at once."""
    if moment is None:
        return None
    left = humanize.duration(max(0.0, moment - time.time()))
    return ok("schedule", f"begins {moment_words(moment)}, in {left}; the engine waits for it with no app open")


def check_run_name(name: str) -> Check:
    try:
        check_name(name)
    except UsageError as error:
        return failed("name", error)
    return ok("name", f"“{name}”")
