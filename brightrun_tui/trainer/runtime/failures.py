"""From any exception to one `Failure`: kind, plain words, fix, and a change that ``retry`` can apply.

A retry without a change goes on from the newest checkpoint; one with a change is a new run, from its first step.
"""

from __future__ import annotations

import errno
from typing import Any

from brightrun_tui.domain import disk
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.run import Failure, failed_for_disk
from brightrun_tui.domain.run_directory import LOG
from brightrun_tui.domain.settings import statement_of, title_and_key


class TrainingError(BrightrunError):
    """Training cannot go on. ``suggestion`` maps settings to better values, for ``retry``."""

    def __init__(
        self, what: str, *, where: str = "", fix: str = "", kind: str = "", suggestion: dict[str, Any] | None = None
    ) -> None:
        super().__init__(what, where=where, fix=fix, kind=kind)
        self.suggestion = suggestion or {}


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an allocation failed, on the GPU or in main memory."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    said = (
        "out of memory",
        "can't allocate memory",
        "status_alloc_failed",
    )  # torch, its CPU allocator, cuBLAS and cuDNN
    return isinstance(error, RuntimeError) and any(words in text for words in said)


def ran_out_of_disk(error: BaseException) -> bool:
    """Say whether a write failed for want of space (the safetensors library reports it in words only)."""
    if disk.is_disk_full(error):
        return True
    return "no space left on device" in str(error).lower() or "os error 28" in str(error).lower()


def out_of_memory(longest: int) -> TrainingError:
    """Return the error for when even one record with gradient checkpointing does not fit.

    Args:
        longest: tokens of the longest record, after which the suggested limit is chosen.
    """
    return TrainingError(
        "memory is not enough for the longest record alone",
        where="training.micro_batch_size",
        fix=f"shorten the records with {title_and_key('data.max_length')}, choose a smaller base model, or a machine "
        "with more memory",
        kind=ErrorKind.OUT_OF_MEMORY,
        suggestion={"data.max_length": max(128, longest // 2), "data.over_length": "truncate"},
    )


def explain(error: BaseException) -> Failure:
    """Return the failure that stands for ``error``; never empty, never a traceback."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or current.__context__
    if any(ran_out_of_disk(link) for link in chain):
        return failed_for_disk()
    if isinstance(error, BrightrunError):
        return Failure(
            error=error.kind, cause=statement_of(error), fix=error.fix, suggestion=getattr(error, "suggestion", {})
        )
    if is_out_of_memory(error):
        return Failure(
            error=ErrorKind.OUT_OF_MEMORY,
            cause="memory ran out",
            fix="use a smaller base model, shorter records or a machine with more memory",
            suggestion={"training.micro_batch_size": 1, "training.gradient_checkpointing": "on"},
        )
    if isinstance(error, PermissionError) or (isinstance(error, OSError) and error.errno == errno.EROFS):
        return Failure(
            error=ErrorKind.NOT_WRITABLE,
            cause=f"a file cannot be written: {error.filename or error}",
            fix="give the run directory to the user who runs the worker",
        )
    first_line = (str(error).strip().splitlines() or [""])[0][:300]
    return Failure(
        error=ErrorKind.INTERNAL,
        cause=f"{type(error).__name__}: {first_line}".rstrip(": "),
        fix=f"the details are in {LOG}; a retry goes on from the newest checkpoint",
    )
