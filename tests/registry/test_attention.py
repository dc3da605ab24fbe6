"""Which versions are marked in the list, and why."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from brightrun_tui.domain.model import Endpoint
from brightrun_tui.domain.rental import EndpointRental
from brightrun_tui.registry.attention import needs_attention
from brightrun_tui.serving.state import USAGE
from tests.orchestrator.test_endpoint_leases import RENTAL
from tests.serving.toy import Toy, make_toy

NOW = 1_800_000_000.0


@pytest.fixture(scope="module")
def toy() -> Toy:
    return make_toy()


def endpoint(directory: Path, *, rental: EndpointRental | None = None, down: float = 0.0) -> Endpoint:
    return Endpoint(
        id="harbour",
        model="harbour",
        model_version=1,
        provider=rental.provider if rental else "local",
        state="ready",
        directory=str(directory),
        rental=rental,
        created_at=NOW - 90_000,
        updated_at=NOW,
        ready_at=NOW - 90_000,
        cost_usd=12.5,
        down_since=down,
    )


def reasons(toy: Toy, served: Endpoint) -> str:
    return " ".join(needs_attention([toy.version()], [served], [], {}, NOW).get("harbour:1", ()))


def test_an_endpoint_that_is_down_marks_its_version(toy: Toy, tmp_path: Path) -> None:
    assert "down since" in reasons(toy, endpoint(tmp_path, down=NOW - 600))
    assert reasons(toy, endpoint(tmp_path)) == ""


@pytest.mark.parametrize(("idle", "marked"), [(7200, True), (60, False)])
def test_a_machine_that_is_paid_for_and_asked_by_nobody_marks_its_version(
    toy: Toy, tmp_path: Path, idle: float, marked: bool
) -> None:
    (tmp_path / USAGE).write_text("{}")
    os.utime(tmp_path / USAGE, (NOW - idle, NOW - idle))
    said = reasons(toy, endpoint(tmp_path, rental=RENTAL))
    assert ("brightrun undeploy harbour" in said and "$12.50" in said and "2 h" in said) == marked
