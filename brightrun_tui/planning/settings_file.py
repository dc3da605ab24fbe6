"""A run's settings as a file: written from a plan, read into a draft; and the same as a template of one's own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import tomlkit
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from brightrun_tui.domain.disk import is_disk_full
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.settings import RunSettings, SettingValue, iter_settings
from brightrun_tui.files import write_atomic
from brightrun_tui.foreign_files import ForeignFileError, NoSuchFileError, dotted, first_problem, read_toml
from brightrun_tui.paths import Paths
from brightrun_tui.planning.catalogue import size_rule
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.plan import Plan
from brightrun_tui.planning.resolve import LEARNING_RATE, intensity_source
from brightrun_tui.planning.templates import get_template

_CORRECT = "correct the file"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


class SettingsFile(BaseModel):
    """``settings``: dotted settings to values. ``base`` and ``template`` may be empty: nothing is said of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: str = ""
    template: str = ""
    settings: dict[str, Any] = Field(default_factory=dict)


def read_settings(path: Path) -> SettingsFile:
    """Read settings, written as ``"training.epochs" = 3`` or as a table ``[settings.training]``.

    Raises:
        UsageError: it cannot be read, has a key that nobody knows, or a value that does not fit.
    """
    try:
        document = read_toml(path)
    except ForeignFileError as error:
        raise _unusable(
            path, f"it {error.what}", "check the path" if isinstance(error, NoSuchFileError) else _CORRECT
        ) from None
    settings = document.get("settings", {})
    if isinstance(settings, dict):
        document["settings"] = dotted(settings)
    try:
        found = SettingsFile.model_validate(document)
    except ValidationError as error:
        groups = document.keys() & RunSettings.model_fields.keys()
        fix = f"settings belong under [settings]: write [settings.{min(groups)}]" if groups else _CORRECT
        raise _unusable(path, first_problem(error), fix) from None
    try:
        RunSettings().with_overrides(found.settings)
    except UsageError as error:
        key = error.where.removeprefix("--set ")
        raise _unusable(path, error.what if key in error.what else f"{key}: {error.what}", error.fix, key=key) from None
    return found


def write_settings(plan: Plan, path: Path) -> None:
    """Write base, template and every setting that is not at its default, whoever set it: the same run again, on whatever data.

    A template of the person's own is not known elsewhere: instead of its name every setting is written.

    Raises:
        UsageError: the file cannot be written.
    """
    settings, template = changed_settings(plan), plan.draft.template
    if plan.template and plan.template.own:
        template, settings = Draft().template, _settings(plan)
    document = {"base": plan.draft.base, "template": template, "settings": settings}
    _write(path, document, mode=0o644)


def save_template(plan: Plan, name: str, paths: Paths) -> Path:
    """Keep the template of the plan, with what the person and the intensity changed in it, as one of their own.

    Raises:
        UsageError: the name does not do for a template, or the file cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"“{name}” is not a name for a template",
            fix="use lower-case letters, digits, - and _",
            kind=ErrorKind.BAD_TEMPLATE,
        )
    own = {setting.key: setting.parse(plan.draft.overrides[setting.key]) for setting in iter_settings()
           if setting.key in plan.draft.overrides}  # fmt: skip
    hand = intensity_source(plan.draft.intensity)
    own |= {key: value for key, value in changed_settings(plan).items() if plan.sources.get(key) == hand}
    if (
        LEARNING_RATE in own and plan.base
    ):  # what the base's size makes of it does not belong to a template, and comes again
        own[LEARNING_RATE] = float(f"{own[LEARNING_RATE] / size_rule(plan.base.parameters).factor:.6g}")
    below = get_template(plan.draft.template, paths)
    rules = [
        {**({"up_to": rule.up_to} if rule.up_to else {}), **{k: v for k, v in rule.overrides.items() if k not in own}}
        for rule in below.by_records
    ]
    document: dict[str, Any] = {
        "title": name.replace("-", " ").replace("_", " ").capitalize(),
        "description": f"Made from “{below.title}”. {below.description}".strip(),
        "best_for": below.best_for,
        "settings": {**below.overrides, **own},
    }
    why = {key: said for key, said in below.why.items() if key not in own}
    path = paths.user_templates / f"{name}.toml"
    more = {"by_records": rules, "why": why}
    _write(path, document | {title: said for title, said in more.items() if said}, mode=0o600)
    return path


def changed_settings(plan: Plan) -> dict[str, SettingValue]:
    """Return every setting of the plan that is not at its default, by its dotted key."""
    defaults = {setting.key: setting.default for setting in iter_settings()}
    return {key: value for key, value in _settings(plan).items() if value != defaults[key]}


def _settings(plan: Plan) -> dict[str, Any]:
    return {setting.key: plan.settings.value(setting.key) for setting in iter_settings()}


def _write(path: Path, document: dict[str, Any], *, mode: int) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, tomlkit.dumps(document), mode=mode)
    except OSError as error:
        raise UsageError(
            f"the file cannot be written ({error.strerror})",
            where=str(path),
            fix=f"{'free some space, or ' if is_disk_full(error) else ''}choose another place",
            kind=ErrorKind.BAD_OPTION,
        ) from None


def _unusable(path: Path, reason: str, fix: str = _CORRECT, *, key: str = "") -> UsageError:
    """Return the error; the line of ``key``, the setting it is about, is named where it can be found."""
    line = _line_of(path, key) if key else 0
    where = f"{path}, line {line}" if line else str(path)
    return UsageError(
        f"these settings cannot be used: {reason}", where=where, fix=fix or _CORRECT, kind=ErrorKind.BAD_SETTING
    )


def _line_of(path: Path, key: str) -> int:
    """Return the first line that sets it, dotted or in a table; 0 if there is none."""
    name = re.escape(key.rpartition(".")[2])
    sets = re.compile(rf"""[^=#]*(?<![\w-]){name}["']?\s*=""")
    try:
        lines = path.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return 0
    return next((number for number, line in enumerate(lines, 1) if sets.match(line)), 0)
