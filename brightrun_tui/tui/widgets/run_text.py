"""Runs in words: rows of the list, and the summary above the panes."""

from __future__ import annotations

import time
from collections.abc import Sequence

from textual.content import Content

from brightrun_tui.domain import humanize
from brightrun_tui.domain.alerts import ALERT_CODES, RunAlert
from brightrun_tui.domain.money import Lease
from brightrun_tui.domain.notices import BUDGET_WARNINGS, Level
from brightrun_tui.domain.run import Notice, Run
from brightrun_tui.domain.run_states import STATE_GLYPHS
from brightrun_tui.domain.settings import iter_settings
from brightrun_tui.planning.catalogue import title_of
from brightrun_tui.store.runs import DamagedRun
from brightrun_tui.tui.actions import key_of
from brightrun_tui.tui.snapshot import RunDetail
from brightrun_tui.tui.widgets import cells, lease_text, reflow
from brightrun_tui.tui.widgets.hardware_text import hardware_words
from brightrun_tui.tui.widgets.phase_text import phase_strip

STATE_STYLE = {
    "queued": "$muted",
    "preparing": "$secondary",
    "launching": "$secondary",
    "running": "$primary",
    "pausing": "$warning",
    "paused": "$warning",
    "stopping": "$warning",
    "collecting": "$secondary",
    "registering": "$secondary",
    "completed": "$success",
    "stopped": "$muted",
    "failed": "$error",
}


LEAST_BAR = 8
"""Cells of the bar of a run's progress, however much stands beside it."""

NARROW = 64
"""Cells of a row of one line below which its name needs what bar and time can spare."""


def state_mark(run: Run) -> Content:
    """Return glyph and word, in the state's colour."""
    return Content.styled(f"{STATE_GLYPHS[run.state]} {run.state}", f"bold {STATE_STYLE[run.state]}")


def how_many(runs: Sequence[Run]) -> list[str]:
    """Return ``["1 running", "2 queued"]``; what there is none of is not said."""
    queued = sum(run.state == "queued" for run in runs)
    running = sum(run.active for run in runs) - queued
    return [f"{count} {word}" for count, word in ((running, "running"), (queued, "queued")) if count]


def run_row(run: Run, width: int, *, tall: bool, mark: str = "", silent: bool = False, alert: str = "") -> Content:
    """Return one line of the runs list, or two when there is room. ``mark``: a glyph before it; ``silent``: nothing is heard
    of it; ``alert``: the level of what is wrong with it.
    """
    width -= 2 if mark else 0
    state = Content.assemble(
        (f"{mark} " if mark else "", "bold $accent"), (f"{STATE_GLYPHS[run.state]} ", f"bold {STATE_STYLE[run.state]}")
    )
    narrow = not tall and width < NARROW
    right = Content.styled("silent", "$warning") if silent else _right_of(run, short=narrow)
    if tall:
        first = Content.assemble(state, (cells.fit(run.name, max(4, width - 2 - right.cell_length)), "bold"), right)
        return Content("\n").join([first, Content.assemble("  ", _second_line(run, width - 2))])
    second = progress(run, 18 if width > 70 else 10 if narrow else 12)
    right = right.pad_left(max(0, (10 if narrow else 16) - right.cell_length))
    name_width = max(8, width - 2 - 12 - second.cell_length - right.cell_length - 3)
    word = alarmed(Content.styled(run.state, STATE_STYLE[run.state]), alert)
    word = word.pad_right(max(0, 12 - word.cell_length))
    return Content.assemble(state, (cells.fit(run.name, name_width), "bold"), " ", word, " ", second, " ", right)


def alarmed(state: Content, level: str) -> Content:
    """Return a state, and behind it a mark where something is wrong with the run."""
    return Content.assemble(state, " ", ("!", f"bold ${level}")) if level else state


def named(run: Run, width: int) -> Content:
    """Return one line for a question about a run: its name first, and whole if it can be."""
    note = f"  {run.state}" + (f" · {humanize.percent(run.fraction)}" if run.total_steps else "")
    name = cells.one_line(run.name)
    mark = (f"{STATE_GLYPHS[run.state]} ", f"bold {STATE_STYLE[run.state]}")
    return Content.assemble(mark, (name, "bold"), (note, "$muted")).truncate(width, ellipsis=True)


def caption(name: str, count: int, width: int) -> Content:
    """Return the line above a group of runs."""
    title = Content.assemble((cells.fit(name, min(len(name), width - 8)), "bold $primary"), (f"  {count} ", "$muted"))
    return Content.assemble(title, ("─" * max(0, width - title.cell_length), "$line"))


def folded(count: int, width: int) -> Content:
    """Return the line in place of the runs that are folded away."""
    key = key_of("monitor.fold")
    return Content.styled(f"▸ {count} ended run{'s' if count > 1 else ''} ({key} shows them)", "$muted").truncate(
        width, ellipsis=True
    )


def damaged_row(run: DamagedRun, width: int) -> Content:
    """Return one line of the runs list for a run whose record cannot be read."""
    name = cells.fit(run.name, max(4, width - 11)).rstrip()
    return Content.assemble(("✗ ", "bold $error"), (name, "bold"), ("  damaged", "$error"))


def damaged_summary(run: DamagedRun, width: int) -> reflow.Lines:
    """Return what can still be said and done about it."""
    said = "This record is damaged: what the run was and did cannot be read. A machine that it had is returned, and models stay."
    return [
        Content.assemble(("✗ damaged", "bold $error"), "  ", (cells.one_line(run.name), "bold")),
        *reflow.text(said, width),
        Content.styled(f"It can be deleted ({key_of('monitor.delete')}).", "$muted"),
    ]


def _right_of(run: Run, *, short: bool) -> Content:
    if run.active and run.eta_seconds is not None:
        return Content.styled(f"{humanize.duration(run.eta_seconds)}{'' if short else ' left'}", "$muted")
    return Content.styled(humanize.day(run.finished_at or run.created_at), "$muted")


def _second_line(run: Run, width: int) -> Content:
    value, word = (run.eval_loss, "eval") if run.eval_loss is not None else (run.train_loss, "loss")
    loss = f"  {word} {humanize.loss(value)}" if value is not None else ""
    cost = f"  {humanize.money(run.cost_usd)}" if run.cost_usd else ""
    tail = loss + cost if 20 + len(loss) + len(cost) <= width else cost or loss
    middle = progress(run, max(8, width - 12 - max(12, len(tail))))
    state = Content.styled(cells.fit(run.state, 12), STATE_STYLE[run.state])
    return Content.assemble(state, middle, (tail, "$muted"))


def progress(run: Run, width: int) -> Content:
    """Return a bar and per cent in ``width`` cells."""
    fraction = 1.0 if run.state == "completed" else run.fraction
    filled, empty = cells.bar(fraction, max(3, width - 5))
    return Content.assemble(
        (filled, "$primary" if run.active else STATE_STYLE[run.state]),
        (empty, "$line"),
        (f"{100 * fraction:4.0f}%", "$muted"),
    )


def summary(
    run: Run | None,
    leases: Sequence[Lease],
    width: int,
    *,
    rich: bool,
    detail: RunDetail | None = None,
    alerts: Sequence[RunAlert] = (),
    silent: bool = False,
    nothing: str = "",
) -> reflow.Lines:
    """Return two to seven lines about the chosen run: state and phase, progress, numbers, where the time went, and what
    is wrong.

    ``silent``: nothing is heard of it, so that nothing is told as if it were of now. ``nothing``: said where no run is
    chosen.
    """
    if run is None:
        return reflow.text(nothing, width, "$muted")
    lines = [_headline(run, leases, width, with_cost=not rich), _bar_line(run, width, silent=silent)]
    if rich:
        lines += _numbers(run, leases, width, silent=silent)
        if (strip := phase_strip(run, detail, width)) is not None:
            lines.append(strip)
    if alerts:
        more = f" and {len(alerts) - 1} more" if len(alerts) > 1 else ""
        words = f"{alerts[0].what}{more} ({key_of('monitor.alerts')} says more)"
        lines.append(
            Content.assemble(("! ", "bold $warning"), (cells.one_line(words), "$warning")).truncate(
                width, ellipsis=True
            )
        )
    lines += [
        lease_text.billing(lease, width)
        for lease in leases
        if lease.state in ("releasing", "unclear") or not run.active
    ]
    if run.stop_after and run.active:
        lines += reflow.text(Content.styled(f"■ it ends after the next {run.stop_after}", "$warning"), width, most=1)
    if (notice := _told(run, alerts)) is not None:
        lines += reflow.marked(reflow.text(notice.message, width - 2, most=2), 2, "!", "bold $warning")
    if run.failure is not None and run.state == "failed":
        cause = reflow.text(run.failure.cause, width - 2, "$error", most=3)
        lines += reflow.marked(cause, 2, "✗", "bold $error")
        if run.failure.fix or run.failure.suggestion:
            lines += reflow.marked(reflow.text(_fix_words(run), width - 2, most=2), 2, "→", "bold $accent")
    return lines


def _told(run: Run, alerts: Sequence[RunAlert]) -> Notice | None:
    """Return the newest warning of the engine about a run at work; what the numbers say is judged anew, and is not said twice."""
    spent = any(alert.code == "budget" for alert in alerts)
    told = [one for one in run.notices if one.code not in ALERT_CODES and not (spent and one.code in BUDGET_WARNINGS)]
    return told[-1] if told and told[-1].level != Level.INFO and run.active else None


def _fix_words(run: Run) -> str:
    assert run.failure is not None
    titles = {setting.key: setting.title for setting in iter_settings()}
    change = ", ".join(f"{titles.get(key, key)} {value}" for key, value in run.failure.suggestion.items())
    return f"{run.failure.fix} ({key_of('monitor.retry')} retries{f' with {change}' if change else ''})"


def _headline(run: Run, leases: Sequence[Lease], width: int, *, with_cost: bool) -> Content:
    phase = run.phase if run.active and run.phase != run.state else ""
    told = width >= 90 or run.state in ("stopping", "pausing")  # how far a stop has come is what one waits for
    detail = run.phase_detail if run.active and told and run.total_steps else ""
    cost = lease_text.cost_brief(run, leases) if with_cost and not run.spec.here else ""
    parts = [part for part in (cost, phase, detail) if part]
    if run.model and run.model_version is not None:
        parts.append(f"model {run.model}:{run.model_version}")
    base = Content.assemble(state_mark(run), "  ", (cells.one_line(run.name), "bold"))
    line = Content.assemble(
        base, ("  " + " · ".join(cells.one_line(part) for part in parts) if parts else "", "$muted")
    )
    return line.truncate(width, ellipsis=True)


def _bar_line(run: Run, width: int, *, silent: bool) -> Content:
    """Return progress in steps, in epochs too where there is room; before the first step, what is being done instead and for
    how long. What a silent run said of its end is not repeated.
    """
    if run.active and not run.total_steps:
        waits = "waiting for its turn" if run.state == "queued" else "the first step has not come yet"
        detail = title_of(run.phase_detail) if run.phase_detail == run.spec.base.id else run.phase_detail
        words = cells.one_line(detail) or waits
        if run.state != "queued":
            words += "".join(f" · {part}" for part in _beginning(run))
        return Content.styled(words, "$muted").truncate(width, ellipsis=True)
    steps = f"step {run.step:,}/{run.total_steps:,}" if run.total_steps else "step –"
    epochs = f"  epoch {run.epoch:.2f}/{run.spec.settings.training.epochs:g}"
    time_words = f"  {'silent' if silent else _time_words(run)}".rstrip()
    share = f" {100 * run.fraction:3.0f}%"
    note = f"  {steps}{epochs}{time_words}"
    if len(note) + len(share) + LEAST_BAR > width:
        note = f"  {steps}{time_words}"
    filled, empty = cells.bar(run.fraction, max(LEAST_BAR, width - len(note) - len(share)))
    colour = STATE_STYLE[run.state] if not run.active else "$primary"
    line = Content.assemble((filled, colour), (empty, "$line"), (share, "bold"), (note, "$muted"))
    return line.truncate(width, ellipsis=True)


def _beginning(run: Run) -> list[str]:
    """Say how long it is under way and what was expected of the whole, while no worker can say what is left."""
    now = time.time()
    begun = run.worked_seconds(now)
    said = [f"{humanize.duration(begun)} so far"] if begun >= 1 else []
    if (found := run.estimate) is not None and found.seconds_high > found.seconds_low > 0:
        said.append(f"{humanize.band(found.seconds_low, found.seconds_high)} in all")
    return said


def _time_words(run: Run) -> str:
    """Return what is left of it, or what it took."""
    if run.active:
        return f"{humanize.duration(run.eta_seconds)} left" if run.eta_seconds is not None else ""
    if not (run.finished_at and run.started_at):
        return ""
    lasted = run.finished_at - run.started_at + run.prepared_seconds
    worked = run.worked_seconds(run.finished_at)
    of_all = f" of {humanize.duration(lasted)}" if lasted > 1.1 * worked + 60 else ""
    return f"took {humanize.duration(worked)}{of_all}"


_GAP = Content("   ")
"""Between facts in one line."""


def _numbers(run: Run, leases: Sequence[Lease], width: int, *, silent: bool) -> reflow.Lines:
    """Show losses, cost and speed, and the machine beside them, or below them where there is no room for all of it."""

    def item(label: str, value: str, style: str = "$foreground") -> Content:
        return Content.assemble((f"{label} ", "$muted"), (value, style))

    items = []
    if run.train_loss is not None:
        items.append(item("train", humanize.loss(run.train_loss), "bold $curve-train"))
    if run.eval_loss is not None:
        items.append(item("eval", humanize.loss(run.eval_loss), "bold $curve-eval"))
        if run.best_eval_loss is not None:
            items.append(item("best", humanize.loss(run.best_eval_loss)))
    items.append(item("cost", lease_text.cost_words(run, leases)))
    if run.tokens_per_second and not silent:
        items.append(item("speed", f"{humanize.count(run.tokens_per_second)} tokens/s"))
    below = []
    if hardware := hardware_words(run):
        machine = item("last seen on" if silent else "on", hardware, "$muted" if silent else "$foreground")
        whole = _GAP.join([*items, machine])
        if whole.cell_length <= width:
            return [whole]
        below = [machine]
    while len(items) > 1 and _GAP.join(items).cell_length > width:
        below.insert(0, items.pop())
    return [_GAP.join(some).truncate(width, ellipsis=True) for some in (items, below) if some]
