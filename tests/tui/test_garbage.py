"""Looking for garbage never holds up the screen twice for the same things."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from brightrun_tui.tui import garbage
from brightrun_tui.tui.garbage import BriefCollections


@pytest.fixture
def collections() -> Iterator[BriefCollections]:
    made = BriefCollections()
    yield made
    made.close()
    gc.unfreeze()


def test_what_a_long_look_has_left_is_not_looked_at_again(
    collections: BriefCollections, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a look that took long only what has come since is looked at; a brief one leaves things as they are."""
    known = gc.get_freeze_count()
    kept = [[number] for number in range(10_000)]
    monkeypatch.setattr(garbage, "LONG_SECONDS", 1e6)
    gc.collect()
    assert gc.get_freeze_count() <= known
    monkeypatch.setattr(garbage, "LONG_SECONDS", 0.0)
    gc.collect()
    assert gc.get_freeze_count() >= known + len(kept)
    assert not any(one is kept[0] for one in gc.get_objects())


def test_what_is_left_out_is_freed_all_the_same(collections: BriefCollections) -> None:
    """What nothing refers to any more goes at once, whoever looks for garbage."""

    class Thing:
        freed = False

        def __del__(self) -> None:
            Thing.freed = True

    thing = Thing()
    gc.freeze()
    del thing
    assert Thing.freed
