"""Where the probe stands and how the sector lies in the picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .anatomy import CONTOUR_STEPS
from .geometry import HeartMotion

LINES = 120
SAMPLES = 192
_SUBPIXEL_BITS = 4


@dataclass(frozen=True)
class View:
    """Probe frame: origin at the sector's apex, x to the right, y down into the chest, mm; angles in radians."""

    depth: float
    near: float
    half_angle: float
    apex_x: float
    apex_y: float
    tilt: float
    mirrored: bool
    spacing: float
    aspect: float
    origin_column: float
    origin_row: float

    def to_probe(self, points: np.ndarray) -> np.ndarray:
        """Heart frame to probe frame: (..., 2) mm to (..., 2) mm."""
        cosine, sine = np.cos(self.tilt), np.sin(self.tilt)
        x = cosine * points[..., 0] + sine * points[..., 1] + self.apex_x
        y = -sine * points[..., 0] + cosine * points[..., 1] + self.apex_y
        return np.stack([-x if self.mirrored else x, y], axis=-1)

    def to_pixel(self, points: np.ndarray) -> np.ndarray:
        """Probe frame (..., 2) mm to picture (..., 2) as column, row in pixels (centres at whole numbers)."""
        column = points[..., 0] / self.spacing * np.sqrt(self.aspect) + self.origin_column
        row = points[..., 1] / self.spacing / np.sqrt(self.aspect) + self.origin_row
        return np.stack([column, row], axis=-1)

    def polar_points(self) -> tuple[np.ndarray, np.ndarray]:
        """x and y (mm, probe frame) of the polar grid: two float32 (SAMPLES, LINES)."""
        radius = np.linspace(0.0, self.depth, SAMPLES, dtype=np.float32)[:, None]
        angle = np.linspace(-self.half_angle, self.half_angle, LINES, dtype=np.float32)[None]
        return radius * np.sin(angle), radius * np.cos(angle)

    def scan_map(self, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For each pixel its line and sample (float32) and whether the sector holds it (bool): three (size, size)."""
        row, column = np.mgrid[0:size, 0:size].astype(np.float32)
        x = (column - self.origin_column) * self.spacing / np.sqrt(self.aspect)
        y = (row - self.origin_row) * self.spacing * np.sqrt(self.aspect)
        radius, angle = np.hypot(x, y), np.arctan2(x, y)
        line = (angle / self.half_angle + 1.0) * 0.5 * (LINES - 1)
        sample = radius / self.depth * (SAMPLES - 1)
        inside = (np.abs(angle) <= self.half_angle) & (radius <= self.depth) & (radius >= self.near)
        return line.astype(np.float32), sample.astype(np.float32), inside

    def rasterise(self, outline: np.ndarray, size: int) -> np.ndarray:
        """Pixels at least half covered by a closed outline (points, 2) of the probe frame: bool (size, size)."""
        scale = 4
        points = (self.to_pixel(outline) + 0.5) * scale - 0.5
        canvas = np.zeros((size * scale, size * scale), np.uint8)
        fixed = np.rint(points * (1 << _SUBPIXEL_BITS)).astype(np.int32)
        cv2.fillPoly(canvas, [fixed], (255,), cv2.LINE_8, _SUBPIXEL_BITS)
        return np.asarray(cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)) >= 128


def draw_view(rng: np.random.Generator, heart: HeartMotion, size: int) -> View:
    """Draw depth, sector, tilt and framing; poses that leave much of the ventricle outside the sector are
    redrawn.

    The septum stands near the sector's middle and the left ventricle on the right, as the American Society of
    Echocardiography shows the four-chamber view; one clip in twenty is mirrored, the other convention.
    """
    length = float(heart.endocardium[0, :, 1].max())
    cavity = heart.endocardium[int(np.argmin(heart.activation))]
    cap = float(np.linalg.norm(heart.epicardium[0, CONTOUR_STEPS] - heart.endocardium[0, CONTOUR_STEPS]))
    view = _draw_pose(rng, length, cap, size)
    for _ in range(12):
        points = view.to_probe(cavity)
        radius, angle = np.hypot(points[:, 0], points[:, 1]), np.arctan2(points[:, 0], points[:, 1])
        outside = (np.abs(angle) > view.half_angle) | (radius > view.depth) | (radius < view.near)
        pixel = view.to_pixel(points)
        outside |= (pixel < -0.5).any(axis=1) | (pixel > size - 0.5).any(axis=1)
        if outside.mean() < 0.15:
            break
        view = _draw_pose(rng, length, cap, size)
    return view


def _draw_pose(rng: np.random.Generator, length: float, cap: float, size: int) -> View:
    # Skin, fat and intercostal muscle, then the apical wall, lie between the probe and the cavity.
    apex_y = rng.uniform(8.0, 26.0) + cap
    below = rng.uniform(0.1, 0.8) if rng.random() < 0.68 else rng.uniform(0.0, 0.12)
    depth = float(np.clip(apex_y + length * (1.05 + below), 85.0, 220.0))
    half_angle = np.deg2rad(rng.uniform(30.0, 52.0))
    aspect = float(np.exp(rng.uniform(np.log(0.72), np.log(1.15)))) if rng.random() < 0.35 else 1.0

    # Pixel per mm from the tighter side; a sector may lose its flanks to a square crop.
    height, width = depth / np.sqrt(aspect), 2.0 * depth * np.sin(half_angle) * np.sqrt(aspect)
    fill = rng.uniform(0.85, 1.08) if rng.random() < 0.8 else rng.uniform(0.6, 0.85)
    spacing = max(height, width * rng.uniform(0.6, 1.0)) / (fill * size)
    slack = size - height / spacing
    origin_row = rng.uniform(0.0, 1.0) * slack if slack > 0 else slack * rng.uniform(0.0, 0.5)
    return View(
        depth=depth,
        near=rng.uniform(0.0, 10.0) if rng.random() < 0.5 else 0.0,
        half_angle=float(half_angle),
        apex_x=rng.normal(3.0, 13.0),
        apex_y=apex_y,
        tilt=float(np.deg2rad(np.clip(rng.normal(4.0, 14.5), -32.0, 40.0))),
        mirrored=bool(rng.random() < 0.05),
        spacing=float(spacing),
        aspect=aspect,
        origin_column=size / 2 - 0.5 + rng.normal(0.0, 0.03) * size,
        origin_row=float(origin_row),
    )
