"""Runs side by side as a file: a table, a document for programs, or a page that can be mailed."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from html import escape

from brightrun_tui.domain.text import cell, sanitize
from brightrun_tui.tui.compared_runs import ComparedRuns
from brightrun_tui.tui.widgets.chart_export import overlaid_svg
from brightrun_tui.tui.widgets.compared_runs_text import TITLES

_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1c2430}
table{border-collapse:collapse;table-layout:fixed;width:100%}
td,th{text-align:left;padding:.3rem .6rem .3rem 0;border-bottom:1px solid #dde2e8;
vertical-align:top}th{color:#5b6675}.same{color:#5b6675}.best{font-weight:700}h2{margin:2rem 0 .5rem;font-size:1.15rem}
svg{width:100%;height:auto;margin-top:1.5rem}
td.text{white-space:pre-wrap;overflow-wrap:anywhere}@media print{tr,svg{break-inside:avoid}}"""


def as_csv(found: ComparedRuns) -> str:
    """Return a row for every fact and for every prompt, a column for every run."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["group", "what", *map(cell, found.names)])
    for row in found.rows:
        writer.writerow([row.group, cell(row.label), *map(cell, row.values)])
    for one in found.answers:
        writer.writerow(["Answer", cell(one.prompt[-1] if one.prompt else ""), *map(cell, one.answers)])
    return text.getvalue()


def as_json(found: ComparedRuns) -> str:
    """Return everything as JSON, the curves point by point; of long runs the mean of neighbours. NaN is null."""
    document = {
        "runs": [{"id": run.id, "name": name} for run, name in zip(found.runs, found.names, strict=True)],
        "facts": [
            {
                "group": row.group,
                "what": row.label,
                "values": row.values,
                "best": sorted(row.best),
                "differs": row.differs,
            }
            for row in found.rows
        ],
        "curves": [
            {
                metric: [[s, v if math.isfinite(v) else None] for s, v in zip(curve.steps, curve.values, strict=True)]
                for metric, curve in curves.items()
            }
            for curves in found.curves
        ],
        "answers": [
            {"prompt": one.prompt, "wanted": one.reference, "base": one.base, "answers": one.answers}
            for one in found.answers
        ],
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def as_html(found: ComparedRuns) -> str:
    """Return one page; nothing is loaded from anywhere."""
    head = "".join(f"<th>{_text(name)}</th>" for name in found.names)
    parts, group = [], ""
    for row in found.rows:
        if row.group != group:
            parts.append(("</table>" if group else "") + f"<h2>{_text(row.group)}</h2><table><tr><th></th>{head}</tr>")
            group = row.group
        style = "" if row.differs else ' class="same"'
        values = "".join(
            f"<td{' class=best' if place in row.best else ''}>{_text(value)}</td>"
            for place, value in enumerate(row.values)
        )
        parts.append(f"<tr{style}><th>{_text(row.label)}</th>{values}</tr>")
    parts.append("</table>")
    for metric, title in TITLES.items():
        named = [
            (name, curves[metric]) for name, curves in zip(found.names, found.curves, strict=False) if metric in curves
        ]
        if svg := overlaid_svg(named, title):
            parts.append(svg)
    if found.answers:
        parts.append(f"<h2>Answers</h2><table><tr><th>prompt</th>{head}<th>wanted</th></tr>")
        for one in found.answers:
            said = "".join(f'<td class="text">{_text(answer)}</td>' for answer in (*one.answers, one.reference))
            parts.append(f'<tr><td class="text">{_text(one.prompt[-1] if one.prompt else "")}</td>{said}</tr>')
        parts.append("</table>")
    title = f"Runs side by side: {', '.join(map(_text, found.names))}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style><h1>{title}</h1>{''.join(parts)}</html>\n"
    )


def _text(value: str) -> str:
    return escape(sanitize(value))


FORMATS: dict[str, Callable[[ComparedRuns], str]] = {".csv": as_csv, ".json": as_json, ".html": as_html}
"""By the ending of the file."""
