"""How fast this machine is with one base model: a step, a look at records and some tokens of answers, all of it real.

``python -m brightrun_tui.trainer.probe BASE_DIRECTORY METHOD`` prints one JSON object: ``training`` and ``measuring``, the
seconds for each of `PROBE_LENGTHS`, ``answering`` in seconds, of the work that `brightrun_tui.domain.sizing` names, and
``others``: how many processors other programs kept busy meanwhile. ``METHOD``: nf4 or none.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import TypeVar

from brightrun_tui.domain.sizing import PROBE_LENGTHS, PROBE_ROWS, PROBE_TOKENS
from brightrun_tui.importing import without_garbage_collection
from brightrun_tui.trainer.__main__ import quieten_libraries, set_environment, share_one_heap

T = TypeVar("T")
LEAST_SECONDS = 1.0
"""What is measured is measured for so long, or once."""


def measure(base: str, method: str) -> dict[str, float | list[float]]:
    """Measure the work. Raises whatever loading the model raises: nothing is printed then."""
    with without_garbage_collection():
        quieten_libraries()
        import numpy as np
        import psutil
        import torch
        from transformers import GenerationConfig

        from brightrun_tui.domain.settings import RunSettings
        from brightrun_tui.trainer.compute.forward import Forward
        from brightrun_tui.trainer.compute.row_parallel import RowParallel
        from brightrun_tui.trainer.data.examples import Example
        from brightrun_tui.trainer.model.adapter import attach_adapter, trainable
        from brightrun_tui.trainer.model.loading import choose_machine, load_base
        from brightrun_tui.trainer.model.lora import fuse_adapters

    def wait() -> float:
        if machine.device.type == "cuda":
            torch.cuda.synchronize(machine.device)
        return time.monotonic()

    def busy() -> float:
        """Return seconds that processors worked, for all programs and not for this one."""
        told = psutil.cpu_times()
        return float(told.user + told.system + getattr(told, "nice", 0.0)) - time.process_time()

    torch.set_flush_denormal(True)
    settings = RunSettings().with_overrides({"quantisation.method": method})
    machine = choose_machine(settings.quantisation)
    model = attach_adapter(load_base(base, "", settings.quantisation, machine), settings.lora, machine, 1)
    fuse_adapters(model)
    forward = Forward(model, machine)
    chance = np.random.default_rng(1)
    words = int(model.config.get_text_config().vocab_size)

    def make_rows(length: int) -> list[list[Example]]:
        supervised = np.arange(length) >= length // 2
        return [
            [Example(ids=chance.integers(0, words, length), supervised=supervised, record=i)] for i in range(PROBE_ROWS)
        ]

    rows_of = [make_rows(length) for length in PROBE_LENGTHS]
    forward.select_implementation([row[0] for row in rows_of[0]], packing="auto", longest=max(PROBE_LENGTHS))
    row_parallel = RowParallel()
    row_parallel.allowed = PROBE_ROWS if machine.device.type == "cpu" and method == "none" else 1

    def train(rows: list[list[Example]]) -> float:
        """Return the seconds of a step."""
        forward.set_training(True)
        begins = wait()
        row_parallel.add_gradients(
            list(trainable(model).values()), lambda row: forward.loss_sum(forward.batch(row)), rows
        )
        return wait() - begins

    def score(rows: list[list[Example]]) -> float:
        """Return the seconds it takes to measure the rows."""
        forward.set_training(False)
        begins = wait()
        list(row_parallel.map(lambda row: forward.scores(forward.batch(row)), rows))
        return wait() - begins

    loaded, busy_before = wait(), busy()
    train(rows_of[0])  # the first step also waits for memory that the process never had before
    training = [_mean(train, rows) for rows in rows_of]
    measuring = [_mean(score, rows) for rows in rows_of]
    ids = torch.ones((1, 8), dtype=torch.long, device=machine.device)

    def write(tokens: int) -> None:
        config = GenerationConfig(
            do_sample=False, max_new_tokens=tokens, min_new_tokens=tokens, pad_token_id=0, eos_token_id=None
        )
        with torch.no_grad():
            model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=config)

    write(2)  # the first answer of a process takes longer
    begins_answer = wait()
    write(PROBE_TOKENS)
    answered, busy_after = wait(), busy()
    return {
        "training": training,
        "measuring": measuring,
        "answering": answered - begins_answer,
        "others": max(0.0, busy_after - busy_before) / (answered - loaded),
    }


def _mean(work: Callable[[T], float], rows: T) -> float:
    """Return the mean seconds of the work on the rows, done as often as fills a second, and at least once."""
    took = [work(rows)]
    while sum(took) < LEAST_SECONDS:
        took.append(work(rows))
    return sum(took) / len(took)


def main(arguments: list[str]) -> int:
    """Return the exit code."""
    if len(arguments) != 2 or not os.path.isdir(arguments[0]) or arguments[1] not in ("nf4", "none"):
        print("usage: python -m brightrun_tui.trainer.probe BASE_DIRECTORY nf4|none", file=sys.stderr)
        return 2
    share_one_heap()
    set_environment(hub=False)
    print(json.dumps(measure(*arguments)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
