"""Alerts in words, and the numbers of a run that they are judged from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from textual.content import Content

from brightrun_tui.domain import humanize
from brightrun_tui.domain.alerts import ALERT_CODES, LOOKED_AT, AlertCode, Numbers, RunAlert, find_alerts
from brightrun_tui.domain.notices import Level
from brightrun_tui.domain.run import Run
from brightrun_tui.domain.run_states import RunAction
from brightrun_tui.tui.actions import BY_ID, key_of
from brightrun_tui.tui.curve import Curve
from brightrun_tui.tui.run_reader import NO_VITALS
from brightrun_tui.tui.snapshot import RunDetail, Snapshot
from brightrun_tui.tui.widgets import cells, reflow

MARKS = {Level.ERROR: ("✗", "bold $error"), Level.WARNING: ("!", "bold $warning")}
HISTORY = 20
"""What was told before of runs: so much of it, the newest."""
KEYS = {
    RunAction.STOP: "monitor.stop",
    RunAction.PAUSE: "monitor.pause",
    RunAction.RETRY: "monitor.retry",
    RunAction.CHANGE: "monitor.change",
}

CURVES: dict[AlertCode, str] = {
    "gradient_zero": "gradient-norm",
    "gradient_exploding": "gradient-norm",
    "budget": "cost",
    "budget_short": "cost",
    "still_billing": "cost",
    "memory_full": "memory",
    "hot": "temperature",
    "throttled": "throttling",
    "disk_filling": "disk",
    "idle": "utilisation",
    "starving": "utilisation",
}
"""The curve that shows it; of all others the loss."""


def alerts_of(snapshot: Snapshot, now: float) -> tuple[RunAlert, ...]:
    """Return the alerts of every run, errors first; the chosen one is judged by its curves, too. The order stays
    whichever run is chosen.
    """
    detail = snapshot.detail
    chosen = detail.run_id if detail else ""
    held = {lease.run_id for lease in snapshot.leases}
    runs = [run for run in snapshot.runs if run.active or run.id == chosen or run.id in held]
    found = [alert for run in runs for alert in _of(run, snapshot, now, chosen=run.id == chosen)]
    return tuple(sorted(found, key=lambda alert: alert.level is not Level.ERROR))


def _of(run: Run, snapshot: Snapshot, now: float, *, chosen: bool) -> list[RunAlert]:
    """Return what its numbers say; the curves of a run that is not chosen are not here, but the engine has judged them."""
    found = list(find_alerts(run, _numbers(run, snapshot, now)))
    if not chosen and run.state == "running":
        known = {alert.code for alert in found}
        found += [
            RunAlert(
                run.id,
                notice.code,  # type: ignore[arg-type]  # one of these codes
                Level.ERROR if notice.level == Level.ERROR else Level.WARNING,
                notice.message,
                "",
                f"choose it ({key_of('alerts.cursor_down')}): its curves are read then, and this says what to do",
            )
            for notice in run.notices
            if notice.code in ALERT_CODES - known
        ]
    return found


def _numbers(run: Run, snapshot: Snapshot, now: float) -> Numbers:
    detail = snapshot.detail if snapshot.detail and snapshot.detail.run_id == run.id else RunDetail(run.id)
    return Numbers(
        now=now,
        heard_at=snapshot.vitals.get(run.id, NO_VITALS).heard_at,
        train=_points(detail.curves.get("train_loss")),
        held_out=_points(detail.curves.get("eval_loss")),
        gradient=_points(detail.curves.get("grad_norm")),
        load=[value for _, value in _points(detail.curves.get("utilisation"))],
        leases=snapshot.leases_of(run.id),
    )


def _points(curve: Curve | None) -> list[tuple[int, float]]:
    return list(zip(curve.steps[-LOOKED_AT:], curve.values[-LOOKED_AT:], strict=True)) if curve is not None else []


@dataclass(frozen=True)
class AlertListing:
    """Lines of text, and at which of them each alert that is open begins and ends, by its key."""

    lines: reflow.Lines
    places: dict[str, tuple[int, int]]


def listed(
    alerts: Sequence[RunAlert], snapshot: Snapshot, acknowledged: Collection[str], width: int, chosen: str = ""
) -> AlertListing:
    """Return what is open, with the key that helps; below it what was acknowledged, and what was told before. ``chosen``: the
    key of the alert that the keys act on.
    """
    lines: reflow.Lines = []
    places: dict[str, tuple[int, int]] = {}
    open_ = [alert for alert in alerts if alert.key not in acknowledged]
    for alert in open_:
        text = _alert(alert, snapshot, width - 2)
        places[alert.key] = len(lines), len(lines) + len(text)
        mark = "▌" if alert.key == chosen else " "
        lines += [*(Content.assemble((mark, "bold $accent"), " ", line) for line in text), Content("")]
    if not open_:
        lines += [Content.styled("✓ Nothing is wrong that the numbers would show.", "$success"), Content("")]
    if done := [alert for alert in alerts if alert.key in acknowledged]:
        lines += reflow.heading("Acknowledged", width)
        lines += [
            Content.styled(f"{_name(alert, snapshot)}  {alert.what}", "$muted").truncate(width, ellipsis=True)
            for alert in done
        ]
        lines.append(Content(""))
    if told := [one for one in snapshot.news if one.level is not Level.INFO and one.run_id][:HISTORY]:
        lines += reflow.heading("Told before", width, f"{key_of('app.news')} says all of it")
        for one in told:
            glyph, style = MARKS[one.level]
            head = Content.assemble((f"{humanize.day(one.time)} ".ljust(7), "$faint"), (f"{glyph} ", style))
            said = (f"{one.run_name}  {one.message}", "$muted")
            lines.append(Content.assemble(head, said).truncate(width, ellipsis=True))
    return AlertListing(lines, places)


def _alert(alert: RunAlert, snapshot: Snapshot, width: int) -> reflow.Lines:
    glyph, style = MARKS[alert.level]
    head = Content.assemble((f"{glyph} ", style), (_name(alert, snapshot), "bold"), f"  {cells.one_line(alert.what)}")
    key = KEYS.get(alert.action) if alert.action else None
    advice = alert.advice + (f" ({key_of(key)} {BY_ID[key].title})" if key else "")
    return [
        *reflow.text(head, width),
        *(reflow.indented(reflow.text(alert.evidence, width - 2, "$muted")) if alert.evidence else ()),
        *reflow.indented(reflow.text(Content.assemble(("→ ", "bold $accent"), cells.plain(advice)), width - 2)),
    ]


def _name(alert: RunAlert, snapshot: Snapshot) -> str:
    run = snapshot.run(alert.run_id)
    return cells.one_line(run.name if run else alert.run_id)
