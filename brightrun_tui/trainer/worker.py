"""The corridor: specification and data in, adapter and report card out, every word of it in the event log."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from pydantic import ValidationError

from brightrun_tui.domain import events
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.events import Outcome, PhaseName
from brightrun_tui.domain.objective import DEFAULT_OBJECTIVE
from brightrun_tui.domain.run import RunSpec
from brightrun_tui.domain.run_directory import CONTROL_REQUESTS, LATER_STOPS, SPEC, RunDirectory
from brightrun_tui.files import sha256
from brightrun_tui.trainer.compute.forward import Forward
from brightrun_tui.trainer.compute.optim import make_optimizer
from brightrun_tui.trainer.data.plan import make_plan
from brightrun_tui.trainer.data.prepare import prepare_data, prepare_judged
from brightrun_tui.trainer.data.template import ChatTemplate, chat_template
from brightrun_tui.trainer.evaluation.generate import choose_prompts
from brightrun_tui.trainer.gpu_check import require_fit
from brightrun_tui.trainer.loop.baseline import measure_baseline
from brightrun_tui.trainer.loop.checkpoint import clear_leftovers, load_checkpoint, newest_usable, set_aside
from brightrun_tui.trainer.loop.micro_batches import begin
from brightrun_tui.trainer.loop.session import TrainingSession
from brightrun_tui.trainer.loop.training import Loop, tell_checkpoint
from brightrun_tui.trainer.model.adapter import attach_adapter
from brightrun_tui.trainer.model.base_model import (
    embedding_rows,
    load_config,
    load_tokenizer,
    locate_base,
    longest_context,
)
from brightrun_tui.trainer.model.loading import choose_machine, load_base
from brightrun_tui.trainer.model.lora import fuse_adapters
from brightrun_tui.trainer.objectives import load_objective
from brightrun_tui.trainer.report.card import publish_adapter, use_best_checkpoint, write_manifest, write_report
from brightrun_tui.trainer.report.evaluation import evaluate_version
from brightrun_tui.trainer.runtime.control import Control
from brightrun_tui.trainer.runtime.events import EventLog
from brightrun_tui.trainer.runtime.hardware import HardwareMonitor


def work(files: RunDirectory, log: EventLog, control: Control) -> tuple[int, Outcome]:
    """Do the run, or what is left of it. Returns the step it ended at, and how.

    Raises:
        Terminated: asked to leave while there was nothing to save.
        Exception: whatever stopped it; `failures.explain` puts it in words.
    """
    torch.set_flush_denormal(True)  # vanishing attention weights cost up to half of the time on a CPU otherwise
    spec = _read_spec(files)
    clear_leftovers(files)
    with HardwareMonitor(log) as monitor:
        control.nothing_to_keep = spec.measures is not None
        session, template = _set_up(spec, files, log, control, monitor)
        if spec.measures is None:
            _resume(session)
        control.leave_if_asked()
        begin(session)
        if spec.measures is not None:
            evaluate_version(session, template, spec.measures)
            return 0, "completed"
        loop = Loop(session)
        outcome = loop.run()
        if outcome == "paused":
            return session.progress.step, outcome
        session.phase(PhaseName.SAVING)
        best_step = use_best_checkpoint(session)
        publish_adapter(session)
        session.phase(PhaseName.REPORTING)
        baseline = loop.baseline or measure_baseline(session)
        write_report(session, template, baseline, best_step, loop.best_scores, stopped=outcome == "stopped")
        write_manifest(session)
        control.answered(*CONTROL_REQUESTS, *LATER_STOPS)
        return session.progress.step, outcome


def _read_spec(files: RunDirectory) -> RunSpec:
    try:
        return RunSpec.model_validate_json(files.spec.read_bytes())
    except FileNotFoundError:
        raise UsageError(
            f"there is no {SPEC}", where=str(files.root), kind=ErrorKind.BAD_SPEC, fix="start the run through brightrun"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"it is not a run specification: {place}: {first['msg']}",
            where=str(files.spec),
            fix="start the run through brightrun",
            kind=ErrorKind.BAD_SPEC,
        ) from None


def _set_up(
    spec: RunSpec, files: RunDirectory, log: EventLog, control: Control, monitor: HardwareMonitor
) -> tuple[TrainingSession, ChatTemplate]:
    """Prepare the data, which can be refused, before the model is loaded, which takes longest."""

    def alert(code: str, message: str) -> None:
        log.write(events.Alert(level="warning", code=code, message=message))

    settings = spec.settings
    objective = load_objective(settings.training.objective)
    log.write(events.Phase(phase=PhaseName.PREPARING, detail="tokens and masks"))
    source = locate_base(spec.base)
    tokenizer = load_tokenizer(source, spec.base.revision)
    config = load_config(source, spec.base.revision)
    context = longest_context(config, tokenizer)
    template = chat_template(tokenizer)
    material = (files, settings.data, tokenizer, template, context, embedding_rows(config), alert, objective.examples)
    data = prepare_judged(*material) if spec.measures else prepare_data(*material, settings.training.objective)
    prompts = choose_prompts(
        tokenizer,
        template,
        data.judged_records,
        settings.evaluation.sample_prompts,
        max(1, context - settings.evaluation.max_new_tokens),
    )
    log.write(events.Phase(phase=PhaseName.LOADING, detail=spec.base.id))
    control.leave_if_asked()
    machine = choose_machine(settings.quantisation)
    require_fit(machine, settings.quantisation)
    base = load_base(source, spec.base.revision, settings.quantisation, machine)
    model = attach_adapter(base, settings.lora, machine, settings.training.seed)
    fuse_adapters(model)
    pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
    forward = Forward(model, machine, pad_id=pad_id, neftune_alpha=settings.training.neftune_noise_alpha)
    forward.set_training(False)
    notice = forward.select_implementation(data.train, packing=settings.training.packing, longest=data.longest)
    if notice:
        alert("not_packed", notice)
    plan = make_plan(
        np.array([e.length for e in data.train]),
        training=settings.training,
        evaluation=settings.evaluation,
        bucketed=not forward.packed,
        held_out=sum(e.length for e in data.held_out),
    )
    session = TrainingSession(
        spec,
        files,
        log,
        control,
        monitor,
        machine,
        tokenizer,
        data,
        prompts,
        model,
        forward,
        plan,
        make_optimizer(model, settings.training, machine.device),
        torch.amp.GradScaler(machine.device.type) if machine.scale_gradients else None,
        lineage=_lineage_key(spec, files),
        base_name=_base_name(spec),
        objective=objective,
    )
    return session, template


def _resume(session: TrainingSession) -> None:
    """Go on from the newest usable checkpoint, if there is one."""
    directory, complaints = newest_usable(session.files, session.lineage)
    for complaint in complaints:
        session.alert("checkpoint_left_out", complaint)
    if directory is None:
        set_aside(session.files)
        _tell_if_back(session)
        return
    session.progress, same_optimizer = load_checkpoint(directory, session.model, session.optimizer, session.scaler)
    if not same_optimizer:
        session.alert(
            "optimizer_afresh",
            "this machine takes another optimiser than the one before: what that remembered of "
            "past gradients is not carried over, all else is",
        )
    told = {event.body.step for event in session.log.history if isinstance(event.body, events.Checkpoint)}
    if session.progress.step not in told:
        tell_checkpoint(session)
    session.alert("resumed", f"going on from step {session.progress.step}", level="info")
    _tell_if_back(session)


def _tell_if_back(session: TrainingSession) -> None:
    """Say at which step the run is, where an earlier worker had got further: nothing else would until the next step."""
    step, plan = session.progress.step, session.plan
    told = [event.body.step for event in session.log.history if isinstance(event.body, events.Metric)]
    if max(told, default=0) > step:
        epoch = round(plan.epoch(step), 4)
        session.log.write(events.Progress(step=step, total_steps=plan.total_steps, epoch=epoch))


def _lineage_key(spec: RunSpec, files: RunDirectory) -> str:
    """Return a key over all that must be the same for a checkpoint to be continued exactly."""
    settings, training = spec.settings, spec.settings.training
    document = {
        "base": spec.base.fingerprint or [spec.base.id, spec.base.revision],
        "data": [sha256(path) if path.is_file() else "" for path in (files.train, files.eval)],
        "lora": settings.lora.model_dump(),
        "quantisation": settings.quantisation.model_dump(),
        "length": [settings.data.max_length, settings.data.over_length],
        "training": [training.batch_size, training.seed, training.optim, training.packing, training.loraplus_lr_ratio],
    }
    if training.objective != DEFAULT_OBJECTIVE:
        document["objective"] = training.objective
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _base_name(spec: RunSpec) -> str:
    """Return what the adapter's configuration calls its base: the Hub id, which holds anywhere, or else the directory."""
    is_hub_id = spec.base.id.count("/") == 1 and not Path(spec.base.id).expanduser().exists()
    return spec.base.id if is_hub_id else spec.base.path
