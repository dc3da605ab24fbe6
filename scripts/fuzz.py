"""Attack what reads foreign things, and the keyboard, with broken and random input.

    scripts/fuzz.py datasets 10000     files that should be datasets
    scripts/fuzz.py files 5000         models, bundles, report cards, events, settings, templates, themes
    scripts/fuzz.py keys 20000         keys, mouse, pastes and sizes, in the real app in a real terminal

The same seed gives the same inputs. Prints a table, and how to see each failure again; the exit code is 1 when there was one.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("datasets", "files", "keys"))
    parser.add_argument("count", type=int, help="how many inputs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="keep the inputs that failed in this directory")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="brightrun-fuzz-", ignore_cleanup_errors=True) as aside:
        directory = arguments.keep or Path(aside)
        directory.mkdir(parents=True, exist_ok=True)
        os.environ.update(
            BRIGHTRUN_HOME=str(directory / "home"), HF_HOME=str(directory / "hf"), HF_ENDPOINT="http://127.0.0.1:9"
        )
        from tests.fuzz import datasets, files, keys
        from tests.fuzz.tally import Tally

        began = time.monotonic()
        if arguments.what == "datasets":
            tallies: list[Tally] = datasets.fuzz(arguments.count, arguments.seed, directory)
        elif arguments.what == "files":
            from brightrun_tui.paths import get_paths

            tallies = files.fuzz(arguments.count, arguments.seed, get_paths())
        else:
            tallies = keys.fuzz(arguments.count, arguments.seed, directory / "home")
    print(Tally.head())
    for tally in tallies:
        print(tally.row())
    for tally in tallies:
        for failure, label in tally.failures.items():
            print(f"✗ {tally.kind}, {label}: {failure}")
    print(
        f"{sum(tally.inputs for tally in tallies):,} inputs in {time.monotonic() - began:.0f} s, seed {arguments.seed}"
    )
    return 1 if any(tally.bad for tally in tallies) else 0


if __name__ == "__main__":
    sys.exit(main())
