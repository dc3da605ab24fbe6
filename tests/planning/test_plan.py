"""From a draft to a run: nothing a person gets wrong raises, everything wrong is listed, and only a sound plan becomes a run."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from brightrun_tui import datasets
from brightrun_tui.domain.error_kinds import ExitCode
from brightrun_tui.domain.errors import BudgetError, DatasetError, NotConnectedError, UsageError
from brightrun_tui.domain.money import Hardware, Offer
from brightrun_tui.domain.run import RunSpec
from brightrun_tui.paths import Paths
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.plan import Plan, make_plan, make_spec
from brightrun_tui.store import datasets as added
from brightrun_tui.store import open_database
from tests.planning.tiny_model import write_model

GPU = Hardware(
    device="cuda",
    gpu="RTX 4090",
    gpu_count=1,
    gpu_memory=24 * 1024**3,
    memory=64 * 1024**3,
    flops=165e12,
    disk_free=10**12,
)
OFFER = Offer(id="7", provider="local", hardware=GPU, price_per_hour=0.69)


def states(plan: Plan) -> dict[str, str]:
    return {check.name: check.state for check in plan.checks}


def test_a_good_draft_becomes_a_run_that_says_all_it_needs(data: Path, paths: Paths) -> None:
    plan = make_plan(Draft(data=str(data), overrides={"training.epochs": "3"}, max_hours=5), paths)
    assert plan.ready, plan.first_problem
    assert states(plan)["base model"] == "pending" and states(plan)["dataset"] == "ok"
    spec = make_spec(plan)
    assert RunSpec.model_validate_json(spec.model_dump_json()) == spec
    assert spec.name == "kunden-fragen" and spec.settings.training.epochs == 3
    assert (spec.dataset.usable, spec.dataset.train_records, spec.dataset.eval_records) == (120, 108, 12)
    assert make_spec(plan).run_id != spec.run_id
    assert (spec.base.license, spec.dataset.languages) == ("apache-2.0", ("en",)), "the model's card will say it"


def test_everything_that_is_wrong_is_listed_at_once_each_with_its_fix(paths: Paths) -> None:
    plan = make_plan(
        Draft(
            name="My Model!",
            data="/nowhere.jsonl",
            base="/no/model",
            template="chta",
            provider="moon",
            overrides={"training.epoch": 3},
        ),
        paths,
    )
    wrong = {check.name for check in plan.checks if check.state == "failed"}
    assert wrong == {"name", "dataset", "base model", "template", "machine", "settings"}
    assert all(check.fix and check.error for check in plan.checks if check.state == "failed")
    with pytest.raises(DatasetError):
        make_spec(plan)


def test_a_run_may_wait_for_a_time_and_one_that_has_passed_is_refused(data: Path, paths: Paths) -> None:
    plan = make_plan(Draft(data=str(data), not_before="2999-01-01"), paths)
    assert plan.first_problem and plan.first_problem.where == "not before"
    soon = datetime.now().astimezone() + timedelta(hours=2)
    spec = make_spec(make_plan(Draft(data=str(data), not_before=soon.isoformat()), paths))
    assert spec.not_before == soon.timestamp() and RunSpec.model_validate_json(spec.model_dump_json()) == spec


def test_a_budget_below_the_estimate_refuses_with_its_own_exit_code(data: Path, tmp_path: Path, paths: Paths) -> None:
    model = str(write_model(tmp_path / "m"))
    free = make_plan(Draft(data=str(data), base=model), paths, offer=OFFER)
    assert free.ready and free.estimate and free.estimate.cost_usd > 0
    poor = make_plan(Draft(data=str(data), base=model, budget_usd=free.estimate.cost_usd / 2), paths, offer=OFFER)
    with pytest.raises(BudgetError) as refused:
        make_spec(poor)
    assert int(refused.value.exit_code) == int(ExitCode.BUDGET) == 3
    assert make_plan(
        Draft(data=str(data), base=model, budget_usd=free.estimate.cost_usd_high), paths, offer=OFFER
    ).ready
    between = make_plan(
        Draft(data=str(data), base=model, budget_usd=(free.estimate.cost_usd + free.estimate.cost_usd_high) / 2),
        paths,
        offer=OFFER,
    )
    assert between.ready and states(between)["budget"] == "warning"
    late = make_plan(Draft(data=str(data), base=model, max_hours=0.0001), paths, offer=OFFER)
    assert isinstance(late.first_problem, BudgetError)
    assert isinstance(make_plan(Draft(data=str(data), base=model, budget_usd=-1.0), paths).first_problem, UsageError)


@pytest.mark.parametrize("free", [0, 10**9])
def test_a_run_too_large_for_the_machine_is_refused_before_anything_starts(data: Path, paths: Paths, free: int) -> None:
    small = Offer(id="1", provider="local", hardware=GPU.model_copy(update={"gpu_memory": 2 * 1024**3}))
    plan = make_plan(Draft(data=str(data), base="meta-llama/Llama-3.1-8B-Instruct"), paths, offer=small)
    assert plan.first_problem and plan.first_problem.kind == "does_not_fit"
    full = Offer(id="1", provider="local", hardware=GPU.model_copy(update={"disk_free": free}))
    plan = make_plan(Draft(data=str(data), base="meta-llama/Llama-3.2-1B-Instruct"), paths, offer=full)
    assert plan.first_problem and plan.first_problem.kind == "disk_full"


def test_risky_choices_are_warned_of_but_allowed(tmp_path: Path, data: Path, paths: Paths) -> None:
    few = tmp_path / "few.jsonl"
    few.write_text(
        "".join(json.dumps({"prompt": f"Question {i}?", "completion": f"Answer number {i}."}) + "\n" for i in range(8))
    )
    model = "Qwen/Qwen2.5-0.5B-Instruct"
    assert states(make_plan(Draft(data=str(few)), paths))["dataset"] == "warning"
    assert (
        states(make_plan(Draft(data=str(data), base=model, overrides={"training.learning_rate": 5e-3}), paths))[
            "settings"
        ]
        == "warning"
    )
    assert states(make_plan(Draft(data=str(data), overrides={"training.max_steps": 3}), paths))["settings"] == "warning"
    gated = make_plan(Draft(data=str(data), base="meta-llama/Llama-3.2-1B-Instruct"), paths)
    assert states(gated)["base model"] == "warning" and gated.ready


def test_data_that_are_mostly_copies_are_warned_of_with_the_way_to_take_them_out(tmp_path: Path, paths: Paths) -> None:
    """One record copied forty times is no training set, though every record of it is usable."""
    file = tmp_path / "my copies.jsonl"
    numbers = [*range(13), *[0] * 39]
    file.write_text("".join(f'{{"prompt": "question {n}?", "completion": "answer {n}"}}\n' for n in numbers))
    plan = make_plan(Draft(data=str(file)), paths)
    check = next(check for check in plan.checks if check.name == "dataset")
    assert check.state == "warning" and "Only 13 are different" in check.what and plan.ready
    assert f"brightrun datasets repair '{file}' --drop-duplicates" in check.fix


def test_a_language_that_the_base_model_does_not_know_is_noticed(tmp_path: Path, paths: Paths) -> None:
    """A tokenizer without any merges spells Japanese in bytes and German in letters; with those of its words it is at home."""
    for word, merges, expected in (
        ("いつ開きますか", [], "their script"),
        ("öffnet", [], "small pieces"),
        ("opens", [("o", "p"), ("op", "e"), ("ope", "n"), ("open", "s"), ("Ġ", "opens")], ""),
    ):
        base = write_model(tmp_path / expected.replace(" ", "-"))
        alphabet = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *("".join(pair) for pair in merges)]
        spelling = Tokenizer(models.BPE({token: i for i, token in enumerate(alphabet)}, merges))
        spelling.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        spelling.save(str(base / "tokenizer.json"))
        data = tmp_path / f"{base.name}.jsonl"
        data.write_text(
            "".join(json.dumps({"prompt": f"{word} " * 9 + str(i), "completion": word}) + "\n" for i in range(60))
        )
        plan = make_plan(Draft(data=str(data), base=str(base)), paths)
        (check,) = [check for check in plan.checks if check.name == "dataset"]
        assert (check.state, expected in check.what) == ("warning" if expected else "ok", True), check


@pytest.mark.parametrize(
    ("base", "answer", "said"),
    [
        ("starter", "Die Lieferung dauert üblicherweise drei bis sechs Werktage, wir melden uns vorher.", "German"),
        ("starter", "Delivery usually takes three to six working days, and we will call you before.", ""),
        ("Qwen/Qwen2.5-0.5B-Instruct", "Die Lieferung dauert üblicherweise drei bis sechs Werktage im Land.", ""),
        ("Qwen/Qwen3-0.6B", "Die Lieferung dauert üblicherweise drei bis sechs Werktage im ganzen Land.", ""),
    ],
)
def test_a_base_that_does_not_speak_the_language_of_the_records_is_warned_of(
    base: str, answer: str, said: str, tmp_path: Path, paths: Paths
) -> None:
    """Before anything is fetched; the warning names the smallest base that speaks it. Where it is not known, nothing is said."""
    data = tmp_path / "data.jsonl"
    data.write_text(
        "".join(
            json.dumps({"prompt": f"{i}?", "completion": f"{answer} {i}"}, ensure_ascii=False) + "\n" for i in range(60)
        )
    )
    plan = make_plan(Draft(data=str(data), base=base), paths)
    found = [check for check in plan.checks if check.name == "language"]
    assert bool(found) is bool(said) and plan.ready, found
    assert states(plan)["dataset"] == "ok", "one warning says it"
    for check in found:
        assert said in check.what and "speaks English" in check.what and "Qwen/Qwen2.5-0.5B-Instruct" in check.fix


@pytest.mark.parametrize(("base", "said"), [("starter", True), ("Qwen/Qwen2.5-0.5B-Instruct", False)])
def test_calls_of_tools_that_a_base_has_no_place_for_are_warned_of(
    base: str, said: bool, tmp_path: Path, paths: Paths
) -> None:
    """Before anything starts, with a base that takes them; the others of the records are learnt all the same."""
    call = {"role": "assistant", "tool_calls": [{"function": {"name": "tide", "arguments": {}}}]}
    data = tmp_path / "data.jsonl"
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"{i}?"},
                call if i % 2 else {"role": "assistant", "content": f"At {i}."},
            ]
        }
        for i in range(60)
    ]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = [check for check in make_plan(Draft(data=str(data), base=base), paths).checks if check.name == "tools"]
    assert [check.state for check in found] == (["warning"] if said else [])
    assert all("30 of 60 records" in check.what and "Qwen" in check.fix for check in found)


def test_records_that_the_model_cannot_take_are_noticed_before_the_start(tmp_path: Path, paths: Paths) -> None:
    long = tmp_path / "long.jsonl"
    words = "every word is a token here " * 200
    long.write_text("".join(json.dumps({"prompt": f"{i} {words}", "completion": "Yes."}) + "\n" for i in range(60)))
    model = str(write_model(tmp_path / "m"))
    dropped = make_plan(Draft(data=str(long), base=model), paths)
    assert dropped.first_problem and dropped.first_problem.kind == "dataset_too_long"
    cut = make_plan(Draft(data=str(long), base=model, overrides={"data.over_length": "truncate"}), paths)
    said = "60 of 60 records, those over 512 tokens, will be cut off"
    assert cut.ready and cut.estimate and any(said in note for note in cut.estimate.notes)


def test_a_broken_configuration_is_a_failed_check_too(data: Path, paths: Paths) -> None:
    paths.config.mkdir(parents=True)
    paths.credentials_file.write_text("{")
    gated = make_plan(Draft(data=str(data), base="meta-llama/Llama-3.2-1B-Instruct"), paths)
    assert gated.first_problem and gated.first_problem.kind == "credentials_unreadable"


def test_a_rented_machine_needs_a_price_before_it_is_planned_for(
    data: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_0123456789")
    draft = Draft(data=str(data), base="Qwen/Qwen2.5-0.5B-Instruct", provider="runpod", gpu="RTX 4090")
    unpriced = make_plan(draft, paths)
    assert unpriced.estimate and unpriced.first_problem and unpriced.first_problem.kind == "no_offer"
    priced = make_plan(draft, paths, offer=OFFER)
    assert priced.ready and priced.estimate and priced.estimate.cost_usd > 0


async def test_a_dataset_can_be_named_once_it_was_added(data: Path, paths: Paths) -> None:
    plan = make_plan(Draft(data=str(data)), paths)
    assert plan.report
    async with open_database(paths.database) as db:
        await added.add(db, plan.report)
        assert make_plan(Draft(data="Kunden Fragen"), paths).report == plan.report


def test_the_data_are_read_once_for_all_changes_of_a_plan_and_again_when_they_change(
    data: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is typed is answered at once."""
    read: list[Path] = []
    examine = datasets.examine

    def noted(path: Path, **more: Any) -> datasets.Examined:
        read.append(path)
        return examine(path, **more)

    monkeypatch.setattr(datasets, "examine", noted)
    plans = [make_plan(Draft(data=str(data), overrides={"training.epochs": epochs}), paths) for epochs in range(1, 51)]
    assert read == [data]
    assert [plan.estimate.steps for plan in plans if plan.estimate] == sorted(
        plan.estimate.steps for plan in plans if plan.estimate
    )
    with data.open("a") as file:
        file.write(json.dumps({"prompt": "One more?", "completion": "Yes, one more."}) + "\n")
    make_plan(Draft(data=str(data)), paths)
    assert read == [data, data]


def test_a_service_that_is_not_connected_is_named(data: Path, paths: Paths) -> None:
    plan = make_plan(Draft(data=str(data), provider="runpod", gpu="RTX 4090"), paths)
    assert any(
        isinstance(check.error, NotConnectedError) and "brightrun connect runpod" in check.fix for check in plan.checks
    )


def test_planning_imports_neither_torch_nor_transformers_nor_textual() -> None:
    code = (
        "import sys, brightrun_tui.planning.plan, brightrun_tui.integrations.connection; "
        "print([name for name in ('torch', 'transformers', 'textual', 'huggingface_hub', 'keyring') if name in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
