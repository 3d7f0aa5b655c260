"""What the report and contact sheets show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kdkit import Case, Sample
from kdkit_digits.halves import CLASSES, SIDE

PIXEL = 16
IMAGE = SIDE * PIXEL
LEFT = IMAGE + 30
ROW, LABEL, BAR = 26, 70, 14
COLORS = {"teacher": "#4a5568", "student": "#2b6cb0", "control": "#a0aec0"}


def case_svg(case: Case) -> bytes:
    """A digit beside the probability that each model gives each class: SVG."""
    height = max(IMAGE, ROW * (len(case.predictions) + 1)) + 10
    width = LEFT + LABEL + CLASSES * ROW + 10
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="system-ui, sans-serif" font-size="13">'
    )
    digits = [_text(_column(digit) + BAR // 2, 16, str(digit), "middle") for digit in range(CLASSES)]
    rows = [
        part
        for row, (model, prediction) in enumerate(case.predictions.items(), start=1)
        for part in _row(row * ROW, model, prediction)
    ]
    return "".join([head, *_pixels(case.sample.inputs), *digits, *rows, "</svg>"]).encode()


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


def _row(top: int, model: str, prediction: np.ndarray) -> list[str]:
    color = COLORS.get(model, "#718096")
    # A trace remains of a probability of zero, so that its column is seen.
    heights = [max(1.0, (ROW - 6) * float(probability)) for probability in prediction]
    foot = top + ROW - 5
    bars = [
        f'<rect x="{_column(digit)}" y="{foot - full:.1f}" width="{BAR}" height="{full:.1f}" fill="{color}"/>'
        for digit, full in enumerate(heights)
    ]
    return [_text(LEFT, top + 16, model), *bars]


def _column(digit: int) -> int:
    return LEFT + LABEL + digit * ROW + (ROW - BAR) // 2


def _pixels(image: np.ndarray) -> list[str]:
    return [
        f'<rect x="{x * PIXEL}" y="{y * PIXEL}" width="{PIXEL}" height="{PIXEL}" fill="rgb({v},{v},{v})"/>'
        for (y, x), v in np.ndenumerate(image)
    ]


def _text(x: int, y: int, text: str, anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="#2d3748">{text}</text>'
