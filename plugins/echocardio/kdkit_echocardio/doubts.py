"""What is doubtful about a prediction, judged by the prediction itself and the clip below it.

The limits were set on what embedded models predict for simulated clips and CAMUS, which hardly ever pass them, and on
masks that were moved, shaken and scattered on purpose. They tell where to look first, not what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from .beats import Beats
from .clips.sector import find_sector
from .geometry import Masks

# Of the sector's area: the ventricle's median area lies between.
_LEAST_AREA, _MOST_AREA = 0.02, 0.55
# Share of the frames without any ventricle.
_MOST_EMPTY = 0.1
# Change of area from frame to frame, of the median area: at least a share, and at low frame rates what a heart can do
# in a second.
_JUMP, _JUMP_PER_SECOND = 0.2, 9.0
# Mean second difference of the area, of its mean, in percent; a heart that swings by 30 % and beats 150 times a
# minute has 4740 / fps² of it.
_TREMBLE, _BEATING = 5.0, 4740.0
# Share of the ventricle's outline that lies within some pixels of the sector's edge, in the median frame.
_EDGE_PIXELS, _MOST_AT_EDGE = 2, 0.12
# Grey levels by which the tissue around is brighter than the cavity, and how far around it is looked at, in pixels.
_LEAST_CONTRAST, _RING = 4.0, 4
# Frames that are looked at where all of them would say the same.
_MOST_FRAMES = 16
# Pixels with a probability that is neither, for each pixel of the outline: a sharp outline has 3 of them.
_UNSURE, _WIDEST_BAND = (0.1, 0.9), 12.0

# Beats a minute: fewer or more are rather a wrong frame rate.
_SLOWEST, _FASTEST = 30, 220

_WEIGHTS = {
    "no-beat": 0.5,
    "implausible-area": 0.6,
    "area-jump": 0.4,
    "at-edge": 0.4,
    "low-contrast": 0.3,
    "trembles": 0.3,
}
# Of what is said of the clip itself, and of an outline that is blurred all around.
_OTHER_WEIGHT, _BLUR_WEIGHT = 0.3, 0.3


def find_doubts(frames: np.ndarray, masks: Masks, areas: np.ndarray, beats: Beats, fps: float) -> Iterator[str]:
    """The words of :data:`kdkit_echocardio.flags.FLAGS` that hold for a prediction.

    ``frames``: uint8 (T, H, W); ``masks``: its largest components, bool, (T, H, W); ``areas``: theirs; ``fps``:
    frames per second. Of a clip of two frames or fewer no beat is expected.
    """
    moving = len(frames) > 2
    if moving and (len(beats.ed) == 0 or len(beats.es) == 0):
        yield "no-beat"
    sector = find_sector(frames)
    median = float(np.median(areas))
    if not _LEAST_AREA * sector.sum() <= median <= _MOST_AREA * sector.sum() or (areas == 0).mean() > _MOST_EMPTY:
        yield "implausible-area"
    if median == 0:
        return
    if moving and np.abs(np.diff(areas)).max() > max(_JUMP, _JUMP_PER_SECOND / fps) * median:
        yield "area-jump"
    if moving and 100 * np.abs(np.diff(areas, 2)).mean() > (_TREMBLE + _BEATING / fps**2) * areas.mean():
        yield "trembles"
    looked_at = [n for n in np.linspace(0, len(frames) - 1, min(len(frames), _MOST_FRAMES)).astype(int) if areas[n]]
    if np.median([_share_at_edge(masks[n], sector) for n in looked_at]) > _MOST_AT_EDGE:
        yield "at-edge"
    if np.median([_contrast(frames[n], masks[n], sector) for n in looked_at]) < _LEAST_CONTRAST:
        yield "low-contrast"


def doubt_heart_rate(rate: int | None) -> Iterator[str]:
    """The word for a heart ``rate``, beats a minute, that hearts hardly have; None: it is unknown."""
    if rate is not None and not _SLOWEST <= rate <= _FASTEST:
        yield "heart-rate"


def rate_doubt(flags: Iterable[str], prediction: np.ndarray, masks: Masks) -> float:
    """How much there is to doubt, 0..1, by which files are ordered; no probability of anything.

    Each flag, and an outline that is blurred, takes its share of what the others leave. ``prediction``:
    probabilities (T, H, W).
    """
    trust = 1 - _BLUR_WEIGHT * min(1.0, _band_width(prediction, masks) / _WIDEST_BAND)
    for flag in flags:
        trust *= 1 - _WEIGHTS.get(flag, _OTHER_WEIGHT)
    return round(1 - trust, 3)


def _band_width(prediction: np.ndarray, masks: Masks) -> float:
    """How many pixels wide the band is in which the outline could lie, on average over some frames."""
    chosen = np.linspace(0, len(prediction) - 1, min(len(prediction), _MOST_FRAMES)).astype(int)
    unsure = ((prediction[chosen] > _UNSURE[0]) & (prediction[chosen] < _UNSURE[1])).sum()
    length = sum(int(_outline(masks[number]).sum()) for number in chosen)
    return float(unsure / length) if length else _WIDEST_BAND


def _outline(mask: np.ndarray) -> np.ndarray:
    """The pixels of a mask beside its outside, bool (H, W); the frame's border counts as outside."""
    padded = np.pad(mask, 1).astype(np.uint8)
    return (padded - cv2.erode(padded, np.ones((3, 3), np.uint8)))[1:-1, 1:-1].astype(bool)


def _share_at_edge(mask: np.ndarray, sector: np.ndarray) -> float:
    """The share of the outline that lies at the sector's edge or outside."""
    kernel = np.ones((2 * _EDGE_PIXELS + 1,) * 2, np.uint8)
    inner = cv2.erode(np.pad(sector, 1).astype(np.uint8), kernel)[1:-1, 1:-1].astype(bool)
    outline = _outline(mask)
    return float((outline & ~inner).sum() / outline.sum())


def _contrast(frame: np.ndarray, mask: np.ndarray, sector: np.ndarray) -> float:
    """By how many grey levels the ring around the mask is brighter than its inside."""
    kernel = np.ones((2 * _RING + 1,) * 2, np.uint8)
    ring = cv2.dilate(mask.astype(np.uint8), kernel).astype(bool) & ~mask & sector
    return float(frame[ring].mean() - frame[mask].mean()) if ring.any() else 0.0
