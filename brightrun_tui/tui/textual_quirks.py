"""Where Textual 8.2.8 (pinned) would end the app for one fault of one part, and what happens instead.

A handler, a timer or a drawing that raises ends the message loop of its widget, and then the app. Here the fault goes to
`App._handle_exception`, which ours overrides, and the loop goes on. The rest are faults of the library itself.
"""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from textual import events, messages
from textual._context import active_message_pump
from textual.app import App
from textual.await_complete import AwaitComplete
from textual.content import Content
from textual.css.query import NoMatches
from textual.dom import DOMNode
from textual.drivers import linux_driver
from textual.errors import NoWidget
from textual.geometry import Region
from textual.message import Message
from textual.message_pump import MessagePump
from textual.renderables.background_screen import BackgroundScreen
from textual.renderables.blank import Blank
from textual.screen import Screen
from textual.strip import Strip
from textual.style import Style
from textual.timer import Timer
from textual.widget import MountError, Widget
from textual.widgets import OptionList
from textual.worker import active_worker

from brightrun_tui.tui import textual_speed

OPENING_SECONDS = 2.0
"""The longest that a key waits for a screen that does not get ready."""
_STARTS = (events.Load, events.Compose, events.Mount)
_ENDS = (messages.CloseMessages, messages.Prune, events.Unmount)


class StartError(Exception):
    """The app itself, not a part of it, could not start."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def came_too_late(error: Exception) -> bool:
    """Say whether the work of a screen that was closed meanwhile looked for a part of it: nobody waits for that any
    more.

    A screen that is being taken down loses its parts before it is gone itself, and one that was closed by keys typed
    ahead may not have had them yet.
    """
    if not isinstance(error, (NoMatches, IndexError, MountError)):
        return False
    nodes: list[object] = [active_message_pump.get(None)]
    with suppress(LookupError):  # a dialogue that a worker opened has that worker in its context, too
        nodes.append(active_worker.get().node)
    return any(
        _is_leaving(one)
        for node in nodes
        if isinstance(node, DOMNode)
        for one in node.ancestors_with_self
        if not isinstance(one, App)
    )


def _is_leaving(node: DOMNode) -> bool:
    if isinstance(node, Screen) and all(node not in stack for stack in node.app._screen_stacks.values()):
        return True
    return not node.is_attached or node._closing or node._closed or node._pruning


def apply() -> None:
    """Change the library. Once, before an app is made; a second time changes nothing."""
    if getattr(MessagePump._dispatch_message, "guarded", False):
        return
    _go_on_after_a_fault()
    for widget in (Widget, OptionList):
        _draw_blank_instead(widget)
    _live_with_no_width()
    _take_the_size_of_now()
    _take_any_bytes_typed()
    _turn_pages_of_nothing()
    _click_what_is_there()
    _close_what_was_meant()
    _draw_what_lies_below()
    _keep_keys_for_what_opens()
    _measure_a_new_text()
    _fire_however_late()
    _reverse_parts_without_colours()
    textual_speed.apply()


def _go_on_after_a_fault() -> None:
    dispatch = MessagePump._dispatch_message

    async def _dispatch_message(self: MessagePump, message: Message) -> None:
        try:
            await dispatch(self, message)
        except NoWidget:
            return  # the mouse was where nothing is now: the terminal has become smaller meanwhile
        except Exception as error:
            if isinstance(message, _ENDS):
                raise
            if self is self.app and isinstance(message, _STARTS):
                raise StartError(error) from error
            self.app._handle_exception(error)

    _dispatch_message.guarded = True  # type: ignore[attr-defined]
    MessagePump._dispatch_message = _dispatch_message  # type: ignore[method-assign]


def _draw_blank_instead(widget: type[Widget]) -> None:
    """Draw a blank for a widget that cannot be drawn, which else keeps the whole screen from being drawn."""
    original: Callable[[Any, Region], list[Strip]] = widget.render_lines

    def render_lines(self: Widget, crop: Region) -> list[Strip]:
        try:
            return original(self, crop)
        except Exception as error:
            self.app._handle_exception(error)
            return [Strip.blank(crop.width)] * crop.height

    widget.render_lines = render_lines  # type: ignore[method-assign]


def _live_with_no_width() -> None:
    """Wrap text for at least one column: terminals a few columns wide ask for none, or fewer."""
    original = Content._wrap_and_format

    def _wrap_and_format(self: Content, width: int, *arguments: Any, **options: Any) -> Any:
        return original(self, max(1, width), *arguments, **options)

    Content._wrap_and_format = _wrap_and_format  # type: ignore[method-assign]


def _take_the_size_of_now() -> None:
    """Lay out a screen for its present size: it tells itself of its size, and with two sizes under way it would go to
    and fro forever.
    """
    original = Screen._on_resize

    async def _on_resize(self: Screen[Any], event: events.Resize) -> None:
        now = self.app.size
        await original(self, event if event.size == now else events.Resize(now, now))

    Screen._on_resize = _on_resize  # type: ignore[method-assign]


def _take_any_bytes_typed() -> None:
    """Replace bytes that are not UTF-8 (a terminal set to Latin-1, a torn paste), which would end the thread that reads
    the keys.
    """
    strict = codecs.getincrementaldecoder
    linux_driver.getincrementaldecoder = lambda name: partial(strict(name), errors="replace")  # type: ignore[attr-defined]


def _turn_pages_of_nothing() -> None:
    """Turn no page in a list that has no size yet: the palette, with keys typed ahead."""
    original = OptionList._move_page

    def _move_page(self: OptionList, direction: Any) -> None:
        if self._index_to_line:
            original(self, direction)

    OptionList._move_page = _move_page  # type: ignore[method-assign]


def _click_what_is_there() -> None:
    """Ignore a click meant for an option that has gone since it was drawn."""
    original = OptionList._on_click

    async def _on_click(self: OptionList, event: events.Click) -> None:
        if (event.style.meta.get("option") or 0) < self.option_count:
            await original(self, event)
        else:
            event.prevent_default()

    OptionList._on_click = _on_click  # type: ignore[method-assign]


def _close_what_was_meant() -> None:
    """Close the screen that was meant: `Screen.dismiss` takes away whatever is on top, which keys typed ahead or late
    work may have changed.
    """
    original = Screen.dismiss

    def dismiss(self: Screen[Any], result: Any = None) -> AwaitComplete:
        if self not in self.app.screen_stack:
            return AwaitComplete()
        while self.app.screen is not self:
            self.app.pop_screen()
        return original(self, result)

    Screen.dismiss = dismiss  # type: ignore[method-assign]


def _draw_what_lies_below() -> None:
    """Draw below a dialogue what lies below it. Textual takes that from a list that each screen shortens as it is
    drawn, and that is out of step where one need not be drawn anew: with four stacked, two can be drawn below each
    other without end.
    """

    def render(self: Screen[Any]) -> Any:
        background = self.styles.background
        stacks = (self.app._screen_stack, *self.app._screen_stacks.values())
        stack = next((stack for stack in stacks if self in stack), [self])
        place = stack.index(self)
        if place and background.a < 1:
            return BackgroundScreen(stack[place - 1], background)
        return self.app.render() if background.is_transparent else Blank(background)

    Screen.render = render  # type: ignore[method-assign]


def _keep_keys_for_what_opens() -> None:
    """Hold keys until a screen that has just been opened has the parts that take them."""
    original = App.on_event

    async def on_event(self: App[Any], event: events.Event) -> None:
        if isinstance(event, events.Key) and not self.screen.is_mounted:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.screen._mounted_event.wait(), OPENING_SECONDS)
        await original(self, event)

    App.on_event = on_event  # type: ignore[method-assign]


def _measure_a_new_text() -> None:
    """Measure a text anew that changes twice before it is laid out: the size of the one between is cached."""
    original = Widget.refresh

    def refresh(self: Widget, *regions: Region, layout: bool = False, **options: Any) -> Widget:
        if layout and self._layout_required:
            self._layout_updates += 1
        return original(self, *regions, layout=layout, **options)

    Widget.refresh = refresh  # type: ignore[method-assign,assignment]


def _fire_however_late() -> None:
    """Fire a one-shot timer however late it is: where the machine stalls as it starts it never fires, and a resize,
    say, is never drawn.
    """
    original = Timer.__init__

    def __init__(self: Timer, *arguments: Any, **options: Any) -> None:
        original(self, *arguments, **options)
        if self._repeat == 0:
            self._skip = False

    Timer.__init__ = __init__  # type: ignore[method-assign]


def _reverse_parts_without_colours() -> None:
    """Keep “reverse” in the style of a part, such as the chosen row of a list, where it is lost; without colours it is
    all there is.
    """
    original = Widget.get_visual_style

    def get_visual_style(self: Widget, *component_classes: str, partial: bool = False) -> Style:
        style = original(self, *component_classes, partial=partial)
        if self.app.no_color and any(self.get_component_styles(name).text_style.reverse for name in component_classes):
            return style + Style(reverse=True)
        return style

    Widget.get_visual_style = get_visual_style  # type: ignore[method-assign]
