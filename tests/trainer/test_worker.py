"""Whole runs: what a run directory holds at the end, and what it says when a run cannot work."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from brightrun_tui.domain.dataset import Message, Record
from brightrun_tui.domain.events import EVENT_KINDS, PhaseName
from brightrun_tui.domain.model import Report
from brightrun_tui.files import sha256
from brightrun_tui.trainer.data.examples import tokenise
from brightrun_tui.trainer.data.template import chat_template
from brightrun_tui.trainer.model.base_model import load_tokenizer
from brightrun_tui.trainer.runtime.files import matches_digests

from .conftest import (
    THOUGHTFUL,
    UNMARKED_CHATML,
    build_base,
    make_records,
    metric,
    numbers,
    read_events,
    run_here,
    write_run,
)


def failure(run: Path) -> dict[str, Any]:
    """The last event, which must be a failure in plain words."""
    event = read_events(run)[-1]
    assert event["kind"] == "failed" and event["error"] and event["cause"] and "Traceback" not in event["cause"]
    return event


@pytest.fixture(scope="module")
def finished(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that trained to its end."""
    run = write_run(tmp_path_factory.mktemp("finished"), base, settings={"training.epochs": 3})
    assert run_here(run) == 0
    return run


def test_a_finished_run_says_so_in_events_without_gap(finished: Path) -> None:
    events = read_events(finished)
    assert [e["seq"] for e in events] == list(range(len(events)))
    assert {e["kind"] for e in events} <= set(EVENT_KINDS)
    assert {e["phase"] for e in events if e["kind"] == "phase"} <= set(PhaseName)
    assert events[-1]["outcome"] == "completed" and events[-1]["step"] == 18
    assert list(metric(finished, "train_loss")) == list(range(1, 19))
    assert set(metric(finished, "eval_loss")) == {0, *range(2, 19, 2)}


def test_training_helps_and_the_report_card_shows_it(finished: Path) -> None:
    """The tuned model beats its base on records it has not seen, with the interval to prove it."""
    report = Report.model_validate_json((finished / "report.json").read_bytes())
    assert report.tuned.loss < report.base.loss
    assert report.scores["loss_difference"]["high"] < 0
    assert report.verdict.style and report.verdict.reasons and report.findings and not report.findings.chosen_apart
    assert report.training.steps == 18 and report.training.supervised_tokens > 0 and report.training.best_step
    assert set(report.by_category["kind"]) == {"x", "y"}
    assert len(report.samples) == 8 and all(sample.reference for sample in report.samples)
    assert report.lineage.packages["torch"] == torch.__version__
    assert (report.lineage.base_license, report.lineage.languages) == ("mit", ("en",))
    assert report.quantised_base and report.quantised_base.loss == pytest.approx(metric(finished, "eval_loss")[0])


def test_the_report_card_measures_the_answers_too(finished: Path) -> None:
    """The first prompt's answers can be followed from base over the checkpoints to the tuned model; all are measured."""
    report = Report.model_validate_json((finished / "report.json").read_bytes())
    told = {e["step"]: e["answer"] for e in read_events(finished) if e["kind"] == "sample" and e["source"] == "tuned"}
    assert told and {said.step: said.text for said in report.samples[0].by_step} == told
    assert report.scores["answers"] == len(report.samples)
    for name in ("exact_match", "token_f1", "chrf", "ended", "cut_off", "answer_tokens", "verbatim"):
        assert {"base", "tuned"} <= report.scores[name].keys()
    assert {sample.mark for sample in report.samples} <= {"right", "partly", "wrong", "unclear"} and report.findings
    assert report.findings.floor and len(report.findings.floor.marks) == len(report.samples)
    cut_off = sum(not sample.tuned_ended for sample in report.samples)
    assert report.scores["cut_off"]["tuned"] == cut_off
    assert report.scores["answer_tokens"]["reference"] > 0


@pytest.mark.parametrize(
    ("kind", "settings", "says"),
    [
        ("Gemma2", {"head_dim": 16}, "records are padded"),
        ("Bloom", {"n_head": 4, "n_layer": 2}, "records are padded"),
        ("Qwen3", {"head_dim": 16}, ""),
        ("Lfm2", {"full_attn_idxs": [1], "block_auto_adjust_ff_dim": False}, "records are padded"),
    ],
)
def test_models_of_other_kinds_train_too(tmp_path: Path, kind: str, settings: dict[str, Any], says: str) -> None:
    """Soft-capped and positionless attention, which only the plain way of computing it knows; convolutions between tokens."""
    base = build_base(tmp_path / "base", kind=kind, **settings)
    run = write_run(tmp_path / "run", base, train=make_records(24), settings={"training.epochs": 1})
    assert run_here(run) == 0, read_events(run)[-1]
    losses = numbers(run, "eval_loss")
    assert losses[max(losses)] < losses[0]
    said = " ".join(e["message"] for e in read_events(run) if e["kind"] == "alert" and e["code"] == "not_packed")
    assert (says in said) if says else not said


def test_a_template_that_opens_answers_by_itself_spoils_no_score(tmp_path: Path) -> None:
    """As with Qwen3: the tuned model has learnt to write empty thoughts, and its answer is still exactly the wanted one."""

    def asked(count: int) -> list[Record]:
        return [
            Record(
                id=str(i),
                messages=(
                    Message(role="user", content="red " * (i % 5 + 1)),
                    Message(role="assistant", content="blue cat"),
                ),
            )
            for i in range(count)
        ]

    run = write_run(
        tmp_path / "run",
        build_base(tmp_path / "base", chat_template=THOUGHTFUL),
        train=asked(32),
        held_out=asked(5),
        settings={"training.epochs": 20, "training.learning_rate": 1e-2, "lora.r": 16, "evaluation.max_new_tokens": 5},
    )
    assert run_here(run) == 0
    report = Report.model_validate_json((run / "report.json").read_bytes())
    tokenizer = load_tokenizer(str(tmp_path / "base"), "")
    assert report.tuned.tokens == report.base.tokens == 5 * len(tokenizer("blue cat<|im_end|>")["input_ids"])
    assert report.scores["exact_match"]["tuned"] == 1.0 and report.samples[0].tuned == "blue cat"
    assert report.training.supervised_tokens > 20 * 32 * len(tokenizer("<think>")["input_ids"])


def test_the_report_card_measures_the_original_base_however_the_training_held_it(finished: Path, base: Path) -> None:
    """Its loss is that of the published weights, counted here with transformers alone; the 4-bit base is a line of its own."""
    from transformers import AutoModelForCausalLM

    report = Report.model_validate_json((finished / "report.json").read_bytes())
    tokenizer = load_tokenizer(str(base), "")
    model = AutoModelForCausalLM.from_pretrained(str(base), dtype=torch.float32)
    template = chat_template(tokenizer)
    total = count = 0.0
    for example in tokenise(tokenizer, template, make_records(8, seed=1)).examples:
        ids = torch.from_numpy(example.ids)
        with torch.no_grad():
            losses = torch.nn.functional.cross_entropy(model(ids[None]).logits[0, :-1], ids[1:], reduction="none")
        counted = torch.from_numpy(example.measured.supervised)[1:]
        total, count = total + float(losses[counted].sum()), count + float(counted.sum())
    assert report.base.loss == pytest.approx(total / count, abs=2e-5)
    assert report.quantised_base and abs(report.quantised_base.loss - report.base.loss) > 1e-4
    assert report.findings and not report.findings.base_in_4_bits


def test_the_adapter_reopened_by_peft_gives_the_reported_loss(finished: Path, base: Path) -> None:
    """Anybody can load ``adapter/`` on the 4-bit base with peft alone and gets the model that was measured."""
    from peft import PeftModel
    from torch.nn.functional import cross_entropy
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    quantised = AutoModelForCausalLM.from_pretrained(
        base,
        quantization_config=BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.float32,
        ),
    )
    model = PeftModel.from_pretrained(quantised, finished / "adapter").train()
    tokenizer = AutoTokenizer.from_pretrained(finished / "adapter")
    total, count = 0.0, 0
    for record in make_records(8, seed=1):
        encoded = tokenizer.apply_chat_template(
            [m.model_dump(include={"role", "content"}) for m in record.messages],
            return_dict=True,
            return_assistant_tokens_mask=True,
            return_tensors="pt",
        )
        mask = torch.as_tensor(encoded["assistant_masks"]).bool().reshape(1, -1)
        with torch.no_grad():
            logits = model(input_ids=encoded["input_ids"]).logits
        losses = cross_entropy(logits[0, :-1], encoded["input_ids"][0, 1:], reduction="none")
        total, count = total + float(losses[mask[0, 1:]].sum()), count + int(mask[0, 1:].sum())
    report = Report.model_validate_json((finished / "report.json").read_bytes())
    assert count == report.tuned.tokens
    assert total / count == pytest.approx(report.tuned.loss, abs=1e-4)


def test_every_artefact_is_listed_with_its_digest_and_none_is_a_pickle(finished: Path) -> None:
    manifest = json.loads((finished / "manifest.json").read_bytes())["files"]
    assert {
        "adapter/adapter_model.safetensors",
        "adapter/adapter_config.json",
        "adapter/tokenizer.json",
        "adapter/chat_template.jinja",
        "report.json",
    } <= manifest.keys()
    assert matches_digests(finished, manifest)
    assert manifest["report.json"]["sha256"] == sha256(finished / "report.json")
    assert not [p for p in finished.rglob("*") if p.suffix in (".bin", ".pt", ".pth", ".pkl")]


def test_the_best_checkpoint_is_never_pruned_and_old_ones_are(finished: Path) -> None:
    best = Report.model_validate_json((finished / "report.json").read_bytes()).training.best_step
    kept = {int(p.name.removeprefix("step-")) for p in (finished / "checkpoints").glob("step-*")}
    assert kept == {16, 18, best}


def test_starting_a_finished_run_again_changes_nothing(finished: Path) -> None:
    before = sha256(finished / "manifest.json")
    assert run_here(finished) == 0
    assert read_events(finished)[-1]["outcome"] == "completed" and sha256(finished / "manifest.json") == before


def test_the_same_seed_gives_the_same_model(base: Path, finished: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path, base, settings={"training.epochs": 3})
    assert run_here(run) == 0
    assert sha256(run / "adapter/adapter_model.safetensors") == sha256(finished / "adapter/adapter_model.safetensors")


@pytest.mark.parametrize(
    "settings",
    [
        {"training.packing": "off"},
        {"quantisation.method": "none"},
        {"training.gradient_checkpointing": "on"},
        {"training.micro_batch_size": 2},
        {"lora.use_dora": True, "lora.use_rslora": True},
        {"training.loraplus_lr_ratio": 4},
        {"lora.target_modules": "q_proj,v_proj", "lora.lora_dropout": 0.1},
        {"training.neftune_noise_alpha": 5},
        {"training.optim": "adamw_8bit"},
        {"quantisation.compute_dtype": "float16"},
        {"quantisation.compute_dtype": "bfloat16"},
        {"training.lr_scheduler_type": "constant", "training.max_steps": 3},
        {"data.max_length": 40, "data.over_length": "truncate"},
    ],
    ids=lambda s: ",".join(s),
)
def test_every_setting_trains(base: Path, tmp_path: Path, settings: dict[str, Any]) -> None:
    """Each way of training that the settings offer ends with a better model."""
    run = write_run(tmp_path, base, train=make_records(24), settings={"training.epochs": 1, **settings})
    assert run_here(run) == 0
    losses = numbers(run, "eval_loss")
    assert losses[max(losses)] < losses[0]


def test_a_base_without_markers_or_without_template_trains_and_says_so(tmp_path: Path) -> None:
    for name, template in (("unmarked", UNMARKED_CHATML), ("none", None)):
        base = build_base(tmp_path / name / "base", chat_template=template)
        run = write_run(tmp_path / name / "run", base, train=make_records(16), settings={"training.epochs": 1})
        assert run_here(run) == 0
        codes = {e["code"] for e in read_events(run) if e["kind"] == "alert"}
        assert ("chat_template" in codes) == (template is None)
        assert "<|im_end|>" in (run / "adapter/chat_template.jinja").read_text()


def test_records_left_out_are_counted_and_shown(base: Path, tmp_path: Path) -> None:
    """Too long, or without anything to learn: an alert with the number, never silence."""
    mute = Record(
        id="mute", messages=(Message(role="user", content="hm"), Message(role="assistant", content="x", train=False))
    )
    run = write_run(
        tmp_path, base, train=[*make_records(16), mute], settings={"training.epochs": 1, "data.max_length": 60}
    )
    assert run_here(run) == 0
    alerts = {e["code"]: e["message"] for e in read_events(run) if e["kind"] == "alert"}
    assert "1 records" in alerts["no_supervised_tokens"] and "mute" in alerts["no_supervised_tokens"]
    dropped = Report.model_validate_json((run / "report.json").read_bytes()).training.records_dropped
    assert dropped > 1 and f"{dropped - 1} records longer than 60 tokens" in alerts["over_length"]


def test_the_report_card_says_what_became_of_each_correction(base: Path, tmp_path: Path) -> None:
    """A record that was written for a correction is asked once the model is trained, and its answer compared."""
    corrected = Record(
        id="brightrun-correction-7",
        messages=(
            Message(role="user", content="repeat blue dog", train=False),
            Message(role="assistant", content="blue dog"),
        ),
    )
    run = write_run(tmp_path, base, train=[*make_records(12), corrected], settings={"training.max_steps": 2})
    assert run_here(run) == 0
    (outcome,) = Report.model_validate_json((run / "report.json").read_bytes()).corrections
    assert (outcome.id, outcome.question, outcome.wanted) == (7, "repeat blue dog", "blue dog")
    assert outcome.mark in ("right", "partly", "wrong", "unclear")


def test_a_base_without_weights_is_refused_before_anything_is_loaded(base: Path, tmp_path: Path) -> None:
    hollow = build_base(tmp_path / "base")
    (hollow / "model.safetensors").unlink()
    run = write_run(tmp_path / "run", hollow)
    assert run_here(run) == 1
    assert failure(run)["error"] == "base_incomplete" and "weights are missing" in failure(run)["cause"]
    assert failure(run)["fix"]


def test_a_dataset_with_nothing_to_learn_is_refused(base: Path, tmp_path: Path) -> None:
    questions = [Record(id=str(i), messages=(Message(role="user", content="why"),)) for i in range(4)]
    run = write_run(tmp_path, base, train=questions)
    assert run_here(run) == 1
    assert failure(run)["error"] == "nothing_to_learn"


@pytest.mark.parametrize(("compute", "kind"), [("float16", "not_finite"), ("float32", "frozen")])
def test_a_run_that_blows_up_keeps_its_last_good_checkpoint_and_proposes_a_change(
    base: Path, tmp_path: Path, compute: str, kind: str
) -> None:
    """An absurd rate overflows in float16 and saturates in float32: both end at once, with what retry should change."""
    run = write_run(
        tmp_path,
        base,
        settings={
            "training.epochs": 10,
            "training.learning_rate": 0.99,
            "training.max_grad_norm": 0,
            "lora.lora_alpha": 4096,
            "training.save_steps": 1,
            "evaluation.eval_steps": 50,
            "training.lr_scheduler_type": "constant",
            "training.warmup_ratio": 0,
            "quantisation.compute_dtype": compute,
        },
    )
    assert run_here(run) == 1
    event = failure(run)
    assert event["error"] == kind
    assert event["suggestion"] == {"training.learning_rate": 0.495, "training.max_grad_norm": 0.3}
    newest = max((run / "checkpoints").glob("step-*"), key=lambda p: int(p.name.removeprefix("step-")))
    assert all(torch.isfinite(t).all() for t in load_file(newest / "adapter_model.safetensors").values())


def test_a_bad_setting_names_itself(base: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path, base, settings={"lora.target_modules": "no_such_layer"})
    assert run_here(run) == 1
    assert "target modules" in failure(run)["cause"].casefold()


def test_a_damaged_specification_is_told_not_thrown(base: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path, base)
    (run / "spec.json").write_text('{"run_id": 3')
    assert run_here(run) == 1
    assert failure(run)["error"] == "bad_spec"


def test_a_directory_without_a_specification_is_one_clear_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """In the event log and in worker.log; what we foresaw needs no traceback."""
    assert run_here(tmp_path) == 1
    assert failure(tmp_path)["error"] == "bad_spec"
    said = capfd.readouterr().err
    assert "there is no spec.json" in said and "start the run through brightrun" in said and "Traceback" not in said


def test_without_held_out_records_the_report_says_how_little_it_knows(base: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path, base, train=make_records(16), held_out=[], settings={"training.epochs": 1})
    assert run_here(run) == 0
    report = Report.model_validate_json((run / "report.json").read_bytes())
    assert report.verdict.grade != "good" and any("held out" in reason for reason in report.verdict.reasons)


def test_the_worker_wants_one_run_directory() -> None:
    ended = subprocess.run([sys.executable, "-m", "brightrun_tui.trainer"], capture_output=True, text=True, check=False)
    assert ended.returncode == 2 and "usage" in ended.stderr
