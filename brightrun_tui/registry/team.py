"""Models that a team shares: what Bright Run pushed to one owner of the Hugging Face Hub, and what colleagues think of it.

Ratings lie in a file of each repository, beside the model's own files, so whoever may write there may rate: one from each account
of the Hub, the newest. Everything that is read is somebody else's word: bounded, checked, and never run.
"""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, UsageError
from brightrun_tui.domain.run_directory import MANIFEST
from brightrun_tui.domain.service_names import HUGGINGFACE
from brightrun_tui.integrations import credentials, hub
from brightrun_tui.integrations.hub_writing import check_owner, check_repository, plain_errors
from brightrun_tui.paths import Paths
from brightrun_tui.planning.hub_downloads import progress_bar
from brightrun_tui.registry.hub_push import require_token

RATINGS = "brightrun-ratings.json"
MARK = "brightrun"
"""The tag in the card of every model that Bright Run pushed."""
MOST_MODELS, MOST_RATINGS = 100, 1_000
MAX_RATINGS_BYTES = 1 << 20
AT_ONCE = 8
TRIES = 3


class TeamRating(BaseModel):
    """What one account of the Hub thinks of a model. ``time``: seconds since the epoch."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    author: Annotated[str, Field(min_length=1, max_length=100)]
    stars: Annotated[int, Field(ge=1, le=5)]
    note: Annotated[str, Field(max_length=2_000)] = ""
    time: Annotated[float, Field(ge=0, le=1e12)]


class TeamModel(BaseModel):
    """A repository. ``versions``: its tags, newest first. ``loss``: held-out, as its card says; None where it does not.
    ``changed_at``: seconds since the epoch. ``problem``: why the rest is not known.
    """

    model_config = ConfigDict(frozen=True)

    repository: str
    private: bool = True
    base: str = ""
    loss: float | None = None
    versions: tuple[str, ...] = ()
    changed_at: float | None = None
    ratings: tuple[TeamRating, ...] = ()
    problem: str = ""

    @property
    def stars(self) -> float | None:
        """The mean of all ratings."""
        return sum(each.stars for each in self.ratings) / len(self.ratings) if self.ratings else None


_Ratings = TypeAdapter(Annotated[tuple[TeamRating, ...], Field(max_length=MOST_RATINGS)])


async def list_team(paths: Paths, owner: str) -> list[TeamModel]:
    """Return the models of an owner, those changed last first; at most `MOST_MODELS`. One that cannot be read says why.

    Raises:
        UsageError: it cannot be an owner's name.
        NotConnectedError: the Hub cannot be reached, or the token may not.
    """
    check_owner(owner)
    return await asyncio.to_thread(_list, paths, owner)


async def rate_on_hub(paths: Paths, repository: str, stars: int, note: str = "") -> TeamModel:
    """Give a shared model stars in the name of the connected account, in the place of what that said before.

    Raises:
        UsageError: it is not a name of a repository, or the stars are not 1 to 5.
        NotConnectedError: no token, or one that may not write there.
        BrightrunError: Bright Run did not push it, or others keep changing it meanwhile.
    """
    check_repository(repository)
    if not 1 <= stars <= 5:
        raise UsageError(
            "stars are 1 to 5", where=repository, fix="give a number from 1 to 5", kind=ErrorKind.BAD_RATING
        )
    return await asyncio.to_thread(_rate, paths, repository, stars, note)


def _list(paths: Paths, owner: str) -> list[TeamModel]:
    api = hub.api(credentials.get(HUGGINGFACE, paths))
    with plain_errors(owner, reading=True):
        listed = [str(each.id) for each in api.list_models(author=owner, filter=MARK, limit=MOST_MODELS)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda repository: _look(api, repository), listed))
    return sorted(found, key=lambda each: -(each.changed_at or 0.0))


def _look(api: Any, repository: str) -> TeamModel:
    try:
        with plain_errors(repository, reading=True):
            info = hub.checked(api.model_info(repository, files_metadata=True))
            return _described(api, repository, info)
    except BrightrunError as error:
        return TeamModel(repository=repository, problem=error.what)


def _described(api: Any, repository: str, info: Any) -> TeamModel:
    tags = [str(each.name)[:100] for each in api.list_repo_refs(repository).tags]
    card = info.card_data.to_dict() if info.card_data else {}
    base = card.get("base_model")
    return TeamModel(
        repository=repository,
        private=info.private is not False,
        base=base[:200] if isinstance(base, str) else "",
        loss=_loss(info.card_data),
        versions=tuple(sorted(tags, key=_number, reverse=True)),
        changed_at=info.last_modified.timestamp() if info.last_modified else None,
        ratings=_ratings(api, repository, info),
    )


def _number(tag: str) -> tuple[int, str]:
    """Return a sort key by which ``v10`` comes after ``v9``, and words before both."""
    return (int(tag[1:]), tag) if tag.startswith("v") and tag[1:].isascii() and tag[1:].isdigit() else (0, tag)


def _loss(card: Any) -> float | None:
    """Return the held-out loss in the model-index of a card."""
    for each in getattr(card, "eval_results", None) or ():
        if each.metric_type == "loss" and isinstance(each.metric_value, int | float):
            return float(each.metric_value)
    return None


def _ratings(api: Any, repository: str, info: Any) -> tuple[TeamRating, ...]:
    """Return what is readable of them; none where the file is too large or is something else."""
    file = next((each for each in info.siblings or () if each.rfilename == RATINGS), None)
    if file is None or not 0 < (file.size or 0) <= MAX_RATINGS_BYTES:
        return ()
    with TemporaryDirectory(prefix="brightrun-") as aside:
        bar = progress_bar(lambda come: None, MAX_RATINGS_BYTES)
        found = api.hf_hub_download(repository, RATINGS, revision=info.sha, local_dir=aside, tqdm_class=bar)
        data = Path(found).read_bytes()
    try:
        return _Ratings.validate_json(data)
    except ValidationError:
        return ()


def _rate(paths: Paths, repository: str, stars: int, note: str) -> TeamModel:
    from huggingface_hub import CommitOperationAdd

    api = hub.api(require_token(paths))
    for attempt in range(TRIES):
        try:
            with plain_errors(repository):
                me = str(api.whoami()["name"])
                info = hub.checked(api.model_info(repository, files_metadata=True))
                if all(each.rfilename != MANIFEST for each in info.siblings or ()):
                    raise UsageError(
                        f"Bright Run did not push “{repository}”",
                        where=f"{hub.endpoint()}/{repository}",
                        fix="see what it did push: brightrun models team OWNER",
                        kind=ErrorKind.NO_REPOSITORY,
                    )
                others = [each for each in _ratings(api, repository, info) if each.author != me]
                mine = TeamRating(author=me, stars=stars, note=note[:2_000], time=time.time())
                content = json.dumps([each.model_dump() for each in (*others[-MOST_RATINGS + 1 :], mine)], indent=1)
                api.create_commit(
                    repository,
                    [CommitOperationAdd(RATINGS, content.encode())],
                    commit_message=f"{stars} stars from {me}",
                    parent_commit=info.sha,
                )
                break
        except BrightrunError as error:
            if error.kind != ErrorKind.HUB_BUSY or attempt == TRIES - 1:
                raise
    return _look(api, repository)
