"""The machine a run gets unasked: the cheapest for this run that it fits on and that can be relied upon; and why not others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brightrun_tui.domain.errors import EdgeBlockedError, NoCapacityError
from brightrun_tui.domain.money import GIB, Hardware, Offer
from brightrun_tui.paths import Paths
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.offers import WeighedOffer, best_offer, recommended_first, weigh_market, weigh_offers
from brightrun_tui.planning.plan import make_plan
from brightrun_tui.providers.offers import relied_upon
from tests.clouds.server import CloudServer, why_not

LARGE = {"base": "Qwen/Qwen2.5-14B-Instruct", "overrides": {"quantisation.method": "none"}}
"""Some 30 GiB: more than a 4090 has."""


def weighed(
    number: int,
    fits: Literal["safe", "tight", "no"],
    price: float,
    cost: float,
    reliability: float | None,
    tier: str,
    interruptible: bool,
) -> WeighedOffer:
    offer = Offer(
        id=str(number),
        provider="p",
        hardware=Hardware(device="cuda", gpu="G", gpu_count=1, gpu_memory=24 * GIB),
        price_per_hour=price,
        reliability=reliability,
        tier=tier,
        interruptible=interruptible,
    )
    return WeighedOffer(offer=offer, fits=fits, memory=GIB, seconds=60, cost_usd=cost, cost_usd_high=2 * cost)


offers = st.lists(
    st.builds(
        weighed,
        st.integers(0, 10**6),
        st.sampled_from(["safe", "tight", "no"]),
        st.floats(0.01, 9),
        st.floats(0.01, 99),
        st.none() | st.floats(0.5, 1),
        st.sampled_from(["secure", "community", "on-demand", "own"]),
        st.booleans(),
    ),
    max_size=30,
)


@given(found=offers, welcome=st.booleans())
def test_the_first_is_the_cheapest_that_fits_and_is_reliable(found: list[WeighedOffer], welcome: bool) -> None:
    """Whatever is for rent: nothing is lost, nothing unfit is recommended while something fits, no cheaper one is passed over."""
    listed = recommended_first(found, interruptible=welcome)
    assert sorted(map(id, listed)) == sorted(map(id, found))
    good = [
        one
        for one in found
        if one.fits == "safe" and relied_upon(one.offer) and (welcome or not one.offer.interruptible)
    ]
    if good:
        assert listed[0] in good and listed[0].cost_usd == min(one.cost_usd for one in good)
    fit = [one.fits != "no" for one in listed]
    assert fit == sorted(fit, reverse=True), "a machine that is too small stands before one that is not"
    if not welcome:
        safe = [one.offer.interruptible for one in listed if one.fits == "safe"]
        assert safe == sorted(safe), "a machine that may be taken away stands before one that may not"


@pytest.fixture
def clouds(monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudServer]:
    if reason := why_not():
        pytest.skip(reason)
    with CloudServer() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.mark.parametrize("provider", ["runpod", "vast"])
async def test_the_price_in_the_table_is_the_price_in_the_plan(
    paths: Paths, data: Path, clouds: CloudServer, provider: str
) -> None:
    """Each row's time and cost is what the plan says for that machine, with disk and traffic; what does not fit says so."""
    draft = Draft(data=str(data), **LARGE, provider=provider)
    found = await weigh_offers(draft, paths)
    assert {"safe", "no"} <= {one.fits for one in found}
    for one in found:
        plan = make_plan(draft, paths, offer=one.offer)
        assert plan.estimate and (plan.estimate.cost_usd, plan.estimate.seconds, plan.estimate.fits) == (
            one.cost_usd,
            one.seconds,
            one.fits,
        )
        assert (one.fits == "no") == any(check.name == "memory" and check.state == "failed" for check in plan.checks)
        assert one.cost_usd >= one.offer.price_per_hour * one.seconds / 3600 + one.offer.once_usd - 1e-9
    assert (await best_offer(draft, paths)) == found[0].offer and found[0].fits == "safe"


async def test_machines_that_may_be_taken_away_are_offered_only_when_asked_for(
    paths: Paths, data: Path, clouds: CloudServer
) -> None:
    """Unasked they are not even searched for; asked for, the cheaper one of them wins."""
    draft = Draft(data=str(data), **LARGE, provider="vast")
    firm = await weigh_offers(draft, paths)
    assert not any(one.offer.interruptible for one in firm)
    best = (await weigh_offers(draft.model_copy(update={"interruptible": True}), paths))[0]
    assert best.offer.interruptible and best.cost_usd < firm[0].cost_usd


async def test_one_table_of_every_service_that_answers(paths: Paths, data: Path, clouds: CloudServer) -> None:
    """What is recommended is the best of all of them; a service that is silent is named with its reason and hides nobody."""
    draft = Draft(data=str(data), **LARGE)
    market = await weigh_market(draft, paths)
    assert {one.offer.provider for one in market.offers} == {"runpod", "vast"} and not market.silent
    singles = [
        (await weigh_offers(draft.model_copy(update={"provider": name}), paths))[0] for name in ("runpod", "vast")
    ]
    assert market.offers[0].cost_usd == min(one.cost_usd for one in singles)
    clouds.vast.faults.set("edge_block")
    other = draft.model_copy(update={"gpu": "A100"})  # another need: nothing of it is remembered
    market = await weigh_market(other, paths)
    assert {one.offer.provider for one in market.offers} == {"runpod"}
    assert isinstance(market.silent["vast"], EdgeBlockedError)


async def test_a_market_without_a_machine_that_fits_says_what_is_needed(
    paths: Paths, data: Path, clouds: CloudServer
) -> None:
    draft = Draft(data=str(data), **LARGE, provider="vast", gpu="RTX 4090")
    with pytest.raises(NoCapacityError, match="GiB of GPU memory"):
        await best_offer(draft, paths)


async def test_the_same_search_is_not_made_twice(paths: Paths, data: Path, clouds: CloudServer) -> None:
    """Searches are rationed: looking at the table again and again costs one of them."""
    draft = Draft(data=str(data), **LARGE, provider="vast")
    for _ in range(4):
        await weigh_offers(draft, paths)
    assert clouds.vast.count("POST", "/api/v0/bundles/") == 1
