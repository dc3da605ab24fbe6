"""Memory, time and cost of a run before anything is paid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from brightrun_tui.domain.dataset import DatasetReport
from brightrun_tui.domain.money import Estimate, Hardware
from brightrun_tui.domain.settings import RunSettings, title_and_key
from brightrun_tui.domain.sizing import answer_seconds
from brightrun_tui.planning.architecture import BaseModelInfo
from brightrun_tui.planning.learning import FORMULA_WEIGHT, Measured, correct_times
from brightrun_tui.planning.memory import SAFE, TIGHT, MemoryNeed, adapter_bytes, available, memory_need
from brightrun_tui.planning.quantisation import SETTING, choose_quantisation
from brightrun_tui.planning.timing import Shape, preparing_seconds, reckon_time, shape_of
from brightrun_tui.planning.token_counts import TURN_TOKENS, TokenCounts, count_tokens

RENT_SECONDS = 240.0
DOWNLOAD_BYTES_PER_SECOND = 1e8
GPU_DOUBT, CPU_DOUBT = 1.7, 2.0
"""Factor up to which an estimate is wrong, nine times of ten, where nothing was measured."""

LONG_ON_CPU_SECONDS = 6 * 3600.0
SPARE_DISK = 40_000_000
DATA_COPIES = 3
"""The file itself, the canonical form of it, and its tokens."""
FATES = {"drop": "left out", "truncate": "cut off", "split": "cut into pieces", "refuse": "a reason to refuse"}
"""What becomes of records that are too long."""
MOST_COUNTED = 50
"""Checkpoints whose way home is counted: a fast worker's are not all brought home."""


def estimate(
    base: BaseModelInfo,
    report: DatasetReport,
    settings: RunSettings,
    hardware: Hardware,
    price_per_hour: float = 0.0,
    *,
    known: Sequence[Measured] = (),
) -> Estimate:
    """Return what the run takes. A run that does not fit raises nothing: see ``fits``.

    Args:
        price_per_hour: US dollars; above 0 the machine is a rented one, which must start and download the base first.
        known: what earlier runs took on such a machine; corrects the formula.
    """
    tokens = count_tokens(base, report)
    shape = shape_of(report, tokens, settings, base.architecture.context)
    chosen = choose_quantisation(base.architecture, settings, hardware, shape.longest, shape.supervised_share)
    settings = settings.with_overrides({SETTING: chosen.method})
    need = memory_need(base.architecture, settings, hardware, shape.longest, shape.supervised_share)
    setup = RENT_SECONDS + base.weight_bytes / DOWNLOAD_BYTES_PER_SECOND if price_per_hour else 0.0
    preparing = 0.0 if price_per_hour else preparing_seconds(base, report.bytes)
    reckoned = reckon_time(base.architecture, settings, hardware, shape, need, base.weight_bytes, preparing)
    learnt = correct_times(
        reckoned,
        known,
        base.ref.fingerprint or base.ref.id,
        chosen.method,
        shape.mean,
        GPU_DOUBT if hardware.gpu_count else CPU_DOUBT,
    )
    answering = min(learnt.parts.answering, answer_seconds(learnt.parts.training))
    parts = learnt.parts.model_copy(update={"answering": answering})
    work, measured = parts.total, learnt.weight > FORMULA_WEIGHT
    return Estimate(
        memory=need.total,
        memory_parts=need.parts,
        memory_available=available(hardware),
        fits=_fits(need.total, available(hardware)),
        steps=shape.steps,
        tokens=int(shape.samples * shape.mean),
        supervised_tokens=int(shape.samples * shape.answer_mean),
        seconds=setup + work,
        seconds_low=setup + work * learnt.low,
        seconds_high=setup + work * learnt.high,
        setup_seconds=setup,
        flops=hardware.flops,
        price_per_hour=price_per_hour,
        cost_usd=price_per_hour * (setup + work) / 3600,
        cost_usd_high=price_per_hour * (setup + work * learnt.high) / 3600,
        disk=_disk_bytes(base, report, settings, hardware),
        download=base.weight_bytes + DATA_COPIES * report.bytes,
        upload=_upload_bytes(base, settings, hardware, shape.steps),
        measured=measured,
        parts=parts,
        reckoned=reckoned,
        mean_tokens=shape.mean,
        quantisation=chosen.method,
        quantisation_why=chosen.why,
        notes=_notes(base, report, tokens, shape, need, settings, hardware, work, measured),
    )


def _fits(needed: int, there: int) -> Literal["safe", "tight", "no"]:
    return "safe" if needed * SAFE <= there else "tight" if needed * TIGHT <= there else "no"


def _disk_bytes(base: BaseModelInfo, report: DatasetReport, settings: RunSettings, machine: Hardware) -> int:
    """Return the bytes of checkpoints kept, the best and the one being written, the result, the data, and the base
    model if it must come.
    """
    adapter, optimiser = adapter_bytes(base.architecture, settings, machine)
    checkpoints = (adapter + optimiser) * (settings.training.keep_checkpoints + 2)
    data = DATA_COPIES * report.bytes
    return checkpoints + 2 * adapter + data + SPARE_DISK + (0 if base.present else base.weight_bytes)


def _upload_bytes(base: BaseModelInfo, settings: RunSettings, machine: Hardware, steps: int) -> int:
    """Return the bytes that come home: the adapter and the checkpoints; where each evaluation saves one, as many as are
    kept.
    """
    adapter, optimiser = adapter_bytes(base.architecture, settings, machine)
    every = settings.training.save_steps
    saved = steps // every if every else settings.training.keep_checkpoints + 1
    return adapter + (adapter + optimiser) * min(saved, MOST_COUNTED)


def _has_room_for_16_bit(base: BaseModelInfo, settings: RunSettings, machine: Hardware, shape: Shape) -> bool:
    """Say whether a quantised run would also fit on this GPU without quantisation."""
    if not machine.gpu_count or settings.quantisation.method == "none":
        return False
    unquantised = settings.with_overrides({SETTING: "none"})
    need = memory_need(base.architecture, unquantised, machine, shape.longest, shape.supervised_share)
    return _fits(need.total, available(machine)) == "safe"


def _notes(
    base: BaseModelInfo,
    report: DatasetReport,
    tokens: TokenCounts,
    shape: Shape,
    need: MemoryNeed,
    settings: RunSettings,
    machine: Hardware,
    seconds: float,
    measured: bool,
) -> tuple[str, ...]:
    notes = []
    if not measured:
        notes.append("Time is a rough guess until a run has been measured on this machine.")
    if not tokens.measured:
        notes.append(f"Tokens are guessed: {tokens.characters_per_token:.1f} characters each.")
    if need.checkpointing and settings.training.gradient_checkpointing == "auto":
        notes.append("Memory is short: activations will be computed twice, which takes about a third more time.")
    if _has_room_for_16_bit(base, settings, machine, shape):
        notes.append(f"16-bit LoRA fits on this machine too, and is faster: set {title_and_key(SETTING)} to none.")
    if tokens.longest > shape.longest:
        characters = (shape.longest - TURN_TOKENS * report.turns / max(1, report.usable)) * tokens.characters_per_token
        about = max(1, round(report.usable * report.characters.share_over(characters)))
        fate = FATES[settings.data.over_length]
        notes.append(
            f"About {about:,} of {report.usable:,} records, those over {shape.longest:,} tokens, will be {fate}."
        )
    if not machine.gpu_count and seconds > LONG_ON_CPU_SECONDS:
        notes.append(
            "That is long for a machine without a GPU: a smaller base model, fewer epochs, or a rented GPU would help."
        )
    return tuple(notes)
