"""A run's settings as a file, as a template of one's own, and as a sweep."""

from __future__ import annotations

from pathlib import Path

import pytest

from brightrun_tui.domain.errors import UsageError
from brightrun_tui.paths import Paths, get_paths
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.intensity import Intensity
from brightrun_tui.planning.plan import make_plan
from brightrun_tui.planning.settings_file import read_settings, save_template, write_settings
from brightrun_tui.planning.sweep import parse_sweep, suggested, sweep_drafts
from brightrun_tui.planning.templates import get_template


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path))
    return get_paths()


def test_what_is_written_is_read_again(paths: Paths, tmp_path: Path) -> None:
    """Base, template and every setting that is not at its default."""
    plan = make_plan(Draft(template="code", overrides={"training.epochs": "7", "lora.use_dora": "on"}), paths)
    write_settings(plan, tmp_path / "mine.toml")
    found = read_settings(tmp_path / "mine.toml")
    assert (found.base, found.template) == ("starter", "code")
    again = make_plan(Draft(base=found.base, template=found.template, overrides=found.settings), paths)
    assert again.settings == plan.settings


@pytest.mark.parametrize(
    ("text", "says", "line"),
    [
        ('[settings]\n"training.epoch" = 3\n', "training.epochs", 2),
        ('base = "starter"\n[settings.training]\nepochs = -1\n', "a number above 0", 3),
        ("settings.lora.r = 8\nsettings . 'lora' . \"lora_alpha\" = 'x'\n", "a whole number", 2),
        ("[settings.lora]\nr = true\n", "a whole number", 2),
        ("[setings]\n", "setings", 0),
        ("base = 3\n[settings\n", "line 2", 0),
    ],
)
def test_a_file_that_does_not_fit_says_where_and_what_fits(tmp_path: Path, text: str, says: str, line: int) -> None:
    """Unknown settings with the nearest known one, values with the range; the line of both."""
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(UsageError) as refused:
        read_settings(tmp_path / "bad.toml")
    assert says in str(refused.value) and "bad.toml" in refused.value.where
    assert refused.value.where.endswith(f", line {line}") if line else "line" not in refused.value.where


def test_a_file_saved_by_an_editor_on_windows_is_read(tmp_path: Path) -> None:
    """A mark of UTF-8 at its beginning and lines that end in two characters change nothing."""
    (tmp_path / "mine.toml").write_bytes(b"\xef\xbb\xbf[settings.lora]\r\nr = 8\r\n")
    assert read_settings(tmp_path / "mine.toml").settings == {"lora.r": 8}


def test_a_template_of_ones_own_keeps_what_was_changed_and_the_rules_of_its_origin(paths: Paths) -> None:
    """Epochs that were typed beat the rule by number of records; what was not typed still follows it."""
    plan = make_plan(Draft(template="default", overrides={"training.epochs": "9"}), paths)
    save_template(plan, "mine", paths)
    mine = get_template("mine", paths)
    assert mine.own and mine.resolve(50)["training.epochs"] == 9 and mine.resolve(50)["training.batch_size"] == 2


@pytest.mark.parametrize("intensity", list(Intensity))
def test_a_template_of_ones_own_gives_back_what_it_was_made_from(paths: Paths, intensity: Intensity) -> None:
    """What the size of the base makes of a learning rate is made of it once."""
    plan = make_plan(Draft(overrides={"training.learning_rate": "0.001"}, intensity=intensity), paths)
    assert "×" in make_plan(Draft(), paths).sources["training.learning_rate"]
    save_template(plan, "mine", paths)
    assert make_plan(Draft(template="mine"), paths).settings == plan.settings


def test_settings_of_a_template_of_ones_own_are_understood_elsewhere(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_template(make_plan(Draft(template="code", overrides={"lora.r": "64"}), paths), "mine", paths)
    plan = make_plan(Draft(template="mine"), paths)
    write_settings(plan, tmp_path / "mine.toml")
    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path / "elsewhere"))
    found = read_settings(tmp_path / "mine.toml")
    again = make_plan(Draft(template=found.template or "code", overrides=found.settings), get_paths())
    assert again.template and again.settings == plan.settings


def test_a_sweep_is_every_combination_under_a_name_of_its_own(paths: Paths) -> None:
    """Three learning rates unasked; two settings make a grid."""
    plan = make_plan(Draft(), paths)
    assert len(sweep_drafts(plan.draft, "shop", parse_sweep(suggested(plan.settings)))) == 3
    grid = sweep_drafts(Draft(), "shop", parse_sweep("training.learning_rate = 1e-4 2e-4; lora.r = 8, 16"))
    assert [draft.name for draft in grid] == ["shop-1e-4-8", "shop-1e-4-16", "shop-2e-4-8", "shop-2e-4-16"]
    assert parse_sweep("Rank (r) = 8 16; learning rate = 1e-4 2e-4") == parse_sweep(
        "lora.r = 8 16; training.learning_rate = 1e-4 2e-4"
    )
    twice = "lora.r = 8 16; lora.r = 4 8"
    for wrong in ("lora.r = 8", "lora.rank = 8 16", "lora.r = 8 many", "lora.r = 1 2 3 4", "", twice, "lora.r = 8 08"):
        with pytest.raises(UsageError):
            parse_sweep(wrong)
