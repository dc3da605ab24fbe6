"""A plan in words: the estimate, the pre-flight list, the dataset's report and its conversations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from textual.content import Content

from brightrun_tui.domain import humanize
from brightrun_tui.domain.dataset import DatasetReport, Record
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.money import Estimate, Offer
from brightrun_tui.domain.schedule import moment_words
from brightrun_tui.domain.service_names import OWN_BOXES
from brightrun_tui.planning.check import Check, CheckName
from brightrun_tui.planning.plan import Plan
from brightrun_tui.planning.remedies import Remedy
from brightrun_tui.tui import actions
from brightrun_tui.tui.widgets import cells, offer_text, places, reflow

CHECKS = {
    "ok": ("✓", "$success"),
    "warning": ("!", "$warning"),
    "failed": ("✗", "$error"),
    "pending": ("◌", "$secondary"),
}
FITS = {"safe": ("fits", "$success"), "tight": ("tight", "$warning"), "no": ("too much", "$error")}
PHASES = {
    "preparing": "prepare",
    "loading": "load",
    "training": "train",
    "measuring": "measure",
    "answering": "answer",
    "saving": "save",
}
"""What the time of a run goes into, by the names of `TimeParts`."""
BARS = " ▁▂▃▄▅▆▇█"
LENGTH_BINS = 16
ROLES = {"system": "$muted", "user": "$accent", "assistant": "$curve-train", "tool": "$secondary"}


def estimate(plan: Plan | None, brief: bool, width: int) -> reflow.Lines:
    """Show memory as a bar, time as a band, cost and steps; ``brief`` leaves out what memory and time consist of, which
    would hide the cost.
    """
    if plan is None:
        return [Content.styled("estimating …", "$muted")]
    found = plan.estimate
    if found is None:
        return (
            [Content.styled("Choose a dataset and a base model; memory, time and cost appear here.", "$muted")]
            if width > 60
            else reflow.text("Choose a dataset; memory, time and cost appear here.", width, "$muted")
        )
    lines = _memory(found, width) + ([] if brief else _memory_parts(found, width))
    note = "measured" if found.measured else "a guess until measured" if width > 36 else "a guess"
    lines += reflow.pair("Time", Content.assemble((_time(found), "bold"), (f"  {note}", "$faint")), width, 8)
    lines += [] if brief else _parts(found, width)
    lines += reflow.pair("Cost", _cost(plan, found), width, 8)
    lines += reflow.pair("Steps", f"{found.steps:,}  ({humanize.count(found.tokens)} tokens)", width, 8)
    lines += reflow.pair("Disk", humanize.size(found.disk), width, 8)
    return lines


def _time(found: Estimate) -> str:
    if found.seconds_high > found.seconds_low:
        return humanize.band(found.seconds_low, found.seconds_high)
    return humanize.duration(found.seconds)


def _memory(found: Estimate, width: int) -> reflow.Lines:
    word, style = FITS[found.fits]
    share = found.memory / found.memory_available if found.memory_available else 1.0
    between = " of " if width > 36 else "/"
    amount = f"{humanize.size(found.memory)}{between}{humanize.size(found.memory_available)}"
    filled, empty = cells.bar(share, max(6, width - 8))
    return [
        Content.assemble(("Memory  ", "$muted"), (amount, "bold"), " ", (word, f"bold {style}")).truncate(
            width, ellipsis=True
        ),
        Content.assemble(" " * 8, (filled or "╸", style), (empty, "$line")).truncate(width, ellipsis=True),
    ]


def _parts(found: Estimate, width: int) -> reflow.Lines:
    """Say where the time goes: one bar whose pieces are the phases, and their names with what they take."""
    phases = [(name, getattr(found.parts, name)) for name in PHASES]
    said = [f"{PHASES[name]} {humanize.duration(seconds)}" for name, seconds in phases if seconds >= 1]
    if len(said) < 2 or width <= 36:
        return []
    return reflow.pair("", Content.styled(" · ".join(said), "$faint"), width, 8)


def _memory_parts(found: Estimate, width: int) -> reflow.Lines:
    """Return what lies in memory, the largest first."""
    largest = sorted(found.memory_parts.items(), key=lambda part: -part[1])[:3]
    said = [f"{name} {humanize.size(amount)}" for name, amount in largest if amount > found.memory // 50]
    if len(said) < 2 or width <= 36:
        return []
    return reflow.pair("", Content.styled(" · ".join(said), "$faint"), width, 8)


def _cost(plan: Plan, found: Estimate) -> Content:
    if plan.draft.here:
        return Content.styled("free · this machine", "bold $success")
    if plan.offer is None:
        return Content.styled("no machine is chosen yet", "$muted")
    if not found.cost_usd_high:
        return Content.styled("free · your own machine", "bold $success")
    return Content.assemble(
        (humanize.money(found.cost_usd), "bold $accent"), (f", up to {humanize.money(found.cost_usd_high)}", "$muted")
    )


def machine_words(offer: Offer) -> Content:
    """Name GPU and price of the machine that is planned for."""
    price = f"{offer_text.hourly_price(offer)}{'/h' if offer.price_per_hour else ''}"
    taken = "may be taken away" if offer.interruptible else ""
    kind = offer.region if offer.provider == OWN_BOXES else taken or offer.tier
    note = " · ".join(part for part in (kind, offer_text.region(offer)) if part)
    return Content.assemble((offer_text.gpu(offer), "bold"), f"  {price}", (f"  {cells.one_line(note)}", "$muted"))


def cost_sentence(plan: Plan) -> str:
    """Say what starting this costs, for the confirmation."""
    found = plan.estimate
    if plan.draft.here:
        return "It costs nothing: it runs on this machine."
    if found is None or plan.offer is None:
        return "The price is not known yet."
    if not found.cost_usd_high:
        return "It costs nothing: it runs on a machine of your own."
    budget = (
        f" It is ended before it costs more than {humanize.money(plan.draft.budget_usd)}."
        if plan.draft.budget_usd
        else ""
    )
    return (
        f"It costs about {humanize.money(found.cost_usd)}, up to {humanize.money(found.cost_usd_high)} by the estimate "
        f"({humanize.money(found.price_per_hour)} an hour).{budget}"
    )


def last_look(plan: Plan) -> Content:
    """Return everything that matters before money is spent, what the plan warns of included."""
    found = plan.estimate
    rows = [
        ("Model", plan.name),
        ("Data", next((check.what for check in plan.checks if check.name == CheckName.DATASET), "")),
        ("Base", _base_words(plan)),
        ("Where", places.place(plan.draft.provider) + (f" · {machine_words(plan.offer).plain}" if plan.offer else "")),
        *([("Begins", f"not before {moment_words(plan.not_before)}")] if plan.not_before else []),
        (
            "Time",
            f"{_time(found)}{'' if found.measured else ', a guess until measured'}" if found else humanize.NOTHING,
        ),
    ]
    lines = [Content.assemble((f"{label:<7}", "$muted"), cells.one_line(value)) for label, value in rows]
    lines += [
        Content.assemble((f"! {check.name}  ", "$warning"), cells.one_line(check.what))
        for check in _warnings(plan)
        if check.name != CheckName.DATASET
    ]
    return Content("\n").join([*lines, Content(""), Content.styled(cost_sentence(plan), "bold")])


def _base_words(plan: Plan) -> str:
    """Name the base, and what must happen before it can be trained."""
    base, found = plan.base, plan.estimate
    if base is None:
        return ""
    if base.present or found is None or found.parts.preparing < 1:
        return base.title
    first = base.preparing or f"will be downloaded ({humanize.size(base.weight_bytes)})"
    return f"{base.title}, {first}: about {humanize.duration(found.parts.preparing)} of the time below"


def _warnings(plan: Plan) -> list[Check]:
    return [check for check in plan.checks if check.state == "warning"]


def sweep_words(plans: list[Plan], rule: str) -> Content:
    """Say before a sweep starts what it takes, its runs, and which of them are stopped early."""
    from brightrun_tui.planning.sweep import sweep_sentence

    names = Content("\n").join(Content(f"  {plan.name}") for plan in plans)
    return Content.assemble((sweep_sentence(plans), "bold"), "\n\n", names, f"\n\n{rule}" if rule else "")


def checks(plan: Plan | None, remedies: Sequence[Remedy], brief: bool, width: int) -> reflow.Lines:
    """Return the pre-flight list: a glyph, what was found, and the fix where one is needed; where a change is known that mends
    it, that change. The first of them stands under a key. ``brief``: what is well takes one line, cut off where it is longer.
    """
    lines: reflow.Lines = []
    known = {remedy.check: remedy for remedy in remedies}
    for check in plan.checks if plan else ():
        glyph, style = CHECKS[check.state]
        said = Content.assemble((f"{check.name}  ", "bold"), (cells.plain(check.what), "$muted"))
        cut = brief and check.state == "ok"
        body = [said.truncate(width - 2, ellipsis=True)] if cut else reflow.text(said, width - 2)
        lines += [
            Content.assemble((f"{glyph} " if not index else "  ", f"bold {style}"), line)
            for index, line in enumerate(body)
        ]
        remedy = known.pop(check.name, None) if check.state in ("failed", "warning") else None
        if remedy:
            lines += _remedy(remedy, width, first=remedy is remedies[0])
        elif check.fix and check.state in ("failed", "warning"):
            fix = reflow.text(cells.plain(check.fix), width - 4)
            lines += [
                Content.assemble(("  → " if not index else "    ", "bold $accent"), line)
                for index, line in enumerate(fix)
            ]
    return lines


def _remedy(remedy: Remedy, width: int, *, first: bool) -> reflow.Lines:
    """Return the change, and below it what becomes of the plan."""
    mark = actions.key_of("new_run.fix") if first else "→"
    change = reflow.text(Content.styled(cells.plain(remedy.words), "bold"), width - 6)
    follows = reflow.text(cells.plain(remedy.effect), width - 6, "$muted") if remedy.effect else []
    style = "bold $on-accent on $accent" if first else "bold $accent"
    return [
        Content.assemble("  ", (f" {mark} ", style) if not index else "   ", " ", line)
        for index, line in enumerate(change + follows)
    ]


def start_words(plan: Plan | None, problem: BrightrunError | None, measuring: bool = False) -> Content:
    """Say under the checks that all is ready, and with how many warnings, or what stands in the way. ``measuring``:
    this machine's speed is being measured.
    """
    if plan is None:
        return Content.styled("estimating …", "$muted")
    if problem is None:
        warned = len(_warnings(plan))
        note = f" · {warned} warning{'s' * (warned > 1)}" if warned else ""
        doing = " ◌ timing this machine" if measuring else ""
        return Content.assemble(("✓ ready", "bold $success"), (note, "bold $warning"), (doing, "$primary"))
    return Content.styled(f"✗ not yet: {cells.one_line(problem.what)}", "$error")


def data_report(
    report: DatasetReport | None,
    width: int,
    *,
    problems: int = 3,
    more: str = "pick.report",
    with_lengths: bool = True,
    brief: bool = False,
) -> reflow.Lines:
    """Say how many records can be used, and why the others cannot. ``more``: the action that shows all of that, where one does.
    ``brief``: one thing that was noticed, without its remedy.
    """
    if report is None:
        return []
    if brief:
        problems = 1
    good = report.usable == report.records
    glyph, style = ("✓", "$success") if good else ("!", "$warning") if report.ok else ("✗", "$error")
    head = f"{report.usable:,} of {report.records:,} records usable · {report.format} · {humanize.size(report.bytes)}"
    lines = [
        Content.assemble((f"{glyph} ", f"bold {style}"), line) if not index else Content.assemble("  ", line)
        for index, line in enumerate(reflow.text(head, width - 2))
    ]
    if width > 40 and with_lengths and len(set(report.characters.percentiles)) > 1:
        lines += reflow.marked(reflow.text(lengths(report), width - 4), 4, "  ·", "$line")
    if width > 40 and len(report.languages.shares) > 1:
        lines += languages(report, width)
    for problem in report.problems[:problems]:
        where = f" (first: {problem.places[0]})" if problem.places else ""
        found = reflow.text(cells.plain(f"{problem.count:,} × {problem.what}{where}"), width - 4, "$muted")
        lines += reflow.marked(found, 4, "  ·", "$line")
        if problem.fix and not brief:
            lines += reflow.marked(reflow.text(cells.plain(problem.fix), width - 4), 4, "  →", "bold $accent")
    rest = len(report.problems) - problems
    if more and (rest > 0 or (brief and report.problems)):
        said = (
            f"and {rest} more; {actions.key_of(more)} shows them" if rest > 0 else f"{actions.key_of(more)} shows more"
        )
        lines.append(Content.styled(f"    {said}", "$muted"))
    return lines


def languages(report: DatasetReport, width: int) -> reflow.Lines:
    """Return what the records are in; nothing if that could not be told."""
    said = report.languages.said(report.usable)
    text = Content.assemble(("languages ", "$muted"), (said, "$muted"))
    return reflow.marked(reflow.text(text, width - 4), 4, "  ·", "$line") if said else []


def lengths(report: DatasetReport) -> Content:
    """Say how long the records are: a small histogram from short to long, and what half of them, and nearly all, stay below."""
    found = report.characters
    counts = [0] * LENGTH_BINS
    shortest = found.percentiles[0]
    for value in found.percentiles:
        counts[min(LENGTH_BINS - 1, (value - shortest) * LENGTH_BINS // max(1, found.longest - shortest))] += 1
    heights = "".join(BARS[-(-count * (len(BARS) - 1) // max(counts))] for count in counts)
    words = f"half below {found.p50:,}, 99% below {found.p99:,}, the longest {found.longest:,} characters"
    return Content.assemble(("lengths ", "$muted"), (heights, "$primary"), (f"  {words}", "$muted"))


def conversations(report: DatasetReport | None, width: int, *, limit: int = 20) -> reflow.Lines:
    """Return the first records as conversations; what the loss counts is marked."""
    if report is None or not report.preview:
        return [Content.styled("Choose a dataset to see its conversations.", "$faint")]
    lines: reflow.Lines = []
    for record in report.preview[:limit]:
        lines += [Content("")] if lines else []
        lines += conversation(record, width, place_of(record, report.path))
    return lines


def place_of(record: Record, path: str) -> str:
    """Say where a record of this file is, in the words of its kind: a workbook has rows, other documents but text no lines."""
    kinds = {suffix.casefold() for suffix in PurePath(path).suffixes}
    unit = "row" if kinds & {".xlsx", ".xlsm"} else "record" if kinds & {".json", ".parquet"} else "line"
    return f"{unit} {record.line}" if record.line else ""


def conversation(record: Record, width: int, place: str = "") -> reflow.Lines:
    lines = reflow.heading(cells.one_line(record.id), width, place)
    for message in record.messages:
        style = ROLES.get(message.role, "$muted")
        learnt = "  learnt" if message.role == "assistant" and message.train else ""
        lines.append(Content.assemble((f"{message.role}", f"bold {style}"), (learnt, "$success")))
        lines += reflow.indented(reflow.text(cells.plain(message.said), width - 2), 2, "▏", style)
    return lines
