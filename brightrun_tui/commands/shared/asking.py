"""Ask the engine for something, and take its answer as the command's own."""

from __future__ import annotations

from typing import Any

from brightrun_tui.commands.shared.session import Session, require_changes
from brightrun_tui.domain.error_kinds import ErrorKind, ExitCode
from brightrun_tui.domain.errors import BrightrunError, EngineError
from brightrun_tui.domain.requests import RequestKind
from brightrun_tui.orchestrator import client

ANSWER_SECONDS = 30.0


async def ask_engine(
    session: Session,
    kind: RequestKind,
    target: str,
    payload: dict[str, Any] | None = None,
    *,
    wait: float = ANSWER_SECONDS,
) -> dict[str, Any]:
    """The engine's answer, within ``wait`` seconds.

    Raises:
        BrightrunError: what the engine refused with, or that it did not answer.
    """
    require_changes()
    request = await client.ask(session.db, session.paths, kind, target, payload, wait=wait)
    if request.state == "pending":
        raise EngineError(
            "the engine did not answer",
            where=str(session.paths.engine_log),
            fix="see: brightrun engine logs",
            kind=ErrorKind.ENGINE_SILENT,
        )
    if request.state == "failed":
        told = request.result.get("error", {})
        error = BrightrunError(
            told.get("what", "the engine refused"),
            where=told.get("where", ""),
            fix=told.get("fix", ""),
            kind=told.get(ErrorKind.KIND, ErrorKind.REFUSED),
        )
        error.exit_code = ExitCode.FAILED
        raise error
    return request.result
