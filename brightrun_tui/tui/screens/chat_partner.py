"""Whom a chat talks to, and how that is had."""

from __future__ import annotations

import asyncio
from pathlib import Path

from brightrun_tui.domain.endpoint import Endpoint
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.requests import Deploy
from brightrun_tui.domain.service_names import HERE
from brightrun_tui.domain.talk import TalkTurn
from brightrun_tui.planning.catalogue import title_of
from brightrun_tui.planning.serving_machine import BASE_IDLE_SECONDS, base_beside
from brightrun_tui.tui.screens.dialog import Confirm
from brightrun_tui.tui.snapshot import Snapshot
from brightrun_tui.tui.workspace import Workspace


class Partner:
    """One model that is talked to, and the talk with it; a new chat is a new list. ``base_alone``: it is the version's base."""

    def __init__(self, model: ModelVersion, *, base_alone: bool = False) -> None:
        self.model, self.base_alone = model, base_alone
        self.turns: list[TalkTurn] = []

    @property
    def name(self) -> str:
        """Above its answers."""
        return (
            f"base {title_of(Path(self.model.base_id).name)}, without training" if self.base_alone else self.model.ref
        )

    @property
    def title(self) -> str:
        """In the title, where the model that was trained from it stands beside it."""
        return "its base" if self.base_alone else self.model.ref

    @property
    def deploy(self) -> Deploy:
        """What the engine is asked for where nothing serves it."""
        if self.base_alone:
            return Deploy(target=self.model.ref, base_alone=True, idle_unload=BASE_IDLE_SECONDS)
        return Deploy(target=self.model.ref)

    def endpoint(self, snapshot: Snapshot) -> Endpoint | None:
        """Return its newest endpoint that has not been stopped."""
        return snapshot.base_endpoint_of(self.model) if self.base_alone else snapshot.endpoint_of(self.model)

    def ready_words(self, endpoint: Endpoint) -> str:
        """Say that it can be asked, and where it computes."""
        where = "this machine" if endpoint.provider == HERE else endpoint.provider
        late = "; it is loaded into memory for the first answer" if endpoint.asleep else ""
        return f"● ready; the {'base' if self.base_alone else 'model'} runs on {where}{late}"


async def question_of_base(app: Workspace, model: ModelVersion) -> Confirm | None:
    """Return what must be agreed to before the base of ``model`` is loaded; None if it is served already.

    Raises:
        BaseModelError: it can no longer be had.
    """
    base = app.snapshot.base_endpoint_of(model)
    if base is not None and base.serving:
        return None
    beside = await asyncio.to_thread(base_beside, model, app.paths)
    tuned = app.snapshot.endpoint_of(model)
    rented = ""
    if tuned is not None and tuned.rental is not None:
        rented = f" {model.ref} is served on {tuned.rental.place}; its base is compared on this machine only."
    question = (
        f"{title_of(Path(model.base_id).name)}, without training, is loaded on this machine and asked the same in the same way. "
        f"{beside.words}{rented} It leaves memory when you take it away again or the chat ends."
    )
    return Confirm(f"Base beside {model.ref}", question, yes="Load the base", danger=not beside.fits, safe=beside.fits)
