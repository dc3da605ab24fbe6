"""Whether a new model is better or worse than the champion of its name: news, once."""

from __future__ import annotations

from brightrun_tui.domain import humanize
from brightrun_tui.domain.model import CHAMPION, ModelVersion
from brightrun_tui.domain.notices import Level
from brightrun_tui.domain.notification import NewsKind, Notification
from brightrun_tui.store import Database, models, notifications

SAME = 0.01
"""Share of the loss below which two models are as good as each other."""


async def tell_quality(db: Database, version: ModelVersion) -> None:
    """Tell whether it is better or worse; nothing is told of the first version of a name, nor of versions that were
    measured on other data.
    """
    champion = next(
        (one for one in await models.list_models(db) if one.name == version.name and CHAMPION in one.aliases), None
    )
    if champion is None or champion.version == version.version:
        return
    before, now = champion.report, version.report
    if (
        before.lineage.dataset_fingerprint != now.lineage.dataset_fingerprint
        or not before.tuned.loss
        or not now.tuned.loss
    ):
        return
    change = now.tuned.loss / before.tuned.loss - 1
    word = "as good as" if abs(change) < SAME else "better than" if change < 0 else "worse than"
    losses = f"held-out loss {humanize.loss(now.tuned.loss)} instead of {humanize.loss(before.tuned.loss)}"
    await notifications.add(
        db,
        Notification(
            version.run_id,
            now.name,
            f"model_{word.split()[0]}",
            Level.WARNING if word == "worse than" else Level.INFO,
            f"{version.ref} is {word} the champion {champion.ref}: {losses}",
            version.created_at,
            NewsKind.QUALITY,
            version.ref,
            key=f"quality {version.ref}",
        ),
    )
