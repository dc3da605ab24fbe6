"""What many tests of the engine start from: a machine that is rented, and a store with a run that trains."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from brightrun_tui.domain.money import Lease
from brightrun_tui.domain.run import BaseModelRef, DatasetRef, RunSpec
from brightrun_tui.store import Database, open_database, runs


def lease_of(**facts: Any) -> Lease:
    """The lease of run ``r`` at provider ``p``, machine ``m``: a live one, where ``facts`` say nothing else."""
    known = {"name": "br-x-r-1", "run_id": "r", "provider": "p", "provider_id": "m", "state": "live", "created_at": 0.0}
    return Lease.model_validate(known | facts)


@asynccontextmanager
async def store_with_a_run(directory: Path) -> AsyncIterator[Database]:
    """A store with the run ``r``, which is running."""
    data = DatasetRef(path="d", name="d", format="messages", fingerprint="f", records=1, usable=1)
    spec = RunSpec(run_id="r", name="faq", created_at=time.time(), base=BaseModelRef(id="starter"), dataset=data)
    async with open_database(directory / "brightrun.db") as db:
        await runs.create(db, spec, str(directory / "r"))
        for state in ("preparing", "launching", "running"):
            await runs.transition(db, "r", state)
        yield db
