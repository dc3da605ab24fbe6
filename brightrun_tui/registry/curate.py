"""What people say about versions, which one is the champion, and which ones go."""

from __future__ import annotations

import asyncio
import re
import shutil
import time

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.model import CHAMPION, PREVIOUS, ModelVersion, Report, Review, Tick
from brightrun_tui.domain.verdict import decide
from brightrun_tui.paths import Paths
from brightrun_tui.registry.corrections import who
from brightrun_tui.registry.intake import rewrite_report
from brightrun_tui.serving.plan import cached_at
from brightrun_tui.store import Database, endpoints, models

_TAG = re.compile(r"[\w][\w.-]{0,47}")


async def rate(
    db: Database, ref: str, stars: int | None, note: str | None = None, *, author: str = "", keep_stars: bool = False
) -> ModelVersion:
    """Give a version 1 to 5 stars (None takes them away), with a note where one is given; who said what stays on record.

    Args:
        keep_stars: leave the stars as they are, whatever ``stars`` says.

    Raises:
        UsageError: there is no such version, or no such number of stars.
    """
    if stars is not None and not 1 <= stars <= 5:
        raise UsageError(f"a rating is 1 to 5 stars, not {stars}", kind=ErrorKind.BAD_RATING)
    version = await models.find(db, ref)
    given = version.rating if keep_stars else stars
    words = version.note if note is None else note.strip()
    said = Review(
        author=author or who(), at=time.time(), rating=None if keep_stars else stars, note=(note or "").strip()
    )
    return await models.review(db, version, said, rating=given, note=words)


async def promote(db: Database, ref: str) -> ModelVersion:
    """Make a version the champion of its name; the one before becomes ``previous``. Raises ``UsageError``."""
    version = await models.find(db, ref)
    await models.move_alias(db, version.name, CHAMPION, version.version)
    return await models.find(db, version.ref)


async def set_alias(db: Database, ref: str, alias: str) -> ModelVersion:
    """Point a name of one's own at a version: ``name:alias`` then means it.

    Raises:
        UsageError: there is no such version, or the word cannot be an alias.
    """
    if not _TAG.fullmatch(alias) or alias.isdecimal() or alias == PREVIOUS:
        raise UsageError(
            f"“{alias}” cannot be an alias",
            fix="a word of letters, digits, “.”, “_” and “-”, which is not a number; “previous” moves by itself",
            kind=ErrorKind.BAD_TAG,
        )
    version = await models.find(db, ref)
    await models.move_alias(db, version.name, alias, version.version)
    return await models.find(db, version.ref)


async def drop_alias(db: Database, name: str, alias: str) -> None:
    """Take an alias away. Raises ``UsageError`` where the model has none of that name, or cannot be without it."""
    if alias == CHAMPION:
        raise UsageError(
            "every model has a champion", fix="promote another version", where=name, kind=ErrorKind.ALIASED
        )
    await models.locate(db, f"{name}:{alias}")
    await models.drop_alias(db, name, alias)


async def describe(db: Database, ref: str, text: str) -> ModelVersion:
    """Say what a version is for. Raises ``UsageError``."""
    return await models.annotate(db, await models.find(db, ref), description=text.strip())


async def archive(db: Database, ref: str, archived: bool = True) -> ModelVersion:
    """Take a version out of the list without deleting it, or put it back.

    Raises:
        UsageError: there is no such version, or it is the champion.
    """
    version = await models.find(db, ref)
    if archived and CHAMPION in version.aliases:
        raise UsageError(f"{version.ref} is the champion", fix="promote another version first", kind=ErrorKind.ALIASED)
    return await models.annotate(db, version, archived=archived)


async def tick(db: Database, ref: str, sample: int, right: bool | None) -> ModelVersion:
    """Keep what a person says of the tuned answer to a sample (by its number, from 0), in the place of what was said before.

    Args:
        right: None takes the tick away.

    Raises:
        UsageError: there is no such version, or no such answer.
        BrightrunError: the disk is full or cannot be written.
    """
    version = await models.find(db, ref)
    if not 0 <= sample < len(version.report.samples):
        raise UsageError(
            f"{version.ref} has no answer {sample + 1}",
            fix=f"it has {len(version.report.samples)}",
            kind=ErrorKind.UNKNOWN_ANSWER,
        )

    def change(report: Report) -> Report:
        kept = [old for old in report.ticks if old.sample != sample]
        said = [] if right is None else [Tick(sample=sample, right=right, at=time.time())]
        ticks = tuple(sorted([*kept, *said], key=lambda each: each.sample))
        return decide(report.model_copy(update={"ticks": ticks}))

    version = await models.change_report(db, version, change)
    await asyncio.to_thread(rewrite_report, version)
    return version


async def tag(db: Database, ref: str, *, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> ModelVersion:
    """Add and take away tags. Raises ``UsageError`` for a word that is not a tag."""
    for word in add:
        if not _TAG.fullmatch(word):
            raise UsageError(
                f"“{word}” is not a tag", fix="letters, digits, “.”, “_” and “-”, 48 at most", kind=ErrorKind.BAD_TAG
            )
    return await models.retag(db, await models.find(db, ref), add=add, remove=remove)


async def rollback(db: Database, name: str) -> ModelVersion:
    """Make the previous champion the champion again; the present one becomes ``previous``.

    Raises:
        UsageError: there is no such model, or it never had another champion.
    """
    await models.find(db, name)
    versions = [v for v in await models.list_models(db) if v.name == name and PREVIOUS in v.aliases]
    if not versions:
        raise UsageError(
            f"“{name}” has no previous champion",
            fix=f"choose one: brightrun models rollback {name}:VERSION",
            kind=ErrorKind.NO_PREVIOUS,
        )
    await models.move_alias(db, name, CHAMPION, versions[0].version)
    return await models.get(db, name, versions[0].version)


async def delete(db: Database, paths: Paths, ref: str) -> None:
    """Remove a version and its files for good, also one that can no longer be read.

    The last version of a model may go although it is the champion; ``previous`` never holds a version back.

    Raises:
        UsageError: there is no such version, an endpoint serves it, or an alias that people chose points at it.
    """
    name, number = await models.locate(db, ref)
    serving = [
        e for e in await endpoints.list_endpoints(db, live_only=True) if (e.model, e.model_version) == (name, number)
    ]
    if serving:
        raise UsageError(
            f"{name}:{number} is being served",
            where=serving[0].id,
            fix=f"end it first: brightrun undeploy {serving[0].id}",
            kind=ErrorKind.IN_USE,
        )
    only = await models.numbers(db, name) == [number]
    droppable = {PREVIOUS, CHAMPION} if only else {PREVIOUS}
    aliases = await models.aliases(db, name, number)
    if set(aliases) <= droppable:
        for alias in aliases:
            await models.drop_alias(db, name, alias)
    await models.delete(db, name, number)
    directory = paths.models / name / str(number)
    for gone in (directory, cached_at(directory)):
        await asyncio.to_thread(shutil.rmtree, gone, ignore_errors=True)
