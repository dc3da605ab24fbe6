"""Checkpoints: everything that is needed to go on as if nothing had happened, complete or absent.

``checkpoints/step-N/`` holds the adapter (as peft saves it), ``optimizer.safetensors`` with its tensors,
``state.json`` with all other state, and ``manifest.json`` with the digest of each. No pickle anywhere.
"""

from __future__ import annotations

import base64
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file

from brightrun_tui.domain.run_directory import MANIFEST, OPTIMIZER, STATE, RunDirectory, checkpoint_name
from brightrun_tui.files import sync_directory
from brightrun_tui.trainer.compute.optim import kind_of
from brightrun_tui.trainer.model.adapter import load_adapter, save_adapter
from brightrun_tui.trainer.runtime.files import digest_files, matches_digests, publish_directory, write_json

_TENSOR = "$tensor"


@dataclass
class TrainingProgress:
    """How far the training is. Saved with every checkpoint.

    Attributes:
        step: optimiser steps taken.
        max_tokens: tokens a micro-batch may have.
        lanes: micro-batches that a step is cut into at least, so that they can be computed side by side.
        best_step: step with the lowest held-out loss so far, ``best_loss``; 0 while there is none.
        since_best: evaluations without improvement.
        first_loss: training loss of the first step, by which divergence is judged.
    """

    step: int = 0
    supervised_tokens: int = 0
    tokens: int = 0
    seconds: float = 0.0
    max_tokens: int = 0
    lanes: int = 1
    gradient_checkpointing: bool = False
    first_loss: float | None = None
    best_step: int = 0
    best_loss: float | None = None
    since_best: int = 0
    evaluated_step: int = 0
    evaluated_loss: float | None = None
    early_stopped: bool = False


def save_checkpoint(
    files: RunDirectory,
    model: PeftModel,
    optimizer: torch.optim.Optimizer,
    progress: TrainingProgress,
    *,
    scaler: torch.amp.GradScaler | None,
    lineage: str,
    base_name: str,
) -> Path:
    """Write the checkpoint of ``progress.step`` aside, flush it, and give it its name. Returns its directory.

    Args:
        lineage: stands for all that must be the same for the checkpoint to be continued.
    """
    final = files.checkpoint(progress.step)
    aside = files.checkpoints / f".{checkpoint_name(progress.step)}.new"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        write_contents(aside, model, optimizer, progress, scaler=scaler, lineage=lineage, base_name=base_name)
        publish_directory(aside, final)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return final


def write_contents(
    directory: Path,
    model: PeftModel,
    optimizer: torch.optim.Optimizer,
    progress: TrainingProgress,
    *,
    scaler: torch.amp.GradScaler | None,
    lineage: str,
    base_name: str,
) -> None:
    """Write the files of a checkpoint into a directory that is not its final one."""
    directory.mkdir(parents=True)
    save_adapter(model, directory, base_name)
    if torch.cuda.is_available():
        torch.cuda.synchronize()  # paged state is read where it lies, while the GPU may still be writing it
    tensors: dict[str, torch.Tensor] = {}
    plain = _take_apart(optimizer.state_dict(), "optimizer", tensors)
    save_file(tensors, str(directory / OPTIMIZER))
    write_json(
        directory / STATE,
        {
            "progress": asdict(progress),
            "optimizer": plain,
            "optimizer_kind": kind_of(optimizer),
            "random": take_random_state(),
            "lineage": lineage,
            "scaler": scaler.state_dict() if scaler else {},
        },
    )
    write_json(directory / MANIFEST, digest_files(directory, [directory]))


def newest_usable(files: RunDirectory, lineage: str) -> tuple[Path | None, list[str]]:
    """Return the newest checkpoint that is whole and belongs to this run as it is specified now; and why others do not."""
    complaints = []
    for step in reversed(files.steps()):
        directory = files.checkpoint(step)
        try:
            digests = json.loads((directory / MANIFEST).read_text("utf-8"))
            state = json.loads((directory / STATE).read_text("utf-8"))
            whole = matches_digests(directory, digests)
        except (OSError, ValueError, KeyError):
            whole = False
        if not whole:
            complaints.append(f"checkpoint {checkpoint_name(step)} is damaged and left out")
        elif state["lineage"] != lineage:
            complaints.append(f"checkpoint {checkpoint_name(step)} was made with other settings and is left out")
        else:
            return directory, complaints
    return None, complaints


def load_checkpoint(
    directory: Path, model: PeftModel, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler | None
) -> tuple[TrainingProgress, bool]:
    """Restore adapter, optimiser, loss scale and random numbers.

    Returns:
        How far the training was; and whether the optimiser goes on too. One of another kind than the checkpoint's, as "auto"
        chooses where a run moves between CPU and GPU, begins afresh.
    """
    state = json.loads((directory / STATE).read_text("utf-8"))
    load_adapter(model, directory)
    same_kind: bool = state.get("optimizer_kind", kind_of(optimizer)) == kind_of(optimizer)
    if same_kind:
        moments = _put_together(state["optimizer"], load_file(str(directory / OPTIMIZER)))
        moments["state"] = {int(index): entries for index, entries in moments["state"].items()}
        optimizer.load_state_dict(moments)
    if scaler and state["scaler"]:
        scaler.load_state_dict(state["scaler"])
    restore_random_state(state["random"])
    return TrainingProgress(**state["progress"]), same_kind


def set_aside(files: RunDirectory) -> None:
    """Move checkpoints that cannot be continued out of the way, without deleting anything."""
    if not files.steps():
        return
    number = 1
    while (target := files.old_checkpoints(number)).exists():
        number += 1
    files.checkpoints.rename(target)
    sync_directory(files.root)


def prune(files: RunDirectory, keep: int, best_step: int) -> None:
    """Delete all but the newest ``keep`` checkpoints and the best one."""
    for step in files.steps()[:-keep]:
        if step != best_step:
            directory = files.checkpoint(step)
            outgoing = directory.with_name(f".{directory.name}.old")
            directory.rename(outgoing)
            shutil.rmtree(outgoing, ignore_errors=True)


def clear_leftovers(files: RunDirectory) -> None:
    """Remove what a crash left half written or half deleted."""
    if files.checkpoints.is_dir():
        for path in files.checkpoints.glob(".*"):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def take_random_state() -> dict[str, Any]:
    state: dict[str, Any] = {"cpu": base64.b64encode(torch.get_rng_state().numpy().tobytes()).decode()}
    if torch.cuda.is_available():
        state["cuda"] = base64.b64encode(torch.cuda.get_rng_state().numpy().tobytes()).decode()
    return state


def restore_random_state(state: dict[str, Any]) -> None:
    """Set torch's random numbers as they were when `take_random_state` took them."""

    def tensor(text: str) -> torch.Tensor:
        return torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.uint8)

    torch.set_rng_state(tensor(state["cpu"]))
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensor(state["cuda"]))


def _take_apart(value: Any, path: str, tensors: dict[str, torch.Tensor]) -> Any:
    """Return ``value`` as JSON, with every tensor moved to ``tensors`` and its name left in its place."""
    if isinstance(value, torch.Tensor):
        tensors[path] = value.detach().to("cpu").contiguous().clone()
        return {_TENSOR: path}
    if isinstance(value, dict):
        return {str(key): _take_apart(item, f"{path}.{key}", tensors) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_take_apart(item, f"{path}.{place}", tensors) for place, item in enumerate(value)]
    return value


def _put_together(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, dict):
        if value.keys() == {_TENSOR}:
            return tensors[value[_TENSOR]]
        return {key: _put_together(item, tensors) for key, item in value.items()}
    if isinstance(value, list):
        return [_put_together(item, tensors) for item in value]
    return value
