"""Another champion for a model that is served."""

from __future__ import annotations

from brightrun_tui import registry
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.store import models, open_database
from tests.e2e.conftest import Home


async def promote(home: Home, version: ModelVersion) -> None:
    """Make a version the champion."""
    async with open_database(home.root / "data" / "brightrun.db") as db:
        await models.reserve(db, version.name, version.run_id)
        await models.complete(db, version)
        await registry.promote(db, version.ref)
