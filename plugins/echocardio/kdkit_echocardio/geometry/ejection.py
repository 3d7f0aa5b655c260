"""Ejection fractions from areas and from volumes."""

from __future__ import annotations

import numpy as np

from .discs import volume
from .masks import area_curve


def ejection_fraction(diastolic: float, systolic: float) -> float:
    """``100 * (diastolic - systolic) / diastolic``, in percent; NaN when the diastolic size is zero."""
    return 100 * (diastolic - systolic) / diastolic if diastolic > 0 else float("nan")


def area_ejection_fraction(masks: np.ndarray, ed: np.ndarray, es: np.ndarray) -> float:
    """The ejection fraction of areas, in percent, from masks (T, H, W) and their ED and ES frames.

    Several ED (or ES) frames are averaged before the ratio is taken. NaN when the ventricle is empty at ED, or when
    there is no frame of one kind. It is smaller than that of volumes, by about a third at normal function.
    """
    areas = area_curve(masks)
    return _mean_ejection_fraction(areas[ed], areas[es])


def discs_ejection_fraction(masks: np.ndarray, ed: np.ndarray, es: np.ndarray) -> float:
    """As :func:`area_ejection_fraction`, of the volumes by the method of discs."""
    return _mean_ejection_fraction(*(np.array([volume(masks[frame]) for frame in frames]) for frames in (ed, es)))


def _mean_ejection_fraction(diastolic: np.ndarray, systolic: np.ndarray) -> float:
    if len(diastolic) == 0 or len(systolic) == 0:
        return float("nan")
    return ejection_fraction(float(diastolic.mean()), float(systolic.mean()))
