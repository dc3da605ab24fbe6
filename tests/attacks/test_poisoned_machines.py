"""A rented machine whose worker writes nonsense ends its own run, and no other: it is returned, and everything else goes on."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.attacks import poison
from tests.attacks.poisoned import Aftermath, poison_all, verdict
from tests.clouds.server import CloudServer, why_not
from tests.processes import end_all

NAMES = [*list(poison.BAD)[::10], *list(poison.BREAKING)[:1], *list(poison.BORNE)[2:3]]
"""Some of each sort; `tests.attacks.poisoned` as a program takes all, and `test_events` all without machines."""


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aftermath]:
    if reason := why_not():
        pytest.skip(reason)
    scratch, before = tmp_path_factory.mktemp("poisoned"), dict(os.environ)
    try:
        with CloudServer() as clouds:
            yield poison_all(scratch, clouds, NAMES)
    finally:
        end_all(scratch / "home")
        os.environ.clear()
        os.environ.update(before)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_run_ends_as_it_must_and_its_machine_is_returned(aftermath: Aftermath, name: str) -> None:
    assert not verdict(name, *aftermath.ended[name])


@pytest.mark.slow
def test_the_installation_goes_on_and_nothing_is_left(aftermath: Aftermath) -> None:
    assert not any(aftermath.verbs) and not aftermath.left and not aftermath.alive
