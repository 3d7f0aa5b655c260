"""What a DICOM header says of a cine beside its pixels: frame rate, regions, spacing, view.

Attributes by DICOM PS3.3: Cine (C.7.6.5), Multi-frame (C.7.6.6), US Region Calibration (C.8.5.5).
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from .clip import plausible_rate
from .dataset import numbers

_SPATIAL_2D, _TISSUE, _CENTIMETRES = 1, 1, 3
_VECTOR_TAG = 0x00181065
# A region of less is no picture: pixels, and a share of the frame's side.
_LEAST_EXTENT, _LEAST_SHARE = 16, 0.05
# Millimetres. No ultrasound pixel is larger than a centimetre.
_LARGEST_STEP = 10.0

_VIEW_WORDS = ("ViewName", "StageName", "SeriesDescription", "ImageComments", "ProtocolName")
_FOUR_CHAMBERS = re.compile(r"\b(a4c|4ch?|ap4|four.?chamber|4.?chamber)\b", re.IGNORECASE)
_OTHER_VIEWS = re.compile(
    r"\b(a[235]c|[235]ch|ap[235]|(two|three|five|[235]).?chamber|plax|psax|sax|lax|subcostal|suprasternal)\b",
    re.IGNORECASE,
)


def rate(dataset: Any) -> float | None:
    """Frames per second: of the attribute that FrameIncrementPointer names, else of the first plausible one."""
    candidates = [_rate_of_vector, _rate_of_time]
    if not _points_to_vector(dataset):
        candidates.reverse()
    for candidate in (*candidates, _rate_of_display):
        fps = candidate(dataset)
        if fps is not None:
            return fps
    return None


def frame_times(dataset: Any, count: int) -> np.ndarray | None:
    """The time of each frame in seconds, float (T,), where a vector of intervals gives it."""
    intervals = numbers(dataset.get("FrameTimeVector"))
    believed = _points_to_vector(dataset) or not numbers(dataset.get("FrameTime"))
    if not believed or len(intervals) != count:
        return None
    # The first entry is the time before the first frame, 0.
    return np.cumsum([0.0, *intervals[1:]]) / 1000.0


def _points_to_vector(dataset: Any) -> bool:
    pointer = dataset.get("FrameIncrementPointer")
    tags = pointer if isinstance(pointer, list | tuple) or hasattr(pointer, "append") else [pointer]
    return any(tag is not None and int(tag) == _VECTOR_TAG for tag in tags)


def _rate_of_time(dataset: Any) -> float | None:
    times = numbers(dataset.get("FrameTime"))
    return plausible_rate(1000.0 / times[0]) if times and times[0] > 0 else None


def _rate_of_vector(dataset: Any) -> float | None:
    intervals = numbers(dataset.get("FrameTimeVector"))[1:]
    return plausible_rate(1000.0 * len(intervals) / sum(intervals)) if sum(intervals) > 0 else None


def _rate_of_display(dataset: Any) -> float | None:
    for name in ("CineRate", "RecommendedDisplayFrameRate"):
        rates = numbers(dataset.get(name))
        if rates and plausible_rate(rates[0]) is not None:
            return plausible_rate(rates[0])
    return None


def regions(dataset: Any) -> list[Any]:
    """The 2D tissue regions inside the frame.

    A file that was scaled down for export often keeps the regions of the original; such a region reaches beyond the
    frame, and neither its place nor its scale is reliable. One without extent is none.
    """
    kept = []
    for region in dataset.get("SequenceOfUltrasoundRegions") or []:
        if region.get("RegionSpatialFormat") != _SPATIAL_2D or region.get("RegionDataType") != _TISSUE:
            continue
        try:
            left, top, right, bottom = region_box(region)
        except (AttributeError, TypeError, ValueError):
            continue
        least_width, least_height = (max(_LEAST_EXTENT, _LEAST_SHARE * n) for n in (dataset.Columns, dataset.Rows))
        # The standard counts from 0 and includes the last pixel; some scanners write the frame's size as last.
        inside = min(left, top) >= 0 and right <= dataset.Columns + 1 and bottom <= dataset.Rows + 1
        if inside and right - left >= least_width and bottom - top >= least_height:
            kept.append(region)
    return kept


def region_box(region: Any) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a region in pixels, the last two excluded."""
    left, top = int(region.RegionLocationMinX0), int(region.RegionLocationMinY0)
    return left, top, int(region.RegionLocationMaxX1) + 1, int(region.RegionLocationMaxY1) + 1


def spacing(dataset: Any, tissue: list[Any]) -> float | None:
    """Millimetres per pixel where one number holds for the whole picture and both directions."""
    steps = set()
    for region in tissue:
        if (region.get("PhysicalUnitsXDirection"), region.get("PhysicalUnitsYDirection")) != (_CENTIMETRES,) * 2:
            return None
        x, y = numbers(region.get("PhysicalDeltaX")), numbers(region.get("PhysicalDeltaY"))
        if not x or not y:
            return None
        steps.add((abs(x[0]) * 10, abs(y[0]) * 10))
    spacings = numbers(dataset.get("PixelSpacing"))
    if not tissue and "SequenceOfUltrasoundRegions" not in dataset and len(spacings) == 2:
        steps.add((spacings[1], spacings[0]))
    if len(steps) != 1:
        return None
    x_step, y_step = steps.pop()
    square = 0 < x_step <= _LARGEST_STEP and abs(x_step - y_step) <= 0.01 * x_step
    return (x_step + y_step) / 2 if square else None


def names_other_view(dataset: Any) -> bool:
    """Whether the header names a view that is not the apical four-chamber one, or no region with 2D tissue."""
    texts = [str(dataset.get(name) or "") for name in _VIEW_WORDS]
    texts += [str(item.get("CodeMeaning") or "") for item in dataset.get("ViewCodeSequence") or []]
    text = " ".join(texts).replace("_", " ")
    if _FOUR_CHAMBERS.search(text):
        return False
    formats = [region.get("RegionSpatialFormat") for region in dataset.get("SequenceOfUltrasoundRegions") or []]
    return bool(_OTHER_VIEWS.search(text)) or bool(formats and _SPATIAL_2D not in formats)
