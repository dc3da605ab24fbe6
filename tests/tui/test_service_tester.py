"""Services are tested by themselves, whatever screen the app opens on."""

from __future__ import annotations

import pytest

from brightrun_tui.paths import Paths
from tests.clouds.fixtures import server
from tests.clouds.server import CloudServer
from tests.tui.conftest import Opened

__all__ = ["server"]


@pytest.fixture
def first_mode() -> str:
    return "registry"


async def test_what_was_never_tested_is_tested_at_the_start_and_not_again_at_the_next(
    paths: Paths, opened: Opened, quiet_network: None, server: CloudServer
) -> None:
    """Nobody need look at the cards for it; a service that answers is left in peace for an hour, and says what its key may do."""
    expected = {"local", "huggingface", "runpod", "vast"}
    for _ in range(2):
        async with opened(paths) as driver:
            await driver.until(lambda: expected <= driver.app.snapshot.services.keys())
            await driver.until(lambda: not driver.app.service_tester.testing)
            assert server.runpod.count("GET", "/v2/account/ssh-keys") == 1
            assert not {"judge", "ssh", "news"} & driver.app.snapshot.services.keys(), "nothing is set up there"
            for name in ("runpod", "vast"):
                assert "rent and return" in driver.app.snapshot.services[name]["facts"]["may"]
