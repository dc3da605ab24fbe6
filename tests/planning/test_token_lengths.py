"""How long the records are for a base: counted by the trainer's own code, drawn so that one sees what lies beyond a limit."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from brightrun_tui import datasets
from brightrun_tui.domain.dataset import DatasetReport, LengthStats
from brightrun_tui.domain.histogram import ranges, rows
from brightrun_tui.domain.settings import RunSettings
from brightrun_tui.domain.token_lengths import TokenLengths, describe_lengths
from brightrun_tui.paths import get_paths
from brightrun_tui.planning.token_lengths import token_lengths
from brightrun_tui.planning.token_views import TokenViews, has_tokenizer
from brightrun_tui.tui.widgets import length_text
from tests.datasets.conftest import lines
from tests.toy_base import toy_base


def described(lengths: list[int], **changes: object) -> TokenLengths:
    about = {"base": "m", "of": len(lengths), "records": len(lengths), "context": 2048, "max_length": 512}
    return describe_lengths(lengths, **{**about, "over_length": "drop", **changes})  # type: ignore[arg-type]


def test_tokens_are_those_of_a_run_and_the_share_beyond_the_limit_is_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as the view of a single record shows, template included; with the context that the model says it has."""
    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path / "home"))
    paths, base = get_paths(), str(toy_base())
    file = tmp_path / "d.jsonl"
    file.write_text(lines(*({"prompt": f"{n}?", "completion": "word " * n} for n in range(1, 21))))
    found = datasets.examine(file)
    views = TokenViews(base, paths)
    try:
        shown = [len(example.pieces) for record in found.sample for example in views.of(record).examples]
        limit = sorted(shown)[14]
        counted = token_lengths(found, views, base, RunSettings().with_overrides({"data.max_length": limit}))
    finally:
        views.close()
    assert has_tokenizer(base, paths) and not has_tokenizer("starter", paths)
    assert counted.longest == max(shown) and counted.limit == limit and counted.over == 5 / 20
    assert counted.context > 0 and not counted.counted
    assert sum(each.share for each in counted.ranges if each.low >= limit) == pytest.approx(5 / 20)


def test_records_that_the_template_cannot_write_are_counted_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have no length; before, the shortest and the longest of nothing were 0, and that was all."""
    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path / "home"))
    call = {"role": "assistant", "tool_calls": [{"function": {"name": "tide", "arguments": {"day": 1}}}]}
    rows = [{"messages": [{"role": "user", "content": f"{n}?"}, call]} for n in range(4)]
    rows += [
        {"messages": [{"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": f"At {n}."}]}
        for n in range(6)
    ]
    file = tmp_path / "d.jsonl"
    file.write_text(lines(*rows))
    views = TokenViews(str(toy_base()), get_paths())
    try:
        counted = token_lengths(datasets.examine(file), views, "toy", RunSettings())
    finally:
        views.close()
    assert counted.unwritten == 4 and "4 of 10 records hold what its chat template cannot write" in counted.fate


@pytest.mark.parametrize(
    "lengths",
    [[1], [5, 5, 5], [40, 41, 60], [3, 700], [300, 2000], [999, 1001], [7, 3_000_000], list(range(1, 6000, 7))],
)
def test_ranges_hold_every_length_once_and_fit_on_a_screen(lengths: list[int]) -> None:
    found = ranges(lengths, [512])
    assert sum(each.share for each in found) == pytest.approx(1) and len(found) <= 13
    assert all(one.high == other.low for one, other in pairwise(found))
    assert found[0].low < min(lengths) and max(lengths) <= found[-1].high


@pytest.mark.parametrize("width", [56, 76])
def test_the_limit_is_drawn_where_it_lies_and_what_becomes_of_longer_records_is_said(width: int) -> None:
    """At the width of a small terminal and of a usual one; nothing is cut off or wrapped within a bar."""
    found = described([100] * 50 + [400] * 30 + [700] * 15 + [1500] * 5, of=200_000)
    drawn = [line.plain for line in length_text.in_tokens(found, width)]
    text = "\n".join(drawn)
    assert max(map(len, drawn)) <= width
    limit = next(number for number, line in enumerate(drawn) if "── max length 512 ──" in line)
    assert drawn[limit - 1].strip().startswith("257 –   512") and drawn[limit + 1].strip().startswith("513 – 1,024")
    said = " ".join(text.split())
    assert "20% are longer than 512 tokens and left out" in said and "counted on 100 of 200,000 records" in said
    assert drawn[-1].strip() == "context of m 2,048"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"max_length": 0, "context": 4096}, "none is longer than 4,096 tokens"),
        ({"max_length": 0, "context": 0}, "no limit is known"),
        ({"max_length": 4096, "context": 600}, "10% are longer than 600 tokens and left out"),
        ({"max_length": 999, "over_length": "truncate"}, "<1% are longer than 999 tokens and cut off there"),
    ],
)
def test_the_smaller_limit_counts(changes: dict[str, object], said: str) -> None:
    lengths = [500] * 999 + [1000] if "truncate" in str(changes) else [500] * 9 + [900]
    assert described(lengths, **changes).fate == said


def test_without_a_tokenizer_characters_are_shown_and_it_is_said_why() -> None:
    report = DatasetReport(
        path="d", name="d", format="f", bytes=1, fingerprint="", records=9, usable=9,
        characters=LengthStats(percentiles=tuple(range(1, 101)), longest=120),
    )  # fmt: skip
    text = " ".join(line.plain for line in length_text.in_characters(report, "not in tokens: no tokenizer", 60))
    assert text.startswith("characters  half have up to 50") and "not in tokens: no tokenizer" in text and "━" in text


def test_a_mark_stands_between_its_ranges_only() -> None:
    """One beyond the longest is said in words, not drawn."""
    found = ranges([10, 100, 1000], [512])
    assert [row.label for row in rows(found, [(512, "here"), (1024, "end")]) if row.share is None] == ["here"]
