"""``python -m tests.small_model DIRECTORY``: make the model, or find it made."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tests.small_model.build import ensure_small_model


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.small_model", description=__doc__)
    parser.add_argument("directory", type=Path, help="where the model goes")
    directory = parser.parse_args().directory
    os.environ.setdefault("OMP_NUM_THREADS", str(min(2, os.cpu_count() or 1)))
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    told = -1

    def report(fraction: float, what: str) -> None:
        nonlocal told
        if int(fraction * 10) > told:
            told = int(fraction * 10)
            print(f"{fraction:4.0%}  {what}", file=sys.stderr, flush=True)

    ensure_small_model(directory, progress=report)


if __name__ == "__main__":
    main()
