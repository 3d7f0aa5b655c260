"""Scatterers that move with the tissue: complex noise fixed at end-diastole, carried by a displacement field."""

from __future__ import annotations

import cv2
import numpy as np

from .geometry import HeartMotion
from .noise import draw_window, scatterer_stock, smooth_map
from .view import View

_COLUMNS, _ROWS = 384, 256
_LEFT, _ABOVE = 0.85, 0.06
"""The field spans 1.7 depths across and 1.13 down, from these parts of the depth left of and above the probe."""
_GRID = (22, 15)


class Scatterers:
    """Complex scatterer strengths of one clip, sampled wherever the tissue of a frame came from.

    Fully developed speckle is circular complex Gaussian (Wagner et al., IEEE Trans Sonics Ultrason
    1983;30:156-163); a slowly varying strength makes its envelope K-distributed (Jakeman and Tough 1987), as
    trabeculated, patchy muscle is.
    """

    def __init__(self, rng: np.random.Generator, heart: HeartMotion, view: View, torsion: float) -> None:
        self.view, self.torsion, self.activation = view, torsion, heart.activation
        shape = (_ROWS, _COLUMNS)
        decibel = rng.uniform(0.5, 3.5) * smooth_map(rng, (32, 48), shape)
        decibel += rng.uniform(1.0, 6.0) * smooth_map(rng, (9, 14), shape)
        strength = cv2.exp(decibel * np.float32(np.log(10.0) / 20.0))
        self.field = draw_window(rng, scatterer_stock, shape) * strength[..., None]
        self.scale = np.float32((_COLUMNS - 1) / (2.0 * _LEFT * view.depth))
        self.shifts = displacement(heart, view)

    def sample(self, frame: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Strengths at points (mm, probe frame, float32 (H, W)) of one frame: float32 (H, W, 2), real and
        imaginary.

        Torsion turns fresh scatterers into the image plane and back within the beat, mixed by the angle it
        has turned.
        """
        x, y = x + np.float32(_LEFT * self.view.depth), y + np.float32(_ABOVE * self.view.depth)
        coarse = self.scale * np.float32((_GRID[0] - 1) / (_COLUMNS - 1))
        shift = cv2.remap(
            self.shifts[frame], x * coarse, y * coarse, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        column, row = (x - shift[..., 0]) * self.scale, (y - shift[..., 1]) * self.scale
        components = cv2.remap(self.field, column, row, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT)
        angle = self.torsion * float(self.activation[frame])
        return np.asarray(
            components[..., :2] * np.float32(np.cos(angle)) + components[..., 2:] * np.float32(np.sin(angle))
        )


def displacement(heart: HeartMotion, view: View) -> np.ndarray:
    """How far the tissue at each place has moved since end-diastole: float32 (T, rows, columns, 2), mm, probe
    frame.

    Shepard's interpolation with a Gaussian kernel of 9 mm between the moving outlines; still far from the
    heart.
    """
    outlines = [heart.endocardium[:, ::2], heart.epicardium[:, ::2], heart.right_ventricle[:, 1::4]]
    outlines += [heart.left_atrium[:, ::3], heart.right_atrium[:, ::3]]
    points = view.to_probe(np.concatenate(outlines, axis=1)).astype(np.float32)
    anchor = points[int(np.argmin(heart.activation))]
    step = 2.0 * _LEFT * view.depth / (_GRID[0] - 1)
    x = np.arange(_GRID[0], dtype=np.float32) * np.float32(step) - np.float32(_LEFT * view.depth)
    y = np.arange(_GRID[1], dtype=np.float32) * np.float32(step) - np.float32(_ABOVE * view.depth)
    # The Gaussian separates into x and y, which turns the sum over points into one matrix product per frame.
    near_x = np.exp(-((x[None, :, None] - points[:, None, :, 0]) ** 2) / np.float32(162.0))
    near_y = np.exp(-((y[None, :, None] - points[:, None, :, 1]) ** 2) / np.float32(162.0))
    offsets = points - anchor
    weighted = np.concatenate([offsets, np.ones_like(offsets[..., :1])], axis=-1)
    across = (near_x[:, None] * weighted.transpose(0, 2, 1)[:, :, None]).transpose(0, 1, 3, 2)
    total = np.moveaxis(near_y[:, None] @ across, 1, -1)
    return np.asarray(total[..., :2] / (total[..., 2:] + np.float32(0.15)), dtype=np.float32)
