"""One turn of a conversation on the screen."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from brightrun_tui.domain import humanize
from brightrun_tui.domain.talk import TalkTurn
from brightrun_tui.tui.widgets import cells
from brightrun_tui.tui.widgets.sanitize import sanitize_content


class Bubble(Static):
    """What somebody said, below who it was and how fast. Answers can be chosen, to say that one is wrong."""

    def __init__(self, turn: TalkTurn) -> None:
        super().__init__("", classes=f"turn -{turn.role}", markup=False)
        self.can_focus = turn.role == "assistant"
        self.turn = turn
        self.remark = ""
        self.show(turn)

    def show(self, turn: TalkTurn, remark: str = "") -> None:
        """Draw it as it now is; ``remark`` stays until there is another one."""
        self.turn, self.remark = turn, remark or self.remark
        facts = []
        if turn.tokens_per_second:
            facts = [f"{turn.tokens_per_second:.0f} tokens/s", humanize.duration(turn.seconds)]
        head = Content.assemble(
            (cells.one_line(turn.speaker), "bold $primary"),
            (f"  {' · '.join(facts)}" if facts else "", "$muted"),
            (f"  {self.remark}" if self.remark else "", "$warning"),
            "\n",
        )
        self.update(sanitize_content(head if turn.speaker else Content("")) + Content(cells.plain(turn.content or "…")))
