#!/usr/bin/env python3
"""Our trainer against plain transformers + peft, and against TRL's SFTTrainer.

    scripts/bench/train.py [--quick] [--json] [--runs 3] [--threads N] [--cpu-seconds] [--base DIRECTORY]

Same model (NF4 + LoRA on all linear layers), data, seed, records a step and number of steps; runs alternate, each in a
process of its own; medians.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from brightrun_tui.domain.dataset import Message, Record
from brightrun_tui.domain.run import BaseModelRef, DatasetRef, RunSpec
from brightrun_tui.domain.settings import RunSettings

BATCH, RATE, RANK = 8, 1e-3, 16
SPEED_GOALS = {"short chats": 1.5, "prompt-heavy": 2.0, "long context": 1.5}
GOALS = {"first step": 0.7, "memory": 0.6, "loss": 0.02}
WORDS = [
    a + b
    for a in ("ba", "de", "fi", "go", "lu", "ma", "ne", "pi", "ro", "su")
    for b in ("n", "r", "st", "l", "t", "nd", "sh", "m", "ck", "p")
]
NAMES = {"transformers": "transformers + peft", "trl": "TRL SFTTrainer"}


@dataclass(frozen=True)
class Workload:
    """Lengths in tokens, as mean and spread, of prompts and answers."""

    name: str
    prompt: tuple[int, int]
    answer: tuple[int, int]
    records: int


WORKLOADS = (
    Workload("short chats", (40, 30), (50, 30), 160),
    Workload("prompt-heavy", (400, 120), (60, 20), 64),
    Workload("long context", (1800, 150), (120, 40), 32),
)


@dataclass(frozen=True)
class Result:
    """Seconds from process start to the first step, supervised tokens a second, bytes above the loaded model."""

    first_step: float
    speed: float
    memory: float
    eval_loss: float


@dataclass(frozen=True)
class Options:
    """How to measure; ``environment`` is that of every process."""

    environment: dict[str, str]
    peers: tuple[str, ...]
    runs: int
    quick: bool
    cpu_seconds: bool


def write_tokenizer(directory: Path) -> None:
    """Write a tokenizer that knows the words of the workloads, each as one token, with a template that marks
    generations.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    from brightrun_tui.trainer.data.template import CHATML

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=4096,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator([" ".join(WORDS)] * 20 + ["system user assistant\n"] * 20, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    tokenizer.chat_template = CHATML
    tokenizer.save_pretrained(str(directory))


def build_base(directory: Path) -> Path:
    """Build a small Llama with random weights and the tokenizer of `write_tokenizer`, in a process of its own."""
    script = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from scripts.bench.train import write_tokenizer
write_tokenizer(Path({str(directory)!r}))
torch.manual_seed(0)
LlamaForCausalLM(LlamaConfig(vocab_size=4096, hidden_size=256, intermediate_size=704, num_hidden_layers=4,
    num_attention_heads=8, num_key_value_heads=4, max_position_embeddings=4096, tie_word_embeddings=True, eos_token_id=2,
    pad_token_id=0, bos_token_id=None)).save_pretrained({str(directory)!r})
"""
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    return directory


def write_data(workload: Workload, directory: Path, count: int) -> None:
    chance = random.Random(workload.name)

    def text(length: tuple[int, int]) -> str:
        return " ".join(chance.choice(WORDS) for _ in range(max(4, round(chance.gauss(*length)))))

    directory.mkdir(parents=True)
    for name, records in (("train", count), ("eval", 4)):
        rows = [
            Record(
                id=str(i),
                messages=(
                    Message(role="user", content=text(workload.prompt)),
                    Message(role="assistant", content=text(workload.answer)),
                ),
            )
            for i in range(records)
        ]
        (directory / f"{name}.jsonl").write_text("".join(r.model_dump_json() + "\n" for r in rows), encoding="utf-8")


class Watch:
    """A process from outside: its clock (wall or CPU seconds), its memory when its model was loaded and at most after that.

    The kernel keeps the highest memory (Linux), so that watching takes nothing from the cores that train.
    """

    def __init__(self, process: subprocess.Popen[str], cpu_seconds: bool) -> None:
        self.loaded = self.peak = 0
        self.first_step = self.training = 0.0
        self._process = psutil.Process(process.pid)
        self._cpu_seconds = cpu_seconds
        self._started = time.monotonic()

    def clock(self) -> float:
        if self._cpu_seconds:
            used = self._process.cpu_times()
            return float(used.user + used.system)
        return time.monotonic() - self._started

    def model_is_loaded(self) -> None:
        self.loaded = self.peak = self._process.memory_info().rss
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")  # the highest begins anew

    def look_at_memory(self) -> None:
        lines = Path(f"/proc/{self._process.pid}/status").read_text("utf-8").splitlines()
        highest = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")]
        self.peak = max(self.peak, *highest)

    def result(self, supervised: float, eval_loss: float) -> Result:
        return Result(self.first_step, supervised / self.training, self.peak - self.loaded, eval_loss)


def run_peer(kind: str, base: Path, data: Path, options: Options, supervised: int, steps: int) -> Result:
    command = [
        sys.executable,
        str(Path(__file__).with_name("train_peer.py")),
        kind,
        str(base),
        str(data),
        str(BATCH),
        str(RATE),
        str(RANK),
    ]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=options.environment
    )
    watch = Watch(process, options.cpu_seconds)
    eval_loss: float | None = None
    assert process.stdout is not None
    for line in process.stdout:
        said = json.loads(line) if line.startswith('{"event"') else {"event": ""}
        if said["event"] == "loaded":
            watch.model_is_loaded()
        elif said["event"] == "step" and said["step"] == 1:
            watch.first_step = watch.clock()
        elif said["event"] == "step" and said["step"] == steps:
            watch.training = watch.clock() - watch.first_step
            watch.look_at_memory()
        elif said["event"] == "end":
            eval_loss = float(said["eval_loss"])
    if process.wait() or eval_loss is None:
        raise SystemExit(f"{NAMES[kind]} failed; try: {' '.join(command)}")
    return watch.result(supervised * (steps - 1) / steps, eval_loss)


def run_ours(base: Path, data: Path, options: Options, supervised: int, steps: int) -> Result:
    run = write_run(base, data)
    process = subprocess.Popen(
        [sys.executable, "-m", "brightrun_tui.trainer", str(run)],
        env=options.environment,
        text=True,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
    )
    watch = Watch(process, options.cpu_seconds)
    began = 0.0  # after the base model was measured, which the peers do not do
    for event in follow(run / "events.jsonl", process):
        if event.get("phase") == "training" and not watch.loaded:
            watch.model_is_loaded()
        elif event["kind"] == "metric" and "train_loss" in event["values"]:
            if event["step"] == 1:
                watch.first_step = watch.clock()
            elif event["step"] == steps:
                watch.training = watch.clock() - began
                watch.look_at_memory()
        elif event.get("phase") == "training" and watch.first_step and not began:
            began = watch.clock()
    if process.wait():
        raise SystemExit(f"our run failed, see {run}")
    report = json.loads((run / "report.json").read_bytes())
    shutil.rmtree(run)
    return watch.result(supervised * (steps - 1) / steps, report["tuned"]["loss"])


def first_step_of_waiting_worker(base: Path, data: Path, options: Options) -> float:
    """Measure the seconds from naming the run to a waiting worker, such as the engine keeps, to its first step."""
    run = write_run(base, data)
    with subprocess.Popen(
        [sys.executable, "-m", "brightrun_tui.trainer", "--spare"],
        env=options.environment,
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    ) as process:
        watched = psutil.Process(process.pid)
        used = -1.0
        while watched.cpu_times().user > used:  # it is ready when it has nothing more to do
            used = watched.cpu_times().user
            time.sleep(1)
        watch = Watch(process, options.cpu_seconds)
        before = watch.clock() if options.cpu_seconds else 0.0
        assert process.stdin is not None
        process.stdin.write(f"{run}\n")
        process.stdin.flush()
        for event in follow(run / "events.jsonl", process):
            if event["kind"] == "metric" and "train_loss" in event["values"]:
                watch.first_step = watch.clock() - before
                process.kill()
                break
    shutil.rmtree(run)
    return watch.first_step


def write_run(base: Path, data: Path) -> Path:
    """Write a run directory as the engine makes it."""
    run = Path(tempfile.mkdtemp(prefix="brightrun-bench-"))
    shutil.copytree(data, run / "data")
    settings = RunSettings().with_overrides(
        {
            "training.epochs": 1,
            "training.batch_size": BATCH,
            "training.learning_rate": RATE,
            "lora.r": RANK,
            "lora.lora_alpha": RANK,
            "training.lr_scheduler_type": "constant",
            "training.warmup_ratio": 0,
            "evaluation.sample_prompts": 0,
            "evaluation.eval_steps": 10_000,
        }
    )
    spec = RunSpec(
        run_id="bench",
        name="bench",
        created_at=0.0,
        base=BaseModelRef(id="bench", path=str(base)),
        settings=settings,
        dataset=DatasetRef(path="", name="bench", format="messages", fingerprint="", records=0, usable=0),
    )
    (run / "spec.json").write_text(spec.model_dump_json(), encoding="utf-8")
    return run


def follow(path: Path, process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    """Yield each event as it is written, while the process runs."""
    offset = 0
    while process.poll() is None:
        if path.exists() and path.stat().st_size > offset:
            with path.open("rb") as file:
                file.seek(offset)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    offset += len(line)
                    yield json.loads(line)
        time.sleep(0.01)


def count_supervised(data: Path) -> int:
    """Answer tokens of the training data: every word is one, and so is the end of the turn."""
    records = [json.loads(line) for line in (data / "train.jsonl").read_text("utf-8").splitlines()]
    return sum(len(r["messages"][1]["content"].split()) + 1 for r in records)


def compare(workload: Workload, base: Path, scratch: Path, options: Options) -> list[dict[str, Any]]:
    """Run everything of one workload, alternating; returns the rows of the table."""
    count = workload.records
    data = scratch / workload.name.replace(" ", "-")
    write_data(workload, data, count)
    supervised, steps = count_supervised(data), count // BATCH
    results: dict[str, list[Result]] = {}
    waiting: list[float] = []
    for _ in range(options.runs):
        results.setdefault("ours", []).append(run_ours(base, data, options, supervised, steps))
        waiting.append(first_step_of_waiting_worker(base, data, options))
        for peer in options.peers:
            results.setdefault(peer, []).append(run_peer(peer, base, data, options, supervised, steps))
    middle = {
        who: Result(*(statistics.median(getattr(r, field) for r in each) for field in Result.__dataclass_fields__))
        for who, each in results.items()
    }
    return [
        row
        for peer in options.peers
        for row in table_rows(workload.name, middle["ours"], statistics.median(waiting), middle[peer], NAMES[peer])
    ]


def table_rows(workload: str, ours: Result, waiting: float, peer: Result, name: str) -> list[dict[str, Any]]:
    def row(what: str, unit: str, mine: float, other: float, goal: float, more_is_better: bool) -> dict[str, Any]:
        ratio = mine / other
        return {
            "what": f"{workload}: {what}",
            "unit": unit,
            "ours": round(mine, 3),
            "peer": round(other, 3),
            "peer_name": name,
            "ratio": round(ratio, 3),
            "goal": goal,
            "met": ratio >= goal if more_is_better else ratio <= goal,
        }

    loss_ratio = ours.eval_loss / peer.eval_loss
    return [
        row("supervised tokens", "1/s", ours.speed, peer.speed, SPEED_GOALS[workload], True),
        row("first step, worker in waiting", "s", waiting, peer.first_step, GOALS["first step"], False),
        row("first step, fresh worker", "s", ours.first_step, peer.first_step, GOALS["first step"], False),
        row("peak memory above the loaded model", "MB", ours.memory / 1e6, peer.memory / 1e6, GOALS["memory"], False),
        row("held-out loss", "nats", ours.eval_loss, peer.eval_loss, 1.0, False)
        | {"met": abs(loss_ratio - 1) < GOALS["loss"]},
    ]


def read_options() -> tuple[Options, argparse.Namespace]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="one run of the prompt-heavy workload against transformers"
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, help="the same number for everybody; without it, each its own choice")
    parser.add_argument(
        "--cpu-seconds", action="store_true", help="measure CPU instead of wall time: for a busy machine"
    )
    parser.add_argument("--base", type=Path, help="a model directory whose template marks generations")
    given = parser.parse_args()
    shared = {**os.environ, **({"OMP_NUM_THREADS": str(given.threads)} if given.threads else {})}
    peers = ("transformers",) if given.quick else ("transformers", "trl")
    return Options(shared, peers, 1 if given.quick else given.runs, given.quick, given.cpu_seconds), given


def main() -> int:
    options, given = read_options()
    rows = []
    with tempfile.TemporaryDirectory(prefix="brightrun-bench-") as scratch:
        base = given.base or build_base(Path(scratch) / "base")
        for workload in WORKLOADS:
            if not options.quick or workload.name == "prompt-heavy":
                print(f"{workload.name} …", file=sys.stderr)
                rows += compare(workload, base, Path(scratch), options)
    machine = {
        "cpus": os.cpu_count(),
        "load": os.getloadavg()[0],
        "threads": given.threads,
        "cpu_seconds": given.cpu_seconds,
    }
    if given.json:
        print(json.dumps({"name": "train", "machine": machine, "rows": rows}))
    else:
        for row in rows:
            print(
                f"{row['what']:<52}{row['ours']:>10} {row['peer']:>10} {row['unit']:<5}{row['ratio']:>7}  goal {row['goal']:<5}"
                f"{'✓' if row['met'] else '✗'}  {row['peer_name']}"
            )
    return 0 if all(row["met"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
