"""What finished runs of this installation took, beside what they were reckoned to take."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from brightrun_tui.domain.model import TrainingFacts
from brightrun_tui.domain.money import Estimate
from brightrun_tui.domain.run import BaseModelRef

NEWEST = 40
_QUERY = """
    SELECT json_extract(runs.doc, '$.estimate') AS estimate, json_extract(runs.doc, '$.spec.base') AS base,
           json_extract(models.doc, '$.report.training') AS training
    FROM model_versions AS models JOIN runs ON runs.id = models.run_id
    WHERE models.state = 'ready' ORDER BY models.created_at DESC LIMIT ?"""


class PastRun(BaseModel):
    """One run that became a model."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    base: BaseModelRef
    estimate: Estimate
    training: TrainingFacts


def past_runs(database: Path) -> list[PastRun]:
    """Return the newest ones, for callers outside an event loop. What cannot be read is left out; nothing if there is no
    store.
    """
    try:
        connection = sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True, timeout=1)
        try:
            found = connection.execute(_QUERY, (NEWEST,)).fetchall()
        finally:
            connection.close()
    except sqlite3.Error:
        return []
    known = []
    for estimate, base, training in found:
        try:
            known.append(
                PastRun(
                    base=BaseModelRef.model_validate_json(base),
                    estimate=Estimate.model_validate_json(estimate),
                    training=TrainingFacts.model_validate_json(training),
                )
            )
        except (ValidationError, TypeError, ValueError):
            continue
    return known
