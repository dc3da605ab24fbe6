"""`brightrun train` as a person or a script meets it: a small but real QLoRA run, from the data to an answer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import CommandLine
from tests.e2e.conftest import UntaughtWorker, untaught_here
from tests.toy_base import toy_base

__all__ = ["untaught_here"]

pytest.importorskip("torch", reason="the training packages are not installed")
pytestmark = pytest.mark.slow

QUICK = (
    "--set",
    "training.max_steps=6",
    "--set",
    "evaluation.sample_prompts=1",
    "--set",
    "evaluation.max_new_tokens=4",
)
LONG = (
    "--set",
    "training.epochs=900",
    "--set",
    "evaluation.early_stopping_patience=0",
    "--set",
    "evaluation.eval_steps=5000",
)


@pytest.fixture(scope="session")
def base() -> Path:
    return toy_base()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "greet.jsonl"
    path.write_text(
        "".join(json.dumps({"prompt": f"repeat red {n}", "completion": f"red {n}"}) + "\n" for n in range(80))
    )
    return path


def wait_for(fact: Callable[[], Any], what: str, seconds: float = 90) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := fact():
            return found
        time.sleep(0.2)
    pytest.fail(f"waited {seconds:.0f} s in vain for: {what}")


def test_from_data_to_an_answer_and_back_to_silence(brightrun: CommandLine, data: Path, base: Path) -> None:
    """One call trains (in 4 bits), registers and reports; deploy waits for the answer; undeploy ends it; nothing is left."""
    done = brightrun(
        "train", data, "--base", base, "--name", "greet", *QUICK, "--set", "quantisation.method=nf4", "--json"
    )
    assert done.code == 0, done.err
    document = done.document
    assert (document["run"]["state"], document["model"]) == ("completed", "greet:1")
    assert document["report"]["training"]["steps"] == 6
    assert "80 of 80 records usable" in done.err and "training" in done.err
    assert document["report"]["lineage"]["settings"]["quantisation"]["method"] == "nf4"
    exported = brightrun("models", "export", "greet", data.parent / "merged", "--form", "merged", "--json").document
    merged, fidelity = Path(exported["path"]), exported["measured"]
    assert fidelity["answers"] and fidelity["same"] + len(fidelity["others"]) == fidelity["answers"]
    assert "quantization_config" not in json.loads((merged / "config.json").read_bytes())
    measured = brightrun("models", "evaluate", "greet", "--answers", "2", "--json").document
    assert measured["runs"][0]["state"] == "completed" and measured["runs"][0]["model"] == "greet"
    (evaluation,), card = measured["evaluations"], brightrun("models", "show", "greet", "--json").document
    assert evaluation["records_key"] == card["model"]["report"]["records_key"]
    assert abs(evaluation["tuned"]["loss"] - card["model"]["report"]["tuned"]["loss"]) < 1e-4
    page = Path(brightrun("models", "card", "greet", "--html", data.parent / "card.html").out.strip()).read_text()
    assert "training loss" in page and "held-out loss" in page and time.strftime("made %Y-") in page
    board = brightrun("models", "leaderboard", "greet", "--json").document["boards"][0]
    assert [each["ref"] for each in board["standings"]] == ["greet:1"] and card["evaluations"] == [evaluation]
    deployed = brightrun("deploy", "greet", "--json").document
    assert deployed["url"].startswith("http://127.0.0.1:") and deployed["url"].endswith("/v1")
    assert brightrun("deploy", "greet:1", "--json").document["url"] == deployed["url"]
    asked = brightrun("models", "evaluate", "greet", "--answers", "2", "--endpoint", "greet", "--json").document[
        "answers"
    ]
    assert asked["judging"]["records"] == len(asked["answers"]) == 2 and asked["endpoint"] == "greet"
    assert all(each["mark"] and each["wanted"] for each in asked["answers"])
    for one_too_many in (("greet:1", "greet:2"), ("greet", "--detach")):
        assert brightrun("models", "evaluate", *one_too_many, "--endpoint", "greet", "--json").code == 2
    listed = brightrun("endpoints", "--json").document["endpoints"][0]
    assert deployed["key"] not in json.dumps(listed)
    assert Path(listed["key_file"]).read_text().strip() == deployed["key"]
    assert brightrun("endpoints", "answers", "greet", "--json").document["kept"] is False
    assert brightrun("endpoints", "answers", "greet", "--keep", "--json").code == 0
    answer = brightrun("chat", "greet", "--prompt", "repeat red 7", "--max-tokens", "4", "--json")
    assert answer.code == 0 and isinstance(answer.document["answer"], str)
    for kept in brightrun("endpoints", "answers", "greet", "--json").document["answers"]:  # none where it said nothing
        assert kept["conversation"][-1]["content"] == "repeat red 7" and kept["answer"] == answer.document["answer"]
        wrong = ("endpoints", "answers", "greet", "--wrong", kept["id"], "--wanted", "red 7, of course")
        assert brightrun(*wrong, "--json").document["correction"]["wanted"] == "red 7, of course"
    assert brightrun("endpoints", "answers", "greet", "--forget", "--json").document["kept"] is False
    wait_for(lambda: brightrun("endpoints", "requests", "greet", "--json").document["requests"], "requests are logged")
    assert brightrun("undeploy", "greet", "--json").document["endpoint"]["state"] == "stopped"
    assert not Path(listed["key_file"]).exists(), "the key of what has ended opens nothing, and is kept nowhere"
    wait_for(lambda: not brightrun.processes(), "everything has ended by itself")


def test_a_sweep_says_which_values_came_out_best(brightrun: CommandLine, data: Path, base: Path) -> None:
    """A run for each value, as one group, each with its model; the lowest held-out loss stands first."""
    start = ("train", data, "--base", base, "--name", "try", *QUICK)
    refused = brightrun(*start, "--sweep", "lora.rank = 2 4", "--json")
    assert refused.code == 2 and "lora.rank" in refused.document["error"]["what"]
    done = brightrun(*start, "--sweep", "training.learning_rate = 1e-9 2e-3", "--json")
    assert done.code == 0, done.err
    best, worst = done.document["runs"]
    assert [best["run"]["name"], worst["run"]["name"]] == ["try-2e-3", "try-1e-9"]
    assert best["held_out_loss"] < worst["held_out_loss"] and best["model"] == "try-2e-3:1"
    assert {run["run"]["spec"]["group"] for run in (best, worst)} == {done.document["sweep"]}
    assert "2 runs, one after the other" in done.err and "free" in done.err


def test_ctrl_c_leaves_the_run_running(
    brightrun: CommandLine, data: Path, base: Path, untaught_here: UntaughtWorker
) -> None:
    """A person may close the lid: the command ends with 130 and says how to stop the run, which goes on."""
    untaught_here.hold(5)
    process = subprocess.Popen(
        brightrun.command("train", data, "--base", base, "--name", "long", "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=brightrun.environment(),
        start_new_session=True,
    )
    run = wait_for(
        lambda: next((r for r in brightrun("runs", "--json").document["runs"] if r["step"] == 5), None), "it trains"
    )
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert json.loads(out)["detached"] and json.loads(out)["run"]["id"] == run["id"]
    assert f"brightrun runs stop {run['id']}" in err and "Traceback" not in err
    untaught_here.hold(9)
    wait_for(lambda: brightrun("runs", "show", "last", "--json").document["run"]["step"] == 9, "it goes on")
    assert brightrun("runs", "stop", "long", "--json").code == 0
    wait_for(
        lambda: brightrun("runs", "show", "long", "--json").document["run"]["state"] == "stopped", "it has stopped"
    )
    assert brightrun("models", "show", "long", "--json").document["model"]["run_id"] == run["id"]
    wait_for(lambda: not brightrun.processes(), "everything has ended by itself")


def test_a_disk_that_fills_up_while_training_is_one_clear_error(
    mounted: Callable[..., Path], data: Path, base: Path
) -> None:
    """Space that was there before the start is gone: the command says so and ends with 1, and nothing runs on."""
    disk = mounted("size=600m")
    brightrun = CommandLine(disk / "home")
    command = brightrun.command("train", data, "--base", base, *LONG, "--set", "training.save_steps=5", "--json")
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=brightrun.environment()
    )
    wait_for(lambda: any(r["step"] > 0 for r in brightrun("runs", "--json").document["runs"]), "it trains")
    with (disk / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError):
        while True:
            filler.write(bytes(1 << 20))
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert json.loads(out)["error"]["kind"] == "disk_full", out
    assert json.loads(out)["error"]["fix"] and "Traceback" not in err
    wait_for(lambda: not brightrun.processes(), "everything has ended by itself")
