"""Labels from contours, and whether they agree with each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from kdkit import Defect

from .recording import Contour

# Volumes are rounded to whole millilitres and ejection fractions to whole percent where they are typed by hand.
_VOLUME_ROUNDING, _FRACTION_ROUNDING = 0.5, 0.5


def area(points: np.ndarray) -> float:
    """The area of a polygon in square units, float (N, 2), by the shoelace formula."""
    x, y = points.T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def ed_and_es(contours: Sequence[Contour]) -> tuple[int | None, int | None]:
    """The frames of the largest and of the smallest contour; None, None unless two frames have one.

    Several contours of a frame are averaged. Neither the order in the file nor time decides which is which: about one
    in a hundred of EchoNet-Dynamic's tracings gives ES first.
    """
    areas = defaultdict(list)
    for contour in contours:
        areas[contour.frame].append(size(contour))
    if len(areas) < 2:
        return None, None
    mean = {frame: float(np.mean(values)) for frame, values in areas.items()}
    return max(mean, key=mean.__getitem__), min(mean, key=mean.__getitem__)


def size(contour: Contour) -> float:
    """The area inside a contour in pixels."""
    if contour.points is not None:
        return area(contour.points)
    assert contour.mask is not None
    return float(contour.mask.sum())


def disagreement(name: str, fraction: float | None, diastolic: float | None, systolic: float | None) -> Defect | None:
    """The defect of an ejection fraction (percent) that is not that of its volumes (millilitres).

    Tolerated is what rounding can do: half a millilitre in each volume and half a percent in the fraction. With
    volumes of 100 and 40 ml that is 1.2 points.
    """
    if not diastolic or fraction is None or systolic is None:
        return None
    expected = 100 * (diastolic - systolic) / diastolic
    tolerance = _FRACTION_ROUNDING + 100 * _VOLUME_ROUNDING * (diastolic + systolic) / diastolic**2
    if abs(expected - fraction) <= tolerance:
        return None
    detail = f"the ejection fraction is {fraction:.1f} %, but volumes of {diastolic:.1f} and {systolic:.1f} ml give "
    return Defect("ef-volumes-disagree", name, f"{detail}{expected:.1f} %", False)
