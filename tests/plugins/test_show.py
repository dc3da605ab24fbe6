"""A package outside the tree adds a provider, a format, an export kind, a channel and an objective, and each works.

The package is made of the examples in the documentation, and nothing of ours is changed for it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.money import GIB, Hardware, Offer
from brightrun_tui.orchestrator.environment import build_archive
from brightrun_tui.paths import get_paths
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.plan import make_plan
from brightrun_tui.plugins import Door
from tests.cli.conftest import CommandLine
from tests.planning.tiny_model import write_model
from tests.plugins.acme_cloud import KEY, acme_cloud
from tests.plugins.package import install
from tests.tui import seed
from tests.tui.conftest import Opened, first_mode, opened, quiet_network  # noqa: F401

QUICK = (
    "--set",
    "training.max_steps=6",
    "--set",
    "evaluation.sample_prompts=1",
    "--set",
    "evaluation.max_new_tokens=4",
)
SMOOTHED = ("--set", "training.objective=smoothed")
OFFER = Offer(
    id="small",
    provider="acme",
    price_per_hour=0.5,
    hardware=Hardware(device="cuda", gpu="RTX 4090", gpu_count=1, gpu_memory=24 * GIB, flops=1e14, disk_free=10**12),
)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with acme_cloud() as address:
        monkeypatch.setenv("BRIGHTRUN_ACME_URL", address)
        monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
        yield


@pytest.mark.slow
def test_a_package_outside_the_tree_works_from_the_command_line(
    brightrun: CommandLine, acme: Path, chats: Path, base: Path, tmp_path: Path
) -> None:
    """A file in its format is trained on by its objective; its channel tells so; its kind exports the model."""
    journal = tmp_path / "journal.txt"
    config = tmp_path / "config.toml"
    config.write_text(f'[notify]\nchannels = ["journal"]\n[notify.journal]\npath = "{journal}"\n')
    done = brightrun(
        "train", chats, "--base", base, "--name", "talk", *QUICK, *SMOOTHED, "--json", BRIGHTRUN_CONFIG=str(config)
    )
    assert done.code == 0, done.err
    report = done.document["report"]
    assert set(report["scores"]["eval_accuracy"]) == {"base", "tuned"}
    assert report["lineage"]["settings"]["training"]["objective"] == "smoothed"
    run = brightrun("runs", "show", "last", "--json").document["run"]
    assert run["spec"]["dataset"]["format"] == "chat-log"
    assert "eval_accuracy" in brightrun("runs", "metrics", "last", "--csv").out
    assert journal.read_text() == "info run_completed talk: the run has completed; its model is talk:1\n"
    card = brightrun("models", "export", "talk", tmp_path, "--form", "card", "--json").document
    assert card == {"path": str(tmp_path / "talk-v1.md"), "form": "card", "signed": False, "measured": None}
    assert Path(card["path"]).read_text().startswith("# talk")


def test_its_provider_is_connected_and_asked_from_the_command_line(
    brightrun: CommandLine, acme: Path, cloud: None
) -> None:
    refused = brightrun("connect", "acme", "--json", stdin="ac_wrong-key-wrong")
    assert refused.code == 4 and refused.error["kind"] == "bad_credential"
    assert "me@acme.example; $12.50 left" in brightrun("connect", "acme", "--json", stdin=KEY).document["detail"]
    offers = brightrun("offers", "--provider", "acme", "--interruptible", "--json").document["offers"]
    assert [(offer["provider"], offer["id"]) for offer in offers] == [("acme", "spot"), ("acme", "small")]
    assert KEY not in brightrun("integrations", "--test").out


async def test_it_works_in_the_app(
    acme: Path, cloud: None, chats: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Opened
) -> None:
    """Its card, its machines with its capability, a file in its format, its objective, and its export kind."""
    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BRIGHTRUN_ENGINE_SPARE_SECONDS", "0")
    monkeypatch.setenv("ACME_API_KEY", KEY)
    paths = get_paths()
    await seed.fill(paths)
    async with opened(paths) as driver:
        await driver.sees("Acme Cloud")
        driver.one("#card-acme").focus()
        await driver.sees("signed in as me@acme.example")
        await driver.press("2")
        await driver.until(lambda: driver.app.screen.query("#checks"))
        form, screen = driver.new_run.form, driver.new_run
        assert form.row("interruptible").has_class("-off")
        while screen.draft.provider != "acme":
            form.row("provider").field.focus()
            await driver.press("right")
        await driver.until(lambda: not form.row("interruptible").has_class("-off"), "what Acme can do can be chosen")
        wanted = {"data": str(chats), "base": str(base), "overrides": {"training.objective": "smoothed"}}
        screen.fill(screen.draft.model_copy(update=wanted))
        await driver.until(lambda: driver.plan.report and driver.plan.report.format == "chat-log")
        await driver.sees("Acme Cloud", "RTX 4090")
        await driver.until(lambda: driver.plan.first_problem is None, "it may start")
        await driver.press("escape", "4")
        await driver.until(lambda: driver.app.current_mode == "registry")
        await driver.press("e")
        await driver.sees("Export", "adapter")
        while "The report card as Markdown" not in driver.text():
            await driver.press("left")
            await driver.sees_no("‹ adapter")
        await driver.sees("card")


def test_its_objective_goes_to_a_rented_machine(acme: Path, tmp_path: Path) -> None:
    """The archive alone, with none of our or its code beside it, knows the objective by its name."""
    archive = build_archive(tmp_path, "smoothed")
    assert archive != build_archive(tmp_path)
    program = f"""
import sys
sys.path[:] = [{str(archive)!r}, *[path for path in sys.path if "site" not in path and path], {sysconfig.get_path("purelib")!r}]
from brightrun_tui.trainer.objectives import load_objective
import smoothed_objective
assert {str(archive)!r} in smoothed_objective.__file__
print(type(load_objective("smoothed")).__name__, type(load_objective("sft")).__name__)
"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert done.stdout == "Smoothed SupervisedFineTuning\n", done.stderr


@pytest.mark.parametrize(
    ("module", "requires", "why"),
    [("one/__init__.py", ("jax>=0.4",), "it needs the package jax"), ("one/fast.so", (), "one/fast.so is compiled")],
)
def test_an_objective_that_cannot_be_sent_is_refused_before_renting(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, requires: tuple[str, ...], why: str
) -> None:
    """By the plan, and once more by the engine; on this machine it may be used."""
    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path / "home"))
    spec = (
        "from brightrun_tui.domain.objective import ObjectiveSpec\n"
        "SPEC = ObjectiveSpec(name='one', gives='One.', implementation='one:Make', memory_factor=2)\n"
    )
    install(
        site,
        "one-pack",
        {"one/__init__.py": spec, **({} if module.endswith(".py") else {module: ""})},
        {str(Door.OBJECTIVES): {"one": "one:SPEC"}},
        requires=requires,
    )
    data = tmp_path / "data.jsonl"
    data.write_text("".join(f'{{"prompt": "how much is {n}?", "completion": "it is {n}"}}\n' for n in range(30)))
    draft = Draft(data=str(data), base=str(write_model(tmp_path / "model")), overrides={"training.objective": "one"})
    away = make_plan(draft.model_copy(update={"provider": "acme"}), get_paths(), offer=OFFER)
    (refusal,) = [check.error for check in away.checks if check.error and check.error.kind == "objective_stays_here"]
    assert isinstance(refusal, UsageError) and why in refusal.what and "one-pack 1.0 cannot be sent" in refusal.what
    with pytest.raises(UsageError, match="cannot be sent"):
        build_archive(tmp_path, "one")
    here, plain = make_plan(draft, get_paths()), make_plan(draft.model_copy(update={"overrides": {}}), get_paths())
    assert not any(check.error and "objective" in check.error.kind for check in here.checks)
    nowhere = make_plan(draft.model_copy(update={"overrides": {"training.objective": "nope"}}), get_paths())
    assert (
        nowhere.first_problem
        and nowhere.first_problem.kind == "unknown_objective"
        and "sft, one" in nowhere.first_problem.fix
    )
    assert here.estimate and plain.estimate and here.estimate.memory > plain.estimate.memory


@pytest.mark.slow
def test_the_examples_keep_the_contracts(acme: Path) -> None:
    """As a newcomer would see it: the contract tests take up whatever is installed."""
    words = "acme or chat-log or journal or smoothed or accuracy"  # the export kind has exported a model above
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/contracts", "-k", words, "-p", "no:cacheprovider"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stdout
    assert "10 passed" in done.stdout, done.stdout
