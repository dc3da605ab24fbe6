"""The groups of a run's settings: each field with its default, its bounds and what people read of it.

The ``title`` is the label in the form, the ``description`` the hint, and `simple` puts a field among the main ones instead of
under "advanced".
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from brightrun_tui.domain.held_base import HeldBase, held_base
from brightrun_tui.domain.objective import DEFAULT_OBJECTIVE
from brightrun_tui.domain.slots import GPUS_PATTERN, GpuRequest, chosen

MOST = 1_000_000_000
"""No count of records or steps is larger."""
SEEDS = Field(ge=-(2**31), lt=2**32)


def simple(*stops: float) -> JsonDict:
    """Mark a setting as one of the main ones; a slider moves between its stops, and takes any other value that is
    typed.
    """
    return {"simple": True, "stops": list(stops)}


class SettingsGroup(BaseModel):
    """Base of every group: unknown keys are refused, values are checked on assignment."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


class LoraSettings(SettingsGroup):
    """The adapter."""

    r: Annotated[int, Field(ge=1, le=1024)] = Field(
        16,
        title="Rank (r)",
        description="Size of the adapter. More learns more and needs more data and memory.",
        json_schema_extra=simple(4, 8, 16, 32, 64, 128, 256),
    )
    lora_alpha: Annotated[int, Field(ge=1, le=4096)] = Field(
        16, title="Alpha", description="Scale of the adapter; its effect is alpha / r (alpha / sqrt(r) with rsLoRA)."
    )
    lora_dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, title="Dropout", description="0 is fastest and smallest; 0.05 may help very small datasets."
    )
    target_modules: str = Field(
        "all-linear",
        title="Target modules",
        description="“all-linear” adapts every linear layer (best); or a comma list such as q_proj,v_proj.",
    )
    use_rslora: bool = Field(
        False, title="rsLoRA", description="Scale by alpha / sqrt(r): better at ranks of 32 and more."
    )
    use_dora: bool = Field(
        False, title="DoRA", description="Weight-decomposed LoRA: slightly better, about 26% slower."
    )


class QuantisationSettings(SettingsGroup):
    """How the frozen base model is held in memory."""

    method: Literal["auto", "nf4", "none"] = Field(
        "auto",
        title="Quantisation",
        description="auto: nf4 where that saves memory worth having. nf4: 4-bit QLoRA. none: LoRA in 16 bits, 32 on a CPU.",
    )
    double_quant: bool = Field(
        True,
        title="Double quantisation",
        description="Quantise the quantisation constants too: saves 0.37 bit a weight.",
    )
    compute_dtype: Literal["auto", "bfloat16", "float16", "float32"] = Field(
        "auto",
        title="Compute type",
        description="auto: bfloat16 where the hardware has it, else float16 on GPU, float32 on CPU.",
    )

    @property
    def held(self) -> HeldBase:
        """In what form the base was held."""
        return held_base(self.method, double_quant=self.double_quant)


class DataSettings(SettingsGroup):
    """What becomes of the records before training."""

    eval_fraction: Annotated[float, Field(gt=0, lt=0.9)] = Field(
        0.1,
        title="Held-out share",
        description="Part of the records kept away from training to measure quality.",
        json_schema_extra=simple(0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5),
    )
    eval_max_records: Annotated[int, Field(ge=1, le=MOST)] = Field(
        500, title="Held-out at most", description="Upper limit of held-out records."
    )
    max_length: Annotated[int, Field(ge=0, le=1_048_576)] = Field(
        0, title="Max length (tokens)", description="0: the longest record, up to what the base model can take."
    )
    marks: Literal["keep", "clean"] = Field(
        "keep",
        title="Foreign marks",
        description="clean: end markers and chat formats of other models, and control codes, are taken out of the texts.",
    )
    over_length: Literal["drop", "truncate", "split", "refuse"] = Field(
        "drop",
        title="Longer records",
        description="What to do with records over the max length; split cuts them between turns. Always counted and shown.",
    )
    split_seed: Annotated[int, SEEDS] = Field(13, title="Split seed", description="Which records are held out.")
    correction_repeats: Annotated[int, Field(ge=1, le=100)] = Field(
        1,
        title="Corrections shown",
        description="How often an epoch shows each corrected answer: once among many records it is easily missed.",
    )


class TrainingSettings(SettingsGroup):
    """The optimisation."""

    objective: str = Field(
        DEFAULT_OBJECTIVE,
        title="Objective",
        min_length=1,
        max_length=32,
        description="What is learnt. sft: the answers, token by token. Packages may bring others: brightrun plugins.",
    )
    epochs: Annotated[float, Field(gt=0, le=1000)] = Field(
        2.0,
        title="Epochs",
        description="How often the data is seen. Small datasets want more (100 records: 3–5).",
        json_schema_extra=simple(0.5, 1, 1.5, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 50),
    )
    learning_rate: Annotated[float, Field(gt=0, lt=1)] = Field(
        2e-4,
        title="Learning rate",
        description="Step size. 2e-4 is proven for QLoRA; above 1e-3 most runs diverge.",
        json_schema_extra=simple(1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 3e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2),
    )
    batch_size: Annotated[int, Field(ge=1, le=65536)] = Field(
        16,
        title="Batch size",
        description="Records per optimiser step (micro-batch × accumulation).",
        json_schema_extra=simple(1, 2, 4, 8, 16, 32, 64, 128, 256),
    )
    micro_batch_size: Annotated[int, Field(ge=0, le=4096)] = Field(
        0, title="Micro-batch", description="Records held in memory at once. 0: found automatically."
    )
    max_steps: Annotated[int, Field(ge=0, le=MOST)] = Field(
        0,
        title="Max steps",
        description="So many optimiser steps, whatever the epochs say. 0: as many as the epochs take.",
    )
    lr_scheduler_type: Literal["cosine", "linear", "constant"] = Field(
        "cosine", title="Schedule", description="How the learning rate falls after warm-up."
    )
    warmup_ratio: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.05, title="Warm-up", description="Part of the run in which the learning rate rises from zero."
    )
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, title="Weight decay", description="Pull of the adapter towards zero."
    )
    max_grad_norm: Annotated[float, Field(ge=0, le=1e6)] = Field(
        1.0, title="Gradient clip", description="Longest gradient allowed; 0 switches clipping off."
    )
    optim: Literal["auto", "adamw_torch_fused", "adamw_8bit", "paged_adamw_8bit"] = Field(
        "auto", title="Optimiser", description="auto: fused AdamW on CPU, 8-bit AdamW on GPU, paged if large."
    )
    packing: Literal["auto", "on", "off"] = Field(
        "auto",
        title="Packing",
        description="Put several records in one row, isolated from one another: no padding is paid.",
    )
    gradient_checkpointing: Literal["auto", "on", "off"] = Field(
        "auto",
        title="Gradient checkpointing",
        description="Trade about 25% of the speed for memory. auto: only when needed.",
    )
    neftune_noise_alpha: Annotated[float, Field(ge=0, le=1000)] = Field(
        0.0, title="NEFTune", description="Noise on the embeddings; 5 can help chat style. 0: off."
    )
    loraplus_lr_ratio: Annotated[float, Field(ge=1, le=1000)] = Field(
        1.0,
        title="LoRA+ ratio",
        description="Learning rate of the B matrices over that of A; 16 is the paper's. 1: off.",
    )
    seed: Annotated[int, SEEDS] = Field(42, title="Seed", description="Same seed, same data, same machine: same model.")
    save_steps: Annotated[int, Field(ge=0, le=MOST)] = Field(
        0, title="Checkpoint every", description="Optimiser steps between checkpoints. 0: automatic."
    )
    keep_checkpoints: Annotated[int, Field(ge=1, le=MOST)] = Field(
        2, title="Checkpoints kept", description="Newest ones kept, besides the best, which is never deleted."
    )
    logging_steps: Annotated[int, Field(ge=1, le=MOST)] = Field(
        1, title="Log every", description="Optimiser steps between loss points."
    )


class EvaluationSettings(SettingsGroup):
    """How quality is measured while and after training."""

    eval_steps: Annotated[int, Field(ge=0, le=MOST)] = Field(
        0, title="Evaluate every", description="Optimiser steps between evaluations. 0: automatic, about ten a run."
    )
    early_stopping_patience: Annotated[int, Field(ge=0, le=MOST)] = Field(
        3, title="Early stop after", description="Evaluations without improvement before training ends. 0: never."
    )
    sample_prompts: Annotated[int, Field(ge=0, le=64)] = Field(
        8, title="Sample prompts", description="Held-out prompts answered by base and tuned model, side by side."
    )
    max_new_tokens: Annotated[int, Field(ge=0, le=8192)] = Field(
        0,
        title="Answer length",
        description="Longest sample answer, in tokens. 0: twice what the data's own answer has.",
    )


class MachineSettings(SettingsGroup):
    """Which GPU of a machine that is there anyway: this one, or one of your own over SSH."""

    gpus: Annotated[str, Field(max_length=400, pattern=GPUS_PATTERN)] = Field(
        "",
        title="GPUs",
        description="Only on one of these: numbers as nvidia-smi shows them, such as 0,2, or UUIDs. Empty: any that is free.",
    )
    shared_gpu: bool = Field(
        False, title="Share a GPU", description="Begin also where other people's processes hold memory of the GPU."
    )

    @property
    def gpu_request(self) -> GpuRequest:
        """What the run asks of a machine with GPUs."""
        return GpuRequest(chosen(self.gpus), self.shared_gpu)
