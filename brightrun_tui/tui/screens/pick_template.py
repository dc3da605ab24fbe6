"""Choose a template by its card."""

from __future__ import annotations

from collections.abc import Sequence

from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.planning.templates import Template
from brightrun_tui.tui.screens.pick import Choice, PickScreen
from brightrun_tui.tui.widgets.template_text import best_with, template_card

TALL = 40
"""Lines of a terminal in which every setting of the longest card has a line of its own below the list."""


class PickTemplate(PickScreen):
    """Answers the name of a template."""

    def __init__(
        self, templates: Sequence[Template], models: Sequence[ModelVersion], *, chosen: str, height: int
    ) -> None:
        """Offer the templates. ``models``: this installation's, for what was reached with each. ``height``: lines of
        the terminal.
        """
        choices = [
            Choice(
                one.name,
                one.title,
                one.best_for + (" · yours" if one.own else ""),
                template_card(one, best_with(one.name, models), brief=height < TALL),
            )
            for one in templates
        ]
        super().__init__("Template", choices, chosen=chosen)
        self.add_class("-templates")
