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
WIDTHS = {108: (25, 7, 8, 9, 13, 12, 28), 70: (20, 6, 0, 8, 11, 10, 10), 0: (20, 6, 0, 0, 0, 10, 0)}
"""Cells for each column, by the cells that there are at least; one without any is left out."""


def row(words: tuple[str, ...], width: int) -> str:
    """One line of the table of bases in ``width`` cells."""
    widths = next(found for least, found in WIDTHS.items() if width >= least)
    return " ".join(cells.fit(word, room) for word, room in zip(words, widths, strict=True) if room).rstrip()


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
            humanize.size(found.memory) if found else "",
            humanize.band(found.seconds_low, found.seconds_high) if found and found.fits != "no" else "",
            FITS[found.fits] if found else "",
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
            "",
            "",
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
    return f"{model.id}, {size}, {licence}{gate}{often}. Enter reckons memory and time with it."


def template_detail(template: Template) -> str:
    """What it is for, what it sets, and what it sets by the number of records."""
    titles = {setting.key: setting.title for setting in iter_settings()}

    def said(overrides: dict[str, object]) -> str:
        return " · ".join(f"{titles.get(key, key)} {show_value(value)}" for key, value in overrides.items())

    lines = [template.description, f"sets  {said(template.overrides)}"]
    for rule in template.by_records:
        whom = f"up to {rule.up_to:,} records" if rule.up_to else "more records"
        lines.append(f"      {whom}: {said(rule.overrides)}")
    return "\n".join(line for line in lines if line.strip())
