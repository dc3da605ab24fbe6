"""Stop strings, however the text arrives."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from brightrun_tui.serving.answers import StopCutter
from brightrun_tui.serving.sse import lines

letters = st.text("abc", max_size=12)


@given(st.lists(letters, max_size=8), st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=3))
def test_the_pieces_of_a_text_make_no_difference_to_where_it_stops(pieces: list[str], stops: list[str]) -> None:
    text = "".join(pieces)
    cutter = StopCutter(tuple(stops))
    got = "".join([*map(cutter.feed, pieces), cutter.rest()])
    complete = next((text[:n] for n in range(len(text) + 1) if any(s in text[:n] for s in stops)), None)
    expected = text if complete is None else complete[:min(complete.find(s) for s in stops if s in complete)]
    assert got == expected


@given(st.lists(st.text(st.characters(blacklist_characters="\n\r", blacklist_categories=("Cs",))), max_size=6), st.data())
async def test_lines_survive_any_cut_between_bytes(texts: list[str], data: st.DataObject) -> None:
    raw = "".join(f"{t}\n" for t in texts).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=5)))

    async def chunks():  # type: ignore[no-untyped-def]
        for start, stop in zip([0, *cuts], [*cuts, len(raw)], strict=True):
            yield raw[start:stop]

    assert [line async for line in lines(chunks())] == texts
