"""Whatever is wrong with what a person gives: one clear error, the agreed exit code, nothing left running."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine

GOOD = "".join(
    json.dumps({"prompt": f"What is {n} and {n}?", "completion": f"It is {2 * n}."}) + "\n" for n in range(60)
)


def truncated(path: Path) -> None:
    path.write_text(json.dumps([{"prompt": "a", "completion": "b"}] * 50)[:-30])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def binary(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 400)


def huge_line(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b'{"prompt": "')
        for _ in range(200):
            file.write(b"x" * 1_000_000)


def without_answers(path: Path) -> None:
    path.write_text(
        "".join(json.dumps({"messages": [{"role": "user", "content": f"Hello {n}"}]}) + "\n" for n in range(30))
    )


def wrong_columns(path: Path) -> None:
    path.write_text("colour,size\nred,4\nblue,5\n")


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("cut.json", truncated),
        ("empty.jsonl", empty),
        ("photo.jsonl", binary),
        ("line.jsonl", huge_line),
        ("silent.jsonl", without_answers),
        ("colours.csv", wrong_columns),
    ],
)
def test_a_bad_dataset_is_refused_before_anything_starts(
    brightrun: CommandLine, tmp_path: Path, name: str, write: Callable[[Path], None]
) -> None:
    """The error says what is wrong, in which file, and what to do; the exit code is 1; no process and no run stay behind."""
    path = tmp_path / name
    write(path)
    done = brightrun("train", path, "--name", "bad", "--json")
    assert done.code == 1
    error = done.error
    assert error["what"] and error["fix"] and name in error["where"]
    assert len(done.err) < 4000
    assert brightrun.processes() == []
    assert brightrun("runs", "--json").document == {"runs": [], "damaged": []}


def test_a_missing_dataset_is_named(brightrun: CommandLine, tmp_path: Path) -> None:
    """A mistyped path is the commonest mistake: the error repeats what was typed."""
    done = brightrun("train", tmp_path / "nowhere.jsonl", "--json")
    assert done.code == 1
    assert "nowhere.jsonl" in done.error["where"] + done.error["what"]


def test_a_base_without_weights_is_refused(brightrun: CommandLine, tmp_path: Path) -> None:
    """A directory that is not a complete model is found out before the worker starts."""
    base = tmp_path / "base"
    base.mkdir()
    (base / "config.json").write_text(
        json.dumps(
            {
                "model_type": "llama",
                "architectures": ["LlamaForCausalLM"],
                "hidden_size": 64,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "vocab_size": 512,
                "intermediate_size": 128,
            }
        )
    )
    data = tmp_path / "good.jsonl"
    data.write_text(GOOD)
    done = brightrun("train", data, "--base", base, "--json")
    assert done.code == 1
    assert str(base) in done.error["where"] + done.error["what"]
    assert "weights" in done.error["what"]
    assert brightrun.processes() == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "good.jsonl", "--set", "training.epoch=3"),
        ("train", "good.jsonl", "--set", "training.epochs=lots"),
        ("train", "good.jsonl", "--set", "epochs"),
        ("train", "good.jsonl", "--template", "nonesuch"),
        ("train",),
        ("train", "good.jsonl", "--surprise"),
        ("nonsense",),
        ("runs", "show", "nonesuch"),
        ("models", "show", "nonesuch:3"),
        ("endpoints", "--surprise"),
        ("undeploy", "nonesuch"),
        ("connect", "nonesuch"),
        ("offers", "--provider", "nonesuch"),
        ("datasets", "show", "nonesuch"),
        ("chat", "nonesuch", "--prompt", "Hello"),
        ("runs", "stop", "nonesuch", "--yes"),
        ("deploy", "nonesuch"),
        ("datasets", "show", "good.jsonl", "--base", "starter"),
        ("datasets", "show", "good.jsonl", "--record", "1", "--max-length", "9"),
        ("models", "signers", "--name", "Ida"),
        ("runs", "stop", "x", "--force", "--after", "epoch"),
    ],
)
def test_what_makes_no_sense_ends_with_exit_code_2(
    brightrun: CommandLine, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """Scripts can tell a mistake in the call (2) from a failed run (1); with --json the error is the one document on stdout."""
    data = tmp_path / "good.jsonl"
    data.write_text(GOOD)
    done = brightrun(*(str(data) if word == data.name else word for word in arguments), "--json")
    assert done.code == 2
    assert done.error["what"]
    assert brightrun.processes() == []


def test_a_misspelt_setting_gets_the_right_one_suggested(brightrun: CommandLine, tmp_path: Path) -> None:
    """Nobody has to look up how a setting is spelt."""
    data = tmp_path / "good.jsonl"
    data.write_text(GOOD)
    assert "training.epochs" in brightrun("estimate", data, "--set", "training.epoch=3", "--json").error["fix"]


def test_the_app_refuses_politely_without_a_terminal(brightrun: CommandLine) -> None:
    """In a pipe or a cron job nobody gets control characters: one sentence, exit code 2."""
    done = brightrun()
    assert (done.code, done.out) == (2, "")
    assert "terminal" in done.err and "Traceback" not in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("runs", "stop", "x"),
        ("train", "x"),
        ("engine", "start"),
        ("models", "rate", "x", "5"),
        ("deploy", "x"),
        ("disconnect", "huggingface"),
    ],
)
def test_read_only_changes_nothing(brightrun: CommandLine, arguments: tuple[str, ...]) -> None:
    """With --read-only a person can look around on somebody else's machine without a risk."""
    done = brightrun("--read-only", *arguments, "--json")
    assert (done.code, done.error["kind"]) == (2, "read_only")
    assert brightrun.processes() == []


@pytest.mark.parametrize("home", ["below a file", "in /proc"])
def test_a_home_that_cannot_be_written_is_one_clear_error(tmp_path: Path, home: str) -> None:
    """A read-only place for our state is told as such, whichever way the system says it."""
    file = tmp_path / "file"
    file.write_text("")
    brightrun = CommandLine(file / "home" if home == "below a file" else Path("/proc/brightrun"))
    data = tmp_path / "good.jsonl"
    data.write_text(GOOD)
    for arguments in (("train", data), ("runs",), ("engine", "start")):
        done = brightrun(*arguments, "--json")
        assert (done.code, done.error["kind"]) == (1, "home_not_writable"), arguments
        assert "BRIGHTRUN_HOME" in done.error["fix"]
    assert brightrun.processes() == []


def test_a_read_only_disk_is_one_clear_error(mounted: Callable[..., Path]) -> None:
    """A home on a disk that was mounted read-only."""
    brightrun = CommandLine(mounted("size=1m", "ro") / "home")
    done = brightrun("runs", "--json")
    assert (done.code, done.error["kind"]) == (1, "home_not_writable")


@pytest.mark.parametrize("size", ["0k", "64k"])
def test_a_full_disk_is_one_clear_error(mounted: Callable[..., Path], tmp_path: Path, size: str) -> None:
    """Full before the store could be made, or while it is being made: the same sentence, and nothing runs on."""
    disk = mounted("size=1m")
    (disk / "filler").write_bytes(bytes((1 << 20) - (int(size[:-1]) << 10)))
    brightrun = CommandLine(disk / "home")
    data = tmp_path / "good.jsonl"
    data.write_text(GOOD)
    done = brightrun("train", data, "--json")
    assert (done.code, done.error["kind"]) == (1, "disk_full"), done.error
    assert brightrun.processes() == []


def test_an_engine_ends_when_it_is_told_to_however_full_the_disk(mounted: Callable[..., Path]) -> None:
    disk = mounted("size=4m")
    brightrun = CommandLine(disk / "home")
    assert brightrun("engine", "start", BRIGHTRUN_ENGINE_IDLE_SECONDS="600").code == 0
    with (disk / "filler").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    assert brightrun("engine", "stop", "--json").document == {"stopped": True}
    assert brightrun.processes() == []
    assert brightrun("engine", "stop", "--json").document == {"stopped": False}


def test_an_engine_ends_when_it_is_told_to_whatever_became_of_its_database(brightrun: CommandLine) -> None:
    """No request can be left in one that a newer program has migrated, that was damaged or made read-only meanwhile."""
    assert brightrun("engine", "start", BRIGHTRUN_ENGINE_IDLE_SECONDS="600").code == 0
    with sqlite3.connect(brightrun.home / "data" / "brightrun.db") as db:
        db.execute("PRAGMA user_version = 999")
    assert brightrun("runs", "--json").error["kind"] == "newer_data"
    assert brightrun("engine", "stop", "--json").document == {"stopped": True}
    assert brightrun.processes() == []
