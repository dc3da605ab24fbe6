"""Ask the engine for something, and take its answer as the command's own."""

from __future__ import annotations

from typing import TypeVar

from brightrun_tui.commands.shared.session import Session, require_changes
from brightrun_tui.domain.error_kinds import ErrorKind, ExitCode
from brightrun_tui.domain.errors import EngineError
from brightrun_tui.domain.requests import Answer, Ask
from brightrun_tui.orchestrator import client
from brightrun_tui.orchestrator.engine_status import SEE_LOG

ANSWER_SECONDS = 30.0
A = TypeVar("A", bound=Answer)


async def ask_engine(session: Session, ask: Ask[A], *, wait: float = ANSWER_SECONDS) -> A:
    """Return the engine's answer, within ``wait`` seconds.

    Raises:
        BrightrunError: what the engine refused with, or that it did not answer.
    """
    require_changes()
    reply = await client.ask(session.db, session.paths, ask, wait=wait)
    if reply.refusal is not None:
        reply.refusal.exit_code = ExitCode.FAILED
        raise reply.refusal
    if reply.answer is None:
        raise EngineError(
            "the engine did not answer", where=str(session.paths.engine_log), fix=SEE_LOG, kind=ErrorKind.ENGINE_SILENT
        )
    return reply.answer
