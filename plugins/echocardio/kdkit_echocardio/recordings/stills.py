"""Pictures and label maps as clips and contours, for every layout that keeps them in medical formats."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from kdkit import DataError

from ..clips import Clip
from ..clips.clip import build_clip
from .formats import as_picture, read_labels, read_picture, read_values
from .picture import Picture, in_words
from .recording import Contour

# A pixel whose sides differ by less than this share is square.
_SQUARE = 0.01


@dataclass(frozen=True)
class LabelScheme:
    """What the numbers in label maps mean.

    ``cavity``: those of the left ventricle's cavity. ``values``: all that may occur. ``source``: what says so.
    """

    cavity: Collection[int]
    values: Collection[int]
    source: str


CAMUS_LABELS = LabelScheme((1,), range(4), "CAMUS")
"""1 is the left ventricle's cavity, 2 the myocardium, 3 the left atrium."""


def load_sequence(path: Path, fps: float | None) -> Clip:
    """The clip in a picture of several frames; raises :class:`kdkit.DataError`."""
    return clip_of(path, read_values(path), fps)


def clip_of(path: Path, values: Picture, fps: float | None) -> Clip:
    """The clip of the values in a file, its pixels made square; raises :class:`kdkit.DataError` for a label map."""
    picture = as_picture(path, values)
    return replace(_clip(path, picture.frames, picture.steps, fps), directions=picture.directions)


def load_stills(paths: Sequence[Path]) -> Clip:
    """A clip without a frame rate of one picture each, all of one size; a single one twice, as no clip is shorter.

    Raises :class:`kdkit.DataError`, which names the files.
    """
    pictures = [read_picture(path) for path in paths]
    shapes = [picture.frames.shape for picture in pictures]
    if len(set(shapes)) > 1 or shapes[0][0] != 1:
        sizes_text = " and ".join("x".join(map(str, shape[::-1])) for shape in shapes)
        names = " and ".join([str(paths[0]), *(path.name for path in paths[1:])])
        raise DataError(f"{names} are no stills that belong together: {sizes_text} pixels")
    frames = np.concatenate([picture.frames for picture in pictures])
    clip = _clip(paths[0], np.repeat(frames, 2, axis=0) if len(frames) == 1 else frames, pictures[0].steps, None)
    return replace(clip, directions=pictures[0].directions)


def load_contours(mask_files: Mapping[int | None, Path], scheme: LabelScheme) -> list[Contour]:
    """The cavity in each frame of label maps, each under its frame; None for one that holds every frame.

    Raises :class:`kdkit.DataError`, which names the file, where it is no label map or has labels that are not known.
    """
    contours = []
    for frame, file in mask_files.items():
        picture, labels = read_labels(file)
        unknown = sorted(set(labels) - set(scheme.values))
        if unknown:
            detail = f"{scheme.source} knows {in_words(sorted(scheme.values))}"
            raise DataError(f"{file} has the labels {in_words(labels)}; {detail}")
        inside = np.isin(picture.frames, list(scheme.cavity)).astype(np.float32)
        masks = _squared(inside, picture.steps) >= 0.5
        if frame is not None and len(masks) != 1:
            raise DataError(f"{file} holds {len(masks)} frames of labels; one was expected")
        contours += [
            Contour(number if frame is None else frame, mask=mask, directions=picture.directions)
            for number, mask in enumerate(masks)
        ]
    return contours


def _clip(path: Path, frames: np.ndarray, steps: tuple[float, float] | None, fps: float | None) -> Clip:
    squared = _squared(frames, steps)
    return build_clip(path, list(squared), fps=fps, spacing_mm=max(steps) if steps else None)


def _squared(frames: np.ndarray, steps: tuple[float, float] | None) -> np.ndarray:
    """The frames with square pixels of the longer side: the older release samples depth twice as finely as width."""
    if steps is None or abs(steps[0] - steps[1]) <= _SQUARE * max(steps):
        return frames
    height, width = frames.shape[1:]
    shape = tuple(max(1, round(n * step / max(steps))) for n, step in ((width, steps[0]), (height, steps[1])))
    return np.stack([cv2.resize(frame, shape, interpolation=cv2.INTER_AREA) for frame in frames])
