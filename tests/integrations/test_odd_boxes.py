"""Machines of one's own that are set up wrongly: the card says what is wrong; nothing of the app is harmed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from brightrun_tui.integrations.connection import test_box
from brightrun_tui.paths import get_paths
from brightrun_tui.providers.box import SshBox


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"host_key": "ssh-ed25519 AAAA"}, "host key"),
        ({"host_key": "[/INST]"}, "host key"),
        ({"host_key": "ä" * 300}, "host key"),
        ({"key": "{tmp}/pipe"}, "not a regular file"),
        ({"key": "{tmp}/missing"}, "not there"),
        ({"key": "{tmp}/garbage"}, "private key"),
        ({"host": "x" * 300}, "SSH"),
        ({"host": "a..b"}, "SSH"),
        ({"host": "a\0b"}, "SSH"),
    ],
)
async def test_a_box_that_is_set_up_wrongly_is_a_failed_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], says: str
) -> None:
    """A key nobody can read, a pipe for a key, a name that can be none of a machine: one sentence each."""
    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path / "home"))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "garbage").write_bytes(b"\xff\xfe")
    values = {name: str(value).replace("{tmp}", str(tmp_path)) for name, value in change.items()}
    status, _ = await test_box("lab", SshBox(**{"host": "127.0.0.1", "port": 9, **values}), get_paths())
    assert status.state == "failed" and says in status.detail
