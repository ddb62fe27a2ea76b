"""Pictures of aggregates as PNG: heatmaps, graphs of navigation, bars; never of fewer than k people. Pure.

Everything is drawn at twice the size at which it is shown, for screens with small pixels.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter

SMOOTH_CELLS = 1.0
"""How far a click's warmth reaches, in cells (sigma). Cells of fewer than k people are gone before this."""

SCALE = 2
"""Pixels drawn for each one shown."""

CELL = 10 * SCALE
MARGIN = 44 * SCALE
KEY = 110 * SCALE
"""Room beside a heatmap for the scale of its page, and of its colours."""

INK = (32, 38, 46)
PAPER = (255, 255, 255)
WARM = (214, 72, 38)
LINE = (70, 110, 160)
FADED = (196, 202, 210)

MAX_LABEL = 34
SMALL, NORMAL = 11 * SCALE, 13 * SCALE


class Box(NamedTuple):
    """Where an element stands on a page (CSS pixels), and its name or role."""

    label: str
    x: float
    y: float
    width: float
    height: float


def heatmap(grid: Sequence[Sequence[int]], cell_px: int, boxes: Sequence[Box] = ()) -> bytes:
    """Draw a grid of counts, rows from the top, each cell so many CSS pixels; the hottest is the warmest colour.

    The boxes of elements are drawn over it. Beside it stand the page's scale and what the colours mean.
    """
    counts = np.asarray(grid, dtype=float)
    values = gaussian_filter(counts, SMOOTH_CELLS)
    peak = values.max()
    part = np.sqrt(values / peak) if peak > 0 else values
    warm = Image.fromarray(_colours(part), "RGB")
    warm = warm.resize((warm.width * CELL, warm.height * CELL), Image.Resampling.BILINEAR)
    image = Image.new("RGB", (warm.width + MARGIN + KEY, warm.height + MARGIN), PAPER)
    image.paste(warm, (MARGIN, 0))
    draw = ImageDraw.Draw(image)
    draw.rectangle((MARGIN, 0, MARGIN + warm.width - 1, warm.height - 1), outline=FADED, width=SCALE)
    for box in boxes:
        _outline(draw, box, CELL / cell_px, warm.size)
    for column in range(0, len(grid[0]) + 1, 16):
        anchor = "ra" if column == len(grid[0]) else "ma" if column else "la"
        place = (MARGIN + column * CELL, warm.height + 6 * SCALE)
        draw.text(place, f"{column * cell_px:,}", fill=INK, font=_font(SMALL), anchor=anchor)
    draw.text((MARGIN, warm.height + 22 * SCALE), "CSS pixels of the page", fill=INK, font=_font(SMALL))
    for row in range(0, len(grid) + 1, 10):
        anchor = "rs" if row == len(grid) else "rm" if row else "ra"
        draw.text((MARGIN - 6 * SCALE, row * CELL), f"{row * cell_px:,}", fill=INK, font=_font(SMALL), anchor=anchor)
    _key(image, draw, MARGIN + warm.width + 20 * SCALE, float(counts.max()))
    return _png(image)


def _colours(part: NDArray[np.float64]) -> NDArray[np.uint8]:
    paper, warm = np.asarray(PAPER, dtype=float), np.asarray(WARM, dtype=float)
    return np.asarray(paper + part[..., None] * (warm - paper), dtype=np.uint8)


def _outline(draw: ImageDraw.ImageDraw, box: Box, scale: float, size: tuple[int, int]) -> None:
    """Draw an element's box and, where there is room, what it is."""
    left, right = (min(max(at * scale, 0), size[0] - SCALE) + MARGIN for at in (box.x, box.x + box.width))
    top, bottom = (min(max(at * scale, 0), size[1] - SCALE) for at in (box.y, box.y + box.height))
    if right <= left or bottom <= top:
        return  # it lies outside what is drawn
    draw.rectangle((left, top, right, bottom), outline=INK, width=1)
    label = box.label[:MAX_LABEL]
    if draw.textlength(label, font=_font(SMALL)) <= right - left - 6 * SCALE and bottom - top >= SMALL:
        draw.text((left + 3 * SCALE, (top + bottom) / 2), label, fill=INK, font=_font(SMALL), anchor="lm")


def _key(image: Image.Image, draw: ImageDraw.ImageDraw, left: int, most: float) -> None:
    """Draw what the colours mean: the most clicks in one cell, and none."""
    height, width = 120 * SCALE, 16 * SCALE
    ramp = np.repeat(np.linspace(1, 0, height)[:, None], width, axis=1)
    image.paste(Image.fromarray(_colours(np.sqrt(ramp)), "RGB"), (left, 24 * SCALE))
    draw.rectangle((left, 24 * SCALE, left + width, 24 * SCALE + height), outline=FADED, width=SCALE)
    draw.text((left, 4 * SCALE), "clicks a cell", fill=INK, font=_font(SMALL))
    beside = left + width + 6 * SCALE
    draw.text((beside, 24 * SCALE), f"{most:,.0f}", fill=INK, font=_font(SMALL), anchor="la")
    draw.text((beside, 24 * SCALE + height), "0", fill=INK, font=_font(SMALL), anchor="ls")


def graph(edges: Sequence[tuple[str, str, int]], *, size: int = 460) -> bytes:
    """Draw places on a circle and the ways between them, the more used the thicker, with how often each was taken."""
    names = sorted({name for one, other, _count in edges for name in (one, other)})
    width, height = (size + 420) * SCALE, size * SCALE
    image = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(image)
    radius = height * 0.4
    # Half a step from the vertical, so that no place has its label over a way that goes straight up or down.
    angles = [math.tau * (number + 0.5) / max(1, len(names)) - math.pi / 2 for number in range(len(names))]
    places = {
        name: (width / 2 + radius * math.cos(angle), height / 2 + radius * math.sin(angle))
        for name, angle in zip(names, angles, strict=True)
    }
    most = max((count for _one, _other, count in edges), default=1)
    labels = [_way(draw, places[one], places[other], count, most) for one, other, count in edges]
    for place, label in labels:
        _label(draw, place, label, "mm", SMALL)
    for name, (x, y) in places.items():
        dot = 7 * SCALE
        draw.ellipse((x - dot, y - dot, x + dot, y + dot), fill=WARM, outline=INK, width=SCALE)
        path = name.partition("://")[2].partition("/")[2] or name
        left = x < width / 2
        _label(draw, (x - 14 * SCALE if left else x + 14 * SCALE, y), f"/{path}"[:MAX_LABEL], "rm" if left else "lm")
    return _png(image)


def _way(
    draw: ImageDraw.ImageDraw, begin: tuple[float, float], end: tuple[float, float], count: int, most: int
) -> tuple[tuple[float, float], str]:
    """Draw an arrow from a place to another; gives its label and where that belongs."""
    length = math.dist(begin, end) or 1.0
    along = ((end[0] - begin[0]) / length, (end[1] - begin[1]) / length)
    aside = (along[1], -along[0])
    thick = round((1 + 6 * count / most) * SCALE)
    # Ways there and back lie beside one another.
    offset = 7 * SCALE
    x1, y1 = (begin[axis] + aside[axis] * offset + along[axis] * 9 * SCALE for axis in range(2))
    x2, y2 = (end[axis] + aside[axis] * offset - along[axis] * 9 * SCALE for axis in range(2))
    tip = 6 * SCALE + thick
    draw.line((x1, y1, x2 - along[0] * tip, y2 - along[1] * tip), fill=LINE, width=thick)
    half = tip * 0.6
    back = (x2 - along[0] * tip, y2 - along[1] * tip)
    sides = [(back[0] + sign * aside[0] * half, back[1] + sign * aside[1] * half) for sign in (1, -1)]
    draw.polygon([(x2, y2), *sides], fill=LINE)
    return (x1 + (x2 - x1) * 0.6, y1 + (y2 - y1) * 0.6), f"{count:,}"


def _label(draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str, anchor: str, size: int = NORMAL) -> None:
    """Write on a ground of paper, so that a line below does not run through the letters."""
    left, top, right, bottom = draw.textbbox(place, text, font=_font(size), anchor=anchor)
    draw.rectangle((left - 3 * SCALE, top - SCALE, right + 3 * SCALE, bottom + SCALE), fill=PAPER)
    draw.text(place, text, fill=INK, font=_font(size), anchor=anchor)


def bars(rows: Sequence[tuple[str, float]], unit: str, *, width: int = 720) -> bytes:
    """Draw labelled bars, one below the other; the unit stands behind the numbers."""
    line, gap = 24 * SCALE, 6 * SCALE
    font = _font(NORMAL)
    image = Image.new("RGB", (width * SCALE, max(1, len(rows)) * line + gap), PAPER)
    draw = ImageDraw.Draw(image)
    shown = [(label[: 2 * MAX_LABEL], f"{value:,.0f} {unit}", value) for label, value in rows]
    left = max((draw.textlength(label, font=font) for label, _says, _value in shown), default=0) + 2 * gap
    room = image.width - left - max((draw.textlength(says, font=font) for _label, says, _value in shown), default=0)
    most = max((value for _label, value in rows), default=1.0) or 1.0
    for number, (label, says, value) in enumerate(shown):
        middle = gap + number * line + line / 2 - gap / 2
        end = left + (room - 2 * gap) * value / most
        draw.text((gap, middle), label, fill=INK, font=font, anchor="lm")
        draw.rectangle((left, middle - 8 * SCALE, max(end, left + SCALE), middle + 8 * SCALE), fill=LINE)
        draw.text((max(end, left + SCALE) + gap, middle), says, fill=INK, font=font, anchor="lm")
    return _png(image)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _png(image: Image.Image) -> bytes:
    sink = io.BytesIO()
    image.save(sink, "PNG", optimize=True)
    return sink.getvalue()
