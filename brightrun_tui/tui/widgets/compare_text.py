"""Two versions beside one another, in words."""

from __future__ import annotations

from textual.content import Content

from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.registry.compare import Comparison, Row
from brightrun_tui.tui.widgets import cells, reflow
from brightrun_tui.tui.widgets.model_text import MEASURE_WIDTH, turns
from brightrun_tui.tui.widgets.run_text import prompt_lines


def comparison(found: Comparison, width: int) -> reflow.Lines:
    """Two versions side by side; the better value of each line is marked."""
    column = max(10, (width - MEASURE_WIDTH - 3) // 2)
    lines = [
        Content.assemble(
            " " * (MEASURE_WIDTH + 1),
            (fit_ref(found.a, column), "bold $primary"),
            " ",
            (fit_ref(found.b, column), "bold $accent"),
        )
    ]
    if found.caution:
        lines += reflow.text(Content.assemble(("! ", "bold $warning"), (found.caution, "$warning")), width)
    lines += [_compared(row, column) for row in found.facts]
    if found.settings:
        lines += [
            Content(""),
            *reflow.heading("Settings that differ", width),
            *[_compared(row, column) for row in found.settings],
        ]
    return lines


def fit_ref(ref: str, width: int) -> str:
    """``name:version`` in so many cells; the version is always to be seen."""
    name, colon, version = ref.rpartition(":")
    tail = f"{colon}{version}"
    return cells.fit(cells.fit(name, max(1, min(len(name), width - len(tail)))) + tail, width)


def _compared(row: Row, column: int) -> Content:
    def cell(value: str, better: bool) -> Content:
        return Content.styled(cells.fit(value + (" ✓" if better else ""), column), "bold $success" if better else "")

    return Content.assemble(
        (f"{cells.fit(row.what, MEASURE_WIDTH)} ", "$muted"),
        cell(row.a, row.better == "a"),
        " ",
        cell(row.b, row.better == "b"),
    )


def compared_answers(a: ModelVersion, b: ModelVersion, width: int) -> reflow.Lines:
    """Prompts that both answered, one answer beside the other."""
    other = {repr(sample.prompt): sample for sample in b.report.samples}
    lines: reflow.Lines = []
    half = reflow.column_width(width)
    for sample in a.report.samples:
        match = other.get(repr(sample.prompt))
        if match is not None:
            left = [Content.styled(a.ref, "bold $primary"), *reflow.text(cells.plain(sample.tuned), half)]
            right = [Content.styled(b.ref, "bold $accent"), *reflow.text(cells.plain(match.tuned), half)]
            lines += [Content(""), *prompt_lines(turns(sample), width), *reflow.beside(left, right, width)]
    return lines
