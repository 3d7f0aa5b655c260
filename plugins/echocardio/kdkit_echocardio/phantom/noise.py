"""Smooth random profiles and maps, from which gains, patches and pathologies are drawn, and stocks of white noise."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np

_STOCK = 1024


def smooth_profile(rng: np.random.Generator, count: int, waves: int) -> np.ndarray:
    """Zero-mean noise of about unit deviation along a line: float64 (count,), at most ``waves`` half periods."""
    position = np.linspace(0.0, np.pi, count)
    order = np.arange(1, waves + 1)
    weight = rng.standard_normal(waves) * np.sqrt(2.0 / waves)
    return np.asarray(np.cos(order[:, None] * position + rng.uniform(0, 2 * np.pi, (waves, 1))).T @ weight)


def smooth_map(rng: np.random.Generator, knots: tuple[int, int], shape: tuple[int, int]) -> np.ndarray:
    """Zero-mean noise of about unit deviation, cubic between (rows, columns) of knots: float32 of that shape."""
    coarse = rng.standard_normal(knots, dtype=np.float32)
    return np.asarray(cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC))


@cache
def scatterer_stock() -> np.ndarray:
    """White noise, the same for all clips: float32 (1024, 1024, 4).

    Drawing a clip's own would take longer than all else that it is made of; of a stock it takes a window, of which
    there are some hundred thousand.
    """
    return np.random.default_rng(_STOCK).standard_normal((_STOCK, _STOCK, 4), dtype=np.float32)


@cache
def receiver_stock() -> np.ndarray:
    """Noise as one beam passes it on, of unit deviation, the same for all clips: float32 (1024, 1024, 2)."""
    white = np.random.default_rng(_STOCK + 1).standard_normal((_STOCK, _STOCK, 2), dtype=np.float32)
    noise = np.asarray(cv2.GaussianBlur(white, (0, 0), sigmaX=0.4, sigmaY=0.7))
    return noise / noise.std()


def draw_window(rng: np.random.Generator, stock: Callable[[], np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """A view of (rows, columns) of a stock, anywhere in it."""
    row, column = rng.integers(0, (_STOCK - shape[0] + 1, _STOCK - shape[1] + 1))
    return stock()[row : row + shape[0], column : column + shape[1]]
