"""Machines of one's own, by name: those in ``config.toml``, and those that were added in the app (``boxes.toml``)."""

from __future__ import annotations

import re
from pathlib import Path

import tomli_w
from pydantic import ValidationError

from brightrun_tui.config import load_section, reason
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, UsageError
from brightrun_tui.files import private_directory, write_atomic
from brightrun_tui.foreign_files import ForeignFileError, NoSuchFileError, fit, read_toml
from brightrun_tui.paths import Paths
from brightrun_tui.providers.box import SshBox, SshBoxes

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")


def configured_boxes(paths: Paths) -> dict[str, SshBox]:
    """Every box by name; ``config.toml`` wins. Raises `UsageError` where one of the files does not fit."""
    return {**saved_boxes(paths), **load_section(paths, "boxes", SshBoxes).root}


def saved_boxes(paths: Paths) -> dict[str, SshBox]:
    """Those that were added in the app. Raises `UsageError` where the file does not fit."""
    path = _file(paths)
    try:
        return fit(read_toml(path), SshBoxes, str(path)).root
    except NoSuchFileError:
        return {}
    except ForeignFileError as error:
        raise UsageError(
            f"the list of machines that were added {error.what}",
            where=str(path),
            fix="correct the file, or move it away and add them again",
            kind=ErrorKind.BAD_CONFIG,
        ) from None


def save_box(paths: Paths, name: str, box: SshBox) -> None:
    """Add a box, or change the one of that name.

    Raises:
        UsageError: no such name is possible.
        BrightrunError: the file cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"“{name}” is not a name for a machine",
            where="Name",
            kind=ErrorKind.BAD_NAME,
            fix="use letters, digits and dashes, at most 32",
        )
    _write(paths, {**saved_boxes(paths), name: box})


def delete_box(paths: Paths, name: str) -> bool:
    """Forget a box that was added in the app; False when there is none of that name. Raises as `save_box`."""
    boxes = saved_boxes(paths)
    if boxes.pop(name, None) is None:
        return False
    _write(paths, boxes)
    return True


def make_box(values: dict[str, str]) -> SshBox:
    """A box from what a person typed: host, port, user, key, price_per_hour. Empty fields keep their default.

    Raises:
        UsageError: a value does not fit.
    """
    if not values.get("host"):
        raise UsageError(
            "the address of the machine is missing",
            where="Address",
            fix="a name or an IP address",
            kind=ErrorKind.BAD_BOX,
        )
    try:
        return SshBox.model_validate({key: value for key, value in values.items() if value})
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(
            f"“{first.get('input')}” does not fit: {reason(error)}", where=str(first["loc"][0]), kind=ErrorKind.BAD_BOX
        ) from None


def _write(paths: Paths, boxes: dict[str, SshBox]) -> None:
    document = {name: box.model_dump(exclude_defaults=True) for name, box in boxes.items()}
    try:
        private_directory(paths.config)
        write_atomic(_file(paths), tomli_w.dumps(document), mode=0o600)
    except OSError as error:
        raise BrightrunError(
            f"the machine cannot be saved ({error.strerror})",
            where=str(_file(paths)),
            fix="set BRIGHTRUN_HOME to a directory you can write",
            kind=ErrorKind.HOME_NOT_WRITABLE,
        ) from None


def _file(paths: Paths) -> Path:
    return paths.config / "boxes.toml"
