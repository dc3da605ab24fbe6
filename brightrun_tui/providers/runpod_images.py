"""RunPod's own images with PyTorch, by the CUDA that they are built for: which one a host is started with."""

from __future__ import annotations

from collections.abc import Iterable

IMAGES: dict[str, str] = {
    "12.8": "runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404",
    "13.0": "runpod/pytorch:1.0.3-cu1300-torch291-ubuntu2404",
}
"""A driver runs images of its own CUDA and of older ones; one of a newer CUDA does not start there at all."""


def oldest_cuda(offered: Iterable[str], least: str) -> str:
    """Return the oldest CUDA among the hosts that may be given, which is what an image must be content with.

    Args:
        offered: of hosts that are free now, as the catalogue has them; what is not a version counts for nothing.
        least: older ones are not asked for; also the answer where nothing is known.
    """
    known = [version for version in map(_version, offered) if version >= _version(least)]
    return "{}.{}".format(*min(known)) if known else least


def image_for(cuda: str, least: str) -> tuple[str, str]:
    """Return the newest of `IMAGES` that a host of that CUDA runs (the oldest, where it is too old for all), and the CUDA to
    ask for: that of the image, or ``least`` where that is newer."""
    fitting = [version for version in IMAGES if _version(version) <= _version(cuda)]
    chosen = max(fitting, key=_version) if fitting else min(IMAGES, key=_version)
    return IMAGES[chosen], max(chosen, least, key=_version)


def _version(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return (int(major), int(minor or "0")) if major.isdecimal() and (minor or "0").isdecimal() else (0, 0)
