"""The moving outlines of chambers and walls, frame by frame, in the heart's own frame (mm)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .anatomy import CONTOUR_STEPS, Anatomy, long_axis_fraction
from .motion import Contraction, Cycle, diastolic_half_widths, discs_volume, plane_area

ATRIUM_POINTS = 28
"""Points of an atrium's outline, down one side and up the other."""


@dataclass(frozen=True)
class HeartMotion:
    """Outlines of one clip: float64 (T, points, 2) as x, y in mm; the cavity runs septal base, apex, lateral base."""

    endocardium: np.ndarray
    epicardium: np.ndarray
    right_ventricle: np.ndarray
    left_atrium: np.ndarray
    right_atrium: np.ndarray
    mitral_annulus: np.ndarray
    tricuspid_annulus: np.ndarray
    activation: np.ndarray
    """Contraction in each frame: float64 (T,)."""
    ejection_fraction: float
    area_fraction: float
    end_diastolic_volume: float


def move(anatomy: Anatomy, contraction: Contraction, cycle: Cycle) -> HeartMotion:
    """Outlines of every frame of the cycle."""
    widths_ed = diastolic_half_widths(anatomy)
    activation = cycle.activation(cycle.times)
    local = cycle.activation(cycle.times[:, None] - contraction.delay)
    shrink = 1.0 - contraction.radial * local
    widths = widths_ed * shrink

    apex_y = contraction.apical * contraction.longitudinal * anatomy.length * activation
    base_y = anatomy.length * (1.0 - (1.0 - contraction.apical) * contraction.longitudinal * activation)
    endocardium = _cavity_outline(anatomy, widths, apex_y, base_y)
    epicardium = _epicardium(anatomy, contraction, endocardium, widths_ed, shrink, activation, apex_y)

    right_ventricle = _right_ventricle(anatomy, contraction, epicardium, activation)
    mitral = endocardium[:, [0, -1]]
    middle = right_ventricle.shape[1] // 2
    tricuspid = right_ventricle[:, [middle - 1, middle]]
    filling = 1.0 + contraction.atrial * activation
    roof_y = anatomy.length + anatomy.la_length
    left_atrium = _atrium(mitral, roof_y, anatomy.la_half_width, anatomy.wall[-1] * 0.4, filling)
    right_atrium = _atrium(
        tricuspid, anatomy.length + anatomy.ra_length, anatomy.ra_half_width, anatomy.atrial_septum, filling
    )
    # The atria share one septum: whatever of the right one crosses it is pushed back.
    septum_x = left_atrium[..., 0].min(axis=1, keepdims=True) - anatomy.atrial_septum
    right_atrium[..., 0] = np.minimum(right_atrium[..., 0], septum_x)

    nominal = widths_ed * (1.0 - contraction.radial)
    shortened = anatomy.length * (1.0 - contraction.longitudinal)
    volume = float(discs_volume(widths_ed, np.asarray(anatomy.length)))
    area = float(plane_area(widths_ed, np.asarray(anatomy.length)))
    return HeartMotion(
        endocardium=_swing(contraction, activation, endocardium),
        epicardium=_swing(contraction, activation, epicardium),
        right_ventricle=_swing(contraction, activation, right_ventricle),
        left_atrium=_swing(contraction, activation, left_atrium),
        right_atrium=_swing(contraction, activation, right_atrium),
        mitral_annulus=_swing(contraction, activation, mitral),
        tricuspid_annulus=_swing(contraction, activation, tricuspid),
        activation=activation,
        ejection_fraction=100.0 * (1.0 - float(discs_volume(nominal, np.asarray(shortened))) / volume),
        area_fraction=100.0 * (1.0 - float(plane_area(nominal, np.asarray(shortened))) / area),
        end_diastolic_volume=volume,
    )


def normals(outline: np.ndarray) -> np.ndarray:
    """Unit normals of open outlines (..., points, 2); they point out of the cavity."""
    tangent = np.gradient(outline, axis=-2)
    normal = np.stack([tangent[..., 1], -tangent[..., 0]], axis=-1)
    return normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-6)


def _cavity_outline(anatomy: Anatomy, widths: np.ndarray, apex_y: np.ndarray, base_y: np.ndarray) -> np.ndarray:
    """The endocardium from the half-widths (T, points) and the ends of the long axis (T,)."""
    fraction = long_axis_fraction()
    axis_x = anatomy.bend * np.sin(np.pi * fraction)
    side = np.concatenate([fraction[::-1], fraction])
    sign = np.concatenate([-np.ones(CONTOUR_STEPS), np.ones(CONTOUR_STEPS)])
    x = np.concatenate([axis_x[::-1], axis_x]) + sign * widths
    y = apex_y[:, None] + side * (base_y - apex_y)[:, None]
    return np.stack([x, y], axis=-1)


def _epicardium(
    anatomy: Anatomy,
    contraction: Contraction,
    endocardium: np.ndarray,
    widths_ed: np.ndarray,
    shrink: np.ndarray,
    activation: np.ndarray,
    apex_y: np.ndarray,
) -> np.ndarray:
    """The wall thickens so that the myocardium keeps its volume (incompressible ring, shortened along the axis)."""
    shortening = 1.0 - contraction.longitudinal * activation[:, None]
    # A floor under the radius keeps the thin apical rings from thickening without bound.
    radius_ed = np.maximum(widths_ed, 0.6 * anatomy.half_width)
    radius = radius_ed * shrink
    ring = (2.0 * radius_ed + anatomy.wall) * anatomy.wall / shortening
    thickness = np.sqrt(radius**2 + ring) - radius
    # The epicardial apex hardly moves: what the cavity's end recedes, the apical wall gains.
    cap = anatomy.wall[CONTOUR_STEPS] + 0.85 * apex_y[:, None]
    apex = np.exp(-((np.arange(2 * CONTOUR_STEPS) - CONTOUR_STEPS + 0.5) ** 2) / 18.0)
    thickness = (1.0 - apex) * thickness + apex * cap
    return endocardium + normals(endocardium) * thickness[..., None]


def _right_ventricle(
    anatomy: Anatomy, contraction: Contraction, epicardium: np.ndarray, activation: np.ndarray
) -> np.ndarray:
    """The crescent beside the septum: septal side apex to base, then the free wall base to apex."""
    fraction = long_axis_fraction()
    reached = fraction >= anatomy.rv_apex
    septal = epicardium[:, :CONTOUR_STEPS][:, ::-1][:, reached]
    along = (fraction[reached] - anatomy.rv_apex) / (1.0 - anatomy.rv_apex)
    profile = anatomy.rv_width * along**0.75 * (1.0 - 0.18 * along**4)
    free = septal.copy()
    free[..., 0] -= profile * (1.0 - contraction.right * activation[:, None])
    free[..., 1] += 0.12 * profile * (0.4 - along)
    return np.concatenate([septal, free[:, ::-1]], axis=1)


def _atrium(annulus: np.ndarray, roof_y: float, half_width: float, margin: float, filling: np.ndarray) -> np.ndarray:
    """A rounded chamber hanging from the annulus (T, 2, 2) to a roof that stays where it is."""
    centre = annulus.mean(axis=1)
    half_annulus = np.maximum(0.5 * np.abs(annulus[:, 1, 0] - annulus[:, 0, 0]) - margin, 4.0)[:, None]
    width = np.maximum(half_width * filling[:, None], 0.8 * half_annulus)
    widest = 0.45
    down = 0.5 - 0.5 * np.cos(np.linspace(0.0, np.pi, ATRIUM_POINTS // 2))
    upper = half_annulus + (width - half_annulus) * np.sin(0.5 * np.pi * np.minimum(down / widest, 1.0))
    lower = width * np.sqrt(np.clip(1.0 - ((down - widest) / (1.0 - widest)) ** 2, 0.0, 1.0))
    half = np.where(down < widest, upper, lower)
    top = centre[:, 1:] - 1.0
    y = top + down * (roof_y - top)
    x = np.concatenate([centre[:, :1] + half, (centre[:, :1] - half)[:, ::-1]], axis=1)
    return np.stack([x, np.concatenate([y, y[:, ::-1]], axis=1)], axis=-1)


def _swing(contraction: Contraction, activation: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """The whole heart rocks and shifts a little with each contraction."""
    angle = contraction.swing * activation[:, None]
    cosine, sine = np.cos(angle), np.sin(angle)
    x = cosine * outline[..., 0] - sine * outline[..., 1] + contraction.drift[0] * activation[:, None]
    y = sine * outline[..., 0] + cosine * outline[..., 1] + contraction.drift[1] * activation[:, None]
    return np.stack([x, y], axis=-1)
