"""Which run gets which GPU: whatever comes and goes, none is shared unasked, none is idle while a run waits for it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from brightrun_tui.domain.queue import MOVES, moved
from brightrun_tui.domain.slots import OTHERS_BYTES, Card, GpuRequest, Holder, Seats, assign

numbers = st.integers(0, 7)


@st.composite
def machines(draw: st.DrawFn) -> Seats:
    others = draw(st.lists(st.sampled_from([0, OTHERS_BYTES, OTHERS_BYTES + 1, 40 << 30]), max_size=8))
    cards = tuple(
        Card(id=f"GPU-{n}", index=str(n), memory=80 << 30, free=(80 << 30) - held, others=held)
        for n, held in enumerate(others)
    )
    return Seats(cards, slots=draw(st.integers(0, 10)))


requests = st.builds(GpuRequest, st.lists(numbers.map(str), max_size=3, unique=True).map(tuple), st.booleans())


@given(machines(), st.lists(st.tuples(st.booleans(), numbers, requests), max_size=25))
def test_no_gpu_is_shared_unasked_and_none_idle_that_is_waited_for(
    seats: Seats, events: list[tuple[bool, int, GpuRequest]]
) -> None:
    """Runs come, each with its request, and go again; after each of them the machine is as it was promised."""
    at_work: list[tuple[Holder, GpuRequest]] = []
    for number, (comes, which, gpu_request) in enumerate(events):
        if not comes:
            at_work = [one for place, one in enumerate(at_work) if place != which]
            continue
        now = Seats(seats.cards, tuple(holder for holder, _ in at_work), seats.slots)
        seat = assign(now, gpu_request)
        crowded = len(now.holders) >= now.capacity
        room = [
            card
            for card in seats.cards
            if gpu_request.fits(card)
            and len(now.on(card)) < now.per_card
            and (now.on(card) or gpu_request.shared or card.others <= OTHERS_BYTES)
        ]
        assert seat.granted == (not crowded and (bool(room) if seats.cards or gpu_request.cards else True))
        assert bool(seat.waits_for) == (not seat.granted)
        if seat.granted:
            assert seat.card in room if seats.cards else seat.card is None
            at_work.append((Holder(f"r{number}", seat.card.id if seat.card else ""), gpu_request))
    after = Seats(seats.cards, tuple(holder for holder, _ in at_work), seats.slots)
    assert len(after.holders) <= after.capacity
    assert all(len(after.on(card)) <= after.per_card for card in after.cards)
    assert seats.slots or all(len(after.on(card)) <= 1 for card in after.cards)


def test_what_a_run_waits_for_is_said_card_by_card() -> None:
    cards = (
        Card(id="GPU-a", index="0", memory=80 << 30),
        Card(id="GPU-b", index="1", memory=80 << 30, others=12_300_000_000, who="python of anna"),
    )
    seats = Seats(cards, (Holder("support-bot", "GPU-a"),))
    assert assign(seats, GpuRequest()).waits_for == (
        "a free GPU: 0 busy with run support-bot; 1 used by python of anna (11.5 GiB)"
    )
    assert assign(seats, GpuRequest(shared=True)).card == cards[1]
    assert assign(seats, GpuRequest(("0",), shared=True)).waits_for == "a free GPU: 0 busy with run support-bot"
    assert "has 0, 1" in assign(seats, GpuRequest(("7",))).waits_for
    on_cpu = Seats(holders=(Holder("a"),))
    assert (
        not assign(on_cpu, GpuRequest()).granted
        and assign(Seats(holders=(Holder("a"),), slots=2), GpuRequest()).granted
    )


def test_a_run_that_was_given_no_gpu_has_the_first_one() -> None:
    """As a worker of an earlier version does, which sees all of them."""
    cards = (Card(id="GPU-a", index="0"), Card(id="GPU-b", index="1"))
    assert assign(Seats(cards, (Holder("old"),)), GpuRequest()).card == cards[1]


@given(st.lists(st.floats(0, 4e9), min_size=1, max_size=12).map(sorted), st.data())
def test_a_run_comes_to_its_place_and_the_others_keep_their_order(times: list[float], data: st.DataObject) -> None:
    queue = [(f"r{number}", time) for number, time in enumerate(times)]
    order = [one for one, _ in queue]
    run = data.draw(st.sampled_from(order))
    to = data.draw(st.sampled_from([*MOVES, *map(str, range(15))]))
    after = {**dict(queue), **moved(queue, run, to)}
    found = sorted(order, key=lambda one: after[one])
    at, last = order.index(run), len(order) - 1
    place = {"first": 0, "last": last, "up": max(0, at - 1), "down": min(last, at + 1)}.get(to)
    place = min(max(int(to) - 1, 0), last) if place is None else place
    assert found.index(run) == place
    assert [one for one in found if one != run] == [one for one in order if one != run]
