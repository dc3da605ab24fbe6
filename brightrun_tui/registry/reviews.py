"""What people said of a version over time, as lines to read."""

from __future__ import annotations

from brightrun_tui.domain import humanize
from brightrun_tui.domain.model import ModelVersion

SHOWN = 5


def review_lines(version: ModelVersion, most: int = SHOWN) -> list[tuple[str, str]]:
    """Say when and by whom, and what: the newest first. Where there are more than ``most``, the last line counts the others.

    Of a note that was made before reviews were kept, nobody knows when and by whom.
    """
    if not version.reviews:
        return [("", version.note)] if version.note else []
    lines = []
    for said in list(reversed(version.reviews))[:most]:
        words = [*(["★" * said.rating] if said.rating else []), *([said.note] if said.note else [])]
        lines.append((f"{humanize.day(said.at)} {said.author}", "  ".join(words) or "took the stars away"))
    if more := len(version.reviews) - len(lines):
        lines.append(("", f"{more} earlier: brightrun models show {version.ref} --json"))
    return lines
