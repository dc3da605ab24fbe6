"""What can be done right now, in one line: by what was found out of every service."""

from __future__ import annotations

from collections.abc import Container

from textual.content import Content

from brightrun_tui.domain.service_names import HERE
from brightrun_tui.integrations.services import services
from brightrun_tui.tui.snapshot import Snapshot
from brightrun_tui.tui.widgets import cells, reflow


def possible_lines(snapshot: Snapshot, width: int, keyless: Container[str] = ()) -> reflow.Lines:
    """Return “You can train here now: CPU, 16 GB · rent: RunPod $12.40 left”, at most two lines. ``keyless``: services
    whose key is missing now, whatever was found with it.
    """
    known = {name: found for name, found in snapshot.services.items() if name not in keyless}
    local = known.get(HERE, {})
    parts: list[tuple[str, str] | str] = []
    if local.get("state") == "ok":
        machine = cells.one_line(str(local.get("facts", {}).get("machine", "") or local.get("detail", "")))
        parts += [("You can train here now", "bold $success"), f": {machine}"]
    elif local.get("state"):
        parts += [("You cannot train here yet", "bold $warning"), f": {cells.one_line(str(local.get('detail', '')))}"]
    else:
        parts += ["Looking at what is possible here …"]
    rented = [
        f"{service.title}{f' {left} left' if (left := known[service.name]['facts'].get('balance')) else ''}"
        for service in services()
        if service.kind == "gpu" and known.get(service.name, {}).get("state") == "ok"
    ]
    red = [service.title for service in services() if known.get(service.name, {}).get("state") == "failed"]
    parts += [" · ", ("rent or borrow", "bold $success"), f": {', '.join(rented)}"] if rented else []
    parts += [" · ", ("does not work", "bold $error"), f": {', '.join(red)}"] if red else []
    lines = reflow.text(Content.assemble(*parts), width, most=2)
    if not (local.get("state") == "ok" or rented):
        return lines
    begins = Content.assemble(("2", "bold $accent"), " begins a run")
    room = width - begins.cell_length - 3
    if len(lines) < 2 and lines[0].cell_length > room:
        return [*lines, begins]
    return [*lines[:-1], Content.assemble(lines[-1].rstrip().truncate(room, ellipsis=True), " · ", begins)]
