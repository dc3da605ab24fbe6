"""A record as a model sees it: its tokens, and which of them the loss counts."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from brightrun_tui.domain.dataset import Record
from brightrun_tui.domain.objective import DEFAULT_OBJECTIVE


class TokenRequest(BaseModel):
    """What the process that tokenises is asked, one a line. ``only_lengths``: how many tokens there are is enough."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    record: Record
    objective: str = DEFAULT_OBJECTIVE
    only_lengths: bool = False


class TokenPiece(BaseModel):
    """One token: its text, empty if the one before holds the whole letter, and whether it is learnt."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    text: str
    learnt: bool = False


class TokenExample(BaseModel):
    """One sequence that is trained on; a record may become several."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    pieces: tuple[TokenPiece, ...]

    @property
    def learnt(self) -> int:
        return sum(piece.learnt for piece in self.pieces)

    def runs(self, limit: int = 0) -> list[tuple[str, bool, bool]]:
        """Return neighbouring tokens of one kind as one text: whether it is learnt, and whether it lies beyond ``limit``
        tokens.
        """
        found: list[tuple[str, bool, bool]] = []
        for number, piece in enumerate(self.pieces):
            kind = (piece.learnt, bool(limit) and number >= limit)
            if found and found[-1][1:] == kind:
                found[-1] = (found[-1][0] + piece.text, *kind)
            else:
                found.append((piece.text, *kind))
        return found


class TokenView(BaseModel):
    """The answer.

    Attributes:
        examples: none where the record is left out, or only lengths were asked for.
        lengths: tokens of each example.
        left_out: why it is; else empty.
        context: tokens that the model takes; 0 if that is not known.
        notice: what to know about the chat template; mostly empty.
        error: what went wrong, as `BrightrunError.as_dict`; the rest is empty then.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    examples: tuple[TokenExample, ...] = ()
    lengths: tuple[int, ...] = ()
    left_out: str = ""
    context: int = 0
    notice: str = ""
    error: dict[str, Any] = Field(default_factory=dict)
