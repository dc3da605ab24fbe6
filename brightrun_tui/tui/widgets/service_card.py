"""One service: whether it works, in glyph, word and colour, and where its credential comes from."""

from __future__ import annotations

from dataclasses import dataclass

from textual.content import Content
from textual.message import Message

from brightrun_tui.domain import humanize
from brightrun_tui.integrations.services import Service
from brightrun_tui.tui.actions import key_of
from brightrun_tui.tui.widgets import cells, reflow
from brightrun_tui.tui.widgets.reflow import TALL, Flow
from brightrun_tui.tui.widgets.titles import retitle

STATES = {
    "ok": ("✓", "works", "$success"),
    "failed": ("✗", "does not work", "$error"),
    "off": ("–", "not connected", "$muted"),
    "testing": ("◌", "testing …", "$primary"),
    "": ("·", "not tested yet", "$muted"),
}

BRIEF_FACTS = 2
"""Facts of an account that a low terminal has room for, where there are more than one more."""


@dataclass(frozen=True)
class CardState:
    """What a card shows. ``state`` is a key of `STATES`; ``credential`` says where it comes from, in words; ``placed``:
    there is one."""

    state: str = ""
    detail: str = ""
    fix: str = ""
    credential: str = ""
    placed: bool = False
    checked_at: float | None = None
    facts: tuple[tuple[str, str], ...] = ()


class ServiceCard(Flow, can_focus=True):
    """A card; the screen's keys act on the one with the focus."""

    @dataclass
    class Clicked(Message):
        """The card was clicked twice."""

        card: ServiceCard

    def __init__(self, service: Service) -> None:
        super().__init__(id=f"card-{service.name}", classes="panel card")
        self.service = service
        self.state = CardState()

    @property
    def label(self) -> str:
        return self.service.title

    def explain(self) -> list[tuple[str, str]]:
        """Return all of it, for the help: a card has no room for long words."""
        service, state = self.service, self.state
        _, word, _ = STATES[state.state]
        tested = humanize.ago(state.checked_at) if state.checked_at else "not yet"
        said = [
            ("what it is", service.gives),
            ("now", f"{word}: {state.detail}" if state.detail else word),
            ("what to do", state.fix if state.state in ("failed", "off") else ""),
            ("tested", tested),
            *state.facts,
            ("key from", service.where_to_get),
            ("credential", state.credential if state.placed else ""),
            ("elsewhere", f"the variable {service.environment}" if service.environment else ""),
        ]
        return [(title, text) for title, text in said if text]

    def on_mount(self) -> None:
        self.show_state(self.state)

    def on_click(self) -> None:
        if self.has_focus:
            self.post_message(self.Clicked(self))

    def show_state(self, state: CardState) -> None:
        self.state = state
        glyph, _, style = STATES[state.state]
        retitle(self, Content.assemble((glyph, f"bold {style}"), " ", self.service.title))
        self.show(lambda width: card_lines(self.service, state, width, brief=self.app.size.height < TALL))


def card_lines(service: Service, state: CardState, width: int, *, brief: bool = False) -> reflow.Lines:
    """Show state and age, the detail, what to do, where the credential is, what the service gives; ``brief``: the first
    of it.
    """
    glyph, word, style = STATES[state.state]
    age = humanize.ago(state.checked_at) if state.checked_at and state.state != "testing" else ""
    head = Content.styled(f"{glyph} {word}", f"bold {style}")
    lines = [Content.assemble(head, " " * max(1, width - head.cell_length - len(age)), (age, "$faint"))]
    if state.detail:
        lines += reflow.text(state.detail, width, most=1 if brief else 3)
    if state.fix and state.state in ("failed", "off"):
        fix = reflow.text(state.fix, width - 2, most=3)
        lines += [
            Content.assemble(("→ " if not index else "  ", "bold $accent"), line) for index, line in enumerate(fix)
        ]
    shown = BRIEF_FACTS if brief and len(state.facts) > BRIEF_FACTS + 1 else len(state.facts)
    for name, value in state.facts[:shown]:
        lines += reflow.pair(name, cells.plain(value), width, 12, most=1 if brief else 2)
    if rest := len(state.facts) - shown:
        lines.append(Content.styled(f"and {rest} more; {key_of('app.help')} shows them", "$muted"))
    if service.environment and state.placed:
        lines += reflow.pair("credential", state.credential, width, 12, most=2)
    if brief and (state.detail or state.fix):
        return lines
    return [*lines, *(line.stylize("$muted") for line in reflow.text(service.gives, width))]
