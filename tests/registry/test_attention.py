"""Which versions are marked in the list, and why."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from brightrun_tui.commands.shared.endpoints import state_text
from brightrun_tui.domain.endpoint import Endpoint
from brightrun_tui.domain.rental import EndpointRental
from brightrun_tui.registry.attention import needs_attention
from brightrun_tui.serving.state import USAGE, ServerState, with_liveness
from tests.orchestrator.test_endpoint_leases import RENTAL
from tests.serving.toy import Toy, make_toy

NOW = 1_800_000_000.0


@pytest.fixture(scope="module")
def toy() -> Toy:
    return make_toy()


def endpoint(
    directory: Path, *, rental: EndpointRental | None = None, down: float = 0.0, name: str = "harbour"
) -> Endpoint:
    return Endpoint(
        id=name,
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


def reasons(toy: Toy, *served: Endpoint) -> str:
    return " ".join(needs_attention([toy.version()], served, [], {}, NOW).get("harbour:1", ()))


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


def test_every_endpoint_of_a_version_is_looked_at(toy: Toy, tmp_path: Path) -> None:
    """One that answers does not hide another one that is down."""
    said = reasons(toy, endpoint(tmp_path, name="bay"), endpoint(tmp_path, name="cove", down=NOW - 600))
    assert "endpoint cove has been down" in said and "bay" not in said


def test_one_that_failed_counts_until_it_is_forgotten_or_another_one_answers(toy: Toy, tmp_path: Path) -> None:
    failed = endpoint(tmp_path, name="old").model_copy(update={"state": "failed", "error": "no memory"})
    said = reasons(toy, failed)
    assert "no memory" in said and "brightrun undeploy old" in said
    assert reasons(toy, failed, endpoint(tmp_path)) == ""
    assert reasons(toy, failed.model_copy(update={"state": "stopped"})) == ""


def test_a_version_that_its_endpoint_could_not_take_is_marked(toy: Toy, tmp_path: Path) -> None:
    """It was promoted, and everybody who asks gets the one before."""
    serving = endpoint(tmp_path).model_copy(
        update={"refused_version": 2, "error": "version 2 does not serve: no memory", "follows": "champion"}
    )
    found = needs_attention([toy.version(), toy.version(version=2)], [serving], [], {}, NOW)
    assert list(found) == ["harbour:2"]
    assert found["harbour:2"] == ("endpoint harbour goes on with version 1: version 2 does not serve: no memory",)


def test_a_model_that_has_left_memory_against_its_will_is_not_said_to_serve(toy: Toy, tmp_path: Path) -> None:
    """The gate lives on and refuses everybody while the model is loaded again."""
    ServerState(
        status="restarting",
        url="http://127.0.0.1:1/v1",
        port=1,
        pid=os.getpid(),
        pid_started=psutil.Process().create_time(),
        error="the model server was killed",
    ).write(tmp_path)
    (seen,) = with_liveness([endpoint(tmp_path)])
    assert not seen.answers and not seen.down and state_text(seen) == "restarting: the model server was killed"
    assert "being started again" in reasons(toy, seen)


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ("/gone/toy", "brightrun models set-base harbour:1 DIRECTORY"),
        ("starter", "brightrun bases fetch starter, then"),
        ("acme/tiny", "Deploying it fetches that; to merge or measure it: brightrun bases fetch acme/tiny@abc"),
    ],
)
def test_a_base_that_is_gone_is_said_with_the_way_to_have_it_again(
    toy: Toy, tmp_path: Path, base: str, said: str
) -> None:
    """One of the Hub is not called lost. An empty directory is no base model."""
    report = toy.report.model_copy(update={"lineage": toy.report.lineage.model_copy(update={"base_revision": "abc"})})
    version = toy.version(base_id=base, base_path=str(tmp_path), report=report)
    (reason,) = needs_attention([version], [], [], {}, NOW)["harbour:1"]
    assert said in reason
