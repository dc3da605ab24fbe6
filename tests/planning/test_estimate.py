"""The estimate: never cheaper for more work, near what was published, and honest about what does not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from brightrun_tui.domain.dataset import DatasetReport, LengthStats
from brightrun_tui.domain.money import Estimate, Hardware
from brightrun_tui.domain.settings import RunSettings
from brightrun_tui.domain.sizing import FEWEST_FOR_EACH, SHORT_ANSWER
from brightrun_tui.domain.time_parts import PARTS, TimeParts
from brightrun_tui.paths import Paths
from brightrun_tui.planning.architecture import BaseModelInfo
from brightrun_tui.planning.bases import describe_base
from brightrun_tui.planning.catalogue import catalogue
from brightrun_tui.planning.dataset_reports import check_dataset
from brightrun_tui.planning.estimate import estimate
from brightrun_tui.planning.learning import Measured, correct_times
from brightrun_tui.planning.token_counts import count_tokens
from brightrun_tui.providers.gpus import GPUS, expected_flops, find_gpu
from tests.planning.tiny_model import write_model

GIB = 1024**3
NOWHERE = Paths(*[Path("/nonexistent")] * 4)
CPU = Hardware(device="cpu", memory=64 * GIB, cores=8, flops=8 * 40e9, disk_free=10**12)
CARDS = {
    "HuggingFaceTB/SmolLM2-135M-Instruct": 134_515_008,
    "HuggingFaceTB/SmolLM2-360M-Instruct": 361_821_120,
    "HuggingFaceTB/SmolLM2-1.7B-Instruct": 1_711_376_384,
    "Qwen/Qwen2.5-0.5B-Instruct": 494_032_768,
    "Qwen/Qwen2.5-1.5B-Instruct": 1_543_714_304,
    "Qwen/Qwen2.5-7B-Instruct": 7_615_616_512,
    "Qwen/Qwen2.5-14B-Instruct": 14_770_033_664,
    "Qwen/Qwen3-0.6B": 596_049_920,
    "Qwen/Qwen3-4B": 4_022_468_096,
    "Qwen/Qwen3-8B": 8_190_735_360,
    "meta-llama/Llama-3.2-1B-Instruct": 1_235_814_400,
    "meta-llama/Llama-3.2-3B-Instruct": 3_212_749_824,
    "meta-llama/Llama-3.1-8B-Instruct": 8_030_261_248,
    "mistralai/Mistral-7B-Instruct-v0.3": 7_248_023_552,
    "google/gemma-3-1b-it": 999_885_952,
}
"""Parameters as the model cards state them."""


def gpu(name: str) -> Hardware:
    card = find_gpu(name)
    assert card
    return Hardware(
        device="cuda", gpu=card.name, gpu_count=1, gpu_memory=card.memory, memory=64 * GIB, flops=card.flops, cores=8
    )


@pytest.mark.parametrize(
    ("name", "teraflops"),
    [
        ("NVIDIA H100 80GB HBM3", 989),
        ("RTX 4090", 165),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", 0),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", 0),
        ("Quadro RTX 5000 with Max-Q Design", 0),
        ("RTX 4060", 0),
        ("", 0),
    ],
)
def test_nothing_is_expected_of_a_card_that_nobody_knows(name: str, teraflops: float) -> None:
    """A guess is good enough for an estimate; a sound card that is slower than the guess is no bad one."""
    assert expected_flops(name) == teraflops * 1e12


def report(records: int = 1000, characters: int = 2000) -> DatasetReport:
    lengths = LengthStats(mean=characters, percentiles=(characters,) * 100, longest=characters)
    answers = LengthStats(mean=characters / 3, percentiles=(characters // 3,) * 100, longest=characters // 3)
    return DatasetReport(
        path="d",
        name="d",
        format="messages",
        bytes=records * characters,
        fingerprint="sha256:0",
        records=records,
        usable=records,
        turns=2 * records,
        characters=lengths,
        answer_characters=answers,
    )


def reckon(
    base: str,
    overrides: dict[str, Any],
    machine: Hardware,
    data: DatasetReport | None = None,
    price: float = 0.0,
    *,
    here: bool = False,
) -> Estimate:
    info: BaseModelInfo = describe_base(base, NOWHERE)
    if here:
        info = info.model_copy(update={"present": True})
    return estimate(info, data or report(), RunSettings().with_overrides(overrides), machine, price)


def test_a_base_that_is_not_here_yet_takes_its_time_too() -> None:
    """The first run of all fetches the base and unpacks it: the time that a person is told before has that in it."""
    first, again = (reckon("starter", {}, CPU, here=here) for here in (False, True))
    assert first.parts.preparing > 15 + again.parts.preparing
    assert first.seconds == pytest.approx(again.seconds + first.parts.preparing - again.parts.preparing)
    assert first.parts.total == pytest.approx(first.seconds)
    hub = reckon("meta-llama/Llama-3.1-8B-Instruct", {}, CPU)
    assert hub.parts.preparing > first.parts.preparing, "sixteen gigabytes come over the network"


bases = st.sampled_from([base.id for base in catalogue().base])
machines = st.sampled_from([CPU, *(gpu(card.name) for card in GPUS)])


@examples(max_examples=150, deadline=None)
@given(base=bases, machine=machines, epochs=st.integers(1, 20), more=st.integers(1, 20), records=st.integers(2, 5000))
def test_more_epochs_and_more_records_to_learn_from_never_cost_less(
    base: str, machine: Hardware, epochs: int, more: int, records: int
) -> None:
    held_out = {"data.eval_max_records": FEWEST_FOR_EACH}  # where they become two halves, less is measured
    few = reckon(base, {"training.epochs": epochs} | held_out, machine, report(records), price=2.0)
    longer = reckon(base, {"training.epochs": epochs + more} | held_out, machine, report(records), price=2.0)
    larger = reckon(base, {"training.epochs": epochs} | held_out, machine, report(records + more), price=2.0)
    for other in (longer, larger):
        assert other.seconds >= few.seconds and other.cost_usd >= few.cost_usd and other.steps >= few.steps
    assert few.seconds_low <= few.seconds <= few.seconds_high and few.cost_usd <= few.cost_usd_high


def test_records_that_only_judge_are_not_measured_on_the_way() -> None:
    together, parted = (
        reckon(
            "HuggingFaceTB/SmolLM2-135M-Instruct", {"data.eval_fraction": 0.5, "data.eval_max_records": held_out}, CPU
        )
        for held_out in (2 * FEWEST_FOR_EACH - 1, 2 * FEWEST_FOR_EACH)
    )
    assert parted.parts.measuring < 0.75 * together.parts.measuring


def test_short_answers_are_reckoned_with_as_many_as_are_asked_for() -> None:
    """So many more are scored where an answer is short: the time must know it, too."""
    short, long = (
        report(400, 300).model_copy(
            update={"answer_characters": LengthStats(mean=100, percentiles=(median,) * 100, longest=300)}
        )
        for median in (SHORT_ANSWER, SHORT_ANSWER + 1)
    )
    few, many = (
        reckon("HuggingFaceTB/SmolLM2-135M-Instruct", {"evaluation.sample_prompts": 1}, CPU, data).parts.answering
        for data in (long, short)
    )
    assert many > 1.5 * few


def test_corrections_that_an_epoch_shows_again_take_their_steps() -> None:
    data = report(100).model_copy(update={"corrections": 20})
    once, often = (
        reckon("HuggingFaceTB/SmolLM2-135M-Instruct", {"data.correction_repeats": times}, CPU, data) for times in (1, 4)
    )
    assert often.steps > once.steps and often.seconds > once.seconds


@examples(max_examples=150, deadline=None)
@given(
    base=bases,
    machine=machines,
    rank=st.integers(1, 128),
    micro=st.integers(1, 16),
    length=st.integers(100, 100_000),
    checkpointing=st.sampled_from(["on", "off"]),
)
def test_memory_grows_with_rank_length_and_batch(
    base: str, machine: Hardware, rank: int, micro: int, length: int, checkpointing: str
) -> None:
    fixed = {"training.gradient_checkpointing": checkpointing, "training.batch_size": 64, "quantisation.method": "nf4"}

    def memory(rank: int, micro: int, length: int) -> int:
        return reckon(
            base, fixed | {"lora.r": rank, "training.micro_batch_size": micro}, machine, report(100, length)
        ).memory

    here = memory(rank, micro, length)
    assert memory(2 * rank, micro, length) > here
    assert memory(rank, micro + 1, length) >= here
    assert memory(rank, micro, 2 * length) >= here
    assert reckon(base, fixed, machine).memory == sum(reckon(base, fixed, machine).memory_parts.values())


@pytest.mark.parametrize("base", [base.id for base in catalogue().base])
def test_the_catalogue_says_what_the_model_cards_say(base: str) -> None:
    info = describe_base(base, NOWHERE)
    assert not info.present
    if base in CARDS:
        assert info.parameters == pytest.approx(CARDS[base], rel=0.003)
    else:
        assert base == "starter" and catalogue().base[0].id == base and info.preparing


@pytest.mark.parametrize(
    ("base", "length", "micro", "overrides", "published_gib"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", 2048, 2, {"lora.r": 8, "training.optim": "adamw_torch_fused"}, 7.4),
        ("meta-llama/Llama-3.2-3B-Instruct", 4096, 1, {"lora.r": 8, "training.optim": "adamw_torch_fused"}, 4.6),
    ],
)
def test_memory_agrees_with_published_qlora_runs(
    base: str, length: int, micro: int, overrides: dict[str, Any], published_gib: float
) -> None:
    fixed = {"training.micro_batch_size": micro, "training.gradient_checkpointing": "on", "data.max_length": length}
    found = reckon(base, fixed | overrides, gpu("RTX 4090"), report(500, 40 * length))
    assert found.memory / GIB == pytest.approx(published_gib, rel=0.18)


@pytest.mark.parametrize(
    ("base", "card", "tokens_per_second"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "RTX 4090", 2413),
        ("mistralai/Mistral-7B-Instruct-v0.3", "A100", 3428),
        ("meta-llama/Llama-3.2-3B-Instruct", "A100", 8035),
    ],
)
def test_time_is_within_its_own_band_of_published_speeds(base: str, card: str, tokens_per_second: float) -> None:
    data = report(20_000, 8000)
    alone = {"evaluation.sample_prompts": 0, "data.eval_max_records": 20}
    found = reckon(
        base, {"training.epochs": 1, "training.gradient_checkpointing": "on"} | alone, gpu(card), data, here=True
    )
    expected = found.tokens / tokens_per_second
    assert found.seconds_low <= expected <= found.seconds_high


def test_what_does_not_fit_is_called_so_and_memory_is_saved_where_that_helps() -> None:
    assert reckon("Qwen/Qwen2.5-14B-Instruct", {}, gpu("T4")).fits in ("tight", "safe")
    assert reckon("Qwen/Qwen2.5-14B-Instruct", {"quantisation.method": "none"}, gpu("T4")).fits == "no"
    long = report(100, 40_000)
    assert (
        reckon(
            "meta-llama/Llama-3.1-8B-Instruct", {"training.gradient_checkpointing": "off"}, gpu("RTX 4090"), long
        ).fits
        == "no"
    )
    saved = reckon("meta-llama/Llama-3.1-8B-Instruct", {}, gpu("RTX 4090"), long)
    assert saved.fits == "safe" and any("computed twice" in note for note in saved.notes)


def test_finished_runs_correct_the_guess_and_narrow_the_band() -> None:
    """Each run twice as fast as reckoned brings the next estimate nearer to that; one of another base counts less."""
    info = describe_base("starter", NOWHERE)
    guess = estimate(info, report(), RunSettings(), CPU)
    took = TimeParts(**{part: getattr(guess.reckoned, part) / 2 for part in PARTS})
    run = Measured(
        base=info.ref.fingerprint or info.ref.id,
        quantisation=guess.quantisation,
        mean_tokens=guess.mean_tokens,
        reckoned=guess.reckoned,
        took=took,
        parts=PARTS,
    )

    def after(*runs: Measured) -> Estimate:
        return estimate(info, report(), RunSettings(), CPU, known=runs)

    other, once, often = after(run.model_copy(update={"base": "another"})), after(run), after(*[run] * 5)
    assert guess.seconds > other.seconds > once.seconds > often.seconds == pytest.approx(guess.seconds / 2, rel=0.05)
    bands = [found.seconds_high / found.seconds_low for found in (guess, other, once, often)]
    assert bands == sorted(bands, reverse=True) and bands[-1] < 1.7 < 3 < bands[0]
    assert often.measured and not guess.measured


def test_a_start_that_was_slow_once_does_not_make_the_next_run_long() -> None:
    """The files of a first run come from the disk, those of the next are in memory; both are within what is told then."""
    reckoned = TimeParts(loading=3, training=1, measuring=0, answering=3)
    slow = Measured(
        base="b",
        quantisation="none",
        mean_tokens=50,
        reckoned=reckoned,
        took=reckoned.model_copy(update={"loading": 6.0}),
        parts=PARTS,
    )
    told = correct_times(reckoned, [slow], "b", "none", 50, doubt=2)
    assert 3 < told.parts.loading < 4.5
    assert told.parts.total * told.low < reckoned.total < 10 < told.parts.total * told.high
    often = correct_times(reckoned, [slow] * 20, "b", "none", 50, doubt=2)
    assert often.parts.loading == pytest.approx(6, rel=0.1), "a disk that is always slow"


def test_tokens_are_counted_with_the_models_own_tokenizer_where_it_is_here(
    tmp_path: Path, data: Path, paths: Paths
) -> None:
    pytest.importorskip("tokenizers")
    info = describe_base(str(write_model(tmp_path / "m")), paths)
    checked = check_dataset(data, {}, paths)
    found = estimate(info, checked, RunSettings().with_overrides({"training.epochs": 1}), CPU)
    words = 9 + 14 + 2 * 5
    assert found.tokens / 108 == pytest.approx(words, rel=0.2), "one token a word, five a turn for the template"
    assert not any("guessed" in note for note in found.notes if "Tokens" in note)


def test_tokens_are_reckoned_by_the_whole_of_the_data_and_not_by_its_first_records(
    tmp_path: Path, paths: Paths
) -> None:
    """A file that is sorted begins with what the rest is not like: here words, then codes that are many tokens each."""
    pytest.importorskip("tokenizers")
    info = describe_base(str(write_model(tmp_path / "m")), paths)
    rows = [{"prompt": f"the word{i}", "completion": " ".join(["word"] * 30)} for i in range(20)]
    rows += [{"prompt": f"{i}.", "completion": "-".join(f"{i}" for _ in range(40))} for i in range(100, 200)]
    orders = []
    for name, ordered in (("a", rows), ("b", rows[::-1])):
        file = tmp_path / f"{name}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in ordered))
        orders.append(count_tokens(info, check_dataset(file, {}, paths)).mean)
    assert orders[0] == pytest.approx(orders[1], rel=0.15)


def test_the_tools_that_records_name_are_reckoned_where_the_template_writes_them() -> None:
    schemas = LengthStats(mean=6000, percentiles=(6000,) * 100, longest=9000)
    with_tools = report().model_copy(update={"tool_characters": schemas})

    def grown(base: str) -> float:
        more, plain = (reckon(base, {}, CPU, data).mean_tokens for data in (with_tools, report()))
        return more / plain

    assert grown("Qwen/Qwen2.5-0.5B-Instruct") > 2
    assert grown("HuggingFaceTB/SmolLM2-135M-Instruct") == 1, "its template has no place for them"


@examples(max_examples=80, deadline=None)
@given(base=bases, machine=machines)
def test_16_bit_is_offered_where_it_fits_and_nowhere_else(base: str, machine: Hardware) -> None:
    """The offer is kept: what is recommended is itself found safe."""
    offered = any("16-bit" in note for note in reckon(base, {"quantisation.method": "nf4"}, machine).notes)
    unquantised = reckon(base, {"quantisation.method": "none"}, machine)
    assert offered == (bool(machine.gpu_count) and unquantised.fits == "safe")
