"""A version measured again: nothing is trained, and every prompt is answered to its end."""

from __future__ import annotations

import time

from brightrun_tui.domain.evaluation import Evaluation, Judging
from brightrun_tui.domain.events import PhaseName
from brightrun_tui.domain.subject import Subject
from brightrun_tui.trainer.data.template import ChatTemplate
from brightrun_tui.trainer.evaluation.answer_time import AllTheTime
from brightrun_tui.trainer.evaluation.evaluate import require_finite
from brightrun_tui.trainer.loop.baseline import measure_baseline
from brightrun_tui.trainer.loop.session import TrainingSession
from brightrun_tui.trainer.model.adapter import load_adapter
from brightrun_tui.trainer.report.measuring import ask_tuned, measure_against_base
from brightrun_tui.trainer.runtime.files import digest_files, write_json


def evaluate_version(session: TrainingSession, template: ChatTemplate, subject: Subject) -> Evaluation:
    """Measure the version whose adapter lies in the run directory, and write ``evaluation.json`` and the manifest.

    Raises:
        Terminated: a pause, a stop or a signal is waiting.
        TrainingError: the adapter does not belong to the base model, or a loss is not a number.
    """
    began, spec, files = time.monotonic(), session.spec, session.files
    session.answer_time = AllTheTime()
    load_adapter(session.model, files.adapter)
    baseline = measure_baseline(session)
    session.phase(PhaseName.EVALUATING, subject.ref)
    scores = require_finite(session.score(session.data.judged, session.between), "the loss on held-out records")
    tuned = ask_tuned(session, template, baseline, scores)
    device = session.machine.name
    measured = measure_against_base(session, baseline, tuned)
    found = Evaluation(
        run_id=spec.run_id,
        name=subject.name,
        model_version=subject.version,
        created_at=time.time(),
        dataset_name=spec.dataset.name,
        dataset_fingerprint=spec.dataset.fingerprint,
        records_key=session.data.records_key,
        base_id=spec.base.id,
        base_fingerprint=spec.base.fingerprint,
        base=measured.base.split_score(measured.records),
        tuned=scores.split_score(measured.records),
        quantised_base=measured.quantised_base,
        by_category=measured.by_category,
        samples=measured.answers.samples(),
        scores=measured.scores(session),
        judging=Judging.model_validate_json(files.judging.read_bytes()),
        seconds=time.monotonic() - began,
        device=device,
    )
    write_json(files.evaluation, found.model_dump(mode="json"))
    digests = digest_files(files.root, [files.evaluation, files.spec])
    write_json(files.manifest, {"version": 1, "created_at": time.time(), "files": digests})
    return found
