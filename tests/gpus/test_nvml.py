"""GPUs of this machine, through the library that NVIDIA's driver brings; here it is a real one that only pretends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.gpus.pretend import GB, PretendGpus, pretend_gpus

LOOK = """
from brightrun_tui.providers.nvml import cards_here
print("[" + ",".join(card.model_dump_json() for card in cards_here()) + "]")
"""


@pytest.fixture
def gpus(tmp_path: Path) -> PretendGpus:
    return pretend_gpus(tmp_path / "driver")


def look(gpus: PretendGpus, visible: str | None = None) -> list[dict[str, Any]]:
    environment = {
        **os.environ,
        **gpus.environment,
        **({"CUDA_VISIBLE_DEVICES": visible} if visible is not None else {}),
    }
    done = subprocess.run([sys.executable, "-c", LOOK], env=environment, capture_output=True, text=True, check=True)
    seen: list[dict[str, Any]] = json.loads(done.stdout)
    return seen


def test_cards_parts_and_who_holds_their_memory(gpus: PretendGpus) -> None:
    """Our own processes are not other people; a GPU that is cut into parts is its parts."""
    ours = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "brightrun_tui.serving"])
    try:
        gpus.write(
            f"gpu GPU-0000 {80 * GB} {30 * GB} NVIDIA H100",
            f"held GPU-0000 {ours.pid} {20 * GB}",
            f"held GPU-0000 {os.getpid()} {10 * GB}",
            f"gpu GPU-1111 {80 * GB} 0 NVIDIA A100",
            f"mig MIG-aaaa {10 * GB} 0 NVIDIA A100 MIG 1g.10gb",
            f"mig MIG-bbbb {20 * GB} {2 * GB} NVIDIA A100 MIG 2g.20gb",
        )
        cards = look(gpus)
    finally:
        ours.kill()
        ours.wait()
    assert [(card["index"], card["id"]) for card in cards] == [
        ("0", "GPU-0000"),
        ("1:0", "MIG-aaaa"),
        ("1:1", "MIG-bbbb"),
    ]
    assert [card["others"] for card in cards] == [10 * GB, 0, 2 * GB]
    assert " of " in cards[0]["who"] and cards[2]["free"] == 18 * GB


def test_only_what_cuda_may_see_counts(gpus: PretendGpus) -> None:
    ids = gpus.cards(4)
    seen = {
        visible: [card["index"] for card in look(gpus, visible)] for visible in ("2,0", f"{ids[3]}", "1,9,2", "-1", "")
    }
    assert seen == {"2,0": ["2", "0"], ids[3]: ["3"], "1,9,2": ["1"], "-1": [], "": []}
