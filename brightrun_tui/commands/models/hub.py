"""Versions to the Hugging Face Hub, and from it."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from brightrun_tui import registry
from brightrun_tui.commands.models.files import ItsBaseOption, take_in
from brightrun_tui.commands.shared.options import ModelArgument
from brightrun_tui.commands.shared.output import (
    JsonOption,
    YesOption,
    confirm,
    print_json,
    print_table,
    put,
    say,
    say_done,
    say_over,
)
from brightrun_tui.commands.shared.session import Session, require_changes, with_store
from brightrun_tui.domain import humanize
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.store import models as store

_WIDTH = 78


def push(
    model: ModelArgument,
    to: Annotated[str, typer.Option("--to", metavar="OWNER/REPO", help="Made, private, where it is not there yet.")],
    tag: Annotated[str, typer.Option("--tag", help="Else v and the version's number.")] = "",
    sign: Annotated[bool, typer.Option("--sign", help="Sign it with the key of this installation.")] = False,
    public: Annotated[bool, typer.Option("--public", help="Where everybody can read it; asks again.")] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Upload a version to the Hugging Face Hub: private, with its report card, and a tag for each version."""
    require_changes()
    found = with_store(lambda session: store.find(session.db, model))
    if public:
        count = len(found.report.samples)
        confirm(
            yes, f"Everybody will be able to read {found.ref} and the {count} questions on its report card. Publish?"
        )

    async def send(session: Session) -> registry.Pushed:
        seal = registry.sign(session.paths, found) if sign else None
        return await registry.push(session.paths, found, to, tag=tag, public=public, seal=seal, tell=_tell)

    pushed = with_store(send)
    if as_json:
        print_json({"pushed": pushed})
        return
    seen = "private" if pushed.private else "public: everybody can read it"
    what = "is there already, with these very files" if pushed.already else "is there"
    say_done(f"{pushed.ref} {what} ({seen}), tag {pushed.tag}, commit {pushed.commit[:10]}")
    if not pushed.private and not public:
        say(("!", "yellow"), " it was to be private: somebody changed the repository meanwhile")
    put(pushed.url)


def pull(
    source: Annotated[str, typer.Argument(metavar="OWNER/REPO[@TAG]", help="What brightrun models push has made.")],
    base: ItsBaseOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take a version from the Hugging Face Hub. Nothing of it is run; what does not belong there is refused."""

    take_in(lambda session: registry.pull(session.db, session.paths, source, _tell), base, as_json)


def team(
    owner: Annotated[str, typer.Argument(metavar="OWNER", help="A user or an organisation of the Hugging Face Hub.")],
    as_json: JsonOption = False,
) -> None:
    """List models that colleagues pushed: versions, held-out loss, stars. Take one: models pull; rate one: models rate
    OWNER/REPO.
    """
    found = with_store(lambda session: registry.list_team(session.paths, owner))
    if as_json:
        print_json(
            {"owner": owner, "models": [{**each.model_dump(mode="json"), "stars": each.stars} for each in found]}
        )
    elif found:
        now = time.time()
        print_table(
            ("repository", "newest", "held-out loss", "stars", "changed", ""),
            [
                (
                    each.repository,
                    each.versions[0] if each.versions else "",
                    humanize.loss(each.loss),
                    f"{each.stars:.1f} ({len(each.ratings)})" if each.stars else "",
                    humanize.ago(each.changed_at, now) if each.changed_at else "",
                    each.problem or ("" if each.private else "public"),
                )
                for each in found
            ],
        )
        say("Take one into the registry: ", (f"brightrun models pull {found[0].repository}", "bold"))
    else:
        say(
            f"{owner} has no model that Bright Run pushed, or none that you may see. Share one: ",
            (f"brightrun models push NAME --to {owner}/NAME", "bold"),
        )


def rate_shared(repository: str, stars: int | None, note: str, as_json: bool) -> None:
    """Give stars to a model on the Hub."""
    if stars is None:
        raise UsageError(
            "a shared model is rated with stars", where=repository, fix="give 1 to 5 of them", kind=ErrorKind.BAD_RATING
        )
    found = with_store(lambda session: registry.rate_on_hub(session.paths, repository, stars, note))
    if as_json:
        print_json({"model": {**found.model_dump(mode="json"), "stars": found.stars}})
    else:
        many = f"{len(found.ratings)} rating{'s' if len(found.ratings) > 1 else ''}"
        say_done(f"{repository} has {found.stars or stars:.1f} stars by {many}")


def _tell(what: str, share: float) -> None:
    say_over(what[:_WIDTH].ljust(_WIDTH), last=share >= 1.0)
