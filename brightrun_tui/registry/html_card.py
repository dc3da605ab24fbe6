"""The report card as one HTML file: nothing is loaded from anywhere, it prints, and it can be mailed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from brightrun_tui.domain import humanize
from brightrun_tui.domain.evaluation import Evaluation
from brightrun_tui.domain.model import NOT_MEASURED_HERE, ModelVersion, Report
from brightrun_tui.domain.text import sanitize
from brightrun_tui.files import plain_disk_errors, target_taken, write_for_user
from brightrun_tui.process import users_umask
from brightrun_tui.registry.leaderboard import bounds_words, loss_of, share_right
from brightrun_tui.registry.scores import (
    GRADES_MEAN,
    LOSS_MEANS,
    corrections_line,
    grades_line,
    judging_words,
    mark_words,
    measured_on,
    ruling_words,
    score_lines,
)
from brightrun_tui.registry.training import held_in, slower, times
from brightrun_tui.store import Database, evaluations, metrics, runs

Curves = Mapping[str, Sequence[tuple[int, float]]]
"""Values by step of what was measured while training: ``loss``, ``eval_loss``."""

_STYLE = """
:root{--ink:#1c2430;--soft:#5b6675;--line:#dde2e8;--base:#9aa5b1;--tuned:#1f6feb;--good:#1a7f37;--mixed:#9a6700;--poor:#c62828}
*{box-sizing:border-box}body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{margin:0}h2{margin:2rem 0 .5rem;border-bottom:1px solid var(--line);padding-bottom:.2rem;font-size:1.15rem}
.grade{font-weight:700;text-transform:uppercase;letter-spacing:.04em}.good{color:var(--good)}.mixed{color:var(--mixed)}
.poor,.wrong{color:var(--poor)}.right{color:var(--good)}.soft{color:var(--soft);font-size:.9rem}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line);
vertical-align:top}th{color:var(--soft);font-weight:600}.num{text-align:right;font-variant-numeric:tabular-nums}
.pair{display:grid;grid-template-columns:1fr 1fr 1fr;gap:.8rem;margin:.4rem 0 1.2rem}.pair>div{border-left:3px solid var(--line);
padding-left:.6rem;white-space:pre-wrap;overflow-wrap:anywhere}.pair>.tuned{border-color:var(--tuned)}
.asked{white-space:pre-wrap;font-weight:600;overflow-wrap:anywhere}svg{width:100%;height:auto}
svg text{font:12px system-ui;fill:var(--soft)}
td:last-child,p,li,h1{overflow-wrap:anywhere}code>span{display:inline-block;max-width:100%}
@media(max-width:40rem){.pair{grid-template-columns:1fr}svg text{font-size:18px}}
@media print{body{margin:0;max-width:none;font-size:11pt}h2,.asked{break-after:avoid}
.pair,tr,svg{break-inside:avoid}}
"""
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 640, 220, 48, 24
_COLOURS = {"train_loss": "var(--base)", "eval_loss": "var(--tuned)"}
_FEW = 40
"""Points of a line up to which each is marked: between them nothing was measured."""
_NAMES = {"train_loss": "training loss", "eval_loss": "held-out loss"}


def report_html(
    ref: str, report: Report, curves: Curves | None = None, measured: Sequence[Evaluation] = (), caution: str = ""
) -> str:
    """Return the whole document. ``ref`` is what the version is called here; ``measured``: again, later, newest first;
    ``caution``: what to know before reading the verdict.
    """
    verdict = report.verdict
    parts = [
        f"<h1>{_text(ref)}</h1>",
        (
            f'<p class="soft">{_text(report.name)}, made {humanize.date(report.created_at)} from '
            f"{_text(report.lineage.base_id)} and {_text(report.lineage.dataset_name)}</p>"
        ),
        f'<p><span class="grade {verdict.grade}">{verdict.grade}</span> {_text(verdict.summary)}</p>',
    ]
    if caution:
        parts.insert(2, f'<p class="mixed">{_text(caution)}</p>')
    if grades := grades_line(report):
        parts.append(f'<p>{_text(grades)} <span class="soft">({_text(GRADES_MEAN)})</span></p>')
    if verdict.reasons:
        parts.append("<ul>" + "".join(f"<li>{_text(reason)}</li>" for reason in verdict.reasons) + "</ul>")
    if verdict.advice:
        steps = "".join(f"<li>{_text(each.why)}<br>{_command(each.command)}</li>" for each in verdict.advice)
        parts += ["<h2>What to try next</h2>", f"<ol>{steps}</ol>"]
    parts += [f"<h2>On {measured_on(report)}</h2>", _bars(report), _measures(report)]
    if measured:
        parts += ["<h2>Measured again</h2>", _measured_again(measured)]
    if drawn := _curves(curves or {}):
        parts += ["<h2>While it was trained</h2>", drawn]
    if report.corrections:
        parts += ["<h2>What was corrected</h2>", f"<p>{_text(corrections_line(report))}</p>", _corrections(report)]
    if report.samples:
        parts += [
            "<h2>The same questions, before and after</h2>",
            *(_sample(report, n) for n in range(len(report.samples))),
        ]
    parts += ["<h2>Training</h2>", _pairs(_facts(report))]
    title, body = _text(f"{ref}: report card"), "\n".join(parts)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>\n{body}\n</body></html>\n'
    )


def _command(command: str) -> str:
    """Return a command whose lines break between its options, never within one: “--” at the end of a line would be read
    as a word of its own.
    """
    first, *options = command.split(" --")
    return (
        "<code>" + " ".join(f"<span>{_text(part)}</span>" for part in (first, *(f"--{o}" for o in options))) + "</code>"
    )


def _measured_again(measured: Sequence[Evaluation]) -> str:
    rows = []
    for each in measured:
        loss, right = loss_of(each.tuned, each.scores), share_right(each.samples)
        answers = f"{right.value:.0%} of {len(each.samples)} ({bounds_words(right, '.0%')})" if right else "–"
        rows.append(
            f"<tr><td>{_text(each.dataset_name)}, {humanize.date(each.created_at)}<br>"
            f'<span class="soft">{_text(judging_words(each.judging))}</span></td>'
            f'<td class="num">{loss.value:.3f} ({bounds_words(loss, ".3f")})</td>'
            f'<td class="num">{each.base.loss:.3f}</td><td class="num">{answers}</td></tr>'
        )
    head = (
        '<tr><th>on</th><th class="num">loss, 95%</th><th class="num">base</th><th class="num">answers right</th></tr>'
    )
    return f"<table>{head}{''.join(rows)}</table>"


async def write_html_card(db: Database, version: ModelVersion, target: Path) -> Path:
    """Write the card with the curves of the version's run, where they are still known; returns where it is.

    Raises:
        UsageError: there is something already.
        BrightrunError: the disk is full or cannot be written.
    """
    if target.exists():
        raise target_taken(target)
    run = await runs.readable(db, version.run_id)
    curves = {
        name: [
            (point.step, point.value)
            for point in await metrics.series(db, version.run_id, name, run.upto(name) if run else None)
            if point.value is not None
        ]
        for name in _COLOURS
    }
    with plain_disk_errors(target):
        measured = await evaluations.of_version(db, version.name, version.version)
        caution = NOT_MEASURED_HERE if version.from_elsewhere else ""
        text = report_html(version.ref, version.report, curves, measured, caution)
        await asyncio.to_thread(write_for_user, target, text, users_umask())
    return target


def _bars(report: Report) -> str:
    """Return loss of base and tuned model as two bars."""
    rows = [("base", report.base.loss, "var(--base)"), ("tuned", report.tuned.loss, "var(--tuned)")]
    most = max(loss for _, loss, _ in rows) or 1.0
    shapes = []
    for place, (name, loss, colour) in enumerate(rows):
        y = 6 + place * 30
        width = max(1.0, (_WIDTH - 160) * max(0.0, loss) / most)
        shapes.append(
            f'<text x="0" y="{y + 16}">{name}</text><rect x="60" y="{y}" width="{width:.0f}" height="22" rx="3" '
            f'fill="{colour}"/><text x="{66 + width:.0f}" y="{y + 16}">{loss:.4f}</text>'
        )
    label = f"loss of the base model {report.base.loss:.4f}, of the tuned model {report.tuned.loss:.4f}"
    return (
        f'<svg viewBox="0 0 {_WIDTH} 66" role="img" aria-label="{label}">{"".join(shapes)}</svg>'
        f'<p class="soft">Loss: {_text(LOSS_MEANS)}</p>'
    )


def _measures(report: Report) -> str:
    rows = [
        ("perplexity", f"{report.base.perplexity:.3f}", f"{report.tuned.perplexity:.3f}", ""),
        ("records", f"{report.base.records:,}", f"{report.tuned.records:,}", ""),
        *(
            (line.what, line.base, f"{line.tuned} ({line.note})" if line.note else line.tuned, line.means)
            for line in score_lines(report)
        ),
    ]
    body = "".join(
        f'<tr><td>{_text(what)}</td><td class="num">{_text(base)}</td><td class="num">{_text(tuned)}</td>'
        f'<td class="soft">{_text(means)}</td></tr>'
        for what, base, tuned, means in rows
    )
    return f'<table><tr><th></th><th class="num">base</th><th class="num">tuned</th><th></th></tr>{body}</table>'


def _curves(curves: Curves) -> str:
    """Return lines over steps; nothing if there are not two points of any."""
    shown = {name: points for name, points in curves.items() if name in _COLOURS and len(points) > 1}
    if not shown:
        return ""
    every = [point for points in shown.values() for point in points]
    first, last = min(step for step, _ in every), max(step for step, _ in every)
    low, high = min(value for _, value in every), max(value for _, value in every)
    across, up = (last - first) or 1, (high - low) or 1.0

    def place(step: int, value: float) -> str:
        x = _LEFT + (step - first) / across * (_WIDTH - _LEFT - 8)
        return f"{x:.1f},{8 + (high - value) / up * (_HEIGHT - _BOTTOM - 16):.1f}"

    lines, floor = [], _HEIGHT - _BOTTOM
    for number, (name, points) in enumerate(shown.items()):
        path = " ".join(place(step, value) for step, value in points)
        if len(points) <= _FEW:
            lines += [
                f'<circle cx="{x}" cy="{y}" r="4" fill="{_COLOURS[name]}"/>'
                for x, y in (place(*point).split(",") for point in points)
            ]
        lines.append(
            f'<polyline points="{path}" fill="none" stroke="{_COLOURS[name]}" stroke-width="2"/>'
            f'<rect x="{_LEFT + 150 * number + 60}" y="{_HEIGHT - 12}" width="12" height="4" fill="{_COLOURS[name]}"/>'
            f'<text x="{_LEFT + 150 * number + 78}" y="{_HEIGHT - 6}">{_NAMES[name]}</text>'
        )
    axis = (
        f'<line x1="{_LEFT}" y1="{floor}" x2="{_WIDTH}" y2="{floor}" stroke="var(--line)"/>'
        f'<text x="0" y="16">{high:.2f}</text><text x="0" y="{floor - 4}">{low:.2f}</text>'
        f'<text x="{_LEFT}" y="{_HEIGHT - 6}">{first}</text>'
        f'<text x="{_WIDTH - 4}" y="{_HEIGHT - 6}" text-anchor="end">step {last}</text>'
    )
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="loss over steps">{axis}{"".join(lines)}</svg>'


def _corrections(report: Report) -> str:
    body = "".join(
        f"<tr><td>{_text(each.question)}</td><td>{_text(each.wanted)}</td><td>{_text(each.answer or '(nothing)')}</td>"
        f'<td class="{each.mark}">{each.mark}</td></tr>'
        for each in report.corrections
    )
    return f"<table><tr><th>asked</th><th>wanted</th><th>answers now</th><th></th></tr>{body}</table>"


def _sample(report: Report, number: int) -> str:
    sample = report.samples[number]
    said = [word for word in (mark_words(report, number), _ruling(report, number)) if word]
    note = f'<p class="soft">{_text("; ".join(said))}</p>' if said else ""
    return (
        f'<p class="asked">{_text(sample.asked)}</p><div class="pair"><div><b>base</b>\n{_text(sample.base or "(nothing)")}</div>'
        f'<div class="tuned"><b>tuned</b>\n{_text(sample.tuned or "(nothing)")}</div>'
        f"<div><b>in the data</b>\n{_text(sample.reference or '–')}</div></div>{note}"
    )


def _ruling(report: Report, number: int) -> str:
    rulings = report.judgement.rulings if report.judgement else ()
    return f"the judge: {ruling_words(rulings[number])}" if number < len(rulings) else ""


def _facts(report: Report) -> list[tuple[str, str]]:
    facts, lineage = report.training, report.lineage
    return [
        ("steps", f"{facts.steps:,}"),
        ("epochs", f"{facts.epochs:.2f}"),
        ("training records", f"{facts.train_records:,}"),
        ("device", facts.device),
        ("base held in", held_in(report)),
        *((f"time: {what}", humanize.duration(took)) for what, took, _ in times(report)),
        ("longer than expected", slower(report)),
        ("cost", humanize.money(report.cost_usd)),
        ("template", lineage.template),
        ("run", lineage.run_id),
        ("dataset fingerprint", lineage.dataset_fingerprint),
        ("base revision", lineage.base_revision),
        ("base fingerprint", lineage.base_fingerprint),
    ]


def _pairs(rows: Sequence[tuple[str, str]]) -> str:
    body = "".join(f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in rows if value)
    return f"<table>{body}</table>"


def _text(text: str) -> str:
    """Return what anybody wrote, as text that is not markup."""
    return escape(sanitize(text, kept="\n\t"))
