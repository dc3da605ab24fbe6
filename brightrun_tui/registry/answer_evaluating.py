"""A version measured by its answers at an endpoint, which may be on a machine that can hold what this one cannot."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from brightrun_tui.domain.answer_evaluation import AnsweredQuestion, AnswerEvaluation, AnswersToMark, MarkedAnswers
from brightrun_tui.domain.dataset import DatasetReport, Record
from brightrun_tui.domain.endpoint import Endpoint
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import EngineError, UsageError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.process import environment_without_secrets, python
from brightrun_tui.registry.evaluating import learnt_from, require_usable
from brightrun_tui.registry.unseen import choose_judges
from brightrun_tui.serving import complete, read_key
from brightrun_tui.store import Database

AT_ONCE = 4


async def evaluate_at_endpoint(
    db: Database,
    version: ModelVersion,
    report: DatasetReport,
    endpoint: Endpoint,
    *,
    answers: int,
    told: Callable[[int, int], None] = lambda _done, _all: None,
) -> AnswerEvaluation:
    """Ask ``answers`` questions that the version did not learn from, greedily, and compare what it says with what is wanted.

    Args:
        report: of the data, as checked.
        told: how many have been answered, of how many.

    Raises:
        UsageError: the endpoint serves another version, or nothing can be asked.
        DatasetError: nothing of the data can be used, or judge.
        EngineError: the endpoint does not answer.
    """
    if not endpoint.serves(version) or endpoint.state != "ready":
        serves = f"serves {endpoint.ref}" if endpoint.state == "ready" else f"is {endpoint.state}"
        raise UsageError(
            f"endpoint {endpoint.id} {serves}, and {version.ref} is to be measured",
            where="--endpoint",
            fix=f"serve it: brightrun deploy {version.ref}",
            kind=ErrorKind.ENDPOINT_NOT_READY,
        )
    require_usable(report)
    began, seen = time.monotonic(), await learnt_from(db, version)
    chosen = await asyncio.to_thread(
        choose_judges, Path(report.path), report.fingerprint, report.columns, (seen,), max(1, answers)
    )
    askable = [asked for record in chosen.records if (asked := _question(record)) is not None]
    if not askable:
        raise UsageError(
            "none of its questions can be asked at an endpoint: their answers are calls of tools",
            where=report.path,
            fix="measure the version itself: leave --endpoint out",
            kind=ErrorKind.NOTHING_UNSEEN,
        )
    key, turns, done = read_key(Path(endpoint.directory)), asyncio.Semaphore(AT_ONCE), 0

    async def ask(record: Record, place: int) -> AnsweredQuestion:
        nonlocal done
        async with turns:
            before = record.messages[:place]
            said = await complete(
                endpoint.url, key, version.ref, [turn.for_template() for turn in before], temperature=0.0
            )
        done += 1
        told(done, len(askable))
        question = "\n".join(turn.said for turn in before)
        return AnsweredQuestion(question=question, wanted=record.messages[place].said, said=said)

    asking = [asyncio.create_task(ask(record, place)) for record, place in askable]
    try:
        answered = await asyncio.gather(*asking)
    finally:
        for task in asking:
            task.cancel()
    learnt = tuple(m.said for r in chosen.learnt for m in r.messages if m.role == "assistant" and m.train)
    marked = await _marked(AnswersToMark(training=learnt, answers=tuple(answered)))
    return AnswerEvaluation(
        name=version.name,
        model_version=version.version,
        endpoint=endpoint.id,
        created_at=time.time(),
        dataset_name=report.name,
        dataset_fingerprint=report.fingerprint,
        judging=chosen.judging,
        answers=tuple(
            each.model_copy(update={"mark": mark}) for each, mark in zip(answered, marked.marks, strict=True)
        ),
        left_out=len(chosen.records) - len(askable),
        exact_match=marked.exact_match,
        token_f1=marked.token_f1,
        seconds=time.monotonic() - began,
    )


def _question(record: Record) -> tuple[Record, int] | None:
    """Return the record and the place of its last answer; None where that calls tools, or nothing stands before it."""
    places = [place for place, turn in enumerate(record.messages) if turn.role == "assistant" and turn.train]
    if not places or not places[-1] or record.messages[places[-1]].tool_calls or record.tools:
        return None
    return record, places[-1]


async def _marked(given: AnswersToMark) -> MarkedAnswers:
    """Mark the answers by the report card's rules, which are the trainer's: in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *python("-m", "brightrun_tui.trainer.mark_answers"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment_without_secrets(),
    )
    out, talk = await process.communicate(given.model_dump_json().encode())
    try:
        return MarkedAnswers.model_validate_json(out)
    except ValidationError:
        lines = talk.decode("utf-8", "replace").strip().splitlines()
        raise EngineError(
            f"the answers could not be compared: {lines[-1][:200] if lines else f'code {process.returncode}'}",
            kind=ErrorKind.ANSWER_BROKEN,
        ) from None
