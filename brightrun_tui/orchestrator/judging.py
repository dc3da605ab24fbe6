"""A judge for every new model, where ``[judge]`` asks for it. It never spoils a run: what goes wrong becomes a notice."""

from __future__ import annotations

import asyncio
import logging
import time

from brightrun_tui import registry
from brightrun_tui.config import load_section
from brightrun_tui.domain import humanize
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.notices import Level, NoticeCode
from brightrun_tui.domain.run import Notice
from brightrun_tui.domain.service_names import JUDGE
from brightrun_tui.integrations.judge import Judge, JudgeSettings, judge_key, judge_settings
from brightrun_tui.paths import Paths
from brightrun_tui.store import Database, runs

log = logging.getLogger(__name__)

LONGEST_SECONDS = 300.0


async def judge_if_asked(db: Database, paths: Paths, run_id: str, version: ModelVersion) -> None:
    """Have a registered version judged, unless it has been or nobody wants that; at most for five minutes."""
    try:
        if (
            version.report.judgement
            or not version.report.samples
            or not load_section(paths, JUDGE, JudgeSettings).automatic
        ):
            return
        settings = judge_settings(paths)
        key = await asyncio.to_thread(judge_key, paths, settings.url)
        await runs.update(db, run_id, phase_detail=f"{settings.model} compares the answers")
        async with asyncio.timeout(LONGEST_SECONDS), Judge(settings, key) as judge:
            await registry.judge_version(db, version, judge)
    except (BrightrunError, TimeoutError) as error:
        why = (
            str(error)
            if isinstance(error, BrightrunError)
            else f"the judge was not done within {humanize.span(LONGEST_SECONDS)}"
        )
        log.warning("run %s: not judged: %s", run_id, why)
        notice = Notice(
            time=time.time(),
            level=Level.WARNING,
            code=NoticeCode.NOT_JUDGED,
            message=f"{why}; try again with: brightrun models judge {version.ref}",
        )
        await runs.update(db, run_id, notices=(*(await runs.get(db, run_id)).notices, notice))
