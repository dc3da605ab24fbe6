"""No number that a person, a file or a variable gives is without bounds: not “inf”, not “nan”, not larger than a clock."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Any

import pytest
import typer

from brightrun_tui import cli
from brightrun_tui.commands.shared.options import bounded
from brightrun_tui.config import SECTIONS, Section, load_section
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.settings import RunSettings, iter_settings
from brightrun_tui.integrations.boxes import make_box
from brightrun_tui.paths import get_paths
from brightrun_tui.providers.spec import provider_names
from brightrun_tui.verbs import COMMANDS, load

ENDLESS = ("nan", "-nan", "inf", "-inf", "Infinity", "1e309", "1e300", "9" * 30, "-" + "9" * 30)
ROOMS = (
    "brightrun_tui.config",
    "brightrun_tui.orchestrator.timings",
    "brightrun_tui.hosts.timings",
    "brightrun_tui.notify.desktop",
    "brightrun_tui.notify.opening",
    "brightrun_tui.tui.app",
    "brightrun_tui.providers.http",
    "brightrun_tui.providers.runpod_settings",
    "brightrun_tui.providers.vast_settings",
    "brightrun_tui.providers.box",
    "brightrun_tui.integrations.judge",
)
IN_TABLES = ("notify.desktop",)
"""Tables within a table."""
WITHOUT_NUMBERS = ("keys",)
"""Tables that are read by hand: names and keys of the keyboard, nothing else."""


def sections() -> list[type[Section]]:
    for room in ROOMS:
        importlib.import_module(room)
    return [section for section in Section.__subclasses__() if section.__module__.startswith("brightrun_tui.")]


def numbers() -> list[tuple[type[Section], str]]:
    return [
        (section, name)
        for section in sections()
        for name, field in section.model_fields.items()
        if any(kind in str(field.annotation) for kind in ("int", "float"))
    ]


def test_every_table_of_the_configuration_is_one_of_these() -> None:
    """A new table cannot be loaded without bounds: only these models are taken by `load_section`, and here are they all."""
    tables = {*SECTIONS, *provider_names(), *IN_TABLES} - set(WITHOUT_NUMBERS)
    assert len(sections()) == len(tables) and len(numbers()) > 40


@pytest.mark.parametrize(("section", "name"), numbers(), ids=lambda part: getattr(part, "__name__", part))
def test_no_number_of_the_configuration_is_endless(
    section: type[Section], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the file as TOML writes it, and in a variable: the setting is named, and the engine never sleeps for ever."""
    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path))
    (tmp_path / "config").mkdir()
    for value in ENDLESS:
        if section.__name__ == "SshBox":
            with pytest.raises(UsageError) as refused:
                make_box({"host": "h", name: value})
            assert refused.value.where == name
            continue
        if value not in ("-nan", "Infinity"):
            (tmp_path / "config" / "config.toml").write_text(f"[engine]\n{name} = {value}\n")
            with pytest.raises(UsageError) as refused:
                load_section(get_paths(), "engine", section)
            assert refused.value.where.endswith(f"[engine] {name}")
        monkeypatch.setenv(f"BRIGHTRUN_ENGINE_{name}".upper(), value)
        with pytest.raises(UsageError) as refused:
            load_section(get_paths(), "engine", section)
        assert refused.value.where == f"BRIGHTRUN_ENGINE_{name}".upper() and "Value error" not in refused.value.what
        monkeypatch.delenv(f"BRIGHTRUN_ENGINE_{name}".upper())


@pytest.mark.parametrize(
    "setting", [one for one in iter_settings() if one.kind in ("int", "float")], ids=lambda one: one.key
)
def test_no_setting_of_a_run_is_endless(setting: Any) -> None:
    for value in ENDLESS:
        for raw in (value, float(value)):
            with pytest.raises(UsageError):
                RunSettings().with_overrides({setting.key: raw})


def _parameters(command: Any, path: str = "") -> list[tuple[str, Any]]:
    own = [
        (f"{path} {parameter.name}", parameter)
        for parameter in command.params
        if parameter.type_descriptor.annotation in (int, float)
    ]
    return own + [
        found for name, sub in getattr(command, "commands", {}).items() for found in _parameters(sub, f"{path} {name}")
    ]


def test_no_option_takes_an_endless_number(capsys: pytest.CaptureFixture[str]) -> None:
    """Every number on the command line, a new one too."""
    found = [each for verb in COMMANDS for each in _parameters(load(verb), verb)]
    assert len(found) >= 9
    for name, parameter in found:
        assert parameter.callback is not None, f"{name}: give it the callback `bounded`"
    for value in ENDLESS:
        with pytest.raises(typer.BadParameter):
            bounded(float(value))
    for words in (
        ["estimate", "x", "--budget", "inf"],
        ["estimate", "x", "--max-hours", "nan"],
        ["chat", "x", "--temperature", "nan"],
        ["engine", "logs", "-n", "9" * 30],
        ["models", "rate", "x", "9" * 30],
        ["estimate", "x", "--budget", "-1"],
    ):
        assert cli.run(words) == 2, words
    assert "Traceback" not in capsys.readouterr().err


def test_the_rooms_named_here_are_all_that_declare_a_table() -> None:
    """Or a table would be missing above."""
    import brightrun_tui

    declaring = {
        module.name
        for module in pkgutil.walk_packages(brightrun_tui.__path__, "brightrun_tui.")
        if "(Section)" in _source(module.name)
    }
    assert declaring == set(ROOMS)


def _source(module: str) -> str:
    path = Path(*module.split("."))
    root = Path(__file__).parents[2]
    found = root / path.with_suffix(".py")
    return found.read_text("utf-8") if found.is_file() else ""
