"""One complete model from a base and an adapter: ``python -m brightrun_tui.serving.merge BASE ADAPTER TARGET HELD FORM``.

A process of its own, because only here torch is imported. The adapter is merged into what it was trained on: where the base was
held in 4 bits (HELD is ``nf4`` or ``nf4-double``), into the dequantised numbers, unless the original base measures clearly better
with it. FORM is ``merged``, a directory for transformers, or ``f16``, ``q8_0`` or ``q4_k_m``, a GGUF file with what Ollama needs.
What was written is read again and measured beside the graded model; the card says the numbers, and an export that lost much is
refused.
On failure stdout holds one JSON object.
"""

from __future__ import annotations

import json
import secrets
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, cast, get_args

import psutil

from brightrun_tui.adapter_files import check_adapter
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.held_base import HeldBase
from brightrun_tui.domain.run_directory import ADAPTER_CONFIG, ADAPTER_FILES, ADAPTER_WEIGHTS, CARD, REPORT
from brightrun_tui.files import give_users_modes, move_into_place, plain_disk_errors, write_atomic
from brightrun_tui.gguf_conversion import GgufKind, convert_to_gguf
from brightrun_tui.importing import without_garbage_collection
from brightrun_tui.process import users_umask
from brightrun_tui.serving.export_card import export_card
from brightrun_tui.serving.export_measure import Case, Measure, compare, measure, noise, read_cases, read_gain, too_far
from brightrun_tui.serving.fidelity import FACTS
from brightrun_tui.serving.full_precision import load_held, save_plain
from brightrun_tui.serving.ollama import modelfile, renderer, token_choice
from brightrun_tui.serving.view import generation_settings

MERGED = "merged"
SHARE = 0.6
"""Of the free memory that the weights may take in 32 bits; else they are computed with as they are stored."""


def main(base: Path, adapter: Path, target: Path, held: HeldBase, form: str) -> int:
    try:
        check_adapter(adapter, str(adapter))
        with plain_disk_errors(target):
            print(json.dumps(merge(base, adapter, target, held, form)))
    except BrightrunError as error:
        print(json.dumps({"what": error.what, "where": error.where, "fix": error.fix, "kind": error.kind}))
        return 1
    return 0


def merge(base: Path, adapter: Path, target: Path, held: HeldBase, form: str) -> dict[str, Any]:
    """Write the export to ``target``; returns the facts of the comparison.

    Raises:
        BrightrunError: what was written is not the graded model any more; there is not enough memory; llama.cpp does not know
            such a model.
    """
    with without_garbage_collection():
        from transformers import AutoTokenizer

    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=target.parent):
        pass  # where nothing can be written that is said before minutes of work
    words = adapter if (adapter / "tokenizer_config.json").is_file() else base
    tokenizer = AutoTokenizer.from_pretrained(words)
    settings = generation_settings(base, adapter, words)
    ends = list(settings.get("eos_token_id") or [])
    cases = read_cases(adapter, tokenizer, ends[0] if ends else None)
    model, facts = _tuned(base, adapter, held, cases)
    graded = measure(model, tokenizer, cases, ends)
    into = (
        "the base model as it was trained on, dequantised from 4 bits"
        if held is not HeldBase.WHOLE
        else "the base model"
    )
    reference = graded
    if held is not HeldBase.WHOLE:
        other, other_facts = _tuned(base, adapter, HeldBase.WHOLE, cases)
        measured = measure(other, tokenizer, cases, ends)
        if measured.loss < graded.loss - noise(graded, measured):
            model, facts = other, other_facts
            into = "the original base model, with which it measures better than with the 4-bit form it was trained on"
    stored = _stored_dtype(base)
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        if form == MERGED:
            save_plain(model, base, aside, stored)
        else:
            aside.mkdir()
        for name in sorted((ADAPTER_FILES | {REPORT}) - {ADAPTER_CONFIG, ADAPTER_WEIGHTS, "generation_config.json"}):
            if (adapter / name).is_file() and (form == MERGED or name == REPORT):
                shutil.copyfile(adapter / name, aside / name)
        if form == MERGED:
            write_atomic(aside / "generation_config.json", json.dumps(settings, indent=2), mode=0o644)
            weights = ""
        else:
            weights = f"model-{form}.gguf"
            _write_gguf(model, base, aside / weights, words, settings, form)
            stops = [str(tokenizer.decode([end])) for end in ends]
            begin = str(tokenizer.bos_token or "") if getattr(tokenizer, "add_bos_token", False) else ""
            text = modelfile(weights, renderer(tokenizer), stops, begin, token_choice(settings))
            write_atomic(aside / "Modelfile", text, mode=0o644)
        del model
        found = compare(reference, _measured(aside, weights, tokenizer, cases, ends), into, cases)
        if too_far(found, read_gain(adapter)):
            raise BrightrunError(
                f"the export is not the graded model any more. {found.words}",
                where=str(adapter),
                fix="export the adapter, or another form",
                kind=ErrorKind.MERGE_DIFFERS,
            )
        facts |= {"dtype": stored if form == MERGED else form, **found.model_dump()}
        own = (adapter / CARD).read_text(encoding="utf-8")
        card = export_card(own, form, str(facts["dtype"]), found, weights, token_choice(settings))
        write_atomic(aside / CARD, card, mode=0o644)
        write_atomic(aside / FACTS, json.dumps(facts, indent=2), mode=0o644)
        give_users_modes(aside, users_umask())
        move_into_place(aside, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return facts


def _tuned(base: Path, adapter: Path, held: HeldBase, cases: list[Case]) -> tuple[Any, dict[str, Any]]:
    """Return base with the adapter merged into it, and how far the merging moved its logits beside what the adapter does."""
    import torch
    from peft import PeftModel

    bytes_in_16_bits = sum(path.stat().st_size for path in base.glob("*.safetensors"))
    wide = 2 * bytes_in_16_bits < SHARE * psutil.virtual_memory().available
    model = load_held(base, held, dtype="float32" if wide else "auto")
    ids = torch.tensor([[*cases[0].prompt, *cases[0].wanted][:256]]) if cases else torch.tensor([[0]])
    with torch.inference_mode():
        plain = model(ids).logits.float()
        tuned: Any = PeftModel.from_pretrained(model, str(adapter), is_trainable=False).eval()
        wanted = tuned(ids).logits.float()
    merged = tuned.merge_and_unload(safe_merge=True).eval()
    with torch.inference_mode():
        deviation = (merged(ids).logits.float() - wanted).abs().mean().item()
    return merged, {"logit_deviation": deviation, "adapter_effect": (wanted - plain).abs().mean().item()}


def _stored_dtype(base: Path) -> str:
    """Return the type of numbers that the base model is stored in."""
    from transformers import AutoConfig

    return str(AutoConfig.from_pretrained(base).get_text_config().dtype or "float32").removeprefix("torch.")


def _write_gguf(model: Any, base: Path, target: Path, words: Path, settings: dict[str, Any], form: str) -> None:
    with tempfile.TemporaryDirectory(prefix=".merged-", dir=target.parent) as whole:
        save_plain(model, base, Path(whole), "float32")
        for name in ADAPTER_FILES - {ADAPTER_CONFIG, ADAPTER_WEIGHTS}:
            if (words / name).is_file():
                shutil.copyfile(words / name, Path(whole) / name)
        write_atomic(Path(whole) / "generation_config.json", json.dumps(settings))
        try:
            convert_to_gguf(Path(whole), target, cast(GgufKind, form))
        except BrightrunError as error:
            raise BrightrunError(
                error.what, where=str(base), fix="export it as merged or adapter", kind=error.kind
            ) from None


def _measured(directory: Path, weights: str, tokenizer: Any, cases: list[Case], ends: list[int]) -> Measure | None:
    """Return what was written, read again; None where transformers cannot read a GGUF of this kind."""
    import torch
    from transformers import AutoModelForCausalLM

    if not weights:
        return measure(AutoModelForCausalLM.from_pretrained(directory, dtype="auto"), tokenizer, cases, ends)
    try:
        model = AutoModelForCausalLM.from_pretrained(directory, gguf_file=weights, dtype=torch.float32)
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        NotImplementedError,
        RuntimeError,
        ImportError,
    ):
        return None
    return measure(model, tokenizer, cases, ends)


if __name__ == "__main__":
    if sys.argv[5] != MERGED and sys.argv[5] not in get_args(GgufKind):
        sys.exit(f"“{sys.argv[5]}” is not a form")
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), HeldBase(sys.argv[4]), sys.argv[5]))
