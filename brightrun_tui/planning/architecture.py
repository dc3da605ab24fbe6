"""The numbers of a base model that memory and time depend on, and what is known about it besides."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from brightrun_tui.domain.chat_template import takes_tools, thinks
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BaseModelError
from brightrun_tui.domain.languages import plain_code
from brightrun_tui.domain.run import BaseModelRef
from brightrun_tui.domain.settings import SettingValue
from brightrun_tui.foreign_files import first_problem

EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
"""What families of models call the number of experts in a block."""

Width = Annotated[int, Field(ge=1, le=1 << 24)]
Count = Annotated[int, Field(ge=1, le=100_000)]


class Architecture(BaseModel):
    """A decoder as its ``config.json`` describes it. Widths in elements: ``query_width`` = heads × head size."""

    model_config = ConfigDict(frozen=True)

    model_type: str = "llama"
    hidden: Width
    layers: Count
    query_width: Width
    kv_width: Width
    intermediate: Width
    vocab: Width
    tied: bool = False
    context: Annotated[int, Field(ge=1, le=1 << 30)] = 2048
    experts: Count = 1
    active_experts: Count = 1
    gated_mlp: bool = True

    @property
    def linear_parameters(self) -> int:
        """Weights of all linear layers inside the blocks."""
        return self.layers * (self._attention + self.experts * self._mlp)

    @property
    def expert_parameters(self) -> int:
        """Those that 4-bit quantisation leaves as they are: the library keeps all experts of a block in one tensor, which
        is not a linear layer to bitsandbytes.
        """
        return self.layers * self.experts * self._mlp if self.experts > 1 else 0

    @property
    def active_linear_parameters(self) -> int:
        """Those that one token passes through."""
        return self.layers * (self._attention + self.active_experts * self._mlp)

    @property
    def embedding_parameters(self) -> int:
        """Input embedding and output layer, once where they share their weights."""
        return self.vocab * self.hidden * (1 if self.tied else 2)

    @property
    def parameters(self) -> int:
        """All weights, the two norms of a block and the last one among them; biases are left out (below 0.1%)."""
        return self.linear_parameters + self.embedding_parameters + (2 * self.layers + 1) * self.hidden

    def lora_parameters(self, rank: int, modules: str = "all-linear") -> int:
        """Return weights of an adapter: ``rank`` × (inputs + outputs) of every adapted layer."""
        h, q, k, i = self.hidden, self.query_width, self.kv_width, self.intermediate
        sizes = {
            "q_proj": h + q,
            "k_proj": h + k,
            "v_proj": h + k,
            "o_proj": q + h,
            "up_proj": self.experts * (h + i),
            "down_proj": self.experts * (i + h),
        }
        if self.gated_mlp:
            sizes["gate_proj"] = self.experts * (h + i)
        names = [name.strip() for name in modules.split(",")]
        chosen = sizes if modules == "all-linear" else {name: size for name, size in sizes.items() if name in names}
        return rank * self.layers * sum((chosen or sizes).values())

    @property
    def _attention(self) -> int:
        return 2 * self.hidden * self.query_width + 2 * self.hidden * self.kv_width

    @property
    def _mlp(self) -> int:
        return (3 if self.gated_mlp else 2) * self.hidden * self.intermediate


NO_TEMPLATE = "This model has no chat template of its own. Choose an “instruct” version for chats."


class Traits(BaseModel):
    """What a model can do; None and empty if it is not known.

    ``tools``: its chat template takes functions that may be called; ``thinks``: it has a place for thoughts before an answer.
    ``languages`` as codes; ``language_count``: of how many its makers speak, where they do not name all of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tools: bool | None = None
    thinks: bool | None = None
    languages: tuple[str, ...] = ()
    language_count: int = 0

    @classmethod
    def of_template(cls, template: str, languages: tuple[str, ...] = ()) -> Traits:
        """Return what a chat template says; an empty one says nothing."""
        if not template:
            return cls(languages=languages)
        return cls(tools=takes_tools(template), thinks=thinks(template), languages=languages)

    def speaks(self, language: str) -> bool | None:
        """Say whether its makers name that language (a code of two letters); None if they name none, or not all."""
        if any(plain_code(code) == language for code in self.languages):
            return True
        whole = (
            self.languages and not self.language_count and all(len(plain_code(code)) == 2 for code in self.languages)
        )
        return False if whole else None

    def or_else(self, other: Traits) -> Traits:
        """Return these traits, with what is unknown filled in from ``other``."""
        spoken = self if self.languages else other
        return Traits(
            tools=other.tools if self.tools is None else self.tools,
            thinks=other.thinks if self.thinks is None else self.thinks,
            languages=spoken.languages,
            language_count=spoken.language_count,
        )


class BaseModelInfo(BaseModel):
    """One base model: what it is, whether it is here, and what the plan must know. Sizes in bytes.

    ``preparing``: what this machine does before the model is here, in words; nothing if it is only downloaded.
    ``fetched``: what comes over the network for that; nothing where it is the weights themselves. ``traits``:
    what it can do, as far as that is known.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    title: str
    architecture: Architecture
    ref: BaseModelRef
    present: bool = False
    preparing: str = ""
    fetched: int = 0
    parameters: int
    weight_bytes: int = 0
    license: str = ""
    gated: bool = False
    has_chat_template: bool | None = None
    traits: Traits = Traits()
    recommended: dict[str, SettingValue] = Field(default_factory=dict)
    warnings: tuple[str, ...] = ()


_NAMES = TypeAdapter(list[str])


def read_architecture(config: dict[str, Any], where: str) -> Architecture:
    """Read a Hugging Face ``config.json``; multimodal models keep their keys under ``text_config``.

    Raises:
        BaseModelError: no text-generating decoder, or numbers are missing or absurd.
    """
    inner = config.get("text_config") or {}
    try:
        kinds = _NAMES.validate_python(config.get("architectures") or [])
    except ValidationError:
        raise _config_error("says no architectures by name", where) from None
    if not isinstance(inner, dict):
        raise _config_error("has no object as “text_config”", where)
    if kinds and not any(
        word in kind for kind in kinds for word in ("CausalLM", "LMHeadModel", "ConditionalGeneration")
    ):
        raise BaseModelError(
            f"this is a {kinds[0][:80]}, which does not generate text",
            where=where,
            fix="choose a model for text generation (its architecture ends in “ForCausalLM”)",
            kind=ErrorKind.BASE_NOT_CAUSAL,
        )
    text = {**config, **inner}
    heads = _number(text, where, "num_attention_heads", "n_head")
    hidden = _number(text, where, "hidden_size", "n_embd", "d_model")
    head_size = _number(text, where, "head_dim", default=hidden // heads)
    intermediate = _number(
        text, where, "intermediate_size", "n_inner", "ffn_dim", "moe_intermediate_size", default=4 * hidden
    )
    experts = _number(text, where, *EXPERTS, default=1)
    if experts > 1:
        intermediate = _number(text, where, "moe_intermediate_size", default=intermediate)
    family = str(text.get("model_type", ""))[:80]
    try:
        return Architecture(
            model_type=family,
            hidden=hidden,
            layers=_number(text, where, "num_hidden_layers", "n_layer"),
            query_width=heads * head_size,
            kv_width=_number(text, where, "num_key_value_heads", default=heads) * head_size,
            intermediate=intermediate,
            vocab=_number(text, where, "vocab_size"),
            tied=bool(text.get("tie_word_embeddings", True)),
            context=_number(text, where, "max_position_embeddings", "n_positions", "n_ctx", default=2048),
            experts=experts,
            active_experts=_number(text, where, "num_experts_per_tok", default=1) if experts > 1 else 1,
            gated_mlp=family not in {"gpt2", "gpt_neox", "opt", "falcon", "phi", "bloom"},
        )
    except ValidationError as error:
        raise _config_error(f"describes no model that could exist ({first_problem(error)})", where) from None


def _number(config: dict[str, Any], where: str, *names: str, default: int | None = None) -> int:
    """Return the first of these that is a number above 0. Families write null, 0 or lists where a number does not apply."""
    for name in names:
        value = config.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    if default is not None:
        return default
    raise _config_error(f"does not say “{names[0]}”", where)


def _config_error(what: str, where: str) -> BaseModelError:
    return BaseModelError(
        f"config.json {what}",
        where=where,
        fix="the download may be incomplete: fetch the model again",
        kind=ErrorKind.BASE_CONFIG,
    )
