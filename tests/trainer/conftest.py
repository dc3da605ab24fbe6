"""A tiny random Llama with a byte-level tokenizer, and run directories for it: real parts, small."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

pytest.importorskip("torch", reason="the training packages are not installed")
pytest.importorskip("bitsandbytes", reason="the training packages are not installed")

from brightrun_tui.domain.dataset import Message, Record
from brightrun_tui.domain.run import BaseModelRef, DatasetRef, RunSpec
from brightrun_tui.domain.settings import RunSettings
from brightrun_tui.trainer.data.template import CHATML
from tests.toy_base import toy_base

WORDS = "a small big red blue cat dog house worker file reads writes opens sees finds simple old new".split()

UNMARKED_CHATML = CHATML.replace("{% generation %}", "").replace("{% endgeneration %}", "")

THOUGHTFUL = CHATML.replace(
    "{% generation %}{{ message['content']",
    "{% generation %}{% if loop.last %}{{ '<think>\n\n</think>\n\n' }}{% endif %}{{ message['content']",
)
"""As Qwen3: the last answer opens with thoughts, empty ones where there are none. Such an answer's earlier turns have none."""

FAST = {
    "training.learning_rate": 2e-3,
    "training.batch_size": 8,
    "lora.r": 4,
    "evaluation.sample_prompts": 1,
    "evaluation.max_new_tokens": 8,
}
"""Settings of most test runs: a few steps of a tiny model."""


@pytest.fixture(autouse=True)
def denormals() -> Iterator[None]:
    """The worker's choice for its own process must not outlive a test that runs it in this one."""
    import torch

    yield
    torch.set_flush_denormal(False)


def build_base(
    directory: Path, *, chat_template: str | None = CHATML, layers: int = 2, kind: str = "Llama", **settings: Any
) -> Path:
    """A real Hugging Face model directory with random weights (fixed seed), 80 thousand parameters.

    ``kind`` names an architecture of transformers; ``settings`` go into its configuration.
    """
    import torch
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator([" ".join(WORDS)] * 20 + ["system user assistant\n"] * 20, trainer)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    tokenizer.chat_template = chat_template
    tokenizer.save_pretrained(str(directory))
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(
        **{
            "vocab_size": len(tokenizer),
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": layers,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 512,
            "tie_word_embeddings": True,
            "eos_token_id": 2,
            "pad_token_id": 0,
            "bos_token_id": None,
            **settings,
        }
    )
    getattr(transformers, f"{kind}ForCausalLM")(config).save_pretrained(str(directory))
    return directory


@pytest.fixture(scope="session")
def base() -> Path:
    """A tiny base model with a chat template that marks the assistant's turns."""
    return toy_base()


def make_records(count: int, seed: int = 0) -> list[Record]:
    """Conversations of one or two turns and very different lengths: repeat the first words."""
    chance = random.Random(seed)
    records = []
    for index in range(count):
        words = [chance.choice(WORDS) for _ in range(chance.randint(2, 30))]
        messages = [
            Message(role="user", content="repeat " + " ".join(words)),
            Message(role="assistant", content=" ".join(words[:4])),
        ]
        if index % 3 == 0:
            messages += [Message(role="user", content="again"), Message(role="assistant", content=words[0])]
        records.append(
            Record(id=f"r{index}", messages=tuple(messages), categories={"kind": "xy"[index % 2]}, line=index + 1)
        )
    return records


def write_run(
    directory: Path,
    base: Path,
    *,
    train: list[Record] | None = None,
    held_out: list[Record] | None = None,
    settings: dict[str, Any] | None = None,
) -> Path:
    """A run directory as the engine makes it."""
    train = make_records(48) if train is None else train
    held_out = make_records(8, seed=1) if held_out is None else held_out
    (directory / "data").mkdir(parents=True, exist_ok=True)
    for name, records in (("train", train), ("eval", held_out)):
        lines = "".join(record.model_dump_json() + "\n" for record in records)
        (directory / "data" / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    spec = RunSpec(
        run_id="r1",
        name="toy",
        created_at=0.0,
        base=BaseModelRef(id="toy", path=str(base), fingerprint="toy", license="mit"),
        dataset=DatasetRef(
            path="toy.jsonl",
            name="toy",
            format="messages",
            fingerprint="sha256:0",
            records=len(train) + len(held_out),
            usable=len(train) + len(held_out),
            languages=("en",),
        ),
        settings=RunSettings().with_overrides({**FAST, **(settings or {})}),
    )
    (directory / "spec.json").write_text(spec.model_dump_json(), encoding="utf-8")
    return directory


def read_events(run: Path) -> list[dict[str, Any]]:
    """Every whole line of the event log."""
    path = run / "events.jsonl"
    return (
        [json.loads(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
        if path.exists()
        else []
    )


def metric(run: Path, name: str) -> dict[int, float | None]:
    """The last value told for each step."""
    return {e["step"]: e["values"][name] for e in read_events(run) if e["kind"] == "metric" and name in e["values"]}


def numbers(run: Path, name: str) -> dict[int, float]:
    """As `metric`; each of the values is a number."""
    told = metric(run, name)
    known = {step: value for step, value in told.items() if value is not None}
    assert len(known) == len(told), f"{name} is no number in some steps"
    return known


def wait_for(condition: Callable[[], bool], what: str, deadline: float = 120.0) -> None:
    """Wait for a fact; fail when it does not come about."""
    end = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < end, f"waited {deadline:.0f} s in vain for {what}"
        time.sleep(0.01)


def run_here(run: Path) -> int:
    """The whole worker in this process, as its entry point runs it; returns the exit code."""
    from brightrun_tui.domain.run_directory import RunDirectory
    from brightrun_tui.trainer.__main__ import run as run_worker
    from brightrun_tui.trainer.runtime.events import EventLog

    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        files = RunDirectory(run)
        return run_worker(files, EventLog(files.events))
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@pytest.fixture
def start_worker() -> Iterator[Callable[[Path], subprocess.Popen[bytes]]]:
    """Starts workers as processes of their own; none outlives the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(run: Path) -> subprocess.Popen[bytes]:
        with (run / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "brightrun_tui.trainer", str(run)],
                stdout=log,
                stderr=log,
                cwd=run,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
            )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
