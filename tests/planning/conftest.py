from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from brightrun_tui.paths import Paths, get_paths
from brightrun_tui.planning import hub_models
from tests.planning.hub_stand_in import StandIn, files_of
from tests.planning.tiny_model import write_model


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A fresh installation in which nothing of this machine's own accounts and caches is seen."""
    for name in (
        "HF_TOKEN",
        "HF_HOME",
        "HF_HUB_CACHE",
        "HF_TOKEN_PATH",
        "PYTHON_KEYRING_BACKEND",
        "HTTPS_PROXY",
        "HTTP_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    hub_models._remembered.clear()
    return get_paths()


@pytest.fixture
def hub(paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """A Hub with one small repository, as HF_ENDPOINT."""
    stand_in = StandIn(files_of(write_model(tmp_path / "upstream", weight_rows=60_000))).start()
    monkeypatch.setenv("HF_ENDPOINT", stand_in.url)
    yield stand_in
    stand_in.stop()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A good dataset of 120 short conversations."""
    path = tmp_path / "Kunden Fragen.jsonl"
    path.write_text(
        "".join(
            json.dumps(
                {
                    "messages": [
                        {"role": "user", "content": f"How many parcels are on the cart number {i}?"},
                        {
                            "role": "assistant",
                            "content": f"There are {i * 3} parcels on it, and the last one is for gate {i % 7}.",
                        },
                    ]
                }
            )
            + "\n"
            for i in range(120)
        )
    )
    return path
