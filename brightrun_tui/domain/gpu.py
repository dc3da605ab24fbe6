"""What a look at a GPU finds: written by the process that has torch, read by whoever decides about the machine."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

CPU = "cpu"
"""The device of a machine without a GPU, as worker, report card and planner call it."""


class GpuCheck(BaseModel):
    """One card, as it computed. Errors are ‖found − exact‖ / ‖exact‖; rates in FLOP/s, memory in bytes.

    ``faults``: what is wrong with it, in words; empty: it is fit to train on. ``product_errors``: of 4-bit products, by rows.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    device: str
    compute: str
    rate: float = 0.0
    matmul_error: float = 0.0
    dequantise_error: float = 0.0
    quantise_error: float = 0.0
    product_errors: dict[int, float] = {}
    memory_free: int = 0
    memory_total: int = 0
    faults: tuple[str, ...] = ()
