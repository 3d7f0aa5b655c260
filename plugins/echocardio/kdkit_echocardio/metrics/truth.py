"""Reading a clip's truth."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from kdkit import DataError, Sample


def millimetres(sample: Sample) -> float | None:
    """The side of a pixel in millimetres, by ``info["spacing_mm"]``; None where unknown."""
    spacing = sample.info.get("spacing_mm")
    return None if spacing is None else float(spacing)


def event_frames(sample: Sample, event: str) -> np.ndarray:
    """The frames of ``event`` ("ed" or "es"), int64 (n,); empty without any."""
    return np.atleast_1d(np.asarray(sample.truth.get(event, []), np.int64))


def traced_events(
    sample: Sample, prediction: np.ndarray, events: tuple[str, ...]
) -> Iterator[tuple[int, np.ndarray]]:
    """(frame, mask bool (H, W)) of each mask of these events' frames: several for one that several people annotated.

    Raises :class:`kdkit.DataError` when the masks are not of the prediction's frame size.
    """
    if "mask" not in sample.truth:
        return
    masks, frames = sample.truth["mask"], sample.truth["mask_frames"]
    if masks.shape[1:] != prediction.shape[1:]:
        name = sample.info.get("name", "a clip")
        raise DataError(f"{name}: masks of {masks.shape[1:]} pixels, but a prediction of {prediction.shape[1:]}")
    for event in events:
        for frame in event_frames(sample, event):
            for mask in masks[frames == frame]:
                yield int(frame), mask.astype(bool)


def annotator_pairs(sample: Sample, events: tuple[str, ...]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The masks, bool (H, W), of any two people who annotated the same of these events' frames, in both orders."""
    if "mask" not in sample.truth:
        return
    masks, frames = np.asarray(sample.truth["mask"]).astype(bool), sample.truth["mask_frames"]
    for event in events:
        for frame in event_frames(sample, event):
            yield from permutations(masks[frames == frame], 2)
