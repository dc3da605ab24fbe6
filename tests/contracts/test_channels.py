"""What every notification channel keeps: it opens at once, and what it sends does not write over the screen."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from brightrun_tui import plugins
from brightrun_tui.notify.channel import ChannelOpening, ChannelSpec, Level, Notification
from brightrun_tui.plugins import Door


@pytest.mark.parametrize("name", plugins.names(Door.NOTIFICATIONS))
async def test_it_opens_with_its_default_settings_and_sends(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without settings of a person it may refuse, but not print, and not take long."""
    monkeypatch.setenv("HOME", str(tmp_path))
    spec = plugins.load(Door.NOTIFICATIONS, ChannelSpec, name)
    assert spec is not None
    rung: list[bool] = []
    channel = spec.open(ChannelOpening(spec.settings(), lambda: rung.append(True)))
    async with asyncio.timeout(20):
        await channel.send(Notification("r-1", "a run", "run_completed", Level.INFO, "the run has completed", 1.0))
    assert capfd.readouterr() == ("", "")
