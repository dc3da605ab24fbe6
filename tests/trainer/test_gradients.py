"""The gradients are right, on a real NF4 QLoRA model. Losses would hide most of these errors."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import AttentionInterface

from brightrun_tui.domain.setting_groups import LoraSettings, QuantisationSettings
from brightrun_tui.trainer.compute.forward import TOLERANCE, Forward, same_losses
from brightrun_tui.trainer.compute.loss import summed_loss
from brightrun_tui.trainer.compute.row_parallel import RowParallel
from brightrun_tui.trainer.data.batches import Batch, packed_batch, padded_batch
from brightrun_tui.trainer.data.examples import Example, tokenise
from brightrun_tui.trainer.data.plan import split_window
from brightrun_tui.trainer.data.template import chat_template
from brightrun_tui.trainer.evaluation.evaluate import evaluate
from brightrun_tui.trainer.loop.gradients import accumulate
from brightrun_tui.trainer.model import attention
from brightrun_tui.trainer.model.adapter import attach_adapter, trainable
from brightrun_tui.trainer.model.attention import PER_DOCUMENT, one_call_attention, per_document_attention
from brightrun_tui.trainer.model.base_model import load_tokenizer
from brightrun_tui.trainer.model.loading import choose_machine, load_base
from brightrun_tui.trainer.model.lora import fuse_adapters
from brightrun_tui.trainer.runtime.failures import TrainingError

from .conftest import build_base, make_records

SAME = 2e-5
"""Relative difference that float32 rounding may cause; the known errors are a thousand times larger."""
WRONG = 1e-2


@pytest.fixture(scope="module")
def forward(base: Path) -> Forward:
    """A QLoRA model whose B matrices are not zero, so that every part has a gradient."""
    settings = QuantisationSettings()
    machine = choose_machine(settings)
    model = attach_adapter(load_base(str(base), "", settings, machine), LoraSettings(r=4), machine, seed=1)
    torch.manual_seed(2)
    for name, parameter in trainable(model).items():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    model.get_base_model().set_attn_implementation(PER_DOCUMENT)
    made = Forward(model, machine)
    made.set_training(True)
    return made


@pytest.fixture(scope="module")
def examples(base: Path) -> list[Example]:
    tokenizer = load_tokenizer(str(base), "")
    return tokenise(tokenizer, chat_template(tokenizer), make_records(12)).examples


def fresh(directory: Path) -> tuple[Forward, list[Example]]:
    """A QLoRA model of another base, measuring nothing yet, and records in its tokens."""
    machine = choose_machine(QuantisationSettings())
    model = attach_adapter(
        load_base(str(directory), "", QuantisationSettings(), machine), LoraSettings(r=4), machine, seed=1
    )
    made = Forward(model, machine)
    made.set_training(False)
    tokenizer = load_tokenizer(str(directory), "")
    return made, tokenise(tokenizer, chat_template(tokenizer), make_records(12)).examples


def gradients(forward: Forward, loss: torch.Tensor) -> torch.Tensor:
    """All gradients of the adapter in one vector."""
    forward.model.zero_grad(set_to_none=True)
    loss.backward()
    vector = torch.cat([p.grad.flatten() for p in trainable(forward.model).values()])
    forward.model.zero_grad(set_to_none=True)
    return vector


def plain(forward: Forward, examples: Sequence[Example]) -> torch.Tensor:
    """The reference: each record alone, eager attention, all logits, transformers' own arithmetic; the mean loss."""
    lm = forward.model.get_base_model()
    chosen = lm.config._attn_implementation
    lm.set_attn_implementation("eager")
    total: Any = 0.0
    for example in examples:
        ids = torch.from_numpy(example.ids)[None]
        labels = torch.from_numpy(np.where(example.supervised, example.ids, -100))
        logits = forward.model(input_ids=ids).logits[0]
        total = total + cross_entropy(logits[:-1], labels[1:], reduction="sum", ignore_index=-100)
    lm.set_attn_implementation(chosen)
    return total / sum(e.targets for e in examples)


def difference(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).norm() / other.norm())


@pytest.mark.parametrize("trimmed", [False, True])
@pytest.mark.parametrize(
    ("implementation", "packed"),
    [(PER_DOCUMENT, True), ("sdpa", True), ("eager", True), ("sdpa", False), ("eager", False)],
)
def test_a_batch_trains_like_its_records_one_by_one(
    forward: Forward, examples: list[Example], implementation: str, packed: bool, trimmed: bool
) -> None:
    """Packing, padding, a last layer computed in part: a matter of speed only, every adapter weight gets its gradient."""
    expected = gradients(forward, plain(forward, examples))
    forward.model.get_base_model().set_attn_implementation(implementation)
    forward.packed, forward.trimmed = packed, trimmed
    batch = forward.batch(examples)
    if packed and implementation != PER_DOCUMENT:
        batch = replace(batch, model_inputs={"position_ids": batch.model_inputs["position_ids"]})
    loss = forward.loss_sum(batch) / batch.supervised
    found = gradients(forward, loss)
    forward.packed, forward.trimmed = True, False
    forward.model.get_base_model().set_attn_implementation(PER_DOCUMENT)
    assert difference(found, expected) < SAME


def test_the_fastest_way_is_taken_because_it_was_measured_to_be_right(
    forward: Forward, examples: list[Example]
) -> None:
    """For a common model that is packing, with the last layer trimmed; a model that leaks is not packed."""
    forward.set_training(False)
    assert forward.select_implementation(examples, packing="auto", longest=512) == ""
    assert forward.packed and forward.trimmed and not forward.own_logits
    layer = forward.model.get_base_model().model.layers[0]
    leak = layer.register_forward_hook(
        lambda module, inputs, output: output + output.cumsum(dim=1)
    )  # as a recurrence does
    assert "cannot be packed" in forward.select_implementation(examples, packing="auto", longest=512)
    assert not forward.packed and not forward.one_record_a_batch
    leak.remove()
    as_before(forward)


def as_before(forward: Forward) -> None:
    forward.packed, forward.trimmed, forward.one_record_a_batch = True, False, False
    forward.model.get_base_model().set_attn_implementation(PER_DOCUMENT)
    forward.set_training(True)


def test_a_leak_too_small_for_losses_is_noticed(
    forward: Forward, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a short convolution's: 16-bit losses do not show it, the gradients would be wrong all the same."""
    monkeypatch.setitem(TOLERANCE, torch.float32, 0.05)
    forward.set_training(False)
    layer = forward.model.get_base_model().model.layers[0]
    leak = layer.register_forward_hook(lambda module, inputs, output: output + 1e-4 * output.roll(1, dims=1))
    assert "cannot be packed" in forward.select_implementation(examples, packing="auto", longest=512)
    leak.remove()
    as_before(forward)


def test_an_attention_with_a_wrong_backward_is_not_taken(
    forward: Forward, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its losses are right."""

    def one_sided(module: Any, query: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        return per_document_attention(module, query, key, value.detach(), *args, **kwargs)

    monkeypatch.setitem(AttentionInterface._global_mapping, PER_DOCUMENT, one_sided)
    forward.set_training(False)
    assert "cannot be packed" in forward.select_implementation(examples, packing="auto", longest=512)
    as_before(forward)


@pytest.mark.parametrize(
    "kind",
    [
        {"rope_type": "dynamic", "factor": 2.0},
        {"rope_type": "longrope", "factor": 8.0, "short_factor": [1.0] * 8, "long_factor": [4.0] * 8},
    ],
    ids=lambda k: k["rope_type"],
)
def test_a_long_record_does_not_change_how_others_are_read(tmp_path: Path, kind: dict[str, Any]) -> None:
    """Where the position embeddings of a row follow its longest record, each is computed alone; else they share rows."""
    directory = build_base(
        tmp_path,
        rope_parameters={**kind, "rope_theta": 10_000.0, "original_max_position_embeddings": 64},
        max_position_embeddings=64,
    )
    forward, records = fresh(directory)
    long, short = max(records, key=lambda e: e.length), [e for e in records if e.length < 64]
    assert long.length > 64 and short
    assert (
        forward.select_implementation(short, packing="auto", longest=63) == ""
        and forward.packed
        and not forward.one_record_a_batch
    )
    assert "each is computed alone" in forward.select_implementation(records, packing="auto", longest=long.length)
    together = evaluate(forward, [long, *short], 10_000, lambda: None, RowParallel())
    apart = [evaluate(forward, [e], 10_000, lambda: None, RowParallel()).losses[0] for e in (*short, long)]
    assert together.losses == pytest.approx([apart[-1], *apart[:-1]], rel=1e-5)
    with pytest.raises(TrainingError, match="change how this base model reads"):
        forward.select_implementation(records, packing="on", longest=long.length)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("Gemma2", {"head_dim": 16, "final_logit_softcapping": 2.0, "attn_logit_softcapping": None}),
        ("Granite", {"logits_scaling": 8.0}),
        ("Cohere", {"logit_scale": 0.25}),
    ],
)
def test_scaled_and_capped_logits_are_computed_in_chunks_too(
    tmp_path: Path, kind: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table of all logits is never held for families that scale or cap them, and their gradients are right."""
    monkeypatch.setattr("brightrun_tui.trainer.compute.loss.CHUNK_LOGITS", 40 * 400)
    directory = build_base(tmp_path, kind=kind, **settings)
    made, records = fresh(directory)
    made.select_implementation(records, packing="auto", longest=512)
    assert made.trimmed and not made.own_logits
    made.set_training(True)
    found = gradients(made, made.loss_sum(made.batch(records)) / sum(e.targets for e in records))
    assert difference(found, gradients(made, plain(made, records))) < SAME


@pytest.mark.parametrize("window", [None, 5])
def test_heads_that_share_a_key_are_computed_alike_where_torch_has_no_way_for_it(
    forward: Forward, monkeypatch: pytest.MonkeyPatch, window: int | None
) -> None:
    query, key, value = torch.randn(1, 4, 20, 8), torch.randn(1, 2, 20, 8), torch.randn(1, 2, 20, 8)
    found = []
    for shares in (True, False):
        monkeypatch.setattr(attention, "_shares_heads", lambda *args, shares=shares: shares)
        found.append(
            per_document_attention(
                torch.nn.Identity(), query, key, value, None, document_lengths=(12, 8), sliding_window=window
            )[0]
        )
    assert torch.allclose(*found, atol=1e-6)


def all_ones_mask(batch: Batch) -> Batch:
    inputs = {"position_ids": batch.model_inputs["position_ids"], "attention_mask": torch.ones_like(batch.input_ids)}
    return replace(batch, model_inputs=inputs)


def positions_run_on(batch: Batch) -> Batch:
    return replace(batch, model_inputs={"position_ids": torch.arange(batch.input_ids.shape[1])[None]})


def boundary_is_trained(batch: Batch) -> Batch:
    starts = np.cumsum([0, *batch.model_inputs["document_lengths"]])[1:-1]
    places = torch.from_numpy(starts)
    return replace(
        batch,
        predictors=torch.cat([batch.predictors, places - 1]),
        targets=torch.cat([batch.targets, batch.input_ids[0, places]]),
        owners=np.concatenate([batch.owners, np.arange(1, len(starts) + 1)]),
    )


@pytest.mark.parametrize("mistake", [all_ones_mask, positions_run_on, boundary_is_trained])
def test_the_known_mistakes_of_packing_would_be_noticed(
    forward: Forward, examples: list[Example], mistake: Any
) -> None:
    """An all-ones mask, positions that run on, a trained boundary: each changes gradients by far more than rounding."""
    expected = gradients(forward, plain(forward, examples))
    wrong = mistake(packed_batch(examples, torch.device("cpu")))
    forward.model.get_base_model().set_attn_implementation("sdpa")
    found = gradients(forward, forward.loss_sum(wrong) / wrong.supervised)
    forward.model.get_base_model().set_attn_implementation(PER_DOCUMENT)
    assert difference(found, expected) > WRONG


@pytest.mark.parametrize("records", [12, 7])
@pytest.mark.parametrize("packed", [True, False])
def test_micro_batches_add_up_to_the_whole_step(
    forward: Forward, examples: list[Example], records: int, packed: bool
) -> None:
    """One record at a time, or all at once, or anything between: the same step, also for a smaller last one."""
    window = list(range(records))
    lengths = np.array([e.length for e in examples])
    supervised = sum(examples[i].targets for i in window)
    expected = gradients(forward, plain(forward, [examples[i] for i in window]))
    forward.packed = packed
    for max_tokens, max_records in ((1, 1), (100, 12), (10_000, 3), (10_000, 12)):
        rows = split_window(window, lengths, max_tokens=max_tokens, max_records=max_records, packed=packed)
        total = sum(
            gradients(forward, forward.loss_sum(forward.batch([examples[i] for i in row])) / supervised) for row in rows
        )
        assert difference(total, expected) < SAME
    forward.packed = True


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("recomputed", [False, True])
def test_rows_side_by_side_give_the_same_bits(
    forward: Forward, examples: list[Example], two_threads: None, recomputed: bool
) -> None:
    """How many rows are computed at a time is a matter of speed only: the gradient is right, and equal to the bit."""
    expected = gradients(forward, plain(forward, examples))
    forward.trimmed = True
    lm = forward.model.get_base_model()
    if recomputed:
        lm.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    lengths = np.array([e.length for e in examples])
    rows = split_window(range(12), lengths, max_tokens=120, max_records=12, packed=True, row_parallel=2)
    found = []
    for allowed in (1, 2, 2, 2):
        lanes = RowParallel()
        lanes.allowed = allowed
        loss = accumulate(forward, [[examples[i] for i in row] for row in rows], lanes)
        found.append(torch.cat([p.grad.flatten() for p in trainable(forward.model).values()] + [loss[None]]))
        forward.model.zero_grad(set_to_none=True)
    lm.activation_checkpointing_disable()
    forward.trimmed = False
    assert len(rows) >= 4 and difference(found[0][:-1], expected) < SAME
    assert all(torch.equal(found[0], other) for other in found[1:])
    assert torch.get_num_threads() == 2


def test_an_error_in_one_lane_ends_all_of_them(two_threads: None) -> None:
    """Work is done again after an error, so nothing of the first try may still be running."""
    lanes, ended, second_began = RowParallel(), [], threading.Event()
    lanes.allowed = 2

    def work(item: int) -> int:
        if item == 0:
            assert second_began.wait(60)
            raise torch.OutOfMemoryError("no memory")
        second_began.set()
        ended.append(item)
        return item

    with pytest.raises(torch.OutOfMemoryError):
        list(lanes.map(work, range(10)))
    assert ended == [1] and torch.get_num_threads() == 2
    assert list(lanes.map(work, range(1, 10))) == list(range(1, 10))


def test_the_mean_of_means_would_be_noticed(forward: Forward, examples: list[Example]) -> None:
    """Averaging the means of micro-batches, the well-known mistake, gives visibly other gradients."""
    expected = gradients(forward, plain(forward, examples))
    means = [gradients(forward, forward.loss_sum(b) / b.supervised) for b in (forward.batch([e]) for e in examples)]
    assert difference(torch.stack(means).mean(dim=0), expected) > WRONG


def test_the_chunked_loss_is_the_plain_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scoring a few tokens at a time gives the loss and the gradient of the full table of logits."""
    torch.manual_seed(0)
    hidden = torch.randn(50, 16, requires_grad=True)
    head = torch.nn.Linear(16, 300).requires_grad_(False)
    targets = torch.randint(0, 300, (50,))
    full = cross_entropy(head(hidden), targets, reduction="sum")
    (expected,) = torch.autograd.grad(full / 7, hidden)
    monkeypatch.setattr("brightrun_tui.trainer.compute.loss.CHUNK_LOGITS", 300 * 16)
    chunked = summed_loss(hidden, head, targets)
    (found,) = torch.autograd.grad(chunked / 7, hidden)
    assert torch.allclose(chunked, full, rtol=1e-6)
    assert difference(found, expected) < 1e-6
    head.requires_grad_(True)
    trained_head = summed_loss(hidden, head, targets)
    assert torch.allclose(trained_head, full, rtol=1e-6)
    assert difference(torch.autograd.grad(trained_head / 7, hidden)[0], expected) < 1e-6


def test_fused_adapters_have_the_gradients_of_pefts_own(base: Path, examples: list[Example]) -> None:
    """The written-out backward pass of a LoRA layer is right, and switching the adapter off still gives the base."""
    settings = QuantisationSettings()
    machine = choose_machine(settings)
    model = attach_adapter(
        load_base(str(base), "", settings, machine), LoraSettings(r=4, lora_alpha=12), machine, seed=1
    )
    for name, parameter in trainable(model).items():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    way = Forward(model, machine)
    way.set_training(True)
    batch = padded_batch(examples, machine.device)
    expected = gradients(way, way.loss_sum(batch))
    with model.disable_adapter():
        bare = way.scores(batch)[0]
    assert fuse_adapters(model) == 14
    assert difference(gradients(way, way.loss_sum(batch)), expected) < SAME
    with model.disable_adapter():
        assert np.array_equal(way.scores(batch)[0], bare)
    special = attach_adapter(
        load_base(str(base), "", settings, machine), LoraSettings(r=4, use_dora=True), machine, seed=1
    )
    assert fuse_adapters(special) == 0


@pytest.mark.parametrize("kind", ["Llama", "Qwen2"])
def test_fused_adapters_on_4_bit_layers_have_the_gradients_of_pefts_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """As on a GPU, where layers stay in 4 bits; Qwen2 has biases."""
    monkeypatch.setattr("brightrun_tui.nf4.DENSE_SHARE", 0.0)
    way, records = fresh(build_base(tmp_path, kind=kind))
    for name, parameter in [*way.model.named_parameters()]:
        if "lora_B" in name or name.endswith(".bias"):
            torch.nn.init.normal_(parameter, std=0.05)
    way.set_training(True)
    batch = padded_batch(records, way.machine.device)
    expected, answered = gradients(way, way.loss_sum(batch)), way.scores(batch)[0]
    assert fuse_adapters(way.model) == 14
    assert difference(gradients(way, way.loss_sum(batch)), expected) < SAME
    assert np.abs(way.scores(batch)[0] - answered).max() < 1e-5


def test_one_call_attention_serves_shared_heads_whether_torch_knows_them_or_not(
    forward: Forward, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before 2.12 torch's variable-length attention did not take fewer keys than queries by name: they are repeated for it."""
    from torch.nn.attention import varlen

    def attend(
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        *args: Any,
        scale: float | None = None,
        **options: Any,
    ) -> torch.Tensor:
        assert options == {"window_size": (-1, 0)} and query.shape == key.shape == value.shape
        q, k, v = (each.transpose(0, 1)[None] for each in (query, key, value))
        return per_document_attention(torch.nn.Identity(), q, k, v, None, document_lengths=(12, 8), scaling=scale)[0][0]

    def old(
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        cu_seq_q: Any,
        cu_seq_k: Any,
        max_q: int,
        max_k: int,
        *,
        scale: float | None = None,
        window_size: tuple[int, int] = (-1, -1),
    ) -> torch.Tensor:
        return attend(query, key, value, scale=scale, window_size=window_size)

    def new(
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        cu_seq_q: Any,
        cu_seq_k: Any,
        max_q: int,
        max_k: int,
        *,
        scale: float | None = None,
        window_size: tuple[int, int] = (-1, -1),
        enable_gqa: bool = False,
    ) -> torch.Tensor:
        assert enable_gqa and key.shape[1] == 2
        return attend(
            query, *(each.repeat_interleave(2, dim=1) for each in (key, value)), scale=scale, window_size=window_size
        )

    query, key, value = torch.randn(1, 4, 20, 8), torch.randn(1, 2, 20, 8), torch.randn(1, 2, 20, 8)
    lengths: dict[str, Any] = {"cu_seq_lens_q": None, "cu_seq_lens_k": None, "max_length_q": 12, "max_length_k": 12}
    expected = per_document_attention(torch.nn.Identity(), query, key, value, None, document_lengths=(12, 8))[0]
    for function in (old, new):
        monkeypatch.setattr(varlen, "varlen_attn", function)
        found = one_call_attention(torch.nn.Identity(), query, key, value, None, document_lengths=(12, 8), **lengths)[0]
        assert torch.allclose(found, expected, atol=1e-6)


def test_rounding_of_16_bits_passes_for_the_same_and_a_shift_does_not() -> None:
    """Deep models move the losses of single tokens, but not their mean; a wrong scale or mask does."""
    chance = np.random.default_rng(1)
    expected = chance.normal(8.0, 1.0, 90)
    rounded = expected + chance.normal(0, 0.1, 90)
    assert not same_losses(rounded, expected, torch.float32)
    assert same_losses(rounded, expected, torch.bfloat16)
    assert not same_losses(expected + chance.normal(0.2, 0.1, 90), expected, torch.bfloat16)
    assert not same_losses(expected + chance.normal(0, 0.5, 90), expected, torch.bfloat16)


def test_recomputed_activations_change_nothing(forward: Forward, examples: list[Example]) -> None:
    """Gradient checkpointing saves memory, not accuracy."""
    batch = forward.batch(examples)
    expected = gradients(forward, forward.loss_sum(batch))
    lm = forward.model.get_base_model()
    lm.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    found = gradients(forward, forward.loss_sum(batch))
    lm.activation_checkpointing_disable()
    assert difference(found, expected) < SAME


def test_nothing_is_upcast_and_only_the_adapter_trains(base: Path) -> None:
    """In half precision embeddings and head stay half, adapters are what was chosen, and the base is frozen."""
    settings = QuantisationSettings(compute_dtype="bfloat16")
    machine = choose_machine(settings)
    model = attach_adapter(load_base(str(base), "", settings, machine), LoraSettings(r=4), machine, seed=1)
    assert {p.dtype for p in trainable(model).values()} == {torch.bfloat16}
    assert all(("lora_" in name) == p.requires_grad for name, p in model.named_parameters())
    assert model.get_output_embeddings().weight.dtype == torch.bfloat16
    assert choose_machine(QuantisationSettings(compute_dtype="float16")).adapter == torch.float32


def test_unpacked_weights_are_the_quantised_ones(
    base: Path, monkeypatch: pytest.MonkeyPatch, examples: list[Example]
) -> None:
    """Dequantising once on a CPU is bit for bit what bitsandbytes computes with every product."""
    settings = QuantisationSettings()
    machine = choose_machine(settings)
    batch = packed_batch(examples, machine.device)
    scores = []
    for share in (0.4, 0.0):
        monkeypatch.setattr("brightrun_tui.nf4.DENSE_SHARE", share)
        model = attach_adapter(load_base(str(base), "", settings, machine), LoraSettings(r=4), machine, seed=1)
        quantised = [m for m in model.modules() if type(m).__name__ == "Linear4bit" and hasattr(m, "quant_state")]
        assert bool(quantised) == (share == 0.0)
        way = Forward(model, machine)
        way.set_training(True)
        way.set_training(False)
        scores.append(way.scores(batch)[0])
    one, other = scores
    assert np.array_equal(one, other)
