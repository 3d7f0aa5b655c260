"""Smooth random profiles and maps, from which gains, patches and pathologies are drawn."""

from __future__ import annotations

import cv2
import numpy as np


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
