"""What version 0.1.0 wrote opens unchanged: its store, run directories, settings and exported bundles.

``fixtures/home-0.1.0.tar.xz`` was written by that version: two completed runs, a paused one, two model versions with an
alias, a rating and a tag, a dataset, a budget with the person's comments, a machine of their own, a chosen theme, a bundle.
"""

from __future__ import annotations

import tarfile
import tomllib
from pathlib import Path

import pytest

from brightrun_tui.domain.settings import RunSettings
from tests.cli.conftest import CommandLine

FIXTURE = Path(__file__).with_name("fixtures") / "home-0.1.0.tar.xz"


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked fixture: ``home`` and ``fern.brightrun.tar``."""
    place = tmp_path_factory.mktemp("old")
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(place, filter="data")
    return place


@pytest.fixture(scope="module")
def brightrun(old: Path) -> CommandLine:
    return CommandLine(old / "home")


def test_runs_are_there_with_their_states_and_their_curves(brightrun: CommandLine) -> None:
    runs = {run["name"] + ":" + str(run["model_version"]): run for run in brightrun("runs", "--json").document["runs"]}
    assert {name: (run["state"], run["step"]) for name, run in runs.items()} == {
        "fern:2": ("completed", 4),
        "fern:3": ("completed", 4),
        "poems:None": ("paused", 1),
    }
    assert runs["fern:2"]["train_loss"] == pytest.approx(6.703426361083984)
    curve = brightrun("runs", "metrics", runs["fern:2"]["id"], "--csv").out.splitlines()
    assert len(curve) == 6 and "train_loss" in curve[0] and "grad_norm" in curve[0]
    shown = brightrun("runs", "show", runs["poems:None"]["id"], "--json").document["run"]
    settings = RunSettings.model_validate(shown["spec"]["settings"])
    assert (settings.lora.r, settings.training.epochs, settings.quantisation.method) == (1, 3.0, "nf4")


def test_what_the_workers_said_can_still_be_read(brightrun: CommandLine) -> None:
    runs = brightrun("runs", "--json").document["runs"]
    for run in runs:
        told = brightrun("runs", "logs", run["id"])
        assert told.code == 0 and "Traceback" not in told.out + told.err


def test_models_keep_alias_rating_and_tag(brightrun: CommandLine) -> None:
    models = {model["version"]: model for model in brightrun("models", "--json").document["models"]}
    assert set(models) == {2, 3}
    assert models[2]["aliases"] == ["champion"] and models[2]["rating"] == 4 and models[2]["tags"] == ["shop"]
    card = brightrun("models", "show", "fern:2", "--markdown")
    assert card.code == 0 and "fern" in card.out


def test_the_dataset_and_the_settings_hold(brightrun: CommandLine, old: Path) -> None:
    assert [data["name"] for data in brightrun("datasets", "list", "--json").document["datasets"]] == ["small"]
    written = (old / "home/config/config.toml").read_text("utf-8")
    assert written.startswith("# my settings\n")
    for table in ("boxes", "app"):  # files of their own in 0.1.0
        former = tomllib.loads((old / f"home/config/{table}.toml.old").read_text("utf-8"))
        assert former and tomllib.loads(written)[table] == former
    services = {s["name"] for s in brightrun("integrations", "--json").document["services"]}
    assert {"local", "huggingface", "ssh", "runpod", "vast"} <= services
    refused = brightrun("train", old / "nothing.jsonl", "--provider", "elsewhere", "--yes", "--json")
    assert refused.code != 0 and "bad_config" not in refused.out, "the old config.toml is no longer understood"


def test_a_bundle_can_be_imported_again(old: Path, tmp_path: Path) -> None:
    elsewhere = CommandLine(tmp_path / "home")
    taken = elsewhere("models", "import", old / "fern.brightrun.tar", "--json")
    assert taken.code == 0, taken.out
    assert elsewhere("models", "--json").document["models"][0]["name"] == "fern"


def test_a_bundle_of_ones_own_is_not_called_a_strangers(brightrun: CommandLine, old: Path) -> None:
    said = brightrun("models", "import", old / "fern.brightrun.tar")
    assert said.code == 0 and "made and measured here" in said.err and "sender" not in said.err
