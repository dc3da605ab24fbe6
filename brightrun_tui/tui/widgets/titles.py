"""Border titles that are only painted when their words change."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

from brightrun_tui.tui.widgets.cells import one_line
from brightrun_tui.tui.widgets.sanitize import sanitize_content


def retitle(widget: Widget, title: Content | str, subtitle: Content | str = "") -> None:
    """Set both titles, without markup. Setting a title repaints the whole widget, so only on change."""
    wanted = (_content(title), _content(subtitle))
    shown = getattr(widget, "_shown_titles", None)
    if shown is not None and all(a.is_same(b) for a, b in zip(shown, wanted, strict=True)):
        return
    widget._shown_titles = wanted  # type: ignore[attr-defined]
    widget.border_title = wanted[0] or None
    widget.border_subtitle = wanted[1] or None


def _content(text: Content | str) -> Content:
    return sanitize_content(text) if isinstance(text, Content) else Content(one_line(text))
