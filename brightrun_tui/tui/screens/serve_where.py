"""Where a model is to serve: on this machine, or on one that is rented for it, with its price and its first answer's time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.humanize import duration, money
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.money import Offer
from brightrun_tui.domain.rental import OWN_BOXES, EndpointRental
from brightrun_tui.integrations.boxes import configured_boxes
from brightrun_tui.integrations.rental import as_known_error, connected_providers
from brightrun_tui.paths import Paths
from brightrun_tui.planning.serving_machine import RentalWish, plan_rental
from brightrun_tui.tui.screens.pick import Choice, PickScreen

HERE = "local"
ASK_SECONDS = 20.0


@dataclass(frozen=True)
class Place:
    """One place besides this machine: the machine that would be rented there, or why there is none."""

    name: str
    rental: EndpointRental | None = None
    offer: Offer | None = None
    problem: BrightrunError | None = None

    @property
    def gpu(self) -> str:
        return (self.offer.hardware.gpu if self.offer else "") or "a machine without a GPU"

    @property
    def free(self) -> bool:
        return self.rental is not None and not self.rental.price_per_hour

    def choice(self) -> Choice:
        if self.rental is None:
            return Choice(self.name, self.name, "not now", self.problem.what if self.problem else "")
        rental = self.rental
        price = f"{money(rental.price_per_hour)} an hour" if rental.price_per_hour else "costs nothing"
        detail = f"{self.gpu}: the first answer after about {duration(rental.cold_start)}. {rental.end_words}"
        return Choice(self.name, self.name, price, detail)

    def question(self, model: ModelVersion) -> str:
        """What is agreed to with a yes."""
        assert self.rental is not None and self.offer is not None
        return (
            f"Serve {model.ref} on {self.gpu} at {self.rental.place}? "
            f"{self.rental.price_words(self.offer.once_usd).capitalize()}. {self.rental.end_words}"
        )


async def places(model: ModelVersion, paths: Paths) -> list[Place]:
    """Every connected service and every box of one's own, asked at once; none where nothing is connected."""
    names = await asyncio.to_thread(_names, paths)
    return list(await asyncio.gather(*(_ask(name, model, paths) for name in names)))


def where_screen(model: ModelVersion, found: list[Place]) -> PickScreen:
    """Asks for one of them; answers `HERE` or the name of a place."""
    here = Choice(HERE, "This machine", "costs nothing", "The model is held in the memory of this machine.")
    return PickScreen(f"Where is {model.ref} to serve?", [here, *(place.choice() for place in found)])


def _names(paths: Paths) -> list[str]:
    try:
        boxes = list(configured_boxes(paths))
    except BrightrunError:
        boxes = []
    return [*(name for name in connected_providers(paths) if name != OWN_BOXES), *boxes]


async def _ask(name: str, model: ModelVersion, paths: Paths) -> Place:
    try:
        async with asyncio.timeout(ASK_SECONDS):
            rental, offer = await plan_rental(model, RentalWish(name), paths)
    except Exception as error:
        return Place(name, problem=as_known_error(name, error))
    return Place(name, rental, offer)
