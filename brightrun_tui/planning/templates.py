"""Templates: named sets of settings, as TOML files. Ours ship with the product; people add their own."""

from __future__ import annotations

import datetime
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, UsageError
from brightrun_tui.domain.settings import RunSettings, SettingValue, setting_title
from brightrun_tui.foreign_files import ForeignFileError, first_problem, read_toml
from brightrun_tui.paths import Paths
from brightrun_tui.resources import resource

Clause = Annotated[str, Field(min_length=1, max_length=120)]


class RecordRule(BaseModel):
    """Settings for datasets of at most ``up_to`` usable records; without it, for all that are larger."""

    model_config = ConfigDict(frozen=True)

    up_to: int | None = Field(None, ge=1)
    overrides: dict[str, SettingValue]


class TemplateResult(BaseModel):
    """What a template has reached: on which base, with which data, when, in one line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: Clause
    data: Clause
    date: datetime.date
    result: Clause


class Template(BaseModel):
    """One file. ``by_records`` is in rising order; the first rule that fits the dataset's size joins ``overrides``. ``why``: for
    settings that it sets, a clause that says what for. ``measured``: the newest first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    description: str = ""
    best_for: str = ""
    order: int = 100
    overrides: dict[str, SettingValue] = Field(default_factory=dict, alias="settings")
    by_records: tuple[RecordRule, ...] = ()
    why: dict[str, Clause] = Field(default_factory=dict)
    measured: tuple[TemplateResult, ...] = ()
    own: bool = False
    path: str = ""

    def resolve(self, records: int | None) -> dict[str, SettingValue]:
        """Return the settings for a dataset of so many usable records; None: without those that depend on it."""
        if records is None:
            return dict(self.overrides)
        rule = next((rule for rule in self.by_records if rule.up_to is None or records <= rule.up_to), None)
        return {**self.overrides, **(rule.overrides if rule else {})}


def load_templates(paths: Paths) -> tuple[list[Template], list[BrightrunError]]:
    """Return all that can be used, ours first, and for every file that cannot the reason.

    A person's own template of the same name takes the place of ours.
    """
    loaded: dict[str, Template] = {}
    problems: list[BrightrunError] = []
    for folder, own in ((resource("presets") / "templates", False), (paths.user_templates, True)):
        for path in sorted(folder.glob("*.toml")) if folder.is_dir() else []:
            try:
                template = _load(path, path.stat().st_mtime_ns, own)
            except (BrightrunError, OSError) as error:
                problems.append(error if isinstance(error, BrightrunError) else _unusable(path, str(error.strerror)))
                continue
            loaded[template.name] = template
    return sorted(loaded.values(), key=lambda template: (template.order, template.name)), problems


def get_template(name: str, paths: Paths) -> Template:
    """Return the template of that name. Raises `UsageError` when there is none, or its file cannot be used."""
    templates, problems = load_templates(paths)
    found = next((template for template in templates if template.name == name), None)
    if found:
        return found
    broken = next((problem for problem in problems if Path(problem.where.split(":")[0]).stem == name), None)
    if broken:
        raise broken
    known = [template.name for template in templates]
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    raise UsageError(
        f"there is no template “{name}”",
        fix=f"did you mean {close[0]}?" if close else f"one of: {', '.join(known)}",
        kind=ErrorKind.UNKNOWN_TEMPLATE,
    )


@lru_cache(maxsize=128)
def _load(path: Path, _modified: int, own: bool) -> Template:
    try:
        document = read_toml(path)
    except ForeignFileError as error:
        raise _unusable(path, f"it {error.what}") from None
    listed = document.pop("by_records", [])
    rules = [
        {"up_to": rule.pop("up_to", None), "overrides": rule}
        for rule in (listed if isinstance(listed, list) else [])
        if isinstance(rule, dict)
    ]
    try:
        template = Template.model_validate(
            {**document, "by_records": rules, "name": path.stem, "own": own, "path": str(path)}
        )
    except ValidationError as error:
        raise _unusable(path, first_problem(error)) from None
    limits = [rule.up_to for rule in template.by_records]
    if limits != sorted(limits, key=lambda limit: limit or float("inf")):
        raise _unusable(path, "the rules of by_records must be in rising order of up_to")
    unset = (
        template.why.keys()
        - template.overrides.keys()
        - {key for rule in template.by_records for key in rule.overrides}
    )
    if unset:
        raise _unusable(path, f"it says why of {setting_title(min(unset))}, which it does not set")
    for overrides in (template.overrides, *(rule.overrides for rule in template.by_records)):
        try:
            RunSettings().with_overrides(overrides)
        except UsageError as error:
            raise _unusable(path, str(error)) from None
    return template


def _unusable(path: Path, reason: str) -> UsageError:
    return UsageError(
        f"this template cannot be used: {reason}",
        where=str(path),
        fix="correct the file or move it away",
        kind=ErrorKind.BAD_TEMPLATE,
    )
