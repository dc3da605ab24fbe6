"""``brightrun locate``: where everything of ours lies on this machine."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from brightrun_tui.commands.shared.output import JsonOption, print_json, print_table, put
from brightrun_tui.paths import get_paths
from brightrun_tui.resources import resource


class Location(StrEnum):
    """What can be asked for."""

    config = "config"
    data = "data"
    themes = "themes"
    presets = "presets"
    logs = "logs"


def locate(
    place: Annotated[Location | None, typer.Argument(help="One of them; all without it.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Print where config, data, themes, presets and logs are."""
    places = {name: str(_path(name)) for name in ([place] if place else Location)}
    if as_json:
        print_json(places)
    elif place:
        put(places[place])
    else:
        print_table(("what", "path"), list(places.items()))


def _path(place: Location) -> Path:
    if place in (Location.themes, Location.presets):
        return resource(place.value)
    paths = get_paths()
    return {Location.config: paths.config, Location.data: paths.data, Location.logs: paths.logs}[place]
