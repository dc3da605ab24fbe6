"""The settings of a run, declared once.

Form fields, ``--set`` options, configuration and help text all derive from these models: the
``title`` is the label, the ``description`` the hint, and `simple` puts a field among the main ones instead of under
"advanced".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, UsageError
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


SettingValue = bool | int | float | str | None
"""As a person types it, or as it is; None: as template and base say."""
Overrides = Mapping[str, SettingValue]
"""Settings by dotted key: ``{"training.epochs": 3}``."""


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


class RunSettings(SettingsGroup):
    """Every setting of a run, in groups."""

    lora: LoraSettings = Field(default_factory=LoraSettings)
    quantisation: QuantisationSettings = Field(default_factory=QuantisationSettings)
    data: DataSettings = Field(default_factory=DataSettings)
    training: TrainingSettings = Field(default_factory=TrainingSettings)
    evaluation: EvaluationSettings = Field(default_factory=EvaluationSettings)
    machine: MachineSettings = Field(default_factory=MachineSettings)

    def with_overrides(self, overrides: Mapping[str, SettingValue | list[str]]) -> RunSettings:
        """Return a copy with dotted keys replaced, e.g. ``{"training.epochs": "3"}``. Strings are converted.

        Raises:
            UsageError: unknown key (with the nearest known one) or a value out of range.
        """
        document = self.model_dump()
        known = {setting.key: setting for setting in iter_settings()}
        for key, raw in overrides.items():
            if key not in known:
                raise UsageError(
                    f"there is no setting “{key}”",
                    where=f"--set {key}",
                    fix=_did_you_mean(key, list(known)),
                    kind=ErrorKind.UNKNOWN_SETTING,
                )
            group, name = key.split(".", 1)
            document[group][name] = known[key].parse(raw)
        return RunSettings.model_validate(document)


class Setting(BaseModel):
    """One field of `RunSettings` as form, command line and help see it."""

    model_config = ConfigDict(arbitrary_types_allowed=True, frozen=True, defer_build=True)

    key: str
    group: str
    name: str
    title: str
    hint: str
    simple: bool
    kind: Literal["int", "float", "bool", "choice", "text"]
    choices: tuple[str, ...] = ()
    stops: tuple[float, ...] = ()
    default: Any = None
    field: FieldInfo

    def parse(self, raw: Any) -> Any:
        """Convert and check a value typed by a person.

        Raises:
            UsageError: names the setting, what was given and what is allowed.
        """
        annotation: Any = self.field.annotation
        for constraint in self.field.metadata:
            annotation = Annotated[annotation, constraint]
        if isinstance(raw, bool):
            raw = str(raw).lower()  # a word, which is not a number
        try:
            return TypeAdapter(annotation).validate_python(raw.strip() if isinstance(raw, str) else raw)
        except ValidationError:
            raise UsageError(
                f"“{raw}” does not fit {self.title}: {self.allowed}",
                where=self.key,
                fix=f"one of: {', '.join(self.choices)}" if self.choices else self.hint,
                kind=ErrorKind.BAD_SETTING,
            ) from None

    @property
    def allowed(self) -> str:
        """Which values fit, in words."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        if self.kind == "bool":
            return "on or off"
        if self.kind == "text":
            return "a word that is not too long"
        said = []
        for name, words in (("ge", "from"), ("gt", "above"), ("le", "at most"), ("lt", "below")):
            bound = next((b for m in self.field.metadata if (b := getattr(m, name, None)) is not None), None)
            if bound is not None:
                said.append(f"{words} {bound:,}" if isinstance(bound, int) else f"{words} {bound:g}")
        return " ".join(["a whole number" if self.kind == "int" else "a number", " and ".join(said)]).strip()


def iter_settings() -> Iterator[Setting]:
    """Yield every setting in declaration order."""
    for group, group_field in RunSettings.model_fields.items():
        model = group_field.annotation
        assert isinstance(model, type) and issubclass(model, SettingsGroup)
        for name, field in model.model_fields.items():
            extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
            choices = tuple(str(c) for c in get_args(field.annotation)) if _is_literal(field.annotation) else ()
            yield Setting(
                key=f"{group}.{name}",
                group=group,
                name=name,
                title=field.title or name,
                hint=field.description or "",
                simple=bool(extra.get("simple")),
                stops=_stops(extra.get("stops")),
                kind=_kind_of(field.annotation, choices),
                choices=choices,
                default=field.default,
                field=field,
            )


@cache
def _titles() -> dict[str, str]:
    return {setting.key: setting.title for setting in iter_settings()}


def setting_title(key: str) -> str:
    """Return what the form calls a setting, ``Epochs`` for ``training.epochs``; a key that is not a setting's stays as
    it is.
    """
    return _titles().get(key, key)


def title_and_key(key: str) -> str:
    """Return ``Epochs (training.epochs)``: the name in the form, and the key to write."""
    return f"{setting_title(key)} ({key})"


def statement_of(error: BrightrunError) -> str:
    """Return `BrightrunError.statement`, with a setting named as in the form."""
    title = _titles().get(error.where)
    if title is None:
        return error.statement
    return error.what if title.casefold() in error.what.casefold() else f"{title_and_key(error.where)}: {error.what}"


def flatten(document: Mapping[str, Any]) -> dict[str, Any]:
    """Turn ``{"training": {"epochs": 3}}`` into ``{"training.epochs": 3}``; what is not in a group is left out."""
    return {
        f"{group}.{name}": value
        for group, values in document.items()
        if isinstance(values, dict)
        for name, value in values.items()
    }


def _stops(listed: Any) -> tuple[float, ...]:
    return tuple(float(stop) for stop in listed) if isinstance(listed, list) else ()


def _is_literal(annotation: Any) -> bool:
    return getattr(annotation, "__origin__", None) is Literal


def _kind_of(annotation: Any, choices: tuple[str, ...]) -> Literal["int", "float", "bool", "choice", "text"]:
    if choices:
        return "choice"
    if annotation is bool:
        return "bool"
    if annotation is int:
        return "int"
    return "float" if annotation is float else "text"


def _did_you_mean(word: str, known: list[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(word, known, n=1, cutoff=0.4)
    return f"did you mean {close[0]}?" if close else f"known settings: {', '.join(known)}"
