"""All that is known of one run, for the pane beside its curves: specification, machine, changes, alerts and checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textual.content import Content

from brightrun_tui.domain import humanize
from brightrun_tui.domain.events import Checkpoint, Event
from brightrun_tui.domain.run import Run
from brightrun_tui.domain.settings import RunSettings, setting_title
from brightrun_tui.planning.catalogue import title_of
from brightrun_tui.tui.snapshot import RunDetail
from brightrun_tui.tui.widgets import cells, lease_text, reflow
from brightrun_tui.tui.widgets.hardware_text import hardware_words
from brightrun_tui.tui.widgets.phase_text import phase_list
from brightrun_tui.tui.widgets.places import place


def facts(run: Run | None, detail: RunDetail | None, width: int, absent: str = "") -> reflow.Lines:
    """Show everything else that is known: what, where, how much, checkpoints, alerts, phases. ``absent``: said where
    there is no run.
    """
    if run is None:
        return [Content.styled(absent, "$faint")]
    spec = run.spec
    rows: list[tuple[str, str | Content]] = [
        ("Base model", base_name(spec.base.id)),
        ("Dataset", f"{spec.dataset.name} · {spec.dataset.statement or spec.dataset.format}"),
        ("Template", spec.template),
        ("Where", place(spec.provider) + (f" · {spec.gpu}" if spec.gpu else "")),
        ("Hardware", hardware_words(run, whole=True) or humanize.NOTHING),
        ("Cost", lease_text.cost_words(run)),
        (
            "Speed",
            f"{humanize.count(run.tokens_per_second)} tokens/s, prompts included"
            if run.tokens_per_second
            else humanize.NOTHING,
        ),
        ("Started", f"{humanize.day(run.started_at)} · attempt {run.attempts}" if run.started_at else humanize.NOTHING),
        ("Directory", run.directory),
    ]
    machines = lease_text.machines(detail.leases, width) if detail else []
    lines = [*machines, Content("")] if machines else []
    lines += reflow.heading("Run", width, run.id) + reflow.pairs(rows, width)
    if changed := changed_settings(spec.settings.model_dump()):
        lines += [
            Content(""),
            *reflow.heading("Settings that differ from the defaults", width),
            *reflow.pairs(changed, width, 34),
        ]
    if run.changes:
        lines += [Content(""), *reflow.heading("Changed on the way", width), *_changes(run, width)]
    if run.notices:
        lines += [Content(""), *reflow.heading("Notices", width)]
        for notice in reversed(run.notices):
            lines += _alert(notice.time, notice.level, notice.message, width)
    if detail is None:
        return lines
    if detail.note:
        lines += [Content(""), *reflow.heading("Note", width), *reflow.text(detail.note, width)]
    if detail.alerts:
        lines += [Content(""), *reflow.heading("Alerts", width)]
        for event in reversed(detail.alerts):
            lines += _alert(event.time, event.body.level, event.body.message, width)
    if detail.checkpoints:
        lines += [Content(""), *reflow.heading("Checkpoints", width)]
        best = next((event for event in reversed(detail.checkpoints) if event.body.best), None)
        lines += [_checkpoint(event, best=event is best) for event in reversed(detail.checkpoints)]
    if detail.phases or detail.leases:
        lines += [Content(""), *reflow.heading("Phases", width)]
        lines += phase_list(run, detail)
    return lines


def base_name(base_id: str) -> Content:
    """Name a base as people do, and behind that as commands do, where that is another word."""
    title = title_of(base_id)
    known = Content.styled(f"  {cells.plain(base_id)}", "$faint") if title != base_id else Content("")
    return Content.assemble(cells.plain(title), known)


def _changes(run: Run, width: int) -> reflow.Lines:
    lines: reflow.Lines = []
    for one in run.changes:
        since = "the worker has not taken it over yet" if one.step is None else f"from step {one.step:,} on"
        lines += reflow.text(Content.assemble(f"⇄ {one.words}  ", (since, "$muted")), width)
    return lines


def changed_settings(settings: Mapping[str, Any]) -> list[tuple[str, str | Content]]:
    """Return title and value of every setting that is not the default, and its key, from the groups as a document."""
    default = RunSettings().model_dump()
    return [
        (
            setting_title(f"{group}.{name}"),
            Content.assemble(cells.plain(str(value)), "  ", (cells.plain(f"{group}.{name}"), "$faint")),
        )
        for group, values in settings.items()
        if isinstance(values, dict)
        for name, value in values.items()
        if value != default.get(group, {}).get(name)
    ]


def _alert(moment: float, level: str, message: str, width: int) -> reflow.Lines:
    glyph, style = {"error": ("✗", "$error"), "warning": ("!", "$warning")}.get(level, ("·", "$muted"))
    head = Content.assemble((humanize.clock(moment).ljust(8), "$muted"), (f"{glyph} ", f"bold {style}"))
    body = reflow.text(message, width - 10)
    return [Content.assemble(head if not index else " " * 10, line) for index, line in enumerate(body)]


def _checkpoint(event: Event[Checkpoint], *, best: bool) -> Content:
    loss = event.body.eval_loss
    return Content.assemble(
        (humanize.clock(event.time).ljust(8), "$muted"),
        f"step {event.body.step}".ljust(12),
        (f"eval {humanize.loss(loss)}" if loss is not None else "", "$muted"),
        ("  ★ best" if best else "", "bold $accent"),
    )
