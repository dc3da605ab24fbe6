"""What the store knows of the endpoint ``harbour``, which tests of endpoints elsewhere deploy."""

from __future__ import annotations

import asyncio

from brightrun_tui.domain.endpoint import Endpoint
from brightrun_tui.domain.money import Lease
from brightrun_tui.store import endpoints, leases, open_database
from tests.e2e.conftest import Home


def stored(home: Home) -> Endpoint:
    async def read() -> Endpoint:
        async with open_database(home.root / "data" / "brightrun.db") as db:
            return await endpoints.find(db, "harbour")

    return asyncio.run(read())


def books(home: Home) -> list[Lease]:
    async def read() -> list[Lease]:
        async with open_database(home.root / "data" / "brightrun.db") as db:
            return await leases.list_leases(db)

    return asyncio.run(read())
