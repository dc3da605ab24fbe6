"""Another champion for a model that is served."""

from __future__ import annotations

from brightrun_tui import registry
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.store import open_database
from tests.e2e.conftest import Home
from tests.serving.toy import keep


async def promote(home: Home, version: ModelVersion) -> None:
    """Make a version the champion."""
    database = home.root / "data" / "brightrun.db"
    await keep(database, version)
    async with open_database(database) as db:
        await registry.promote(db, version.ref)
