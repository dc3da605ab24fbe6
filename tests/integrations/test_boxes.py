"""Machines of one's own: what was added in the app is kept beside the person's own configuration, and never rewrites it."""

from __future__ import annotations

import pytest

from brightrun_tui.domain.errors import UsageError
from brightrun_tui.integrations.boxes import configured_boxes, delete_box, make_box, save_box, saved_boxes
from brightrun_tui.paths import Paths


def test_a_box_is_added_changed_and_forgotten(paths: Paths) -> None:
    """The person's own file stays as it was written, comments included; its boxes win over those of the same name."""
    written = '# mine\n[boxes.office]\nhost = "10.0.0.2"\n'
    paths.config.mkdir(parents=True)
    paths.config_file.write_text(written)
    save_box(paths, "studio", make_box({"host": "gpu.example.org", "port": "2222", "user": "", "key": "~/.ssh/id"}))
    save_box(paths, "office", make_box({"host": "elsewhere"}))
    boxes = configured_boxes(paths)
    assert (boxes["studio"].port, boxes["studio"].user, boxes["office"].host) == (2222, "root", "10.0.0.2")
    save_box(paths, "studio", make_box({"host": "gpu.example.org", "user": "me"}))
    assert saved_boxes(paths)["studio"].user == "me"
    assert delete_box(paths, "studio") and not delete_box(paths, "studio")
    assert set(configured_boxes(paths)) == {"office"} and paths.config_file.read_text() == written


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


def test_a_damaged_file_is_named_and_nothing_is_lost(paths: Paths) -> None:
    with pytest.raises(UsageError, match="not a name"):
        save_box(paths, "../x", make_box({"host": "h"}))
    paths.config.mkdir(parents=True, exist_ok=True)
    (paths.config / "boxes.toml").write_text("[studio\n")
    with pytest.raises(UsageError) as caught:
        save_box(paths, "other", make_box({"host": "h"}))
    assert caught.value.where.endswith("boxes.toml") and "[studio" in (paths.config / "boxes.toml").read_text()
