#!/usr/bin/env python3
"""The first model: from 60 records to a trained adapter, ours and tunekit's, each with its own defaults.

    scripts/bench/first_model.py [--base DIRECTORY] [--records N] [--held-out N] [--cpu-seconds] [--skip-peer] [--json]

tunekit (PyPI; transformers, PEFT and TRL behind one command) is installed into a directory of its own and uses the very packages
that ours uses. Same base, same records to learn from; the same held-out records, unknown to both, are then scored by one and the
same program: the loss a supervised token, and the likeness of greedy answers to the wanted ones (token F1, 0 to 1).

tunekit passes once over the records by default, ours as often as so few need to be learnt; a row more is ours with one pass,
which is what the time is compared with.

``--cpu-seconds`` counts processor time instead of the clock's, for machines that others use as well.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from brightrun_tui.domain.events import Body, Event
from brightrun_tui.domain.model import Report
from brightrun_tui.domain.run_directory import RunDirectory
from brightrun_tui.paths import Paths, get_paths
from brightrun_tui.planning.bases import fetch_base
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.plan import make_plan, make_spec
from brightrun_tui.trainer.runtime.events import read_whole_lines

PEER = "tunekit==0.1.1"
DATA = ROOT / "presets" / "examples" / "support-desk.jsonl"
PASSES = 1
"""How often tunekit passes over the records when it is not told."""
ONE_PASS = "ours, one pass"
FASTER, TRAINS = 2.5, 0.6
LONG = 120.0
"""Seconds from which on a run must train for most of its time."""


@dataclass(frozen=True)
class Outcome:
    """``seconds``: from the start of the command to the adapter on the disk; ``whole``: to its end, report card included."""

    seconds: float
    whole: float
    training_share: float | None
    loss: float
    f1: float


def records(count: int, held_out: int) -> tuple[list[str], list[str]]:
    """Return lines to learn from and lines to judge by, spread over the example."""
    lines = [json.dumps({"messages": json.loads(line)["messages"]}) for line in DATA.read_text("utf-8").splitlines()]
    held = {i * len(lines) // held_out for i in range(held_out)}
    return [line for i, line in enumerate(lines) if i not in held][:count], [lines[i] for i in sorted(held)]


def run(command: list[str], environment: dict[str, str], log: Path, cpu: bool) -> float:
    """Run a command and return the seconds it took; ends the whole bench if it fails."""
    began = time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment, cwd=log.parent)
        _, code, used = os.wait4(process.pid, 0)
    if code:
        raise SystemExit(f"{' '.join(command)} failed:\n{log.read_text('utf-8', 'replace')[-2000:]}")
    return used.ru_utime + used.ru_stime if cpu else time.monotonic() - began


def ours(
    base: str, held: list[str], folder: Path, cpu: bool, changes: dict[str, object], name: str
) -> tuple[float, float, float | None, Path]:
    """Train with our worker, with the settings of the default template and ``changes`` made to them."""
    from brightrun_tui import datasets

    source = folder / "train.jsonl"
    (folder / "eval.jsonl").write_text("\n".join(held) + "\n", encoding="utf-8")
    paths = Paths(folder / "config", folder / "data", folder / "cache", folder / "logs")
    spec = make_spec(make_plan(Draft(name=name, data=str(source), base=base, overrides=changes), paths))
    files = RunDirectory(folder / name)
    files.data.mkdir(parents=True)
    for origin, path in ((source, files.train), (folder / "eval.jsonl", files.eval)):
        path.write_text("".join(f"{record.model_dump_json()}\n" for record in datasets.read(origin)), encoding="utf-8")
    files.spec.write_text(spec.model_dump_json(), encoding="utf-8")
    whole = run(
        [sys.executable, "-m", "brightrun_tui.trainer", str(files.root)],
        _environment(ROOT),
        folder / f"{name}.log",
        cpu,
    )
    told = read_whole_lines(files.events)[0]
    report = Report.model_validate_json(files.report.read_bytes())
    share = report.training.spent.training_share if report.training.spent else None
    return whole * _until_saved(told), whole, share, files.adapter


def _until_saved(told: list[Event[Body]]) -> float:
    """Part of the run until the adapter was written."""
    saved = next(event.time for event in told if getattr(event.body, "phase", "") == "reporting")
    return (saved - told[0].time) / (told[-1].time - told[0].time)


def theirs(base: str, folder: Path, cpu: bool) -> tuple[float, Path]:
    """Train by ``tunekit train``, with nothing set but model and data."""
    place = folder / "tunekit"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(place), PEER], check=True
    )
    command = [
        sys.executable,
        "-c",
        "from tunekit.cli import app; app()",
        "train",
        "--model",
        base,
        "--data",
        str(folder / "train.jsonl"),
        "--output",
        str(folder / "theirs"),
    ]
    return run(command, _environment(place), folder / "theirs.log", cpu), folder / "theirs"


def _environment(place: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(place),
        "OMP_WAIT_POLICY": "passive",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }


def judge(base: str, adapter: Path, held: Path) -> tuple[float, float]:
    """Return the loss per supervised token and the mean token F1 of greedy answers, of an adapter as peft opens it."""
    import torch
    from peft import PeftModel
    from torch.nn.functional import cross_entropy
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from brightrun_tui.trainer.report.text_scores import token_f1

    torch.set_flush_denormal(True)
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), str(adapter)
    ).eval()
    total, count, scores = 0.0, 0, []
    for line in held.read_text("utf-8").splitlines():
        messages = json.loads(line)["messages"]
        prompt = tokenizer.apply_chat_template(messages[:-1], tokenize=False, add_generation_prompt=True)
        wanted = messages[-1]["content"]
        asked = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")
        whole = tokenizer(prompt + wanted + tokenizer.eos_token, add_special_tokens=False, return_tensors="pt")[
            "input_ids"
        ]
        start = asked["input_ids"].shape[1]
        with torch.no_grad():
            logits = model(input_ids=whole).logits[0, start - 1 : -1]
            total += float(cross_entropy(logits, whole[0, start:], reduction="sum"))
            said = model.generate(**asked, max_new_tokens=64, do_sample=False, pad_token_id=tokenizer.pad_token_id or 0)
        count += whole.shape[1] - start
        scores.append(token_f1(tokenizer.decode(said[0, start:], skip_special_tokens=True), wanted))
    return total / count, sum(scores) / len(scores)


def _judged(base: str, adapter: Path, folder: Path) -> tuple[float, float]:
    """Call `judge` in a process of its own."""
    words = [sys.executable, __file__, "--judge", base, str(adapter), str(folder / "eval.jsonl")]
    done = subprocess.run(words, env=_environment(ROOT), capture_output=True, text=True, check=True)
    loss, f1 = json.loads(done.stdout.splitlines()[-1])
    return loss, f1


def main() -> int:
    """Train both, judge both, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="")
    parser.add_argument("--records", type=int, default=60)
    parser.add_argument("--held-out", type=int, default=20)
    parser.add_argument("--cpu-seconds", action="store_true")
    parser.add_argument("--skip-peer", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--judge", nargs=3, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.judge:
        print(json.dumps(judge(wanted.judge[0], Path(wanted.judge[1]), Path(wanted.judge[2]))))
        return 0
    base = wanted.base or str(fetch_base("starter", get_paths(), lambda share, what: None).path)
    train, held = records(wanted.records, wanted.held_out)
    found: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory(prefix="brightrun-first-") as name:
        folder = Path(name)
        (folder / "train.jsonl").write_text("\n".join(train) + "\n", encoding="utf-8")
        ways: dict[str, dict[str, object]] = {"ours": {}, ONE_PASS: {"training.epochs": PASSES}}
        for who, changes in ways.items():
            name = f"run-{len(found)}"
            seconds, whole, share, adapter = ours(base, held, folder, wanted.cpu_seconds, changes, name)
            found[who] = Outcome(seconds, whole, share, *_judged(base, adapter, folder))
        if not wanted.skip_peer:
            seconds, adapter = theirs(base, folder, wanted.cpu_seconds)
            found["tunekit"] = Outcome(seconds, seconds, None, *_judged(base, adapter, folder))
    if wanted.json:
        print(
            json.dumps(
                {
                    "name": "first_model",
                    "machine": f"{os.cpu_count()} cores, {platform.machine()}",
                    "rows": {who: asdict(outcome) for who, outcome in found.items()},
                }
            )
        )
    else:
        print(table(found, "CPU seconds" if wanted.cpu_seconds else "seconds"))
    return 0


def table(found: dict[str, Outcome], unit: str) -> str:
    """Return the table in Markdown, and whether the goals were met."""
    head = ["", f"{unit} to the adapter", "with report card", "of it training", "held-out loss", "answers, F1"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for who, one in found.items():
        share = f"{one.training_share:.0%}" if one.training_share is not None else ""
        lines.append(f"| {who} | {one.seconds:.0f} | {one.whole:.0f} | {share} | {one.loss:.3f} | {one.f1:.2f} |")
    mine, alike, peer = found["ours"], found[ONE_PASS], found.get("tunekit")
    if peer:
        lines.append(
            f"\n{peer.seconds / alike.seconds:.1f} × as fast to the adapter with one pass each (goal {FASTER})"
        )
    if mine.whole > LONG and mine.training_share is not None:
        lines.append(f"{mine.training_share:.0%} of the time trained (goal {TRAINS:.0%})")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
