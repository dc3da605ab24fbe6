"""Packages outside the tree, installed into a directory of their own without pip or a network."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"

_BLOCK = re.compile(r"^```(python|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_GROUP = re.compile(r'\[project\.entry-points\."([\w.]+)"\]\n(.*)', re.DOTALL)


def install(
    site: Path,
    name: str,
    modules: dict[str, str],
    entry_points: dict[str, dict[str, str]],
    *,
    version: str = "1.0",
    requires: tuple[str, ...] = (),
) -> None:
    """What pip would leave there: modules by file name, and the metadata by which Python finds the entry points."""
    for module, source in modules.items():
        (site / module).parent.mkdir(parents=True, exist_ok=True)
        (site / module).write_text(source, encoding="utf-8")
    metadata = site / f"{name.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir(parents=True)
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        *(f"Requires-Dist: {line}" for line in requires),
    ]
    (metadata / "METADATA").write_text("\n".join(lines) + "\n")
    (metadata / "entry_points.txt").write_text(
        "".join(
            f"[{group}]\n" + "".join(f"{key} = {target}\n" for key, target in points.items())
            for group, points in entry_points.items()
        )
    )


def install_examples(site: Path) -> None:
    """The package ``acme-pack``: the examples of every page ``docs/adding-….md``, word for word."""
    modules: dict[str, str] = {}
    points: dict[str, dict[str, str]] = {}
    for page in sorted(DOCS.glob("adding-*.md")):
        blocks = dict(_BLOCK.findall(page.read_text("utf-8")))
        modules[blocks["python"].split("\n")[0].removeprefix("# ")] = blocks["python"]
        group, body = _GROUP.findall(blocks["toml"])[0]
        points[group] = {
            name.strip(): target.strip().strip('"')
            for name, target in (line.split("=") for line in body.strip().splitlines())
        }
    install(site, "acme-pack", modules, points)
