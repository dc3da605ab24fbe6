"""Machines of one's own as a provider: what is set up are boxes, not a key."""

from __future__ import annotations

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import NotConnectedError
from brightrun_tui.domain.service_names import OWN_BOXES
from brightrun_tui.hosts.timings import SshTimings
from brightrun_tui.integrations.boxes import configured_boxes
from brightrun_tui.paths import Paths
from brightrun_tui.providers.base import Provider
from brightrun_tui.providers.spec import Opening, ProviderSpec


def _open(opening: Opening[SshTimings]) -> Provider:
    from brightrun_tui.providers.ssh import Ssh

    boxes = configured_boxes(opening.paths)
    if not boxes:
        raise NotConnectedError(
            "no box of your own is configured",
            where=str(opening.paths.config_file),
            kind=ErrorKind.NOT_CONNECTED,
            fix="add one in the app (Integrations), or a table [boxes.NAME] with host, user and key",
        )
    return Ssh(boxes, timings=opening.settings)


def _is_set_up(paths: Paths) -> bool:
    return bool(configured_boxes(paths))


SPEC = ProviderSpec(
    name=OWN_BOXES,
    title="Your own machines",
    gives="Training on any Linux machine that you can reach over SSH.",
    where_to_get="its address, a user and an SSH key",
    settings=SshTimings,
    open=_open,
    is_set_up=_is_set_up,
)
