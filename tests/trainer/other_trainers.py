"""The same run by other trainers. Importing them takes seconds, so only the test that compares does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import Trainer, TrainerCallback, TrainingArguments

from brightrun_tui.domain.dataset import Record
from brightrun_tui.domain.run import RunSpec
from brightrun_tui.trainer.data.examples import Example, tokenise
from brightrun_tui.trainer.data.plan import make_plan
from brightrun_tui.trainer.data.template import chat_template
from brightrun_tui.trainer.model.adapter import attach_adapter
from brightrun_tui.trainer.model.base_model import load_tokenizer
from brightrun_tui.trainer.model.loading import choose_machine, load_base

from .conftest import make_records


class _Losses(TrainerCallback):  # type: ignore[misc]  # mypy does not read transformers
    def __init__(self) -> None:
        self.values: list[float] = []
        self.norms: list[float] = []

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        if logs and "loss" in logs:
            self.values.append(logs["loss"])
            self.norms.append(logs["grad_norm"])


class _InOrder:
    """For a trainer that is to take the records in the order they are given, in padded batches."""

    train_dataset: Any

    def _get_train_sampler(self, *args: Any) -> torch.utils.data.Sampler[int]:
        return torch.utils.data.SequentialSampler(self.train_dataset)


def reference_run(kind: str, run: Path, base: Path, output: Path) -> _Losses:
    spec = RunSpec.model_validate_json((run / "spec.json").read_bytes())
    settings = spec.settings
    tokenizer = load_tokenizer(str(base), "")
    examples = tokenise(tokenizer, chat_template(tokenizer), make_records(48)).examples
    plan = make_plan(np.array([e.length for e in examples]), settings.training, settings.evaluation, bucketed=False)
    order = [i for step in range(plan.total_steps) for i in plan.window(step)]
    machine = choose_machine(settings.quantisation)
    quantised = load_base(str(base), "", settings.quantisation, machine)
    model = attach_adapter(quantised, settings.lora, machine, settings.training.seed)
    model.get_base_model().set_attn_implementation("sdpa")

    losses = _Losses()
    arguments: dict[str, Any] = {
        "output_dir": str(output),
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 2,
        "num_train_epochs": 1,
        "learning_rate": settings.training.learning_rate,
        "lr_scheduler_type": "constant",
        "logging_steps": 1,
        "save_strategy": "no",
        "optim": "adamw_torch_fused",
        "max_grad_norm": 1.0,
        "report_to": [],
        "use_cpu": True,
        "disable_tqdm": True,
        "gradient_checkpointing": False,
        "bf16": False,
    }
    if kind == "trl":
        trainer = trl_trainer(
            model, tokenizer, [make_records(48)[examples[i].record] for i in order], arguments, losses
        )
    else:
        trainer = plain_trainer(model, [examples[i] for i in order], arguments, losses)
    trainer.train()
    return losses


def trl_trainer(
    model: Any, tokenizer: Any, records: list[Record], arguments: dict[str, Any], losses: _Losses
) -> Trainer:
    """From the conversations on, masks included, it is TRL's own work."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    class InOrder(_InOrder, SFTTrainer):  # type: ignore[misc]  # mypy does not read trl
        pass

    chats = [{"messages": [{"role": m.role, "content": m.content} for m in record.messages]} for record in records]
    trainer = InOrder(
        model=model,
        args=SFTConfig(**arguments, assistant_only_loss=True, max_length=None, packing=False),
        train_dataset=Dataset.from_list(chats),
        processing_class=tokenizer,
        callbacks=[losses],
    )
    for name, parameter in trainer.model.named_parameters():
        if "lora_" in name:  # TRL turns them into bfloat16
            parameter.data = parameter.data.float()
    return trainer


def plain_trainer(model: Any, examples: list[Example], arguments: dict[str, Any], losses: _Losses) -> Trainer:
    class InOrder(_InOrder, Trainer):  # type: ignore[misc]  # mypy does not read transformers
        pass

    def collate(batch: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        width = max(len(row["ids"]) for row in batch)
        padded = {"input_ids": 0, "labels": -100, "attention_mask": 0}
        tensors = {name: torch.full((len(batch), width), value) for name, value in padded.items()}
        for place, row in enumerate(batch):
            length = len(row["ids"])
            tensors["input_ids"][place, :length] = torch.tensor(row["ids"])
            tensors["labels"][place, :length] = torch.tensor(np.where(row["supervised"], row["ids"], -100))
            tensors["attention_mask"][place, :length] = 1
        return tensors

    data = [{"ids": e.ids.tolist(), "supervised": e.supervised.tolist()} for e in examples]
    return InOrder(
        model=model,
        args=TrainingArguments(**arguments, remove_unused_columns=False),
        train_dataset=data,
        data_collator=collate,
        callbacks=[losses],
    )
