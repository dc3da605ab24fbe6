"""The tiny base model that most journeys train: ``python -m tests.toy_base TARGET`` makes one."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.made_once import by_module, made_once


def toy_base() -> Path:
    """A model directory of 80 thousand parameters with a chat template that marks the assistant's turns."""
    return made_once("base", by_module("tests.toy_base"))


if __name__ == "__main__":
    from tests.trainer.conftest import build_base

    build_base(Path(sys.argv[1]))
