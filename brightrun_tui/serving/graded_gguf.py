"""The graded model as a GGUF file: ``python -m brightrun_tui.serving.graded_gguf BASE ADAPTER QUANTISATION ENDPOINT``.

A process of its own, because torch is imported and its memory given back before the model is served. The base is held as it was
held in training (NF4 weights are dequantised to the very numbers that training saw), the adapter is added to it, and the sum
is stored in 16 bits. Beside the file lies what the model in full precision answers, so that whoever loads the file can measure
how far it is from the model that was graded.
"""

from __future__ import annotations

import ctypes
import gc
import hashlib
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock
from pydantic import BaseModel, ConfigDict

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.held_base import HeldBase
from brightrun_tui.domain.run_directory import ADAPTER_CONFIG, ADAPTER_WEIGHTS, REPORT
from brightrun_tui.files import write_atomic
from brightrun_tui.gguf_conversion import GgufKind
from brightrun_tui.importing import without_garbage_collection
from brightrun_tui.serving.attached import check_attached
from brightrun_tui.serving.full_precision import load_held, save_plain
from brightrun_tui.serving.plan import CACHE_LOCK, cached_at
from brightrun_tui.serving.view import TOKENIZER_FILES, generation_settings
from brightrun_tui.serving.worker_files import NOTE

KIND: GgufKind = "f16"
MODEL = "model.gguf"
REFERENCE = "reference.json"
MADE_OF = "made_of"
_ASIDE = ".merged-"
MAX_PROMPTS = 3
ANSWER_TOKENS = 16
_PR_SET_PDEATHSIG = 1


class Reference(BaseModel):
    """What the graded model answers to one prompt, greedily. All are token ids but ``logprobs`` (nats) and ``margins``: how much
    likelier each token was than the next best one (nats).
    """

    model_config = ConfigDict(frozen=True)

    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    margins: tuple[float, ...]


def ready_gguf(base: Path, adapter: Path, held: HeldBase) -> Path | None:
    """Return the version's GGUF where it was made before from the same files."""
    directory = cached_at(adapter)
    try:
        known = (directory / MADE_OF).read_text()
    except OSError:
        return None
    return directory / MODEL if known == _made_of(base, adapter, held) and (directory / MODEL).is_file() else None


def read_references(gguf: Path) -> list[Reference]:
    """Return the references; empty where none were kept."""
    try:
        found = json.loads(gguf.with_name(REFERENCE).read_bytes())
    except (OSError, ValueError):
        return []
    return [Reference.model_validate(each) for each in found]


def main(base: Path, adapter: Path, held: HeldBase, tell: Callable[[str], None] = lambda _: None) -> int:
    """Make it, and ``tell`` what is being done; on failure one line on standard error."""
    from brightrun_tui.gguf_conversion.converter import convert_here

    directory = cached_at(adapter)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(directory / CACHE_LOCK):
            for left in directory.glob(f"{_ASIDE}*"):  # by one that was killed: it is as large as the model
                shutil.rmtree(left, ignore_errors=True)
            if ready_gguf(base, adapter, held) is None:
                (directory / MADE_OF).unlink(missing_ok=True)
                with tempfile.TemporaryDirectory(prefix=_ASIDE, dir=directory) as aside:
                    merged, made = Path(aside) / "merged", Path(aside) / MODEL
                    references = merge(base, adapter, held, merged, tell)
                    gc.collect()  # the model in memory is needed no more, and the converter needs some
                    tell("writing the GGUF for llama.cpp")
                    convert_here(merged, made, KIND, token_ids_only=True)
                    made.replace(directory / MODEL)
                write_atomic(directory / REFERENCE, json.dumps([each.model_dump() for each in references]))
                write_atomic(directory / MADE_OF, _made_of(base, adapter, held))
    except BrightrunError as error:
        print(error.what, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"the GGUF cannot be written: {error.strerror or error}", file=sys.stderr)
        return 1
    except Exception as error:  # transformers and peft stop with whatever they come across
        print(f"{type(error).__name__}: {error}".splitlines()[0][:300], file=sys.stderr)
        return 1
    return 0


def merge(base: Path, adapter: Path, held: HeldBase, target: Path, tell: Callable[[str], None]) -> list[Reference]:
    """Write the graded model to the new directory ``target`` in full precision, and what it answers.

    Raises:
        BrightrunError: it does not fit into memory.
    """
    tell("loading the base model to put the adapter into it")
    with without_garbage_collection():
        from peft import PeftModel
        from transformers import AutoTokenizer

    words = adapter if (adapter / "tokenizer_config.json").is_file() else base
    graded: Any = PeftModel.from_pretrained(load_held(base, held), str(adapter), is_trainable=False)
    check_attached(graded, adapter / ADAPTER_WEIGHTS)
    merged = graded.merge_and_unload(safe_merge=True).eval()
    settings = generation_settings(base, adapter, words)
    tell("asking the graded model, to compare")
    references = _references(
        merged, AutoTokenizer.from_pretrained(words), adapter, set(settings.get("eos_token_id") or [])
    )
    save_plain(merged, base, target, "float32")
    for name in TOKENIZER_FILES:
        if (words / name).is_file():
            shutil.copyfile(words / name, target / name)
    write_atomic(target / "generation_config.json", json.dumps(settings))
    return references


def _references(model: Any, tokenizer: Any, adapter: Path, ends: set[int]) -> list[Reference]:
    found = []
    for prompt, answer in _prompts(adapter):
        text = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, tokenize=False)
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        guess = tokenizer(answer, add_special_tokens=False)["input_ids"][:ANSWER_TOKENS]
        found.append(greedy_answer(model, ids, guess, ends))
    return found


def greedy_answer(model: Any, prompt: list[int], guess: list[int], ends: set[int]) -> Reference:
    """Return the model's greedy answer. As far as ``guess`` is right all its tokens are computed at once; the answer is the
    same.
    """
    import torch

    tokens: list[int] = []
    logprobs: list[float] = []
    margins: list[float] = []

    def take(scores: Any) -> int:
        best = scores.float().log_softmax(-1).topk(2)
        tokens.append(int(best.indices[0]))
        logprobs.append(float(best.values[0]))
        margins.append(float(best.values[0] - best.values[1]))
        return tokens[-1]

    def finished() -> bool:
        return len(tokens) >= ANSWER_TOKENS or bool(tokens and tokens[-1] in ends)

    with torch.inference_mode():
        if guess:
            scores = model(torch.tensor([[*prompt, *guess]]), use_cache=False).logits[0, len(prompt) - 1 :]
            for place, guessed in enumerate([*guess, None]):
                if finished() or take(scores[place]) != guessed:
                    break
        fed, cache = [*prompt, *tokens], None
        while not finished():
            out = model(torch.tensor([fed]), past_key_values=cache, use_cache=True)
            fed, cache = [take(out.logits[0, -1])], getattr(out, "past_key_values", None)
            if cache is None:  # an architecture that keeps nothing
                fed = [*prompt, *tokens]
    return Reference(prompt=tuple(prompt), tokens=tuple(tokens), logprobs=tuple(logprobs), margins=tuple(margins))


def _prompts(adapter: Path) -> list[tuple[list[dict[str, Any]], str]]:
    """Return questions of the report card, which lies in the version's directory or beside it, with the answers that it has."""
    for place in (adapter / REPORT, adapter.parent / REPORT):
        try:
            samples = json.loads(place.read_bytes()).get("samples") or []
            found = [(sample["prompt"], str(sample.get("tuned") or "")) for sample in samples if sample.get("prompt")]
        except (OSError, ValueError, AttributeError, KeyError, TypeError):
            continue
        if found:
            return found[:MAX_PROMPTS]
    return [([{"role": "user", "content": "Hello, how are you?"}], "")]


def _made_of(base: Path, adapter: Path, held: HeldBase) -> str:
    """Return a digest of what the file was made from: the adapter's content, and the base's files by size and time."""
    digest = hashlib.sha256(f"{KIND} {held} {base}\n".encode())
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS, "generation_config.json", *TOKENIZER_FILES):
        if (adapter / name).is_file():
            digest.update(name.encode() + (adapter / name).read_bytes())
    for path in sorted(base.iterdir()):
        if path.is_file():
            facts = path.stat()
            digest.update(f"{path.name} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _end_with_parent() -> None:
    """End this process when its parent, who wanted the file, is gone: Linux sends the signal."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    _end_with_parent()
    sys.exit(
        main(
            Path(sys.argv[1]), Path(sys.argv[2]), HeldBase(sys.argv[3]), partial(write_atomic, Path(sys.argv[4]) / NOTE)
        )
    )
