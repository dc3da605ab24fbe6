"""The plan of a run: everything that follows from a draft, and whether it can start."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from brightrun_tui.datasets.opening import Progress
from brightrun_tui.domain.dataset import DatasetReport
from brightrun_tui.domain.errors import BrightrunError, UsageError
from brightrun_tui.domain.gpu import CPU
from brightrun_tui.domain.money import Estimate, Hardware, Limits, Offer
from brightrun_tui.domain.run import DatasetRef, RunSpec
from brightrun_tui.domain.schedule import parse_moment
from brightrun_tui.domain.settings import RunSettings
from brightrun_tui.domain.slots import GpuRequest
from brightrun_tui.integrations.packages import torch_uses_gpu
from brightrun_tui.paths import Paths
from brightrun_tui.planning import checks, data_checks, machine_checks, money_checks
from brightrun_tui.planning.architecture import BaseModelInfo
from brightrun_tui.planning.bases import describe_base
from brightrun_tui.planning.check import Check, CheckName, failed
from brightrun_tui.planning.dataset_reports import report_of
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.estimate import estimate
from brightrun_tui.planning.measured import measured_runs
from brightrun_tui.planning.names import name_from, new_run_id
from brightrun_tui.planning.quantisation import SETTING
from brightrun_tui.planning.resolve import resolve_settings
from brightrun_tui.planning.templates import Template, get_template
from brightrun_tui.planning.timing import held_out
from brightrun_tui.providers.base import Account
from brightrun_tui.providers.gpus import CPU_FLOPS_PER_CORE, find_gpu, peak_flops
from brightrun_tui.providers.local import hardware

Found = TypeVar("Found")

NOMINAL_GPU = "A100"
"""Planned for where a machine is to be rented and no GPU was named."""


class Plan(BaseModel):
    """What a draft comes to. ``sources`` tells for every setting that is not at its default who set it.

    ``not_before``: seconds since the epoch.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    draft: Draft
    name: str
    template: Template | None
    settings: RunSettings
    sources: dict[str, str]
    report: DatasetReport | None
    base: BaseModelInfo | None
    hardware: Hardware
    offer: Offer | None = None
    estimate: Estimate | None
    not_before: float | None = None
    checks: tuple[Check, ...]

    @property
    def ready(self) -> bool:
        """Whether the run may start."""
        return self.first_problem is None

    @property
    def first_problem(self) -> BrightrunError | None:
        """The error of the first check that failed."""
        return next((check.error for check in self.checks if check.error is not None), None)


def make_plan(
    draft: Draft,
    paths: Paths,
    *,
    offer: Offer | None = None,
    account: Account | BrightrunError | None = None,
    refusal: BrightrunError | None = None,
    progress: Progress = lambda what, share: None,
) -> Plan:
    """Return everything that follows from ``draft``, on ``offer`` or on this machine.

    ``account`` is what the provider said of the person's account, ``refusal`` why it named no machine.
    ``progress`` is told how far the reading of the dataset is.

    Blocking: reads the dataset when it has changed, and may ask the Hub for a base model that nobody knows; a few
    milliseconds otherwise. Raises nothing for what a person can get wrong: that becomes a failed check.
    """
    found: list[Check] = []
    template = _or_failed(found, CheckName.TEMPLATE, lambda: get_template(draft.template, paths))
    report = _or_failed(found, CheckName.DATASET, lambda: report_of(draft.data, draft.columns, paths, progress))
    base = _or_failed(found, CheckName.BASE_MODEL, lambda: describe_base(draft.base, paths))
    resolved = resolve_settings(template, base, report.usable if report else None, draft.overrides, draft.intensity)
    machine = _machine(draft, paths, offer, resolved.settings.machine.gpu_request)
    estimated = None
    if report and base and machine.flops:
        price = offer.price_per_hour if offer else 0.0
        known = measured_runs(machine, paths, base) if draft.here else []
        estimated = _or_failed(
            found, CheckName.BASE_MODEL, lambda: estimate(base, report, resolved.settings, machine, price, known=known)
        )
        estimated = with_traffic(estimated, offer) if offer and estimated else estimated
    begins = _or_failed(found, CheckName.SCHEDULE, lambda: parse_moment(draft.not_before, datetime.now().astimezone()))
    name = draft.name.strip() or name_from(draft.data)
    plan = Plan(
        draft=draft,
        name=name,
        template=template,
        settings=resolved.settings,
        sources=resolved.sources,
        report=report,
        base=base,
        hardware=machine,
        offer=offer,
        estimate=estimated,
        not_before=begins,
        checks=(),
    )
    work = _checks_of(plan, paths, resolved.problems, account, refusal)
    found += [check for check in (_or_failed(found, *one) for one in work) if check]
    found.sort(key=lambda check: list(CheckName).index(check.name))
    return plan.model_copy(update={"checks": tuple(found)})


def _checks_of(
    plan: Plan,
    paths: Paths,
    problems: tuple[UsageError, ...],
    account: Account | BrightrunError | None,
    refusal: BrightrunError | None,
) -> Iterator[tuple[CheckName, Callable[[], Check | None]]]:
    """Yield what is to be checked of a plan, as far as it is known what it comes to."""
    draft, settings, report, base = plan.draft, plan.settings, plan.report, plan.base
    estimated, machine, offer = plan.estimate, plan.hardware, plan.offer
    yield CheckName.SETTINGS, lambda: checks.check_defaults(paths)
    yield CheckName.SETTINGS, lambda: checks.check_settings(settings, base, report, estimated, problems)
    yield CheckName.SETTINGS, lambda: checks.check_objective(draft, settings)
    yield CheckName.MACHINE, lambda: machine_checks.check_gpus(draft, settings.machine.gpu_request)
    yield CheckName.MACHINE, lambda: machine_checks.check_provider(draft, paths, offer, refusal)
    yield CheckName.PACKAGES, lambda: machine_checks.check_packages(draft)
    yield CheckName.NAME, lambda: checks.check_run_name(plan.name)
    yield CheckName.SCHEDULE, lambda: checks.check_schedule(plan.not_before)
    if report:
        yield CheckName.DATASET, lambda: data_checks.check_records(report, base, settings)
    if base:
        yield CheckName.BASE_MODEL, lambda: checks.check_base(base, paths)
    if report and base:
        yield CheckName.LANGUAGE, lambda: data_checks.check_language(report, base)
        yield CheckName.TOOLS, lambda: data_checks.check_tools(report, base)
    if estimated:
        yield CheckName.MEMORY, lambda: machine_checks.check_memory(estimated, machine)
        yield CheckName.QUANTISATION, lambda: machine_checks.check_quantisation(estimated, machine)
        yield CheckName.DISK, lambda: machine_checks.check_disk(estimated, machine)
        if offer or draft.here:
            yield CheckName.BUDGET, lambda: money_checks.check_budget(draft, estimated)
        if not draft.here:
            yield CheckName.MONTH, lambda: money_checks.check_month(estimated, paths)
        if account and offer:
            yield CheckName.ACCOUNT, lambda: money_checks.check_account(draft, account, estimated)


def make_spec(plan: Plan) -> RunSpec:
    """Return the run that the plan describes.

    Raises:
        BrightrunError: the error of the first check that failed; `BudgetError` where the budget says no.
    """
    if plan.first_problem:
        raise plan.first_problem
    assert plan.report and plan.base, "a plan without failed checks has both"
    report = plan.report
    evaluated = held_out(report.usable, plan.settings)
    split = {"train_records": report.usable - evaluated, "eval_records": evaluated}
    return RunSpec(
        run_id=new_run_id(),
        name=plan.name,
        created_at=time.time(),
        base=plan.base.ref.model_copy(update={"license": plan.base.license}),
        dataset=DatasetRef.of(report).model_copy(update=split),
        template=plan.draft.template,
        settings=plan.settings.with_overrides({SETTING: plan.estimate.quantisation})
        if plan.estimate
        else plan.settings,
        provider=plan.draft.provider,
        gpu=plan.draft.gpu,
        interruptible=plan.draft.interruptible,
        offer=plan.offer.id if plan.offer else "",
        project=plan.draft.project.strip(),
        not_before=plan.not_before,
        limits=Limits(budget_usd=plan.draft.budget_usd, max_hours=plan.draft.max_hours),
    )


def _or_failed(found: list[Check], name: CheckName, work: Callable[[], Found]) -> Found | None:
    try:
        return work()
    except BrightrunError as error:
        if all(str(check.error) != str(error) for check in found):
            found.append(failed(name, error))
        return None


def _machine(draft: Draft, paths: Paths, offer: Offer | None, gpu_request: GpuRequest) -> Hardware:
    """Return the machine to plan for: the offer's, this one, or a nominal one with the GPU that was asked for."""
    if offer:
        return with_speed(offer.hardware)
    if draft.here:
        here = hardware(paths.data, gpu_request)
        return here if not here.gpu_count or torch_uses_gpu() else _without_gpu(here)
    gpu = find_gpu(draft.gpu) or find_gpu(NOMINAL_GPU)
    assert gpu, "the nominal GPU is in the table"
    return Hardware(device="cuda", gpu=gpu.name, gpu_count=1, gpu_memory=gpu.memory, flops=gpu.flops)


def with_traffic(estimated: Estimate, offer: Offer) -> Estimate:
    """Return the estimate with what the traffic of image, model and results costs, and the machine that it is for."""
    costs = {"cost_usd": estimated.cost_usd + offer.once_usd, "cost_usd_high": estimated.cost_usd_high + offer.once_usd}
    machine = {"gpu": offer.hardware.gpu, "host_id": offer.host_id}
    return estimated.model_copy(update={**costs, **machine, "traffic_usd": offer.once_usd})


def with_speed(machine: Hardware) -> Hardware:
    """Return the machine with its GPU's peak speed from the table, where it does not say its own."""
    if machine.flops or not machine.gpu:
        return machine
    return machine.model_copy(update={"flops": peak_flops(machine.gpu)})


def _without_gpu(machine: Hardware) -> Hardware:
    """Return what PyTorch's CPU build can use of a machine."""
    return machine.model_copy(
        update={
            "device": CPU,
            "gpu": "",
            "gpu_count": 0,
            "gpu_memory": 0,
            "free_memory": 0,
            "flops": machine.cores * CPU_FLOPS_PER_CORE,
        }
    )
