"""Stop, pause, SIGTERM, kill -9, a full disk: nothing that was learnt or told is lost."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from brightrun_tui.domain.events import Change, Event
from brightrun_tui.domain.live_change import ASKED_CHANGES, AskedChange
from brightrun_tui.domain.model import Report
from brightrun_tui.files import sha256
from brightrun_tui.trainer.compute.optim import make_optimizer
from brightrun_tui.trainer.evaluation.evaluate import evaluate
from brightrun_tui.trainer.loop.dry_run import SPARE_BYTES

from .conftest import metric, numbers, read_events, run_here, wait_for, write_run

CHANCY = {
    "training.epochs": 8,
    "lora.lora_dropout": 0.2,
    "training.neftune_noise_alpha": 5,
    "evaluation.eval_steps": 12,
}
"""Dropout and noise, so that random numbers matter, and a checkpoint every 12 steps."""
STEPS = 48

StartWorker = Callable[[Path], "subprocess.Popen[bytes]"]


@pytest.fixture(scope="module")
def undisturbed(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the run gives when nobody interrupts it."""
    run = write_run(tmp_path_factory.mktemp("undisturbed"), base, settings=CHANCY)
    assert run_here(run) == 0
    return run


def reached(run: Path, step: int) -> bool:
    return max(metric(run, "train_loss"), default=0) >= step


def ask_when_reached(run: Path, request: str, step: int) -> threading.Thread:
    """Put a request into ``control/`` once the worker has told step ``step``."""

    def ask() -> None:
        wait_for(lambda: reached(run, step), f"step {step}")
        (run / "control" / request).touch()

    (run / "control").mkdir(exist_ok=True)
    thread = threading.Thread(target=ask)
    thread.start()
    return thread


def assert_same_as(undisturbed: Path, run: Path) -> None:
    """Every loss, and every bit of the adapter."""
    events = read_events(run)
    assert [e["seq"] for e in events] == list(range(len(events)))
    for name in ("train_loss", "learning_rate", "grad_norm", "eval_loss"):
        assert metric(run, name) == metric(undisturbed, name)
    weights = "adapter/adapter_model.safetensors"
    assert sha256(run / weights) == sha256(undisturbed / weights)


def test_a_paused_run_goes_on_exactly_where_it_was(base: Path, undisturbed: Path, tmp_path: Path) -> None:
    """Weights, optimiser, schedule, random numbers and data position: the interrupted run equals the other to the bit."""
    run = write_run(tmp_path, base, settings=CHANCY)
    asking = ask_when_reached(run, "pause", 8)
    assert run_here(run) == 0
    asking.join()
    assert read_events(run)[-1]["outcome"] == "paused"
    assert not (run / "control/pause").exists() and not (run / "adapter").exists()
    assert run_here(run) == 0
    assert read_events(run)[-1]["outcome"] == "completed"
    assert_same_as(undisturbed, run)
    phase = ""
    for event in read_events(run):
        phase = event.get("phase", phase)
        assert "train_loss" not in event.get("values", ()) or phase == "training", "a step is told as one"


def test_the_8_bit_optimiser_of_gpus_goes_on_exactly_too(base: Path, tmp_path: Path) -> None:
    settings = {**CHANCY, "training.optim": "adamw_8bit", "training.epochs": 4, "lora.r": 32}
    whole, cut = (write_run(tmp_path / name, base, settings=settings) for name in ("whole", "cut"))
    asking = ask_when_reached(cut, "pause", 5)
    assert run_here(whole) == run_here(cut) == 0
    asking.join()
    assert read_events(cut)[-1]["outcome"] == "paused" and run_here(cut) == 0
    assert_same_as(whole, cut)


def test_what_time_cut_off_before_training_is_made_up_for_at_its_end(base: Path, tmp_path: Path) -> None:
    """Else a busy minute at the start of a run would leave its verdict with the few answers that were ready by then."""
    run = write_run(tmp_path, base, settings={"training.epochs": 1, "evaluation.sample_prompts": 3})
    asking = ask_when_reached(run, "pause", 2)
    assert run_here(run) == 0
    asking.join()
    baseline = json.loads((run / "checkpoints" / "baseline.json").read_bytes())
    answered = baseline["answers"]
    assert len(answered) >= 3 and not any(each["cut"] for each in answered), "this shows nothing any more"
    baseline["answers"] = [{**answered[0], "text": "half a wo", "ended": False, "cut": True}, None, *answered[2:]]
    (run / "checkpoints" / "baseline.json").write_text(json.dumps(baseline))
    assert run_here(run) == 0
    report = Report.model_validate_json((run / "report.json").read_bytes())
    assert report.scores["answers_left_out"] == 0
    assert [each.base for each in report.samples][: len(answered)] == [each["text"] for each in answered]


@pytest.mark.parametrize(("step", "request_kind"), [(1, "signal"), (24, "signal"), (STEPS, "pause")])
def test_a_run_asked_to_leave_while_it_measures_keeps_what_it_has_learnt(
    base: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, request_kind: str
) -> None:
    """A long evaluation does not use up the seconds that are left: the present step is saved and the rest is made up for,
    to the bit. The base model's scores (after step 1), those in the middle, and the last ones.
    """
    run = write_run(tmp_path, base, settings=CHANCY)
    scored: list[int] = []

    def ask() -> None:
        scored.append(step)
        if len(scored) == 1 and request_kind == "signal":
            os.kill(os.getpid(), signal.SIGTERM)
        elif len(scored) == 1:
            (run / "control/pause").touch()

    def long_one(forward: Any, examples: Any, max_tokens: int, between: Callable[[], None], *more: Any) -> Any:
        if not reached(run, step) or not any(e.get("phase") == "evaluating" for e in read_events(run)):
            return evaluate(forward, examples, max_tokens, between, *more)

        def meanwhile() -> None:
            ask()
            between()

        return evaluate(forward, examples, 1, meanwhile, *more)

    with monkeypatch.context() as while_measuring:
        while_measuring.setattr("brightrun_tui.trainer.loop.session.evaluate", long_one)
        assert run_here(run) == 0
    assert len(scored) == 1, "one record was scored, not all of them"
    last = read_events(run)[-1]
    assert (last["outcome"], last["step"]) == ("paused", step) and not (run / "adapter").exists()
    assert (run / f"checkpoints/step-{step}/manifest.json").is_file() and step not in metric(run, "eval_loss")
    assert run_here(run) == 0
    assert_same_as(undisturbed, run)
    for kind in ("metric", "checkpoint", "sample"):
        told = [(e["step"], e.get("id"), sorted(e.get("values", ()))) for e in read_events(run) if e["kind"] == kind]
        assert all(told.count(each) == 1 for each in told), kind
    ours, theirs = (Report.model_validate_json((r / "report.json").read_bytes()) for r in (run, undisturbed))
    assert (ours.base, ours.tuned, ours.samples, ours.training.best_step) == (
        theirs.base,
        theirs.tuned,
        theirs.samples,
        theirs.training.best_step,
    )


@pytest.mark.slow
def test_a_killed_worker_loses_no_metric_and_doubles_none(
    base: Path, undisturbed: Path, tmp_path: Path, start_worker: StartWorker
) -> None:
    """kill -9 in the middle of training and restart: the log is whole, the result the same to the bit."""
    run = write_run(tmp_path, base, settings={**CHANCY, "training.save_steps": 4})
    worker = start_worker(run)
    wait_for(lambda: reached(run, 15), "step 15")
    worker.kill()
    worker.wait()
    assert read_events(run)[-1]["kind"] not in ("done", "failed")
    assert start_worker(run).wait(timeout=120) == 0
    assert_same_as(undisturbed, run)
    told = [
        (e["step"], json.dumps(e["values"]["train_loss"]))
        for e in read_events(run)
        if e["kind"] == "metric" and "train_loss" in e["values"]
    ]
    assert len(set(told)) == STEPS, "a repeated step must repeat its loss"
    again = [e["seq"] for e in read_events(run) if e.get("phase") == "loading"][-1]
    first = next(e for e in read_events(run) if e["seq"] > again and e["kind"] in ("progress", "metric"))
    assert first["kind"] == "progress" and first["step"] % 4 == 0, "before its next step it says where it is"


@pytest.fixture
def computing_with() -> Iterator[Callable[[int], None]]:
    """Sets how many threads a run in this process has."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.slow
def test_a_run_goes_on_with_fewer_threads_to_the_same_bit(
    base: Path, tmp_path: Path, computing_with: Callable[[int], None]
) -> None:
    """Rows computed side by side, and one after the other where it is resumed: the result does not tell."""
    settings = {"training.epochs": 8, "evaluation.eval_steps": 12}
    whole, cut = (write_run(tmp_path / name, base, settings=settings) for name in ("whole", "cut"))
    computing_with(2)
    assert run_here(whole) == 0
    asking = ask_when_reached(cut, "pause", 2)
    assert run_here(cut) == 0
    asking.join()
    paused = read_events(cut)[-1]
    assert paused["outcome"] == "paused"
    assert json.loads((cut / f"checkpoints/step-{paused['step']}/state.json").read_bytes())["progress"]["lanes"] == 2
    computing_with(1)
    assert run_here(cut) == 0 and read_events(cut)[-1]["outcome"] == "completed"
    assert_same_as(whole, cut)


@pytest.mark.slow
def test_sigterm_saves_before_it_leaves(base: Path, tmp_path: Path, start_worker: StartWorker) -> None:
    """A pre-empted machine gives seconds: the step in progress is kept."""
    run = write_run(
        tmp_path,
        base,
        settings={**CHANCY, "training.epochs": 200, "training.save_steps": 10_000, "evaluation.eval_steps": 10_000},
    )
    worker = start_worker(run)
    wait_for(lambda: reached(run, 3), "step 3")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=60) == 0
    last = read_events(run)[-1]
    assert last["outcome"] == "paused" and last["step"] >= 3
    assert (run / f"checkpoints/step-{last['step']}/adapter_model.safetensors").is_file()


def test_a_stopped_run_is_a_usable_model(base: Path, tmp_path: Path) -> None:
    """Stop means finish now: adapter, scores and report card are there, and say that it was stopped."""
    run = write_run(tmp_path, base, settings={**CHANCY, "training.epochs": 200, "evaluation.eval_steps": 10_000})
    asking = ask_when_reached(run, "stop", 5)
    assert run_here(run) == 0
    asking.join()
    last = read_events(run)[-1]
    assert last["outcome"] == "stopped" and 5 <= last["step"] < 1200
    report = Report.model_validate_json((run / "report.json").read_bytes())
    assert report.tuned.loss < report.base.loss
    assert any("stopped" in reason for reason in report.verdict.reasons)
    assert (run / "adapter/adapter_model.safetensors").is_file() and not (run / "control/stop").exists()


def test_a_checkpoint_on_request_does_not_end_the_run(base: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path, base, settings={**CHANCY, "training.save_steps": 10_000, "evaluation.eval_steps": 10_000})
    asking = ask_when_reached(run, "checkpoint", 3)
    assert run_here(run) == 0
    asking.join()
    steps = [e["step"] for e in read_events(run) if e["kind"] == "checkpoint"]
    assert len(steps) == 2 and 3 <= steps[0] < STEPS and not (run / "control/checkpoint").exists()


def test_a_pause_before_training_is_answered_too(base: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path, base)
    (run / "control").mkdir()
    (run / "control/pause").touch()
    assert run_here(run) == 0
    assert read_events(run)[-1] | {"outcome": "paused", "step": 0} == read_events(run)[-1]
    assert run_here(run) == 0 and read_events(run)[-1]["outcome"] == "completed"


def test_a_pause_while_reporting_is_made_up_for_later(base: Path, undisturbed: Path, tmp_path: Path) -> None:
    """Training is over, its report is not: the next start only reports, with the same result."""
    run = write_run(tmp_path, base, settings=CHANCY)
    (run / "control").mkdir()

    def ask() -> None:
        wait_for(lambda: any(e.get("phase") == "saving" for e in read_events(run)), "the end of training")
        (run / "control/pause").touch()

    asking = threading.Thread(target=ask)
    asking.start()
    assert run_here(run) == 0
    asking.join()
    paused = read_events(run)[-1]["outcome"] == "paused"
    assert paused != (run / "manifest.json").exists()
    assert run_here(run) == 0
    assert_same_as(undisturbed, run)
    ours, theirs = (Report.model_validate_json((r / "report.json").read_bytes()) for r in (run, undisturbed))
    assert (ours.base, ours.tuned, ours.samples) == (theirs.base, theirs.tuned, theirs.samples)


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(base: Path, undisturbed: Path, tmp_path: Path) -> None:
    """One flipped byte in the newest: said, left out, and the run still ends the same."""
    run = write_run(tmp_path, base, settings=CHANCY)
    asking = ask_when_reached(run, "pause", 13)
    assert run_here(run) == 0
    asking.join()
    newest = run / f"checkpoints/step-{read_events(run)[-1]['step']}/adapter_model.safetensors"
    content = bytearray(newest.read_bytes())
    content[-1] ^= 1
    newest.write_bytes(content)
    assert run_here(run) == 0
    assert "checkpoint_left_out" in {e["code"] for e in read_events(run) if e["kind"] == "alert"}
    assert_same_as(undisturbed, run)


@pytest.mark.parametrize(("first", "then"), [("adamw_torch_fused", "adamw_8bit"), ("adamw_8bit", "adamw_torch_fused")])
def test_a_run_that_moves_between_cpu_and_gpu_goes_on_with_the_optimiser_of_the_new_machine(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, then: str
) -> None:
    """“auto” chooses another one there: adapter and step are kept, and it is said that the optimiser's memory is not."""
    run = write_run(tmp_path, base, settings={"training.epochs": 4})

    def choose(kind: str) -> None:
        monkeypatch.setattr(
            "brightrun_tui.trainer.worker.make_optimizer",
            lambda model, settings, device: make_optimizer(model, settings.model_copy(update={"optim": kind}), device),
        )

    choose(first)
    asking = ask_when_reached(run, "pause", 5)
    assert run_here(run) == 0
    asking.join()
    step = read_events(run)[-1]["step"]
    choose(then)
    assert run_here(run) == 0, read_events(run)[-1]
    assert [e["code"] for e in read_events(run) if e["kind"] == "alert" and e["level"] == "warning"] == [
        "optimizer_afresh"
    ]
    losses = numbers(run, "train_loss")
    assert sorted(losses) == list(range(1, 25)) and losses[step + 1] < losses[1], "it goes on from what was learnt"


def test_checkpoints_of_other_settings_are_put_aside_not_mixed_in(base: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path, base, settings={"training.epochs": 1, "evaluation.sample_prompts": 3})
    assert run_here(run) == 0
    (run / "manifest.json").unlink()
    write_run(tmp_path, base, settings={"training.epochs": 1, "lora.r": 2})
    assert run_here(run) == 0
    assert (run / "checkpoints.old-1").is_dir()
    assert json.loads((run / "adapter/adapter_config.json").read_bytes())["r"] == 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 48 MB."""
    directory = tmp_path / "disk"
    directory.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(directory)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system is not allowed here")
    yield directory
    subprocess.run(["umount", str(directory)], check=True)


def fill(disk: Path, leave: int) -> Path:
    """A file that leaves ``leave`` bytes free, or fewer where somebody else writes meanwhile."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while (free := shutil.disk_usage(disk).free - leave) > 0:
            file.write(b"\0" * min(free, 1 << 16))
    return filler


def test_a_disk_too_small_is_told_in_the_first_minute(base: Path, small_disk: Path) -> None:
    """Before the long part begins, with the numbers."""
    run = write_run(small_disk / "run", base)
    fill(small_disk, 8_000_000)
    assert run_here(run) == 1
    last = read_events(run)[-1]
    assert last["error"] == "disk_full" and "MiB" in last["cause"] and len(metric(run, "train_loss")) == 1


def test_a_disk_with_room_for_what_is_still_to_come_is_enough(base: Path, small_disk: Path) -> None:
    """What the checkpoints of an earlier start take is not asked for again, nor more for a new one than it takes."""
    run = write_run(small_disk / "run", base, settings={**CHANCY, "lora.r": 64})
    asking = ask_when_reached(run, "pause", 26)
    assert run_here(run) == 0
    asking.join()
    sizes = [sum(f.stat().st_size for f in step.iterdir()) for step in (run / "checkpoints").glob("step-*")]
    weights = next(run.glob("checkpoints/step-*/adapter_model.safetensors")).stat().st_size
    assert len(sizes) >= 2
    needed = SPARE_BYTES + 4 * max(sizes) + 2 * weights - sum(sizes)
    filler = fill(small_disk, needed - 500_000)
    assert run_here(run) == 1
    last = read_events(run)[-1]
    assert (last["error"], last["suggestion"]) == ("disk_full", {}), (
        "a change would begin a new run and lose what is learnt"
    )
    filler.unlink()
    fill(small_disk, needed + 500_000)
    assert run_here(run) == 0, read_events(run)[-1]
    assert read_events(run)[-1]["outcome"] == "completed"


def test_a_disk_that_fills_up_loses_nothing_and_the_run_goes_on_later(base: Path, small_disk: Path) -> None:
    """Full in the middle: the failure is still told, old checkpoints are whole, and freeing space lets it finish."""
    run = write_run(small_disk / "run", base, settings={**CHANCY, "training.save_steps": 2})
    fillers: list[Path] = []

    def fill_when_reached() -> None:
        wait_for(lambda: reached(run, 5), "step 5")
        fillers.append(fill(small_disk, 0))

    filling = threading.Thread(target=fill_when_reached)
    filling.start()
    assert run_here(run) == 1
    filling.join()
    last: dict[str, Any] = read_events(run)[-1]
    assert last["kind"] == "failed" and last["error"] == "disk_full"
    fillers[0].unlink()
    assert run_here(run) == 0
    events = read_events(run)
    assert [e["seq"] for e in events] == list(range(len(events))) and events[-1]["outcome"] == "completed"
    assert sorted(metric(run, "train_loss")) == list(range(1, STEPS + 1))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_run_directory_is_one_clear_line(base: Path, tmp_path: Path, start_worker: StartWorker) -> None:
    run = write_run(tmp_path, base)
    (run / "worker.log").touch()
    run.chmod(0o500)
    worker = start_worker(run)
    assert worker.wait(timeout=60) == 1
    run.chmod(0o700)
    assert "cannot be written" in (run / "worker.log").read_text()


def test_a_change_on_the_way_holds_from_the_next_step_on_and_from_that_very_step_again_after_an_older_checkpoint(
    base: Path, tmp_path: Path
) -> None:
    """What is lost with a newer checkpoint is trained again as it was: the change comes at its own step, to the bit."""
    settings = {**CHANCY, "training.epochs": 4, "evaluation.eval_steps": 6}
    asked = [AskedChange(number=1, settings={"training.learning_rate": 1e-5, "training.epochs": 3.5})]
    cut = write_run(tmp_path / "cut", base, settings=settings)
    changing = ask_when_reached(cut, "changes.json.new", 7)

    def change() -> None:
        changing.join()
        (cut / "control/changes.json.new").write_bytes(ASKED_CHANGES.dump_json(asked))
        (cut / "control/changes.json.new").rename(cut / "control/changes.json")
        wait_for(lambda: any(e["kind"] == "change" for e in read_events(cut)), "the change")
        (cut / "control/pause").touch()

    pausing = threading.Thread(target=change)
    pausing.start()
    assert run_here(cut) == 0
    pausing.join()
    [told] = [e for e in read_events(cut) if e["kind"] == "change"]
    assert told["number"] == 1 and told["step"] > 6
    for newer in (cut / "checkpoints").glob("step-*"):
        if int(newer.name.removeprefix("step-")) > 6:
            shutil.rmtree(newer)
    assert run_here(cut) == 0
    whole = write_run(tmp_path / "whole", base, settings=settings)
    line = Event(0, 0.0, Change(number=1, step=told["step"], settings=told["settings"])).to_line()
    (whole / "events.jsonl").write_bytes(line)
    assert run_here(whole) == 0
    assert [e["kind"] for e in read_events(cut)].count("change") == 1
    rates = metric(cut, "learning_rate")
    before, after = rates[told["step"]], rates[told["step"] + 1]
    assert before and after and before > 1e-5 > after and max(rates) in (21, told["step"] + 1)
    assert_same_as(whole, cut)


def test_a_run_that_is_to_stop_after_its_evaluation_goes_on_until_there(base: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path, base, settings={**CHANCY, "evaluation.eval_steps": 4, "evaluation.sample_prompts": 0})
    (run / "control").mkdir()
    (run / "control/stop-after-evaluation").touch()
    assert run_here(run) == 0
    last = read_events(run)[-1]
    assert (last["outcome"], last["step"]) == ("stopped", 4) and 4 in metric(run, "eval_loss")
    assert (run / "adapter").is_dir() and not (run / "control/stop-after-evaluation").exists()
