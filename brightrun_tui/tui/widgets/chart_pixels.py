"""A chart as a PNG, drawn with Pillow, twice as fine as it is measured."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from PIL import Image, ImageDraw, ImageFont

from brightrun_tui.tui.widgets.chart_shapes import ChartWords, Shape, Stroke

SCALE = 2
PixelPoint = tuple[float, float]


def as_pixels(shapes: Sequence[Shape], width: int, height: int) -> bytes:
    """Return the file, on white."""
    image = Image.new("RGB", (SCALE * width, SCALE * height), "white")
    pen = ImageDraw.Draw(image)
    for shape in shapes:
        if isinstance(shape, ChartWords):
            _write(pen, shape)
        else:
            _draw(pen, shape)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def _write(pen: ImageDraw.ImageDraw, words: ChartWords) -> None:
    anchor = {"start": "ls", "middle": "ms", "end": "rs"}[words.anchor]
    font = ImageFont.load_default(SCALE * words.size)
    pen.text((SCALE * words.x, SCALE * words.y), words.text, fill=words.colour, font=font, anchor=anchor)


def _draw(pen: ImageDraw.ImageDraw, stroke: Stroke) -> None:
    points = [(SCALE * x, SCALE * y) for x, y in stroke.points]
    width = max(1, round(SCALE * stroke.width))
    if len(points) == 1:
        (x, y) = points[0]
        pen.ellipse((x - width, y - width, x + width, y + width), fill=stroke.colour)
    for piece in _dashed(points, [SCALE * length for length in stroke.dash]) if stroke.dash else [points]:
        if len(piece) > 1:
            pen.line(piece, fill=stroke.colour, width=width, joint="curve")


def _dashed(points: Sequence[PixelPoint], lengths: Sequence[float]) -> Iterator[list[PixelPoint]]:
    """Yield the pieces of a line that are drawn: every other of these lengths, along it."""
    number, left, piece = 0, lengths[0], list(points[:1])
    for start, end in pairwise(points):
        whole = math.dist(start, end)
        gone = 0.0
        while whole - gone > left:
            gone += left
            at = start[0] + (end[0] - start[0]) * gone / whole, start[1] + (end[1] - start[1]) * gone / whole
            if number % 2 == 0:
                yield [*piece, at]
            number += 1
            left, piece = lengths[number % len(lengths)], [at]
        left -= whole - gone
        piece.append(end)
    if number % 2 == 0:
        yield piece
