"""Base models as lines of their picker, and the one under the cursor in sentences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from brightrun_tui.domain import humanize
from brightrun_tui.domain.languages import language_name, languages_said
from brightrun_tui.planning.architecture import Traits
from brightrun_tui.planning.base_fit import BaseFit
from brightrun_tui.planning.hub_search import FoundModel
from brightrun_tui.planning.memory import SAFE
from brightrun_tui.planning.offers import WeighedOffer
from brightrun_tui.planning.remedies import Remedy
from brightrun_tui.tui.widgets import cells, offer_text

FITS = {"safe": "✓ fits", "tight": "! tight", "no": "✗ too much"}
MARKS = {"tight": "!", "no": "✗"}
SEVERAL, MANY = 2, 13
"""So many languages are named in a column, and below the table; more are counted."""
LEAST_NAME, LONGEST_NAME = 19, 30


@dataclass(frozen=True)
class BaseLine:
    """A base as the table has it: ``remedy`` lets it fit where it does not; None if there is none, or none is known yet.

    ``language`` of the data (two letters): whether the base speaks it is said; empty if it is not known.
    """

    fit: BaseFit
    remedy: Remedy | None = None
    language: str = ""


@dataclass(frozen=True)
class BaseColumn:
    """``spare``: where there is no room, the column with the highest number goes first; 0 stays."""

    title: str
    width: int
    show: Callable[[BaseLine], str]
    spare: int = 0
    right: bool = False


COLUMNS: tuple[BaseColumn, ...] = (
    BaseColumn("size", 6, lambda one: humanize.parameters(one.fit.base.parameters) if one.fit.base.parameters else "", 2, True),
    BaseColumn("context", 7, lambda one: humanize.count(one.fit.context) if one.fit.context else "", 4, True),
    BaseColumn("memory", 9, lambda one: memory(one.fit), 1, True),
    BaseColumn("time", 11, lambda one: time(one.fit), 3, True),
    BaseColumn("fits", 20, lambda one: fits(one)),
    BaseColumn("can", 13, lambda one: able(one.fit.base.traits), 5),
    BaseColumn("licence", 12, lambda one: "to accept" if one.fit.base.gated else one.fit.base.license, 6),
    BaseColumn("languages", 16, lambda one: spoken(one.fit.base.traits, one.language), 7),
    BaseColumn("here", 15, lambda one: place(one), 8),
)  # fmt: skip


ENGLISH = ("", "en")
"""Languages of data that every base speaks, or that are not known: then its licence is the more telling column."""


def columns_for(width: int, language: str) -> tuple[BaseColumn, ...]:
    """Return those for which there is room beside the name, where the data are in that language."""
    kept = COLUMNS
    if language not in ENGLISH:
        first = {"licence": 7, "languages": 6}
        kept = tuple(replace(one, spare=first.get(one.title, one.spare)) for one in COLUMNS)
    while LEAST_NAME + sum(one.width + 1 for one in kept) > width and (least := max(one.spare for one in kept)):
        kept = tuple(one for one in kept if one.spare != least)
    return kept


def head(width: int, language: str) -> str:
    """Return the titles over the columns."""
    kept = columns_for(width, language)
    return _row("base", [column.title for column in kept], kept, width)


def base_row(one: BaseLine, width: int) -> str:
    """Return one base with the data and on the machine of the plan."""
    kept = columns_for(width, one.language)
    return _row(cells.one_line(one.fit.base.title), [column.show(one) for column in kept], kept, width)


def found_row(model: FoundModel, width: int, language: str = "") -> str:
    """Return a model of the Hub as a line of the same table; what it would take is reckoned once it is chosen."""
    known = {
        "size": humanize.parameters(model.parameters) if model.parameters else "",
        "memory": humanize.NOTHING,
        "time": humanize.NOTHING,
        "fits": "on the Hub",
        "licence": "to accept" if model.gated else model.license,
        "languages": spoken(Traits(languages=model.languages), language),
    }
    name = cells.one_line(model.id.partition("/")[2] or model.id)
    kept = columns_for(width, language)
    return _row(name, [known.get(column.title, "") for column in kept], kept, width)


def _row(name: str, words: list[str], kept: tuple[BaseColumn, ...], width: int) -> str:
    room = min(LONGEST_NAME, width - sum(column.width + 1 for column in kept))
    said = [cells.fit(name, room)]
    for column, word in zip(kept, words, strict=True):
        text = cells.fit(word, column.width)
        said.append(text.rstrip().rjust(column.width) if column.right else text)
    return " ".join(said).rstrip()


def memory(fit: BaseFit) -> str:
    return humanize.size(fit.estimate.memory) if fit.estimate else humanize.NOTHING


def time(fit: BaseFit) -> str:
    found = fit.estimate
    return humanize.band(found.seconds_low, found.seconds_high) if found and found.fits != "no" else humanize.NOTHING


def fits(one: BaseLine) -> str:
    """Say whether it fits; where it does not, the smallest change with which it would."""
    found = one.fit.estimate
    if found is None:
        return humanize.NOTHING
    return f"{MARKS[found.fits]} → {one.remedy.brief}" if one.remedy and found.fits in MARKS else FITS[found.fits]


def able(traits: Traits) -> str:
    """Return ``tools, thinks``; empty if it is not known or not so."""
    return ", ".join(word for word, so in (("tools", traits.tools), ("thinks", traits.thinks)) if so)


def spoken(traits: Traits, language: str) -> str:
    """Return ``English``, ``29+ with German`` or ``8``; empty if it is not known."""
    if not traits.languages:
        return f"{traits.language_count}+" if traits.language_count else ""
    if len(traits.languages) <= SEVERAL and not traits.language_count:
        return languages_said(traits.languages)
    count = f"{traits.language_count}+" if traits.language_count else str(len(traits.languages))
    speaks = traits.speaks(language) if language else None
    return count if speaks is None else f"{count} {'with' if speaks else 'without'} {language_name(language)}"


def place(one: BaseLine) -> str:
    origin = one.fit.base.quantisation
    return f"✓ from {origin}" if one.fit.base.present and origin else "✓" if one.fit.base.present else ""


def base_detail(one: BaseLine) -> str:
    """Return what is known of a base, for the lines below the table."""
    base, traits = one.fit.base, one.fit.base.traits
    facts = [
        "on this machine" if base.present else "to be fetched",
        f"context {one.fit.context:,} tokens" if one.fit.context else "",
        "" if base.has_chat_template is None else "made for chats" if base.has_chat_template else "not made for chats",
        "takes tools" if traits.tools else "no tools" if traits.tools is False else "",
        "can think first" if traits.thinks else "",
        _languages(traits),
        f"licence {base.license}" if base.license else "",
        "to be accepted on its page" if base.gated else "",
    ]
    known = " · ".join(fact for fact in facts if fact)
    return f"{base.description} {base.id if base.id not in base.description else ''}".strip() + f"\n{known}"


def _languages(traits: Traits) -> str:
    if not traits.languages:
        return f"speaks {traits.language_count} languages and more" if traits.language_count else ""
    if traits.language_count:
        return f"speaks {languages_said(traits.languages[:MANY], MANY)} and others, {traits.language_count} in all"
    return f"speaks {languages_said(traits.languages, MANY)}"


def remedy_words(one: BaseLine, key: str) -> str:
    """Return what lets the base fit, and the key that takes both."""
    if one.remedy is None:
        return ""
    effect = f" ({one.remedy.effect})" if one.remedy.effect else ""
    return f"→ Fits with {one.remedy.brief}{effect}. {key} takes the base and this change."


def machine_words(fit: BaseFit, machine: WeighedOffer | None, asked: bool, key: str) -> str:
    """Say where it would fit, for a base that no change of settings lets fit here. ``asked``: a service was asked."""
    found = fit.estimate
    need = humanize.memory(found.memory * SAFE) if found else "more memory"
    if machine is None:
        none = (
            "No machine for rent now has room for it."
            if asked
            else "Connect a service that rents GPUs for a price (1)."
        )
        return f"→ Needs a machine with about {need}. {none}"
    offer = machine.offer
    price = f"{humanize.money(offer.price_per_hour)}/h" if offer.price_per_hour else "free"
    run = f", this run about {humanize.money(machine.cost_usd)}" if machine.cost_usd else ""
    return (
        f"→ Needs {humanize.memory(machine.memory * SAFE)}: {offer_text.where(offer)} {offer_text.gpu(offer)} {price}{run}. "
        f"{key} takes the base and this machine."
    )


def found_detail(model: FoundModel) -> str:
    """Return what is known of a model of the Hub before it is chosen."""
    licence = f"licence {model.license}" if model.license else "no licence is named"
    gate = "; it must be accepted on the model's page first" if model.gated else ""
    size = f"{humanize.parameters(model.parameters)} parameters" if model.parameters else "size not told"
    often = f", {humanize.count(model.downloads)} downloads in a month" if model.downloads else ""
    spoken_there = _languages(Traits(languages=model.languages))
    return (
        f"{model.id}, {size}, {licence}{gate}{often}{f', {spoken_there}' if spoken_there else ''}. "
        "Enter estimates memory and time for it."
    )
