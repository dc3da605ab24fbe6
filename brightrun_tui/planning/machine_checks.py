"""Where a run is to be: whether the machine is there, free, large enough and has what training needs."""

from __future__ import annotations

from brightrun_tui.domain import humanize
from brightrun_tui.domain.disk import LARGER_HOME
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, NotConnectedError, UsageError
from brightrun_tui.domain.money import Estimate, Hardware, Offer
from brightrun_tui.domain.service_names import HERE
from brightrun_tui.domain.settings import title_and_key
from brightrun_tui.domain.slots import GpuRequest, Seats, assign
from brightrun_tui.integrations.connection import is_connected
from brightrun_tui.integrations.packages import install_command, missing_packages, torch_uses_gpu
from brightrun_tui.integrations.services import services
from brightrun_tui.paths import Paths
from brightrun_tui.planning.check import Check, CheckName, failed, ok, warning
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.memory import EXPERTS, SAFE
from brightrun_tui.planning.quantisation import held_as
from brightrun_tui.providers.local import cards, describe
from brightrun_tui.providers.spec import provider_spec

RESERVE_BYTES = 500_000_000
GPUS, SHARED = "machine.gpus", "machine.shared_gpu"


def check_provider(draft: Draft, paths: Paths, offer: Offer | None, refusal: BrightrunError | None = None) -> Check:
    service = next(
        (service for service in services() if service.name == draft.provider and service.kind in ("gpu", "machine")),
        None,
    )
    if service is None:
        provider_spec(draft.provider)  # where a broken package brings it, this says so
        known = ", ".join(service.name for service in services() if service.kind in ("gpu", "machine"))
        return failed(
            CheckName.MACHINE,
            UsageError(
                f"there is no provider “{draft.provider}”",
                where="provider",
                fix=f"one of: {known}",
                kind=ErrorKind.UNKNOWN_PROVIDER,
            ),
        )
    if not is_connected(service, paths):
        return failed(
            CheckName.MACHINE,
            NotConnectedError(
                f"{service.title} is not connected",
                where=service.name,
                fix="in the app: 1 Integrations, enter on its card"
                + (f"; or run: brightrun connect {service.name}" if service.environment else ""),
                kind=ErrorKind.NOT_CONNECTED,
            ),
        )
    if service.name == HERE:
        return ok(CheckName.MACHINE, "this one, free of charge")
    if offer is None and refusal is not None:
        return failed(CheckName.MACHINE, refusal)
    if offer is None:
        return failed(
            CheckName.MACHINE,
            UsageError(
                "no machine is chosen, so there is no price yet",
                where=service.name,
                fix=f"see: brightrun offers --provider {service.name}",
                kind=ErrorKind.NO_OFFER,
            ),
        )
    if offer.busy:
        return warning(
            CheckName.MACHINE,
            f"{offer.hardware.gpu or offer.id} from {service.title}: the run waits for {offer.busy}",
            "it begins by itself",
        )
    return ok(
        CheckName.MACHINE, f"{offer.hardware.gpu} from {service.title}, {humanize.money(offer.price_per_hour)} an hour"
    )


def check_gpus(draft: Draft, gpu_request: GpuRequest) -> Check | None:
    """Say whether the GPUs that were named can be had, and whether somebody else is at work on all of this machine's."""
    if not draft.here:
        spec = provider_spec(draft.provider) if gpu_request.cards else None
        if spec is None or spec.guard is None:
            return None
        return failed(
            CheckName.MACHINE,
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
        return failed(CheckName.MACHINE, UsageError(what, where=GPUS, fix=fix, kind=ErrorKind.BAD_SETTING))
    if not seat.granted:
        fix = f"it begins by itself when there is room; to begin at once: {title_and_key(SHARED)}"
        return warning(CheckName.MACHINE, f"the run waits for {seat.waits_for}", fix)
    return None


def check_packages(draft: Draft) -> Check:
    if not draft.here:
        return ok(CheckName.PACKAGES, "are installed on the rented machine")
    missing = missing_packages("train")
    if missing:
        return failed(
            CheckName.PACKAGES,
            BrightrunError(
                f"training here needs {', '.join(missing)}",
                kind=ErrorKind.PACKAGES_MISSING,
                fix=f"run: {install_command('train')}",
            ),
        )
    return ok(CheckName.PACKAGES, "are installed")


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
            CheckName.MEMORY,
            BrightrunError(
                f"about {humanize.size(need)} of {kind} are needed, {humanize.size(there)} are there ({describe(hardware)}){why}",
                kind=ErrorKind.DOES_NOT_FIT,
                fix=f"choose a smaller base model, a smaller {title_and_key('data.max_length')}, or a machine with more memory",
            ),
        )
    if estimate.fits == "tight":
        return warning(
            CheckName.MEMORY,
            f"about {humanize.sizes(need, there)} of {kind}: tight",
            f"it may work; a smaller {title_and_key('data.max_length')} makes room",
        )
    if hardware.free_memory and hardware.free_memory < estimate.memory * SAFE:
        return warning(
            CheckName.MEMORY,
            f"about {humanize.size(need)} are needed and only {humanize.size(hardware.free_memory)} are free now",
            "close other programs first",
        )
    return ok(CheckName.MEMORY, f"about {humanize.sizes(need, there)} of {kind}")


def check_quantisation(estimate: Estimate, hardware: Hardware) -> Check:
    """Say how the base is held, and why."""
    return ok(CheckName.QUANTISATION, f"{held_as(estimate.quantisation, hardware)}: {estimate.quantisation_why}")


def check_disk(estimate: Estimate, hardware: Hardware) -> Check:
    need = estimate.disk + RESERVE_BYTES
    if hardware.disk_free is not None and hardware.disk_free < need:
        return failed(
            CheckName.DISK,
            BrightrunError(
                f"about {humanize.size(need)} of disk are needed, {humanize.size(hardware.disk_free)} are free",
                fix=LARGER_HOME,
                kind=ErrorKind.DISK_FULL,
            ),
        )
    return ok(CheckName.DISK, f"about {humanize.size(estimate.disk)} will be written")
