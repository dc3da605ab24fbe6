"""The smallest change that makes a red plan green: planned with, it is green, and a smaller one is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import NoCapacityError
from brightrun_tui.domain.money import Hardware, Offer
from brightrun_tui.paths import Paths
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.levers import PlanChange
from brightrun_tui.planning.plan import Plan, make_plan
from brightrun_tui.planning.remedies import Remedy, changed, find_remedies, fit_with
from brightrun_tui.planning.remedy_words import option
from tests.planning.test_plan import GPU
from tests.planning.tiny_model import write_model

BASE = "Qwen/Qwen2.5-7B-Instruct"


def offer(gigabytes: float, price: float = 0.0) -> Offer:
    hardware = GPU.model_copy(update={"gpu_memory": int(gigabytes * 1024**3)})
    return Offer(id="7", provider="local", hardware=hardware, price_per_hour=price)


def planned(draft: Draft, paths: Paths, on: Offer | None) -> tuple[Plan, Remedy]:
    """A plan with one thing that is red, and its remedy; with that the plan is ready."""
    plan = make_plan(draft, paths, offer=on)
    assert not plan.ready
    (remedy,) = find_remedies(plan, paths)
    assert [remedy.check] == [check.name for check in plan.checks if check.state == "failed"]
    again = make_plan(changed(draft, remedy.overrides, remedy.fields), paths, offer=on)
    assert again.ready, again.first_problem
    return plan, remedy


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """99 short records and a single one of some 20,000 tokens."""
    path = tmp_path / "mixed.jsonl"
    lengths = [20] * 99 + [20_000]
    lines = [
        json.dumps({"prompt": f"{i} " + "word " * length, "completion": "Yes."}) for i, length in enumerate(lengths)
    ]
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def german(tmp_path: Path) -> Path:
    path = tmp_path / "deutsch.jsonl"
    answer = "Die Lieferung dauert üblicherweise drei bis sechs Werktage, wir melden uns vorher."
    path.write_text(
        "\n".join(json.dumps({"prompt": f"Wie lange dauert Sendung {i}?", "completion": answer}) for i in range(60))
    )
    return path


def test_another_base_fits_with_the_smallest_change_that_the_plan_itself_would_offer_for_it(
    mixed: Path, paths: Paths
) -> None:
    """Planned with both it fits; what fits as it is needs nothing, and another base is no answer."""
    on = offer(14)
    plan = make_plan(Draft(data=str(mixed)), paths, offer=on)
    _, same = planned(Draft(data=str(mixed), base=BASE), paths, on)
    found = fit_with(plan, BASE, paths)
    assert found and found.overrides == same.overrides and found.brief.startswith("max length ")
    both = make_plan(changed(plan.draft, found.overrides, {"base": BASE, **found.fields}), paths, offer=on)
    assert both.estimate and both.estimate.fits == "safe"
    assert fit_with(plan, "starter", paths) is None
    tiny = make_plan(Draft(data=str(mixed)), paths, offer=offer(2))
    assert fit_with(tiny, BASE, paths) is None


def test_one_long_record_is_left_out_before_anything_else_is_given_up(mixed: Path, paths: Paths) -> None:
    """Memory: the longest length that fits, with what it costs said; 64 tokens more would not fit safely."""
    on = offer(14)
    plan, remedy = planned(Draft(data=str(mixed), base=BASE), paths, on)
    ((key, length),) = remedy.overrides.items()
    assert isinstance(length, int)
    assert key == "data.max_length" and remedy.option == f"--set data.max_length={length}"
    assert "1 of 100 records left out" in remedy.effect and "memory" in remedy.effect
    more = make_plan(changed(plan.draft, {key: length + 64}, {}), paths, offer=on)
    assert more.estimate and more.estimate.fits != "safe"


def test_what_only_costs_time_comes_first(mixed: Path, paths: Paths) -> None:
    """A micro-batch that was set is halved before a record is lost."""
    chosen = {"data.max_length": 512, "training.batch_size": 64, "training.micro_batch_size": 64}
    draft = Draft(data=str(mixed), base=BASE, overrides={**chosen, "training.gradient_checkpointing": "on"})
    _, remedy = planned(draft, paths, offer(14))
    assert remedy.overrides.keys() == {"training.micro_batch_size"}


def test_a_base_that_is_too_large_gives_way_to_the_largest_that_fits(data: Path, paths: Paths) -> None:
    _, remedy = planned(Draft(data=str(data), base=BASE), paths, offer(4))
    assert remedy.option.startswith("--base ") and "base model" in remedy.words


@pytest.mark.parametrize(
    ("base", "gigabytes", "other"),
    [
        ("starter", 24, "Qwen/Qwen2.5-0.5B-Instruct"),
        ("HuggingFaceTB/SmolLM2-1.7B-Instruct", 24, "Qwen/Qwen2.5-1.5B-Instruct"),
    ],
)
def test_a_base_that_does_not_speak_the_language_gives_way_to_one_of_its_size_that_does(
    base: str, gigabytes: float, other: str, german: Path, paths: Paths
) -> None:
    """The run may start as it is; with the change nothing is warned of any more, and it fits."""
    on = offer(gigabytes)
    plan = make_plan(Draft(data=str(german), base=base), paths, offer=on)
    assert plan.ready
    (remedy,) = find_remedies(plan, paths)
    assert (remedy.check, remedy.fields) == ("language", {"base": other}) and remedy.option == f"--base {other}"
    again = make_plan(changed(plan.draft, remedy.overrides, remedy.fields), paths, offer=on)
    assert again.ready and again.estimate and again.estimate.fits == "safe"
    assert "language" not in [check.name for check in again.checks] and find_remedies(again, paths) == ()


def test_no_base_is_offered_where_none_that_speaks_the_language_fits(german: Path, paths: Paths) -> None:
    plan = make_plan(Draft(data=str(german)), paths, offer=offer(1))
    assert "language" in [check.name for check in plan.checks]
    assert [remedy for remedy in find_remedies(plan, paths) if remedy.check == "language"] == []


def test_too_dear_is_trained_for_less_and_where_that_is_not_enough_the_ceiling_is_named(
    data: Path, paths: Paths
) -> None:
    """A tenth of an epoch more would be over the budget; a budget that nothing fits into is raised to the most it can cost."""
    on, draft = offer(24, price=2.0), Draft(data=str(data), base=BASE, overrides={"training.epochs": 400})
    full = make_plan(draft, paths, offer=on).estimate
    assert full
    plan, remedy = planned(draft.model_copy(update={"budget_usd": full.cost_usd * 0.8}), paths, on)
    epochs = remedy.overrides["training.epochs"]
    assert isinstance(epochs, float)
    assert 100 <= epochs < 400 and "cost" in remedy.effect
    more = make_plan(changed(plan.draft, {"training.epochs": epochs + 0.1}, {}), paths, offer=on)
    assert not more.ready
    _, poor = planned(draft.model_copy(update={"budget_usd": 0.001}), paths, on)
    enough = poor.fields["budget_usd"]
    assert isinstance(enough, float)
    assert poor.option.startswith("--budget ") and enough >= full.cost_usd_high


def test_records_longer_than_the_base_takes_are_split(tmp_path: Path, paths: Paths) -> None:
    long = tmp_path / "long.jsonl"
    long.write_text(
        "".join(json.dumps({"prompt": f"{i} " + "token " * 1200, "completion": "Yes."}) + "\n" for i in range(60))
    )
    _, remedy = planned(Draft(data=str(long), base=str(write_model(tmp_path / "m"))), paths, None)
    assert remedy.option == "--set data.over_length=split" and "60 of 60 records cut into pieces" in remedy.effect


def test_a_full_disk_keeps_fewer_checkpoints_and_a_value_out_of_range_goes_to_its_end(data: Path, paths: Paths) -> None:
    draft = Draft(data=str(data), base=BASE, overrides={"training.keep_checkpoints": 50})
    tight = offer(24).model_copy(update={"hardware": GPU.model_copy(update={"disk_free": 20 * 10**9})})
    _, remedy = planned(draft, paths, tight)
    kept = remedy.overrides["training.keep_checkpoints"]
    assert isinstance(kept, int) and 1 < kept < 50
    _, rank = planned(Draft(data=str(data), overrides={"lora.r": "5000"}), paths, None)
    assert rank.overrides == {"lora.r": 1024}
    _, word = planned(Draft(data=str(data), overrides={"training.learning_rate": "fast"}), paths, None)
    assert word.option == "without --set training.learning_rate"


def test_what_no_single_change_mends_has_no_remedy(data: Path, paths: Paths) -> None:
    nothing = Hardware(device="cuda", gpu="T", gpu_count=1, gpu_memory=10**8, flops=1e12, disk_free=10**12)
    plan = make_plan(Draft(data="/nowhere.jsonl", overrides={"training.epoch": 3}), paths)
    assert not plan.ready and find_remedies(plan, paths) == ()
    small = make_plan(Draft(data=str(data), base=BASE), paths, offer=Offer(id="1", provider="local", hardware=nothing))
    assert not small.ready and find_remedies(small, paths) == ()


def test_a_gpu_that_nobody_rents_out_gives_way_to_any_but_not_while_it_is_asked_for(
    data: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_0123456789")
    draft = Draft(data=str(data), base=BASE, provider="runpod", gpu="RTX 4090")
    assert find_remedies(make_plan(draft, paths), paths) == ()
    refusal = NoCapacityError("no machine is for rent now", kind=ErrorKind.NO_CAPACITY)
    (remedy,) = find_remedies(make_plan(draft, paths, refusal=refusal), paths, refusal=refusal)
    assert remedy.fields == {"gpu": ""} and remedy.option == "without --gpu"


def test_what_is_to_be_left_out_is_called_as_it_was_given() -> None:
    assert option(PlanChange({"machine.gpus": None})) == "without --gpus"
    assert option(PlanChange({"lora.r": None}, {"budget_usd": None})) == "without --set lora.r without --budget"
