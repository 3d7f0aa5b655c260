"""A study as plain values and numbers, so that it can be kept without code in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kdkit import Defect

from ..clips import Clip, read_clip
from .recording import Contour, Labels, Recording, Study
from .video import load_video

# What a recording may be read with; others are not kept.
_LOADERS: dict[str, Callable[..., Clip]] = {"read_clip": read_clip, "load_video": load_video}


class NotPlainError(Exception):
    """A study that holds more than plain values: labels in files of their own, say."""


def encode(study: Study) -> tuple[dict[str, Any], np.ndarray]:
    """JSON-able values, and the numbers of all contours, float64 (N,). Raises :class:`NotPlainError`."""
    numbers: list[np.ndarray] = []
    content = {
        "layout": study.layout,
        "recordings": [_encode_recording(recording, numbers) for recording in study.recordings],
        "defects": [list(asdict(defect).values()) for defect in study.defects],
    }
    return content, np.concatenate(numbers) if numbers else np.empty(0)


def decode(path: Path, content: dict[str, Any], numbers: np.ndarray) -> Study:
    """The study that was encoded. Raises KeyError, TypeError, ValueError or IndexError for anything else."""
    position = 0

    def take(shape: Sequence[int] | None) -> np.ndarray | None:
        nonlocal position
        if shape is None:
            return None
        start, position = position, position + math.prod(shape)
        return numbers[start:position].reshape(shape)

    recordings = [_decode_recording(values, take) for values in content["recordings"]]
    return Study(content["layout"], path, recordings, [Defect(*values) for values in content["defects"]])


def is_plain(recording: Recording) -> bool:
    """Whether one file and a table are all that the recording is read from."""
    load, contours = recording.load, recording.labels.contours
    return (
        isinstance(load, partial)
        and load.func in _LOADERS.values()
        and isinstance(contours, tuple)
        and all(contour.mask is None for contour in contours)
    )


def _encode_recording(recording: Recording, numbers: list[np.ndarray]) -> dict[str, Any]:
    load = recording.load
    if not is_plain(recording) or not isinstance(load, partial):
        raise NotPlainError
    labels = {key: value for key, value in vars(recording.labels).items() if key != "contours"}
    return {
        **{key: value for key, value in vars(recording).items() if key not in ("path", "load", "labels")},
        "path": str(recording.path),
        "load": [load.func.__name__, [None if isinstance(a, Path) else a for a in load.args], load.keywords],
        "info": dict(recording.info),
        "labels": labels,
        "contours": [_encode_contour(contour, numbers) for contour in recording.labels.contours],
    }


def _encode_contour(contour: Contour, numbers: list[np.ndarray]) -> list[Any]:
    arrays = (contour.points, contour.axis, contour.chords)
    numbers.extend(np.asarray(array, np.float64).ravel() for array in arrays if array is not None)
    return [contour.frame, contour.directions, *(None if array is None else array.shape for array in arrays)]


def _decode_recording(values: dict[str, Any], take: Any) -> Recording:
    path = Path(values["path"])
    name, arguments, keywords = values["load"]
    contours = tuple(_decode_contours(values["contours"], take))
    size = values["declared_size"]
    return Recording(
        **{key: values[key] for key in ("name", "patient", "split", "view", "info", "declared_frames")},
        path=path,
        # The file itself is the one path among the arguments.
        load=partial(_LOADERS[name], *(path if i == 0 else a for i, a in enumerate(arguments)), **keywords),
        labels=replace(Labels(**values["labels"]), contours=contours),
        declared_size=None if size is None else (size[0], size[1]),
    )


def _decode_contours(contours: Sequence[Sequence[Any]], take: Any) -> Iterator[Contour]:
    for frame, directions, points, axis, chords in contours:
        both = None if directions is None else (directions[0], directions[1])
        yield Contour(frame, points=take(points), axis=take(axis), chords=take(chords), directions=both)
