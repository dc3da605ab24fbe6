"""Work that Textual 8.2.8 (pinned) does for nothing, and is spared: styling, laying out and painting what nobody sees."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from textual import events
from textual._compositor import ChopsUpdate, Compositor
from textual._context import NoActiveAppError
from textual.app import App
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet
from textual.dom import DOMNode
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget


def apply() -> None:
    """Change the library. Once, before an app is made."""
    _parse_styles_once()
    _find_rules_at_once()
    _style_what_the_focus_changed()
    _paint_what_the_focus_changed()
    _draw_what_will_be_shown()
    _style_for_the_size_at_once()
    _style_a_new_screen_once()
    _render_what_is_painted()


def _parse_styles_once() -> None:
    """Parse styles once: every screen opened for the first time has all of them parsed anew, twice, half of what
    opening it takes.
    """
    original = Stylesheet._parse_rules
    parsed: dict[object, list[RuleSet]] = {}

    def _parse_rules(self: Stylesheet, *arguments: Any, **options: Any) -> list[RuleSet]:
        key = (arguments, tuple(sorted(options.items())), frozenset(self._variables.items()))
        if key not in parsed:
            parsed[key] = original(self, *arguments, **options)
        return parsed[key]

    Stylesheet._parse_rules = _parse_rules  # type: ignore[method-assign]


def _find_rules_at_once() -> None:
    """Look up rules by the hash of any object, which is the same as their own: it is asked for some hundred times for
    each widget.
    """
    RuleSet.__hash__ = object.__hash__  # type: ignore[method-assign]


def _style_what_the_focus_changed() -> None:
    """Style only what a move of the focus changed, not what the focus stays within, and of it only what a rule about the
    focus within something can be for.

    A style may depend on the focus within any widget around, not only within the one that has it. An app that ends takes
    the focus from all it had, and nobody sees how that looks.
    """

    def _update_focus_styles(self: Screen[Any], focused: Widget | None = None, blurred: Widget | None = None) -> None:
        if not self.app._running:
            return
        now, before = ([] if widget is None else widget.ancestors_with_self for widget in (focused, blurred))
        widgets: set[DOMNode] = set()
        for path, other in ((now, set(before)), (before, set(now))):
            changed = (node for node in reversed(path) if node not in other)
            outermost = next((node for node in changed if not isinstance(node, (App, Screen))), None)
            if outermost is not None:
                widgets.update(outermost.walk_children(with_self=True))
        rules = (rule for rule in self.app.stylesheet.rules if "focus-within" in rule.pseudo_classes)
        depends = set[str]().union(*(rule.selector_names for rule in rules))

        def follows(widget: DOMNode) -> bool:
            parts = (f".{name}" for name in widget._get_component_classes())
            return not (depends.isdisjoint(widget._selector_names) and depends.isdisjoint(parts))

        if following := list(filter(follows, widgets)):
            self.app.stylesheet.update_nodes(following, animate=True)

    Screen._update_focus_styles = _update_focus_styles  # type: ignore[method-assign]


def _paint_what_the_focus_changed() -> None:
    """Repaint only the widgets that get and lose the focus, and what is styled anew for it, where a screen would paint
    all of itself.
    """
    Screen.__dict__["focused"]._repaint = False


def _draw_what_will_be_shown() -> None:
    """Draw only what will be shown: while updates are held back, a screen is drawn after each layout all the same, and
    thrown away.
    """
    draw, end_batch = Screen._compositor_refresh, App._end_batch

    def _compositor_refresh(self: Screen[Any]) -> None:
        if self.app._batch_count:
            self._repaint_required = True
        else:
            draw(self)

    def _end_batch(self: App[Any]) -> None:
        end_batch(self)
        if not self._batch_count and self._screen_stack:
            self.screen.check_idle()

    Screen._compositor_refresh = _compositor_refresh  # type: ignore[method-assign]
    App._end_batch = _end_batch  # type: ignore[method-assign]


def _style_for_the_size_at_once() -> None:
    """Set the classes of a screen's size before its first layout: else all of it is styled and laid out twice."""
    original = Screen.__init__

    def __init__(self: Screen[Any], *arguments: Any, **options: Any) -> None:
        original(self, *arguments, **options)
        with suppress(NoActiveAppError):
            app = self.app
            across = app.HORIZONTAL_BREAKPOINTS if self.HORIZONTAL_BREAKPOINTS is None else self.HORIZONTAL_BREAKPOINTS
            down = app.VERTICAL_BREAKPOINTS if self.VERTICAL_BREAKPOINTS is None else self.VERTICAL_BREAKPOINTS
            names = self._get_breakpoint_classes(app.size.width, across or [])
            self.add_class(*names, *self._get_breakpoint_classes(app.size.height, down or []), update=False)

    Screen.__init__ = __init__  # type: ignore[method-assign]


def _style_a_new_screen_once() -> None:
    """Style a screen anew when it is shown again, not when it is shown first: all of it has just been styled as it came."""
    original = Screen._on_screen_resume

    def _on_screen_resume(self: Screen[Any], event: events.ScreenResume) -> None:
        if not self.stack_updates:
            event.refresh_styles = False
        original(self, event)

    Screen._on_screen_resume = _on_screen_resume  # type: ignore[method-assign]


def _render_what_is_painted() -> None:
    """Render for a partial update what it is about, where all that lies in the smallest box around its parts is rendered: a key
    in the footer and a figure in the header would be the whole screen.
    """
    update, renders = Compositor.render_partial_update, Compositor._get_renders
    about: dict[Compositor, frozenset[Region]] = {}

    def render_partial_update(self: Compositor) -> ChopsUpdate | None:
        about[self] = frozenset(self._dirty_regions)
        try:
            return update(self)
        finally:
            del about[self]

    def _get_renders(self: Compositor, crop: Region | None = None) -> Iterable[tuple[Region, Region, list[Strip]]]:
        if self not in about:
            yield from renders(self, crop)
            return
        for widget, (region, clip) in self.visible_widgets.items():
            shown = region.intersection(clip)
            if shown and any(map(shown.overlaps, about[self])):
                yield region, clip, widget.render_lines(shown.translate((-region.x, -region.y)))

    Compositor.render_partial_update = render_partial_update  # type: ignore[method-assign]
    Compositor._get_renders = _get_renders  # type: ignore[method-assign]
