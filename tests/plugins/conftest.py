from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from brightrun_tui import plugins
from tests.cli.conftest import CommandLine
from tests.plugins.package import install_examples
from tests.processes import end_all
from tests.toy_base import toy_base


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty directory of installed packages, for this process and its children."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site))
    plugins.look_again()
    yield site
    for name in [name for name, module in sys.modules.items() if str(site) in str(getattr(module, "__file__", ""))]:
        del sys.modules[name]
    monkeypatch.undo()
    plugins.look_again()


@pytest.fixture
def acme(site: Path) -> Path:
    """The same with the examples of the documentation installed."""
    install_examples(site)
    return site


@pytest.fixture(scope="session")
def base() -> Path:
    return toy_base()


@pytest.fixture
def chats(tmp_path: Path) -> Path:
    """A dataset in the format of the documentation."""
    path = tmp_path / "talk.chat"
    path.write_text("".join(f"Q: repeat red {n}\nA: red {n}\n\n" for n in range(80)))
    return path


@pytest.fixture
def brightrun(tmp_path: Path) -> Iterator[CommandLine]:
    """As in `tests.cli`, with the packages of ``site``."""
    line = CommandLine(tmp_path / "home")
    yield line
    end_all(line.home)
