"""How models answer in a chat: what they are told beforehand, and how words are drawn."""

from __future__ import annotations

from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Button, Label, Static

from brightrun_tui.domain.talk import Sampling
from brightrun_tui.tui.actions import bindings
from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.widgets.fields import TextField
from brightrun_tui.tui.widgets.message_box import MessageBox

LIMITS: dict[str, tuple[str, float, float]] = {
    "temperature": ("0 is the likeliest answer; empty: the model's own", 0.0, 2.0),
    "top_p": ("only the likeliest words that together have this share, 0–1", 0.0, 1.0),
    "max_tokens": ("longest answer, in tokens", 1.0, 100_000.0),
}


@dataclass(frozen=True)
class ChatSettings:
    """None: as the model's own generation settings say."""

    system: str = ""
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None

    @property
    def sampling(self) -> Sampling:
        """What `serving.chat` takes besides the messages."""
        return Sampling(temperature=self.temperature, top_p=self.top_p, max_tokens=self.max_tokens)

    @property
    def words(self) -> str:
        """In a line; empty if nothing was changed."""
        parts = ["system prompt"] * bool(self.system)
        values = (("temperature", self.temperature), ("top p", self.top_p), ("max tokens", self.max_tokens))
        parts += [f"{name} {value:g}" for name, value in values if value is not None]
        return " · ".join(parts)


class ChatSettingsScreen(Dialog[ChatSettings]):
    """Answers the settings as they now are."""

    SCOPES = ("correct", "modal")
    BINDINGS = bindings("correct")

    def __init__(self, settings: ChatSettings) -> None:
        super().__init__("How it answers", classes="-correct")
        self._settings = settings

    def compose_body(self) -> ComposeResult:
        yield Label(Content("System prompt: what the model is told beforehand"))
        yield MessageBox(self._settings.system, sends=False, id="system")
        for name, (means, _, _) in LIMITS.items():
            value = getattr(self._settings, name)
            yield Label(Content(f"{name}: {means}"), classes="spaced")
            yield TextField(name, "" if value is None else f"{value:g}")
        yield Static("", id="said", markup=False)
        with Horizontal(classes="buttons"):
            yield Button("Use", id="keep", variant="primary", compact=True)

    def on_mount(self) -> None:
        self.query_one(MessageBox).focus()

    def on_button_pressed(self) -> None:
        self.action_keep()

    def action_keep(self) -> None:
        numbers: dict[str, float | None] = {}
        for field in self.query(TextField):
            _, low, high = LIMITS[field.key]
            text = field.value.strip().replace(",", ".")
            try:
                numbers[field.key] = float(text) if text else None
                fits = not text or low <= float(text) <= high
            except ValueError:
                fits = False
            if not fits:
                self.query_one("#said", Static).update(
                    Content.styled(f"✗ {field.key}: a number from {low:g} to {high:g}, or nothing", "$error")
                )
                field.focus()
                return
        most = numbers["max_tokens"]
        self.dismiss(
            ChatSettings(
                self.query_one(MessageBox).text.strip(),
                numbers["temperature"],
                numbers["top_p"],
                int(most) if most is not None else None,
            )
        )
