"""``python -m tests.attacks [ATTACK …]``: every attack of a hostile machine, how it ended, and what held it, as a table."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.attacks.field import EXPECTED, fight, verdict
from tests.clouds.server import CloudServer


def main(names: list[str]) -> int:
    with tempfile.TemporaryDirectory() as scratch, CloudServer() as clouds:
        after = fight(Path(scratch), clouds, names or list(EXPECTED))
        log = (Path(scratch) / "home/logs/engine.log").read_text()
    lost = 0
    print("| attack | result | held by |\n|---|---|---|")
    for name, outcome in sorted(after.outcomes.items(), key=lambda item: list(EXPECTED).index(item[0])):
        wrong = verdict(name, outcome)
        lost += bool(wrong)
        print(f"| {name} | {'LOST: ' + wrong if wrong else outcome.words[:110]!r} | {EXPECTED[name][1]} |")
    print(
        f"\n{len(after.outcomes)} attacks in {after.seconds:.0f} s: {lost} lost, {len(after.outside)} files outside, "
        f"{after.alive} machines left, verbs after it: {after.verbs}"
    )
    if "Traceback" in log:
        print(log)
    return 1 if lost or after.outside or after.alive or any(after.verbs.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
