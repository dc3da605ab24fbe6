"""What a run asks of a machine, and what its rest costs on one: the same answer before the start and whenever one is rented."""

from __future__ import annotations

from typing import Protocol

from brightrun_tui.domain.money import GIB, Estimate, Offer
from brightrun_tui.domain.slots import GpuRequest
from brightrun_tui.planning.memory import SAFE
from brightrun_tui.providers.base import Need
from brightrun_tui.providers.gpus import peak_flops

LEAST_DISK = 40 * GIB
PACKAGES_BYTES = GIB // 2
"""What pip brings onto a machine beside the torch that its image has."""


class Wants(Protocol):
    """What a person said of the machine: a draft of a run, or its specification."""

    @property
    def gpu(self) -> str: ...

    @property
    def interruptible(self) -> bool: ...


def need_of(estimate: Estimate, wants: Wants, gpu_request: GpuRequest) -> Need:
    """Return what the run asks of a machine that is not this one; ``gpu_request``: of one's own machines, which GPU."""
    return Need(
        gpu=wants.gpu,
        gpu_memory=int(estimate.memory * SAFE),
        disk=max(LEAST_DISK, 2 * estimate.disk),
        interruptible=wants.interruptible,
        download=estimate.download + PACKAGES_BYTES,
        upload=estimate.upload,
        hours=estimate.seconds_high / 3600,
        gpu_request=gpu_request,
    )


def cost_of_rest(offer: Offer, estimate: Estimate, fraction: float) -> float:
    """Return US dollars that the rest of a run costs on a machine, traffic and disk included.

    Args:
        estimate: made for another machine perhaps; its work is taken to go at the ratio of their peak speeds.
        fraction: of the work that is done, from 0 to 1.
    """
    flops = offer.hardware.flops or peak_flops(offer.hardware.gpu)
    pace = estimate.flops / flops if estimate.flops and flops else 1.0
    work = max(0.0, estimate.seconds - estimate.setup_seconds) * (1.0 - fraction) * pace
    return offer.once_usd + offer.price_per_hour * (estimate.setup_seconds + work) / 3600


def is_agreed(offer: Offer, offer_id: str, estimate: Estimate, tolerance: float) -> bool:
    """Say whether this is the very machine that was agreed to, by its id, or by machine, GPU and price where ids have changed.

    Args:
        tolerance: the most that it may cost now, as a multiple of the price that was agreed to.
    """
    if offer.id == offer_id:
        return True
    return (
        bool(offer_id and estimate.host_id)
        and offer.host_id == estimate.host_id
        and offer.hardware.gpu == estimate.gpu
        and offer.price_per_hour <= estimate.price_per_hour * tolerance
    )
