"""Files that ship with the product: themes, presets, the pinned versions.

In a wheel they lie in ``brightrun_tui/_data``; in a checkout beside the package.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = _PACKAGE / "_data"


def resource(name: str) -> Path:
    """Return the path of ``themes``, ``presets`` or ``constraints.txt``.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    in_checkout = {"constraints.txt": "scripts/constraints.txt"}.get(name, name)
    for path in (_INSTALLED / name, _PACKAGE.parent / in_checkout):
        if path.exists():
            return path
    raise FileNotFoundError(f"“{name}” is missing from this installation; reinstall brightrun")
