"""A sample's true masks, and the frames to show as end-diastole and end-systole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kdkit import Sample

from .beats import find_beats
from .geometry import area_curve, binarize, clean, staple
from .metrics.truth import event_frames

ASSUMED_RATE = 30.0
"""Frames per second where a clip does not say: the commonest rate of stored echocardiograms."""


def is_stills(sample: Sample) -> bool:
    """Whether the frames are pictures of their own: two or fewer, and no frame rate between them."""
    return len(sample.inputs) <= 2 and not sample.info.get("fps")


def rate_of(sample: Sample) -> float:
    """Frames per second, :data:`ASSUMED_RATE` where unknown."""
    return float(sample.info.get("fps") or ASSUMED_RATE)


def area_unit(spacing_mm: object) -> tuple[str, float]:
    """The unit of areas, and what one pixel has of it; ``spacing_mm``: the side of a pixel, None where unknown."""
    if isinstance(spacing_mm, int | float) and spacing_mm > 0:
        return "cm²", (spacing_mm / 10.0) ** 2
    return "pixels", 1.0


def true_mask(sample: Sample, frame: int) -> np.ndarray | None:
    """The true mask of a frame, 0/1 (H, W), or None where there is none; the consensus of several annotators."""
    if "mask" not in sample.truth:
        return None
    masks = np.asarray(sample.truth["mask"])[np.asarray(sample.truth["mask_frames"]) == frame]
    if len(masks) < 2:
        return masks[0] if len(masks) else None
    return staple(masks).mask


def true_areas(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """The frames with a true mask, int64 (N,), and their areas in pixels, float64 (N,); empty without truth."""
    if "mask" not in sample.truth:
        return np.empty(0, np.int64), np.empty(0)
    return np.asarray(sample.truth["mask_frames"]), area_curve(np.asarray(sample.truth["mask"]))


def predicted_areas(prediction: np.ndarray) -> np.ndarray:
    """The area of the ventricle in each frame of a prediction (T, H, W), in pixels: float64 (T,)."""
    return area_curve(clean(binarize(prediction)))


def shown_beat(sample: Sample, predictions: Sequence[np.ndarray] = ()) -> tuple[int, int]:
    """One ED and one ES frame: the ES frame follows, unless the clip shows none that does.

    From the truth; without it from the first of the ``predictions``, (T, H, W); without either the first frame and
    the middle one.
    """
    ed, es = event_frames(sample, "ed"), event_frames(sample, "es")
    frames, areas = true_areas(sample)
    if len(ed) == 0 and len(areas):
        ed = frames[[areas.argmax()]]
    if len(es) == 0 and len(areas):
        es = frames[[areas.argmin()]]
    if len(ed) == 0 and len(es) == 0 and predictions:
        ed, es = find_beats(predicted_areas(predictions[0]), rate_of(sample))
    if len(ed) == 0 or len(es) == 0:
        return 0, len(sample.inputs) // 2
    pairs = [(d, s) for d in ed for s in es[es > d][:1]] or [(ed[0], es[0])]
    return int(pairs[0][0]), int(pairs[0][1])
