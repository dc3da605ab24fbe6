"""After training: the best checkpoint becomes ``adapter/``, is measured against the base, and gets its report card."""

from __future__ import annotations

import shutil
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from transformers import GenerationConfig

from brightrun_tui.domain.model import Lineage, Report, TrainingFacts
from brightrun_tui.domain.sizing import FORWARDS, TRAIN_SAMPLE, TRAIN_SAMPLE_SHARE
from brightrun_tui.domain.time_parts import time_parts
from brightrun_tui.trainer.adapter import load_adapter, save_adapter
from brightrun_tui.trainer.answers import compare_answers
from brightrun_tui.trainer.baseline import Baseline
from brightrun_tui.trainer.evaluate import (
    Scores,
    by_category,
    conversations,
    loss_difference,
    require_finite,
    worse_categories,
)
from brightrun_tui.trainer.events import read_whole_lines
from brightrun_tui.trainer.examples import Example, spread
from brightrun_tui.trainer.files import digest_files, publish_directory, write_json
from brightrun_tui.trainer.general import general_examples
from brightrun_tui.trainer.hardware import peak_memory
from brightrun_tui.trainer.memory import cut
from brightrun_tui.trainer.model import parameter_counts
from brightrun_tui.trainer.session import Session
from brightrun_tui.trainer.template import ChatTemplate
from brightrun_tui.trainer.verdict import Findings, judge

FEWEST_TRAIN_SAMPLE = 4
PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "tokenizers", "safetensors", "brightrun")


def use_best_checkpoint(session: Session) -> int:
    """Put the weights of the best checkpoint (else the newest) into the model; returns its step."""
    step = session.progress.best_step or session.progress.step
    load_adapter(session.model, session.files.checkpoint(step))
    return step


def publish_adapter(session: Session) -> None:
    """Write ``adapter/``: weights, configuration, tokenizer, chat template, and which tokens end an answer."""
    aside = session.files.root / ".adapter.new"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        save_adapter(session.model, aside, session.base_name)
        session.tokenizer.save_pretrained(str(aside))
        GenerationConfig(eos_token_id=list(session.data.stop_ids) or None,
                         pad_token_id=session.tokenizer.pad_token_id).save_pretrained(str(aside))
        publish_directory(aside, session.files.adapter)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def write_report(session: Session, template: ChatTemplate, baseline: Baseline, best_step: int,
                 best_scores: Scores | None, *, stopped: bool) -> Report:
    """Measure the model as it now is, and write ``report.json``."""
    data, progress = session.data, session.progress
    tuned = require_finite(best_scores or session.score(data.held_out, session.between), "the loss on held-out records")
    trained = require_finite(session.score(_some_of_training(session), session.between), "the loss on training records")
    if session.prompts:
        session.phase("answering", "the tuned model")
    answers = compare_answers(session, template, baseline)
    session.phase("reporting")
    general = _general_loss(session, template)
    conversation = conversations(data.held_out, data.held_out_records)
    difference = loss_difference(baseline.scores, tuned, conversation, session.settings.training.seed)
    held_out = len({example.record for example in data.held_out})
    categories = by_category(data.held_out, data.held_out_records, baseline.scores, tuned)
    verdict = judge(Findings(
        base_loss=baseline.scores.loss, tuned_loss=tuned.loss, difference_high=difference["high"],
        held_out_records=held_out, conversations=int(conversation.max()) + 1, train_loss=trained.loss,
        general_base=general["base"], general_tuned=general["tuned"], early_stopped=progress.early_stopped, stopped=stopped,
        stood_in=data.held_out_records is data.train_records, answers=answers.findings(), worse=worse_categories(categories)))
    report = Report(
        name=session.spec.name, created_at=time.time(), base=baseline.scores.split_score(held_out),
        tuned=tuned.split_score(held_out), by_category=categories,
        samples=answers.samples(), training=_facts(session, best_step), lineage=_lineage(session), verdict=verdict,
        scores={"token_accuracy": {"base": baseline.scores.accuracy, "tuned": tuned.accuracy},
                "loss_difference": difference, "train_loss": trained.loss, "train_eval_gap": tuned.loss - trained.loss,
                "general_loss": general, **answers.scores()})
    write_json(session.files.report, report.model_dump(mode="json"))
    return report


def _some_of_training(session: Session) -> list[Example]:
    """Training records to be scored: few enough to be read in a small part of the time that training took."""
    data, progress = session.data, session.progress
    mean = sum(example.length for example in data.train) / len(data.train)
    count = int(TRAIN_SAMPLE_SHARE * FORWARDS * progress.tokens / mean)
    return spread(data.train, max(FEWEST_TRAIN_SAMPLE, min(TRAIN_SAMPLE, count)))


def write_manifest(session: Session) -> None:
    """Digest and size of every artefact of the finished run."""
    files = session.files
    artefacts: list[Path] = [files.adapter, files.report, files.spec]
    write_json(files.manifest, {"version": 1, "created_at": time.time(), "files": digest_files(files.root, artefacts)})


def _general_loss(session: Session, template: ChatTemplate) -> dict[str, float]:
    """Loss of base and tuned model on everyday questions (nats a token), to reveal forgetting."""
    examples = general_examples(session.tokenizer, template)
    if not examples:
        return {"base": 0.0, "tuned": 0.0}
    with session.model.disable_adapter():
        base = session.score(examples, session.between)
    tuned = session.score(examples, session.between)
    return {"base": base.loss, "tuned": tuned.loss}


def _facts(session: Session, best_step: int) -> TrainingFacts:
    data, progress, plan = session.data, session.progress, session.plan
    trainable, frozen = parameter_counts(session.model)
    rows = cut(session, plan.window(0))
    on_gpu = session.machine.device.type == "cuda"
    peak = torch.cuda.max_memory_allocated() if on_gpu else peak_memory()
    return TrainingFacts(
        steps=progress.step, epochs=plan.epoch(progress.step), train_records=len({e.record for e in data.train}),
        eval_records=len({e.record for e in data.held_out}), supervised_tokens=progress.supervised_tokens,
        seconds=progress.seconds, tokens_per_second=progress.tokens / max(1e-9, progress.seconds),
        best_step=best_step, trainable_parameters=trainable, base_parameters=frozen, device=session.machine.name,
        peak_memory=peak, records_dropped=data.dropped, records_truncated=data.truncated,
        micro_batch_size=max(len(row) for row in rows), early_stopped=progress.early_stopped,
        spent=time_parts(read_whole_lines(session.files.events)[0]))


def _lineage(session: Session) -> Lineage:
    spec = session.spec
    packages = {"python": ".".join(str(part) for part in sys.version_info[:3])}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return Lineage(
        run_id=spec.run_id, dataset_name=spec.dataset.name, dataset_fingerprint=spec.dataset.fingerprint,
        base_id=spec.base.id, base_revision=spec.base.revision, base_fingerprint=spec.base.fingerprint,
        base_quantisation=spec.base.quantisation, template=spec.template, settings=spec.settings.model_dump(mode="json"),
        packages=packages)
