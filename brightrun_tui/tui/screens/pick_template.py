"""Choose a template by its card."""

from __future__ import annotations

from collections.abc import Sequence

from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.settings import RunSettings
from brightrun_tui.planning.plan import Plan
from brightrun_tui.planning.resolve import resolve_settings
from brightrun_tui.planning.templates import Template
from brightrun_tui.tui.screens.pick import Choice, PickScreen
from brightrun_tui.tui.widgets.template_text import best_with, template_card

TALL = 40
"""Lines of a terminal in which every setting of the longest card has a line of its own below the list."""


class PickTemplate(PickScreen):
    """Answers the name of a template."""

    def __init__(
        self,
        templates: Sequence[Template],
        models: Sequence[ModelVersion],
        plan: Plan | None,
        *,
        chosen: str,
        height: int,
    ) -> None:
        """Offer the templates for a plan. ``models``: this installation's, for what was reached with each. ``height``:
        lines of the terminal.
        """
        choices = [
            Choice(
                one.name,
                one.title,
                one.best_for + (" · yours" if one.own else ""),
                template_card(one, best_with(one.name, models), brief=height < TALL, becomes=_settings_with(one, plan)),
            )
            for one in templates
        ]
        super().__init__("Template", choices, chosen=chosen)
        self.add_class("-templates")


def _settings_with(template: Template, plan: Plan | None) -> RunSettings | None:
    """Return what the form would have with that template; None as long as nothing is known that it depends on."""
    if plan is None or plan.report is None or plan.base is None:
        return None
    draft = plan.draft
    return resolve_settings(template, plan.base, plan.report.usable, draft.overrides, draft.intensity).settings
