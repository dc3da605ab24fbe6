#!/usr/bin/env python3
"""Everything that only a GPU can prove, in one command of at most eight minutes: that it computes right, and how fast.

    scripts/bench/gpu.py [--json FILE] [--parts correctness,resume,…] [--seconds 460] [--device cuda|cpu] [--tiny] [--models DIR]

Each part is a process of its own with its own time; what a part finds is in FILE as soon as it ends, and parts that FILE holds
already are not run again. Needs torch, transformers, peft, bitsandbytes and, for the peer, TRL; no network.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

GOALS = {"speed": 1.5, "memory": 1.0, "mfu": 0.45}


@dataclass(frozen=True)
class Part:
    """``call``: a function of a module in `gpu_parts` and its arguments after directory and device."""

    name: str
    call: tuple[str, str, tuple[Any, ...]]
    seconds: float
    together: bool = False


def parts_of(tiny: bool) -> list[Part]:
    """In the order of their worth. Those marked ``together`` run side by side at the beginning."""
    large, small, steps = ("tiny", "tiny", 5) if tiny else ("8b", "1b", 20)
    tokens, heavy = (1000, "short") if tiny else (16384, "prompt")
    return [
        *(Part(f"model {shape}", ("models", "make_model_for", (shape,)), 120, True) for shape in {large: 0, small: 0, "tiny": 0}),
        Part("correctness", ("correctness", "run", ()), 150, True),
        Part("resume", ("runs", "resume", ()), 150, True),
        Part("little memory", ("runs", "little_memory", (small, 0.5 if tiny else 0.05)), 150, True),
        Part("speed 1b prompt: ours", ("speed", "ours", (small, heavy, steps)), 100),
        Part("speed 1b prompt: trl", ("speed", "peer", (small, heavy, steps, "trl")), 80),
        Part("speed 8b prompt: ours", ("speed", "ours", (large, heavy, steps)), 150),
        Part("speed 8b prompt: trl", ("speed", "peer", (large, heavy, steps, "trl")), 120),
        Part("profile 8b", ("speed", "profile", (large, heavy, tokens)), 90),
        Part("profile 1b", ("speed", "profile", (small, heavy, 2 * tokens)), 60),
        Part("speed 1b short: ours", ("speed", "ours", (small, "short", steps)), 80),
        Part("speed 1b short: trl", ("speed", "peer", (small, "short", steps, "trl")), 80),
        Part("generation", ("generation", "run", (small, 2 if tiny else 16, 4 if tiny else 128)), 120),
        Part("speed 1b prompt: transformers", ("speed", "peer", (small, heavy, steps, "transformers")), 80),
    ]


def run_part(part: Part, models: Path, device: str, environment: dict[str, str], left: float) -> dict[str, Any]:
    """What the part found, or why it found nothing."""
    began = time.perf_counter()
    module, function, arguments = part.call
    script = (f"import json, sys; sys.path.insert(0, {str(ROOT)!r})\nfrom pathlib import Path\n"
              f"from scripts.bench.gpu_parts import {module}\n"
              f"found = {module}.{function}(Path({str(models)!r}), {device!r}, *{arguments!r})\n"
              "print('\\n' + json.dumps({'found': found}, default=str))")
    try:
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, cwd=ROOT,
                              timeout=max(1.0, min(part.seconds, left)))
    except subprocess.TimeoutExpired:
        return {"failed": "it did not end in time", "seconds": time.perf_counter() - began}
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"found"')]
    seconds = round(time.perf_counter() - began, 1)
    if not lines:
        return {"failed": done.stderr.strip()[-1500:], "seconds": seconds}
    return {**json.loads(lines[-1])["found"], "seconds": seconds}


def rows_of(parts: dict[str, Any]) -> list[dict[str, Any]]:
    """The comparisons with peers and goals."""
    rows: list[dict[str, Any]] = []

    def add(what: str, unit: str, ours: float, peer: float, name: str, goal: float, more: bool) -> None:
        ratio = ours / peer if peer else 0.0
        rows.append({"what": what, "unit": unit, "ours": round(ours, 3), "peer": round(peer, 3), "peer_name": name,
                     "ratio": round(ratio, 3), "goal": goal, "met": ratio >= goal if more else ratio <= goal})

    for name, mine in parts.items():
        if not name.endswith(": ours") or "failed" in mine:
            continue
        label = name.removeprefix("speed ").removesuffix(": ours")
        for kind, peer_name in (("trl", "TRL SFTTrainer"), ("transformers", "transformers + peft")):
            theirs = parts.get(name.replace(": ours", f": {kind}"), {"failed": ""})
            if "failed" in theirs:
                continue
            add(f"{label}: supervised tokens", "1/s", mine["supervised"], theirs["supervised"], peer_name, GOALS["speed"], True)
            if theirs["peak"]:
                add(f"{label}: peak memory", "GB", mine["peak"] / 1e9, theirs["peak"] / 1e9, peer_name, GOALS["memory"], False)
    peak = parts.get("correctness", {}).get("matmul", {}).get("teraflops")
    for shape in ("8b", "1b"):
        found = parts.get(f"profile {shape}", {"failed": ""})
        if peak and "failed" not in found:
            add(f"{shape}: share of the matmul peak", "TFLOP/s", found["teraflops"], peak, "8192³ product", GOALS["mfu"], True)
    return rows


def wrong_in(parts: dict[str, Any]) -> list[str]:
    """What is not right, in words."""
    wrong = [f"{name}: {found['failed'][-300:]}" for name, found in parts.items() if found.get("failed")]
    correctness = parts.get("correctness", {})
    wrong += [f"gradient: {row['what']} ({row['cosine']})" for row in correctness.get("gradients", ()) if row["right"] is False]
    wrong += [f"optimiser: {row['what']}" for row in correctness.get("optimiser", ()) if not row["right"]]
    return wrong + [name for name in ("resume", "little memory") if parts.get(name, {}).get("right") is False]


def machine() -> dict[str, Any]:
    """What it ran on."""
    script = ("import json, torch, transformers, peft, bitsandbytes\n"
              "gpu = torch.cuda.is_available()\n"
              "print(json.dumps({'card': torch.cuda.get_device_name(0) if gpu else 'cpu', 'torch': torch.__version__,"
              "'transformers': transformers.__version__, 'peft': peft.__version__, 'bitsandbytes': bitsandbytes.__version__,"
              "'memory': torch.cuda.get_device_properties(0).total_memory if gpu else 0}))")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    return {"cpus": os.cpu_count(), **(json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {})}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="where to put what was found, after each part")
    parser.add_argument("--parts", default="", help="names of parts, or beginnings of them, by commas")
    parser.add_argument("--seconds", type=float, default=460.0, help="for everything")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--tiny", action="store_true", help="all of the logic on a toy, in a minute or two")
    parser.add_argument("--models", type=Path, help="where models and runs are put; memory, where there is room")
    given = parser.parse_args()
    end = time.monotonic() + given.seconds
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_WAIT_POLICY": "passive",
                   **({"CUDA_VISIBLE_DEVICES": ""} if given.device == "cpu" else {})}
    document: dict[str, Any] = {"name": "gpu", "machine": {}, "rows": [], "parts": {}}
    if given.json and given.json.exists():
        document = json.loads(given.json.read_bytes())
    known = document["parts"]
    wanted = [part for part in parts_of(given.tiny) if part.name not in known or known[part.name].get("failed")]
    if given.parts:
        wanted = [part for part in wanted if any(part.name.startswith(name) for name in given.parts.split(","))]
    document["machine"] = machine()

    def finish(part: Part, found: dict[str, Any]) -> None:
        known[part.name] = found
        document["rows"] = rows_of(known)
        if given.json:
            aside = given.json.with_suffix(".part")
            aside.write_text(json.dumps(document, indent=1), encoding="utf-8")
            aside.replace(given.json)
        words = str(found.get("failed", "ok"))[-200:]
        print(f"{part.name:<32}{found.get('seconds', 0):>7.1f} s  {words}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="brightrun-gpu-") as scratch:
        models = given.models or Path(scratch)

        def do(part: Part) -> None:
            left = end - time.monotonic()
            finish(part, run_part(part, models, given.device, environment, left) if left > 10 else
                   {"failed": "there was no time left for it", "seconds": 0.0})

        _all_of(do, [part for part in wanted if part.together])
        for part in wanted:
            if not part.together:
                do(part)
    for row in document["rows"]:
        print(f"{row['what']:<44}{row['ours']:>12} {row['peer']:>12} {row['unit']:<8}{row['ratio']:>7}  goal {row['goal']:<5}"
              f"{'✓' if row['met'] else '✗'}  {row['peer_name']}")
    wrong = wrong_in(known)
    print("\n".join(f"✗ {line}" for line in wrong) or "✓ everything computed is right")
    return 1 if wrong else 0


def _all_of(do: Callable[[Part], None], parts: list[Part]) -> None:
    if parts:
        with ThreadPoolExecutor(len(parts)) as pool:
            list(pool.map(do, parts))


if __name__ == "__main__":
    sys.exit(main())
