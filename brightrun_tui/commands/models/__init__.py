"""``brightrun models``: the registry."""

from __future__ import annotations

from collections.abc import Callable

import typer

from brightrun_tui.commands.models import corrections, curating, evaluating, files, hub, judging, looking, signers

VERBS: dict[str, Callable[..., None]] = {
    "show": looking.show,
    "compare": looking.compare,
    "evaluate": evaluating.evaluate,
    "leaderboard": evaluating.leaderboard,
    "judge": judging.judge,
    "answers": judging.answers,
    "rate": curating.rate,
    "card": looking.card,
    "tag": curating.tag,
    "rollback": curating.rollback,
    "promote": curating.promote,
    "alias": curating.alias,
    "describe": curating.describe,
    "archive": curating.archive,
    "export": files.export,
    "import": files.import_,
    "push": hub.push,
    "pull": hub.pull,
    "team": hub.team,
    "signers": signers.signers,
    "verify": signers.verify,
    "set-base": files.set_base,
    "clean": files.clean,
    "delete": files.delete,
    "corrections": corrections.corrections,
}

app = typer.Typer(add_completion=False)
app.callback(invoke_without_command=True)(looking.list_models)
for name, verb in VERBS.items():
    app.command(name=name)(verb)
