"""Packages that happen to be installed: none takes the rest along, by what it prints, does to the streams, or says of itself."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine, brightrun
from tests.plugins.package import install

__all__ = ["brightrun"]

DATA = '{"prompt": "a", "completion": "b"}\n{"prompt": "c", "completion": "d"}\n'
POINTS = {"brightrun.dataset_formats": {"evil": "evil_pack:ONE"}}


@pytest.mark.parametrize(
    "source",
    [
        "print('loading'); import sys; sys.stdout.write('more'); ONE = None",
        "import io, sys; sys.stdout = io.StringIO(); ONE = None",
        "import sys; sys.stdout = None",
        "print('loading'); raise SystemExit(0)",
    ],
)
def test_what_a_plugin_does_to_the_output_while_it_loads_is_none_of_our_data(
    brightrun: CommandLine, tmp_path: Path, source: str
) -> None:
    """JSON was no JSON any more, or the verb ended in an error that nobody foresaw."""
    install(tmp_path / "site", "evil-pack", {"evil_pack.py": source}, POINTS)
    data = tmp_path / "d.jsonl"
    data.write_text(DATA)
    done = brightrun("datasets", "check", data, "--json", PYTHONPATH=str(tmp_path / "site"))
    assert done.code == 0 and done.document["dataset"]["usable"] == 2 and "foresaw" not in done.err


@pytest.mark.parametrize(
    ("metadata", "points"),
    [
        (b"Name: half\nVersion: 1\n", b"\xff\xfe\0"),
        (b"Name: half\nVersion: 1\n", b"[brightrun.providers\nfoo\0bar=\n==:::\n[]\n]\n"),
        (b"Name: half\nVersion: 1\n", b"[console_scripts]\nno equals sign\n"),
        (b"\xff\xfe\0\0" * 9, b"[brightrun.providers]\nodd = nowhere:ONE\n"),
    ],
)
def test_a_package_that_is_half_written_takes_nobody_along(
    brightrun: CommandLine, tmp_path: Path, metadata: bytes, points: bytes
) -> None:
    """As pip leaves it on a full disk. One such package of anybody's ended every verb that looks for a plugin."""
    half = tmp_path / "site" / "half-1.dist-info"
    half.mkdir(parents=True)
    (half / "METADATA").write_bytes(metadata)
    (half / "entry_points.txt").write_bytes(points)
    done = brightrun("plugins", "--json", PYTHONPATH=str(tmp_path / "site"))
    assert "runpod" in [one["name"] for one in json.loads(done.out)["plugins"]] and "foresaw" not in done.err
    assert os.fspath(half) in done.err or "unnamed package" in done.out
