"""What every action on a model version asks: which one is chosen."""

from __future__ import annotations

from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.tui.screens.mode_screen import ModeScreen


class ChosenModel(ModeScreen):
    """A screen on which a version is chosen; a subclass says which."""

    @property
    def model(self) -> ModelVersion | None:
        """The chosen version; None if there is none."""
        return None
