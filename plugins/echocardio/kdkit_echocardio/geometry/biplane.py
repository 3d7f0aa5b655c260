"""Volumes in millilitres from two perpendicular apical views whose pixel spacing is known."""

from __future__ import annotations

import numpy as np

from .discs import DISCS, discs
from .ejection import ejection_fraction


def biplane_volume(four_chamber: np.ndarray, two_chamber: np.ndarray, spacing_mm: tuple[float, float]) -> float:
    """The biplane method of discs: ``pi / 4 * sum(a_i * b_i) * L / 20`` (Lang et al. 2015), in millilitres.

    ``four_chamber``, ``two_chamber``: masks (H, W), of any size and orientation; a_i and b_i are the diameters of
    their discs and L is the longer of the two long axes. ``spacing_mm``: the side of a (square) pixel in either view,
    in millimetres. 0 when a mask is empty. Raises ValueError when a spacing is not positive.

    A mask does not say which end of its axis is the apex. Of the two ways to pair the discs, the one with the larger
    volume is taken: both views taper to the apex, so the right way pairs wide discs with wide ones.
    """
    if not min(spacing_mm) > 0:
        raise ValueError(f"the side of a pixel must be positive, not {spacing_mm} mm")
    diameters, lengths = zip(*(discs(mask) for mask in (four_chamber, two_chamber)), strict=True)
    a, b = (spacing * widths for spacing, widths in zip(spacing_mm, diameters, strict=True))
    length = max(spacing * long for spacing, long in zip(spacing_mm, lengths, strict=True))
    return float(np.pi / 4 * max(a @ b, a @ b[::-1]) * length / DISCS / 1000)


def biplane_ejection_fraction(
    four_chamber: np.ndarray, two_chamber: np.ndarray, spacing_mm: tuple[float, float]
) -> float:
    """The ejection fraction of biplane volumes, in percent.

    ``four_chamber``, ``two_chamber``: masks (2, H, W) at end-diastole and at end-systole; ``spacing_mm`` as for
    :func:`biplane_volume`. NaN when a view is empty at end-diastole.
    """
    diastolic, systolic = (
        biplane_volume(four, two, spacing_mm) for four, two in zip(four_chamber, two_chamber, strict=True)
    )
    return ejection_fraction(diastolic, systolic)
