"""Textual's SVG as PNG, on a grid of cells. Needs Pillow and DejaVu."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree


def draw_png(svg: str, target: Path, cell: tuple[int, int] = (9, 18)) -> None:
    """Draw the picture into a file. Nothing happens without Pillow."""
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError:
        return
    fonts = {
        bold: ImageFont.truetype(f"/usr/share/fonts/truetype/dejavu/DejaVuSansMono{'-Bold' if bold else ''}.ttf", 15)
        for bold in (False, True)
    }
    styles = dict(re.findall(r"\.([\w-]+-r\d+)\s*\{([^}]*)\}", svg))
    tree = ElementTree.fromstring(svg)
    ns = "{http://www.w3.org/2000/svg}"
    matrix = next(node for node in tree.iter(f"{ns}g") if (node.get("class") or "").endswith("-matrix"))
    screen = next(node for node in tree.iter(f"{ns}g") if matrix in list(node))
    x_unit, y_unit = 12.2, 24.4
    rects = [node for node in screen if node.tag == f"{ns}rect"]
    texts = list(matrix.iter(f"{ns}text"))
    columns = round(max(float(node.get("x", 0)) + float(node.get("textLength", 0)) for node in texts) / x_unit)
    rows = round(max(float(node.get("y", 0)) for node in texts) / y_unit)
    columns = max([columns, *(round((float(r.get("x", 0)) + float(r.get("width", 0))) / x_unit) for r in rects)])
    picture = Image.new("RGB", (columns * cell[0], rows * cell[1]), "#121416")
    pen = ImageDraw.Draw(picture)
    for rect in rects:
        left, top = round(float(rect.get("x", 0)) / x_unit), round((float(rect.get("y", 0)) - 1.5) / y_unit)
        wide, high = round(float(rect.get("width", 0)) / x_unit), max(1, round(float(rect.get("height", 0)) / y_unit))
        if wide < 1:
            continue
        pen.rectangle(
            (left * cell[0], top * cell[1], (left + wide) * cell[0] - 1, (top + high) * cell[1] - 1), rect.get("fill")
        )
    for node in texts:
        style = styles.get(node.get("class", ""), "")
        found = re.search(r"fill:\s*([^;\s]+)", style)
        fill = found.group(1) if found else "#cccccc"
        column, top = float(node.get("x", 0)) / x_unit, round((float(node.get("y", 0)) - 20) / y_unit)
        for index, character in enumerate(html.unescape(node.text or "").replace("\xa0", " ")):
            if "\u2800" <= character <= "\u28ff":
                draw_braille(pen, round((column + index) * cell[0]), top * cell[1], cell, ord(character) - 0x2800, fill)
            elif character != " ":
                pen.text(
                    (round((column + index) * cell[0]), top * cell[1] - 1),
                    character,
                    fill=fill,
                    font=fonts["bold" in style],
                )
    picture.save(target)


def draw_braille(pen: Any, x: int, y: int, cell: tuple[int, int], dots: int, fill: str) -> None:
    """Draw a braille character: fonts often lack these, and terminals draw them themselves too."""
    places = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
    for bit, (column, row) in enumerate(places):
        if dots >> bit & 1:
            left, top = x + 1 + column * cell[0] / 2, y + 1 + row * cell[1] / 4
            pen.ellipse((left, top, left + 2.4, top + 2.4), fill)
