"""A recording as a sample: fitted to the network's square, its labels with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import numpy as np

from kdkit import Sample, array_digest

from ..clips import SIDE, Square, cut_out, fit
from ..clips.plausibility import find_flags
from ..flags import join
from ..geometry import echonet_mask, polygon_mask
from .recording import Contour, Recording

Tracings = Literal["echonet", "exact"]
_DRAW: dict[Tracings, Callable[[np.ndarray, tuple[int, int]], np.ndarray]] = {
    "echonet": echonet_mask,
    "exact": polygon_mask,
}


def sample_of(recording: Recording, most_frames: int | None = None, tracings: Tracings = "echonet") -> Sample:
    """The recording as uint8 (T, 112, 112) with its truth, at most ``most_frames`` frames of it.

    ``tracings``: how outlines become masks, as EchoNet draws them or exactly; told as ``info["tracings"]``.
    Raises :class:`kdkit.DataError`, which names the file, when it or its labels cannot be read.
    """
    clip = recording.load()
    fitted, square = fit(clip)
    labels = recording.labels
    contours = [contour for contour in labels.contours if contour.frame < len(fitted)]
    events = {"ed": labels.ed, "es": labels.es}
    known = [frame for frame in events.values() if frame is not None] or [contour.frame for contour in contours]
    start, stop = window(len(fitted), known, most_frames)
    truth: dict[str, np.ndarray] = {}
    inside = [contour for contour in contours if start <= contour.frame < stop]
    if inside:
        truth["mask"] = np.stack([fitted_mask(contour, square, tracings) for contour in inside]).astype(np.uint8)
        truth["mask_frames"] = np.array([contour.frame - start for contour in inside], np.int64)
    for event, frame in events.items():
        if frame is not None and start <= frame < stop:
            truth[event] = np.array([frame - start], np.int64)
    if labels.ejection_fraction is not None:
        truth["ejection_fraction"] = np.array(labels.ejection_fraction, np.float64)
    info = {
        **recording.info,
        "name": recording.name,
        "patient": recording.patient,
        "unit": recording.patient,
        "view": recording.view,
        "split": recording.split,
        "fps": clip.fps,
        "spacing_mm": None if clip.spacing_mm is None else clip.spacing_mm * square.side / SIDE,
        "square": square.as_info(),
        "flags": join(find_flags(clip)),
    }
    if any(contour.points is not None for contour in inside):
        info["tracings"] = tracings
    if stop - start < len(fitted):
        info["content"] = array_digest(fitted)
    return Sample(np.ascontiguousarray(fitted[start:stop]), truth, info)


def window(count: int, labelled: Iterable[int], most: int | None) -> tuple[int, int]:
    """The first frame of the part that is taken of ``count`` frames, and the one after its last.

    The labelled frames lie in its middle where they fit; of a part shorter than their distance the first one does.
    Without labels it is the beginning.
    """
    if most is None or count <= most:
        return 0, count
    frames = sorted(labelled)
    if not frames:
        return 0, most
    last = frames[-1] if frames[-1] - frames[0] < most else frames[0]
    start = (frames[0] + last + 1 - most) // 2
    start = max(0, min(start, count - most))
    return start, start + most


def fitted_mask(contour: Contour, square: Square, tracings: Tracings) -> np.ndarray:
    """The inside of a contour in the fitted clip: bool (112, 112). A polygon is moved before it becomes pixels."""
    if contour.mask is not None:
        return cut_out(contour.mask.astype(np.float32), square) >= 0.5
    assert contour.points is not None
    return _DRAW[tracings](fitted_points(contour.points, square), (SIDE, SIDE))


def fitted_points(points: np.ndarray, square: Square) -> np.ndarray:
    """Points (N, 2), x and y of the recording's pixels, in the fitted clip; whole numbers are pixel centres."""
    corner = np.array([square.left, square.top])
    return (np.asarray(points, np.float64) + 0.5 - corner) * (SIDE / square.side) - 0.5
