"""Pen strokes that mean nothing: what the student is trained on instead of digits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from kdkit import ComponentOptions, Field, Generator, Sample
from kdkit_digits.halves import FULL_INK, SIDE, to_bytes

# The real digits were made in this way, too: a bitmap fitted to the writing, then the ink in each 4 x 4 block.
BLOCK = 4
CANVAS = SIDE * BLOCK

POINTS = 48
KNOTS = 5


class Strokes(Generator):
    """One or a few smooth random pen strokes, joined, as large as the image: uint8 (8, 8), bright on dark.

    A stroke turns at a smoothly changing random rate and may have sharp corners. No shape of any digit goes in.
    """

    class Options(ComponentOptions):
        strokes: int = Field(3, ge=1, description="Most strokes in an image.")
        turning: float = Field(3.0, ge=0, description="How much strokes turn along their length, in radians.")
        corners: float = Field(0.35, ge=0, lt=1, description="Chance of a sharp corner, and of each further one.")

    def generate(self, indices: Iterable[int]) -> Iterator[Sample]:
        for index in indices:
            rng = self.rng(index)
            drawing = _fit_to_canvas(rng, self._drawing(rng))
            yield Sample(_rasterise(drawing, rng.uniform(1.6, 3.2)), info={"name": f"strokes-{index:05d}"})

    def _drawing(self, rng: np.random.Generator) -> np.ndarray:
        """Points (n, 2) of all strokes; each further one starts, or has its middle, near a point of the others."""
        points = self._stroke(rng)
        for _ in range(rng.integers(0, self.options.strokes)):
            stroke = self._stroke(rng)
            joint = points[rng.integers(len(points))] + rng.normal(0, 0.08, 2)
            points = np.concatenate([points, stroke - stroke[rng.choice([0, POINTS // 2])] + joint])
        return points

    def _stroke(self, rng: np.random.Generator) -> np.ndarray:
        turning = self.options.turning
        knots = rng.normal(0, turning, KNOTS)
        rate = rng.normal(0, turning) + np.interp(np.linspace(0, KNOTS - 1, POINTS), np.arange(KNOTS), knots)
        direction = rng.uniform(0, 2 * np.pi) + np.cumsum(rate) / POINTS
        while rng.random() < self.options.corners:
            corner = rng.integers(POINTS // 5, POINTS - POINTS // 5)
            direction[corner:] += rng.choice([-1, 1]) * rng.uniform(1.2, 2.8)
        steps = np.stack([np.cos(direction), np.sin(direction)], axis=1)
        return np.cumsum(steps, axis=0) * rng.uniform(0.4, 1.0) / POINTS


def _fit_to_canvas(rng: np.random.Generator, points: np.ndarray) -> np.ndarray:
    """The points on the canvas, as high as it or nearly, slanted a little and not quite in its middle."""
    low, high = points.min(axis=0), points.max(axis=0)
    extent = np.maximum(high - low, 1e-3)
    height = CANVAS - rng.uniform(3.5, 9)
    width = np.clip(height * extent[0] / extent[1] * rng.uniform(0.7, 1.3), 4, height - rng.uniform(0, 6))
    canvas_points = (points - (low + high) / 2) / extent * [width, height]
    canvas_points[:, 0] += canvas_points[:, 1] * rng.normal(0, 0.15)
    return canvas_points + CANVAS / 2 + rng.normal(0, 0.8, 2)


def _rasterise(points: np.ndarray, radius: float) -> np.ndarray:
    """The image that a pen of this radius leaves on its way along the points."""
    centres = np.arange(CANVAS) + 0.5
    squares = (centres[:, None] - points.T[:, None]) ** 2  # (2, canvas, points)
    distance = (squares[1][:, None] + squares[0][None]).min(axis=-1)
    ink = (distance <= radius**2).reshape(SIDE, BLOCK, SIDE, BLOCK).sum(axis=(1, 3))
    assert ink.max() <= FULL_INK
    return to_bytes(ink)
