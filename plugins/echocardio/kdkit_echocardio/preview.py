"""What the page of results shows of a clip: end-diastole and end-systole with their outlines, and the area curve."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from kdkit import Figure, Preview, Sample

from .drawing import FAINT, colour_of, enlarged, outline, write
from .events import area_unit
from .geometry import area_curve, binarize, clean

# Pixels of one of the two pictures; a file has about 2 kB with this quality.
_SIDE, _QUALITY = 112, 50


def preview(sample: Sample, prediction: np.ndarray, row: Mapping[str, Any]) -> Preview:
    """The ED and the ES frame of a clip with the predicted outline, as the network sees them, and the area curve.

    Without beats they are the frames with the largest and the smallest area. ``row``: of the summary.
    """
    areas = area_curve(clean(binarize(prediction)))
    ed, es = row["ed_frame"], row["es_frame"]
    marks = {} if ed is None else {"ED": ed, "ES": es}
    shown = {"ED": ed, "ES": es} if marks else {"largest": int(areas.argmax()), "smallest": int(areas.argmin())}
    pictures = [_picture(sample.inputs[frame], prediction[frame], name) for name, frame in shown.items()]
    target = io.BytesIO()
    Image.fromarray(np.concatenate(pictures, 1)).save(target, "WEBP", quality=_QUALITY)
    figure = Figure("ED and ES", "", "image/webp", target.getvalue())
    return Preview(figure, areas.tolist(), marks, _caption(sample, areas))


def _caption(sample: Sample, areas: np.ndarray) -> str:
    """From where to where the area goes, and for how long, as far as the file says."""
    unit, scale = area_unit(sample.info.get("spacing_mm"))
    lowest, highest = (f"{scale * area:,.{0 if scale == 1 else 1}f}" for area in (areas.min(), areas.max()))
    fps = sample.info.get("fps")
    return f"area {lowest} to {highest} {unit}, {f'{len(areas) / fps:.1f} s' if fps else f'{len(areas)} frames'}"


def _picture(frame: np.ndarray, probability: np.ndarray, name: str) -> np.ndarray:
    picture = enlarged(frame, _SIDE, _SIDE)
    outline(picture, probability, colour_of("student"))
    write(picture, 3, 1, name, FAINT, 11)
    return picture
