"""Languages of a dataset: their names, and how they are said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from brightrun_tui.domain import humanize

NAMES: Mapping[str, str] = {
    "af": "Afrikaans", "ar": "Arabic", "az": "Azerbaijani", "be": "Belarusian", "bg": "Bulgarian", "bn": "Bengali",
    "bs": "Bosnian", "ca": "Catalan", "cs": "Czech", "cy": "Welsh", "da": "Danish", "de": "German", "el": "Greek",
    "en": "English", "eo": "Esperanto", "es": "Spanish", "et": "Estonian", "eu": "Basque", "fa": "Persian",
    "fi": "Finnish", "fr": "French", "fy": "Frisian", "ga": "Irish", "gl": "Galician", "gu": "Gujarati",
    "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "hy": "Armenian", "id": "Indonesian",
    "is": "Icelandic", "it": "Italian", "ja": "Japanese", "ka": "Georgian", "kk": "Kazakh", "ko": "Korean",
    "la": "Latin", "lb": "Luxembourgish", "lt": "Lithuanian", "lv": "Latvian", "mk": "Macedonian", "ml": "Malayalam",
    "mr": "Marathi", "ms": "Malay", "mt": "Maltese", "nl": "Dutch", "no": "Norwegian", "pa": "Punjabi", "pl": "Polish",
    "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sk": "Slovak", "sl": "Slovenian", "sq": "Albanian",
    "sr": "Serbian", "sv": "Swedish", "sw": "Swahili", "ta": "Tamil", "te": "Telugu", "th": "Thai", "tl": "Tagalog",
    "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip
"""By ISO 639 code, the languages that texts are mostly in."""

_ALIKE = {"nb": "no", "nn": "no", "ary": "ar", "arz": "ar", "wuu": "zh", "yue": "zh", "hbo": "he", "uzs": "uz"}
"""Kinds of a language that its speakers do not tell apart by name."""


def plain_code(code: str) -> str:
    """Return ``pt`` for ``pt-BR``, ``no`` for ``nb``."""
    main = code.split("-")[0]
    return _ALIKE.get(main, main)


def language_name(code: str) -> str:
    """Return the language's English name; the code itself where it is not among `NAMES`."""
    return NAMES.get(code, code)


def languages_said(codes: Sequence[str], most: int = 4) -> str:
    """Write as “English”, “Chinese, English, French, Spanish and 8 more”."""
    names = ", ".join(language_name(plain_code(code)) for code in codes[:most])
    return f"{names} and {len(codes) - most} more" if len(codes) > most else names


def shares_said(shares: Mapping[str, float], most: int = 4) -> str:
    """Write as “German 97%, English 3%”."""
    said = [f"{language_name(code)} {humanize.share(share)}" for code, share in list(shares.items())[:most]]
    if len(shares) > most:
        said.append(f"{len(shares) - most} more")
    return ", ".join(said)
