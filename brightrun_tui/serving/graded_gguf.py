"""The graded model as a GGUF file: ``python -m brightrun_tui.serving.graded_gguf BASE ADAPTER QUANTISATION ENDPOINT``.

A process of its own, because torch is imported and its memory given back before the model is served. The base is held as it was
held in training (NF4 weights are dequantised to the very numbers that training saw), the adapter is added to it, and the sum
is stored in 16 bits. Beside the file lies what the model in full precision answers, so that whoever loads the file can measure
how far it is from the model that was graded.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from filelock import FileLock
from pydantic import BaseModel, ConfigDict

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.run_directory import ADAPTER_CONFIG, ADAPTER_WEIGHTS, REPORT
from brightrun_tui.files import write_atomic
from brightrun_tui.gguf_conversion import GgufKind, convert_to_gguf
from brightrun_tui.serving.attached import check_attached
from brightrun_tui.serving.full_precision import load_held, save_plain
from brightrun_tui.serving.plan import cached_at
from brightrun_tui.serving.view import TOKENIZER_FILES, generation_settings

KIND: GgufKind = "f16"
MODEL = "model.gguf"
REFERENCE = "reference.json"
MADE_OF = "made_of"
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


def ready_gguf(base: Path, adapter: Path, quantisation: str) -> Path | None:
    """The version's GGUF where it was made before from the same files."""
    directory = cached_at(adapter)
    try:
        known = (directory / MADE_OF).read_text()
    except OSError:
        return None
    return (
        directory / MODEL if known == _made_of(base, adapter, quantisation) and (directory / MODEL).is_file() else None
    )


def read_references(gguf: Path) -> list[Reference]:
    """Empty where none were kept."""
    try:
        found = json.loads(gguf.with_name(REFERENCE).read_bytes())
    except (OSError, ValueError):
        return []
    return [Reference.model_validate(each) for each in found]


def main(base: Path, adapter: Path, quantisation: str) -> int:
    """Make it; on failure one line on standard error."""
    directory = cached_at(adapter)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(directory / "lock"):
            if ready_gguf(base, adapter, quantisation) is None:
                (directory / MADE_OF).unlink(missing_ok=True)
                with tempfile.TemporaryDirectory(prefix=".merged-", dir=directory) as merged:
                    references = merge(base, adapter, quantisation, Path(merged))
                    convert_to_gguf(Path(merged), directory / MODEL, KIND, token_ids_only=True)
                write_atomic(directory / REFERENCE, json.dumps([each.model_dump() for each in references]))
                write_atomic(directory / MADE_OF, _made_of(base, adapter, quantisation))
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


def merge(base: Path, adapter: Path, quantisation: str, target: Path) -> list[Reference]:
    """Write the graded model to ``target`` in full precision, and what it answers.

    Raises:
        BrightrunError: it does not fit into memory.
    """
    from peft import PeftModel
    from transformers import AutoTokenizer

    words = adapter if (adapter / "tokenizer_config.json").is_file() else base
    held: Any = PeftModel.from_pretrained(load_held(base, quantisation), str(adapter), is_trainable=False)
    check_attached(held, adapter / ADAPTER_WEIGHTS)
    merged = held.merge_and_unload(safe_merge=True).eval()
    settings = generation_settings(base, adapter, words)
    references = _references(merged, AutoTokenizer.from_pretrained(words), adapter, settings)
    save_plain(merged, base, target, "float32")
    for name in TOKENIZER_FILES:
        if (words / name).is_file():
            shutil.copyfile(words / name, target / name)
    write_atomic(target / "generation_config.json", json.dumps(settings))
    return references


def _references(model: Any, tokenizer: Any, adapter: Path, settings: dict[str, Any]) -> list[Reference]:
    import torch

    ends = set(settings.get("eos_token_id") or [])
    found = []
    for prompt in _prompts(adapter):
        text = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, tokenize=False)
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        tokens: list[int] = []
        logprobs: list[float] = []
        margins: list[float] = []
        with torch.inference_mode():
            while len(tokens) < ANSWER_TOKENS and not (tokens and tokens[-1] in ends):
                scores = model(torch.tensor([[*ids, *tokens]])).logits[0, -1].float().log_softmax(-1)
                best = scores.topk(2)
                tokens.append(int(best.indices[0]))
                logprobs.append(float(best.values[0]))
                margins.append(float(best.values[0] - best.values[1]))
        found.append(
            Reference(prompt=tuple(ids), tokens=tuple(tokens), logprobs=tuple(logprobs), margins=tuple(margins))
        )
    return found


def _prompts(adapter: Path) -> list[list[dict[str, Any]]]:
    """Questions of the report card, which lies in the version's directory or beside it."""
    for place in (adapter / REPORT, adapter.parent / REPORT):
        try:
            samples = json.loads(place.read_bytes()).get("samples") or []
            found = [sample["prompt"] for sample in samples if sample.get("prompt")]
        except (OSError, ValueError, AttributeError, KeyError, TypeError):
            continue
        if found:
            return found[:MAX_PROMPTS]
    return [[{"role": "user", "content": "Hello, how are you?"}]]


def _made_of(base: Path, adapter: Path, quantisation: str) -> str:
    """Names what the file was made from: the adapter's content, and the base's files by size and time."""
    digest = hashlib.sha256(f"{KIND} {quantisation} {base}\n".encode())
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS, "generation_config.json", *TOKENIZER_FILES):
        if (adapter / name).is_file():
            digest.update(name.encode() + (adapter / name).read_bytes())
    for path in sorted(base.iterdir()):
        if path.is_file():
            facts = path.stat()
            digest.update(f"{path.name} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _end_with_parent() -> None:
    """Whoever wanted the file is gone, and so is this process: Linux sends the signal."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    _end_with_parent()
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
