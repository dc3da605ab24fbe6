"""A rented machine whose owner means ill writes nothing outside, ends nothing but its own run, and is returned."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.attacks.field import EXPECTED, Aftermath, fight, verdict
from tests.clouds.server import CloudServer, why_not
from tests.processes import end_all


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aftermath]:
    """All attacks at once, against one engine."""
    if reason := why_not():
        pytest.skip(reason)
    scratch, before = tmp_path_factory.mktemp("attacks"), dict(os.environ)
    try:
        with CloudServer() as clouds:
            yield fight(scratch, clouds, list(EXPECTED))
    finally:
        end_all(scratch / "home")
        os.environ.clear()
        os.environ.update(before)


@pytest.mark.slow
@pytest.mark.parametrize("attack", EXPECTED)
def test_an_attack_ends_as_it_must(aftermath: Aftermath, attack: str) -> None:
    """Its cause is told, every machine it had is returned, and nothing is at home that does not belong there."""
    assert not verdict(attack, aftermath.outcomes[attack])


@pytest.mark.slow
def test_nothing_outside_the_installation_was_touched(aftermath: Aftermath) -> None:
    assert aftermath.outside == []


@pytest.mark.slow
def test_the_installation_goes_on_and_no_machine_is_left(aftermath: Aftermath) -> None:
    assert aftermath.alive == 0 and aftermath.verbs == {"runs": 0, "costs": 0, "reconcile": 0}


@pytest.mark.slow
def test_each_lie_is_told_and_no_fault_of_ours_is_among_the_causes(aftermath: Aftermath) -> None:
    failures = [outcome.run.failure for outcome in aftermath.outcomes.values() if outcome.run.failure is not None]
    assert failures and all(failure.error != "internal" and failure.cause for failure in failures)
    replaced = [
        outcome for outcome in aftermath.outcomes.values() if any(n.code == "machine_lies" for n in outcome.run.notices)
    ]
    assert replaced and all(len(outcome.leases) == 2 for outcome in replaced), {
        outcome.run.name: [lease.reason or lease.note for lease in outcome.leases] for outcome in replaced
    }
