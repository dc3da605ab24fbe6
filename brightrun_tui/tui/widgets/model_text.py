"""Models in words: rows of the list and the pages of the report card."""

from __future__ import annotations

from textual.content import Content

from brightrun_tui.domain import humanize
from brightrun_tui.domain.advice import actionable
from brightrun_tui.domain.endpoint import Endpoint
from brightrun_tui.domain.evaluation import Evaluation
from brightrun_tui.domain.model import Judgement, ModelVersion
from brightrun_tui.domain.verdict_words import ticks_sentence
from brightrun_tui.planning.catalogue import title_of
from brightrun_tui.registry.reviews import review_lines
from brightrun_tui.registry.scores import (
    GRADES_MEAN,
    LOSS_MEANS,
    QUANTISED_BASE_MEANS,
    corrections_line,
    grades_line,
    mark_words,
    measured_on,
    ruling_words,
    score_lines,
    splits_words,
)
from brightrun_tui.registry.signing import Origin
from brightrun_tui.registry.training import held_in, left_out, slower, times, whole_seconds
from brightrun_tui.tui.actions import key_of
from brightrun_tui.tui.widgets import cells, reflow
from brightrun_tui.tui.widgets.answer_text import compare_answers, prompt_lines
from brightrun_tui.tui.widgets.measured_text import measured_again
from brightrun_tui.tui.widgets.run_facts import base_name, changed_settings

GRADES = {"good": ("✓", "$success"), "mixed": ("≈", "$warning"), "poor": ("✗", "$error")}
MEASURE_WIDTH = 25
ENDPOINT_GLYPHS = {
    "starting": ("◌", "$secondary"),
    "ready": ("●", "$success"),
    "stopping": ("◌", "$warning"),
    "stopped": ("○", "$faint"),
    "failed": ("✗", "$error"),
    "asleep": ("◌", "$muted"),
}


GRADE_WIDTH, NARROW = 7, 64
"""Cells of a grade with its mark; cells of a line of the list below which it has name, grade and what it is used for only."""


def endpoint_mark(endpoint: Endpoint | None, *, short: bool = False) -> Content:
    """Return glyph and word; empty when the model is not served. ``short``: without since when it is down."""
    if endpoint is None or endpoint.state == "stopped":
        return Content("")
    if endpoint.down:
        since = "" if short else f" since {humanize.clock(endpoint.down_since)}"
        return Content.styled(f"✗ down{since}", ENDPOINT_GLYPHS["failed"][1])
    if endpoint.asleep:
        return Content.styled("◌ asleep", "$muted")
    if endpoint.restarting:
        return Content.styled("◌ restarting", "$warning")
    glyph, style = ENDPOINT_GLYPHS[endpoint.state]
    return Content.styled(f"{glyph} {'serving' if endpoint.state == 'ready' else endpoint.state}", style)


def names_of(model: ModelVersion) -> tuple[str, ...]:
    """Return its aliases, and “archived” where it was taken off the list."""
    return (*model.aliases, "archived") if model.archived else model.aliases


def model_row(
    model: ModelVersion, endpoint: Endpoint | None, width: int, *, tall: bool, needs: bool = False, mark: str = ""
) -> Content:
    """Return one line of the list, or two when there is room. ``needs``: somebody should look; the report card says why.
    ``mark``: a glyph before it.
    """
    if mark:
        row = model_row(model, endpoint, width - 2, tall=tall, needs=needs)
        first, *more = row.split("\n")
        lines = [Content.assemble((f"{mark} ", "bold $accent"), first), *reflow.indented(more)]
        return Content("\n").join(lines)
    glyph, style = GRADES[model.report.verdict.grade]
    look = Content.styled(f"{glyph} ", f"bold {style}")
    said = Content.styled(model.report.verdict.grade, style)
    grade = Content.assemble(said, (" !" if needs else "", "bold $warning"))
    grade = grade.pad_right(max(0, GRADE_WIDTH - grade.cell_length))
    losses = f"{humanize.loss(model.report.base.loss)} → {humanize.loss(model.report.tuned.loss)}"
    aliases = Content.styled(" ".join(names_of(model)), "$accent")
    served = endpoint_mark(endpoint, short=True)
    if tall:
        name = Content.styled(cells.fit_ref(model.ref, max(6, width - 3 - aliases.cell_length)), "bold")
        first = Content.assemble(look, name, " ", aliases)
        tail = served or Content.styled(humanize.day(model.created_at), "$muted")
        stars = Content.styled(cells.stars(model.rating) if model.rating else "", "$warning")
        second = Content.assemble("  ", grade, " ", (losses, "$muted"), "  ", stars)
        gap = max(1, width - second.cell_length - tail.cell_length)
        return Content("\n").join([first, Content.assemble(second, " " * gap, tail).truncate(width, ellipsis=True)])
    tail = Content.assemble(aliases, "  " if aliases and served else "", served)
    if not tail:
        tail = Content.styled(humanize.day(model.created_at), "$muted")
    if width < NARROW:
        name = Content.styled(
            cells.fit_ref(model.ref, max(8, width - 2 - 1 - GRADE_WIDTH - 1 - tail.cell_length)), "bold"
        )
        return Content.assemble(look, name, " ", grade, " ", tail).truncate(width, ellipsis=True)
    stars = Content.styled((cells.stars(model.rating) if model.rating else "").ljust(5), "$warning")
    fixed = 2 + 1 + GRADE_WIDTH + 15 + 2 + 5 + 2 + 22
    name = Content.styled(cells.fit_ref(model.ref, max(8, width - fixed)), "bold")
    return Content.assemble(look, name, " ", grade, " ", (losses.ljust(15), "$muted"), " ", stars, "  ", tail).truncate(
        width, ellipsis=True
    )


def report_card(
    model: ModelVersion,
    endpoint: Endpoint | None,
    width: int,
    attention: tuple[str, ...] = (),
    measured: tuple[Evaluation, ...] = (),
    origin: Origin | None = None,
) -> reflow.Lines:
    """Return the verdict in words first, then the numbers behind it.

    ``attention``: why somebody should look at this version; ``measured``: again, later, newest first;
    ``origin``: whose it is, where it came from elsewhere.
    """
    report = model.report
    glyph, style = GRADES[report.verdict.grade]
    lines = reflow.text(
        Content.assemble(
            (f"{glyph} {report.verdict.grade}  ", f"bold {style}"), (cells.plain(report.verdict.summary), "bold")
        ),
        width,
    )
    for reason in attention:
        lines += reflow.marked(reflow.text(reason, width - 2, "$warning"), 2, "!", "bold $warning")
    if origin:
        style = "$success" if origin.standing == "verified" else "$warning"
        lines += reflow.text(Content.styled(cells.plain(origin.words), style), width)
    if grades := grades_line(report):
        lines += reflow.text(Content.assemble(grades, (f"  ({GRADES_MEAN})", "$muted")), width)
    lines += [line for reason in report.verdict.reasons for line in reflow.pair("  ·", reason, width, 4)]
    if report.verdict.advice:
        how = f"{key_of('registry.try_next')} does it" if actionable(report) else "brightrun models show has commands"
        lines += [Content(""), *reflow.heading("What to try next", width, how)]
        for number, advice in enumerate(report.verdict.advice, 1):
            lines += reflow.pair(f"  {number}", advice.why, width, 4)
    lines += [Content(""), *_scores(model, width)]
    facts: list[tuple[str, str | Content]] = [
        ("Rating", Content.styled(cells.stars(model.rating), "$warning") if model.rating else "not rated yet (r)")
    ]
    if report.samples:
        facts.append(("Checked", ticks_sentence(report) or "nobody has read its answers yet (a)"))
    if corrected := corrections_line(report):
        facts.append(("Corrected", f"{corrected}; x shows them"))
    if model.description:
        facts.append(("About", cells.plain(model.description)))
    for place, (who, what) in enumerate(review_lines(model)):
        facts.append(("Said" if place == 0 else "", cells.plain(f"{who}  {what}".strip())))
    if model.tags:
        facts.append(("Tags", "  ".join(f"#{tag}" for tag in model.tags)))
    if model.aliases:
        facts.append(("Alias", Content.styled("  ".join(model.aliases), "$accent")))
    if report.judgement:
        facts.append(("Judge", _judgement_line(report.judgement)))
    facts.append(("Endpoint", _endpoint_line(endpoint)))
    facts.append(("Cost", humanize.money(report.cost_usd) if report.cost_usd else "free"))
    facts.append(
        (
            "Made",
            f"{humanize.day(model.created_at)} from {title_of(model.base_id)}, in {humanize.duration(whole_seconds(report))}",
        )
    )
    lines += [Content(""), *reflow.pairs(facts, width, 12)]
    lines += measured_again(measured, width)
    if report.samples:
        first = report.samples[0]
        lines += [
            Content(""),
            *reflow.heading("One answer", width, "] shows the others"),
            *prompt_lines([said for _, said in first.turns], width),
            *compare_answers(first.base, first.tuned, first.reference, width),
            *_checked(model, 0, width),
        ]
    lines += _measures(model, width)
    if report.by_category:
        lines += [Content(""), *_categories(model, width)]
    return lines


def _judgement_line(judgement: Judgement) -> Content:
    """Return wins, ties and losses, who said so, and what it cost."""
    counts = [
        (judgement.count("win"), "better", "$success"),
        (judgement.count("tie"), "equal", "$muted"),
        (judgement.count("loss"), "worse", "$error"),
        (judgement.count("unparsable"), "unclear", "$warning"),
    ]
    shown = [Content.styled(f"{number} {word}", style) for number, word, style in counts if number]
    cost = f", {humanize.money(judgement.cost_usd)}" if judgement.cost_usd else ""
    who = f"  {judgement.judge} at {judgement.host}{cost}"
    return Content.assemble(Content("  ").join(shown), (cells.plain(who), "$muted"))


def answer_to_tick(model: ModelVersion, index: int, width: int) -> reflow.Lines:
    """Return one sample as a person needs it to say whether it is right, and what was said of it."""
    sample = model.report.samples[index]
    lines: reflow.Lines = []
    for role, words in sample.turns:
        lines += reflow.pair(role, cells.plain(words), width, 11)
    lines += [Content(""), *reflow.heading("It answers", width)]
    lines += reflow.text(Content.styled(cells.plain(sample.tuned) or humanize.NOTHING, "bold"), width)
    lines += [
        Content(""),
        *reflow.heading("Wanted", width),
        *reflow.text(cells.plain(sample.reference) or humanize.NOTHING, width),
    ]
    said = next((tick.right for tick in model.report.ticks if tick.sample == index), None)
    answer = [
        ("y right", "bold $success" if said else ""),
        ("   ", ""),
        ("n wrong", "bold $error" if said is False else ""),
    ]
    return [*lines, Content(""), Content.assemble(*answer, ("   s skip   esc leave", "$muted"))]


def _checked(model: ModelVersion, index: int, width: int) -> reflow.Lines:
    """Return what is known of one sample, and what the judge said to it."""
    lines: reflow.Lines = []
    if known := mark_words(model.report, index):
        lines += reflow.indented(reflow.pair("checked", known, width - 2, 9))
    judgement = model.report.judgement
    if judgement is not None and index < len(judgement.rulings):
        lines += reflow.indented(reflow.pair("judge", ruling_words(judgement.rulings[index]), width - 2, 9))
    return lines


def _endpoint_line(endpoint: Endpoint | None) -> Content:
    if endpoint is None or endpoint.state == "stopped":
        return Content.styled("not served (d deploys it)", "$muted")
    said = endpoint.url if endpoint.state == "ready" else cells.plain(endpoint.error or endpoint.doing)
    there = (
        f" on {endpoint.rental.place}, {humanize.money_counted(endpoint.cost_usd)} so far" if endpoint.rental else ""
    )
    return endpoint_mark(endpoint) + Content(f"{cells.plain(there)}  {said}")


def _scores(model: ModelVersion, width: int) -> reflow.Lines:
    """Return loss as two bars, and the perplexity."""
    base, tuned = model.report.base, model.report.tuned
    most = max(base.loss, tuned.loss, 1e-9)
    room = max(8, min(48, width - 44))
    held_out = "" if model.report.findings and model.report.findings.stood_in else " held out"
    lines = reflow.heading(f"On {measured_on(model.report)}", width, f"{tuned.records}{held_out} · lower is better")
    for label, score, style in (("base", base, "$muted"), ("tuned", tuned, "$curve-train")):
        filled, empty = cells.bar(score.loss / most, room)
        lines.append(
            Content.assemble(
                (label.ljust(7), "$muted"),
                (filled, style),
                (empty, "$background"),
                (f" loss {humanize.loss(score.loss)}", "bold"),
                (f"  perplexity {score.perplexity:,.2f}", "$muted"),
            ).truncate(width, ellipsis=True)
        )
    if quantised := model.report.quantised_base:
        lines += reflow.text(f"{'':7}loss {humanize.loss(quantised.loss)}: {QUANTISED_BASE_MEANS}", width, "$muted")
    if base.loss > 0:
        change = 1 - tuned.loss / base.loss
        word = "less" if change >= 0 else "more"
        lines.append(Content.styled(f"{'':7}{abs(change):.0%} {word} loss than the base model", "$muted"))
        lines += reflow.pair("", Content.styled(f"loss: {LOSS_MEANS}", "$muted"), width, 7)
    return lines


def _measures(model: ModelVersion, width: int) -> reflow.Lines:
    """Return the other measures, base and tuned in columns; those that the report card does not have are left out."""
    lines = score_lines(model.report)
    if not lines:
        return []
    label = MEASURE_WIDTH
    styles = {"tuned": "bold $success", "base": "bold $error", "": "bold"}
    rows = [Content.assemble(" " * label, ("base".rjust(7), "$muted"), ("tuned".rjust(8), "bold $curve-train"))]
    beside = width - label - 35
    for line in lines:
        row = Content.assemble(
            (cells.fit(line.what, label), "$muted"),
            line.base.rjust(7),
            (line.tuned.rjust(8), styles[line.better]),
            (f"  {line.note}".ljust(20), ""),
            (line.means if len(line.means) <= beside else "", "$muted"),
        )
        rows.append(row.truncate(width, ellipsis=True))
        if len(line.means) > beside:
            rows += reflow.indented(reflow.text(line.means, width - 2, "$faint"))
    asked = model.report.scores.get("answers")
    note = f"{asked} held-out questions" if isinstance(asked, int) else ""
    return [Content(""), *reflow.heading("Measured on its answers", width, note), *rows]


def _categories(model: ModelVersion, width: int) -> reflow.Lines:
    lines: reflow.Lines = []
    for label, values in model.report.by_category.items():
        lines += reflow.heading(f"By {label}", width)
        for name, score in sorted(values.items())[:12]:
            base, tuned = score.get("base"), score.get("tuned")
            worse = base is not None and tuned is not None and tuned > base
            shown = Content.styled(
                humanize.loss(tuned) + (" worse" if worse else ""), "bold $error" if worse else "bold"
            )
            lines.append(Content.assemble(cells.fit(name, 24), f" {humanize.loss(base)} → ", shown))
    return lines


def answers(model: ModelVersion, width: int) -> reflow.Lines:
    """Return every sample, base and tuned."""
    if not model.report.samples:
        return [Content.styled("This version has no sample answers.", "$faint")]
    lines: reflow.Lines = []
    for index, sample in enumerate(model.report.samples):
        lines += [Content("")] if lines else []
        lines += [
            *prompt_lines([said for _, said in sample.turns], width),
            *compare_answers(sample.base, sample.tuned, sample.reference, width),
            *_checked(model, index, width),
        ]
        for said in sample.by_step:
            answer = cells.one_line(said.text) + ("" if said.ended else " …")
            lines.append(
                Content.assemble((f"  step {said.step:,}".ljust(14), "$muted"), answer).truncate(width, ellipsis=True)
            )
    return lines


def training(model: ModelVersion, width: int) -> reflow.Lines:
    """Return what happened while training."""
    facts = model.report.training
    rows: list[tuple[str, str | Content]] = [
        ("Records", f"{facts.train_records:,} trained on, {facts.eval_records:,} held out{splits_words(model.report)}"),
        ("Left out", f"{facts.records_dropped:,} dropped, {facts.records_truncated:,} truncated"),
        (
            "Steps",
            f"{facts.steps:,} over {facts.epochs:.3g} epochs, best at step {facts.best_step:,}"
            + (", stopped early" if facts.early_stopped else ""),
        ),
        (
            "Tokens",
            (
                f"{humanize.count(facts.supervised_tokens)} supervised; "
                f"{humanize.count(facts.tokens_per_second)} tokens/s, prompts included"
            ),
        ),
        *(
            (
                "" if number else "Time",
                f"{what} {humanize.duration(took)}"
                + (f", {humanize.duration(planned)} expected" if planned is not None else ""),
            )
            for number, (what, took, planned) in enumerate(times(model.report) or [("in steps", facts.seconds, None)])
        ),
        *([("Longer", late)] if (late := slower(model.report)) else []),
        *([("Samples", left_out(model.report))] if left_out(model.report) else []),
        ("Device", facts.device or humanize.NOTHING),
        ("Peak memory", humanize.size(facts.peak_memory) if facts.peak_memory else humanize.NOTHING),
        (
            "Trained",
            f"{humanize.parameters(facts.trainable_parameters)} of {humanize.parameters(facts.base_parameters)} parameters",
        ),
        ("Size", humanize.size(model.bytes)),
    ]
    return reflow.heading("Training", width) + reflow.pairs(rows, width)


def origin(model: ModelVersion, width: int) -> reflow.Lines:
    """Show enough to make it again."""
    lineage = model.report.lineage
    rows: list[tuple[str, str | Content]] = [
        ("Run", lineage.run_id),
        ("Dataset", lineage.dataset_name),
        ("", Content.styled(lineage.dataset_fingerprint, "$muted")),
        ("Base model", Content.assemble(base_name(lineage.base_id), f" {cells.plain(lineage.base_revision)}".rstrip())),
        ("", Content.styled(lineage.base_fingerprint, "$muted")),
        *(
            [("", Content(f"its weights are dequantised {lineage.base_quantisation}"))]
            if lineage.base_quantisation
            else []
        ),
        ("", Content(f"held in {held_in(model.report)} while it was trained")),
        ("Template", lineage.template),
        ("Files", model.directory),
        ("Packages", "  ".join(f"{name} {version}" for name, version in lineage.packages.items())),
    ]
    lines = reflow.heading("Origin", width) + reflow.pairs(rows, width)
    if changed := changed_settings(lineage.settings):
        lines += [
            Content(""),
            *reflow.heading("Settings that differ from the defaults", width),
            *reflow.pairs(changed, width, 34),
        ]
    return lines
