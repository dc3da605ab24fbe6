"""What stands on the screen is whole: no word cut without a sign, no table wider than its room, no number without its unit."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from textual.content import Content
from textual.widgets import Input, OptionList

import brightrun_tui
from brightrun_tui.domain import humanize
from brightrun_tui.domain.curve import MEMORY, UTILISATION
from brightrun_tui.domain.events import Done, Event, Phase, body_of
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.money import GIB, Hardware, Lease, Offer
from brightrun_tui.domain.settings import RunSettings, iter_settings
from brightrun_tui.integrations.services import services
from brightrun_tui.paths import Paths
from brightrun_tui.planning.base_fit import base_fits
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.offers import WeighedOffer
from brightrun_tui.planning.plan import make_plan
from brightrun_tui.planning.templates import load_templates
from brightrun_tui.registry.compare_many import ManyComparison, ManyRow
from brightrun_tui.tui.ascii_driver import like
from brightrun_tui.tui.snapshot import RunDetail
from brightrun_tui.tui.widgets import base_text, cells, offer_text, plan_text, reflow, run_text
from brightrun_tui.tui.widgets.chart import View, ticks_of
from brightrun_tui.tui.widgets.chart_scene import Scene, Strand, chart_of, picture
from brightrun_tui.tui.widgets.compare_text import comparison, fit_ref
from brightrun_tui.tui.widgets.form import FormRow
from brightrun_tui.tui.widgets.phase_text import phase_times
from brightrun_tui.tui.widgets.service_card import CardState, card_lines
from brightrun_tui.tui.widgets.template_text import best_with, template_card
from tests.planning.tiny_model import write_model
from tests.tui import seed
from tests.tui.conftest import SIZES, Driver, Opened
from tests.tui.test_new_run import choose_example, open_form
from tests.tui.test_run_list import run

SMALL = ((60, 30), (80, 24))


@pytest.fixture
def first_mode() -> str:
    return "new_run"


async def test_a_label_is_whole_or_says_that_it_is_not(paths: Paths, opened: Opened) -> None:
    """“Gradient checkpointing” is never “Gradient”, in a window of whatever size."""
    async with opened(paths) as driver:
        await open_form(driver)
        await choose_example(driver)
        await driver.press("a")
        for size in (*SIZES, (60, 30), (200, 50)):
            await driver.pilot.resize_terminal(*size)
            await driver.pilot.pause()
            await check_labels(driver)


async def check_labels(driver: Driver) -> None:
    rows = {row.label: row for row in driver.app.screen.query(FormRow)}
    left = [setting.title for setting in iter_settings()]
    while left:
        rows[left[0]].scroll_visible(animate=False, immediate=True)
        await driver.pilot.pause()
        lines, shown = driver.text().splitlines(), driver.new_run.form.scrollable_content_region
        seen = [title for title in left if shown.y <= rows[title].region.y < shown.bottom]
        assert left[0] in seen
        for title in seen:
            line = lines[rows[title].region.y][rows[title].region.x :].lstrip(" ▌")
            assert line.startswith(title) or "…" in line[: len(title)], line
        left = [title for title in left if title not in seen]


async def test_a_bar_to_type_in_moves_nothing_sideways(paths: Paths, opened: Opened) -> None:
    """Searching in the log and finding a setting take a line, and no column."""
    async with opened(paths, SIZES[0]) as driver:
        await open_form(driver)
        for screen, keys in (("new_run", ("slash", "r")), ("monitor", ("L", "slash", "r"))):
            await driver.visit(screen)
            for size in SIZES:
                await driver.resize(size)
                before = driver.one("#body").size.width
                await driver.press(*keys)
                await driver.sees(" r")
                assert driver.one("#body").size.width == before == size[0], screen
                assert not driver.app.screen.max_scroll_x and not driver.app.screen.max_scroll_y
                await driver.press("escape")


@pytest.mark.parametrize("width", range(40, 116))
def test_a_machine_for_rent_has_its_price_at_every_width(width: int) -> None:
    """What this run costs there is the last to go."""
    machine = Hardware(device="cuda", gpu="NVIDIA RTX 4090", gpu_count=1, gpu_memory=24 * GIB)
    offer = Offer(provider="vast", id="1", hardware=machine, price_per_hour=1234.5)
    one = WeighedOffer(offer=offer, memory=GIB, fits="safe", seconds=240.0, cost_usd=98.76, cost_usd_high=99.0)
    row, head = offer_text.table_row(one, width), offer_text.table_head(width)
    assert row.cell_length <= width and head.cell_length <= width
    assert "$98.76" in row.plain and "this run" in head.plain


@pytest.mark.parametrize("language", ["", "de"])
@pytest.mark.parametrize("width", [48, 70, 71, 108, 109])
def test_the_table_of_bases_fits_its_room(paths: Paths, width: int, language: str) -> None:
    """A base is one line, its columns below their names; of data in German the languages matter more than the licence."""
    head = base_text.head(width, language)
    for fit in base_fits(None, paths):
        assert len(base_text.base_row(base_text.BaseLine(fit, language=language), width)) <= width
    assert len(head) <= width and "fits" in head
    if width >= 108:
        assert ("languages" in head, "licence" in head) == (bool(language), not language)


def test_what_a_run_costs_stands_in_the_first_lines_of_a_low_plan(tmp_path: Path, paths: Paths) -> None:
    """On 60 × 30 the plan has eight lines: memory, time and cost are among them, before what they consist of."""
    data = tmp_path / "data.jsonl"
    data.write_text("".join(f'{{"prompt": "Question {n}?", "completion": "Answer {n}."}}\n' for n in range(30)))
    plan = make_plan(Draft(data=str(data), base=str(write_model(tmp_path / "base"))), paths)
    lines = [line.plain for line in plan_text.estimate(plan, True, 56)]
    assert any("free" in line for line in lines[:4]), lines
    few = [check for check in plan.checks if check.state == "warning"]
    assert few and all(check.what in plan_text.last_look(plan).plain for check in few), (
        "the last question repeats warnings"
    )
    assert plan_text.start_words(plan, None).plain == f"✓ ready · {len(few)} warning{'s' * (len(few) > 1)}"
    whole = [line.plain for line in plan_text.estimate(plan, False, 56)]
    assert set(lines) < set(whole)


def test_the_card_of_a_template_has_room_in_a_small_terminal(paths: Paths) -> None:
    """On 80 × 24 eleven lines are left below the list; what was measured is told with its base, data and date."""
    for template in load_templates(paths)[0]:
        lines = [
            line
            for part in template_card(template, None, brief=True, becomes=RunSettings()).split("\n")
            for line in reflow.text(part, 74)
        ]
        assert len(lines) <= 11, (template.name, len(lines))
        assert str(template.measured[0].date) in template_card(template, None, brief=True)
        unmeasured = template.model_copy(update={"measured": ()})
        assert "not measured yet" in template_card(unmeasured, None, brief=False)


def test_the_best_model_of_a_template_stands_on_its_card(paths: Paths) -> None:
    """The best verdict, and of several with it the one that gained most."""
    template = load_templates(paths)[0][0]

    def model(version: int, grade: str, tuned: float) -> ModelVersion:
        report = seed.report("toy", "r", base=2.0, tuned=tuned, grade=grade)
        lineage = report.lineage.model_copy(update={"template": template.name})
        report = report.model_copy(update={"lineage": lineage})
        return ModelVersion(
            name="toy", version=version, run_id="r", directory="/d", base_id="a/b", report=report, created_at=1.0
        )

    models = [model(1, "mixed", 0.1), model(2, "good", 0.9), model(3, "good", 0.5)]
    best = best_with(template.name, models)
    assert best and best.version == 3 and best_with("other", models) is None
    assert f"here: {best.ref}, good, held-out loss" in template_card(template, best, brief=True)


def test_an_axis_says_what_its_numbers_are() -> None:
    """Bytes are GiB there as in the legend, shares per cent."""
    strand = Strand([1.0, 2.0, 3.0], [0.9] * 3, [0.9] * 3, [0.85, 0.9, 0.95])
    load = picture(Scene((chart_of(UTILISATION, {"utilisation": strand}, View()),), View()), 60, 12)
    assert any("100%" in text or "100.0%" in text for row in load.rows for _, text in row)
    values = [31.0 * GIB, 32.0 * GIB, 33.0 * GIB]
    memory = chart_of(MEMORY, {"memory_used": Strand([1.0, 2.0, 3.0], values, values, values)}, View())
    assert any("32.0 GiB" in text for row in picture(Scene((memory,), View()), 60, 12).rows for _, text in row)


def test_a_pause_belongs_to_no_phase() -> None:
    """An hour in which nobody worked is not training; money is what the machine cost in each phase, from renting on."""
    said: list[tuple[float, str, dict[str, Any]]] = [
        (0.0, "phase", {"phase": "training"}),
        (60.0, "done", {"outcome": "paused", "step": 5}),
    ]
    said += [(3660.0, "phase", {"phase": "loading"}), (3700.0, "phase", {"phase": "training"})]
    told = [Event(number, 1000.0 + at, body_of(kind, data)) for number, (at, kind, data) in enumerate(said)]
    lease = Lease(
        name="br-1",
        run_id="r-1",
        provider="runpod",
        state="released",
        provider_id="pod",
        price_per_hour=3.6,
        created_at=4560.0,
        released_at=4720.0,
    )
    detail = RunDetail(
        "r-1",
        phases=tuple(one for one in told if isinstance(one.body, Phase)),  # type: ignore[misc]
        ends=tuple(one for one in told if isinstance(one.body, Done)),  # type: ignore[misc]
        leases=(lease,),
    )
    ended = run("r-1", "faq", "completed", finished_at=4720.0)
    spent = {one.name: (one.seconds, round(one.dollars, 4)) for one in phase_times(ended, detail)}
    assert spent == {"training": (80.0, 0.02), "loading": (40.0, 0.04)}


def test_what_hardly_moves_is_not_drawn_as_if_it_did() -> None:
    """A load between 99.9 and 100 per cent is a flat line at the top, on an axis from nothing to all of it."""
    values = [1.0 - 0.001 * (step % 2) for step in range(50)]
    strand = Strand([float(step) for step in range(50)], values, values, values)
    rows = picture(Scene((chart_of(UTILISATION, {"utilisation": strand}, View()),), View()), 60, 14).rows
    text = ["".join(part for _, part in row) for row in rows]
    assert any("0%┤" in line for line in text) and any("100%┤" in line or "100.0%┤" in line for line in text)
    drawn = [number for number, line in enumerate(text[:-2]) if any("⠀" < letter <= "⣿" for letter in line)]
    assert drawn and max(drawn) <= 1


def test_how_far_a_run_is_is_seen_in_ascii() -> None:
    """What is done of a bar does not look like what is left, on a terminal without other letters."""
    filled, empty = cells.bar(0.5, 10)
    done, left = ("".join(map(like, part)) for part in (filled, empty))
    assert done.isascii() and left.isascii() and not set(done) & set(left)


@pytest.mark.parametrize("width", range(16, 60))
def test_what_is_cut_says_so(width: int) -> None:
    """A card with little room ends what it must leave out with an ellipsis, and never leaves out a whole value."""
    service = next(one for one in services() if one.environment)
    address = "somebody.with.a.long.name@department.example.com"
    state = CardState(
        state="ok",
        detail=f"signed in as {address}",
        fix="enter adds one: its address, a user and an SSH key, which stays where it is",
        credential="from the environment (A_VARIABLE_WITH_A_LONG_NAME)",
        placed=True,
        facts=(("machine", "2 cores · 23.5 GiB memory · no GPU"), ("key", "a-key-that-has-no-spaces-in-it")),
    )
    for brief in (True, False):
        lines = [line.plain for line in card_lines(service, state, width, brief=brief)]
        shown = " ".join(line.strip() for line in lines)
        assert max(map(len, lines)) <= width
        signed = shown.partition("signed in as")[2].strip()
        assert signed.replace(" ", "").startswith(address) or "…" in signed.partition("machine")[0]
        assert "some" in signed or width < 20
        assert "no GPU" in shown or "…" in shown.partition("machine")[2].partition("key")[0]


def test_text_that_must_be_cut_is_filled_up_first() -> None:
    """The last line that is allowed holds as much as fits."""
    lines = [line.plain for line in reflow.text("signed in as somebody@example.com", 20, most=1)]
    assert lines == ["signed in as somebo…"]
    assert [line.plain for line in reflow.text("one two three", 8, most=2)] == ["one two", "three"]


def test_nothing_in_the_app_is_cut_without_a_sign() -> None:
    """Text is cut by `truncate` with an ellipsis, or by ``most``: never by leaving lines of it out."""
    silent = []
    for path in sorted((Path(brightrun_tui.__file__).parent / "tui").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = getattr(getattr(node, "func", None), "attr", "")
            if called == "truncate" and not any(word.arg == "ellipsis" for word in getattr(node, "keywords", ())):
                silent.append(f"{path.name}:{getattr(node, 'lineno', 0)}: truncate")
            if (
                isinstance(node, ast.Subscript)
                and isinstance(node.slice, ast.Slice)
                and getattr(getattr(node.value, "func", None), "attr", "") in ("text", "pair", "wrap")
            ):
                silent.append(f"{path.name}:{node.lineno}: lines left out")
    assert not silent


@pytest.mark.parametrize("width", [46, 54, 60, 63])
def test_a_run_in_one_narrow_line_keeps_its_name(width: int) -> None:
    """Bar and time give way to the name; what the time is, is whole."""
    busy = run("r-1", "tickets-bilingual", "running", eta_seconds=130.0, step=50, total_steps=100)
    row = run_text.run_row(busy, width, tall=False, alert="warning").plain
    assert len(row) <= width and "2 min 10 s" in row and "running !" in row
    assert "tickets-bilin" in row or width < 54


@pytest.mark.parametrize("width", range(30, 70, 3))
def test_what_a_run_took_is_whole(width: int) -> None:
    """Epochs give way before the time is cut; what is cut has a sign."""
    ended = run(
        "r-1", "contracts", "failed", started_at=1000.0, finished_at=4000.0, step=12, total_steps=160, epoch=0.23
    )
    line = run_text.summary(ended, (), width, rich=False)[1].plain
    assert len(line) <= width and ("took 50 min 00 s" in line or line.endswith("…"))
    assert "took 50 min 00 s" in line or width < 48


async def test_what_may_be_typed_is_said_whole(paths: Paths, opened: Opened) -> None:
    """The hint in an empty line to type in fits it, and the keys of the dialogue are below it; a sentence that is longer
    than the dialogue goes on in the next line, and a `Flow` cuts nothing silently, whoever made its lines."""
    async with opened(paths, SMALL[0]) as driver:
        await open_form(driver)
        for size in SMALL:
            await driver.resize(size)
            for key, shown in (("d", "f3 Browse"), ("b", "f3 Search the Hub")):
                await driver.press(key)
                await driver.sees(shown)
                entry = driver.one("#narrow", Input)
                assert len(entry.placeholder) <= entry.content_size.width, f"the hint of {key} at {size}"
                await driver.press("escape")
            await driver.press("slash")
            await driver.sees("enter Done", "esc Clear")
            await driver.press("escape")
        await driver.press("d", *"hf:acme/faq")
        for size in SMALL:
            await driver.resize(size)
            await driver.sees("Enter fetches it", "hf:owner/name:configuration@split")
        await driver.press("escape")
        flow = reflow.Flow(lambda width: [Content("0123456789" * 40)])
        await driver.one("#right").mount(flow)
        await driver.until(lambda: flow.size.width > 0)
        assert str(flow.render()).endswith("…"), "a line that is too long says so"


def test_a_share_is_written_in_one_way() -> None:
    """“83%” cannot be torn apart at the end of a line."""
    assert humanize.percent(0.83) == "83%"
    assert View() and UTILISATION.unit_word == "%"


def test_numbers_on_an_axis_differ() -> None:
    """Two places of an axis never have the same number at them."""
    for low, high in ((1.86e-4, 2.1e-4), (0.0, 1e-5), (12_300.0, 12_304.0), (1_000_000.0, 1_000_002.0), (0.96, 1.04)):
        words = [word for _, word in ticks_of(low, high, 5)]
        assert len(set(words)) == len(words), words


@pytest.mark.parametrize("width", [51, 60, 108])
def test_a_comparison_tells_its_versions_apart(width: int) -> None:
    """Long names are cut before their version; a label never touches its value."""
    assert fit_ref("lamp-support:12", 12) == "lamp-sup…:12" and fit_ref("a:1", 10) == "a:1       "
    refs = tuple(f"lamp-support:{version}" for version in (2, 1, 3, 12, 7))
    row = ManyRow(what="surprise at everyday talk", values=("2.38", "2.39", "2.40", "2.41", "2.42"))
    found = ManyComparison(models=refs, facts=(row,), settings=(), answers=())
    lines = [line.plain for line in comparison(found, width)]
    assert ":2" in lines[0] and ":1" in lines[0] and "talk 2.38" in lines[1] and max(map(len, lines)) <= width
    assert all(f":{ref.rpartition(':')[2]}" in "".join(lines) for ref in refs), "however many there are"
    assert all(value in "".join(lines) for value in row.values)


async def test_a_chosen_row_is_seen_without_colours(
    paths: Paths, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With NO_COLOR the cursor of a list is drawn the other way round: bold alone is how names look too."""
    monkeypatch.setenv("NO_COLOR", "1")
    async with opened(paths, (80, 24)) as driver:
        await open_form(driver)
        for key in ("b", "t"):
            await driver.press(key)
            choices = driver.one("#choices", OptionList)
            assert choices.get_visual_style("option-list--option", "option-list--option-highlighted").reverse
            await driver.press("escape")
