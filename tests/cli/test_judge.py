"""``brightrun models judge``: a language model elsewhere says which answers are better."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cli.conftest import CommandLine
from tests.cli.seed import seed
from tests.registry.judge_server import KEY, JudgeServer, by_marker, prefer, serving_judge


@pytest.fixture
def seeded(brightrun: CommandLine) -> CommandLine:
    seed(brightrun.home)
    return brightrun


@pytest.fixture
def server() -> Iterator[JudgeServer]:
    with serving_judge(prefer(by_marker("on its way"))) as server:
        yield server


def test_the_judgement_is_printed_and_stays_on_the_report_card(seeded: CommandLine, server: JudgeServer) -> None:
    """Configured once, asked by name; whoever is shown the data is named before; the key is in no output."""
    environment = {"BRIGHTRUN_JUDGE_URL": server.url, "BRIGHTRUN_JUDGE_MODEL": "judge-1", "BRIGHTRUN_JUDGE_KEY": KEY}
    done = seeded("models", "judge", "tone:2", **environment)
    assert done.code == 0, done.err
    host = server.url.split("/")[2]
    assert f"{host} is shown 1 questions of tone:2" in done.err
    assert "✓ tuned" in done.out and "preferred its answer in 1 of 1 cases" in done.out.replace("\n", " ")
    shown = seeded("models", "show", "tone:2").out
    assert "the tuned answer is better" in shown and "a judge (judge-1" in shown
    document = seeded("models", "show", "tone:2", "--json").document
    assert document["model"]["report"]["judgement"]["rulings"][0]["outcome"] == "win"
    assert KEY not in done.out + done.err + shown


def test_what_is_wrong_with_the_judge_has_its_exit_code(seeded: CommandLine, server: JudgeServer) -> None:
    """Not set up: 2. No key, wrong key, unreachable: 4. Read-only: 2, and nobody is asked."""
    assert seeded("models", "judge", "tone", "--json").error["kind"] == "no_judge"
    here = ("--url", server.url, "--model", "judge-1", "--json")
    done = seeded("models", "judge", "tone", *here)
    assert (done.code, done.error["kind"]) == (4, "bad_credential") and "connect judge" in done.error["fix"]
    done = seeded("models", "judge", "tone", *here, BRIGHTRUN_JUDGE_KEY="sk-not-the-right-one")
    assert (done.code, done.error["kind"]) == (4, "bad_credential") and "sk-not" not in done.out + done.err
    done = seeded("models", "judge", "tone", "--url", "http://127.0.0.1:9", "--model", "m", "--json")
    assert (done.code, done.error["kind"]) == (4, "judge_unreachable")
    done = seeded("--read-only", "models", "judge", "tone", *here, BRIGHTRUN_JUDGE_KEY=KEY)
    assert (done.code, done.error["kind"]) == (2, "read_only") and not server.bodies


def test_its_key_is_saved_after_a_try(seeded: CommandLine, server: JudgeServer) -> None:
    """connect judge reads the key from stdin, tries it at the configured address, and keeps it for later calls."""
    (seeded.home / "config").mkdir(exist_ok=True)
    (seeded.home / "config" / "config.toml").write_text(f'[judge]\nurl = "{server.url}"\nmodel = "judge-1"\n')
    quiet = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
    assert seeded("connect", "judge", "--json", stdin="sk-wrong\n", **quiet).code == 4
    assert seeded("connect", "judge", "--json", stdin=f"{KEY}\n", **quiet).code == 0
    assert (
        seeded("models", "judge", "tone:1", "--json", **quiet).document["judgement"]["rulings"][0]["outcome"] == "win"
    )
