"""Machines of one's own: all that people set is in one file, and what the app changes there leaves the rest as it was written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from brightrun_tui.config_file import adopt_former_files, read_config, set_config
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.integrations.boxes import configured_boxes, delete_box, make_box, save_box
from brightrun_tui.paths import Paths

WRITTEN = """# mine
[boxes.office]
host = "10.0.0.2"   # behind the printer
port = 2222

[money]  # agreed in spring
monthly_limit_usd = 50
"""


@pytest.fixture
def config(paths: Paths) -> Path:
    """The person's own file."""
    paths.config.mkdir(parents=True)
    paths.config_file.write_text(WRITTEN)
    return paths.config_file


def test_a_box_is_added_changed_and_forgotten(paths: Paths, config: Path) -> None:
    save_box(paths, "studio", make_box({"host": "gpu.example.org", "port": "2222", "user": "", "key": "~/.ssh/id"}))
    assert (configured_boxes(paths)["studio"].port, configured_boxes(paths)["studio"].user) == (2222, "root")
    save_box(paths, "studio", make_box({"host": "gpu.example.org", "user": "me"}))
    assert configured_boxes(paths)["studio"].user == "me" and configured_boxes(paths)["studio"].port == 22
    assert delete_box(paths, "studio") and not delete_box(paths, "studio")
    assert config.read_text() == WRITTEN
    assert delete_box(paths, "office") and not delete_box(paths, "office") and not configured_boxes(paths)


def test_what_a_person_wrote_stays_around_what_is_changed(paths: Paths, config: Path) -> None:
    """Comments, order and modes; a file that is a link stays one."""
    config.rename(config.with_name("dotfile"))
    config.symlink_to("dotfile")
    config.chmod(0o644)
    save_box(paths, "office", make_box({"host": "10.0.0.3", "port": "2222"}))
    set_config(paths, ("app", "theme"), "bright-light")
    text = config.read_text()
    assert text.startswith(WRITTEN.replace("10.0.0.2", "10.0.0.3")) and 'theme = "bright-light"' in text
    assert config.is_symlink() and config.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    "text",
    [
        "",
        '\ufeff[boxes.office]\r\nhost = "a"\r\n',
        'boxes = {office = {host = "a"}}\n',
        'boxes.office.host = "a"\n',
        '[boxes]\noffice = {host = "a"}\n[app]\r\n',
    ],
)
def test_a_box_is_added_however_the_file_is_written(paths: Paths, config: Path, text: str) -> None:
    config.write_bytes(text.encode())
    save_box(paths, "studio", make_box({"host": "b"}))
    assert {name: box.host for name, box in configured_boxes(paths).items()} == (
        {"studio": "b", "office": "a"} if text else {"studio": "b"}
    )


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({"host": ""}, "Address"),
        ({"host": "h", "port": "ssh"}, "port"),
        ({"host": "h", "port": "70000"}, "port"),
        ({"host": "h", "price_per_hour": "-1"}, "price_per_hour"),
    ],
)
def test_what_does_not_fit_is_named_by_its_field(values: dict[str, str], where: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_box(values)
    assert caught.value.where == where


def test_former_files_count_and_move_at_the_next_start(paths: Paths, config: Path) -> None:
    """Files of earlier versions: what was in force before is in force after, and the files themselves are kept."""
    boxes, theme = paths.config / "boxes.toml", paths.config / "app.toml"
    boxes.write_text('[studio]\nhost = "gpu.example.org"\n\n[office]\nhost = "elsewhere"\n')
    theme.write_text('theme = "bright-light"\n')
    before = configured_boxes(paths), read_config(paths, "app")["app"]
    assert {name: box.host for name, box in before[0].items()} == {"studio": "gpu.example.org", "office": "10.0.0.2"}
    adopt_former_files(paths)
    assert (configured_boxes(paths), read_config(paths, "app")["app"]) == before
    boxes_before, money = WRITTEN.split("[money]")
    assert config.read_text().startswith(boxes_before + '[boxes.studio]\nhost = "gpu.example.org"\n\n[money]' + money)
    assert not boxes.exists() and not theme.exists()
    assert "elsewhere" in boxes.with_name("boxes.toml.old").read_text()
    assert delete_box(paths, "studio") and set(configured_boxes(paths)) == {"office"}


def test_a_file_named_for_this_time_takes_nothing_in(
    paths: Paths, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (paths.config / "boxes.toml").write_text('[studio]\nhost = "h"\n')
    monkeypatch.setenv("BRIGHTRUN_CONFIG", str(tmp_path / "other.toml"))
    adopt_former_files(paths)
    assert set(configured_boxes(paths)) == {"studio"} and os.listdir(tmp_path).count("other.toml") == 0


@pytest.mark.parametrize("name", ["boxes.toml", "config.toml"])
def test_a_damaged_file_is_named_and_nothing_is_lost(paths: Paths, config: Path, name: str) -> None:
    with pytest.raises(UsageError, match="not a name"):
        save_box(paths, "../x", make_box({"host": "h"}))
    (paths.config / name).write_text("[studio\n")
    adopt_former_files(paths)
    with pytest.raises(UsageError) as caught:
        save_box(paths, "other", make_box({"host": "h"}))
    assert caught.value.where.endswith(name) and "[studio" in (paths.config / name).read_text()
