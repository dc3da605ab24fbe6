"""Merging an adapter into its base: ``python -m brightrun_tui.serving.merge BASE ADAPTER TARGET``.

A process of its own, because only here torch is imported. The base is loaded as it is stored (16 or 32 bit), not in 4 bits as
for training: the adapter's exact product is added to the exact weights. Before anything gets its final name, the merged
model's logits are compared with those of base and adapter side by side. On failure stdout holds one JSON object.
"""

from __future__ import annotations

import json
import secrets
import shutil
import sys
from pathlib import Path
from typing import Any

from brightrun_tui.adapter_files import check_adapter
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.run_directory import ADAPTER_CONFIG, ADAPTER_FILES, ADAPTER_WEIGHTS, CARD, REPORT
from brightrun_tui.files import give_users_modes, move_into_place, plain_disk_errors, write_atomic
from brightrun_tui.process import users_umask
from brightrun_tui.serving.view import generation_settings

MAX_DEVIATION = {"float32": 0.01, "bfloat16": 0.5, "float16": 0.25}
"""Largest mean difference of merged from unmerged logits, in parts of the mean difference that the adapter makes."""


def main(base: Path, adapter: Path, target: Path) -> int:
    try:
        check_adapter(adapter, str(adapter))
        with plain_disk_errors(target):
            print(json.dumps(merge(base, adapter, target)))
    except BrightrunError as error:
        print(json.dumps({"what": error.what, "where": error.where, "fix": error.fix, "kind": error.kind}))
        return 1
    return 0


def merge(base: Path, adapter: Path, target: Path) -> dict[str, Any]:
    """Write the merged model to ``target``; the facts of the comparison.

    Raises:
        BrightrunError: the merged model does not answer as base and adapter together do.
    """
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    words = adapter if (adapter / "tokenizer_config.json").is_file() else base
    tokenizer = AutoTokenizer.from_pretrained(words)
    ids = torch.tensor([tokenizer(_some_text(adapter))["input_ids"][:256]])
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype="auto")
    dtype = str(model.dtype).removeprefix("torch.")
    with torch.inference_mode():
        plain = model(ids).logits.float()
        tuned = PeftModel.from_pretrained(model, adapter, is_trainable=False).eval()
        wanted = tuned(ids).logits.float()
        merged = tuned.merge_and_unload(safe_merge=True)
        deviation = (merged(ids).logits.float() - wanted).abs().mean().item()
    effect = (wanted - plain).abs().mean().item()
    if not deviation <= MAX_DEVIATION.get(dtype, 0.01) * effect + 1e-5:
        raise BrightrunError(
            f"the merged model answers differently (mean logit difference {deviation:.2g}, adapter's effect "
            f"{effect:.2g})",
            where=str(adapter),
            fix="export the adapter instead",
            kind=ErrorKind.MERGE_DIFFERS,
        )
    facts = {"dtype": dtype, "logit_deviation": deviation, "adapter_effect": effect}
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        merged.save_pretrained(aside)
        for name in sorted((ADAPTER_FILES | {REPORT}) - {ADAPTER_CONFIG, ADAPTER_WEIGHTS, "generation_config.json"}):
            source = adapter / name
            if source.is_file():
                shutil.copyfile(source, aside / name)
        settings = generation_settings(base, adapter, words)
        write_atomic(aside / "generation_config.json", json.dumps(settings, indent=2), mode=0o644)
        write_atomic(aside / CARD, _card(adapter, facts), mode=0o644)
        write_atomic(aside / "merge.json", json.dumps(facts, indent=2), mode=0o644)
        give_users_modes(aside, users_umask())
        move_into_place(aside, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return facts


def _some_text(adapter: Path) -> str:
    """Text like that which the adapter was made for: a question of the report card."""
    report = json.loads((adapter / REPORT).read_bytes())
    samples = report.get("samples") or [{"prompt": [{"content": "Hello, how are you?"}], "tuned": ""}]
    return " ".join([*(str(message.get("content", "")) for message in samples[0]["prompt"]), samples[0]["tuned"]])


def _card(adapter: Path, facts: dict[str, Any]) -> str:
    """The version's card, saying that this is the merged form."""
    card = (adapter / CARD).read_text(encoding="utf-8")
    head, _, rest = card.partition("\n## Use\n")
    head = head.replace("library_name: peft", "library_name: transformers").replace(
        "base_model_relation: adapter", "base_model_relation: merge"
    )
    if not rest:
        return card
    return (
        f"{head}\n## Merged\n\nThe adapter is merged into the base model in {facts['dtype']}. "
        "If it was trained on a 4-bit base, answers can differ in a word from those above.\n"
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])))
