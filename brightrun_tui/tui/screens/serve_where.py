"""Where a model is to serve: on this machine, or on one that is rented for it, with its price and its first answer's time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, ProviderDownError
from brightrun_tui.domain.humanize import money, span
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.money import Offer
from brightrun_tui.domain.rental import EndpointRental
from brightrun_tui.domain.service_names import HERE, OWN_BOXES
from brightrun_tui.integrations.boxes import configured_boxes
from brightrun_tui.integrations.rental import as_known_error, connected_providers, serverless_places
from brightrun_tui.paths import Paths
from brightrun_tui.planning.serving_machine import RentalRequest, is_serverless, plan_rental
from brightrun_tui.tui.screens.mode_screen import ModeScreen
from brightrun_tui.tui.screens.pick import Choice, PickScreen
from brightrun_tui.tui.screens.repository import RepositoryScreen

LIST_SECONDS = 3.0
"""A service that takes longer is listed without its price, which is asked for when it is chosen."""
ASK_SECONDS = 30.0


class Left(Exception):
    """The person went away without a choice."""


@dataclass(frozen=True)
class ServingPlace:
    """One place besides this machine: the machine that would be rented there, or why there is none; neither: nobody knows yet."""

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
            comes = "Workers that run only while somebody asks." if is_serverless(self.name) else ""
            known = ("not now", self.problem.what) if self.problem else ("price asked for when chosen", comes)
            return Choice(self.name, self.name, *known)
        rental = self.rental
        price = f"{money(rental.price_per_hour)} an hour" if rental.price_per_hour else "costs nothing"
        detail = f"{self.gpu}: the first answer after about {span(rental.cold_start)}. {rental.end_words}"
        return Choice(self.name, self.name, price, detail)

    def question(self, model: ModelVersion) -> str:
        """Return what is agreed to with a yes."""
        assert self.rental is not None and self.offer is not None
        return (
            f"Serve {model.ref} on {self.gpu} at {self.rental.place}? "
            f"{self.rental.price_words(self.offer.once_usd).capitalize()}. {self.rental.end_words}"
        )


async def places(model: ModelVersion, paths: Paths) -> list[ServingPlace]:
    """Return every connected service and every box of one's own, asked at once; none where nothing is connected."""
    names = await asyncio.to_thread(_names, paths)
    return list(await asyncio.gather(*(ask(name, model, paths, LIST_SECONDS) for name in names)))


async def where_to_serve(screen: ModeScreen, model: ModelVersion) -> EndpointRental | None:
    """Return the machine that a person chose and agreed to, None for this one; without a question where there is no other.
    Call it from a worker.

    Raises:
        Left: they chose none.
        BrightrunError: the one that they chose cannot be had.
    """
    paths = screen.app.paths
    found = await places(model, paths)
    if not found:
        return None
    here = Choice(HERE, "This machine", "costs nothing", "The model is held in the memory of this machine.")
    dialog = PickScreen(f"Where is {model.ref} to serve?", [here, *(place.choice() for place in found)])
    chosen = await screen.app.push_screen_wait(dialog)
    if chosen == HERE:
        return None
    place = next((one for one in found if one.name == chosen), None)
    if place is None:
        raise Left
    if is_serverless(place.name):
        repository = await screen.app.push_screen_wait(RepositoryScreen(model, place.name))
        if repository is None:
            raise Left
        place = await ask(place.name, model, paths, repository=repository)
    elif place.rental is None and place.problem is None:
        place = await ask(place.name, model, paths)
    if place.rental is None:
        raise place.problem or ProviderDownError(f"{place.name} does not answer in time", kind=ErrorKind.PROVIDER_DOWN)
    if not await screen.confirm("Deploy", place.question(model), yes="Deploy", danger=False, safe=place.free):
        raise Left
    return place.rental


def _names(paths: Paths) -> list[str]:
    try:
        boxes = list(configured_boxes(paths))
    except BrightrunError:
        boxes = []
    services = [name for name in connected_providers(paths) if name != OWN_BOXES]
    return [*services, *serverless_places(services), *boxes]


async def ask(
    name: str, model: ModelVersion, paths: Paths, seconds: float = ASK_SECONDS, *, repository: str = ""
) -> ServingPlace:
    """Return what can be had at one place, as far as it says so in time; where workers come and go, only with the
    ``repository`` that they fetch the adapter from."""
    if is_serverless(name) and not repository:
        return ServingPlace(name)
    try:
        async with asyncio.timeout(seconds):
            rental, offer = await plan_rental(model, RentalRequest(name, repository=repository), paths)
    except TimeoutError:
        return ServingPlace(name)
    except Exception as error:
        return ServingPlace(name, problem=as_known_error(name, error))
    return ServingPlace(name, rental, offer)
