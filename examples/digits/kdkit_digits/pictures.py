"""What the report and contact sheets show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kdkit import Case, Sample
from kdkit_digits.halves import CLASSES, SIDE

PIXEL = 16
IMAGE = SIDE * PIXEL
ROW, LABEL, BAR = 26, 70, 14
COLORS = {"teacher": "#4a5568", "student": "#2b6cb0", "control": "#a0aec0"}


def case_svg(case: Case) -> bytes:
    """A digit beside the probability that each model gives each class: SVG."""
    left = IMAGE + 30
    height = max(IMAGE, ROW * (len(case.predictions) + 1)) + 10
    width = left + LABEL + CLASSES * ROW + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="system-ui, sans-serif" font-size="13">',
        *_pixels(case.sample.inputs),
    ]
    for digit in range(CLASSES):
        parts.append(_text(left + LABEL + digit * ROW + ROW // 2, 16, str(digit), "middle"))
    for row, (model, prediction) in enumerate(case.predictions.items(), start=1):
        top = row * ROW
        parts.append(_text(left, top + 16, model))
        color = COLORS.get(model, "#718096")
        for digit, probability in enumerate(prediction):
            x = left + LABEL + digit * ROW + (ROW - BAR) // 2
            # A trace remains of a probability of zero, so that the column is seen.
            full = max(1.0, 20 * float(probability))
            parts.append(
                f'<rect x="{x}" y="{top + 21 - full:.1f}" width="{BAR}" height="{full:.1f}" fill="{color}"/>'
            )
    return "".join([*parts, "</svg>"]).encode()


def contact_sheet(samples: Sequence[Sample]) -> np.ndarray:
    """The samples in rows of eight, each pixel enlarged: uint8 RGB (H, W, 3)."""
    columns = min(8, len(samples))
    rows = -(-len(samples) // columns)
    cell = IMAGE + 4
    page = np.full((rows * cell, columns * cell), 255, np.uint8)
    for place, sample in enumerate(samples):
        top, left = place // columns * cell, place % columns * cell
        page[top : top + IMAGE, left : left + IMAGE] = sample.inputs.repeat(PIXEL, axis=0).repeat(PIXEL, axis=1)
    return np.repeat(page[..., None], 3, axis=-1)


def _pixels(image: np.ndarray) -> list[str]:
    return [
        f'<rect x="{x * PIXEL}" y="{y * PIXEL}" width="{PIXEL}" height="{PIXEL}" fill="rgb({v},{v},{v})"/>'
        for (y, x), v in np.ndenumerate(image)
    ]


def _text(x: int, y: int, text: str, anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="#2d3748">{text}</text>'
