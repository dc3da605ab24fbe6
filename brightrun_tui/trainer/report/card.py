"""After training: the best checkpoint becomes ``adapter/``, is measured against the base, and gets its report card."""

from __future__ import annotations

import shutil
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from transformers import GenerationConfig

from brightrun_tui.domain import events
from brightrun_tui.domain.findings import Findings
from brightrun_tui.domain.model import Lineage, Report, TrainingFacts
from brightrun_tui.domain.sizing import FORWARDS, TRAIN_SAMPLE, TRAIN_SAMPLE_SHARE
from brightrun_tui.domain.time_parts import time_parts
from brightrun_tui.domain.verdict import UNDECIDED, decide
from brightrun_tui.trainer.compute.scores import Scores
from brightrun_tui.trainer.data.examples import Example, spread
from brightrun_tui.trainer.data.template import ChatTemplate
from brightrun_tui.trainer.evaluation.evaluate import require_finite, worse_categories
from brightrun_tui.trainer.loop.baseline import Baseline
from brightrun_tui.trainer.loop.micro_batches import cut
from brightrun_tui.trainer.loop.session import TrainingSession
from brightrun_tui.trainer.model.adapter import load_adapter, save_adapter
from brightrun_tui.trainer.model.loading import parameter_counts
from brightrun_tui.trainer.report.corrections import mark_corrections
from brightrun_tui.trainer.report.measuring import ask_tuned, measure_against_base
from brightrun_tui.trainer.runtime.events import read_whole_lines
from brightrun_tui.trainer.runtime.files import digest_files, publish_directory, write_json
from brightrun_tui.trainer.runtime.hardware import peak_memory

FEWEST_TRAIN_SAMPLE = 4
PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "tokenizers", "safetensors", "brightrun")


def use_best_checkpoint(session: TrainingSession) -> int:
    """Put the weights of the best checkpoint (else the newest) into the model; returns its step."""
    step = session.progress.best_step or session.progress.step
    load_adapter(session.model, session.files.checkpoint(step))
    return step


def publish_adapter(session: TrainingSession) -> None:
    """Write ``adapter/``: weights, configuration, tokenizer, chat template, and which tokens end an answer."""
    aside = session.files.root / ".adapter.new"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        save_adapter(session.model, aside, session.base_name)
        session.tokenizer.save_pretrained(str(aside))
        GenerationConfig(
            eos_token_id=list(session.data.stop_ids) or None, pad_token_id=session.tokenizer.pad_token_id
        ).save_pretrained(str(aside))
        publish_directory(aside, session.files.adapter)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def write_report(
    session: TrainingSession,
    template: ChatTemplate,
    baseline: Baseline,
    best_step: int,
    best_scores: Scores | None,
    *,
    stopped: bool,
) -> Report:
    """Measure the model as it now is, and write ``report.json``."""
    data, progress = session.data, session.progress
    known = None if data.chosen_apart else best_scores
    tuned = require_finite(known or session.score(data.judged, session.between), "the loss on held-out records")
    trained = require_finite(session.score(_some_of_training(session), session.between), "the loss on training records")
    asked = ask_tuned(session, template, baseline, tuned)
    facts = _facts(session, best_step)
    measured = measure_against_base(session, baseline, asked)
    base, answers = measured.base, measured.answers
    found = Findings(
        base_loss=base.loss,
        tuned_loss=tuned.loss,
        difference_high=measured.difference["high"],
        held_out_records=measured.records,
        conversations=int(measured.conversation.max()) + 1,
        train_loss=trained.loss,
        general_base=measured.general["base"],
        general_tuned=measured.general["tuned"],
        early_stopped=progress.early_stopped,
        stopped=stopped,
        stood_in=data.held_out_records is data.train_records,
        chosen_apart=data.chosen_apart,
        falling=_falling(session),
        best_at=best_step / max(1, progress.step),
        base_in_4_bits=measured.base_in_4_bits,
        answers=answers.findings(),
        floor=answers.floor,
        worse=worse_categories(measured.by_category),
    )
    report = decide(
        Report(
            name=session.spec.name,
            created_at=time.time(),
            base=base.split_score(measured.records),
            tuned=tuned.split_score(measured.records),
            by_category=measured.by_category,
            samples=answers.samples(),
            training=facts,
            lineage=_lineage(session),
            verdict=UNDECIDED,
            findings=found,
            quantised_base=measured.quantised_base,
            corrections=mark_corrections(measured.corrected, answers.yardstick),
            records_key=data.records_key,
            scores={
                "train_loss": trained.loss,
                "train_eval_gap": tuned.loss - trained.loss,
                **measured.scores(session),
            },
        )
    )
    write_json(session.files.report, report.model_dump(mode="json"))
    return report


def _falling(session: TrainingSession) -> float:
    """Return the relative fall of the held-out loss between the run's last two evaluations."""
    told = {
        event.body.step: event.body.values.get("eval_loss") or 0.0
        for event in read_whole_lines(session.files.events)[0]
        if isinstance(event.body, events.Metric) and "eval_loss" in event.body.values
    }
    losses = [loss for _, loss in sorted(told.items())][-2:]
    return max(0.0, 1 - losses[-1] / losses[0]) if len(losses) == 2 and all(losses) else 0.0


def _some_of_training(session: TrainingSession) -> list[Example]:
    """Return training records to be scored: few enough to be read in a small part of the time that training took."""
    data, progress = session.data, session.progress
    mean = sum(example.length for example in data.train) / len(data.train)
    count = int(TRAIN_SAMPLE_SHARE * FORWARDS * progress.tokens / mean)
    return spread(data.train, max(FEWEST_TRAIN_SAMPLE, min(TRAIN_SAMPLE, count)))


def write_manifest(session: TrainingSession) -> None:
    """Write down digest and size of every artefact of the finished run."""
    files = session.files
    artefacts: list[Path] = [files.adapter, files.report, files.spec]
    write_json(files.manifest, {"version": 1, "created_at": time.time(), "files": digest_files(files.root, artefacts)})


def _facts(session: TrainingSession, best_step: int) -> TrainingFacts:
    data, progress, plan = session.data, session.progress, session.plan
    trainable, frozen = parameter_counts(session.model)
    rows = cut(session, plan.window(0))
    on_gpu = session.machine.device.type == "cuda"
    peak = torch.cuda.max_memory_allocated() if on_gpu else peak_memory()
    return TrainingFacts(
        steps=progress.step,
        epochs=plan.epoch(progress.step),
        train_records=len({e.record for e in data.train}),
        eval_records=len({e.record for e in (*data.held_out, *data.judged)}),
        supervised_tokens=progress.supervised_tokens,
        seconds=progress.seconds,
        tokens_per_second=progress.tokens / max(1e-9, progress.seconds),
        best_step=best_step,
        trainable_parameters=trainable,
        base_parameters=frozen,
        device=session.machine.name,
        peak_memory=peak,
        records_dropped=data.dropped,
        records_truncated=data.truncated,
        micro_batch_size=max(len(row) for row in rows),
        early_stopped=progress.early_stopped,
        spent=time_parts(read_whole_lines(session.files.events)[0]),
    )


def _lineage(session: TrainingSession) -> Lineage:
    spec = session.spec
    packages = {"python": ".".join(str(part) for part in sys.version_info[:3])}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return Lineage(
        run_id=spec.run_id,
        dataset_name=spec.dataset.name,
        dataset_fingerprint=spec.dataset.fingerprint,
        base_id=spec.base.id,
        base_revision=spec.base.revision,
        base_fingerprint=spec.base.fingerprint,
        base_quantisation=spec.base.quantisation,
        base_license=spec.base.license,
        dataset_source=spec.dataset.source,
        languages=spec.dataset.languages,
        template=spec.template,
        settings=session.settings.model_dump(mode="json"),
        packages=packages,
    )
