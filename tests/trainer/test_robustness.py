"""A run that meets trouble goes on, or ends by itself, and says so."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from peft import PeftModelForCausalLM
from transformers import AutoTokenizer, LlamaForCausalLM

from brightrun_tui.domain.dataset import Message, Record
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.events import WorkerExit
from brightrun_tui.domain.model import Report
from brightrun_tui.domain.run import Run, RunSpec
from brightrun_tui.orchestrator import lifecycle
from brightrun_tui.trainer.compute.forward import Forward
from brightrun_tui.trainer.compute.scores import Scores
from brightrun_tui.trainer.data.batches import Batch
from brightrun_tui.trainer.data.examples import Example
from brightrun_tui.trainer.evaluation.evaluate import evaluate
from brightrun_tui.trainer.loop.training import Loop
from brightrun_tui.trainer.model.loading import load_base
from brightrun_tui.trainer.runtime.events import EventLog
from brightrun_tui.trainer.runtime.failures import explain
from brightrun_tui.trainer.runtime.hardware import HardwareMonitor, _open_gpu

from .conftest import build_base, make_records, metric, numbers, read_events, run_here, wait_for, write_run


def refuse_more_than(monkeypatch: pytest.MonkeyPatch, tokens: int, *, when_recomputing: bool = True) -> None:
    """An allocator that says no to micro-batches above a size, as a GPU's does."""
    build = Forward.batch

    def batch(self: Forward, examples: Sequence[Example]) -> Batch:
        recomputing = getattr(self.model.get_base_model().base_model, "gradient_checkpointing", False)
        too_much = sum(e.length for e in examples) > tokens
        if self.model.training and too_much and (when_recomputing or not recomputing):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return build(self, examples)

    monkeypatch.setattr(Forward, "batch", batch)


def test_running_out_of_memory_halves_the_micro_batch_and_changes_nothing_else(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step keeps its records, the losses stay the same, an alert tells."""
    calm = write_run(tmp_path / "calm", base, settings={"training.epochs": 1})
    assert run_here(calm) == 0
    refuse_more_than(monkeypatch, 200)
    run = write_run(tmp_path / "tight", base, settings={"training.epochs": 1})
    assert run_here(run) == 0
    assert any("halved" in e["message"] for e in read_events(run) if e["kind"] == "alert")
    assert list(metric(run, "train_loss").values()) == pytest.approx(
        list(metric(calm, "train_loss").values()), rel=1e-5
    )


def test_then_activations_are_recomputed_and_only_then_it_fails(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A single record that does not fit gets gradient checkpointing; when that is not enough, a change is proposed."""
    with monkeypatch.context() as tight:
        refuse_more_than(tight, 40, when_recomputing=False)
        run = write_run(tmp_path / "tight", base, settings={"training.epochs": 1})
        assert run_here(run) == 0
        assert any("gradient checkpointing" in e["message"] for e in read_events(run) if e["kind"] == "alert")
    refuse_more_than(monkeypatch, 40)
    run = write_run(tmp_path / "hopeless", base, settings={"training.epochs": 1})
    assert run_here(run) == 1
    last = read_events(run)[-1]
    assert last["error"] == "out_of_memory" and last["suggestion"]["data.over_length"] == "truncate"


def test_running_out_of_memory_while_scoring_or_answering_changes_no_number(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer records are scored and fewer prompts answered at once: same losses, same answers, the same training to the bit.

    What a card says that has no room left for its matrix library is understood too.
    """
    settings = {"training.epochs": 1, "evaluation.sample_prompts": 6}
    calm = write_run(tmp_path / "calm", base, settings=settings)
    assert run_here(calm) == 0
    build, answer = Forward.batch, PeftModelForCausalLM.generate

    def batch(self: Forward, examples: Sequence[Example]) -> Batch:
        if sum(e.length for e in examples) > 200:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return build(self, examples)

    def score(*args: Any) -> Scores:
        with monkeypatch.context() as tight:
            tight.setattr(Forward, "batch", batch)
            return evaluate(*args)

    def generate(self: Any, input_ids: torch.Tensor, **options: Any) -> torch.Tensor:
        if len(input_ids) > 2:
            raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")
        answers: torch.Tensor = answer(self, input_ids=input_ids, **options)
        return answers

    monkeypatch.setattr("brightrun_tui.trainer.loop.session.evaluate", score)
    monkeypatch.setattr(PeftModelForCausalLM, "generate", generate)
    run = write_run(tmp_path / "tight", base, settings=settings)
    assert run_here(run) == 0
    said = " ".join(e["message"] for e in read_events(run) if e["kind"] == "alert" and e["code"] == "out_of_memory")
    assert "while scoring" in said and "while answering" in said
    assert metric(run, "train_loss") == metric(calm, "train_loss")
    assert list(metric(run, "eval_loss").values()) == pytest.approx(list(metric(calm, "eval_loss").values()), rel=1e-5)
    ours, theirs = (Report.model_validate_json((r / "report.json").read_bytes()) for r in (run, calm))
    assert [(s.id, s.base, s.tuned) for s in ours.samples] == [(s.id, s.base, s.tuned) for s in theirs.samples]


def lanes_of(run: Path) -> int:
    """How many rows side by side a run of one step was cut for, on two threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert run_here(run) == 0
    finally:
        torch.set_num_threads(before)
    (state,) = (run / "checkpoints").glob("step-*/state.json")
    lanes: int = json.loads(state.read_bytes())["progress"]["lanes"]
    return lanes


def test_rows_are_computed_side_by_side_only_where_that_changes_nothing(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not with random numbers, not at a micro-batch of the user's, not in a model whose rows leave a trace on each other."""
    one_step = {"training.max_steps": 1}
    assert lanes_of(write_run(tmp_path / "plain", base, settings=one_step)) == 2
    for name, value in (
        ("lora.lora_dropout", 0.1),
        ("training.neftune_noise_alpha", 5),
        ("training.micro_batch_size", 4),
    ):
        assert lanes_of(write_run(tmp_path / name, base, settings={**one_step, name: value})) == 1

    def with_memory(*args: Any) -> torch.nn.Module:
        model = load_base(*args)
        layer = model.get_submodule("model.layers.0")

        def remember(module: Any, inputs: Any, output: torch.Tensor) -> torch.Tensor:
            module.seen = output.shape[1]
            time.sleep(0.02)  # the others' turn
            return output * (1 + module.seen - output.shape[1])

        layer.register_forward_hook(remember)
        return model

    monkeypatch.setattr("brightrun_tui.trainer.worker.load_base", with_memory)
    assert lanes_of(write_run(tmp_path / "memory", base, settings=one_step)) == 1

    def with_dynamic_rope(*args: Any) -> torch.nn.Module:
        model = load_base(*args)
        model.get_submodule("model.rotary_emb").rope_type = "dynamic"
        return model

    monkeypatch.setattr("brightrun_tui.trainer.worker.load_base", with_dynamic_rope)
    assert lanes_of(write_run(tmp_path / "rope", base, settings=one_step)) == 1


def test_an_adapter_that_does_not_move_is_noticed_after_the_first_step(base: Path, tmp_path: Path) -> None:
    """Training that runs but learns nothing would otherwise be paid for to its end."""
    run = write_run(tmp_path, base, settings={"training.learning_rate": 1e-45})
    assert run_here(run) == 1
    assert read_events(run)[-1]["error"] == "frozen" and len(metric(run, "train_loss")) == 1


def test_a_base_that_moves_is_noticed_after_the_first_step(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The base model is shared by all adapters: a run that changes it cannot be trusted."""
    update = Loop._update

    def and_change_the_base(self: Loop) -> torch.Tensor:
        for name, parameter in self.session.model.named_parameters():
            if name.endswith("embed_tokens.weight"):
                parameter.data[0, 0] += 1e-3
        return update(self)

    monkeypatch.setattr(Loop, "_update", and_change_the_base)
    run = write_run(tmp_path, base)
    assert run_here(run) == 1
    assert read_events(run)[-1]["error"] == "base_moved"


def test_a_held_out_record_that_overflows_ends_with_a_change_that_helps(tmp_path: Path) -> None:
    """A single record beyond the numbers' range: no report card of "nan", and no traceback."""
    directory = build_base(tmp_path / "base")
    model = LlamaForCausalLM.from_pretrained(directory)
    model.config.tie_word_embeddings = False
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    model.get_input_embeddings().weight.data[AutoTokenizer.from_pretrained(directory)("~")["input_ids"]] = torch.inf
    model.save_pretrained(directory)
    strange = Record(id="s", messages=(Message(role="user", content="~"), Message(role="assistant", content="red")))
    run = write_run(tmp_path / "run", directory, held_out=[*make_records(4, seed=1), strange])
    assert run_here(run) == WorkerExit.FAILED
    event = read_events(run)[-1]
    assert event["kind"] == "failed" and event["error"] == "not_finite" and "held-out" in event["cause"]
    assert event["suggestion"] == {"quantisation.compute_dtype": "float32"}


def test_training_ends_when_the_held_out_loss_no_longer_falls(base: Path, tmp_path: Path) -> None:
    """Four records learnt by heart: the best checkpoint is kept, not the last."""
    run = write_run(
        tmp_path,
        base,
        train=make_records(4),
        settings={
            "training.epochs": 200,
            "training.learning_rate": 2e-2,
            "training.batch_size": 4,
            "evaluation.eval_steps": 5,
        },
    )
    assert run_here(run) == 0
    report = Report.model_validate_json((run / "report.json").read_bytes())
    losses = {step: loss for step, loss in numbers(run, "eval_loss").items() if step}
    assert report.training.early_stopped and report.training.steps < 200
    assert report.tuned.loss == pytest.approx(min(losses.values()), rel=1e-6)
    assert losses[report.training.best_step] == min(losses.values())


@pytest.mark.skipif(sys.platform != "linux", reason="about what Linux counts")
def test_what_a_run_took_of_memory_is_not_what_its_parent_held() -> None:
    held = bytearray(b"x" * 900_000_000)
    told = "from brightrun_tui.trainer.runtime.hardware import peak_memory; print(peak_memory())"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert int(done.stdout) < len(held)


def test_a_run_that_stands_still_is_noticed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brightrun_tui.trainer.runtime.hardware.STUCK_SECONDS", 0.0)
    monkeypatch.setattr("brightrun_tui.trainer.runtime.hardware.PERIOD", 0.05)
    log = EventLog(tmp_path / "events.jsonl")

    def alerts() -> list[dict[str, Any]]:
        return [e for e in read_events(tmp_path) if e["kind"] == "alert"]

    begun = time.time()
    with HardwareMonitor(log):
        wait_for(lambda: len(alerts()) == 1, "the alert")
        seen = len(read_events(tmp_path))
        wait_for(lambda: len(read_events(tmp_path)) >= seen + 3, "three more readings")
    log.close()
    assert len(alerts()) == 1 and alerts()[0]["code"] == "stuck"
    reading = next(e for e in read_events(tmp_path) if e["kind"] == "hardware")
    assert 0 < reading["process_memory"] < reading["memory_total"] and 0 <= reading["utilisation"] <= 1
    assert begun <= reading["time"] <= time.time()
    last = [e for e in read_events(tmp_path) if e["kind"] == "hardware"][-1]
    assert last["received_rate"] >= 0 and last["sent_rate"] >= 0 and "cpu_load" not in last, "that is its utilisation"


def test_a_card_that_does_not_tell_its_load_is_watched_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a part of a card answers (MIG): the readings leave out what is not known, and a run that stands still is noticed."""
    pynvml = pytest.importorskip("pynvml")

    def refuse(handle: Any) -> Any:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

    monkeypatch.setattr("brightrun_tui.trainer.runtime.hardware.STUCK_SECONDS", 0.0)
    monkeypatch.setattr("brightrun_tui.trainer.runtime.hardware.PERIOD", 0.05)
    monkeypatch.setattr("brightrun_tui.trainer.runtime.hardware._open_gpu", lambda: (object(), "A100 MIG 1g.10gb"))
    monkeypatch.setattr(pynvml, "nvmlDeviceGetMemoryInfo", lambda handle: SimpleNamespace(used=3, total=4))
    monkeypatch.setattr(pynvml, "nvmlDeviceGetUtilizationRates", refuse)
    log = EventLog(tmp_path / "events.jsonl")
    with HardwareMonitor(log):
        wait_for(lambda: any(e.get("code") == "stuck" for e in read_events(tmp_path)), "the alert", deadline=20)
    log.close()
    reading = next(e for e in read_events(tmp_path) if e["kind"] == "hardware")
    assert (reading["device"], reading["memory_used"], reading["utilisation"]) == ("A100 MIG 1g.10gb", 3, None)
    assert 0 <= reading["cpu_load"] <= 1 and 0 < reading["ram_used"] <= reading["ram_total"] and "clock" not in reading


@pytest.mark.parametrize("kind", ["GPU", "MIG"])
def test_the_card_that_is_watched_is_the_one_that_works(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch's first card need not be the machine's first: it is asked for by its own name."""
    pynvml = pytest.importorskip("pynvml")

    def find(uuid: str) -> str:
        if uuid != f"{kind}-0af1":
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return uuid

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="0af1", name="H200"))
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByUUID", find)
    assert _open_gpu() == (f"{kind}-0af1", "H200")


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), RuntimeError("something else")])
def test_what_a_failure_advises_is_what_a_failed_run_can_do(error: Exception, tmp_path: Path) -> None:
    """It can be retried, not resumed; where it is said to go on from its newest checkpoint, no change is proposed that
    would make it a new run.
    """
    failure = explain(error)
    spec = RunSpec.model_validate_json((write_run(tmp_path, tmp_path) / "spec.json").read_bytes())
    run = Run(
        id="r", name="r", state="failed", spec=spec, directory="", created_at=0.0, updated_at=0.0, failure=failure
    )
    with pytest.raises(UsageError):
        lifecycle.step(run, "resume_asked")
    assert lifecycle.step(run, "retry_asked").state == "queued"
    assert "resume" not in failure.fix and "retry" in failure.fix and not failure.suggestion
