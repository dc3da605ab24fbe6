"""Every spec keeps its contract, and knowing it costs next to nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from brightrun_tui import plugins
from brightrun_tui.inventory import KINDS, inventory
from brightrun_tui.plugins import Registration

HEAVY = {"torch", "transformers", "peft", "textual", "httpx", "asyncssh", "huggingface_hub", "pyarrow"}


@pytest.mark.parametrize("registration", plugins.registrations(), ids=lambda one: f"{one.door.thing}: {one.name}")
def test_what_is_registered_can_be_used(registration: Registration) -> None:
    (item,) = [item for item in inventory() if item.registration == registration]
    assert item.problem is None, item.problem


def test_knowing_every_spec_loads_nothing_heavy() -> None:
    """The app reads them when it opens."""
    code = "import sys; from brightrun_tui.inventory import inventory; inventory(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split()), HEAVY & set(done.stdout.split())
    assert set(KINDS) == {one.door for one in plugins.registrations()}
