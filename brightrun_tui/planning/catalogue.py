"""The catalogue: the base models that New Run offers first, and what the size of a model asks of its training."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from functools import cache

from pydantic import BaseModel, ConfigDict, Field

from brightrun_tui.domain.settings import SettingValue
from brightrun_tui.planning.architecture import Architecture, Traits
from brightrun_tui.resources import resource


class CatalogueBase(Architecture):
    """One ``[[base]]`` of ``presets/bases.toml``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    title: str
    description: str
    license: str = ""
    gated: bool = False
    traits: Traits = Traits()
    recommended: dict[str, SettingValue] = Field(default_factory=dict)


class SizeRule(BaseModel):
    """One ``[[by_size]]``: the learning rate's factor for models up to that many weights, and how few steps are too few."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    up_to_parameters: int
    factor: float
    why: str = ""
    least_steps: int = 0
    why_steps: str = ""


class Catalogue(BaseModel):
    """``presets/bases.toml``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: tuple[CatalogueBase, ...]
    by_size: tuple[SizeRule, ...]


@cache
def catalogue() -> Catalogue:
    """Return what ships with the product."""
    return Catalogue.model_validate(tomllib.loads((resource("presets") / "bases.toml").read_text("utf-8")))


def title_of(base_id: str) -> str:
    """Return what people call a base model; of one that is not in the catalogue, what they gave."""
    return next((base.title for base in catalogue().base if base.id == base_id), base_id)


def size_rule(parameters: int) -> SizeRule:
    """Return the rule for a model of that size."""
    rules = catalogue().by_size
    return next((rule for rule in rules if parameters <= rule.up_to_parameters), rules[-1])


def smallest_that_speaks(language: str) -> CatalogueBase | None:
    """Return the smallest of the catalogue whose makers name that language (two letters); a gated one only where there is no
    other.
    """
    speaking = [base for base in catalogue().base if base.traits.speaks(language)]
    return min(speaking, key=lambda base: (base.gated, base.parameters), default=None)


def next_larger(parameters: int, languages: Collection[str]) -> CatalogueBase | None:
    """Return the next larger one of the catalogue, of those that speak these languages where there are any; a gated one only
    where there is no other.
    """
    larger = [base for base in catalogue().base if base.parameters > parameters]
    speaking = [base for base in larger if all(map(base.traits.speaks, languages))]
    return min(speaking or larger, key=lambda base: (base.gated, base.parameters), default=None)


def smallest_with_tools() -> CatalogueBase | None:
    """Return the smallest of the catalogue whose chat template takes tools; a gated one only where there is no other."""
    taking = [base for base in catalogue().base if base.traits.tools]
    return min(taking, key=lambda base: (base.gated, base.parameters), default=None)
