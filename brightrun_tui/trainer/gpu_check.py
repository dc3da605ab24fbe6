"""Is this GPU fit to train on: seen by torch, right in its arithmetic, as fast and as free as it should be.

    python -m brightrun_tui.trainer.gpu_check [--rate FLOPS] [--memory BYTES]

Prints a `GpuCheck` as one line of JSON; exit code 0 where nothing is wrong. Takes two seconds and a few hundred MB.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable

import peft  # noqa: F401  (with the rest of this, what a worker imports: a package that does not load is found here)
import torch

from brightrun_tui.domain import humanize
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import GpuError
from brightrun_tui.domain.gpu import GpuCheck
from brightrun_tui.domain.setting_groups import QuantisationSettings
from brightrun_tui.trainer.model.loading import TrainingDevice, choose_machine

ROUNDING = {torch.bfloat16: 6e-3, torch.float16: 1.5e-3, torch.float32: 1e-3}
"""Error of a matrix product with inputs and result in such numbers: three times what rounding makes (float32: as TF32)."""
SAME_NF4 = 1e-5
"""Error of dequantising the very same 4-bit numbers: a table look-up and two products."""
SAME_QUANTISED = 0.02
"""Difference of what two devices make of the same weights, where one rounds a constant the other way."""
LEAST_SHARE = 0.5
"""Of the rate that such a card reaches, below which something is wrong with it, or somebody else is on it."""
SIZE, SIZE_ON_CPU = 8192, 256
"""Of the square matrices that are multiplied: large enough for a GPU's full rate."""
CHECKED_ROWS = 32
PRODUCT_ROWS = (1, 48, 1024)
"""Of 4-bit products: libraries take another kernel for one row, for few and for many."""


def require_fit(machine: TrainingDevice, settings: QuantisationSettings) -> None:
    """Refuse a GPU that computes wrongly. A CPU passes: nobody doubts its arithmetic.

    Raises:
        GpuError: the GPU computes wrongly, or not at all.
    """
    if machine.device.type != "cuda":
        return
    if faults := check_gpu(machine, four_bit=settings.method == "nf4").faults:
        raise GpuError(
            f"it is not fit to train on: {'; '.join(faults)}",
            where=machine.name,
            kind=ErrorKind.GPU_UNFIT,
            fix="see: brightrun doctor --gpu; another GPU, driver or version of bitsandbytes may help",
        )


def check_gpu(machine: TrainingDevice, *, rate: float = 0.0, memory: int = 0, four_bit: bool = True) -> GpuCheck:
    """Compute on the machine's device what training computes, and compare with the CPU.

    Args:
        rate: FLOP/s that such a card reaches in the run's number format; 0: unknown, every rate will do.
        memory: bytes that must be free on it.
        four_bit: whether the run has 4-bit weights, and so needs what handles them.
    """
    error, reached = _matmul(machine)
    dequantised, quantised, products = _nf4(machine) if four_bit else (0.0, 0.0, {})
    free, total = torch.cuda.mem_get_info(machine.device) if machine.device.type == "cuda" else (0, 0)
    limit = ROUNDING[machine.compute]
    faults = []
    if not error < limit:
        faults.append(f"a matrix product is wrong by {error:.1%}")
    if not dequantised < SAME_NF4:
        faults.append(f"4-bit weights are read wrong by {dequantised:.1%}")
    if not quantised < SAME_QUANTISED:
        faults.append(f"weights are quantised to 4 bits otherwise than they should be, by {quantised:.1%}")
    faults += [
        f"a product of {rows} rows with 4-bit weights is wrong by {wrong:.1%}"
        for rows, wrong in products.items()
        if not wrong < limit
    ]
    if reached < LEAST_SHARE * rate:
        faults.append(f"it multiplies at {reached / 1e12:.0f} TFLOP/s where such a card reaches {rate / 1e12:.0f}")
    if free < memory:
        faults.append(f"{humanize.sizes(free, total)} are free, {humanize.size(memory)} are needed")
    return GpuCheck(
        device=machine.name,
        compute=str(machine.compute).removeprefix("torch."),
        rate=reached,
        matmul_error=error,
        dequantise_error=dequantised,
        quantise_error=quantised,
        product_errors=products,
        memory_free=free,
        memory_total=total,
        faults=tuple(faults),
    )


def seconds_of(machine: TrainingDevice, work: Callable[[], object]) -> float:
    """Return wall time of ``work`` until the device has done it."""
    _wait(machine)
    began = time.perf_counter()
    work()
    _wait(machine)
    return time.perf_counter() - began


def _wait(machine: TrainingDevice) -> None:
    if machine.device.type == "cuda":
        torch.cuda.synchronize(machine.device)


def _matmul(machine: TrainingDevice) -> tuple[float, float]:
    """Return error and rate of a product of two square matrices of random numbers."""
    size = SIZE if machine.device.type == "cuda" else SIZE_ON_CPU
    chance = torch.Generator().manual_seed(1)
    left = torch.randn(CHECKED_ROWS, size, generator=chance).to(machine.compute)
    right = torch.randn(size, size, device=machine.device, dtype=machine.compute)
    found = (left.to(machine.device) @ right).double().cpu()
    error = _error(found, left.double() @ right.double().cpu())
    other = torch.randn_like(right)
    times = [seconds_of(machine, lambda: other @ right) for _ in range(8)]
    return error, 2 * size**3 / min(times)


def _nf4(machine: TrainingDevice) -> tuple[float, float, dict[int, float]]:
    """Return errors of reading 4-bit weights, of making them, and of products with them."""
    from bitsandbytes import matmul_4bit
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    chance = torch.Generator().manual_seed(2)
    weight = torch.randn(1024, 2048, generator=chance) / 45
    packed, state = quantize_4bit(weight, quant_type="nf4", compress_statistics=True)
    reference = dequantize_4bit(packed, state).float()
    theirs, their_state = quantize_4bit(weight.to(machine.device), quant_type="nf4", compress_statistics=True)
    quantised = _error(dequantize_4bit(theirs, their_state).float().cpu(), reference)
    state.to(machine.device)
    packed = packed.to(machine.device)
    dequantised = _error(dequantize_4bit(packed, state).float().cpu(), reference)
    products = {}
    state.dtype = machine.compute
    for rows in PRODUCT_ROWS:
        x = torch.randn(rows, weight.shape[1], generator=chance).to(machine.compute)
        with torch.no_grad():
            found = matmul_4bit(x.to(machine.device), packed, quant_state=state)
        products[rows] = _error(found.double().cpu(), x.double() @ reference.double().t())
    return dequantised, quantised, products


def _error(found: torch.Tensor, exact: torch.Tensor) -> float:
    return float((found.double() - exact.double()).norm() / exact.double().norm())


def why_no_gpu() -> str:
    """Return what torch says where it sees none."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            torch.cuda.init()
        except (RuntimeError, AssertionError) as error:
            return str(error).strip().splitlines()[0][:300]
    return str(said[0].message).splitlines()[0][:300] if said else "there is none"


def main(arguments: list[str]) -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(
        prog="brightrun_tui.trainer.gpu_check", description="Whether this GPU is fit to train on."
    )
    parser.add_argument("--rate", type=float, default=0.0, help="FLOP/s that such a card reaches")
    parser.add_argument("--memory", type=int, default=0, help="bytes that must be free")
    given = parser.parse_args(arguments)
    machine = choose_machine(QuantisationSettings())
    if machine.device.type != "cuda":
        found = GpuCheck(device="cpu", compute="", faults=(f"torch {torch.__version__} sees no GPU: {why_no_gpu()}",))
    else:
        try:
            found = check_gpu(machine, rate=given.rate, memory=given.memory)
        except RuntimeError as error:
            first = str(error).strip().splitlines()[0][:300]
            found = GpuCheck(device=machine.name, compute="", faults=(f"it cannot compute: {first}",))
    print(found.model_dump_json())
    return 1 if found.faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
