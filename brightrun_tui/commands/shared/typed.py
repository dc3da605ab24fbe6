"""What a person types at a terminal, on one line or several."""

from __future__ import annotations

from contextlib import suppress

FENCE = '"""'
"""Between two of them a message may have several lines."""
_MORE = "… "


def typed_message(prompt: str) -> str:
    """Return the message, without white space around it: a line; all lines that are pasted at once, where the terminal says
    so; or what stands between two `FENCE`.

    Raises:
        EOFError: no more input comes.
    """
    with suppress(ImportError):
        import readline  # makes `input` a line editor

        readline.parse_and_bind("set enable-bracketed-paste on")  # Python switches it off, for its own prompt
    text = input(prompt).strip()
    if not text.startswith(FENCE):
        return text
    lines = [text.removeprefix(FENCE)]
    with suppress(EOFError):
        while FENCE not in lines[-1]:
            lines.append(input(_MORE))
    lines[-1] = lines[-1].partition(FENCE)[0]
    return "\n".join(lines).strip()
