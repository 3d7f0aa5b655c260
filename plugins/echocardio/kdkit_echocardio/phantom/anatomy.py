"""The heart at end-diastole: chambers, walls and valves drawn from published distributions.

Lengths are millimetres. The heart's own frame has its origin at the endocardial apex of the left ventricle, y
along the long axis towards the mitral annulus and x towards the lateral wall, so the septum and the right
heart lie at negative x.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .noise import smooth_profile

CONTOUR_STEPS = 24
"""Points of one side of the left ventricle, apex to base; a whole contour has twice as many."""


@dataclass(frozen=True)
class Anatomy:
    """One heart at end-diastole (mm); profiles run along the contour: septal base, apex, lateral base."""

    length: float
    half_width: float
    widest: float
    apex_power: float
    annulus_ratio: float
    septal_share: float
    bend: float
    septal_bulge: float
    wall: np.ndarray
    trabeculated: np.ndarray
    """Share of the wall, from within, that is a meshwork of trabeculae and blood: 0 to 1."""
    trabecula: np.ndarray
    papillary: tuple[tuple[float, float, float], ...]
    rv_width: float
    rv_apex: float
    rv_wall: float
    moderator_band: float
    la_length: float
    la_half_width: float
    ra_length: float
    ra_half_width: float
    atrial_septum: float
    atrial_wall: float
    leaflet_tenting: float
    leaflet_length: float
    """Relative to the leaflets that just meet in the middle of the annulus."""
    leaflet_opening: float
    """Angle between annulus and leaflet when wide open, radians."""
    leaflet_thickness: float
    leaflet_tip: float
    """Width of the thicker tips, where the chordae insert."""


def long_axis_fraction() -> np.ndarray:
    """Fractions of the long axis, 0 apex to 1 base, denser at the round apex: float64 (CONTOUR_STEPS,)."""
    return 1.0 - np.cos(np.linspace(0.0, np.pi / 2, CONTOUR_STEPS))


def draw_anatomy(rng: np.random.Generator) -> Anatomy:
    """Draw a heart: normal, dilated, hypertrophic or foreshortened.

    Normal ranges after the chamber quantification recommendations of Lang et al. (J Am Soc Echocardiogr
    2015;28:1-39): LV end-diastolic diameter 45 to 50 mm with 4 mm deviation, wall 6 to 10 mm, RV basal diameter
    33 mm with 4 mm; LV length about 85 mm and atria about 50 mm long in the four-chamber view. Dilated (diameter
    to 75 mm), hypertrophic (wall to 20 mm) and foreshortened hearts widen them.
    """
    kind = rng.choice(4, p=(0.5, 0.2, 0.17, 0.13))
    length = rng.normal(84.0, 9.0)
    half_width = rng.normal(23.5, 3.0)
    thickness = rng.uniform(6.0, 11.5)
    apex_power = rng.uniform(1.75, 2.5)
    if kind == 1:
        half_width *= rng.uniform(1.1, 1.5)
        length *= rng.uniform(1.0, 1.15)
    elif kind == 2:
        half_width *= rng.uniform(0.7, 1.0)
        thickness *= rng.uniform(1.2, 1.8)
    elif kind == 3:
        length *= rng.uniform(0.68, 0.9)
        apex_power = rng.uniform(2.1, 2.9)
    length = float(np.clip(length, 55.0, 112.0))
    half_width = float(np.clip(half_width, 14.0, 40.0))

    side = np.concatenate([long_axis_fraction()[::-1], long_axis_fraction()])
    apical = np.exp(-((side / 0.22) ** 2))
    wall = thickness * (1.0 + 0.13 * smooth_profile(rng, side.size, 5))
    # The true apex is thin, but a plane beside it cuts the wall obliquely and shows it thick.
    wall *= 1.0 + rng.uniform(-0.45, 0.4) * apical
    wall[:CONTOUR_STEPS] *= rng.uniform(0.9, 1.25)
    compact = np.clip(wall, 3.5, 22.0)
    # Most at the apex; in 43 % of healthy adults more than 2.3 times the compact wall somewhere (Kawel et al.,
    # Circ Cardiovasc Imaging 2012;5:357-366).
    meshwork = rng.uniform(0.0, 3.0) * (1.0 + 0.4 * smooth_profile(rng, side.size, 6))
    meshwork += rng.uniform(0.0, 10.0) * np.exp(-((side / rng.uniform(0.12, 0.4)) ** 2))
    # The septum is smooth, the free wall is not.
    meshwork *= np.where(np.arange(side.size) < CONTOUR_STEPS, rng.uniform(0.2, 1.0), rng.uniform(1.0, 1.6))
    meshwork = np.clip(cv2.blur(meshwork[None], (5, 1), borderType=cv2.BORDER_REPLICATE)[0], 0.0, 12.0)
    roughness = rng.uniform(0.0, 2.6) * (0.35 + rng.uniform(0.3, 1.3) * np.exp(-((side / 0.45) ** 2)))
    roughness[:CONTOUR_STEPS] *= rng.uniform(0.3, 1.0)
    trabecula = roughness * smooth_profile(rng, side.size, 22)

    papillary = []
    if rng.random() < 0.6:
        papillary.append((rng.uniform(0.35, 0.62), rng.uniform(2.5, 6.0), rng.uniform(8.0, 16.0)))
    if rng.random() < 0.08:
        papillary.append((-rng.uniform(0.35, 0.6), rng.uniform(2.0, 5.0), rng.uniform(7.0, 14.0)))

    return Anatomy(
        length=length,
        half_width=half_width,
        widest=rng.uniform(0.42, 0.82),
        apex_power=apex_power,
        annulus_ratio=rng.uniform(0.58, 0.98),
        septal_share=rng.uniform(0.75, 1.2),
        bend=rng.normal(1.0, 3.0) + (rng.normal(0.0, 4.5) if rng.random() < 0.2 else 0.0),
        septal_bulge=rng.uniform(0.0, 5.0) if rng.random() < 0.35 else 0.0,
        wall=compact + meshwork,
        trabeculated=meshwork / (compact + meshwork),
        trabecula=trabecula,
        papillary=tuple(papillary),
        rv_width=rng.uniform(25.0, 44.0) * (rng.uniform(1.1, 1.5) if rng.random() < 0.2 else 1.0),
        rv_apex=rng.uniform(0.05, 0.5),
        rv_wall=rng.uniform(2.5, 6.0),
        moderator_band=rng.uniform(0.35, 0.65) if rng.random() < 0.5 else 0.0,
        la_length=rng.uniform(32.0, 62.0),
        la_half_width=rng.uniform(16.0, 30.0),
        ra_length=rng.uniform(30.0, 56.0),
        ra_half_width=rng.uniform(15.0, 28.0),
        atrial_septum=rng.uniform(1.5, 5.0),
        atrial_wall=rng.uniform(1.5, 4.0),
        leaflet_tenting=rng.uniform(-1.0, 8.0),
        leaflet_length=rng.uniform(0.95, 1.4),
        leaflet_opening=float(np.deg2rad(rng.uniform(55.0, 95.0))),
        leaflet_thickness=rng.uniform(1.0, 3.0),
        leaflet_tip=rng.uniform(1.5, 5.0),
    )
