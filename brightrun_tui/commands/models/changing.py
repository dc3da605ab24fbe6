"""What every verb that changes a version does, and a version in short."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from brightrun_tui.commands.shared.output import print_json, say_done
from brightrun_tui.commands.shared.session import Session, require_changes, with_store
from brightrun_tui.domain.model import ModelVersion


def change_version(work: Callable[[Session], Awaitable[ModelVersion]], as_json: bool) -> None:
    require_changes()
    model = with_store(work)
    if as_json:
        print_json({"model": in_short(model)})
    else:
        facts = ["★" * (model.rating or 0), *model.aliases, *(f"#{tag}" for tag in model.tags)]
        say_done(f"{model.ref}  {' '.join(fact for fact in facts if fact)}".rstrip())


def in_short(model: ModelVersion) -> dict[str, object]:
    report = model.report
    return {
        "ref": model.ref,
        **model.model_dump(mode="json", exclude={"report"}),
        "verdict": report.verdict.model_dump(mode="json"),
        "ticks": [each.model_dump(mode="json") for each in report.ticks],
        "loss": report.tuned.loss,
        "base_loss": report.base.loss,
    }
