from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import openai
import pytest

from brightrun_tui import serving
from tests.e2e.conftest import Home
from tests.serving.toy import Toy, end, keep, make_toy, serve


@pytest.fixture(scope="session")
def toy() -> Toy:
    return make_toy()


@dataclass(frozen=True)
class Served:
    """A running endpoint of the toy model."""

    directory: Path
    url: str
    key: str

    def client(self, key: str | None = None) -> openai.OpenAI:
        return openai.OpenAI(base_url=self.url, api_key=self.key if key is None else key, max_retries=0, timeout=60)


@pytest.fixture(scope="session")
def served(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    directory = tmp_path_factory.mktemp("endpoint")
    try:
        state = serve(directory, toy.version())
        yield Served(directory, state.url, serving.read_key(directory))
    finally:
        end(directory)


@pytest.fixture
def home(tmp_path: Path, toy: Toy) -> Iterator[Home]:
    """An installation that has the toy model."""
    home = Home(tmp_path / "home", toy.base, tmp_path)
    asyncio.run(keep(home.root / "data" / "brightrun.db", toy.version()))
    yield home
    home.close()
