"""The process that turns conversations into prompts: ``python -m brightrun_tui.serving.renderer DIRECTORY``.

A chat template is a program that came with the model. Here it may take what time and memory it likes: the kernel ends this
process after `CPU_SECONDS` for one request, and neither the model nor any answer is lost. torch is never imported.

Writes {"loaded"} when it is. Then it reads one JSON object a line, {"messages", "tools"} or {"prompt"}, and writes {"text"}
and then {"tokens"}, their ids, or {"refused"}.
It ends when its standard input does.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from brightrun_tui.importing import without_torch
from brightrun_tui.serving.view import VIEW

CPU_SECONDS = 5.0
EXIT_MEMORY = 3
MEMORY_BYTES = 1 << 30
"""Beyond what it holds after loading."""
MAX_TEXT = 16 << 20
"""Characters of a prompt."""


def main(directory: Path) -> int:
    with without_torch():
        from transformers import AutoTokenizer
        from transformers.utils import logging

    logging.set_verbosity_error()
    tokenizer = AutoTokenizer.from_pretrained(directory / VIEW)
    limit = psutil.Process().memory_info().vms + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    _say({"loaded": True})
    for line in sys.stdin.buffer:
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)  # SIGPROF ends the process, even inside a C function
        try:
            for answer in _answers(tokenizer, json.loads(line)):
                _say(answer)
        except MemoryError:
            return EXIT_MEMORY
        signal.setitimer(signal.ITIMER_PROF, 0)
    return 0


def _say(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def _answers(tokenizer: Any, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the prompt, then its tokens: who reads knows what took too long."""
    if "prompt" in asked:
        text = asked["prompt"]
    else:
        try:
            text = tokenizer.apply_chat_template(
                asked["messages"], tools=asked["tools"], add_generation_prompt=True, tokenize=False
            )
        except MemoryError:
            raise
        except Exception as error:  # a template can fail in any way a program can
            yield {"refused": f"{error}"[:300]}
            return
        if len(text) > MAX_TEXT:
            raise MemoryError
    yield {"text": text}
    yield {"tokens": tokenizer(text, add_special_tokens="prompt" in asked)["input_ids"]}


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
