"""Templates as lines of a picker."""

from __future__ import annotations

from brightrun_tui.domain.settings import iter_settings
from brightrun_tui.planning.templates import Template
from brightrun_tui.tui.widgets.form import show_value


def template_detail(template: Template) -> str:
    """What it is for, what it sets, and what it sets by the number of records."""
    titles = {setting.key: setting.title for setting in iter_settings()}

    def said(overrides: dict[str, object]) -> str:
        return " · ".join(f"{titles.get(key, key)} {show_value(value)}" for key, value in overrides.items())

    lines = [template.description, f"Sets: {said(template.overrides)}"]
    for rule in template.by_records:
        whom = f"Up to {rule.up_to:,} records" if rule.up_to else "More records"
        lines.append(f"{whom}: {said(rule.overrides)}")
    return "\n".join(line for line in lines if line.strip())
