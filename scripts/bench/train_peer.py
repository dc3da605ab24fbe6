"""One training by a peer of ours, in a process of its own; started by train.py.

    train_peer.py transformers|trl|trl-liger|trl-packed BASE DATA_DIRECTORY BATCH_SIZE LEARNING_RATE RANK [DEVICE]

Reads ``train.jsonl`` and ``eval.jsonl`` in the canonical form. Prints JSON lines: ``loaded`` when the model is in
memory, ``step`` after each optimiser step, ``end`` with the held-out loss (mean over all supervised tokens) and, on a GPU, the
highest memory of its tensors.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

SEED = 42


def say(**fields: Any) -> None:
    print(json.dumps(fields), flush=True)


class Steps(TrainerCallback):  # type: ignore[misc]  # mypy does not read transformers
    def __init__(self, tell: Callable[..., None]) -> None:
        self._tell = tell

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self._tell(event="step", step=state.global_step)


def read(path: Path) -> list[list[dict[str, str]]]:
    lines = path.read_text("utf-8").splitlines()
    return [[{"role": m["role"], "content": m["content"]} for m in json.loads(line)["messages"]] for line in lines]


def encode(tokenizer: Any, chats: list[list[dict[str, str]]]) -> list[dict[str, list[int]]]:
    rows = []
    for chat in chats:
        encoded = tokenizer.apply_chat_template(chat, return_dict=True, return_assistant_tokens_mask=True)
        labels = [
            token if counts else -100
            for token, counts in zip(encoded["input_ids"], encoded["assistant_masks"], strict=True)
        ]
        rows.append({"input_ids": encoded["input_ids"], "labels": labels})
    return rows


def collate(rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
    width = max(len(row["input_ids"]) for row in rows)

    def padded(values: list[list[int]], filler: int) -> torch.Tensor:
        return torch.tensor([value + [filler] * (width - len(value)) for value in values])

    return {
        "input_ids": padded([r["input_ids"] for r in rows], 0),
        "labels": padded([r["labels"] for r in rows], -100),
        "attention_mask": padded([[1] * len(r["input_ids"]) for r in rows], 0),
    }


def held_out_loss(model: Any, rows: list[dict[str, list[int]]]) -> float:
    model.eval()
    device = next(model.parameters()).device
    total, count = 0.0, 0
    with torch.no_grad():
        for start in range(0, len(rows), 4):
            batch = {name: tensor.to(device) for name, tensor in collate(rows[start : start + 4]).items()}
            logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1].float()
            labels = batch["labels"][:, 1:]
            loss = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), labels.flatten(), ignore_index=-100, reduction="sum"
            )
            total, count = total + float(loss), count + int((labels != -100).sum())
    return total / count


def train(
    kind: str,
    base: str,
    data: str,
    batch: str,
    rate: str,
    rank: str,
    device: str = "cpu",
    tell: Callable[..., None] = say,
) -> None:
    """Train, and tell of it as above."""
    on_gpu = device == "cuda"
    numbers = torch.bfloat16 if on_gpu else torch.float32
    tokenizer = AutoTokenizer.from_pretrained(base)
    quantisation = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=numbers
    )
    model = AutoModelForCausalLM.from_pretrained(
        base,
        dtype=numbers,
        quantization_config=quantisation,
        attn_implementation="sdpa",
        **({"device_map": {"": 0}} if on_gpu else {}),
    )
    lora = LoraConfig(r=int(rank), lora_alpha=int(rank), target_modules="all-linear", task_type="CAUSAL_LM")
    tell(event="loaded")
    common = {
        "output_dir": tempfile.mkdtemp(),
        "per_device_train_batch_size": int(batch),
        "num_train_epochs": 1,
        "learning_rate": float(rate),
        "lr_scheduler_type": "constant",
        "logging_steps": 1,
        "save_strategy": "no",
        "optim": "adamw_8bit" if on_gpu else "adamw_torch_fused",
        "max_grad_norm": 1.0,
        "report_to": [],
        "use_cpu": not on_gpu,
        "disable_tqdm": True,
        "gradient_checkpointing": False,
        "seed": SEED,
        "bf16": on_gpu,
    }
    chats = read(Path(data) / "train.jsonl")
    trainer: Any
    if kind.startswith("trl"):
        from datasets import Dataset
        from trl import SFTConfig, SFTTrainer

        packing = kind == "trl-packed"
        trainer = SFTTrainer(
            model=model,
            args=SFTConfig(
                **common,
                assistant_only_loss=True,
                packing=packing,
                use_liger_kernel=kind == "trl-liger",
                max_length=4096 if packing else None,
            ),
            train_dataset=Dataset.from_list([{"messages": chat} for chat in chats]),
            processing_class=tokenizer,
            peft_config=lora,
            callbacks=[Steps(tell)],
        )
        for name, parameter in trainer.model.named_parameters():
            if "lora_" in name and not on_gpu:  # its own choice, bfloat16, is four times slower on a CPU
                parameter.data = parameter.data.float()
    else:
        trainer = Trainer(
            model=get_peft_model(model, lora),
            args=TrainingArguments(**common, remove_unused_columns=False),
            train_dataset=encode(tokenizer, chats),
            data_collator=collate,
            callbacks=[Steps(tell)],
        )
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    trainer.train()
    peak = torch.cuda.max_memory_allocated() if on_gpu else 0
    trainer.model.train()  # bitsandbytes' layers compute in another precision in evaluation mode on some CPUs
    tell(
        event="end",
        peak=peak,
        eval_loss=held_out_loss(trainer.model, encode(tokenizer, read(Path(data) / "eval.jsonl"))),
    )


if __name__ == "__main__":
    kind, base, data, batch, rate, rank, *device = sys.argv[1:]
    train(kind, base, data, batch, rate, rank, device[0] if device else "cpu")
