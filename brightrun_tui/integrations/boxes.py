"""Machines of one's own, by name: ``[boxes.NAME]`` in ``config.toml``, written there by hand or by the app."""

from __future__ import annotations

import re

from pydantic import ValidationError

from brightrun_tui.config import load_section, reason, value_in
from brightrun_tui.config_file import set_config, unset_config
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.paths import Paths
from brightrun_tui.providers.box import SshBox, SshBoxes

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")


def configured_boxes(paths: Paths) -> dict[str, SshBox]:
    """Return every box by name. Raises `UsageError` where the file does not fit."""
    return load_section(paths, "boxes", SshBoxes).root


def save_box(paths: Paths, name: str, box: SshBox) -> None:
    """Add a box, or change the one of that name.

    Raises:
        UsageError: no such name is possible, or the file does not fit.
        BrightrunError: the file cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"“{name}” is not a name for a machine",
            where="Name",
            kind=ErrorKind.BAD_NAME,
            fix="use letters, digits and dashes, at most 32",
        )
    set_config(paths, ("boxes", name), box.model_dump(exclude_defaults=True))


def delete_box(paths: Paths, name: str) -> bool:
    """Forget a box; False when there is none of that name. Raises as `save_box`."""
    return unset_config(paths, ("boxes", name))


def make_box(values: dict[str, str]) -> SshBox:
    """Return a box from what a person typed: host, port, user, key, price_per_hour. Empty fields keep their default.

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
            f"“{value_in(error)}” does not fit: {reason(error)}", where=str(first["loc"][0]), kind=ErrorKind.BAD_BOX
        ) from None
