"""Drawing on ultrasound pictures: outlines, text, tiles. Pictures are uint8 RGB (H, W, 3), 0..255."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]

# From Okabe and Ito's palette (2008), which colour-blind readers can tell apart, and seen on black as on white.
PALETTE: dict[str, Colour] = {
    "truth": (86, 180, 233),
    "teacher": (204, 121, 167),
    "student": (230, 159, 0),
    "control": (150, 150, 150),
}
SPARE: Colour = (0, 158, 115)
BACKGROUND: Colour = (16, 16, 16)
INK: Colour = (225, 225, 225)
FAINT: Colour = (140, 140, 140)

THRESHOLD = 0.5
_SUBPIXEL_BITS = 4


def colour_of(name: str) -> Colour:
    """The colour of a model (or of the truth), the same in every picture."""
    return PALETTE.get(name, SPARE)


def enlarged(frame: np.ndarray, width: int, height: int) -> np.ndarray:
    """A grey frame uint8 (H, W) as RGB of another size."""
    method = cv2.INTER_CUBIC if width >= frame.shape[1] else cv2.INTER_AREA
    return np.asarray(cv2.cvtColor(cv2.resize(frame, (width, height), interpolation=method), cv2.COLOR_GRAY2RGB))


def outline(picture: np.ndarray, mask: np.ndarray, colour: Colour, thickness: int = 1, fill: float = 0.0) -> None:
    """Draw where a mask or probability (h, w), 0..1, of any size passes one half.

    ``fill`` is the opacity of the inside's tint; a ``thickness`` of 0 leaves the line out.
    """
    height, width = picture.shape[:2]
    smooth = cv2.resize(np.asarray(mask, np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    if fill > 0:
        inside = smooth >= THRESHOLD
        picture[inside] = ((1 - fill) * picture[inside] + fill * np.array(colour)).astype(np.uint8)
    if thickness == 0:
        return
    # What is cut out twice as large has contours at half pixels, so lines run through the edge and not beside it.
    double = cv2.resize(smooth, (2 * width, 2 * height), interpolation=cv2.INTER_LINEAR) >= THRESHOLD
    contours, _ = cv2.findContours(double.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    fixed = [np.rint((contour - 0.5) / 2 * (1 << _SUBPIXEL_BITS)).astype(np.int32) for contour in contours]
    cv2.polylines(picture, fixed, True, colour, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)


# Characters; more do not fit into any picture.
_LONGEST_TEXT = 500


def write(picture: np.ndarray, x: int, y: int, text: str, colour: Colour = INK, size: int = 14) -> int:
    """Write a line whose top left corner is (x, y); returns the x where it ends."""
    return write_parts(picture, x, y, [(text, colour)], size)


def write_parts(picture: np.ndarray, x: int, y: int, parts: Sequence[tuple[str, Colour]], size: int = 14) -> int:
    """Write a line of differently coloured parts; returns the x where it ends."""
    font = _font(size)
    page = Image.fromarray(picture)
    pen = ImageDraw.Draw(page)
    for text, colour in ((_drawable(text), colour) for text, colour in parts):
        pen.text((x, y), text, colour, font)
        x += round(pen.textlength(text, font))
    picture[:] = np.asarray(page)
    return x


def _drawable(text: str) -> str:
    """Without what no one can see: of a line's end in a file's name, or bytes that are no text, Pillow may crash."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:_LONGEST_TEXT])


def blank(height: int, width: int) -> np.ndarray:
    """An empty picture."""
    return np.full((height, width, 3), BACKGROUND, np.uint8)


def grid(tiles: Sequence[np.ndarray], columns: int, gap: int = 4) -> np.ndarray:
    """Equally large tiles in rows, the last row filled up with background."""
    height, width = tiles[0].shape[:2]
    rows = -(-len(tiles) // columns)
    page = blank(rows * (height + gap) + gap, columns * (width + gap) + gap)
    for number, tile in enumerate(tiles):
        top, left = gap + number // columns * (height + gap), gap + number % columns * (width + gap)
        page[top : top + height, left : left + width] = tile
    return page


def png(picture: np.ndarray) -> bytes:
    """The picture as a PNG file."""
    target = io.BytesIO()
    Image.fromarray(picture).save(target, "PNG", optimize=True)
    return target.getvalue()


@lru_cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font: the same on every machine."""
    return ImageFont.load_default(size)
