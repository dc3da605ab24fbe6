"""``python -m brightrun_tui.trainer.starter DIRECTORY [--json]``.

People read the progress on stderr; with ``--json`` each line of stdout is ``{"fraction": …, "what": …}``, and an error
is ``{"error": {…}}``.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

from brightrun_tui.domain.errors import BrightrunError, ExitCode
from brightrun_tui.trainer.starter.build import Progress, ensure_starter


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m brightrun_tui.trainer.starter",
                                     description="Make the starter base model, or find it made.")
    parser.add_argument("directory", type=Path, help="where the model goes")
    parser.add_argument("--json", action="store_true", help="progress as JSON lines on stdout")
    arguments = parser.parse_args()
    set_environment()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        ensure_starter(arguments.directory, progress=report_json if arguments.json else make_reporter())
    except BrightrunError as error:
        if arguments.json:
            print(json.dumps({"error": error.as_dict()}), flush=True)
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted; nothing was left behind", file=sys.stderr)
        return ExitCode.INTERRUPTED
    return ExitCode.DONE


def set_environment() -> None:
    """Before torch is imported: two threads at most, and none that spins while it waits."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    defaults = {"OMP_NUM_THREADS": str(min(2, cores)), "GOMP_SPINCOUNT": "1000", "TOKENIZERS_PARALLELISM": "false"}
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def report_json(fraction: float, what: str) -> None:
    print(json.dumps({"fraction": round(fraction, 4), "what": what}), flush=True)


def make_reporter() -> Progress:
    """Progress for people: one line that is rewritten on a terminal, else a line every ten percent."""
    terminal, begun, told = sys.stderr.isatty(), time.monotonic(), -1

    def report(fraction: float, what: str) -> None:
        nonlocal told
        if terminal:
            left = f", about {(time.monotonic() - begun) * (1 / fraction - 1):.0f} s left" if 0.07 < fraction < 1 else ""
            print(f"\r\033[K{fraction:4.0%}  {what}{left}", end="\n" if fraction == 1 else "", file=sys.stderr, flush=True)
        elif int(fraction * 10) > told:
            told = int(fraction * 10)
            print(f"{fraction:4.0%}  {what}", file=sys.stderr, flush=True)

    return report


if __name__ == "__main__":
    sys.exit(main())
