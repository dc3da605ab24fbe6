"""Machines for rent in words: the rows of the table, and the chosen one in sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from textual.content import Content

from brightrun_tui.domain import humanize
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.money import Offer
from brightrun_tui.domain.service_names import OWN_BOXES
from brightrun_tui.planning.offers import WeighedOffer
from brightrun_tui.tui.widgets import cells, reflow
from brightrun_tui.tui.widgets.places import place

FITS = {"safe": ("✓", "fits", "$success"), "tight": ("!", "tight", "$warning"), "no": ("✗", "too small", "$error")}


@dataclass(frozen=True)
class OfferColumn:
    """One column of the table: its title, its cells, and what it shows."""

    title: str
    width: int
    show: Callable[[WeighedOffer], str]
    right: bool = False
    wide: bool = False
    style: str = ""
    spare: int = 0
    """Where there is no room, the column with the highest number goes first; those with 0 stay."""


def gpu(offer: Offer) -> str:
    """Write as ``2 × RTX 4090``, or the cores of a machine without a GPU."""
    machine = offer.hardware
    several = f"{machine.gpu_count} × " if machine.gpu_count > 1 else ""
    name = cells.one_line(machine.gpu).replace("NVIDIA ", "").replace("GeForce ", "")
    return f"{several}{name}" if machine.gpu_count else f"{machine.cores} cores"


def kind(offer: Offer) -> str:
    """Return ``on demand``, ``interruptible`` (it may be taken away) or ``yours``."""
    return "yours" if offer.provider == OWN_BOXES else "interruptible" if offer.interruptible else "on demand"


def region(offer: Offer) -> str:
    """Say where it stands; of one's own machine its name."""
    return cells.one_line(offer.id if offer.provider == OWN_BOXES else offer.region)


def where(offer: Offer) -> str:
    """Say who has it: the service, or the name of one's own machine."""
    return region(offer) if offer.provider == OWN_BOXES else place(offer.provider)


def hourly_price(offer: Offer) -> str:
    return humanize.money(offer.price_per_hour) if offer.price_per_hour else "free"


def run_time(one: WeighedOffer) -> str:
    """Say how long the run takes there; a dash where it does not fit."""
    return humanize.about(one.seconds) if one.fits != "no" else humanize.NOTHING


COLUMNS = (
    OfferColumn("from", 8, lambda one: "own" if one.offer.provider == OWN_BOXES else place(one.offer.provider)),
    OfferColumn("GPU", 13, lambda one: gpu(one.offer), style="bold"),
    OfferColumn("memory", 9, lambda one: humanize.size(one.offer.hardware.usable_memory), right=True, spare=1),
    OfferColumn("region", 14, lambda one: region(one.offer) or humanize.NOTHING, wide=True),
    OfferColumn("reliable", 10, lambda one: reliability(one.offer), right=True, wide=True),
    OfferColumn("network", 11, lambda one: network(one.offer), right=True, wide=True),
    OfferColumn("kind", 14, lambda one: kind(one.offer), style="$muted", spare=3),
    OfferColumn("$/hour", 8, lambda one: hourly_price(one.offer), right=True),
    OfferColumn("time", 7, lambda one: run_time(one), right=True, spare=2),
    OfferColumn("this run", 9, lambda one: cost(one), right=True, style="bold $accent"),
)  # fmt: skip


def cost(one: WeighedOffer) -> str:
    """Return what the run would cost there."""
    return humanize.NOTHING if one.fits == "no" else humanize.money(one.cost_usd) if one.cost_usd else "free"


def reliability(offer: Offer) -> str:
    """Return the share of its time that a machine was up, where its provider tells; else what kind of host it is."""
    if offer.reliability is not None:
        return f"{100 * offer.reliability:.1f}%"
    return cells.one_line(offer.tier) if offer.tier in ("secure", "community") else humanize.NOTHING


def network(offer: Offer) -> str:
    return f"{offer.network_mbps:,.0f} Mb/s" if offer.network_mbps else humanize.NOTHING


def columns_for(width: int) -> tuple[OfferColumn, ...]:
    """Return those for which there is room beside the mark."""
    kept = (
        COLUMNS
        if width >= sum(column.width for column in COLUMNS) + 1
        else tuple(one for one in COLUMNS if not one.wide)
    )
    while width < sum(column.width for column in kept) + 1 and (least := max(one.spare for one in kept)):
        kept = tuple(one for one in kept if one.spare != least)
    return kept


def table_head(width: int) -> Content:
    """Return the titles over the columns; two cells are left for the mark."""
    titles = "".join(_cell(column.title, column) for column in columns_for(width))
    return Content.styled(f"  {titles}".rstrip(), "$muted")


def table_row(one: WeighedOffer, width: int) -> Content:
    """Return one machine; what the run does not fit on is faint."""
    glyph, _word, style = FITS[one.fits]
    faint = "$faint" if one.fits == "no" else ""
    cells = [(_cell(column.show(one), column), faint or column.style) for column in columns_for(width)]
    return Content.assemble((f"{glyph} ", f"bold {style}"), *cells).rstrip()


def _cell(text: str, column: OfferColumn) -> str:
    room = column.width - 1
    return f"{cells.fit(text, room).strip().rjust(room) if column.right else cells.fit(text, room)} "


def machine_lines(one: WeighedOffer, width: int) -> reflow.Lines:
    """Return the chosen machine in sentences: where and what it is, whether the run fits, time and money, what may happen to
    it.
    """
    offer = one.offer
    glyph, word, style = FITS[one.fits]
    parts = [place(offer.provider), region(offer), kind(offer)]
    if reliability(offer) != humanize.NOTHING:
        parts.append(reliability(offer) + (" reliable" if offer.reliability is not None else ""))
    parts += [network(offer)] if offer.network_mbps else []
    title = Content.assemble((gpu(offer), "bold"), (f"  {cells.one_line(' · '.join(filter(None, parts)))}", "$muted"))
    memory = f"{humanize.size(one.memory)} of its {humanize.size(offer.hardware.usable_memory)} of memory"
    lines = [title.truncate(width, ellipsis=True)]
    said = Content.assemble((f"{glyph} {word}: ", f"bold {style}"), f"the run takes {memory}.")
    lines += reflow.text(said, width)
    if one.fits != "no" and one.cost_usd_high:
        traffic = f", {humanize.money(offer.once_usd)} of it for traffic" if offer.once_usd >= 0.005 else ""
        lines += reflow.text(f"About {humanize.about(one.seconds)} and {humanize.money(one.cost_usd)}{traffic}; up to "
                           f"{humanize.money(one.cost_usd_high)}. Disk is in the price.", width)  # fmt: skip
    if offer.interruptible:
        lines += reflow.text("It can be taken away at any time. The run then goes on elsewhere, from its newest checkpoint.",
                           width, "$warning")  # fmt: skip
    return lines


def silent_lines(silent: Mapping[str, BrightrunError], width: int) -> reflow.Lines:
    """Say who gave no answer, and why."""
    lines: reflow.Lines = []
    for name, error in silent.items():
        named = error.what.startswith(place(name))
        mark = "✗ " if named else f"✗ {place(name)}: "
        said = Content.assemble((mark, "bold $error"), cells.plain(error.what))
        lines += reflow.text(said, width, most=2)
        if error.fix:
            lines += reflow.indented(reflow.text(error.fix, width - 4, most=1), 4, "  →", "bold $accent")
    return lines
