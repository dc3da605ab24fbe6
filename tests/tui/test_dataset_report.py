"""Looking into a dataset in the app: what was found, the records concerned, and a version without them."""

from __future__ import annotations

import json
from pathlib import Path

import openpyxl
import pytest
from textual.widgets import Input

from brightrun_tui.paths import Paths
from brightrun_tui.tui.widgets.fields import TextField
from tests.tui.conftest import Opened


@pytest.fixture
def first_mode() -> str:
    return "new_run"


async def test_a_finding_opens_its_records_and_a_repaired_version_is_chosen(
    paths: Paths, opened: Opened, tmp_path: Path
) -> None:
    """From the dialogue: the copies with their places, one more record marked, a new version, the original as it was."""
    rows = [{"prompt": f"question {n}?", "completion": f"answer {n}, and so on"} for n in range(60)]
    path = tmp_path / "shop.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, *rows[4:6]]))
    before = path.read_bytes()
    async with opened(paths, (80, 24)) as driver:
        await driver.press("2", "escape", "d")
        await driver.sees("support-desk")
        driver.one("#narrow", Input).value = str(path)
        await driver.sees("62 of 62 records usable")
        await driver.press("f6")
        await driver.sees("62 records", "2 copies of an earlier record")
        await driver.press("down")
        await driver.sees("line 61 as line 5", "question 4?")
        await driver.press("enter")
        await driver.sees("line 61, as line 5", "1 of 2")
        await driver.press("n")
        await driver.sees("line 62, as line 6", "question 5?")
        await driver.press("escape", "up", "enter", "end")
        await driver.sees("62 of 62", "line 62")
        await driver.press("home", "x")
        await driver.sees("1 of 62", "marked to be taken out")
        await driver.press("escape")
        await driver.sees("1 marked to be taken out: r")
        await driver.press("escape")
        await driver.sees("A record is marked to be taken out")
        await driver.press("n", "down", "r")
        await driver.sees("[x] take out the record you marked", "[x] take out 2 copies", "[ ] trim")
        await driver.press("f5")
        await driver.sees("shop-v2", "59 of 59 records usable")
        await driver.press("enter")
        await driver.until(lambda: driver.new_run.draft.data == "shop-v2")
        await driver.sees("shop-v2")
    assert path.read_bytes() == before and (paths.data / "datasets" / "shop-v2.jsonl").is_file()


async def test_a_category_is_relabelled_with_names_completed(paths: Paths, opened: Opened, tmp_path: Path) -> None:
    """Both names are completed, the second of several as well; one that no record has is refused with those there are."""
    topics = ["Rückgabe", "Rueckgabe", "Lieferung"]
    path = tmp_path / "shop.csv"
    rows = [f"Was ist mit {n}?,Es geht um Nummer {n} und mehr.,{topics[n % 3]}" for n in range(30)]
    path.write_text("\n".join(["Frage,Antwort,Thema", *rows]))
    async with opened(paths, (80, 24)) as driver:
        await driver.press("2", "escape", "d")
        await driver.sees("support-desk")
        driver.one("#narrow", Input).value = str(path)
        await driver.sees("30 of 30 records usable")
        await driver.press("f6")
        await driver.sees("thema: ")
        await driver.press("r", "tab")
        field = driver.one("TextField", TextField)
        for typed, rest in (("Rue", "ckgabe="), ("Rü", "ckgabe"), (",Lie", "ferung=")):
            await driver.press(*typed)
            await driver.sees(typed + rest)
            await driver.press("right")
        await driver.press(*"new")
        assert field.value == "Rueckgabe=Rückgabe,Lieferung=new"
        await driver.press("enter")
        await driver.sees("shop-v2")
        await driver.press("f6")
        await driver.sees("thema: Rückgabe 20, new 10")


async def test_the_sheet_of_a_workbook_is_chosen_and_remembered(paths: Paths, opened: Opened, tmp_path: Path) -> None:
    """F4 offers the sheets; the next workbook of this shape is read in the same way, and the run knows it."""
    for name in ("one", "two"):
        book = openpyxl.Workbook()
        for title, word in (("Old", "before"), ("New", "after")):
            sheet = book.create_sheet(title)
            sheet.append(["prompt", "completion"])
            for number in range(6):
                sheet.append([f"{word} {name} {number}?", f"{word} it is {number}"])
        book.save(tmp_path / f"{name}.xlsx")
    async with opened(paths) as driver:
        await driver.press("2", "escape", "d")
        await driver.sees("support-desk")
        driver.one("#narrow", Input).value = str(tmp_path / "one.xlsx")
        await driver.sees("before one 0?")
        await driver.press("f4")
        await driver.sees("Sheet", "‹ Old ›", "guessed", "The names of the columns say what they are")
        await driver.press("right")
        await driver.sees("‹ New ›", "after one 0?")
        await driver.press("f5")
        await driver.sees("Sheet: “New”", "as you said", "after one 0?")
        await driver.press("enter")
        await driver.until(lambda: driver.new_run.draft.columns == {"sheet": "New"})
        await driver.press("escape", "d")
        await driver.sees("support-desk")
        driver.one("#narrow", Input).value = str(tmp_path / "two.xlsx")
        await driver.sees("Sheet: “New”", "after two 0?")
