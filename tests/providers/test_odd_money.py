"""What a provider says about money and cannot be so: it is never reckoned with, and hides nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from brightrun_tui.domain.errors import ProviderError
from brightrun_tui.domain.money import Offer
from brightrun_tui.domain.spending import Bill
from brightrun_tui.providers.amounts import distinct, quantity
from brightrun_tui.providers.http import ProviderClient
from tests.clouds.fixtures import FAST, NEED, Rig

NO_CACHE = FAST.model_copy(update={"offers_seconds": 0.0})

NONSENSE: tuple[Any, ...] = (
    float("nan"),
    float("inf"),
    -0.5,
    "NaN",
    "-1",
    "1e400",
    "free",
    None,
    {"usd": 1},
    [0.3],
    True,
    10**400,
)


@pytest.mark.parametrize("value", NONSENSE, ids=lambda value: str(value)[:12])
async def test_an_offer_whose_price_is_none_is_not_taken(rig: Rig, value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one machine with a strange price is left out; it is not the cheapest, and the others are there."""
    before = await rig.offer(rig.provider(timings=NO_CACHE))
    reprice(monkeypatch, before, value)
    found = await rig.provider(timings=NO_CACHE).offers(NEED)
    assert found and all(0 < offer.price_per_hour < 100 and offer.once_usd >= 0 for offer in found)
    assert before.id not in {offer.id for offer in found}


@pytest.mark.parametrize("value", NONSENSE, ids=lambda value: str(value)[:12])
async def test_a_machine_whose_rate_is_none_keeps_the_rate_that_is_known(
    rig: Rig, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is listed, found and returned like any other; what it costs is what was quoted or seen before."""
    provider = rig.provider()
    machine = await rig.running(provider, await rig.launch(provider))
    answer(monkeypatch, {"cost": value, "dph_total": value, "storage_total_cost": value})
    (seen,) = await provider.list_ours("abcd1234")
    assert seen.price_per_hour == 0 and not seen.billed_per_hour
    await provider.terminate(machine.provider_id)
    assert await provider.inspect(machine.provider_id) is None


async def test_a_rate_that_is_written_as_text_is_that_rate(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = rig.provider()
    await rig.launch(provider)
    answer(monkeypatch, {"cost": "0.44", "dph_total": " 0.44\n"})
    assert [machine.price_per_hour for machine in await provider.list_ours("abcd1234")] == [0.44]


@pytest.mark.parametrize("value", [value for value in NONSENSE if value is not None], ids=lambda value: str(value)[:12])
async def test_a_bill_that_is_no_amount_is_no_bill(rig: Rig, value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said to be unreadable, as one that has not come yet; it never becomes a sum."""
    provider = rig.provider()
    machine = await rig.launch(provider)
    billing(monkeypatch, lambda row: [row | {"totalAmount": value, "amount": value, "items": []}])
    with pytest.raises(ProviderError):
        await provider.billed(machine.provider_id, 0.0)


async def test_a_bill_in_other_money_is_no_bill(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = rig.provider()
    machine = await rig.launch(provider)
    billing(monkeypatch, lambda row: [row | {"currency": "EUR", "items": []}])
    with pytest.raises(ProviderError, match="EUR"):
        await provider.billed(machine.provider_id, 0.0)


async def test_a_row_of_a_bill_that_comes_twice_counts_once_and_others_add_up(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages may overlap; a bill in several days' rows is their sum; another machine's rows are not ours."""
    provider = rig.provider()
    machine = await rig.launch(provider)
    day = {"totalAmount": 0.25, "amount": 0.25, "diskAmount": 0.05, "items": []}
    rows = [day | {"start": 1, "startTime": "a"}, day | {"start": 2, "startTime": "b"}]
    stranger = {"podId": "other", "source": "instance-7", "totalAmount": 99, "amount": 99}
    billing(monkeypatch, lambda row: [row | rows[0], row | rows[0], row | rows[1], row | stranger, "noise"])
    bill = await provider.billed(machine.provider_id, 0.0)
    assert isinstance(bill, Bill) and bill.usd == pytest.approx(0.5)


@pytest.mark.parametrize("value", NONSENSE, ids=lambda value: str(value)[:12])
def test_what_is_no_quantity_is_none(value: Any) -> None:
    assert quantity(value) is None


def test_rows_that_differ_in_anything_are_two() -> None:
    assert len(distinct([{"a": 1, "b": [1]}, {"a": 1, "b": [1]}, {"a": 1, "b": [2]}])) == 2


# -- what the answers say instead ----------------------------------------------------------------------------------------


def twist(monkeypatch: pytest.MonkeyPatch, path: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """From now on every object in an answer from addresses with ``path`` in them is another one."""
    ask = ProviderClient.ask

    def changed(document: Any) -> Any:
        if isinstance(document, list):
            return [changed(one) for one in document]
        return change({k: changed(v) for k, v in document.items()}) if isinstance(document, dict) else document

    async def twisted(client: ProviderClient, method: str, address: str, **words: Any) -> Any:
        document = await ask(client, method, address, **words)
        return changed(document) if path in address else document

    monkeypatch.setattr(ProviderClient, "ask", twisted)


def reprice(monkeypatch: pytest.MonkeyPatch, offer: Offer, value: Any) -> None:
    """The offer's machine, and no other, has such a price in the market."""
    ask = offer.id.partition("/")[2].rpartition("/")[0]

    def change(row: dict[str, Any]) -> dict[str, Any]:
        if str(row.get("id")) == offer.id:
            return row | {"dph_base": value, "dph_total": value, "min_bid": value}
        return row | {"price": {"secure": value, "community": value}} if row.get("id") == ask else row

    twist(monkeypatch, "", change)


def answer(monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]) -> None:
    """Every machine is described with these values."""

    def change(row: dict[str, Any]) -> dict[str, Any]:
        return row | {key: value for key, value in fields.items() if key in row}

    twist(monkeypatch, "", change)


def billing(monkeypatch: pytest.MonkeyPatch, rows: Callable[[dict[str, Any]], list[Any]]) -> None:
    """The one row of a bill becomes these."""

    def change(document: dict[str, Any]) -> dict[str, Any]:
        for name in ("records", "results"):
            if isinstance(document.get(name), list):
                document = document | {name: [new for row in document[name] for new in rows(row)]}
        return document

    for path in ("billing", "charges"):
        twist(monkeypatch, path, change)
