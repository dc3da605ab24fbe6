"""Numbers as people read them, in the app, on the command line and in what is told of a run. Plain text, never markup."""

from __future__ import annotations

import math
import time
from datetime import datetime

NOTHING = "–"
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def duration(seconds: float | None) -> str:
    """Write as ``42 s``, ``4 min 05 s``, ``2 h 07 min``, ``3 d 4 h``; a dash where it is unknown."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def roughly(seconds: float) -> str:
    """Return a duration in ten letters at most, no finer than it can be known or matters: ``42 s``, ``4 min 05 s``, ``21
    min``, ``2 h 07 min``, ``13 h``, ``3 d 4 h``."""
    if not 600 <= seconds < 86_400 or 3600 <= seconds < 35_970:
        return duration(seconds)
    return f"{round(seconds / 60)} min" if seconds < 3570 else f"{round(seconds / 3600)} h"


def span(seconds: float) -> str:
    """Return a span that was chosen, or is only about right: ``90 s``, ``15 min``, ``2.5 h``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"


def about(seconds: float) -> str:
    """Return a time that is a guess: ``42 min``, ``3.5 h``."""
    return f"{max(1, round(seconds / 60))} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def band(low: float, high: float) -> str:
    """Return two durations in one unit: ``24–97 s``, ``4–7 min``, ``1.5–2.1 h``."""
    unit, name = (1, "s") if high < 180 else (60, "min") if high < 5400 else (3600, "h")
    digits = 1 if unit == 3600 else 0
    first, second = f"{low / unit:.{digits}f}", f"{high / unit:.{digits}f}"
    return f"{second} {name}" if first == second else f"{first}–{second} {name}"


def size(count: float | None) -> str:
    """Return a number of bytes as ``812 MiB`` or ``1.4 GiB``."""
    if count is None:
        return NOTHING
    value = float(count)
    for unit in _UNITS[:-1]:
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} {_UNITS[-1]}"


def sizes(part: float, whole: float) -> str:
    """Return bytes of others, in the unit of these: ``0.4 of 7.8 GiB``."""
    power = 0
    while power < 3 and whole / 1024**power >= 1000:
        power += 1
    digits = 1 if power else 0
    return f"{part / 1024**power:.{digits}f} of {whole / 1024**power:.{digits}f} {_UNITS[power]}"


def memory(count: float) -> str:
    """Return bytes of a machine or of what it must have, as machines are sold: ``24 GiB``."""
    return f"{count / 1024**3:.0f} GiB"


def limit(count: int) -> str:
    """Return bytes that a rule of ours allows, whole MiB: ``64 MiB``, ``2,048 MiB``."""
    return f"{count >> 20:,} MiB"


def money(amount: float | None) -> str:
    """Return US dollars: ``$1,234.50``, ``$0.42``, ``$0.056``, ``$0.0031``. Nothing is free, or as dear as something else, by
    rounding: below ten cents there are digits."""
    if amount is None:
        return NOTHING
    if amount < 0:
        return f"-{money(-amount)}"
    if not amount or amount >= 0.1:
        return f"${amount:,.2f}"
    if amount < 0.01:
        return f"${amount:.{4 if amount >= 0.00005 else 1 - math.floor(math.log10(amount))}f}"
    digits = f"{amount:.4f}".rstrip("0")
    return f"${digits:0<4}"


def money_apart(first: float, second: float) -> tuple[str, str]:
    """Return two amounts that are compared, with as many digits as it takes to see which one is larger."""
    found = money(first), money(second)
    for digits in range(3, 10):
        if first == second or found[0] != found[1]:
            break
        found = f"${first:,.{digits}f}", f"${second:,.{digits}f}"
    return found


def money_exact(amount: float) -> str:
    """Return US dollars in a table of costs, to the hundredth of a cent whatever they are: ``$1,234.5000``."""
    return f"${amount:,.4f}"


def money_counted(amount: float) -> str:
    """Return US dollars that are being counted up before one's eyes: to the hundredth of a cent below a dollar."""
    return money_exact(amount) if amount < 1 else money(amount)


def count(number: float | None) -> str:
    """Write as ``950``, ``12.3 k``, ``1.24 M``, ``7.6 B``."""
    if number is None:
        return NOTHING
    for limit, unit in ((1e9, " B"), (1e6, " M"), (1e3, " k")):
        if abs(number) >= 0.9995 * limit and abs(number) >= 1e4:
            return f"{number / limit:.3g}{unit}"
    return f"{number:,.0f}"


def parameters(number: float) -> str:
    """Return weights of a model, three digits whatever they are, so that one model has one size: ``135 M``, ``1.00 B``,
    ``7.62 B``.
    """
    for limit, unit in ((1e12, " T"), (1e9, " B"), (1e6, " M"), (1e3, " k")):
        if abs(number) >= 0.9995 * limit:
            return f"{number / limit:#.3g}".removesuffix(".") + unit
    return f"{number:,.0f}"


def rate(per_second: float | None) -> str:
    """Write as ``85 /s``, ``8.3 /s``; a dash where it is unknown."""
    if per_second is None or not math.isfinite(per_second):
        return NOTHING
    return f"{per_second:,.0f} /s" if per_second >= 10 else f"{per_second:.1f} /s"


def latency(seconds: float | None) -> str:
    """Write as ``145 ms``, ``2.4 s``; a dash where it is unknown."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    return f"{seconds * 1000:.0f} ms" if seconds < 0.9995 else f"{seconds:.1f} s"


def loss(value: float | None) -> str:
    """Return a loss in nats as ``2.315``, ``148`` or ``3e+07``; a dash where it is unknown or not a number."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:.3f}" if abs(value) < 100 else f"{value:.0f}" if abs(value) < 1e6 else f"{value:.0e}"


def percent(fraction: float) -> str:
    """Write as ``42%``."""
    return f"{100 * fraction:.0f}%"


def share(fraction: float) -> str:
    """Write as ``42%`` of what was counted; what is there is never 0%, and what is not all is never 100%."""
    said = percent(fraction)
    if said == "0%" and fraction > 0:
        return "<1%"
    return ">99%" if said == "100%" and fraction < 1 else said


def clock(moment: float | None) -> str:
    """Write as ``14:05``; a dash where there is none."""
    return datetime.fromtimestamp(moment).strftime("%H:%M") if moment else NOTHING


def day(moment: float | None) -> str:
    """Write as ``14:05`` today, ``12 Mar`` this year, ``2024-03-12`` before."""
    if not moment:
        return NOTHING
    then, now = datetime.fromtimestamp(moment), datetime.now()
    if then.date() == now.date():
        return then.strftime("%H:%M")
    return f"{then.day} {then:%b}" if then.year == now.year else then.strftime("%Y-%m-%d")


def date(moment: float | None) -> str:
    """Write as ``2026-03-12 14:05``: for what is read later and elsewhere."""
    return datetime.fromtimestamp(moment).strftime("%Y-%m-%d %H:%M") if moment else NOTHING


def ago(moment: float | None, now: float | None = None) -> str:
    """Write as ``just now``, ``40 s ago``, ``5 min ago``, ``2 h 07 min ago``; ``now``: the present, if it is not to be
    looked at.
    """
    if not moment:
        return "never"
    seconds = max(0.0, (time.time() if now is None else now) - moment)
    if seconds < 5:
        return "just now"
    return f"{seconds // 60:.0f} min ago" if 60 <= seconds < 3600 else f"{duration(seconds)} ago"
