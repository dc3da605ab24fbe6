"""Files of settings that TOML's grammar allows and nobody means: one short sentence that names the file, whoever reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from brightrun_tui.config import load_section
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.hosts.timings import SshTimings
from brightrun_tui.integrations.boxes import configured_boxes
from brightrun_tui.integrations.channels import saved_channels
from brightrun_tui.orchestrator.timings import EngineTimings
from brightrun_tui.paths import Paths, get_paths
from brightrun_tui.planning.settings_file import read_settings
from brightrun_tui.planning.templates import load_templates
from brightrun_tui.tui.keymap import load_keymap
from brightrun_tui.tui.theming import load_themes

MOST = 900
"""Characters of a sentence."""
HUGE, DEEP, LONG = "0x" + "f" * 5_000, ".".join(["a"] * 100_000), "x" * 20_000
TABLES = ("engine", "boxes.a", "keys", LONG)
SOME = DEEP[:900]
OCTAL = f"0o{'7' * 6_000}"
LINES = (
    *(f"a = {HUGE}", f"answer_seconds = {HUGE}", f"host = [[{HUGE}]]", f"theme = {HUGE}", f"slots = {OCTAL}"),
    *(f"{DEEP} = 1", f"host.{SOME} = 1", f"{SOME} = 1\n{SOME} = 1", f"theme = {'{a=' * 200}1{'}' * 200}"),
    *(f'host = "{LONG}"', f"{LONG} = 1", f'answer_seconds = "{LONG}"', f"a = [{'1,' * 2_000}]"),
    '"\\u001b[2J" = "\\u001b]0;x\\u0007"',
)
READERS: dict[str, Callable[[Paths], object]] = {
    "engine": lambda paths: load_section(paths, "engine", EngineTimings),
    "ssh": lambda paths: load_section(paths, "ssh", SshTimings),
    "boxes": configured_boxes,
    "keys": load_keymap,
    "channels": saved_channels,
    "settings": lambda paths: read_settings(paths.config / "settings.toml"),
}


@pytest.mark.parametrize("reader", READERS)
def test_whatever_a_file_of_settings_holds_is_one_short_sentence(
    reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A number of six thousand digits was an error that nobody foresaw; a name with a hundred thousand dots took minutes, and one
    with three thousand was told of in full.
    """
    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path))
    paths = get_paths()
    paths.config.mkdir()
    name = {"channels": "channels.toml", "settings": "settings.toml"}.get(reader, "config.toml")
    for table in TABLES:
        for line in LINES:
            (paths.config / name).write_text(f"[{table}]\n{line}\n")
            try:
                READERS[reader](paths)
            except BrightrunError as error:
                assert len(str(error)) < MOST and name in str(error), str(error)[:MOST]


def test_a_theme_or_template_that_cannot_be_meant_is_a_sentence_beside_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path))
    paths = get_paths()
    ours = set(load_themes(paths).found), {one.name for one in load_templates(paths)[0]}
    for directory in (paths.user_themes, paths.user_templates):
        directory.mkdir(parents=True)
        for number, line in enumerate(LINES):
            (directory / f"odd-{number}.toml").write_text(
                f'name = "n{number}"\n{line}\n[colors]\nprimary = "{line[:90]}"\n'
            )
    themes, (templates, problems) = load_themes(paths), load_templates(paths)
    assert (set(themes.found), {one.name for one in templates}) == ours
    for said in (themes.problems, [str(problem) for problem in problems]):
        assert len(said) == len(LINES) and all(len(problem) < MOST for problem in said)
