"""Pictures of aggregates as PNG: heatmaps, graphs of navigation, bars; never of fewer than k people. Pure."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

SMOOTH_CELLS = 1.0
"""How far a click's warmth reaches, in cells (sigma). Cells of fewer than k people are gone before this."""

SCALE_PX = 10
INK = (32, 38, 46)
PAPER = (255, 255, 255)
WARM = (214, 72, 38)
LINE = (70, 110, 160)
FADED = (225, 229, 234)


def heatmap(grid: Sequence[Sequence[int]]) -> bytes:
    """Draw a grid of counts, rows from the top; the hottest cell is the warmest colour."""
    values = gaussian_filter(np.asarray(grid, dtype=float), SMOOTH_CELLS)
    peak = values.max()
    part = np.sqrt(values / peak) if peak > 0 else values
    colours = np.asarray(PAPER) + part[..., None] * (np.asarray(WARM) - np.asarray(PAPER))
    image = Image.fromarray(colours.astype(np.uint8), "RGB")
    image = image.resize((image.width * SCALE_PX, image.height * SCALE_PX), Image.Resampling.BILINEAR)
    ImageDraw.Draw(image).rectangle((0, 0, image.width - 1, image.height - 1), outline=FADED)
    return _png(image)


def graph(edges: Sequence[tuple[str, str, int]], *, size: int = 640) -> bytes:
    """Draw places on a circle and the ways between them, the more used the thicker."""
    names = sorted({name for one, other, _count in edges for name in (one, other)})
    image = Image.new("RGB", (size + 240, size), PAPER)
    draw = ImageDraw.Draw(image)
    middle, radius = size / 2, size * 0.38
    places = {
        name: (
            middle + 120 + radius * math.cos(2 * math.pi * number / max(1, len(names))),
            middle + radius * math.sin(2 * math.pi * number / max(1, len(names))),
        )
        for number, name in enumerate(names)
    }
    most = max((count for _one, _other, count in edges), default=1)
    for one, other, count in edges:
        (x1, y1), (x2, y2) = places[one], places[other]
        # Ways there and back lie beside one another.
        length = math.dist((x1, y1), (x2, y2)) or 1.0
        dx, dy = 6 * (y2 - y1) / length, -6 * (x2 - x1) / length
        line = (x1 + dx, y1 + dy, x2 + dx, y2 + dy)
        draw.line(line, fill=LINE, width=1 + round(7 * count / most))
        tip = (x2 + dx - (x2 - x1) / length * 14, y2 + dy - (y2 - y1) / length * 14)
        draw.ellipse((tip[0] - 4, tip[1] - 4, tip[0] + 4, tip[1] + 4), fill=INK)
    for name, (x, y) in places.items():
        draw.ellipse((x - 7, y - 7, x + 7, y + 7), fill=WARM, outline=INK)
        label = name.partition("://")[2].partition("/")[2] or name
        left = x < middle + 120
        draw.text((x - 12 if left else x + 12, y), f"/{label}"[:32], fill=INK, anchor="rm" if left else "lm")
    return _png(image)


def bars(rows: Sequence[tuple[str, float]], *, width: int = 640) -> bytes:
    """Draw labelled bars, one below the other."""
    line = 22
    image = Image.new("RGB", (width, max(1, len(rows)) * line + 8), PAPER)
    draw = ImageDraw.Draw(image)
    most = max((value for _label, value in rows), default=1.0) or 1.0
    for number, (label, value) in enumerate(rows):
        top = 4 + number * line
        draw.text((4, top + 3), label[:34], fill=INK)
        draw.rectangle((230, top + 2, 230 + round((width - 330) * value / most), top + line - 5), fill=LINE)
        draw.text((236 + round((width - 330) * value / most), top + 3), f"{value:,.0f}", fill=INK)
    return _png(image)


def _png(image: Image.Image) -> bytes:
    sink = io.BytesIO()
    image.save(sink, "PNG", optimize=True)
    return sink.getvalue()
