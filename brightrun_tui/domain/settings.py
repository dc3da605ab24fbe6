"""The settings of a run, declared once: form fields, ``--set`` options, configuration and help text all derive from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, UsageError
from brightrun_tui.domain.setting_groups import (
    DataSettings,
    EvaluationSettings,
    LoraSettings,
    MachineSettings,
    QuantisationSettings,
    SettingsGroup,
    TrainingSettings,
)

SettingValue = bool | int | float | str | None
"""As a person types it, or as it is; None: as template and base say."""
Overrides = Mapping[str, SettingValue]
"""Settings by dotted key: ``{"training.epochs": 3}``."""


class RunSettings(SettingsGroup):
    """Every setting of a run, in groups."""

    lora: LoraSettings = Field(default_factory=LoraSettings)
    quantisation: QuantisationSettings = Field(default_factory=QuantisationSettings)
    data: DataSettings = Field(default_factory=DataSettings)
    training: TrainingSettings = Field(default_factory=TrainingSettings)
    evaluation: EvaluationSettings = Field(default_factory=EvaluationSettings)
    machine: MachineSettings = Field(default_factory=MachineSettings)

    def value(self, key: str) -> Any:
        """Return what a setting is, by its dotted key."""
        group, name = key.split(".", 1)
        return getattr(getattr(self, group), name)

    def with_overrides(self, overrides: Mapping[str, SettingValue | list[str]]) -> RunSettings:
        """Return a copy with dotted keys replaced, e.g. ``{"training.epochs": "3"}``. Strings are converted.

        Raises:
            UsageError: unknown key (with the nearest known one) or a value out of range.
        """
        document = self.model_dump()
        known = {setting.key: setting for setting in iter_settings()}
        for key, raw in overrides.items():
            if key not in known:
                raise UsageError(
                    f"there is no setting “{key}”",
                    where=f"--set {key}",
                    fix=_did_you_mean(key, list(known)),
                    kind=ErrorKind.UNKNOWN_SETTING,
                )
            group, name = key.split(".", 1)
            document[group][name] = known[key].parse(raw)
        return RunSettings.model_validate(document)


class Setting(BaseModel):
    """One field of `RunSettings` as form, command line and help see it."""

    model_config = ConfigDict(arbitrary_types_allowed=True, frozen=True, defer_build=True)

    key: str
    group: str
    name: str
    title: str
    hint: str
    simple: bool
    kind: Literal["int", "float", "bool", "choice", "text"]
    choices: tuple[str, ...] = ()
    stops: tuple[float, ...] = ()
    default: Any = None
    field: FieldInfo

    def parse(self, raw: Any) -> Any:
        """Convert and check a value typed by a person.

        Raises:
            UsageError: names the setting, what was given and what is allowed.
        """
        annotation: Any = self.field.annotation
        for constraint in self.field.metadata:
            annotation = Annotated[annotation, constraint]
        if isinstance(raw, bool):
            raw = str(raw).lower()  # a word, which is not a number
        try:
            return TypeAdapter(annotation).validate_python(raw.strip() if isinstance(raw, str) else raw)
        except ValidationError:
            raise UsageError(
                f"“{raw}” does not fit {self.title}: {self.allowed}",
                where=self.key,
                fix=f"one of: {', '.join(self.choices)}" if self.choices else self.hint,
                kind=ErrorKind.BAD_SETTING,
            ) from None

    @property
    def allowed(self) -> str:
        """Which values fit, in words."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        if self.kind == "bool":
            return "on or off"
        if self.kind == "text":
            return "a word that is not too long"
        said = []
        for name, words in (("ge", "from"), ("gt", "above"), ("le", "at most"), ("lt", "below")):
            bound = next((b for m in self.field.metadata if (b := getattr(m, name, None)) is not None), None)
            if bound is not None:
                said.append(f"{words} {bound:,}" if isinstance(bound, int) else f"{words} {bound:g}")
        return " ".join(["a whole number" if self.kind == "int" else "a number", " and ".join(said)]).strip()


def iter_settings() -> Iterator[Setting]:
    """Yield every setting in declaration order."""
    for group, group_field in RunSettings.model_fields.items():
        model = group_field.annotation
        assert isinstance(model, type) and issubclass(model, SettingsGroup)
        for name, field in model.model_fields.items():
            extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
            choices = tuple(str(c) for c in get_args(field.annotation)) if _is_literal(field.annotation) else ()
            yield Setting(
                key=f"{group}.{name}",
                group=group,
                name=name,
                title=field.title or name,
                hint=field.description or "",
                simple=bool(extra.get("simple")),
                stops=_stops(extra.get("stops")),
                kind=_kind_of(field.annotation, choices),
                choices=choices,
                default=field.default,
                field=field,
            )


@cache
def _titles() -> dict[str, str]:
    return {setting.key: setting.title for setting in iter_settings()}


def setting_title(key: str) -> str:
    """Return what the form calls a setting, ``Epochs`` for ``training.epochs``; a key that is not a setting's stays as
    it is.
    """
    return _titles().get(key, key)


def title_and_key(key: str) -> str:
    """Return ``Epochs (training.epochs)``: the name in the form, and the key to write."""
    return f"{setting_title(key)} ({key})"


def statement_of(error: BrightrunError) -> str:
    """Return `BrightrunError.statement`, with a setting named as in the form."""
    title = _titles().get(error.where)
    if title is None:
        return error.statement
    return error.what if title.casefold() in error.what.casefold() else f"{title_and_key(error.where)}: {error.what}"


def show_value(value: Any) -> str:
    """Return a value of a setting as it is typed: 2e-04 would be read aloud badly, so short forms are kept."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def flatten(document: Mapping[str, Any]) -> dict[str, Any]:
    """Turn ``{"training": {"epochs": 3}}`` into ``{"training.epochs": 3}``; what is not in a group is left out."""
    return {
        f"{group}.{name}": value
        for group, values in document.items()
        if isinstance(values, dict)
        for name, value in values.items()
    }


def _stops(listed: Any) -> tuple[float, ...]:
    return tuple(float(stop) for stop in listed) if isinstance(listed, list) else ()


def _is_literal(annotation: Any) -> bool:
    return getattr(annotation, "__origin__", None) is Literal


def _kind_of(annotation: Any, choices: tuple[str, ...]) -> Literal["int", "float", "bool", "choice", "text"]:
    if choices:
        return "choice"
    if annotation is bool:
        return "bool"
    if annotation is int:
        return "int"
    return "float" if annotation is float else "text"


def _did_you_mean(word: str, known: list[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(word, known, n=1, cutoff=0.4)
    return f"did you mean {close[0]}?" if close else f"known settings: {', '.join(known)}"
