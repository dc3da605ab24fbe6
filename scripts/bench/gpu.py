#!/usr/bin/env python3
"""Everything that only a GPU can prove, in one command of at most eight minutes: that it computes right, and how fast.

    scripts/bench/gpu.py [--json FILE] [--parts environment,correctness,…] [--seconds 390] [--device cuda|cpu] [--tiny]
                         [--models DIR]

Each part is a process of its own with its own time; what it finds is in FILE as soon as it ends, and parts that FILE holds
already are not run again. Needs torch, transformers, peft, bitsandbytes and, for the peer, TRL; no network.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scripts.bench.gpu_parts.process import Part, Process
from scripts.bench.gpu_parts.table import rows_of, wrong_in

LEAST_SECONDS = 10.0
"""With less time left than this no further part is begun."""


def parts_of(tiny: bool) -> list[Part]:
    """Return the parts, the most valuable first."""
    if tiny:
        return [
            Part("environment", "environment", "run", (), 120),
            Part("correctness: llama", "correctness", "run", ("tiny", True), 240, True),
            Part("resume", "runs", "resume", (), 240, True),
            Part("little memory", "runs", "little_memory", ("tiny", 0.5), 120, True),
            Part("speed tiny short: ours", "ours", "run", ("tiny", "short", 5), 120),
            Part("profile tiny", "profile", "run", ("tiny", "short", 1000), 120),
            Part("generation: ours", "generation", "ours", ("tiny", 2, 4), 120),
            Part("generation: continuous", "generation", "continuous", ("tiny", 2, 4), 60),
            Part("speed tiny short: trl", "peer", "run", ("tiny", "short", 5, "trl"), 120),
        ]
    steps = 16
    return [
        Part("environment", "environment", "run", (), 60),
        *(Part(f"model {shape}", "models", "make", (shape,), 120, True) for shape in ("8b", "1b")),
        Part("correctness: llama", "correctness", "run", ("tiny", False), 120, True),
        Part("correctness: qwen3", "correctness", "run", ("qwen3", False), 120, True),
        Part("correctness: qwen2", "correctness", "run", ("qwen2", False), 120, True),
        Part("resume", "runs", "resume", (), 150, True),
        Part("speed 8b prompt: ours", "ours", "run", ("8b", "prompt", steps), 110),
        Part("speed 8b prompt: trl-liger", "peer", "run", ("8b", "prompt", steps, "trl-liger"), 80),
        Part("profile 8b", "profile", "run", ("8b", "prompt", 16384), 80),
        Part("speed 1b prompt: ours", "ours", "run", ("1b", "prompt", steps), 70),
        Part("speed 1b prompt: trl-liger", "peer", "run", ("1b", "prompt", steps, "trl-liger"), 50),
        Part("little memory", "runs", "little_memory", ("1b", 0.03), 90),
        Part("profile 1b", "profile", "run", ("1b", "prompt", 32768), 50),
        Part("speed 1b short: ours", "ours", "run", ("1b", "short", steps), 70),
        Part("speed 1b short: trl-liger", "peer", "run", ("1b", "short", steps, "trl-liger"), 50),
        Part("generation: ours", "generation", "ours", ("1b", 32, 128), 60),
        Part("generation: continuous", "generation", "continuous", ("1b", 32, 128), 60),
        Part("speed 8b prompt: trl", "peer", "run", ("8b", "prompt", steps, "trl"), 80),
        Part("speed 1b prompt: trl", "peer", "run", ("1b", "prompt", steps, "trl"), 50),
        Part("speed 1b prompt: transformers", "peer", "run", ("1b", "prompt", steps, "transformers"), 50),
        Part("speed 1b short: trl-packed", "peer", "run", ("1b", "short", 4 * steps, "trl-packed"), 50),
    ]


class Bench:
    """Runs parts and keeps what they find."""

    def __init__(self, given: argparse.Namespace, models: Path) -> None:
        self._end = time.monotonic() + given.seconds
        self._file: Path | None = given.json
        self._device: str = given.device
        self._models = models
        self._lock = threading.Lock()
        self._environment = {
            **os.environ,
            "HF_HUB_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "OMP_WAIT_POLICY": "passive",
            "MKL_CBWR": "AUTO,STRICT",
            **({"CUDA_VISIBLE_DEVICES": ""} if given.device == "cpu" else {}),
        }
        self.document: dict[str, Any] = {"name": "gpu", "machine": {}, "rows": [], "parts": {}}
        if self._file and self._file.exists():
            self.document = json.loads(self._file.read_bytes())

    def run(self, parts: list[Part]) -> None:
        """Run the parts that the document lacks: first the very first, then those that run together, then one by one."""
        known = self.document["parts"]
        wanted = [part for part in parts if part.name not in known or known[part.name].get("failed")]
        alone = [part for part in wanted if not part.together]
        first = alone[:1] if alone and alone[0] is parts[0] else []
        early = {part.name: self._start(part) for part in (*first, *(part for part in wanted if part.together))}
        for part in first:
            self._do(part, early[part.name])
        with ThreadPoolExecutor(len(early) + 1) as pool:
            list(pool.map(lambda part: self._do(part, early[part.name]), (part for part in wanted if part.together)))
        self._one_by_one([part for part in alone if part not in first])

    def _one_by_one(self, parts: list[Part]) -> None:
        """Run parts one by one; while one computes, the next does its imports."""
        started: list[Process] = []
        for place, part in enumerate(parts):
            started += [self._start(each) for each in parts[len(started) : place + 2]]
            self._do(part, started[place])

    def _start(self, part: Part) -> Process:
        return Process(part, self._environment)

    def _do(self, part: Part, process: Process) -> None:
        left = self._end - time.monotonic()
        if left > LEAST_SECONDS:
            found = process.run(self._models, self._device, left)
        else:
            process.end()
            found = {"failed": "there was no time left for it", "seconds": 0.0}
        with self._lock:
            self._keep(part, found)

    def _keep(self, part: Part, found: dict[str, Any]) -> None:
        document = self.document
        document["parts"][part.name] = found
        document["machine"] = document["parts"].get("environment", {}).get("machine", {})
        document["rows"] = rows_of(document["parts"])
        if self._file:
            aside = self._file.with_suffix(".part")
            aside.write_text(json.dumps(document, indent=1), encoding="utf-8")
            aside.replace(self._file)
        last = str(found.get("failed", "ok")).strip().splitlines()[-1][-150:]
        print(f"{part.name:<32}{found['seconds']:>7.1f} s  {last}", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="where to put what was found, after each part")
    parser.add_argument("--parts", default="", help="names of parts, or beginnings of them, by commas")
    parser.add_argument("--seconds", type=float, default=390.0, help="for everything")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--tiny", action="store_true", help="all of the logic on a toy, in a minute or two")
    parser.add_argument("--models", type=Path, help="where models and runs are put; memory, where there is room")
    given = parser.parse_args()
    names = tuple(given.parts.split(","))
    parts = [part for part in parts_of(given.tiny) if part.name.startswith(names)]
    with tempfile.TemporaryDirectory(prefix="brightrun-gpu-") as scratch:
        bench = Bench(given, given.models or Path(scratch))
        bench.run(parts)
    for row in bench.document["rows"]:
        print(
            f"{row['what']:<44}{row['ours']:>12} {row['peer']:>12} {row['unit']:<8}{row['ratio']:>7}  goal {row['goal']:<5}"
            f"{'✓' if row['met'] else '✗'}  {row['peer_name']}"
        )
    wrong = wrong_in(bench.document["parts"])
    print("\n".join(f"✗ {line}" for line in wrong) or "✓ everything computed is right")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
