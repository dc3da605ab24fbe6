"""Bases and templates as lines of a picker."""

from __future__ import annotations

from brightrun_tui.domain import humanize
from brightrun_tui.domain.settings import iter_settings
from brightrun_tui.planning.base_fit import BaseFit
from brightrun_tui.planning.hub_search import FoundModel
from brightrun_tui.planning.templates import Template
from brightrun_tui.tui.widgets import cells
from brightrun_tui.tui.widgets.form import show_value

FITS = {"safe": "✓ fits", "tight": "! tight", "no": "✗ too much"}
HEAD = ("base", "size", "context", "memory", "time", "fits", "licence")
WIDTHS = {108: (7, 8, 9, 13, 12, 28), 70: (6, 0, 8, 10, 10, 10), 0: (6, 0, 0, 0, 10, 0)}
"""Cells for each column behind the name, by the cells that there are at least; one without any is left out."""
NUMBERS = ("size", "context")
"""Columns that stand at their right edge, so that numbers of one unit are below one another."""
LONGEST_NAME = 30


def row(words: tuple[str, ...], width: int) -> str:
    """One line of the table of bases in ``width`` cells; the name has what the columns leave."""
    widths = next(found for least, found in WIDTHS.items() if width >= least)
    name = min(LONGEST_NAME, width - sum(room + 1 for room in widths if room))
    parts = [cells.fit(words[0], name)]
    for title, word, room in zip(HEAD[1:], words[1:], widths, strict=True):
        if room:
            parts.append(cells.fit(word, room) if title not in NUMBERS else cells.fit(word, room).rstrip().rjust(room))
    return " ".join(parts).rstrip()


def base_row(fit: BaseFit, width: int) -> str:
    """Size, context, memory and time with the data and on the machine of the plan, and what must be done first."""
    base, found = fit.base, fit.estimate
    remarks = [
        "here" if base.present else "",
        f"from {base.quantisation}" if base.quantisation else "",
        "licence to accept" if base.gated else base.license,
    ]
    return row(
        (
            cells.one_line(base.title),
            humanize.count(base.parameters),
            humanize.count(fit.context) if fit.context else "",
            humanize.size(found.memory) if found else humanize.NOTHING,
            humanize.band(found.seconds_low, found.seconds_high) if found and found.fits != "no" else humanize.NOTHING,
            FITS[found.fits] if found else humanize.NOTHING,
            " · ".join(remark for remark in remarks if remark),
        ),
        width,
    )


def found_row(model: FoundModel, width: int) -> str:
    """A model of the Hub as a line of the same table; what it would take is reckoned once it is chosen."""
    remarks = ["licence to accept" if model.gated else "", model.license]
    return row(
        (
            cells.one_line(model.id.partition("/")[2] or model.id),
            humanize.count(model.parameters) if model.parameters else "",
            "",
            humanize.NOTHING,
            humanize.NOTHING,
            "on the Hub",
            " · ".join(remark for remark in remarks if remark),
        ),
        width,
    )


def found_detail(model: FoundModel) -> str:
    """What is known of a model of the Hub before it is chosen."""
    licence = f"licence {model.license}" if model.license else "no licence is named"
    gate = "; it must be accepted on the model's page first" if model.gated else ""
    size = f"{humanize.count(model.parameters)} parameters" if model.parameters else "size not told"
    often = f", {humanize.count(model.downloads)} downloads in a month" if model.downloads else ""
    return f"{model.id}, {size}, {licence}{gate}{often}. Enter estimates memory and time for it."


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
